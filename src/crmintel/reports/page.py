"""The page: one HTML file that needs nothing else, the same bytes for the same report."""

import base64
import hashlib
import os
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Final, Literal

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from crmintel.errors import DataContractError
from crmintel.reports import canvas, doing, forecasts, people, small, words
from crmintel.reports.blocks import Section
from crmintel.reports.data import Report
from crmintel.reports.language import say, speaking, spoken, told

TERMS: Final = (
    ("As of", "Customers are described only with what was known before this instant; predictions look ahead from it."),
    ("0.741 (0.722–0.760)", "A measured figure and, in brackets, the interval that the true one very likely lies in."),
    ("proven", "The whole interval of the gain lies above zero; “not proven”: it includes zero; “worse”: below."),
    ("Segment", "Customers alike in how lately and how often they bought, against all others: champions both, hibernating neither."),
    ("Stage", "Silence against the own rhythm: more than one usual gap is “at risk”, two “dormant”, four “lost”. It describes; the probability of leaving foresees, and the segment of the same name is another group."),
    ("Value tier", "A: the fewest customers who bring the first part of the money; B the next, C the rest, Z nothing."),
    ("Simple rule", "What one would do without a model, such as sorting by days since the last order."),
    ("AUC", "How often a customer who left was ranked above one who stayed: 0.5 is guessing, 1 is perfect."),
    ("Lift", "How many times more leavers a part of the list holds than a random part of the same size."),
    ("NDCG", "Quality of a list of offers between 0 and 1: hits count more at its top."),
    ("Not causal", "The figures foresee; they do not say what an action would change. Only an experiment can."),
    ("other (small groups)", "Groups of so few customers that somebody might be recognised, put together."),
)  # fmt: skip
"""Words of the page, explained."""

_environment = Environment(
    loader=PackageLoader("crmintel.reports", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_environment.globals["say"] = say
_environment.globals["told"] = told
_environment.filters["themed"] = canvas.themed


def sections(report: Report, *, k: int = small.SMALLEST) -> tuple[Section, ...]:
    """All parts of the page in reading order."""
    made: list[Section | None] = [people.customers(report, k), people.quality(report)]
    if report.base.customers >= k:
        made.append(people.segments(report, k))
    if report.churn is not None:
        few = report.churn.n < k
        made.append(forecasts.too_few("churn", say("Churn"), k) if few else forecasts.churn(report.churn, k))
    if report.value is not None:
        few = report.value.n < k
        name = say("Customer value")
        made.append(forecasts.too_few("value", name, k) if few else forecasts.value(report.value, report.horizon, k))
    for key, name, part in (
        ("offers", say("What to offer"), report.offers),
        ("repeats", say("Bought again"), report.repeats),
    ):
        if part is not None:
            made.append(forecasts.too_few(key, name, k) if part.n < k else forecasts.offers(part, k, key, name))
    if report.plan is not None:
        made += [doing.plan(report, report.plan, k), doing.experiment(report.plan, k)]
    return tuple(s for s in made if s is not None)


def findings(report: Report, *, lang: Literal["en", "zh"] = "en") -> pd.DataFrame:
    """What each section found, in a sentence, and how sure that is: the page in a few lines."""
    with speaking(lang):
        rows = [(s.name, s.finding, "" if s.badge is None else s.badge.text) for s in sections(report)]
    return pd.DataFrame(rows, columns=["section", "finding", "judged"])


def render(report: Report, *, k: int = small.SMALLEST, lang: Literal["en", "zh"] = "en") -> str:
    """The whole page as text.

    Parameters
    ----------
    report : Report
        What to show.
    k : int, default=10
        Groups of fewer customers are merged or left out.
    lang : {"en", "zh"}
        The language of the page. Names from the data stay as they are.

    Raises
    ------
    DataContractError
        If the language is another, or a frame with rows lacks columns that the page needs.

    Examples
    --------
    >>> from crmintel.reports import Base, Report
    >>> none, at = pd.DataFrame(), pd.Timestamp("2024-04-01")
    >>> span = (pd.Timestamp("2023-01-01"), at)
    >>> base = Base(800, 5_000, 2_400, None, none)
    >>> report = Report("Tea shop", "orders.csv", None, span, at, pd.Timedelta("90D"), base, none, none, none, none)
    >>> page = render(report)
    >>> page[:15], "800 customers placed 2,400 orders" in page
    ('<!doctype html>', True)
    >>> "800 位客户" in render(report, lang="zh")
    True
    """
    with speaking(lang):
        facts = [
            (say("Source"), report.source),
            (say("History"), f"{words.day(report.span[0])} – {words.day(report.span[1])}"),
            (say("Described as of"), words.day(report.at)),
            (say("Looking ahead"), words.days(report.horizon / pd.Timedelta(days=1))),
        ]
        if report.created is not None:
            facts.append((say("Created"), report.created))
        return page(
            say("Customer report"),
            told(report.title),
            facts,
            sections(report, k=k),
            footer=say(
                "Made by crmintel. Groups of few customers are merged; no single customer appears on this page."
            ),
            notes=report.notes,
            terms=TERMS,
        )


def page(
    kind: str, title: str, facts: list[tuple[str, str]], shown: tuple[Section, ...], *, footer: str, warning: str = "",
    notes: Sequence[str] = (), terms: Sequence[tuple[str, str]] = (),
) -> str:  # fmt: skip
    """A page in the language of now; scripts and styles come along, and nothing else is allowed."""
    script, numbers = _read("page.js"), count(1)
    return _environment.get_template("page.html").render(
        lang="zh-Hans" if spoken() == "zh" else "en",
        style=_read("style.css"),
        script=script,
        allowed=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        unique=lambda kind: f"{kind}{next(numbers)}",
        kind=kind,
        title=title,
        facts=facts,
        sections=shown,
        footer=footer,
        warning=warning,
        notes=notes,
        terms=terms,
    )


@cache
def _read(name: str) -> str:
    """A file that pages take along."""
    return (files("crmintel.reports") / "templates" / name).read_text(encoding="utf-8").strip()


def write(
    report: Report, path: str | os.PathLike[str], *, k: int = small.SMALLEST, lang: Literal["en", "zh"] = "en"
) -> Path:
    """Write the page to a file, in one step: never half a page.

    Parameters
    ----------
    report : Report
        What to show.
    path : path
        The file; its folder is made.
    k : int, default=10
        Groups of fewer customers are merged or left out.
    lang : {"en", "zh"}
        The language of the page.

    Returns
    -------
    Path
        The file.

    Examples
    --------
    >>> from crmintel.reports import Base, Report
    >>> none, at = pd.DataFrame(), pd.Timestamp("2024-04-01")
    >>> span = (pd.Timestamp("2023-01-01"), at)
    >>> base = Base(800, 5_000, 2_400, None, none)
    >>> report = Report("Tea shop", "orders.csv", None, span, at, pd.Timedelta("90D"), base, none, none, none, none)
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = write(report, Path(folder) / "report.html")
    ...     file.name, file.stat().st_size > 10_000
    ('report.html', True)
    """
    return put(render(report, k=k, lang=lang), path)


def put(text: str, path: str | os.PathLike[str]) -> Path:
    """Write a page that is done to a file, in one step.

    Raises
    ------
    DataContractError
        If it cannot be written there.
    """
    target = Path(path)
    draft = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(text.encode("utf-8"))
        draft.replace(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise DataContractError(
            f"The page {str(path)!r} cannot be written ({error.strerror}). Choose another place."
        ) from None
    return target
