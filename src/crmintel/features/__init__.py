"""Features: the past of each customer as a table, told at an instant; labels: the future as a column."""

from crmintel.features.build import FeatureSet
from crmintel.features.compare import ratio
from crmintel.features.declare import (
    active_days,
    count,
    decayed,
    distinct,
    entropy,
    first,
    first_day,
    gaps,
    largest,
    last,
    mean,
    recency,
    share,
    since,
    smallest,
    spread,
    tenure,
    top_share,
    total,
    trend,
    year_ago,
)  # fmt: skip
from crmintel.features.filters import Where
from crmintel.features.instants import monthly
from crmintel.features.labels import churned, next_items, orders, spend
from crmintel.features.spec import Spec
from crmintel.features.standard import standard
from crmintel.features.where import between, night, weekend, where
from crmintel.features.words import Feature

__all__ = [
    "Feature", "FeatureSet", "Spec", "Where", "active_days", "between", "churned", "count", "decayed", "distinct",
    "entropy", "first", "first_day", "gaps", "largest", "last", "mean", "monthly", "next_items", "night", "orders", "ratio", "recency",
    "share", "since", "smallest", "spend", "spread", "standard", "tenure", "top_share", "total", "trend", "weekend", "where", "year_ago",
]  # fmt: skip
