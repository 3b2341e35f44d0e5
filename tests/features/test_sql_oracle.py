"""Every shipped feature says the same as a query written by hand: cell by cell, on logs made to break it.

The oracle shares nothing with the engine: it reads the raw frame, fills and cleans by SQL, and takes local days from pandas.
"""

import inspect

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from crmintel import features as f
from crmintel.features import FeatureSet, Spec, catalog, standard, where
from crmintel.features.days import CLOCK_VALUES
from crmintel.interactions import Profiles

pytestmark = pytest.mark.slow  # `make check` stays under 90 seconds without them

DAY = 86_400_000_000
WINDOWS = ("1d", "30d", "365d", "all")
KINDS, CHANNELS = ("contact", "purchase", "return"), ("app", "shop", "unknown", "web")
STORES = ("north", "south")
VOCABULARY = {"kind": KINDS, "channel": CHANNELS, "store": STORES, "category": ("cup", "tea"), **CLOCK_VALUES}

# A filter is told twice: to the engine, and in SQL.
ANY = (None, "true")
BUYS = (where(kind="purchase"), "kind = 'purchase'")
RETURNS = (where(kind="return"), "kind = 'return'")
NET = (where(kind=["purchase", "return"]), "kind IN ('purchase', 'return')")
WEEKEND = (f.weekend(), "weekday IN (5, 6)")
NIGHT = (f.night(), "(hour >= 22 OR hour < 6)")
LARGE = (f.between("amount", 20), "amount >= 20")
MIDDLE = (f.between("amount", 5, 20), "(amount >= 5 AND amount < 20)")
ODD = (where(category=["tea", "pot"]) & ~where(channel="web") | f.between("rating", 1, 3),
       "((category IN ('tea', 'pot') AND channel <> 'web') OR coalesce(rating >= 1 AND rating < 3, false))")  # fmt: skip
FIVES = (where(rating=[3, 5]), "coalesce(rating IN (3, 5), false)")
UNRATED = (~f.between("rating"), "rating IS NULL")
FILTERS = (ANY, BUYS, RETURNS, WEEKEND, NIGHT, LARGE, MIDDLE, ODD, FIVES, UNRATED)


# ---- The SQL: each function is the text of a query (at, customer, v). `past` holds each row once for every instant it precedes.


def inside(window, until=0):
    """The condition that a row lies in ``[at - window, at - until)``."""
    upper = f"t < instant - {until * DAY}"
    return upper if window == "all" else f"{upper} AND t >= instant - {int(window[:-1]) * DAY}"


def each(expression, cond, window="all", until=0):
    """An aggregate over the rows of each customer; nothing for customers without rows."""
    return f"SELECT instant, customer, {expression} AS v FROM past WHERE {cond} AND {inside(window, until)} GROUP BY instant, customer"


def or_zero(query):
    """0 for whom the query says nothing."""
    return f"SELECT instant, customer, coalesce(v, 0) AS v FROM people LEFT JOIN ({query}) USING (instant, customer)"


def count(cond, window, until=0):
    return or_zero(each("count(*)", cond, window, until))


def distinct(column, cond, window, until=0):
    return or_zero(each(f"count(DISTINCT {column})", cond, window, until))


def total(column, cond, window, until=0):
    return or_zero(each(f"fsum({column})", cond, window, until))


def ratio(top, bottom):
    return f"SELECT instant, customer, a.v / nullif(b.v, 0) AS v FROM ({top}) a JOIN ({bottom}) b USING (instant, customer)"


def minus(a, b):
    return f"SELECT instant, customer, a.v - b.v AS v FROM ({a}) a JOIN ({b}) b USING (instant, customer)"


def since(cond, window="all"):
    return each(f"(instant - max(t)) / {DAY}", cond, window)


def tenure(cond, window="all"):
    return each(f"(instant - min(t)) / {DAY}", cond, window)


