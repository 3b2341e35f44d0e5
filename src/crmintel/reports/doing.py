"""The parts of the page that say what to do, and how to find out whether it helped."""

import numpy as np
import pandas as pd

from crmintel.reports import parts, plots, small, words
from crmintel.reports.blocks import Badge, BarRow, Bars, Block, Callout, Fact, Facts, Section
from crmintel.reports.data import PlanSection, Report
from crmintel.reports.frames import known, records, take


def plan(report: Report, part: PlanSection, k: int) -> Section:
    """Who gets what, for how much."""
    treated = _people(part.treated, k)
    finding = f"The plan contacts {treated} customers at a cost of {words.money(part.cost)}"
    if part.treated == 0:
        finding = "The plan contacts nobody"
    badge = Badge("effect measured", "good") if part.causal else Badge("not causal", "unsure")
    budget = words.real(part.budget)
    note = "no limit was set" if budget is None else f"of a budget of {words.money(budget)}"
    facts = (
        Fact("Contacted", treated, "get an action"),
        Fact("Left alone", _people(part.holdout, k), "on purpose, for comparison"),
        Fact("Cost", words.money(part.cost), note),
    )
    blocks: list[Block | None] = [
        Callout(badge, part.statement),
        Facts(facts),
        *_actions(part, k),
        _by_segment(report, part, k),
    ]
    return Section(
        "plan",
        "The plan",
        finding,
        "What to do next, for whom, inside the limits.",
        tuple(b for b in blocks if b),
        badge,
    )


def _people(n: int, k: int) -> str:
    """A number of customers, unless it is small."""
    return f"fewer than {k}" if 0 < n < k else words.count(n)


def _actions(part: PlanSection, k: int) -> list[Block | None]:
    """Customers and cost of each action."""
    frame = take(part.by_action, "plan.by_action", ("action", "customers", "cost"), ("value_at_risk",))
    frame = small.merge_small(frame, name="action", customers="customers", sums=("cost", "value_at_risk"), k=k)
    if frame.empty:
        return []
    top = parts.most(frame, "customers")
    risk = known(frame, "value_at_risk")
    rows = []
    for r in records(frame):
        detail = f"costs {words.money(r['cost'])}"
        detail += f", {words.money(r['value_at_risk'])} at risk" if words.real(r["value_at_risk"]) is not None else ""
        bar = parts.bar(r["customers"], top, words.count(r["customers"]))
        rows.append(BarRow(words.text(r["action"]), (bar,), detail))
    caption = "At risk: the expected money that would go with those who leave." if risk else ""
    table = parts.table(
        "All figures by action",
        frame,
        (
            ("action", "Action", words.text, False),
            ("customers", "Customers", words.count, True),
            ("cost", "Cost", words.money, True),
            ("value_at_risk", "Value at risk", words.money, True),
        ),
    )
    return [Bars("Who gets what", ("customers",), tuple(rows), caption), table]


def _by_segment(report: Report, part: PlanSection, k: int) -> Bars | None:
    """Which part of each segment is contacted."""
    frame = _merged(report, take(part.by_segment, "plan.by_segment", ("segment", "contacted", "customers")), k)
    contacted, size = plots.numbers(frame, "contacted"), plots.numbers(frame, "customers")
    share = np.divide(contacted, size, out=np.zeros(len(frame)), where=size > 0)
    frame = frame.assign(share=share)
    if frame.empty:
        return None
    top = parts.most(frame, "share")
    rows = tuple(
        BarRow(
            words.text(r["segment"]),
            (parts.bar(r["share"], top, words.percent(r["share"])),),
            f"{words.count(r['contacted'])} of {words.count(r['customers'])} customers",
        )
        for r in list(records(frame))[:15]
    )
    title = "Where the plan goes"
    own = np.where((frame["segment"] == small.OTHER).to_numpy(), -1.0, share)
    if own.max(initial=-1.0) > 0:
        title = f"Most contacts, for its size, go to {words.quoted(frame['segment'].iloc[int(np.argmax(own))])}"
    return Bars(title, ("share of the segment that is contacted",), rows)


def _merged(report: Report, frame: pd.DataFrame, k: int) -> pd.DataFrame:
    """Merged at least as far as in the table of segments, so that the two together tell nothing new."""
    if frame.empty:
        return frame
    whole = take(report.segments, "segments", ("segment", "customers", "share"))
    names = small.small_names(whole, name="segment", customers="customers", k=k)
    frame = small.merge(frame, names, name="segment", customers="customers", sums=("contacted",), k=k)
    frame = small.merge_small(frame, name="segment", customers="customers", sums=("contacted",), k=k)
    return small.merge_small(frame, name="segment", customers="contacted", sums=("customers",), k=k)


def experiment(part: PlanSection, k: int) -> Section | None:
    """The experiment that would prove the plan."""
    if not part.experiment and part.holdout == 0:
        return None
    finding = "An experiment would show whether the plan pays"
    lead = (
        "Nobody knows yet what the actions change. Leave a random part of the chosen customers alone, "
        "act on the rest, and compare the two groups: the difference is the effect."
    )
    if part.causal:
        finding = "Keep a group apart, so that the effect stays measured"
        lead = "The effect of the actions was measured once. A random group left alone keeps it measured from now on."
    facts = tuple(Fact(str(label), _value(v)) for label, v in part.experiment.items())
    blocks: list[Block] = []
    if part.holdout > 0:
        badge = Badge("comparison", "plain")
        text = (
            f"{_people(part.treated, k)} customers get an action, {_people(part.holdout, k)} are left alone at random."
        )
        blocks.append(Callout(badge, text))
    if facts:
        blocks.append(Facts(facts, "The design"))
    return Section("experiment", "The experiment", finding, lead, tuple(blocks))


def _value(x: object) -> str:
    """Text as it is, whole numbers as counts, others with up to three digits."""
    number = None if isinstance(x, str) else words.real(x)
    if number is None:
        return words.text(x)
    return words.count(number) if number == round(number) else words.score(number).rstrip("0")
