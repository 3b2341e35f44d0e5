"""What both SQL formulations share: the aggregates that need no DISTINCT, and how a query is run."""

import argparse

import duckdb

from benchmarks.opponents.names import CHANNELS, COUNTED, KINDS, LONG, SPENT

BUYS, RETURNS, VIEWS = "kind = 'purchase'", "kind = 'return'", "kind = 'view'"
WEEKEND, NIGHT = "isodow(timestamp) >= 6", "(hour(timestamp) >= 22 OR hour(timestamp) < 6)"
AT = "TIMESTAMP '$at'"
DAYS_SINCE = f"(epoch_us({AT}) - epoch_us({{}})) / 86400e6"
AGE = DAYS_SINCE.format("timestamp")


def within(window: str, ago: int = 0) -> str:
    """The further condition that a row lies in a window that ends some days before the instant."""
    until = f" AND timestamp < {AT} - INTERVAL {ago} DAY" if ago else ""
    return until if window == "all" else f"{until} AND timestamp >= {AT} - INTERVAL {int(window[:-1]) + ago} DAY"


def count(condition: str, window: str, ago: int = 0) -> str:
    """Rows of a window."""
    return f"count(*) FILTER ({condition}{within(window, ago)})"


def named(told: dict[str, str]) -> list[str]:
    """Expressions under their names."""
    return [f'{expression} AS "{name}"' for name, expression in told.items()]


def everything() -> list[str]:
    """What one pass tells of all rows."""
    year = count("true", "365d")
    told = {
        "recency_days": DAYS_SINCE.format("max(timestamp)"),
        "tenure_days": DAYS_SINCE.format("min(timestamp)"),
        **{f"recency_days_{k}": DAYS_SINCE.format(f"max(timestamp) FILTER (kind = '{k}')") for k in KINDS},
        **{f"count_{w}": count("true", w) for w in COUNTED},
        **{f"count_return_{w}": count(RETURNS, w) for w in LONG},
        **{f"count_view_{w}": count(VIEWS, w) for w in ("7d", "30d", "90d")},
        **{f"share_channel={c}_365d": count(f"channel = '{c}'", "365d") + f" / nullif({year}, 0)" for c in CHANNELS},
        "return_rate_all": f"{count(RETURNS, 'all')} / nullif({count(BUYS, 'all')}, 0)",
    }
    return named(told)


def purchases(buys: str) -> list[str]:
    """What one pass tells of purchases: the rows that meet a condition."""

    def spent(aggregate: str, window: str, ago: int = 0) -> str:
        return f"{aggregate}(amount) FILTER ({buys}{within(window, ago)})"

    def total(window: str, ago: int = 0) -> str:
        return f"coalesce({spent('sum', window, ago)}, 0)"

    def decayed(value: str, days: int) -> str:
        return f"coalesce(sum({value} * exp({AGE} * (-ln(2) / {days}))) FILTER ({buys}), 0)"

    told = {
        "recency_days_buys": DAYS_SINCE.format(f"max(timestamp) FILTER ({buys})"),
        **{f"count_purchase_{w}": count(buys, w) for w in COUNTED},
        **{f"total_amount_purchase_{w}": total(w) for w in SPENT},
        **{f"mean_amount_purchase_{w}": spent("avg", w) for w in LONG},
        **{f"largest_amount_purchase_{w}": spent("max", w) for w in ("365d", "all")},
        "smallest_amount_purchase_365d": spent("min", "365d"),
        **{f"spread_amount_purchase_{w}": spent("stddev_samp", w) for w in ("365d", "all")},
        **{f"trend_count_purchase_{d}d": f"{count(buys, f'{d}d')} - {count(buys, f'{d}d', d)}" for d in (30, 90)},
        "trend_total_amount_purchase_30d": f"{total('30d')} - {total('30d', 30)}",
        "decayed_count_purchase_30d": decayed("1", 30),
        "decayed_amount_purchase_30d": decayed("amount", 30),
        "decayed_amount_purchase_90d": decayed("amount", 90),
        "first_amount_purchase_all": f"arg_min(amount, timestamp) FILTER ({buys})",
        "last_amount_purchase_all": f"arg_max(amount, timestamp) FILTER ({buys})",
        "weekend_share_all": f"{count(f'{buys} AND {WEEKEND}', 'all')} / nullif({count(buys, 'all')}, 0)",
        "night_share_all": f"{count(f'{buys} AND {NIGHT}', 'all')} / nullif({count(buys, 'all')}, 0)",
        "count_purchase_year_ago_90d": count(buys, "90d", 364),
    }
    return named(told)


def answer(options: argparse.Namespace, query: str) -> None:
    """Run a query at every instant, and write what it says."""
    con = duckdb.connect(config={"threads": options.threads})
    con.from_parquet(options.file).create_view("log")
    asked = [query.replace("$at", at) for at in options.at]
    con.execute(f"COPY ({' UNION ALL '.join(f'FROM ({q})' for q in asked)}) TO '{options.out}' (FORMAT parquet)")