def of_value(column, cond, window, expression):
    """An aggregate over the counts `n` of each value of a column."""
    counts = f"SELECT instant, customer, {column}, count(*) AS n FROM past WHERE {cond} AND {column} IS NOT NULL AND {inside(window)} GROUP BY ALL"
    shares = f"SELECT instant, customer, n / sum(n) OVER (PARTITION BY instant, customer) AS p FROM ({counts})"
    return f"SELECT instant, customer, {expression} AS v FROM ({shares}) GROUP BY instant, customer"


def entropy(column, cond, window):
    return of_value(column, cond, window, "-sum(p * ln(p))")


def top_share(column, cond, window):
    return of_value(column, cond, window, "max(p)")


def share(column, value, cond, window):
    return each(f"count(*) FILTER ({column} = '{value}') / count(*)", cond, window)


def decayed(column, cond, half_life):
    return or_zero(each(f"fsum({column} * pow(0.5, (instant - t) / ({half_life} * {DAY})))", cond))


def gap(expression, cond, window):
    """An aggregate over the gaps between neighbouring days with a row."""
    dates = f"SELECT DISTINCT instant, customer, day FROM past WHERE {cond} AND {inside(window)}"
    gaps = f"SELECT *, day - lag(day) OVER (PARTITION BY instant, customer ORDER BY day) AS gap FROM ({dates})"
    return f"SELECT instant, customer, {expression} AS v FROM ({gaps}) WHERE gap IS NOT NULL GROUP BY instant, customer"


def first_day(column, cond, window):
    """The sum over the first day in the window that has a number; a day's rows before the window do not count."""
    rows = f"SELECT *, min(day) OVER (PARTITION BY instant, customer) AS first FROM past WHERE {cond} AND {column} IS NOT NULL AND {inside(window)}"
    return f"SELECT instant, customer, fsum({column}) AS v FROM ({rows}) WHERE day = first GROUP BY instant, customer"


def gaps(cond, window):
    usual = gap("avg(gap)", cond, window)
    return [usual, gap("stddev_samp(gap)", cond, window), gap("max(gap)", cond, window), gap("arg_max(gap, day)", cond, window),
            ratio(since(cond, window), usual)]  # fmt: skip


def streaks(unit, cond):
    """The streak that lasts, and the longest, by islands of neighbouring periods."""
    dates = f"SELECT DISTINCT instant, customer, {unit} AS p FROM past WHERE {cond}"
    islands = f"SELECT *, p - row_number() OVER (PARTITION BY instant, customer ORDER BY p) AS island FROM ({dates})"
    runs = f"SELECT instant, customer, count(*) AS n, max(p) AS p FROM ({islands}) GROUP BY instant, customer, island"
    lasts = f"SELECT instant, customer, sum(n) AS v FROM ({runs}) JOIN clock USING (instant) WHERE p >= now_{unit} - 1 GROUP BY ALL"
    return [or_zero(lasts), or_zero(f"SELECT instant, customer, max(n) AS v FROM ({runs}) GROUP BY ALL")]


def joined(cond):
    return [each("1970 + floor(min(month) / 12)", cond), each("(min(month) + 12000) % 12 + 1", cond)]


def drift(column, cond, window):
    rows = f"SELECT *, t - min(t) OVER (PARTITION BY instant, customer) AS x FROM past WHERE {cond} AND {column} IS NOT NULL AND {inside(window)}"
    slope = f"CASE WHEN max(x) > 0 THEN regr_slope({column}, x / {DAY}) END"
    return f"SELECT instant, customer, {slope} AS v FROM ({rows}) GROUP BY instant, customer"


def slope(make, days, bins):
    """The least-squares slope over windows in a row, from pairs (place, value)."""
    rows = " UNION ALL ".join(
        f"SELECT instant, customer, {-k} AS x, v FROM ({make(f'{(k + 1) * days}d', k * days)})" for k in range(bins)
    )
    return f"SELECT instant, customer, regr_slope(v, x) AS v FROM ({rows}) GROUP BY ALL"


def place(value, column):
    """The place of a value in the vocabulary; its length for any other."""
    values = ", ".join(f"'{v}'" for v in VOCABULARY[column])
    return f"coalesce(nullif(list_position([{values}], {value}), 0), {len(VOCABULARY[column]) + 1}) - 1"


