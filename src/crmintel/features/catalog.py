"""The features that are shipped, by name."""

from typing import Final

from crmintel.features.attribute import Attribute, AttributeValue
from crmintel.features.compare import Difference, OfCustomer, Ratio, Slope, Trend, YearAgo, ratio
from crmintel.features.numbers import (
    Count,
    Decayed,
    Drift,
    First,
    FirstDay,
    Largest,
    Last,
    Mean,
    Quantile,
    Smallest,
    Spread,
    Total,
)
from crmintel.features.response import BestHour, Resolution, Response
from crmintel.features.rhythm import ActiveDays, Gaps, Joined, Recency, Since, Streaks, Tenure
from crmintel.features.spec import Spec
from crmintel.features.variety import Distinct, Entropy, FirstValue, LastValue, Share, Top, TopShare

SHIPPED: Final[tuple[type[Spec], ...]] = (
    ActiveDays, Attribute, AttributeValue, BestHour, Count, Decayed, Difference, Distinct, Drift, Entropy, First, FirstDay, FirstValue,
    Gaps, Joined, Largest, Last, LastValue, Mean, OfCustomer, Quantile, Ratio, Recency, Resolution, Response, Share, Since, Slope,
    Smallest, Spread, Streaks, Tenure, Top, TopShare, Total, Trend, YearAgo,
)  # fmt: skip

__all__ = [
    "SHIPPED", "ActiveDays", "Attribute", "AttributeValue", "BestHour", "Count", "Decayed", "Difference", "Distinct", "Drift", "Entropy", "First", "FirstDay", "FirstValue",
    "Gaps", "Joined", "Largest", "Last", "LastValue", "Mean", "OfCustomer", "Quantile", "Ratio", "Recency", "Resolution", "Response", "Share", "Since", "Slope",
    "Smallest", "Spread", "Streaks", "Tenure", "Top", "TopShare", "Total", "Trend", "YearAgo", "ratio",
]  # fmt: skip
