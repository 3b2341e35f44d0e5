"""The card of one customer, out of a run in memory or of what a run wrote."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crmintel.actions.plan import TREATED
from crmintel.churn import reasons
from crmintel.columns import (
    ACTION,
    AMOUNT,
    CHANNEL,
    CHURN,
    CUSTOMER,
    ITEM,
    KIND,
    ORDER,
    PURCHASE,
    SEGMENT,
    SOURCE,
    STAGE,
    TIER,
    TIME,
    VALUE,
    VALUE_HIGH,
    VALUE_LOW,
    WHY,
)
from crmintel.errors import DataContractError
from crmintel.evaluation import Estimate
from crmintel.interactions import InteractionLog
from crmintel.job.models import FOLDER, shipped
from crmintel.job.run import ABOUT, Results, beaten, intervals
from crmintel.job.settings import Settings
from crmintel.recommend import CoOccurrence
from crmintel.reports import CustomerCard
from crmintel.scoring import CustomerModel

Language = Literal["en", "zh"]
MOST_NAMES = 4
"""Items that a row of the history names."""


@final
@dataclass(frozen=True, eq=False)
class _Known:
    """What a run knows, wherever it lies now."""

    log: InteractionLog
    settings: Settings
    source: str
    at: pd.Timestamp
    horizon: pd.Timedelta
    customers: pd.DataFrame
    recommendations: pd.DataFrame
    plan: pd.DataFrame
    churn: CustomerModel | None
    new: CoOccurrence | None
    held: tuple[float, float] | None
    worse: list[str]


def customer_card(results: Results, customer: Any, *, lang: Language | None = None) -> CustomerCard:
    """Everything a run knows of one customer.

    Parameters
    ----------
    results : Results
        Of `analyse`.
    customer : identifier
        As in the log.
    lang : {"en", "zh"}, optional
        By default the language of the settings.

    Raises
    ------
    DataContractError
        If the log has no such customer.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> from crmintel.job import Settings, analyse
    >>> rows = simulate(120, days=400, seed=1).interactions[["customer_id", "timestamp"]].drop_duplicates()
    >>> results = analyse(InteractionLog.read(rows), Settings(horizon="30d"))
    >>> card = customer_card(results, results.scores.customers["customer_id"].iloc[0])
    >>> card.write("card.html")  # doctest: +SKIP
    """
    scores, new = results.scores, None if results.offers is None else results.offers.new
    plan = pd.DataFrame() if scores.plan is None else scores.plan.table
    known = _Known(
        results.ground.log, results.settings, results.report.source, scores.at, results.ground.split.horizon, scores.customers,
        scores.recommendations, plan, shipped(results).get("churn"), new if isinstance(new, CoOccurrence) else None,
        intervals(results), beaten(results),
    )  # fmt: skip
    return _card(known, customer, lang)


def stored_card(
    folder: str | os.PathLike[str], log: InteractionLog, customer: str, settings: Settings = Settings(), *,
    source: str = "interactions", lang: Language | None = None,
) -> CustomerCard:  # fmt: skip
    """The card of a customer out of the folder that `write` filled, and the log that the run has read.

    Parameters
    ----------
    folder : path
    log : InteractionLog
        The same interactions as those of the run.
    customer : str
        The identifier as text.
    settings : Settings
        Those of the run: names of items and the language are taken from them.
    source : str
        Name of the data on the card.
    lang : {"en", "zh"}, optional

    Raises
    ------
    DataContractError
        If the folder holds no run, the log is another than that of the run, or it has no such customer.

    Examples
    --------
    >>> import tempfile
    >>> from crmintel.datasets import simulate
    >>> from crmintel.job import analyse, write
    >>> rows = simulate(120, days=400, seed=1).interactions[["customer_id", "timestamp"]].drop_duplicates()
    >>> log, settings = InteractionLog.read(rows), Settings(horizon="30d")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write(analyse(log, settings), folder)
    ...     card = stored_card(folder, log, "7", settings)
    >>> card.customer
    '7'
    """
    folder = Path(folder)
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        customers, lists, plan = (
            pq.read_table(folder / f"{name}.parquet").to_pandas() for name in ("customers", "recommendations", "plan")
        )
    except (OSError, ValueError):
        raise DataContractError(
            f"The folder {str(folder)!r} holds no run. Make one: crmintel run SOURCE --out {folder}."
        ) from None
    if about["data"] != log.fingerprint:
        raise DataContractError(
            "The interactions are not those of the run any more. Run again, so that card and scores agree."
        )
    bundle = folder / FOLDER / "churn"
    refit = bool(((lists["list"] == "new") & (lists[SOURCE] == CoOccurrence.name)).any())
    known = _Known(
        log, settings, source, log.zone.stamp(log.bounds[1] + 1), pd.Timedelta(days=about["horizon_days"]), customers, lists, plan,
        CustomerModel.load(bundle) if bundle.exists() else None, CoOccurrence().fit(log) if refit else None, about.get("intervals"), about.get("worse", []),
    )  # fmt: skip
    ids = known.customers[CUSTOMER]
    found = ids[ids.astype(str) == customer]
    return _card(known, found.iloc[0] if len(found) else customer, lang)


def _card(known: _Known, customer: Any, lang: Language | None) -> CustomerCard:
    lang = known.settings.lang if lang is None else lang
    if lang not in ("en", "zh"):
        raise DataContractError(f"lang is {lang!r}. Choose 'en' or 'zh'.")
    rows = known.customers[known.customers[CUSTOMER] == customer]
    if not len(rows):
        raise DataContractError(
            f"No such customer: the {len(known.customers):,} of this run have identifiers of type {known.customers[CUSTOMER].dtype}. "
            "Write the identifier as customers.parquet has it, with its capitals and leading zeros."
        )
    row: dict[str, Any] = rows.iloc[0].to_dict()
    own = _rows(known.log, row[CUSTOMER])
    plan = known.plan[known.plan[CUSTOMER] == customer].to_dict("records") if len(known.plan) else []
    arm = str(plan[0]["arm"]) if plan else ""
    return CustomerCard(
        customer=str(row[CUSTOMER]), source=known.source, at=known.at, horizon=known.horizon,
        history=_history(own, known.settings.item_names), stage=_text(row[STAGE]), segment=_text(row[SEGMENT]), tier=_text(row[TIER]),
        churn=_number(row[CHURN]), churn_rank=_rank(known.customers[CHURN], row[CHURN]), reasons=_reasons(known, row, lang),
        value=None if _number(row[VALUE]) is None else Estimate(row[VALUE], row[VALUE_LOW], row[VALUE_HIGH]),
        value_rank=_rank(known.customers[VALUE], row[VALUE]), held=known.held, beaten=tuple(known.worse), offers=_offers(known, row[CUSTOMER], own), action=_text(row[ACTION]),
        why=_text(row[WHY]), acts=arm == TREATED, lang=lang,
    )  # fmt: skip


def _text(x: Any) -> str | None:
    return None if pd.isna(x) else str(x)


def _number(x: Any) -> float | None:
    return None if pd.isna(x) else float(x)


def _rank(column: pd.Series, x: Any) -> float | None:
    """The share of the others that have less."""
    known = column.dropna()
    return None if pd.isna(x) or len(known) < 2 else float((known < x).sum() / (len(known) - 1))


def _rows(log: InteractionLog, customer: Any) -> pd.DataFrame:
    """A customer's own rows, in the order of time, by the business clock."""
    wanted = [c for c in (KIND, ITEM, CHANNEL, ORDER, AMOUNT) if c in log.columns]
    for part in log.parts(wanted):
        place = pc.index(part.customers, pa.scalar(customer, part.customers.type)).as_py()
        if place >= 0:
            mine = part.slice(place, place + 1)
            frame: pd.DataFrame = mine.to_arrow().to_pandas()
            frame[TIME] = log.zone.to_local(mine.time).astype("datetime64[us]")
            return frame
    return pd.DataFrame(columns=[TIME, *wanted])