def top(column, name, cond, window):
    counts = f"SELECT instant, customer, {column} AS c, count(*) AS n FROM past WHERE {cond} AND {column} IS NOT NULL AND {inside(window)} GROUP BY ALL"
    first = f"SELECT instant, customer, c FROM ({counts}) QUALIFY row_number() OVER (PARTITION BY instant, customer ORDER BY n DESC, c) = 1"
    return f"SELECT instant, customer, {place('c', name) if name == column else 'c'} AS v FROM ({first})"


def one_value(which, column, cond, window):
    value = f"arg_{which}({column}, place) FILTER ({column} IS NOT NULL)"
    found = each(value, cond, window)
    return f"SELECT instant, customer, CASE WHEN v IS NOT NULL THEN {place('v', column)} END AS v FROM ({found})"


def answered(contacts, answers, window, within):
    """Contacts of a window with the time of their first later answer, if it came in time and before the instant."""
    limit = "" if within is None else f"AND a.t < c.t + {within} * {DAY}"
    after = f"SELECT instant, customer, t FROM past WHERE {answers}"
    return f"""SELECT c.instant, c.customer, c.t, c.hour, c.place, min(a.t) AS answer FROM (SELECT * FROM past WHERE {contacts} AND {inside(window)}) c
        LEFT JOIN ({after}) a ON a.instant = c.instant AND a.customer = c.customer AND a.t > c.t {limit} GROUP BY ALL"""


def response(contacts, answers, window, within):
    rows = answered(contacts, answers, window, within)
    rate = f"count(answer) / nullif(count(*) FILTER (answer IS NOT NULL OR t + {within} * {DAY} <= instant), 0)"
    return [
        f"SELECT instant, customer, {v} AS v FROM ({rows}) GROUP BY ALL" for v in (rate, "avg(answer - t) / 3600000000")
    ]


def resolution(contacts, answers, window):
    rows = answered(contacts, answers, window, None)
    took = f"SELECT instant, customer, avg(answer - t) / {DAY} AS v FROM ({rows}) GROUP BY ALL"
    return [took, or_zero(f"SELECT instant, customer, count(*) - count(answer) AS v FROM ({rows}) GROUP BY ALL")]


def best_hour(contacts, answers, window, within):
    rows = answered(contacts, answers, window, within)
    counts = f"SELECT instant, customer, hour, count(*) AS n FROM ({rows}) WHERE answer IS NOT NULL GROUP BY ALL"
    return f"SELECT instant, customer, hour AS v FROM ({counts}) QUALIFY row_number() OVER (PARTITION BY instant, customer ORDER BY n DESC, hour) = 1"


# ---- What each spec says: (spec, one query a column). `OF` holds simple aggregates of a number.

OF = {
    "total": total,
    "mean": lambda c, cond, w: each(f"favg({c})", cond, w),
    "largest": lambda c, cond, w: each(f"max({c})", cond, w),
    "smallest": lambda c, cond, w: each(f"min({c})", cond, w),
    "spread": lambda c, cond, w: each(f"stddev_samp({c})", cond, w),
    "first": lambda c, cond, w: each(f"arg_min({c}, place) FILTER ({c} IS NOT NULL)", cond, w),
    "last": lambda c, cond, w: each(f"arg_max({c}, place) FILTER ({c} IS NOT NULL)", cond, w),
}


def over(make, *windows):
    """A query a window."""
    return [make(w) for w in windows]


