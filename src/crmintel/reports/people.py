"""The parts of the page that describe customers: the base at a glance, the data, the segments."""

import numpy as np
import pandas as pd

from crmintel.reports import parts, plots, small, words
from crmintel.reports.blocks import Badge, BarRow, Bars, Block, Callout, Fact, Facts, Section
from crmintel.reports.data import Base, Report
from crmintel.reports.frames import known, records, take, zoneless
from crmintel.reports.language import say
from crmintel.reports.months import months
from crmintel.reports.moving import moves

_MOST_BARS = 15
_SEGMENT_SUMS = ("share", "revenue", "revenue_share")
_SEGMENT_MEANS = ("recency_days", "orders", "mean_value", "churn_probability")


def customers(report: Report, k: int) -> Section:
    """The base at a glance: how many, how active, how concentrated, how loyal."""
    base, span = report.base, say("between {0} and {1}", words.day(report.span[0]), words.day(report.span[1]))
    if base.customers < k:
        finding = say("The history holds fewer than {0} customers", k)
        return Section(
            "customers", say("Customers"), finding, say("Nothing is shown about so few, to protect them."), ()
        )
    curve = None if base.concentration is None else _smooth(base.concentration, base.customers, k)
    half = None if curve is None else plots.half_point(curve)
    least = None if curve is None else _first_beyond_half(curve)
    finding = say("{0} customers placed {1} orders", words.count(base.customers), words.count(base.orders))
    if half is not None:
        finding = say("Half of the money comes from {0} of the customers", words.percent(half))
    if least is not None:
        finding = say("Half of the money comes from at most {0} of the customers", words.percent(least))
    lead = say("Everything the history tells about who bought, how often and for how much, {0}.", span)
    blocks: list[Block | None] = [_base_facts(base), *months(report, k)]
    if curve is not None:
        title = (
            say("{0} of the customers bring half of the money", words.percent(half))
            if half
            else say("Who brings the money")
        )
        if least is not None:
            title = say("At most {0} of the customers bring half of the money", words.percent(least))
        caption = say("The further the line bulges from the dotted one, the more the money depends on few customers.")
        blocks.append(parts.picture(title, plots.concentration(curve), caption))
    blocks += _retention(base, k)
    return Section("customers", say("Customers"), finding, lead, tuple(b for b in blocks if b is not None))


def _base_facts(base: Base) -> Facts:
    """The figures of the whole history."""
    facts = [
        Fact(say("Customers"), words.count(base.customers)),
        Fact(say("Interactions"), words.count(base.interactions)),
        Fact(
            say("Orders"),
            words.count(base.orders),
            say("{0} per customer", words.one_digit(base.orders / base.customers)),
        ),
    ]
    if words.real(base.revenue) is None:
        facts.append(Fact(say("Money"), words.NOTHING, say("the history has no amounts")))
    else:
        mean = words.money((words.real(base.revenue) or 0.0) / base.customers)
        facts.append(Fact(say("Money"), words.money(base.revenue), say("{0} per customer", mean)))
    return Facts(tuple(facts))


def _smooth(curve: pd.DataFrame, n_customers: int, k: int) -> pd.DataFrame:
    """The curve without points that would tell what fewer than k customers spent."""
    curve = take(curve, "base.concentration", ("customer_share", "revenue_share"))
    share = plots.numbers(curve, "customer_share")
    inside = (share * n_customers >= k - 1e-9) & ((1 - share) * n_customers >= k - 1e-9)
    return curve[inside | (share >= 1 - 1e-12)]


def _first_beyond_half(curve: pd.DataFrame) -> float | None:
    """The share of customers at the first point of a curve that begins beyond half of the money: fewer may bring it."""
    beyond = not curve.empty and float(curve["revenue_share"].iloc[0]) >= 0.5
    return float(curve["customer_share"].iloc[0]) if beyond else None


def _retention(base: Base, k: int) -> list[Block | None]:
    """Who comes back after the first purchase."""
    shares = base.retention
    if shares is None or shares.empty:
        return []
    monthly = take(base.monthly, "base.monthly", ("month", "active_customers", "new_customers"))
    new = dict(zip((zoneless(m) for m in monthly["month"]), plots.numbers(monthly, "new_customers"), strict=True))
    shares = shares[[not (new.get(zoneless(cohort), k) < k) for cohort in _stamps(shares.index)]]
    shares.index = pd.Index(_stamps(shares.index))
    svg = plots.retention(shares)
    means = {
        int(float(c)): _pooled(shares[c].iloc[1:], new) for c in shares.columns
    }  # the first cohort is where the file begins
    said = [
        say("{0:.0f} come back {1}", 100 * means[m], words_after)
        for m, words_after in ((1, say("one month later")), (6, say("six months later")))
        if m in means and np.isfinite(means[m])
    ]
    title = say("Of 100 new customers, {0}", say(" and ").join(said)) if said else say("Who comes back")
    caption = say(
        "Percent of the customers first seen in the month on the left that were active again so many months later."
    )
    caption += say(" In the first row are all who were there when the file begins.")
    return [parts.picture(title, svg, caption, wide=True)]


