"""pandas, vectorised: slices of a log in time order and grouped aggregates of narrow frames, nothing row by row.

python -m benchmarks.opponents.pandas_vectorised FILE --at T [T …] --threads N --out FILE.parquet
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.opponents.command import parser
from benchmarks.opponents.names import ACTIVE, CHANNELS, COUNTED, KINDS, LONG, SPENT

WHO, DAY = "customer_id", pd.Timedelta(days=1)
NIGHT_FROM, NIGHT_TO, SATURDAY = 22, 6, 5


@dataclass(frozen=True)
class Rows:
    """Rows of the past of an instant, in time order, so that every window is a slice."""

    frame: pd.DataFrame
    at: pd.Timestamp

    def of(self, kind):
        """Those of a kind."""
        return Rows(self.frame[self.frame["kind"] == kind], self.at)

    def within(self, window, ago=0):
        """Those of a window that ends some days before the instant."""
        time = self.frame["timestamp"]
        first = 0 if window == "all" else time.searchsorted(self.at - (int(window[:-1]) + ago) * DAY)
        return self.frame.iloc[first : time.searchsorted(self.at - ago * DAY)]

    def grouped(self, window="all", ago=0):
        """By customer, in no order: the features are put in order once, at the end."""
        return self.within(window, ago).groupby(WHO, sort=False)

    def count(self, window, ago=0):
        """Rows of a window."""
        return self.grouped(window, ago).size()

    def counts(self, name, windows):
        """Rows of each window."""
        return {f"{name}_{w}": self.count(w) for w in windows}

    def spent(self, window="all", ago=0):
        """Amounts of a window, by customer."""
        return self.grouped(window, ago)["amount"]

    def distinct(self, column, name, windows):
        """Different values in each window."""
        frames = {w: self.within(w)[[WHO, column]].drop_duplicates() for w in windows}
        return {f"{name}_{w}": frame.groupby(WHO, sort=False).size() for w, frame in frames.items()}


def since(stamp, at):
    """Days from stamps to the instant."""
    return (at - stamp) / DAY


def zero_of_nothing(past, buys):
    """The features that are 0 for who did nothing."""
    days = Rows(past.frame[[WHO, "timestamp"]].assign(day=past.frame["timestamp"].dt.floor("D")), past.at)
    age = since(buys.frame["timestamp"], buys.at)

    def fading(value, half_life):
        return (value * np.exp2(-age / half_life)).groupby(buys.frame[WHO], sort=False).sum()

    def change(told, days):
        return told(f"{days}d").sub(told(f"{days}d", days), fill_value=0)

    return {
        **past.counts("count", COUNTED),
        **buys.counts("count_purchase", COUNTED),
        **past.of("return").counts("count_return", LONG),
        **past.of("view").counts("count_view", ("7d", "30d", "90d")),
        **{f"total_amount_purchase_{w}": buys.spent(w).sum() for w in SPENT},
        **buys.distinct("item_id", "distinct_item_id_purchase", LONG),
        **buys.distinct("category", "distinct_category_purchase", LONG),
        **past.distinct("channel", "distinct_channel", ["365d"]),
        **days.distinct("day", "active_days", ACTIVE),
        **{f"trend_count_purchase_{d}d": change(buys.count, d) for d in (30, 90)},
        "trend_total_amount_purchase_30d": change(lambda *window: buys.spent(*window).sum(), 30),
        "count_purchase_year_ago_90d": buys.count("90d", 364),
        "decayed_count_purchase_30d": fading(1.0, 30),
        **{f"decayed_amount_purchase_{d}d": fading(buys.frame["amount"], d) for d in (30, 90)},
    }


def missing_of_nothing(past, buys):
    """The features that are missing for who did nothing."""
    last = {k: since(past.of(k).grouped()["timestamp"].last(), past.at) for k in KINDS}
    hour, day = buys.frame["timestamp"].dt.hour, buys.frame["timestamp"].dt.day_of_week
    night = (hour >= NIGHT_FROM) | (hour < NIGHT_TO)
    return {
        "recency_days": since(past.grouped()["timestamp"].last(), past.at),
        "tenure_days": since(past.grouped()["timestamp"].first(), past.at),
        "recency_days_buys": last["purchase"],
        **{f"recency_days_{k}": x for k, x in last.items()},
        **{f"mean_amount_purchase_{w}": buys.spent(w).mean() for w in LONG},
        **{f"largest_amount_purchase_{w}": buys.spent(w).max() for w in ("365d", "all")},
        "smallest_amount_purchase_365d": buys.spent("365d").min(),
        **{f"spread_amount_purchase_{w}": buys.spent(w).std() for w in ("365d", "all")},
        "first_amount_purchase_all": buys.spent().first(),
        "last_amount_purchase_all": buys.spent().last(),
        "weekend_share_all": (day >= SATURDAY).groupby(buys.frame[WHO], sort=False).mean(),
        "night_share_all": night.groupby(buys.frame[WHO], sort=False).mean(),
        **shares(past),
        **mixture(buys),
        **gaps(buys, last["purchase"]),
    }


def shares(past):
    """Share of each channel in the last year."""
    n = past.within("365d").groupby([WHO, "channel"], observed=False, sort=False).size().unstack(fill_value=0)
    return {f"share_channel={c}_365d": n[c] / n.sum(axis=1) for c in CHANNELS}


def mixture(buys):
    """How varied the categories of the last year are."""
    n = buys.within("365d").groupby([WHO, "category"], observed=True, sort=False).size()
    total = n.groupby(level=0, sort=False).sum()
    return {
        "entropy_category_purchase_365d": np.log(total) - (n * np.log(n)).groupby(level=0, sort=False).sum() / total,
        "top_share_category_purchase_365d": n.groupby(level=0, sort=False).max() / total,
    }


def gaps(buys, last):
    """The rhythm of days with a purchase."""
    visits = buys.frame[[WHO]].assign(day=buys.frame["timestamp"].dt.floor("D")).drop_duplicates()
    visits = visits.sort_values([WHO, "day"])
    gap = visits["day"].diff().where(visits[WHO] == visits[WHO].shift()) / DAY
    known = gap.notna()
    found = gap[known].groupby(visits.loc[known, WHO], sort=False)
    usual = found.mean()
    return {
        "gap_purchase_mean_all": usual,
        "gap_purchase_spread_all": found.std(),
        "gap_purchase_longest_all": found.max(),
        "gap_purchase_last_all": found.last(),
        "gap_purchase_overdue_all": last / usual,
    }


def features(log, at):
    """The features at an instant of a log in time order."""
    past = Rows(log.iloc[: log["timestamp"].searchsorted(at)], at)
    buys = past.of("purchase")
    zeros, others = zero_of_nothing(past, buys), missing_of_nothing(past, buys)
    people = others["recency_days"].index.sort_values()
    columns = {name: x.reindex(people, fill_value=0) for name, x in zeros.items()}
    columns |= {name: x.reindex(people) for name, x in others.items()}
    columns["return_rate_all"] = columns["count_return_all"] / columns["count_purchase_all"].replace(0, np.nan)
    return pd.DataFrame({"at": at, **columns}, index=people)


def main() -> None:
    """The command."""
    options = parser(__doc__).parse_args()
    log = pd.read_parquet(options.file, read_dictionary=["kind", "channel", "category"])
    if not log["timestamp"].is_monotonic_increasing:
        log = log.sort_values("timestamp", kind="stable")
    table = pd.concat([features(log, pd.Timestamp(at)) for at in options.at])
    table.reset_index().to_parquet(options.out)


if __name__ == "__main__":
    main()