def cases(columns):
    """Every kind of feature, under many filters, over many windows."""
    for keep, cond in FILTERS:
        yield f.count(keep).named(f"n {cond}", "rows").over("90d"), [count(cond, "90d")]
        yield f.gaps(keep).named(f"gap {cond}", "").over("30d"), gaps(cond, "30d")
        yield f.last("amount", keep).named(f"last {cond}", "amount"), [OF["last"]("amount", cond, "all")]
    for keep, cond in (ANY, BUYS, ODD):
        yield f.count(keep).over(*WINDOWS), over(lambda w, c=cond: count(c, w), *WINDOWS)
        yield f.active_days(keep).over(*WINDOWS), over(lambda w, c=cond: distinct("day", c, w), *WINDOWS)
        yield f.recency(keep), [since(cond)]
        yield f.tenure(keep).named(f"tenure_{cond}", "days"), [tenure(cond)]
        yield f.gaps(keep).over("365d", "all"), [q for w in ("365d", "all") for q in gaps(cond, w)]
        yield f.decayed(where=keep, half_life="36h"), [decayed("1.0", cond, 1.5)]
        yield f.trend(f.count(keep), "30d"), [minus(count(cond, "30d"), count(cond, "60d", 30))]
        for column in {"category", "item_id", "order_id", "store"} & columns:
            yield (
                f.distinct(column, keep).over("90d", "all"),
                over(lambda w, k=column, c=cond: distinct(k, c, w), "90d", "all"),
            )
    for keep, cond in (ANY, NET, ODD):
        for column in {"amount", "rating", "mark"} & columns:
            for name, query in OF.items():
                spec = getattr(f, name)(column, keep)
                yield spec.over("90d", "all"), over(lambda w, q=query, k=column, c=cond: q(k, c, w), "90d", "all")
            yield f.decayed(column, keep, half_life="30d"), [decayed(column, cond, 30)]
        for column in {"category", "channel", "item_id", "store"} & columns:
            yield (
                f.entropy(column, keep).over("30d", "365d"),
                over(lambda w, k=column, c=cond: entropy(k, c, w), "30d", "365d"),
            )
            yield (
                f.top_share(column, keep).over("30d", "all"),
                over(lambda w, k=column, c=cond: top_share(k, c, w), "30d", "all"),
            )
        for column, values in {"channel": CHANNELS, "kind": KINDS, "store": STORES}.items():
            if column in columns:
                yield f.share(column, keep).over("365d"), [share(column, v, cond, "365d") for v in values]
    yield from more_cases(columns)
    yield f.since("kind"), [since(f"kind = '{v}'") for v in KINDS]
    yield f.since("channel", BUYS[0]), [since(f"{BUYS[1]} AND channel = '{v}'") for v in CHANNELS]
    yield (
        f.trend(f.total("amount", NET[0]), "90d"),
        [minus(total("amount", NET[1], "90d"), total("amount", NET[1], "180d", 90))],
    )
    yield (
        f.trend(f.distinct("category", BUYS[0]), "30d"),
        [minus(distinct("category", BUYS[1], "30d"), distinct("category", BUYS[1], "60d", 30))],
    )
    yield f.trend(f.active_days(), "7d"), [minus(distinct("day", "true", "7d"), distinct("day", "true", "14d", 7))]
    for keep, cond in (ANY, BUYS, ODD):
        yield (
            f.first_day("amount", keep).over("90d", "all"),
            over(lambda w, c=cond: first_day("amount", c, w), "90d", "all"),
        )
    yield f.year_ago(f.count(), "30d", "90d"), [count("true", "394d", 364), count("true", "454d", 364)]
    yield f.year_ago(f.mean("amount", BUYS[0]), "90d"), [each("favg(amount)", BUYS[1], "454d", 364)]
    yield (
        f.trend(f.ratio(f.total("amount", BUYS[0]), f.active_days(BUYS[0])), "90d"),
        [
            minus(
                ratio(total("amount", BUYS[1], "90d"), distinct("day", BUYS[1], "90d")),
                ratio(total("amount", BUYS[1], "180d", 90), distinct("day", BUYS[1], "180d", 90)),
            )
        ],
    )
    rate = f.ratio(f.total("amount", RETURNS[0]), f.count(BUYS[0]))
    yield (
        rate.over("90d", "all"),
        over(lambda w: ratio(total("amount", RETURNS[1], w), count(BUYS[1], w)), "90d", "all"),
    )


