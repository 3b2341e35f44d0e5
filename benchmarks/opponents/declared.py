"""The 75 features, declared once."""

from benchmarks.opponents.names import ACTIVE, CHANNELS, COUNTED, KINDS, LONG, SPENT
from crmintel import features as f

BUYS, RETURNS, VIEWS = f.where(kind="purchase"), f.where(kind="return"), f.where(kind="view")
VOCABULARY = {"kind": KINDS, "channel": CHANNELS}

SPECS = (
    f.recency(),
    f.recency(BUYS).named("recency_days_buys", "days since the last purchase"),
    f.tenure(),
    f.since("kind"),
    f.count().over(*COUNTED),
    f.count(BUYS).over(*COUNTED),
    f.count(RETURNS).over(*LONG),
    f.count(VIEWS).over("7d", "30d", "90d"),
    f.total("amount", BUYS).over(*SPENT),
    f.mean("amount", BUYS).over(*LONG),
    f.largest("amount", BUYS).over("365d", "all"),
    f.smallest("amount", BUYS).over("365d"),
    f.spread("amount", BUYS).over("365d", "all"),
    f.distinct("item_id", BUYS).over(*LONG),
    f.distinct("category", BUYS).over(*LONG),
    f.distinct("channel").over("365d"),
    f.active_days().over(*ACTIVE),
    f.gaps(BUYS),
    f.trend(f.count(BUYS), "30d").over("30d", "90d"),
    f.trend(f.total("amount", BUYS), "30d"),
    f.share("channel").over("365d"),
    f.entropy("category", BUYS).over("365d"),
    f.top_share("category", BUYS).over("365d"),
    f.decayed(where=BUYS, half_life="30d"),
    f.decayed("amount", BUYS, half_life="30d"),
    f.decayed("amount", BUYS, half_life="90d"),
    f.first("amount", BUYS),
    f.last("amount", BUYS),
    f.ratio(f.count(BUYS & f.weekend()), f.count(BUYS)).named("weekend_share", "share of purchases at the weekend"),
    f.ratio(f.count(BUYS & f.night()), f.count(BUYS)).named("night_share", "share of purchases at night"),
    f.year_ago(f.count(BUYS), "90d"),
    f.ratio(f.count(RETURNS), f.count(BUYS)).named("return_rate", "returns per purchase"),
)

SHARED = (
    f.recency(),
    f.tenure(),
    f.since("kind"),
    f.count().over("365d", "all"),
    f.count(BUYS).over("365d", "all"),
    f.count(RETURNS).over("365d", "all"),
    f.total("amount", BUYS).over("365d", "all"),
    f.mean("amount", BUYS).over("365d", "all"),
    f.largest("amount", BUYS).over("365d", "all"),
    f.smallest("amount", BUYS).over("365d"),
    f.spread("amount", BUYS).over("365d", "all"),
    f.distinct("item_id", BUYS).over("365d", "all"),
    f.distinct("category", BUYS).over("365d", "all"),
    f.distinct("channel").over("365d"),
    f.entropy("category", BUYS).over("365d"),
    f.first("amount", BUYS),
    f.last("amount", BUYS),
)
"""What featuretools can say too."""


def feature_set() -> f.FeatureSet:
    """All of them, with frozen vocabularies."""
    features = f.FeatureSet(SPECS, VOCABULARY)
    assert len(features.names) == 75, len(features.names)
    return features


def shared_set() -> f.FeatureSet:
    """Those that featuretools has too."""
    return f.FeatureSet(SHARED, VOCABULARY)
