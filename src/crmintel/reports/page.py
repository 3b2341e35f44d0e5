"""The page: one HTML file that needs nothing else, the same bytes for the same report."""

import os
from pathlib import Path
from typing import Final

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from crmintel.reports import doing, forecasts, people, small, words
from crmintel.reports.blocks import Section
from crmintel.reports.data import Report

TERMS: Final = (
    ("As of", "Customers are described only with what was known before this instant; predictions look ahead from it."),
    ("0.741 (0.722–0.760)", "A measured figure and, in brackets, the interval that the true one very likely lies in."),
    ("proven", "The whole interval of the gain lies above zero; “not proven”: it includes zero; “worse”: below."),
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


def sections(report: Report, *, k: int = small.SMALLEST) -> tuple[Section, ...]:
    """All parts of the page in reading order."""
    made: list[Section | None] = [people.customers(report, k), people.quality(report)]
    if report.base.customers >= k:
        made.append(people.segments(report, k))
    if report.churn is not None:
        few = report.churn.n < k
        made.append(forecasts.too_few("churn", "Churn", k) if few else forecasts.churn(report.churn, k))
    if report.value is not None:
        few = report.value.n < k
        name = "Customer value"
        made.append(forecasts.too_few("value", name, k) if few else forecasts.value(report.value, report.horizon, k))
    for key, name, part in (("offers", "What to offer", report.offers), ("repeats", "Bought again", report.repeats)):
        if part is not None:
            made.append(forecasts.too_few(key, name, k) if part.n < k else forecasts.offers(part, k, key, name))
    if report.plan is not None:
        made += [doing.plan(report, report.plan, k), doing.experiment(report.plan, k)]
    return tuple(s for s in made if s is not None)


def render(report: Report, *, k: int = small.SMALLEST) -> str:
    """The whole page as text.

    Parameters
    ----------
    report : Report
        What to show.
    k : int, default=10
        Groups of fewer customers are merged or left out.

    Raises
    ------
    DataContractError
        If a frame with rows lacks columns that the page needs.
    """
    facts = [
        ("Source", report.source),
        ("History", f"{words.day(report.span[0])} – {words.day(report.span[1])}"),
        ("Described as of", words.day(report.at)),
        ("Looking ahead", words.days(report.horizon / pd.Timedelta(days=1))),
    ]
    if report.created is not None:
        facts.append(("Created", report.created))
    return _environment.get_template("report.html").render(
        title=report.title, facts=facts, sections=sections(report, k=k), notes=report.notes, terms=TERMS
    )


def write(report: Report, path: str | os.PathLike[str], *, k: int = small.SMALLEST) -> Path:
    """Write the page to a file, in one step: never half a page. Returns the path."""
    target = Path(path)
    text = render(report, k=k)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(target.name + ".part")
    draft.write_bytes(text.encode("utf-8"))
    draft.replace(target)
    return target
