"""The main job: from a history to tables, a page and a record of the run. Each step is a plain function of its own."""

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from crmintel import showing
from crmintel.actions import no_plan
from crmintel.columns import CHURN, CUSTOMER, VALUE
from crmintel.errors import DataContractError
from crmintel.evaluation import Estimate, ProbabilityReport, RankingReport, ValueReport
from crmintel.interactions import InteractionLog
from crmintel.job.answers import (
    ChurnAnswer,
    Ground,
    OfferAnswer,
    ValueAnswer,
    answer_churn,
    answer_offers,
    answer_value,
    attempt,
    choose,
    prepare,
    worse,
)
from crmintel.job.customers import Scores, score_customers
from crmintel.job.models import track_models, write_models
from crmintel.job.page import build_report
from crmintel.job.settings import Settings
from crmintel.reports import Report, render
from crmintel.reports.page import findings
from crmintel.tracking import record, sqlite_uri

Step = Callable[[str], None]
ABOUT = "run.json"
"""The file in which a run says what it read."""
FEW = 100


@final
@dataclass(frozen=True, eq=False)
class Results:
    """All that a run found out."""

    ground: Ground
    churn: ChurnAnswer | None
    value: ValueAnswer | None
    offers: OfferAnswer | None
    scores: Scores
    report: Report
    notes: tuple[str, ...]
    settings: Settings

    def __repr__(self) -> str:
        told = [n for n in ("churn", "value", "offers") if getattr(self, n) is not None]
        return (
            f"Results: {self.scores!r}; {', '.join(told) or 'no answers'}; tested at {self.ground.split.test:%Y-%m-%d}"
        )

    @property
    def metrics(self) -> dict[str, Estimate]:
        """Every quality figure with its interval, by a dotted name."""
        out: dict[str, Estimate] = {}
        for name, answer in (("churn", self.churn), ("value", self.value)):
            out |= {f"{name}.{k}": v for k, v in (answer.report.metrics if answer is not None else {}).items()}
        if self.offers is not None:
            for name, report in (("offers_new", self.offers.new_report), ("offers_again", self.offers.again_report)):
                out |= {f"{name}.{k}": v for k, v in report.metrics.items()}
        return out

    @property
    def gains(self) -> list[tuple[str, str, Estimate, str]]:
        """How much better each model is than each simple rule: answer, rule, the gain with its interval, and the verdict."""
        found = []
        reports: tuple[tuple[str, ProbabilityReport | ValueReport | RankingReport | None], ...] = (
            ("churn", None if self.churn is None else self.churn.report),
            ("value", None if self.value is None else self.value.report),
            ("offers_new", None if self.offers is None else self.offers.new_report),
            ("offers_again", None if self.offers is None else self.offers.again_report),
        )
        for what, report in reports:
            rules = report.rules[report.rules["verdict"] != ""] if report is not None else pd.DataFrame()
            for r in rules.to_dict("records"):
                found.append(
                    (what, str(r["name"]), Estimate(r["gain"], r["gain_low"], r["gain_high"]), str(r["verdict"]))
                )
        return found

    def html(self) -> str:
        """The page as text, in the language of the settings."""
        return render(self.report, lang=self.settings.lang)

    def _repr_html_(self) -> str:
        figures = pd.DataFrame([(k, f"{v}") for k, v in self.metrics.items()], columns=["figure", "value"])
        return showing.page(repr(self), findings=findings(self.report, lang=self.settings.lang), figures=figures)


def analyse(
    log: InteractionLog,
    settings: Settings = Settings(),
    *,
    source: str = "interactions",
    step: Step = lambda name: None,
) -> Results:
    """Answer every question that a log can answer.

    Parameters
    ----------
    log : InteractionLog
    settings : Settings
    source : str
        Name of the data on the page.
    step : callable
        Told the name of each step as it begins.

    Raises
    ------
    DataContractError
        If the history is empty, or too short to learn from one time and test on a later one.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> rows = simulate(120, days=400, seed=1).interactions[["customer_id", "timestamp"]].drop_duplicates()
    >>> results = analyse(InteractionLog.read(rows), Settings(horizon="30d"))
    >>> len(results.scores.customers), results.scores.plan
    (120, Plan: 12 treated, 3 held out, cost 12.00 of 12.00)
    >>> results.metrics["churn.auc"].low > 0.5
    True
    """
    if not len(log):
        raise DataContractError("The history has no interactions. Nothing can be learned from it.")
    notes: list[str] = []
    step("features")
    split = choose(log, settings.horizon, settings.test)
    ground = prepare(log, split)
    step("churn")
    churn = attempt(lambda: answer_churn(ground, settings.seed), "No churn probabilities", notes)
    step("value")
    value = attempt(lambda: answer_value(ground, settings.seed), "No customer values", notes)
    notes += [f"Customer values: {said}" for said in (value.model.concerns_ if value else ())]
    step("recommendations")
    offers = attempt(lambda: answer_offers(ground, settings.k, settings.seed), "No recommendations", notes)
    step("scores and plan")
    scores = score_customers(ground, churn, value, offers, settings)
    if len(scores.customers) < FEW:
        notes.insert(
            0, f"There are only {len(scores.customers)} customers: read what follows as a description, not as proof."
        )
    if scores.plan is None:
        notes.append("No plan: it ranks customers by the probability of losing them, which is not known here.")
    answers = [
        (n, r) for n, r in (("churn probability", churn and churn.report), ("value", value and value.report)) if r
    ]
    for name, judged in answers:
        if rules := worse(judged):
            notes.append(
                f"The {name} was beaten by a simple rule at the later instant ({', '.join(rules)}): use that rule, not the column."
            )
    for name, lists in (("new items", offers and offers.new_report), ("repeats", offers and offers.again_report)):
        if lists and worse(lists):
            notes.append(f"For {name}, popularity was better at the later instant, so the lists are popular items.")
    if churn or value or offers:
        notes.append(
            "The models in use learned again from all instants, the one of the test included, after they were judged."
        )
    report = build_report(ground, scores, churn, value, offers, notes, settings, source)
    return Results(ground, churn, value, offers, scores, report, tuple(notes), settings)