def more_cases(columns):
    """Streaks, cohorts, quantiles, slopes, favourites and answers."""
    contacts, visits = where(kind="contact"), where(kind=["visit", "view", "purchase"])
    to, by = "kind = 'contact'", "kind IN ('visit', 'view', 'purchase')"
    for keep, cond in (ANY, BUYS, ODD):
        for unit in ("day", "week", "month"):
            yield f.streaks(keep, unit=unit), streaks(unit, cond)
        yield f.joined(keep), joined(cond)
        for unit, days in (("week", f.active_weeks(keep)), ("month", f.active_months(keep))):
            yield days.over("30d", "all"), over(lambda w, u=unit, c=cond: distinct(u, c, w), "30d", "all")
        yield f.slope(f.count(keep), "30d", bins=5), [slope(lambda w, u, c=cond: count(c, w, u), 30, 5)]
        yield (
            f.difference(f.count(keep), f.active_days(keep)),
            [minus(count(cond, "all"), distinct("day", cond, "all"))],
        )
        yield (
            f.share_where(f.weekend(), keep).over("90d"),
            [ratio(count(f"{cond} AND weekday IN (5, 6)", "90d"), count(cond, "90d"))],
        )
        yield (
            f.share("local_weekday", keep).over("365d"),
            [each(f"count(*) FILTER (weekday = {d}) / count(*)", cond, "365d") for d in range(7)],
        )
        yield f.entropy("local_hour", keep).over("365d"), [entropy("hour", cond, "365d")]
        yield f.top("local_hour", keep), [top("hour", "local_hour", cond, "all")]
        for column in {"channel", "category", "store"} & columns:
            yield (
                f.top(column, keep).over("90d", "all"),
                over(lambda w, k=column, c=cond: top(k, k, c, w), "90d", "all"),
            )
            yield (
                f.first_value(column, keep).over("90d", "all"),
                over(lambda w, k=column, c=cond: one_value("min", k, c, w), "90d", "all"),
            )
            yield f.last_value(column, keep), [one_value("max", column, cond, "all")]
        for column in {"amount", "rating", "mark"} & columns:
            for q in (0.5, 0.9, 0):
                yield (
                    f.quantile(column, q, keep).over("90d", "all"),
                    over(lambda w, k=column, c=cond, q=q: each(f"quantile_cont({k}, {q})", c, w), "90d", "all"),
                )
            yield (
                f.drift(column, keep).over("90d", "all"),
                over(lambda w, k=column, c=cond: drift(k, c, w), "90d", "all"),
            )
    yield f.median("amount").named("middle", "middle").over("30d"), [each("quantile_cont(amount, 0.5)", "true", "30d")]
    for within in (1, 30):
        yield (
            f.response(contacts, visits, within=f"{within}d").named(f"r{within}", "").over("90d", "all"),
            [q for w in ("90d", "all") for q in response(to, by, w, within)],
        )
        yield (
            f.best_hour(contacts, visits, within=f"{within}d").named(f"b{within}", "").over("90d", "all"),
            [best_hour(to, by, w, within) for w in ("90d", "all")],
        )
    yield f.resolution(contacts, visits).over("30d", "all"), [q for w in ("30d", "all") for q in resolution(to, by, w)]


