"""The parts of the page that say what to do, and how to find out whether it helped."""

import numpy as np
import pandas as pd

from crmintel.reports import forecasts, parts, plots, small, words
from crmintel.reports.asking import what_if_form
from crmintel.reports.blocks import Badge, BarRow, Bars, Block, Callout, Fact, Facts, Section
from crmintel.reports.data import PlanSection, Report
from crmintel.reports.frames import known, records, take
from crmintel.reports.language import say, told


def plan(report: Report, part: PlanSection, k: int) -> Section:
    """Who gets what, for how much."""
    treated = _people(part.treated, k)
    cost = words.NOTHING if 0 < part.treated < k else words.money(part.cost)
    finding = say("The plan contacts {0} customers at a cost of {1}", treated, cost)
    if part.treated == 0:
        finding = say("The plan contacts nobody")
    badge = Badge(say("effect measured"), "good") if part.causal else Badge(say("not causal"), "unsure")
    budget = words.real(part.budget)
    note = say("no limit was set") if budget is None else say("of a budget of {0}", words.money(budget))
    facts = (
        Fact(say("Contacted"), treated, say("get an action")),
        Fact(say("Left alone"), _people(part.holdout, k), say("on purpose, for comparison")),
        Fact(say("Cost"), cost, note),
    )
    blocks: list[Block | None] = [
        Callout(badge, told(part.statement)),
        Facts(facts),
        _warning(report, k),
        *_actions(part, k),
        what_if_form(part, k) or _no_form(report),
        _by_segment(report, part, k),
    ]
    return Section(
        "plan",
        say("The plan"),
        finding,
        say("What to do next, for whom, inside the limits."),
        tuple(b for b in blocks if b),
        badge,
    )


def _warning(report: Report, k: int) -> Callout | None:
    """That the money at risk is no amount where the probabilities are off."""
    rules = (
        None if report.churn is None else take(report.churn.rules, "churn.rules", ("name", "auc"), ("gain", "verdict"))
    )
    badge = None if rules is None else forecasts.beats(parts.strongest(rules, "auc"))
    if badge is not None and badge.tone == "bad":
        return Callout(badge, say("The plan ranks customers by a probability that a simple rule beat in the test."))
    off = None if report.churn is None or report.churn.n < k else forecasts.distance(report.churn, k)
    if off is None or off <= forecasts.OFF:
        return None
    said = say(
        "The probabilities of leaving were {0:.1f} points off: trust the order of the customers, not the amounts at risk.",
        100 * off,
    )
    return Callout(Badge(say("order only"), "unsure"), said)


def _no_form(report: Report) -> Callout | None:
    """Why other budgets cannot be tried out."""
    if words.real(report.base.revenue) is not None:
        return None
    said = say("What another budget or cost would reach cannot be told without amounts.")
    return Callout(Badge(say("no amounts"), "plain"), said)


def _people(n: int, k: int) -> str:
    """A number of customers, unless it is small."""
    return say("fewer than {0}", k) if 0 < n < k else words.count(n)


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
        detail = say("costs {0}", words.money(r["cost"]))
        detail += (
            say(", {0} at risk", words.money(r["value_at_risk"])) if words.real(r["value_at_risk"]) is not None else ""
        )
        bar = parts.bar(r["customers"], top, words.count(r["customers"]))
        rows.append(BarRow(words.name(r["action"]), (bar,), detail))
    caption = (
        say(
            "At risk: recent business over one horizon (it weighs half for every horizon that has passed), times the probability of leaving."
        )
        if risk
        else ""
    )
    table = parts.table(
        say("All figures by action"),
        frame,
        (
            ("action", say("Action"), words.name, False),
            ("customers", say("Customers"), words.count, True),
            ("cost", say("Cost"), words.money, True),
            ("value_at_risk", say("Value at risk"), words.money, True),
        ),
    )
    return [Bars(say("Who gets what"), (say("customers"),), tuple(rows), caption), table]


def _by_segment(report: Report, part: PlanSection, k: int) -> Bars | None:
    """Which part of each segment is contacted."""
    frame = _merged(report, take(part.by_segment, "plan.by_segment", ("segment", "contacted", "customers")), k)
    contacted, size = plots.numbers(frame, "contacted"), plots.numbers(frame, "customers")
    share = np.divide(contacted, size, out=np.zeros(len(frame)), where=size > 0)
    if frame.empty:
        return None
    rest = (frame["segment"] == small.OTHER).to_numpy()
    order = np.lexsort((-share, rest))
    frame, share, rest, contacted = frame.assign(share=share).iloc[order], share[order], rest[order], contacted[order]
    top = parts.most(frame, "share")
    rows = tuple(
        BarRow(
            say("all other segments") if r["segment"] == small.OTHER else words.name(r["segment"]),
            (parts.bar(r["share"], top, words.percent(r["share"])),),
            say("{0} of {1} customers", words.count(r["contacted"]), words.count(r["customers"])),
        )
        for r in list(records(frame))[:15]
    )
    title = say("Where the plan goes")
    own = np.where(rest, -1.0, share)
    if (contacted > 0).any() and own.max(initial=-1.0) <= 0:
        return None  # all of them are in small groups: nothing can be told
    if own.max(initial=-1.0) > 0:
        title = say("Most contacts, for its size, go to {0}", words.quoted(frame["segment"].iloc[int(np.argmax(own))]))
    return Bars(title, (say("share of the segment that is contacted"),), rows)


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
    finding = say("An experiment would show whether the plan pays")
    lead = say(
        "Nobody knows yet what the actions change. Leave a random part of the chosen customers alone, act on the rest, and compare the two groups: the difference is the effect."
    )
    if part.causal:
        finding = say("Keep a group apart, so that the effect stays measured")
        lead = say(
            "The effect of the actions was measured once. A random group left alone keeps it measured from now on."
        )
    few = 0 < part.treated < k or 0 < part.holdout < k  # the design would tell their number, and their mean
    facts = () if few else tuple(Fact(told(str(label)), _value(v)) for label, v in part.experiment.items())
    blocks: list[Block] = []
    if part.holdout > 0:
        badge = Badge(say("comparison"), "plain")
        text = say(
            "{0} customers get an action, {1} are left alone at random.",
            _people(part.treated, k),
            _people(part.holdout, k),
        )
        blocks.append(Callout(badge, text))
    if facts:
        blocks.append(Facts(facts, say("The design")))
    return Section("experiment", say("The experiment"), finding, lead, tuple(blocks))


def _value(x: object) -> str:
    """Text as it is, whole numbers as counts, others with up to three digits."""
    number = None if isinstance(x, str) else words.real(x)
    if number is None:
        return words.name(x)
    return words.count(number) if number == round(number) else words.score(number).rstrip("0")
