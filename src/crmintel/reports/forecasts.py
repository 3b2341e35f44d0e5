"""The parts of the page that look ahead: who leaves, who will be worth what, what to offer."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from crmintel.reports import parts, plots, small, words
from crmintel.reports.blocks import Badge, BarRow, Bars, Block, Callout, Fact, Facts, Picture, Section
from crmintel.reports.data import ChurnSection, OfferSection, ValueSection
from crmintel.reports.frames import records, take
from crmintel.reports.language import say

_GAINS = ("gain", "gain_low", "gain_high", "verdict")
OFF = 0.03
"""Mean distance of said and seen probabilities beyond which only their order is to be used."""
_READ = (
    "Dots are the measured figures, lines their intervals; the gain says how much better the model is than the rule."
)


def _judgement(
    rule: dict[str, object] | None, what: str, write: Callable[[object], str] = words.score
) -> Callout | None:
    """Whether the model beats the strongest simple rule."""
    badge = None if rule is None else parts.verdict(rule["verdict"])
    if rule is None or badge is None:
        return None
    name, gain = words.quoted(rule["name"], 100), words.gain(rule["gain"], rule["gain_low"], rule["gain_high"], write)
    said = {
        "good": say("The model beats the strongest simple rule, {0}, by {1} {2}.", name, gain, what),
        "bad": say(
            "The strongest simple rule, {0}, beats the model, whose gain is {1} {2}: use the rule.", name, gain, what
        ),
    }.get(
        badge.tone,
        say("Against the strongest simple rule, {0}, the gain is {1} {2}: it may be luck.", name, gain, what),
    )
    return Callout(badge, said)


def beats(rule: dict[str, object] | None) -> Badge | None:
    """The same judgement in few words."""
    badge = None if rule is None else parts.verdict(rule["verdict"])
    if badge is None:
        return None
    if badge.tone == "bad":
        return Badge(say("worse than a simple rule"), "bad")
    return Badge(say("better than simple rules: {0}", badge.text), badge.tone)


def _shown(blocks: list[Block | None]) -> tuple[Block, ...]:
    """The blocks that there are, without pictures of nothing."""
    return tuple(b for b in blocks if b is not None and not (isinstance(b, Picture) and not b.svg))


def churn(part: ChurnSection, k: int) -> Section:
    """Who is likely to leave, and how far that can be trusted."""
    rules = take(part.rules, "churn.rules", ("name", "auc"), ("auc_low", "auc_high", *_GAINS))
    lift = take(part.lift, "churn.lift", ("depth", "captured"), ("lift",))
    lift = lift[plots.numbers(lift, "depth") * part.n >= k - 1e-9]  # the first few customers of a list could be known
    found = _captured(lift, 0.2)
    finding = say(
        "{0} of the customers leave within {1}", words.percent(part.churn_rate), words.days(part.horizon_days)
    )
    if found is not None:
        finding = say("The riskiest 20% of customers hold {0} of all who leave", words.percent(found))
        if part.churn_rate > 0.2:  # they cannot hold all of them
            finding += say(" ({0} at best)", words.percent(0.2 / part.churn_rate))
    learned = sorted({words.day(t): pd.Timestamp(t) for t in part.trained_at}.items(), key=lambda item: item[1])
    when = (
        say(" from {0}", learned[0][0])
        if len(learned) == 1
        else say(" from {0} to {1}", learned[0][0], learned[-1][0])
        if learned
        else ""
    )
    lead = say(
        "Leaving means silence for the following {0}: {1} of the customers do. The model learned from the customers as they were{2} and was then tested on {3} customers as of {4}, a later time that it had not seen.",
        words.days(part.horizon_days),
        words.percent(part.churn_rate),
        when or " earlier",
        words.count(part.n),
        words.day(part.tested_at),
    )
    rows = parts.with_model(rules, "auc", part.metrics.get("auc"))
    blocks: list[Block | None] = [
        _judgement(parts.strongest(rules, "auc"), say("in AUC")),
        Facts(parts.facts(part.metrics)) if part.metrics else None,
        Picture(
            say("Looking at 20% of the customers finds {0} of the leavers", words.percent(found)),
            plots.gain_curve(lift, churn_rate=part.churn_rate),
            say("Dotted: a list in random order. Grey: a perfect list. The closer to the grey line, the better."),
        ),
        *_calibration(part, k),
        parts.intervals(
            say("The model beside simple rules"),
            rows,
            "auc",
            say(_READ) + say(" Further right is better."),
            words.score,
        ),
        _histogram(part, k),
        _reasons(part, k),
        parts.table(
            say("How deep to go down the list"),
            lift,
            (
                ("depth", say("First part of the list"), words.percent, True),
                ("captured", say("Leavers found"), words.percent, True),
                ("lift", say("Times better than random"), words.one_digit, True),
            ),
        ),
    ]
    return Section("churn", say("Churn"), finding, lead, _shown(blocks), beats(parts.strongest(rules, "auc")))


def _captured(lift: pd.DataFrame, depth: float) -> float | None:
    """Share of leavers found in the first part of the list."""
    x, y = plots.numbers(lift, "depth"), plots.numbers(lift, "captured")
    fine = np.isfinite(x) & np.isfinite(y)
    if not fine.any():
        return None
    x, y = x[fine], y[fine]
    order = np.argsort(x, kind="stable")
    return float(np.interp(depth, np.r_[0.0, x[order], 1.0], np.r_[0.0, y[order], 1.0]))


def _bins(part: ChurnSection, k: int) -> pd.DataFrame:
    """Groups of customers of like probability, without small ones."""
    bins = take(part.calibration, "churn.calibration", ("customers", "predicted", "observed"), ("low", "high", "bin"))
    return bins[~small.hidden(bins["customers"], k)]


def distance(part: ChurnSection, k: int) -> float | None:
    """How far said and seen probabilities lie apart on average."""
    size, said, seen = (plots.numbers(_bins(part, k), c) for c in ("customers", "predicted", "observed"))
    fine = np.isfinite(size) & np.isfinite(said) & np.isfinite(seen)
    if not fine.any() or size[fine].sum() <= 0:
        return None
    return float(np.average(np.abs(said[fine] - seen[fine]), weights=size[fine]))


def _calibration(part: ChurnSection, k: int) -> list[Block | None]:
    """Whether the probabilities can be taken at their word."""
    bins, off = _bins(part, k), distance(part, k)
    title = say("Said and seen")
    if off is not None:
        points = say("{0:.1f} points", 100 * off)
        title = say("The probabilities can be taken at their word: {0} off on average", points)
        if off > OFF:
            title = say("The probabilities are {0} off on average: use their order", points)
    return [
        Picture(
            title, plots.calibration(bins), say("On the dotted line, as many left as predicted. Lines are intervals.")
        ),
        parts.table(
            say("Predicted and observed, group by group"),
            bins,
            (
                ("customers", say("Customers"), words.count, True),
                ("predicted", say("Predicted to leave"), words.fine_percent, True),
                ("observed", say("Really left"), words.fine_percent, True),
                ("low", say("at least"), words.fine_percent, True),
                ("high", say("at most"), words.fine_percent, True),
            ),
        ),
    ]


def _histogram(part: ChurnSection, k: int) -> Picture:
    """How the probabilities are spread."""
    bins = take(part.scores_histogram, "churn.scores_histogram", ("low", "high", "customers"))
    size, low = plots.numbers(bins, "customers"), plots.numbers(bins, "low")
    total = float(np.nansum(size))
    title = say("How the probabilities are spread")
    likely = float(np.nansum(size[low >= 0.5 - 1e-9]))
    if total > 0 and (likely == 0 or likely >= k):
        title = say("Nobody is likelier to leave than to stay")
        if likely > 0:
            title = say("{0} of the customers are likelier to leave than to stay", words.percent(likely / total))
    hide = small.hidden(bins["customers"], k)
    caption = say("A list with many customers at both ends separates well; one heap in the middle does not.")
    caption += say(" Bars of fewer than {0} customers are left out.", k) if hide.any() else ""
    return Picture(title, plots.score_histogram(bins[~hide]), caption)


def _reasons(part: ChurnSection, k: int) -> Bars | None:
    """The most common reasons behind a high probability."""
    frame = take(part.reasons, "churn.reasons", ("reason", "customers"), ("share",))
    frame = small.merge_small(frame, name="reason", customers="customers", sums=("share",), k=k)
    if frame.empty:
        return None
    top = parts.most(frame, "customers")
    rows = []
    for r in list(records(frame))[:8]:
        share = "" if words.real(r["share"]) is None else f" ({words.percent(r['share'])})"
        rows.append(
            BarRow(words.name(r["reason"]), (parts.bar(r["customers"], top, words.count(r["customers"]) + share),))
        )
    caption = say("What raises the model's probability most. A reason is a sign, not a cause.")
    return Bars(
        say("What most often speaks for leaving"),
        (say("customers with this as their first reason"),),
        tuple(rows),
        caption,
    )


def value(part: ValueSection, horizon: pd.Timedelta, k: int) -> Section:
    """What customers will be worth."""
    needed, optional = ("name", "mae"), ("mae_low", "mae_high", *_GAINS, "capture")
    rules = take(part.rules, "value.rules", needed, optional)
    ahead = words.days(horizon / pd.Timedelta(days=1))
    finding = say("What each customer will bring in the coming {0}", ahead)
    if part.total is not None and words.real(part.total.value) is not None:
        total = words.estimate(part.total, words.money)
        finding = say("The coming {0} should bring {1} from today's customers", ahead, total)
    lead = say("Tested on what {0} customers really brought later, which the model had not seen.", words.count(part.n))
    bias = None if "bias" not in part.metrics else words.real(part.metrics["bias"].value)
    if bias is not None and abs(bias) > 0.1:
        missed = say("too low") if bias < 0 else say("too high")
        finding += say(" (in the test the total came out {0} {1})", words.percent(abs(bias)), missed)
    if part.total is not None:
        lead += say(" The brackets around the total are as wide as the total was off in that one test.")
    facts = list(parts.facts(part.metrics))
    if part.coverage is not None and words.real(part.coverage.value) is not None:
        note = say("Real values inside their interval: {0} should be.", words.percent(part.level))
        around = words.brackets(part.coverage.low, part.coverage.high, words.fine_percent)
        facts.insert(0, Fact(say("Coverage"), words.fine_percent(part.coverage.value), note, around))
    rows = parts.with_model(rules, "mae", part.metrics.get("mae"))
    table = pd.DataFrame(rows, columns=rules.columns)
    blocks: list[Block | None] = [
        _judgement(parts.strongest(rules, "mae", small_is_good=True), say("in mean error per customer"), words.money),
        Facts(tuple(facts)) if facts else None,
        *_deciles(part, k),
        parts.intervals(
            say("Mean error per customer"), rows, "mae", say(_READ) + say(" Further left is better."), words.money
        ),
        parts.table(
            say("All figures by rule"),
            table,
            (
                ("name", say("Rule"), words.name, False),
                ("mae", say("Mean error"), words.money, True),
                ("capture", say("Money in the top tenth"), words.percent, True),
                ("gain", say("Gain of the model"), words.money, True),
            ),
        ),
    ]
    better = beats(parts.strongest(rules, "mae", small_is_good=True))
    return Section("value", say("Customer value"), finding, lead, _shown(blocks), better)


def _deciles(part: ValueSection, k: int) -> list[Block | None]:
    """Predicted against real money, tenth by tenth."""
    frame = take(part.deciles, "value.deciles", ("decile", "customers", "predicted", "actual"))
    frame = frame[~small.hidden(frame["customers"], k)]
    if frame.empty:
        return []
    frame = frame.iloc[np.argsort(-plots.numbers(frame, "predicted"), kind="stable")]
    money = plots.numbers(frame, "actual") * plots.numbers(frame, "customers")
    total = float(np.nansum(money))
    title = say("Predicted and real money by tenth")
    if total > 0 and len(frame) == 10 and np.isfinite(money[0]):
        title = say("The tenth predicted highest really brought {0} of the money", words.percent(money[0] / total))
    table = parts.table(
        say("Predicted and real money, tenth by tenth"),
        frame,
        (
            ("decile", say("Tenth"), words.text, False),
            ("customers", say("Customers"), words.count, True),
            ("predicted", say("Predicted each"), words.money, True),
            ("actual", say("Really came each"), words.money, True),
        ),
    )
    caption = say(
        "Mean money per customer. Dots on top of their bars mean honest amounts; falling bars mean a good order."
    )
    return [Picture(title, plots.value_deciles(frame), caption), table]


def offers(part: OfferSection, k: int, key: str, name: str) -> Section:
    """What to offer next, or what is bought again."""
    needed, optional = ("name", "ndcg"), ("hit_rate", "recall", "precision", "ndcg_low", "ndcg_high", *_GAINS)
    rules = take(part.rules, "offers.rules", needed, optional)
    own = next((r for r in records(rules) if parts.is_model(r)), None)
    within = say("within {0}", words.days(part.horizon_days))
    finding = say("{0} items for each customer", part.k)
    if own is not None and words.real(own["hit_rate"]) is not None:
        finding = say(
            "{0} of later buyers went on to buy something from their list of {1}",
            words.percent(own["hit_rate"]),
            part.k,
        )
        beside = [words.real(r["hit_rate"]) for r in records(rules) if not parts.is_model(r)]
        if known_rates := [rate for rate in beside if rate is not None]:
            finding += say(" (by a simple rule: {0})", words.percent(max(known_rates)))
    lead = say(
        "Lists of {0} items ({1}), tested on what {2} customers bought {3}. They might have bought it anyway: this measures the guess, not the effect of offering.",
        part.k,
        words.name(part.mode),
        words.count(part.n),
        within,
    )
    columns = (
        ("name", say("Rule"), words.name, False),
        ("hit_rate", say("Customers with a hit"), words.fine_percent, True),
        ("recall", say("Recall"), words.score, True),
        ("precision", say("Precision"), words.score, True),
        ("ndcg", say("NDCG"), words.score, True),
    )
    rows = parts.with_model(rules, "ndcg", None)
    blocks: list[Block | None] = [
        _judgement(parts.strongest(rules, "ndcg"), say("in NDCG")),
        parts.intervals(
            say("Quality of the lists (NDCG)"), rows, "ndcg", say(_READ) + say(" Further right is better."), words.score
        ),
        _top(part, k),
        parts.table(say("All figures by rule"), rules, columns),
    ]
    return Section(key, name, finding, lead, _shown(blocks), beats(parts.strongest(rules, "ndcg")))


def _top(part: OfferSection, k: int) -> Bars | None:
    """The items that appear on most lists."""
    frame = take(part.top, "offers.top", ("item", "customers"), ("category",))
    frame = frame[plots.numbers(frame, "customers") >= k]
    if frame.empty:
        return None
    top = parts.most(frame, "customers")
    rows = []
    for r in list(records(frame))[:12]:
        category = "" if words.missing(r["category"]) else words.text(r["category"])
        rows.append(
            BarRow(words.text(r["item"]), (parts.bar(r["customers"], top, words.count(r["customers"])),), category)
        )
    title = say("The items offered most")
    return Bars(
        title,
        (say("customers it is offered to"),),
        tuple(rows),
        say("Items for fewer than {0} customers are left out.", k),
        True,
    )


def too_few(anchor: str, name: str, k: int) -> Section:
    """A section that would speak about too few customers."""
    badge = Badge(say("too few"), "plain")
    text = say("Fewer than {0} customers were looked at: nothing is shown, to protect them.", k)
    return Section(anchor, name, say("Too few customers to say anything"), "", (Callout(badge, text),))