def _pooled(share: pd.Series, new: dict[pd.Timestamp, float]) -> float:
    """The share of all customers of some cohorts."""
    share = pd.to_numeric(share, errors="coerce").dropna()
    size = np.array([new.get(month, np.nan) for month in share.index])
    known = np.isfinite(size)
    return float(np.average(share[known], weights=size[known])) if size[known].sum() > 0 else float("nan")


def _stamps(index: pd.Index) -> list[pd.Timestamp]:
    """Cohorts as timestamps, also when they came as periods or text."""
    return [zoneless(x.start_time if isinstance(x, pd.Period) else pd.Timestamp(x)) for x in index]


def quality(report: Report) -> Section:
    """What was wrong with the data, and what was done about it."""
    frame = take(report.quality, "quality", ("rule", "rows"), ("share", "action", "level"))
    lead = say("Every row was checked once at the door. What was found, and what was done with it:")
    if frame.empty:
        recorded = "rule" in report.quality.columns
        said = (
            say("The data are clean: no check found anything to mend")
            if recorded
            else say("No checks of the data were recorded")
        )
        return Section("quality", say("Data quality"), said, "", ())
    rows = plots.numbers(frame, "rows")
    frame["share"] = frame["share"].where(rows > 0)
    found = ~(rows == 0) | (frame["action"] == "ignored").to_numpy()
    remarks = frame[found & ~frame["level"].isin(["info", "note", "ok"]).to_numpy()]
    n = len(remarks)
    finding = say("The data are clean: no check found anything to mend")
    if n:
        worst = remarks.iloc[int(np.argmax(np.nan_to_num(plots.numbers(remarks, "rows"))))]
        share = words.real(worst["share"])
        size = (
            say("{0} of the rows", words.percent(share))
            if share is not None
            else say("{0} rows", words.count(worst["rows"]))
        )
        finding = say("{0} things in the data deserve a look; the largest concerns {1}", n, size)
        if words.real(worst["rows"]) is None:
            size = say("few customers")
        if n == 1:
            finding = say("One thing in the data deserves a look: it concerns {0}", size)
    columns = (
        ("rule", say("Check"), words.name, False),
        ("rows", say("Rows"), _or_none, True),
        ("share", say("Share"), words.fine_percent, True),
        ("action", say("What was done"), _or_nothing, False),
        ("level", say("Level"), _level, False),
    )
    blocks = (
        parts.table(say("What the checks found"), frame[found], columns, folded=False),  # type: ignore[arg-type]  # _level gives a badge
        parts.table(say("Checks without a finding"), frame[~found], columns),  # type: ignore[arg-type]  # as above
    )
    return Section("quality", say("Data quality"), finding, lead if found.any() else "", tuple(b for b in blocks if b))


def _or_none(x: object) -> str:
    """A number of rows, or a dash where a check is not about rows."""
    return words.NOTHING if x == 0 else words.count(x)


def _or_nothing(x: object) -> str:
    """Text, or a dash for none."""
    return words.NOTHING if words.missing(x) else words.name(x)


def _level(x: object) -> object:
    """The level of a check as a badge."""
    return parts.verdict(x) or words.NOTHING


def segments(report: Report, k: int) -> Section:
    """Which groups there are, what they bring and how likely they leave."""
    frame = segment_frame(report, k)
    money = known(frame, "revenue_share")
    lead = say("Groups of customers with a similar history. Money is what they brought so far.")
    blocks: list[Block | None] = []
    finding = say("There are no groups to show")
    if not frame.empty:
        own = frame[frame["segment"] != small.OTHER] if (frame["segment"] != small.OTHER).any() else frame
        top = own.iloc[int(np.nanargmax(plots.numbers(own, "revenue_share" if money else "customers")))]
        name, share = words.sentence(words.quoted(top["segment"])), words.percent(top["share"])
        finding = say("{0} is the largest segment: {1} of the customers", name, share)
        if money:
            finding = say(
                "{0}: {1} of the customers, {2} of the money", name, share, words.percent(top["revenue_share"])
            )
        blocks.append(
            _share_bars(
                say("Customers and money by segment") if money else say("Customers by segment"),
                frame,
                "segment",
                money,
                wide=True,
            )
        )
        blocks.append(_segment_table(frame))
        blocks.append(_risk_bars(frame))
        blocks += moves(report.moves, k)
    if not money:
        lead = say("Groups of customers with a similar history.")
        blocks.insert(
            0,
            Callout(
                Badge(say("no amounts"), "plain"), say("The history has no amounts: shares of money are left out.")
            ),
        )
    tiers = take(report.tiers, "tiers", ("tier", "customers", "share"), ("revenue", "revenue_share"))
    tiers = small.merge_small(tiers, name="tier", customers="customers", sums=_SEGMENT_SUMS, k=k)
    if not tiers.empty:
        blocks.append(_share_bars(say("Value tiers"), tiers, "tier", known(tiers, "revenue_share")))
    blocks.append(_stage_bars(report, k))
    return Section("segments", say("Segments"), finding, lead, tuple(b for b in blocks if b is not None))


