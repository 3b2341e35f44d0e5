"""The parts of the page that describe customers: the base at a glance, the data, the segments."""

import numpy as np
import pandas as pd

from crmintel.reports import parts, plots, small, words
from crmintel.reports.blocks import Badge, BarRow, Bars, Block, Callout, Fact, Facts, Picture, Section
from crmintel.reports.data import Base, Report
from crmintel.reports.frames import known, records, take

_MOST_BARS = 15
_SEGMENT_SUMS = ("share", "revenue", "revenue_share")
_SEGMENT_MEANS = ("recency_days", "orders", "mean_value", "churn_probability")


def _plain(x: pd.Timestamp) -> pd.Timestamp:
    """A time without zone, for comparing months."""
    return pd.Timestamp(x).tz_localize(None)


def customers(report: Report, k: int) -> Section:
    """The base at a glance: how many, how active, how concentrated, how loyal."""
    base, span = report.base, f"between {words.day(report.span[0])} and {words.day(report.span[1])}"
    if base.customers < k:
        finding = f"The history holds fewer than {k} customers"
        return Section("customers", "Customers", finding, "Nothing is shown about so few, to protect them.", ())
    half = None if base.concentration is None else plots.half_point(_smooth(base.concentration, base.customers, k))
    finding = f"{words.count(base.customers)} customers placed {words.count(base.orders)} orders"
    if half is not None:
        finding = f"Half of the money comes from {words.percent(half)} of the customers"
    lead = f"Everything the history tells about who bought, how often and for how much, {span}."
    blocks: list[Block | None] = [_base_facts(base), *_months(report, k)]
    if base.concentration is not None:
        curve = _smooth(base.concentration, base.customers, k)
        title = f"{words.percent(half)} of the customers bring half of the money" if half else "Who brings the money"
        caption = "The further the line bulges from the dotted one, the more the money depends on few customers."
        blocks.append(_picture(title, plots.concentration(curve), caption))
    blocks += _retention(base, k)
    return Section("customers", "Customers", finding, lead, tuple(b for b in blocks if b is not None))


def _picture(title: str, svg: str, caption: str, *, wide: bool = False) -> Picture | None:
    """A picture, or None when there was nothing to draw."""
    return Picture(title, svg, caption, wide) if svg else None


def _base_facts(base: Base) -> Facts:
    """The figures of the whole history."""
    facts = [
        Fact("Customers", words.count(base.customers)),
        Fact("Interactions", words.count(base.interactions)),
        Fact("Orders", words.count(base.orders), f"{words.one_digit(base.orders / base.customers)} per customer"),
    ]
    if words.real(base.revenue) is None:
        facts.append(Fact("Money", words.NOTHING, "the history has no amounts"))
    else:
        mean = words.money((words.real(base.revenue) or 0.0) / base.customers)
        facts.append(Fact("Money", words.money(base.revenue), f"{mean} per customer"))
    return Facts(tuple(facts))


def _smooth(curve: pd.DataFrame, n_customers: int, k: int) -> pd.DataFrame:
    """The curve without points that would tell what fewer than k customers spent."""
    curve = take(curve, "base.concentration", ("customer_share", "revenue_share"))
    share = plots.numbers(curve, "customer_share")
    inside = (share * n_customers >= k - 1e-9) & ((1 - share) * n_customers >= k - 1e-9)
    return curve[inside | (share >= 1 - 1e-12)]


def _months(report: Report, k: int) -> list[Block | None]:
    """Activity by month as a picture and a table."""
    columns = ("month", "active_customers", "new_customers")
    monthly = take(report.base.monthly, "base.monthly", columns, ("revenue",))
    if monthly.empty:
        return []
    few = small.hidden(monthly["active_customers"], k)
    few_new = small.hidden(monthly["new_customers"], k) | few
    for column, hide in (("active_customers", few), ("revenue", few), ("new_customers", few_new)):
        monthly[column] = pd.to_numeric(monthly[column], errors="coerce").where(~hide)
    starts = [_plain(m) for m in monthly["month"]]
    first, last = _plain(report.span[0]), _plain(report.span[1])
    slack = pd.Timedelta(days=3)
    partial = [s < first - slack or s + pd.offsets.MonthBegin(1) > last + slack for s in starts]
    caption = "Every month counts a customer once."
    if not known(monthly, "revenue"):
        caption = "Every month counts a customer once. The history has no amounts."
    caption += " Paler months are not complete." if any(partial) else ""
    caption += f" Figures of fewer than {k} customers are left empty." if few_new.any() else ""
    table = parts.table(
        "Month by month",
        monthly,
        (
            ("month", "Month", words.month, False),
            ("active_customers", "Active customers", words.count, True),
            ("new_customers", "New customers", words.count, True),
            ("revenue", "Money", words.money, True),
        ),
    )
    activity = plots.monthly_activity(monthly, partial=partial)
    money = plots.monthly_money(monthly, partial=partial)
    return [
        _picture(_months_title(monthly, "active_customers", partial), activity, caption),
        _picture(_months_title(monthly, "revenue", partial), money, "The sum of all amounts of each month."),
        table,
    ]


