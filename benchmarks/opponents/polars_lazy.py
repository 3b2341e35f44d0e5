"""Polars, one lazy query: narrow frames grouped by customer, what is different grouped first, joined at the end.

python -m benchmarks.opponents.polars_lazy FILE --at T [T …] --threads N --out FILE.parquet [--engine in-memory]

Polars takes its number of threads from POLARS_MAX_THREADS when it is imported; the benchmark sets it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from math import log

import polars as pl
from polars import col

from benchmarks.opponents.command import parser
from benchmarks.opponents.names import ACTIVE, CHANNELS, COUNTED, KINDS, LONG, SPENT

DAY_US = 86_400e6
WEEKEND, NIGHT_FROM, NIGHT_TO = 6, 22, 6
WHO, TIME, AMOUNT = "customer_id", col("timestamp"), col("amount")


@dataclass(frozen=True)
class Instant:
    """Expressions that look back from an instant."""

    at: datetime

    def within(self, window, ago=0, of=TIME):
        """Whether a row of the past lies in a window that ends some days before the instant."""
        upper = [of < self.at - timedelta(days=ago)] if ago else []
        lower = [] if window == "all" else [of >= self.at - timedelta(days=int(window[:-1]) + ago)]
        return pl.all_horizontal(upper + lower) if upper or lower else pl.lit(True)

    def count(self, window, ago=0, of=TIME):
        """Rows of a window."""
        return (pl.len() if window == "all" else self.within(window, ago, of).sum()).cast(pl.Int64)

    def counts(self, name, windows, of=TIME):
        """Rows of each window."""
        return [self.count(w, of=of).alias(f"{name}_{w}") for w in windows]

    def spent(self, window, ago=0):
        """Amounts in a window."""
        return AMOUNT if (window, ago) == ("all", 0) else pl.when(self.within(window, ago)).then(AMOUNT)

    def days(self, stamp):
        """Days from a stamp to the instant."""
        return (pl.lit(self.at) - stamp).dt.total_microseconds() / DAY_US

    def halved(self, half_life):
        """A weight that halves with age."""
        return (self.days(TIME) * (-log(2) / half_life)).exp()


def all_rows(past, i):
    """Recency, tenure and counts."""
    told = [i.days(TIME.max()).alias("recency_days"), i.days(TIME.min()).alias("tenure_days")]
    return past.group_by(WHO).agg(*told, *i.counts("count", COUNTED))


def kinds(past, i):
    """What is told of each kind."""
    each = past.group_by(WHO, "kind").agg(TIME.max().alias("last"), *i.counts("n", ("7d", "30d", *LONG)))

    def of(column, kind):
        return col(column).filter(col("kind") == kind)

    return each.group_by(WHO).agg(
        *(i.days(of("last", k).first()).alias(f"recency_days_{k}") for k in KINDS),
        *(of(f"n_{w}", "return").sum().alias(f"count_return_{w}") for w in LONG),
        *(of(f"n_{w}", "view").sum().alias(f"count_view_{w}") for w in ("7d", "30d", "90d")),
    )


def purchases(buys, i):
    """Counts and amounts of purchases."""
    night = (TIME.dt.hour() >= NIGHT_FROM) | (TIME.dt.hour() < NIGHT_TO)
    change = i.spent("30d").sum() - i.spent("30d", 30).sum()
    return buys.group_by(WHO).agg(
        *i.counts("count_purchase", COUNTED),
        *(i.spent(w).sum().alias(f"total_amount_purchase_{w}") for w in SPENT),
        *(i.spent(w).mean().alias(f"mean_amount_purchase_{w}") for w in LONG),
        *(i.spent(w).max().alias(f"largest_amount_purchase_{w}") for w in ("365d", "all")),
        i.spent("365d").min().alias("smallest_amount_purchase_365d"),
        *(i.spent(w).std().alias(f"spread_amount_purchase_{w}") for w in ("365d", "all")),
        *((i.count(f"{d}d") - i.count(f"{d}d", d)).alias(f"trend_count_purchase_{d}d") for d in (30, 90)),
        change.alias("trend_total_amount_purchase_30d"),
        i.halved(30).sum().alias("decayed_count_purchase_30d"),
        *((AMOUNT * i.halved(d)).sum().alias(f"decayed_amount_purchase_{d}d") for d in (30, 90)),
        AMOUNT.min_by(TIME).alias("first_amount_purchase_all"),
        AMOUNT.max_by(TIME).alias("last_amount_purchase_all"),
        (TIME.dt.weekday() >= WEEKEND).mean().alias("weekend_share_all"),
        night.mean().alias("night_share_all"),
        i.count("90d", 364).alias("count_purchase_year_ago_90d"),
    )


def seen(frame, column, name, windows, i):
    """How many different values were last seen in each window."""
    last = frame.group_by(WHO, column).agg(TIME.max().alias("last"))
    return last.group_by(WHO).agg(i.counts(name, windows, col("last")))


def categories(buys, i):
    """How varied purchases are."""
    n = col("n").filter(col("n") > 0)
    each = buys.group_by(WHO, "category").agg(TIME.max().alias("last"), i.count("365d").alias("n"))
    return each.group_by(WHO).agg(
        *i.counts("distinct_category_purchase", LONG, col("last")),
        (n.sum().log() - (n * n.log()).sum() / n.sum()).alias("entropy_category_purchase_365d"),
        (n.max() / n.sum()).alias("top_share_category_purchase_365d"),
    )


def channels(past, i):
    """Channels of the last year."""
    n = col("n")
    each = past.filter(i.within("365d")).group_by(WHO, "channel").len("n")
    shares = [(n.filter(col("channel") == c).sum() / n.sum()).alias(f"share_channel={c}_365d") for c in CHANNELS]
    return each.group_by(WHO).agg(pl.len().alias("distinct_channel_365d"), *shares)


def gaps(buys):
    """The rhythm of days with a purchase."""
    days = buys.select(WHO, day=TIME.dt.date().cast(pl.Int32)).unique().sort(WHO, "day")
    gap = pl.when(col(WHO) == col(WHO).shift()).then(col("day").diff())
    return (
        days.select(WHO, "day", gap=gap)
        .drop_nulls()
        .group_by(WHO)
        .agg(
            col("gap").mean().alias("gap_purchase_mean_all"),
            col("gap").std().alias("gap_purchase_spread_all"),
            col("gap").max().alias("gap_purchase_longest_all"),
            col("gap").max_by("day").alias("gap_purchase_last_all"),
        )
    )


def features(log, at):
    """A lazy log as features at an instant."""
    i, past = Instant(at), log.filter(at > TIME)
    buys = past.filter(col("kind") == "purchase")
    items = seen(buys, "item_id", "distinct_item_id_purchase", LONG, i)
    active = seen(past.with_columns(day=TIME.dt.date()), "day", "active_days", ACTIVE, i)
    parts = [kinds(past, i), purchases(buys, i), items, categories(buys, i), channels(past, i), active, gaps(buys)]
    table = reduce(lambda left, right: left.join(right, on=WHO, how="left"), parts, all_rows(past, i))
    since, bought = col("recency_days_purchase"), col("count_purchase_all")
    return table.with_columns(pl.selectors.matches("^(count|total|distinct|trend|decayed)_").fill_null(0)).with_columns(
        at=pl.lit(at),
        recency_days_buys=since,
        gap_purchase_overdue_all=since / col("gap_purchase_mean_all"),
        return_rate_all=pl.when(bought > 0).then(col("count_return_all") / bought),
    )


def main() -> None:
    """The command."""
    command = parser(__doc__)
    command.add_argument("--engine", default="streaming", choices=["in-memory", "streaming"])
    options = command.parse_args()
    log = pl.scan_parquet(options.file)
    told = pl.concat([features(log, datetime.fromisoformat(at)) for at in options.at])
    told.collect(engine=options.engine).write_parquet(options.out)


if __name__ == "__main__":
    main()