def standard_sql(names):
    """What each column of `standard` says, by name."""
    b, net, buys = BUYS[1], NET[1], BUYS[0]
    assert buys is not None
    orders = lambda w, until=0: distinct("order_id", b, w, until)  # noqa: E731
    money = lambda w, until=0: total("amount", net, w, until)  # noqa: E731
    asked = {
        "recency_days_purchase": since(b), "tenure_days": tenure("true"),
        **dict(zip([f"gap_purchase_{p}_all" for p in ("mean", "spread", "longest", "last", "overdue")], gaps(b, "all"), strict=True)),
        **{f"orders_{w}": orders(w) for w in ("7d", "30d", "60d", "90d", "180d", "365d", "all")},
        "trend_orders_30d": minus(orders("30d"), orders("60d", 30)), "trend_orders_90d": minus(orders("90d"), orders("180d", 90)),
        "orders_year_ago_30d": orders("394d", 364), "orders_year_ago_90d": orders("454d", 364), "net_amount_year_ago_90d": money("454d", 364),
        "active_day_share_all": ratio(distinct("day", b, "all"), tenure("true")),
        "first_order_value_all": first_day("amount", b, "all"), "largest_amount_purchase_all": OF["largest"]("amount", b, "all"),
        **{f"decayed_count_purchase_{h}d": decayed("1.0", b, h) for h in (30, 90)},
        **{f"active_days_purchase_{w}": distinct("day", b, w) for w in ("30d", "90d", "365d", "all")},
        **{f"lines_per_order_{w}": ratio(count(b, w), orders(w)) for w in ("90d", "all")},
        "weekend_share_all": ratio(count(f"{b} AND {WEEKEND[1]}", "all"), count(b, "all")),
        "night_share_all": ratio(count(f"{b} AND {NIGHT[1]}", "all"), count(b, "all")),
        **{f"net_amount_{w}": money(w) for w in ("7d", "30d", "60d", "90d", "180d", "365d", "all")},
        **{f"order_value_{w}": ratio(total("amount", b, w), orders(w)) for w in ("90d", "all")},
        **{f"mean_amount_purchase_{w}": OF["mean"]("amount", b, w) for w in ("90d", "all")},
        "largest_amount_purchase_365d": OF["largest"]("amount", b, "365d"), "spread_amount_purchase_365d": OF["spread"]("amount", b, "365d"),
        "last_amount_purchase_all": OF["last"]("amount", b, "all"),
        "trend_net_amount_30d": minus(money("30d"), money("60d", 30)), "trend_net_amount_90d": minus(money("90d"), money("180d", 90)),
        **{f"decayed_amount_purchase+return_{h}d": decayed("amount", net, h) for h in (30, 90)},
        **{f"items_{w}": distinct("item_id", b, w) for w in ("90d", "365d", "all")},
        "new_item_share_all": ratio(distinct("item_id", b, "all"), count(b, "all")),
        **{f"categories_{w}": distinct("category", b, w) for w in ("90d", "all")},
        "entropy_category_purchase_365d": entropy("category", b, "365d"), "top_share_category_purchase_365d": top_share("category", b, "365d"),
        "entropy_channel_purchase_365d": entropy("channel", b, "365d"),
        "mean_rating_365d": OF["mean"]("rating", "true", "365d"), "last_rating_all": OF["last"]("rating", "true", "all"),
        "return_rate_all": ratio(count(RETURNS[1], "all"), count(b, "all")),
    }  # fmt: skip
    for name in names:
        if name.startswith("share_"):
            column, value = name.removeprefix("share_").removesuffix("_365d").split("=")
            asked[name] = share(column, value, b, "365d")
        for kind in ("contact", "return", "visit"):
            if name.startswith(f"count_{kind}_"):
                asked[name] = count(f"kind = '{kind}'", name.rsplit("_", 1)[1])
            elif name == f"recency_days_{kind}":
                asked[name] = since(f"kind = '{kind}'")
    return asked