def _months_title(monthly: pd.DataFrame, column: str, partial: list[bool]) -> str:
    """How the last complete month compares with the same month a year before."""
    figures = plots.numbers(monthly, column)
    whole = [i for i, p in enumerate(partial) if not p and np.isfinite(figures[i])]
    if not whole:
        return "Month by month"
    i, when = whole[-1], words.month(monthly["month"].iloc[whole[-1]])
    text = f"{words.count(figures[i])} customers were active in {when}"
    if column == "revenue":
        text = f"{when} brought {words.money(figures[i])}"
    before = i - 12
    if before in whole and figures[before] > 0:
        change = figures[i] / figures[before] - 1
        side = "more" if change > 0 else "less" if column == "revenue" else "fewer"
        said = "as much as" if abs(change) < 0.005 else f"{words.percent(abs(change))} {side} than"
        text += f", {said} a year before"
    return text


def _retention(base: Base, k: int) -> list[Block | None]:
    """Who comes back after the first purchase."""
    shares = base.retention
    if shares is None or shares.empty:
        return []
    monthly = take(base.monthly, "base.monthly", ("month", "active_customers", "new_customers"))
    new = dict(zip((_plain(m) for m in monthly["month"]), plots.numbers(monthly, "new_customers"), strict=True))
    shares = shares[[not (new.get(_plain(cohort), k) < k) for cohort in _stamps(shares.index)]]
    shares.index = pd.Index(_stamps(shares.index))
    svg = plots.retention(shares)
    means = {int(float(c)): pd.to_numeric(shares[c], errors="coerce").mean() for c in shares.columns}
    said = [
        f"{100 * means[m]:.0f} come back {words_after}"
        for m, words_after in ((1, "one month later"), (6, "six months later"))
        if m in means and np.isfinite(means[m])
    ]
    title = f"Of 100 new customers, {' and '.join(said)}" if said else "Who comes back"
    caption = (
        "Percent of the customers first seen in the month on the left that were active again so many months later."
    )
    return [_picture(title, svg, caption)]


def _stamps(index: pd.Index) -> list[pd.Timestamp]:
    """Cohorts as timestamps, also when they came as periods or text."""
    return [_plain(x.start_time if isinstance(x, pd.Period) else pd.Timestamp(x)) for x in index]


def quality(report: Report) -> Section:
    """What was wrong with the data, and what was done about it."""
    frame = take(report.quality, "quality", ("rule", "rows"), ("share", "action", "level"))
    lead = "Every row was checked once at the door. What was found, and what was done with it:"
    if frame.empty:
        return Section("quality", "Data quality", "No checks of the data were recorded", "", ())
    found = plots.numbers(frame, "rows") > 0
    remarks = frame[found & ~frame["level"].isin(["info", "note", "ok"]).to_numpy()]
    n = len(remarks)
    finding = "The data are clean: no check found anything to mend"
    if n:
        worst = remarks.iloc[int(np.nanargmax(plots.numbers(remarks, "rows")))]
        share = words.real(worst["share"])
        size = f"{words.percent(share)} of the rows" if share is not None else f"{words.count(worst['rows'])} rows"
        finding = f"{n} things in the data deserve a look; the largest concerns {size}"
        if n == 1:
            finding = f"One thing in the data deserves a look: it concerns {size}"
    columns = (
        ("rule", "Check", words.text, False),
        ("rows", "Rows", words.count, True),
        ("share", "Share", words.fine_percent, True),
        ("action", "What was done", _or_nothing, False),
        ("level", "Level", _level, False),
    )
    blocks = (
        parts.table("What the checks found", frame[found], columns, folded=False),  # type: ignore[arg-type]
        parts.table("Checks without a finding", frame[~found], columns),  # type: ignore[arg-type]
    )
    return Section("quality", "Data quality", finding, lead if found.any() else "", tuple(b for b in blocks if b))