def write(results: Results, out: str | os.PathLike[str]) -> Path:
    """Write the tables, the models (bundles in ``models/``) and the page of a run; each file replaces its predecessor in one move.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    DataContractError
        If the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from crmintel.datasets import simulate
    >>> rows = simulate(120, days=400, seed=1).interactions[["customer_id", "timestamp"]].drop_duplicates()
    >>> results = analyse(InteractionLog.read(rows), Settings(horizon="30d"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write(results, folder)
    ...     sorted(p.name for p in page.parent.iterdir())
    ['customers.parquet', 'features.json', 'models', 'plan.parquet', 'recommendations.parquet', 'report.html', 'run.json']
    """
    folder, scores, page = Path(out), results.scores, results.html()
    plan = no_plan(scores.customers[CUSTOMER]) if scores.plan is None else scores.plan.table
    tables = {"customers": scores.customers, "recommendations": scores.recommendations, "plan": plan}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
            _replace(folder / f"{name}.parquet", partial(pq.write_table, arrow))
        _replace(
            folder / "features.json", lambda path: path.write_text(results.ground.features.to_json(), encoding="utf-8")
        )
        write_models(results, folder)
        about = {
            "data": results.ground.log.fingerprint,
            "horizon_days": results.ground.split.horizon.days,
            "intervals": intervals(results),
            "worse": beaten(results),
        }
        _replace(folder / ABOUT, lambda path: path.write_text(json.dumps(about), encoding="utf-8"))
        _replace(folder / "report.html", lambda path: path.write_text(page, encoding="utf-8"))
    except OSError as error:
        raise DataContractError(
            f"The folder {str(folder)!r} cannot be written ({error.strerror}). Choose another with --out."
        ) from None
    return folder / "report.html"


def intervals(results: Results) -> tuple[float, float] | None:
    """The share of intervals of values that is meant to hold, and the share that did at the later instant."""
    if results.value is None or "coverage" not in results.value.report.metrics:
        return None
    return results.value.model.coverage, results.value.report.metrics["coverage"].value


def beaten(results: Results) -> list[str]:
    """The columns whose model a simple rule beat at the later instant."""
    judged = ((CHURN, results.churn), (VALUE, results.value))
    return [column for column, answer in judged if answer is not None and worse(answer.report)]


def _replace(path: Path, make: Callable[[Path], Any]) -> None:
    """Write beside the target, then move over it: a reader sees the old file or the new one, never half of one."""
    beside = path.with_name(f".{path.name}.tmp")
    try:
        make(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def track(results: Results, out: str | os.PathLike[str], *, uri: str | None = None) -> str:
    """Record a written run in MLflow and return the id of the record.

    Parameters
    ----------
    out : path
        The folder that `write` filled; the page and the feature set in it are kept beside the record.
    uri : str, optional
        A tracking URI; a SQLite store in the folder without it.

    Raises
    ------
    DataContractError
        If the store cannot be reached. What `write` wrote stays.
    """
    folder, ground, settings = Path(out), results.ground, results.settings
    metrics: dict[str, float] = {}
    gains = {f"{what}.gain over {rule}": gain for what, rule, gain, _ in results.gains}
    for name, e in (results.metrics | gains).items():
        metrics |= {name: e.value, f"{name}.low": e.low, f"{name}.high": e.high}
    where = uri or sqlite_uri(folder)
    run = record(
        where,
        experiment="crmintel",
        parameters={
            "horizon_days": ground.split.horizon.days,
            "trained_at": ", ".join(f"{t:%Y-%m-%d}" for t in ground.split.train),
            "tested_at": f"{ground.split.test:%Y-%m-%d}",
            "scored_at": f"{results.scores.at:%Y-%m-%d %H:%M:%S}",
            "seed": settings.seed, "holdout": settings.holdout, "offer": settings.offer, "features": len(ground.features.names),
            "customers": len(results.scores.customers), "interactions": len(ground.log),
        },
        metrics={k: v for k, v in metrics.items() if v == v},
        tags={
            "data_fingerprint": ground.log.fingerprint,
            "features_fingerprint": ground.features.fingerprint,
            "report_sha256": hashlib.sha256((folder / "report.html").read_bytes()).hexdigest(),
            **{f"version.{p}": importlib.metadata.version(p) for p in ("crmintel", "lightgbm", "numpy", "pandas", "scikit-learn")},
        },
        files=[folder / "report.html", folder / "features.json"],
        artifacts=folder / "mlflow-files",
    )  # fmt: skip
    track_models(results, where, run)
    return run
