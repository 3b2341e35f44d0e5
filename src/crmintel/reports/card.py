"""The customer card: everything that is known of one customer on one page, for those who are allowed to see it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, final

import numpy as np
import pandas as pd

from crmintel.columns import AMOUNT, CHANNEL, CHURN, KIND, PURCHASE, RETURN, TIME, VALUE
from crmintel.reports import parts, words
from crmintel.reports.blocks import Badge, Block, Callout, Fact, Facts, Picture, Points, Section
from crmintel.reports.card_plots import timeline
from crmintel.reports.data import Estimate
from crmintel.reports.frames import known, records, take
from crmintel.reports.language import say, speaking
from crmintel.reports.page import page, put

MOST_ROWS = 200
"""Rows of the history that the page lists, the last ones."""
_RHYTHM = 3
"""Days with purchases from which on a usual gap is told."""


@final
@dataclass(frozen=True, eq=False)
class CustomerCard:
    """What one customer did, is worth and needs next.

    It holds a customer's own rows: keep it from all who must not see them.

    Parameters
    ----------
    customer, source : str
        Who, and the name of the data.
    at : Timestamp
        The instant the customer is described at.
    horizon : Timedelta
        How far ahead predictions look.
    history : DataFrame
        A row an order or contact, in the order of time: timestamp, kind, what (items in words, optional), channel (optional),
        amount (optional).
    stage, segment, tier : str or None
        Where the customer stands.
    churn, churn_rank : float or None
        Probability of leaving within the horizon, and the share of all customers for whom it is lower.
    reasons : tuple of str
        Why, the strongest first, in the language of the card.
    value : Estimate or None
        Money expected within the horizon, with its interval.
    value_rank : float or None
        The share of all customers of whom less is expected.
    offers : DataFrame
        list ("new" or "again") and item, the best first; because (sequence of items that speak for it), times (bought so far)
        and last (day), all optional.
    action, why : str or None
        What the plan does with the customer, and why; None where there is no plan.
    acts : bool
        Whether the customer gets that action.
    lang : {"en", "zh"}
        The language of the page.
    held : tuple of two floats or None
        The share of such intervals that is meant to hold the real value, and the share that did when they were tested.
    beaten : tuple of str
        Which of churn_probability and value come from a model that a simple rule beat in the test.

    Examples
    --------
    >>> orders = pd.DataFrame({
    ...     "timestamp": pd.to_datetime(["2024-01-05", "2024-02-04"]), "kind": "purchase", "amount": [20.0, 30.0],
    ... })
    >>> card = CustomerCard("17", "shop.csv", pd.Timestamp("2024-03-01"), pd.Timedelta(days=30), orders, stage="regular")
    >>> card
    CustomerCard as of 2024-03-01: 2 rows of history, regular
    >>> "2 orders" in card.html()
    True
    """

    customer: str
    source: str
    at: pd.Timestamp
    horizon: pd.Timedelta
    history: pd.DataFrame
    stage: str | None = None
    segment: str | None = None
    tier: str | None = None
    churn: float | None = None
    churn_rank: float | None = None
    reasons: tuple[str, ...] = ()
    value: Estimate | None = None
    value_rank: float | None = None
    offers: pd.DataFrame = field(default_factory=pd.DataFrame)
    action: str | None = None
    why: str | None = None
    acts: bool = False
    lang: Literal["en", "zh"] = "en"
    held: tuple[float, float] | None = None
    beaten: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return (
            f"CustomerCard as of {self.at:%Y-%m-%d}: {len(self.history):,} rows of history, {self.stage or 'no stage'}"
        )

    def _repr_html_(self) -> str:
        with speaking(self.lang):
            rows = [(s.name, s.finding) for s in _sections(self)]
        return pd.DataFrame(rows, columns=["", self.customer]).to_html(index=False, escape=True)

    def html(self) -> str:
        """The page as text; it needs nothing else.

        Raises
        ------
        DataContractError
            If the language is unknown, or the history lacks columns that the page needs.
        """
        with speaking(self.lang):
            facts = [
                (say("Source"), self.source),
                (say("Described as of"), words.day(self.at)),
                (say("Looking ahead"), words.days(self.horizon / pd.Timedelta(days=1))),
            ]
            return page(
                say("Customer card"),
                say("Customer {0}", words.quoted(self.customer)),
                facts,
                _sections(self),
                footer=say("Made by crmintel. This page shows what one person did: delete it when it has served."),
                warning=say("Personal data: only for those who look after this customer."),
            )

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file, in one step: never half a page. Returns the path."""
        return put(self.html(), path)


def _sections(card: CustomerCard) -> tuple[Section, ...]:
    """What to do first, then why."""
    made = (_action(card), _history(card), _risk(card), _value(card), _offers(card))
    return tuple(s for s in made if s is not None)


