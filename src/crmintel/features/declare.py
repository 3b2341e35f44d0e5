"""The short names by which features are declared."""

from crmintel.columns import KIND
from crmintel.features import catalog as c
from crmintel.features.filters import Where
from crmintel.features.spec import Windowed


def recency(where: Where | None = None) -> c.Recency:
    """Days since the last interaction."""
    return c.Recency(where=where)


def tenure(where: Where | None = None) -> c.Tenure:
    """Days since the first interaction."""
    return c.Tenure(where=where)


def since(by: str = KIND, where: Where | None = None) -> c.Since:
    """Days since the last interaction of each value of a column."""
    return c.Since(by=by, where=where)


def count(where: Where | None = None) -> c.Count:
    """Number of interactions.

    >>> count().over("7d", "all").features({})[0].words
    'interactions in the last 7 days'
    """
    return c.Count(where=where)


def total(column: str, where: Where | None = None) -> c.Total:
    """Sum of a number."""
    return c.Total(column=column, where=where)


def mean(column: str, where: Where | None = None) -> c.Mean:
    """Mean of a number."""
    return c.Mean(column=column, where=where)


def largest(column: str, where: Where | None = None) -> c.Largest:
    """Largest value of a number."""
    return c.Largest(column=column, where=where)


def smallest(column: str, where: Where | None = None) -> c.Smallest:
    """Smallest value of a number."""
    return c.Smallest(column=column, where=where)


def spread(column: str, where: Where | None = None) -> c.Spread:
    """Sample standard deviation of a number."""
    return c.Spread(column=column, where=where)


def first(column: str, where: Where | None = None) -> c.First:
    """Earliest value of a number."""
    return c.First(column=column, where=where)


def last(column: str, where: Where | None = None) -> c.Last:
    """Latest value of a number."""
    return c.Last(column=column, where=where)


def first_day(column: str, where: Where | None = None) -> c.FirstDay:
    """Sum of a number over the first local day that has one."""
    return c.FirstDay(column=column, where=where)


def distinct(column: str, where: Where | None = None) -> c.Distinct:
    """Number of different values of a column."""
    return c.Distinct(column=column, where=where)


def active_days(where: Where | None = None) -> c.ActiveDays:
    """Local days with an interaction."""
    return c.ActiveDays(where=where)


def gaps(where: Where | None = None) -> c.Gaps:
    """The rhythm of days with an interaction, five features."""
    return c.Gaps(where=where)


def trend(feature: Windowed, window: str) -> c.Trend:
    """A feature over a window minus the same over the window before."""
    return c.Trend(inner=feature, windows=(window,))


def year_ago(feature: Windowed, *windows: str) -> c.YearAgo:
    """A feature over the windows that ended 364 days before.

    >>> year_ago(active_days(), "30d").features({})[0].words
    'days with interactions in the same 30 days a year ago'
    """
    return c.YearAgo(inner=feature, windows=windows)


def share(column: str, where: Where | None = None) -> c.Share:
    """Share of each value of a column."""
    return c.Share(column=column, where=where)


def entropy(column: str, where: Where | None = None) -> c.Entropy:
    """How mixed the values of a column are."""
    return c.Entropy(column=column, where=where)


def top_share(column: str, where: Where | None = None) -> c.TopShare:
    """Share of the most frequent value of a column."""
    return c.TopShare(column=column, where=where)


def decayed(column: str | None = None, where: Where | None = None, *, half_life: str = "30d") -> c.Decayed:
    """A count, or a sum of a number, that fades with age."""
    return c.Decayed(column=column, where=where, half_life=half_life)