def _or_nothing(x: object) -> str:
    """Text, or a dash for none."""
    return words.NOTHING if words.text(x) == "(no name)" else words.text(x)


def _level(x: object) -> object:
    """The level of a check as a badge."""
    return parts.verdict(x) or words.NOTHING


def segments(report: Report, k: int) -> Section:
    """Which groups there are, what they bring and how likely they leave."""
    frame = segment_frame(report, k)
    money = known(frame, "revenue_share")
    lead = "Groups of customers with a similar history. Money is what they brought so far."
    blocks: list[Block | None] = []
    finding = "There are no groups to show"
    if not frame.empty:
        top = frame.iloc[int(np.nanargmax(plots.numbers(frame, "revenue_share" if money else "customers")))]
        name, share = words.sentence(words.quoted(top["segment"])), words.percent(top["share"])
        finding = f"{name} is the largest segment: {share} of the customers"
        if money:
            finding = f"{name}: {share} of the customers, {words.percent(top['revenue_share'])} of the money"
        blocks.append(_share_bars("Customers and money by segment", frame, "segment", money, wide=True))
        blocks.append(_segment_table(frame))
        blocks.append(_risk_bars(frame))
    if not money:
        lead = "Groups of customers with a similar history."
        blocks.insert(
            0, Callout(Badge("no amounts", "plain"), "The history has no amounts: shares of money are left out.")
        )
    tiers = take(report.tiers, "tiers", ("tier", "customers", "share"), ("revenue", "revenue_share"))
    tiers = small.merge_small(tiers, name="tier", customers="customers", sums=_SEGMENT_SUMS, k=k)
    if not tiers.empty:
        blocks.append(_share_bars("Value tiers", tiers, "tier", known(tiers, "revenue_share")))
    blocks.append(_stage_bars(report, k))
    return Section("segments", "Segments", finding, lead, tuple(b for b in blocks if b is not None))


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
            words.text(row[name]),
            tuple(parts.bar(row[c], top, words.percent(row[c])) for c in columns),
            f"{words.count(row['customers'])} customers",
        )
        for row in list(records(frame))[:_MOST_BARS]
    )
    legend = ("share of customers", "share of money") if money else ("share of customers",)
    left_out = f"The first {_MOST_BARS} of {len(frame)} groups; the table has all." if len(frame) > _MOST_BARS else ""
    return Bars(title, legend, rows, left_out, wide)


def _segment_table(frame: pd.DataFrame) -> Block | None:
    """All figures of the segments."""
    columns = (
        ("segment", "Segment", words.text, False),
        ("customers", "Customers", words.count, True),
        ("share", "Share", words.fine_percent, True),
        ("revenue", "Money", words.money, True),
        ("revenue_share", "Share of money", words.fine_percent, True),
        ("recency_days", "Days since last", words.count, True),
        ("orders", "Orders each", words.one_digit, True),
        ("mean_value", "Money each", words.money, True),
        ("churn_probability", "Likely to leave", words.percent, True),
    )
    return parts.table("All figures by segment", frame, columns)


def _risk_bars(frame: pd.DataFrame) -> Bars | None:
    """Probability to leave by segment, the highest first."""
    risk = plots.numbers(frame, "churn_probability")
    if not np.isfinite(risk).any():
        return None
    frame = frame[np.isfinite(risk)].iloc[np.argsort(-risk[np.isfinite(risk)], kind="stable")]
    rows = tuple(
        BarRow(
            words.text(r["segment"]), (parts.bar(r["churn_probability"], 1.0, words.percent(r["churn_probability"])),)
        )
        for r in list(records(frame))[:_MOST_BARS]
    )
    title = f"{words.sentence(words.quoted(frame['segment'].iloc[0]))}: most at risk"
    return Bars(title, ("mean probability to leave",), rows, "A full bar would be certainty.")


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
        detail = f"{words.count(row['customers'])} customers"
        detail += "" if risk is None else f", {words.percent(risk)} likely to leave"
        rows.append(
            BarRow(words.text(row["stage"]), (parts.bar(row["share"], top, words.percent(row["share"])),), detail)
        )
    return Bars("Stages of life", ("share of customers",), tuple(rows))