def _action(card: CustomerCard) -> Section | None:
    """What the plan does with the customer."""
    standing = (
        (say("Stage of life"), card.stage, say("by silence against the own rhythm")),
        (say("Segment"), card.segment, say("by how lately and how often customers bought")),
        (say("Value tier"), card.tier, say("by the money so far: A most, Z none")),
    )
    facts = [Fact(label, words.name(x), note) for label, x, note in standing if not words.missing(x)]
    strip: tuple[Block, ...] = (Facts(tuple(facts)),) if facts else ()
    name = say("Next action")
    if card.action is None:
        finding = say("There is no plan for this customer")
        return Section("action", name, finding, "", strip) if strip else None
    why = words.name(card.why)
    said = say("Why: {0}.", why)
    if words.real(card.churn) is not None:
        said += say(" At risk: recent business, times the probability of leaving.")
    if card.acts:
        tone = Badge(say("planned"), "good")
        return Section("action", name, words.sentence(words.name(card.action)), said, strip, tone)
    return Section("action", name, say("Nothing is planned"), said, strip, Badge(say("wait"), "plain"))


def _history(card: CustomerCard) -> Section:
    """What happened so far, on a line of time and in a table."""
    frame = take(card.history, "history", (TIME, KIND), ("what", CHANNEL, AMOUNT))
    orders = frame[frame[KIND] == PURCHASE]
    name, money = say("History"), known(frame, AMOUNT)
    if frame.empty:
        return Section("history", name, say("Nothing is known of this customer"), "", ())
    when = pd.DatetimeIndex(pd.to_datetime(orders[TIME]))
    silence = (card.at - when.max()) / pd.Timedelta(days=1) if len(when) else np.nan
    finding = say("No order so far")
    if len(orders):
        one = len(orders) == 1
        finding = say("One order, {0} ago", words.days(round(silence))) if one else (
            say("{0} orders, the last {1} ago", words.count(len(orders)), words.days(round(silence)))
            if round(silence) else say("{0} orders, the last within a day", words.count(len(orders)))
        )  # fmt: skip
    facts = [Fact(say("Known since"), words.day(frame[TIME].min()))]
    if money:
        paid = frame[AMOUNT][frame[KIND].isin([PURCHASE, RETURN])].sum()
        each = say("{0} an order", words.money(paid / len(orders))) if len(orders) else ""
        facts.append(Fact(say("Money so far"), words.money(paid), each))
    if (usual := _usual(when)) is not None:
        ratio = silence / usual
        note = say("the silence is {0} times as long", words.one_digit(ratio)) if ratio >= 1 else say("still within it")
        facts.append(Fact(say("Usual gap between orders"), words.days(round(usual)), note))
    if others := int((~frame[KIND].isin([PURCHASE, RETURN])).sum()):
        facts.append(Fact(say("Other contacts"), words.count(others)))
    drawing = timeline(frame, card.at)
    caption = say("Bars are orders, as high as their money.") if money else say("Every bar is an order.")
    caption = caption if len(orders) else ""
    caption += say(" Diamonds below the line are other contacts.") if others else ""
    caption += say(" The pale part at the right is the silence since the last order.") if len(orders) else ""
    blocks: list[Block | None] = [
        Facts(tuple(facts)),
        Picture(say("All that happened"), drawing, caption, wide=True) if drawing else None,
        _rows(frame),
    ]
    return Section("history", name, finding, "", tuple(b for b in blocks if b))


def _usual(when: pd.DatetimeIndex) -> float | None:
    """The median days between days with orders; None of too few."""
    days = np.unique(when.normalize())
    return float(np.median(np.diff(days) / np.timedelta64(1, "D"))) if len(days) >= _RHYTHM else None


def _rows(frame: pd.DataFrame) -> Block | None:
    """The last rows, newest first; columns that say nothing are left out."""
    last = frame.iloc[::-1].head(MOST_ROWS)
    columns = (
        (TIME, say("Day"), words.day, False),
        (KIND, say("What happened"), words.name, False),
        ("what", say("Items"), _or_nothing, False),
        (CHANNEL, say("Channel"), _or_nothing, False),
        (AMOUNT, say("Money"), words.exact, True),
    )
    shown = [c for c in columns if c[3] or not last[c[0]].map(words.missing).all()]
    left = say(", the last {0} of {1}", len(last), words.count(len(frame))) if len(frame) > len(last) else ""
    return parts.table(say("Row by row{0}", left), last, shown)


def _or_nothing(x: object) -> str:
    return words.NOTHING if words.missing(x) else words.name(x)