def segment_frame(report: Report, k: int) -> pd.DataFrame:
    """The segments without small groups."""
    frame = take(report.segments, "segments", ("segment", "customers", "share"), (*_SEGMENT_SUMS[1:], *_SEGMENT_MEANS))
    return small.merge_small(
        frame, name="segment", customers="customers", sums=_SEGMENT_SUMS, means=_SEGMENT_MEANS, k=k
    )


def _share_bars(title: str, frame: pd.DataFrame, name: str, money: bool, *, wide: bool = False) -> Bars:
    """Share of customers and share of money side by side."""
    columns = ("share", "revenue_share") if money else ("share",)
    top = parts.most(frame, *columns)
    rows = tuple(
        BarRow(
            words.name(row[name]),
            tuple(parts.bar(row[c], top, words.percent(row[c])) for c in columns),
            say("{0} customers", words.count(row["customers"])),
        )
        for row in list(records(frame))[:_MOST_BARS]
    )
    legend = (say("share of customers"), say("share of money")) if money else (say("share of customers"),)
    left_out = (
        say("The first {0} of {1} groups; the table has all.", _MOST_BARS, len(frame))
        if len(frame) > _MOST_BARS
        else ""
    )
    return Bars(title, legend, rows, left_out, wide)


def _segment_table(frame: pd.DataFrame) -> Block | None:
    """All figures of the segments."""
    columns = (
        ("segment", say("Segment"), words.name, False),
        ("customers", say("Customers"), words.count, True),
        ("share", say("Share"), words.fine_percent, True),
        ("revenue", say("Money"), words.money, True),
        ("revenue_share", say("Share of money"), words.fine_percent, True),
        ("recency_days", say("Days since last"), words.count, True),
        ("orders", say("Orders each"), words.one_digit, True),
        ("mean_value", say("Expected money each"), words.money, True),
        ("churn_probability", say("Likely to leave"), words.percent, True),
    )
    return parts.table(say("All figures by segment"), frame, columns)


def _risk_bars(frame: pd.DataFrame) -> Bars | None:
    """Probability to leave by segment, the highest first."""
    risk = plots.numbers(frame, "churn_probability")
    if not np.isfinite(risk).any():
        return None
    frame = frame[np.isfinite(risk)].iloc[np.argsort(-risk[np.isfinite(risk)], kind="stable")]
    rows = tuple(
        BarRow(
            words.name(r["segment"]), (parts.bar(r["churn_probability"], 1.0, words.percent(r["churn_probability"])),)
        )
        for r in list(records(frame))[:_MOST_BARS]
    )
    title = say("{0}: most at risk", words.sentence(words.quoted(frame["segment"].iloc[0])))
    return Bars(title, (say("mean probability to leave"),), rows, say("A full bar would be certainty."))


def _stage_bars(report: Report, k: int) -> Bars | None:
    """Where customers are in their life with us."""
    frame = take(report.stages, "stages", ("stage", "customers", "share"), ("churn_probability",))
    frame = small.merge_small(
        frame, name="stage", customers="customers", sums=("share",), means=("churn_probability",), k=k
    )
    if frame.empty:
        return None
    top = parts.most(frame, "share")
    rows = []
    for row in list(records(frame))[:_MOST_BARS]:
        risk = words.real(row["churn_probability"])
        detail = say("{0} customers", words.count(row["customers"]))
        detail += "" if risk is None else say(", {0} likely to leave", words.percent(risk))
        rows.append(
            BarRow(words.name(row["stage"]), (parts.bar(row["share"], top, words.percent(row["share"])),), detail)
        )
    return Bars(say("Stages of life"), (say("share of customers"),), tuple(rows))