def _history(own: pd.DataFrame, names: Mapping[Any, str]) -> pd.DataFrame:
    """A row an order or contact: lines of one order are put together."""
    keys = [KIND, ORDER] if ORDER in own else [TIME, KIND]
    groups = own.assign(**{k: own[k].astype("str").fillna("") for k in keys if k != TIME})
    if ORDER in own:  # what belongs to no order stays apart
        groups[ORDER] = groups[ORDER].where(own[ORDER].notna(), own[TIME].astype("str"))
    grouped = groups.groupby(keys, sort=False)
    out = (
        grouped.agg(**{TIME: (TIME, "min")}) if ORDER in own else grouped.agg(rows=(KIND, "size")).drop(columns="rows")
    )
    if ITEM in own:
        out["what"] = [_named(items, names) for _, items in grouped[ITEM]]
    if CHANNEL in own:
        out[CHANNEL] = grouped[CHANNEL].first()
    if AMOUNT in own:
        out[AMOUNT] = grouped[AMOUNT].sum(min_count=1)
    return (
        out.reset_index()
        .drop(columns=[ORDER], errors="ignore")
        .sort_values([TIME, KIND], kind="stable", ignore_index=True)
    )


def _named(items: pd.Series, names: Mapping[Any, str]) -> str | None:
    """The first items of an order by name, and how many more."""
    found = [str(names.get(i, i)) for i in dict.fromkeys(items.dropna())]
    more = f" +{len(found) - MOST_NAMES}" if len(found) > MOST_NAMES else ""
    return ", ".join(found[:MOST_NAMES]) + more if found else None


def _reasons(known: _Known, row: Mapping[str, Any], lang: Language) -> tuple[str, ...]:
    """What raises the risk most, as the churn model of the run sees it, in the language of the card."""
    if known.churn is None or known.churn.features is None or pd.isna(row[CHURN]):
        return ()
    X = known.churn.features.build(known.log, known.at, customers=[row[CUSTOMER]], threads=1)
    said = reasons(known.churn.estimator, X, known.churn.features, language=lang).sentences
    return tuple(s for s in said.iloc[0] if s) if len(said) else ()


def _offers(known: _Known, customer: Any, own: pd.DataFrame) -> pd.DataFrame:
    """Both lists, with what speaks for each item."""
    lists = known.recommendations[known.recommendations[CUSTOMER] == customer]
    if not len(lists):
        return pd.DataFrame()
    names = known.settings.item_names
    bought = own[own[KIND] == PURCHASE].groupby(ITEM)[TIME].agg(["nunique", "max"])
    told: dict[Any, list[str]] = {}
    if known.new is not None:
        because = known.new.reasons(lists[lists["list"] == "new"][[CUSTOMER, ITEM]])
        told = {item: [str(names.get(b, b)) for b in found] for item, found in because.groupby(ITEM)["because"]}
    items = lists[ITEM]
    return pd.DataFrame({
        "list": lists["list"], "item": [str(names.get(i, i)) for i in items], "because": [told.get(i) for i in items],
        "times": bought["nunique"].reindex(items).to_numpy(np.float64), "last": bought["max"].reindex(items).to_numpy(),
    })  # fmt: skip