class Oracle:
    """A frame in DuckDB, as the door of the log should leave it."""

    def __init__(self, world):
        raw = world.frame
        utc = (
            raw["timestamp"]
            if raw["timestamp"].dt.tz is not None
            else raw["timestamp"].dt.tz_localize(world.zone, ambiguous=True, nonexistent="shift_forward")
        )
        local = utc.dt.tz_convert(world.zone).dt.tz_localize(None)
        frame = raw.rename(columns={"customer_id": "customer"}).drop(columns=["timestamp", "known_at"], errors="ignore").assign(
            stamp=utc.dt.tz_convert("UTC").dt.tz_localize(None), day=(local.dt.floor("D") - pd.Timestamp("1970-01-01")).dt.days,
            weekday=local.dt.day_of_week, hour=local.dt.hour, month=local.dt.year * 12 + local.dt.month - 1970 * 12 - 1,
            week=((local.dt.floor("D") - pd.Timestamp("1969-12-29")).dt.days // 7), known=raw["known_at"].dt.tz_convert("UTC").dt.tz_localize(None) if "known_at" in raw else pd.NaT,
        )  # fmt: skip
        self.at = [a.tz_localize(world.zone, ambiguous=True).tz_convert("UTC").tz_localize(None) for a in world.at]
        self.con = duckdb.connect(config={"threads": 1})
        self.con.register("raw", pa.Table.from_pandas(frame, preserve_index=False))
        self.con.register("instants", pa.Table.from_pandas(pd.DataFrame({"stamp": self.at}), preserve_index=False))
        text = [c for c in ("item_id", "category", "channel", "kind", "order_id", "store") if c in frame]
        number = [c for c in ("amount", "mark", "quantity", "rating", "unit_price") if c in frame]
        ties = ", ".join([f"{c} NULLS FIRST" for c in text] + ["known_t"] + [f"{c} NULLS LAST" for c in number])
        self.con.execute(f"""
            CREATE TABLE clean AS SELECT * REPLACE (coalesce(category, 'unknown') AS category, coalesce(channel, 'unknown') AS channel),
                epoch_us(stamp) AS t, greatest(epoch_us(stamp), coalesce(epoch_us(known::TIMESTAMP), epoch_us(stamp))) AS known_t FROM raw;
            CREATE TABLE log AS SELECT *, row_number() OVER (ORDER BY customer, t, {ties}) AS place FROM clean;
            CREATE TABLE past AS SELECT instant, log.* FROM log JOIN (SELECT epoch_us(stamp) AS instant FROM instants) ON t < instant AND known_t < instant;
            CREATE TABLE people AS SELECT DISTINCT instant, customer FROM past""")
        here = pd.DatetimeIndex(world.at)
        clock = pd.DataFrame({
            "stamp": self.at, "now_day": (here.floor("D") - pd.Timestamp("1970-01-01")).days, "now_month": (here.year - 1970) * 12 + here.month - 1,
            "now_week": (here.floor("D") - pd.Timestamp("1969-12-29")).days // 7,
        })  # fmt: skip
        self.con.register("clock_frame", pa.Table.from_pandas(clock, preserve_index=False))
        self.con.execute("CREATE TABLE clock AS SELECT * EXCLUDE (stamp), epoch_us(stamp) AS instant FROM clock_frame")

    def people(self):
        return self.con.execute("SELECT customer, instant FROM people ORDER BY customer, instant").fetchall()

    def answer(self, query):
        found = self.con.execute(
            f"SELECT v::DOUBLE FROM people LEFT JOIN ({query}) USING (instant, customer) ORDER BY customer, instant"
        ).fetchall()
        return np.array([np.nan if v is None else v for (v,) in found])


@pytest.fixture(scope="module")
def oracles():
    return {}


@pytest.fixture
def oracle(world, oracles):
    if id(world) not in oracles:
        oracles[id(world)] = Oracle(world)
    return oracles[id(world)]


def micro(stamps):
    return (pd.Series(stamps) - pd.Timestamp("1970-01-01")) // pd.Timedelta("1us")


def agrees(table, oracle, queries):
    """Every row and every cell of a panel is what the queries say."""
    rank = {a: i for i, a in enumerate(micro(sorted(oracle.at)))}
    expected = [(who, rank[at]) for who, at in oracle.people()]
    place = pd.Series(range(len(oracle.at)), index=pd.DatetimeIndex(table.attrs["at"]))
    assert [(who, place[at]) for who, at in table.index] == expected
    wrong = []
    for name, query in zip(table.columns, queries, strict=True):
        ours, theirs = table[name].to_numpy(), oracle.answer(query)
        same = (np.isnan(ours) & np.isnan(theirs)) | (np.abs(ours - theirs) <= 1e-9 * np.maximum(1.0, np.abs(theirs)))
        if not same.all():
            first = np.flatnonzero(~same)[0]
            wrong.append(
                f"{name}: {(~same).sum()} cells, first {table.index[first]}: {ours[first]} but SQL says {theirs[first]}"
            )
    assert not wrong, "\n".join(wrong)


def panel(features, world):
    table = features.build(world.log, at=world.at)
    table.attrs["at"] = sorted(world.at)
    return table


def test_every_kind_of_feature_is_what_sql_says(world, oracle):
    for names, told in apart(cases(set(world.frame.columns))):
        features = FeatureSet([s for s, _ in told], VOCABULARY)
        assert features.names == names
        agrees(panel(features, world), oracle, [q for _, qs in told for q in qs])


def apart(told):
    """Cases in as few sets as their names allow: a share under two filters has one name."""
    sets = []
    for spec, queries in told:
        names = [x.name for x in spec.features(VOCABULARY)]
        found = next((s for s in sets if not set(s[0]) & set(names)), None)
        if found is None:
            sets.append(found := ([], []))
        found[0].extend(names)
        found[1].append((spec, queries))
    return sets


def test_every_standard_feature_is_what_sql_says(world, oracle):
    features = standard(world.log)
    asked = standard_sql(features.names)
    assert set(asked) - set(features.names) <= {"mean_rating_365d"}, "an answer to a question that nobody asks"
    assert not set(features.names) - set(asked), "a standard feature without a query"
    agrees(panel(features, world), oracle, [asked[n] for n in features.names])


def test_every_shipped_kind_of_feature_has_a_query():
    told = {type(s) for s, _ in cases({"amount", "category", "channel", "kind", "order_id", "item_id"})}
    elsewhere = {catalog.Attribute, catalog.AttributeValue, catalog.OfCustomer}
    assert told | elsewhere == set(catalog.SHIPPED) == set(declared(Spec))


def test_attributes_are_those_that_held_at_the_instant(world, oracle):
    rng = np.random.default_rng(3)
    who = pd.Series(world.log.customers[1:]).sample(frac=3, replace=True, random_state=1).reset_index(drop=True)
    at = pd.Series(world.at)[rng.integers(0, len(world.at), len(who))].reset_index(drop=True)
    frame = pd.DataFrame({
        "customer_id": who, "valid_from": at + pd.to_timedelta(rng.integers(-3, 4, len(who)), "D"),
        "income": np.where(rng.random(len(who)) < 0.8, rng.normal(size=len(who)), np.nan),
        "plan": np.where(rng.random(len(who)) < 0.8, rng.choice(["gold", "basic", "none"], len(who)), None),
    }).drop_duplicates(["customer_id", "valid_from"])  # fmt: skip
    profiles = Profiles.read(frame, timezone=world.zone)
    features = FeatureSet(
        [f.attribute("income"), f.attribute_value("plan"), f.count()], {"profile.plan": ("basic", "gold")}
    )
    with pytest.warns(UserWarning, match="have no profile"):
        table = features.build(world.log, at=world.at, profiles=profiles)
    stamps = (
        frame["valid_from"]
        .dt.tz_localize(world.zone, ambiguous=True, nonexistent="shift_forward")
        .dt.tz_convert("UTC")
        .dt.tz_localize(None)
    )
    told = pa.Table.from_pandas(frame.assign(valid_from=stamps), preserve_index=False)
    oracle.con.register("profiles", told)
    latest = "SELECT instant, customer, p.* FROM people JOIN profiles p ON customer_id = customer AND epoch_us(valid_from) < instant QUALIFY row_number() OVER (PARTITION BY instant, customer ORDER BY valid_from DESC) = 1"
    plan = "CASE plan WHEN 'basic' THEN 0 WHEN 'gold' THEN 1 WHEN 'none' THEN 2 END"
    table.attrs["at"] = sorted(world.at)
    agrees(
        table,
        oracle,
        [f"SELECT instant, customer, {v} AS v FROM ({latest})" for v in ("income", plan)] + [count("true", "all")],
    )


def declared(base):
    """Every class below a base that the package defines and that can be made."""
    for c in base.__subclasses__():
        yield from declared(c)
        if c.__module__.startswith("crmintel.") and not inspect.isabstract(c):
            yield c


def test_one_instant_is_the_row_of_the_panel(world):
    features = standard(world.log)
    table = panel(features, world)
    for at in world.at:
        alone = features.build(world.log, at=at)
        pd.testing.assert_frame_equal(alone, table.xs(at, level="at"), check_exact=True)