def _risk(card: CustomerCard) -> Section | None:
    """How likely the customer leaves, and why."""
    if words.real(card.churn) is None:
        return None
    days = words.days(card.horizon / pd.Timedelta(days=1))
    finding = say("{0} likely to leave", words.percent(card.churn))
    lead = say("Leaving means: no order in the coming {0}.", days)
    if card.churn_rank is not None and words.real(card.churn_rank) is not None:
        lead += say(" That is riskier than {0} of all others.", _most(card.churn_rank))
    title = say("What raises the risk most")
    rows = tuple((words.sentence(r), "") for r in card.reasons)
    blocks: tuple[Block, ...] = (Points(title, rows, wide=True),) if rows else ()
    if not rows:
        blocks = (Callout(Badge(say("calm"), "good"), say("Nothing in the history raises the risk.")),)
    return Section("risk", say("Risk"), finding, lead, (*_beaten(card, CHURN), *blocks))


def _most(share: float) -> str:
    """A share of the others: all only where it is all of them."""
    return words.percent(min(share, 0.999), 1) if 0.99 < share < 1 else words.percent(share)


def _value(card: CustomerCard) -> Section | None:
    """What the customer will bring."""
    if card.value is None or words.real(card.value.value) is None:
        return None
    e = card.value
    days = words.days(card.horizon / pd.Timedelta(days=1))
    finding = say("Expected to bring {0} in the coming {1}", words.money(e.value), days)
    lead = ""
    if card.value_rank is not None and words.real(card.value_rank) is not None:
        lead = say("That is more than for {0} of all others.", _most(card.value_rank))
    if words.real(e.low) is not None and words.real(e.high) is not None:
        if e.high > e.value:
            lead += say(" It may also be as little as {0} or as much as {1}.", words.money(e.low), words.money(e.high))
        elif e.low < e.value:  # a mean beyond nearly all of the amounts that it is made of
            lead += say(" Most customers like this one bring less; a few bring far more.")
        if card.held is not None:
            meant, seen = map(words.percent, card.held)
            lead += say(" When tested, {0} of such intervals held; {1} should.", seen, meant)
    return Section("value", say("Value"), finding, lead, (*_beaten(card, VALUE), *_doubt(card)))


def _beaten(card: CustomerCard, column: str) -> tuple[Block, ...]:
    """That the model of a figure lost to a simple rule."""
    said = say("In the test a simple rule did better than the model behind this figure: do not rely on it.")
    return (Callout(Badge(say("worse than a simple rule"), "bad"), said),) if column in card.beaten else ()


def _doubt(card: CustomerCard) -> tuple[Block, ...]:
    """That risk and value do not go together: who stays brings at least an order of the usual size."""
    churn, most = words.real(card.churn), None if card.value is None else words.real(card.value.high)
    orders = card.history[card.history[KIND] == PURCHASE] if len(card.history) else card.history
    if churn is None or most is None or AMOUNT not in card.history or not len(orders):
        return ()
    usual, paid = float(orders[AMOUNT].median()), float(card.history[AMOUNT].sum())
    least = (1 - churn) * usual
    if not least > most or paid < usual:  # what was given back is no usual order
        return ()
    said = say(
        "The risk and the value come from two models that disagree here: with a chance of {0} to stay, a single order of the usual size would bring about {1}.",
        words.percent(1 - churn), words.money(least),
    )  # fmt: skip
    return (Callout(Badge(say("in doubt"), "unsure"), said),)


def _offers(card: CustomerCard) -> Section | None:
    """What to offer, and because of what."""
    frame = take(card.offers, "offers", ("list", "item"), ("because", "times", "last"))
    if frame.empty:
        return None
    lists = (("new", say("New to this customer")), ("again", say("Bought before, likely again")))
    blocks = []
    for which, title in lists:
        rows = tuple((words.text(r["item"]), _grounds(r)) for r in records(frame[frame["list"] == which]))
        if rows:
            blocks.append(Points(title, rows))
    first = words.quoted(frame["item"].iloc[0])
    lead = say("Lists of the models of this run, the best first.")
    return Section("items", say("Next items"), say("First to offer: {0}", first), lead, tuple(blocks))


def _grounds(row: dict[str, object]) -> str:
    """What speaks for an item: what the customer bought before, or how often the item itself."""
    named = row["because"]
    if isinstance(named, Sequence) and not isinstance(named, str) and len(named):
        return say("because of {0}", say("; ").join(words.text(n) for n in named))
    if words.real(row["times"]) is None:
        return say("often bought by others") if row["list"] == "new" else ""
    once = words.real(row["times"]) == 1
    last = words.day(row["last"])
    return (
        say("bought once, on {0}", last)
        if once
        else say("bought {0} times, last on {1}", words.count(row["times"]), last)
    )
