"""The form of the plan: what it asks, and what it replies as long as nobody changes anything."""

import json

from crmintel.reports import words
from crmintel.reports.blocks import Field, Reply, WhatIfForm
from crmintel.reports.data import PlanSection
from crmintel.reports.language import say
from crmintel.reports.whatif import ASSUMED, Outcome, WhatIf, amount, coarse, outcome


def what_if_form(part: PlanSection, k: int) -> WhatIfForm | None:
    """Budget, cost of a contact and the share that it keeps; None where the ladder would tell about few customers."""
    given = part.what_if
    ladder = None if given is None else coarse(given, k, held=part.holdout)
    if ladder is None:
        return None
    percent = round(100 * (ASSUMED if ladder.kept is None else ladder.kept), 10)  # as the field holds it
    fields = (
        Field("budget", say("Budget"), _plain(ladder.budget)),
        Field("cost", say("Cost of one contact"), _plain(ladder.cost)),
        Field("kept", say("Percent kept by a contact (your assumption)"), _plain(percent), "100")
        if ladder.kept is None
        else Field("kept", say("Percent kept by a contact (as measured)"), _plain(percent), "100"),
    )
    reached = outcome(ladder, kept=percent / 100)
    replies = _replies(reached, ladder)
    shown = {"contacted": _near(words.count(reached.contacted), reached.counted)} | {r.key: r.value for r in replies}
    return WhatIfForm(
        say("What if the budget or the cost were different?"),
        _lead(ladder),
        fields,
        replies,
        _said().format(*(shown[key] for key in ("contacted", "spent", "saved", "net"))),
        json.dumps(_data(ladder), ensure_ascii=False, separators=(",", ":")),
        _caption(ladder),
    )


def _plain(x: float) -> str:
    """A number as a field holds it: the very same when it is read again, unless it was no more than rounding."""
    return f"{x:.0f}" if x == round(x) and abs(x) < 2**53 else repr(float(x))


def _lead(ladder: WhatIf) -> str:
    text = say(
        "Change a number, and the figures below follow. How much of the money at risk a contact keeps is not known: the percentage is your own assumption until the experiment has measured it."
    )
    if ladder.kept is not None:
        text = say("Change a number, and the figures below follow.")
    if ladder.actions > 1:
        text += say(
            " The plan has {0} actions; this form speaks of {1} alone, as if it were the only one.",
            ladder.actions,
            words.quoted(ladder.action),
        )
    return text


def _caption(ladder: WhatIf) -> str:
    text = say(
        "Customers are taken by falling money at risk, as in the plan, while a contact costs less than what is at risk. With the plan's own budget and cost, the customers, the cost and the money at risk are just those of the plan. “About”: right to a group of customers, since no single one can be read from this page."
    )
    if 0 < ladder.holdout < 1:
        text += say(
            " Who of those chosen is left alone is drawn by lot: what is saved is the part that is contacted, on average over such draws."
        )
    if ladder.capacity is not None:
        text += say(" The action reaches at most {0} customers.", words.count(ladder.capacity))
    return text


def _data(ladder: WhatIf) -> dict[str, object]:
    """What the script works with: the ladder, the plan, and its own sentences in the language of the page."""
    customers, at_risk = ladder.edges()
    return {
        "customers": customers.tolist(),
        "atRisk": at_risk.tolist(),
        "share": 1 - ladder.holdout,
        "capacity": ladder.capacity,
        "cost": ladder.cost,
        "chosen": ladder.chosen,
        "about": say("about {0}"),
        "arms": _arms(),
        "said": _said(),
        "wrong": say("Give money of at least 0, and a percentage between 0 and 100."),
    }


def _said() -> str:
    return say("{0} customers contacted for {1}; {2} saved at this percentage, {3} after the cost.")


def _near(text: str, exact: bool) -> str:
    return text if exact else say("about {0}", text)


def _arms() -> str:
    return say("{0} contacted, {1} left alone at random")


def _replies(reached: Outcome, ladder: WhatIf) -> tuple[Reply, ...]:
    """In words, as the script writes them."""
    arms = _arms().format(words.count(reached.contacted), words.count(reached.left_alone))
    saved = say("kept by the contacts, if the percentage is right")
    beyond = say("more would not pay")
    if ladder.capacity is not None:
        beyond = say("for as many of these as the action reaches")
    rows = (
        ("chosen", say("Customers chosen"), _near(words.count(reached.chosen), reached.counted), arms),
        ("spent", say("Money spent"), _near(amount(reached.spent), reached.counted), say("on those contacted")),
        ("atRisk", say("At risk among those chosen"), _near(amount(reached.at_risk), reached.exact), say("recent business × probability of leaving")),
        ("saved", say("Saved, by assumption"), _near(amount(reached.saved), reached.exact), saved),
        ("net", say("Left after the cost"), _near(amount(reached.net), reached.exact), say("saved less spent")),
        ("worth", say("Worth a contact at this cost"), _near(words.count(reached.worth), reached.worth == 0), say("keeps at least what it costs")),
        ("enough", say("Budget enough for these"), _near(amount(reached.enough), reached.worth == 0), beyond),
        ("next", say("The next 1 of budget brings"), _near(amount(reached.next_unit), reached.next_unit == 0), say("below 1 it does not pay; 0: it reaches nobody else")),
    )  # fmt: skip
    names = {"saved": say("Saved, as measured")} if ladder.kept is not None else {}
    return tuple(Reply(key, names.get(key, label), value, note) for key, label, value, note in rows)
