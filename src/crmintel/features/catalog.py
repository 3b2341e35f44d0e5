"""The features that are shipped, by name."""

from typing import Final

from crmintel.features.compare import Ratio, Trend, YearAgo, ratio
from crmintel.features.numbers import Count, Decayed, First, FirstDay, Largest, Last, Mean, Smallest, Spread, Total
from crmintel.features.rhythm import ActiveDays, Gaps, Recency, Since, Tenure
from crmintel.features.spec import Spec
from crmintel.features.variety import Distinct, Entropy, Share, TopShare

SHIPPED: Final[tuple[type[Spec], ...]] = (
    ActiveDays, Count, Decayed, Distinct, Entropy, First, FirstDay, Gaps, Largest, Last, Mean, Ratio, Recency, Share, Since,
    Smallest, Spread, Tenure, TopShare, Total, Trend, YearAgo,
)  # fmt: skip

__all__ = [
    "SHIPPED", "ActiveDays", "Count", "Decayed", "Distinct", "Entropy", "First", "FirstDay", "Gaps", "Largest", "Last", "Mean",
    "Ratio", "Recency", "Share", "Since", "Smallest", "Spread", "Tenure", "TopShare", "Total", "Trend", "YearAgo", "ratio",
]  # fmt: skip
