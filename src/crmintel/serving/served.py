"""A model that is served: what it can be asked, and its answers as plain values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal, final

import numpy as np
import pandas as pd
from scipy.special import expit

from crmintel.actions import Decider, Policy
from crmintel.churn import ChurnClassifier, LeafReasons, TimeToChurn, reasons
from crmintel.churn.online import Online
from crmintel.churn.table import LARGEST, Float, Schema, Table
from crmintel.columns import CHURN, CUSTOMER, ITEM, SCORE, SOURCE, TIME
from crmintel.errors import CrmIntelError, DataContractError, DataTypeError
from crmintel.interactions import Policies, Zone
from crmintel.recommend import Recommender
from crmintel.scoring import CustomerModel
from crmintel.scoring.requests import answer, log_of
from crmintel.scoring.scores import learns_from_log, scores_of_table
from crmintel.serving import bodies
from crmintel.serving.limits import Limits
from crmintel.serving.plain import frame_of_rows, plain, records
from crmintel.serving.refusals import Refused
from crmintel.showing import Shown

MOST_ITEMS: Final = 1_000
MOST_SENTENCES: Final = 20
_STANDARD: Final = Policies()
Answer = tuple[dict[str, Any], int, int]
"""The answer, the rows that were scored, and the categories in them that were never learned."""


@final
@dataclass(frozen=True, eq=False)
class Served(Shown):
    """A loaded model behind the routes of a server. It is only read, so threads may share it.

    Parameters
    ----------
    model : CustomerModel or another model of crmintel
    fingerprint : str
        Of its bundle.
    limits : Limits

    Raises
    ------
    DataTypeError
        If the model is of a kind that says nothing of single customers.

    Examples
    --------
    >>> from crmintel.churn import SMALL, ChurnClassifier
    >>> X = pd.DataFrame({"orders": np.arange(200.0)})
    >>> model = ChurnClassifier(SMALL, folds=2, allow="*").fit(X, (X["orders"] % 3 < 1).astype(int))
    >>> sorted(Served(model, "a fingerprint").asks)
    ['/predict']
    """

    model: Any
    fingerprint: str
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not self.asks:
            raise DataTypeError(
                f"A {type(self.inner).__name__} says nothing of single customers, so it cannot be served."
            )
        self.tried()

    @property
    def inner(self) -> Any:
        """The estimator."""
        return self.model.estimator if isinstance(self.model, CustomerModel) else self.model

    @cached_property
    def asks(self) -> dict[str, tuple[str, ...]]:
        """The routes that it can answer, and what their bodies may hold."""
        inner = self.inner
        out: dict[str, tuple[str, ...]] = {}
        if isinstance(inner, Recommender):
            return {"/recommend": ("customers", "k", "exclude")}
        if isinstance(inner, Policy | Decider):
            out["/decide"] = ("rows", "eligible")
        if learns_from_log(inner):
            out["/predict"] = ("events", "at")
        elif not isinstance(inner, Decider) and (hasattr(inner, "predict") or hasattr(inner, "predict_proba") or isinstance(inner, Policy | TimeToChurn)):  # fmt: skip
            events = ("events", "at") if isinstance(self.model, CustomerModel) else ()
            why = ("reasons", "language", "sentences") if isinstance(inner, ChurnClassifier) else ()
            out["/predict"] = ("rows", *events, *why)
        return {} if self.schema is None and "rows" in str(out) and not self.columns else out

    def quick(self, route: str) -> bool:
        """Whether a small body is answered in a few milliseconds."""
        return self.online is not None or isinstance(self.inner, Decider)

    def tell(self, route: str, raw: bytes) -> Answer:
        """The answer to a body.

        Raises
        ------
        Refused
            If it is no request that this model can answer.
        CrmIntelError
            If its values break a rule.
        """
        body = bodies.read(raw, self.asks[route])
        told, rows, unseen = self._routes[route](body)
        return {"model": self.fingerprint, **told}, rows, unseen

    def tried(self) -> None:
        """Score one made-up row, whatever happens then."""
        if "/recommend" in self.asks:
            self.inner.recommend([self.inner.customers_[0]], k=1, threads=1)
        elif self.columns:
            row = {n: (self._levels[n] or (None,))[0] if n in self._levels else 0.0 for n in self.columns}
            route = next(iter(self.asks))
            self._routes[route]({"rows": [row]})
        else:
            self.model_of_log.score(self.model_of_log.probe)

    @cached_property
    def model_of_log(self) -> CustomerModel:
        """The model as one of raw interactions."""
        return self.model if isinstance(self.model, CustomerModel) else CustomerModel(None, self.model)

    @cached_property
    def online(self) -> Online | None:
        """What answers few rows at once, for churn models."""
        return Online.of(self.inner) if isinstance(self.inner, ChurnClassifier) else None

    @cached_property
    def schema(self) -> Schema | None:
        """The columns of rows, where the model tells numbers from categories."""
        inner = self.inner.policy if isinstance(self.inner, Decider) else self.inner
        inner = inner.model if isinstance(inner, Policy) else inner
        found = getattr(inner, "schema_", None) or getattr(getattr(inner, "stack_", None), "schema", None)
        return found if isinstance(found, Schema) else None

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of rows."""
        if learns_from_log(self.inner):
            return ()
        if self.schema is not None:
            return self.schema.names
        features = getattr(self.model, "features", None)
        return tuple(features.names if features is not None else getattr(self.inner, "feature_names_in_", ()))

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """The columns of interactions."""
        return tuple(self.model_of_log.reads) if "events" in self.asks.get("/predict", ()) else ()

    @cached_property
    def own(self) -> frozenset[str]:
        """Names that may be told to anybody who asks."""
        return frozenset({*self.columns, *self.reads, *(n for names in self.asks.values() for n in names)})

    @cached_property
    def _levels(self) -> dict[str, tuple[str, ...]]:
        """The categories of rows, as far as the model tells."""
        told = self.schema if self.schema is not None else getattr(self.inner, "encoding_", None)
        return dict(getattr(told, "levels", {}))

    def _frame(self, rows: list[dict[str, Any]]) -> pd.DataFrame:
        return frame_of_rows(rows, self.columns, self._levels, told=self.schema is not None)

    @cached_property
    def _routes(self) -> dict[str, Callable[[dict[str, Any]], tuple[dict[str, Any], int, int]]]:
        return {"/predict": self._predict, "/recommend": self._recommend, "/decide": self._decide}

    def _predict(self, body: dict[str, Any]) -> Answer:
        asked = [n for n in ("rows", "events") if n in body]
        takes = [n for n in ("rows", "events") if n in self.asks["/predict"]]
        if len(asked) != 1:
            raise Refused(422, "bad_request", f"The body needs one of {' and '.join(takes)}.", takes)
        if asked == ["events"]:
            return self._of_events(body)
        rows = bodies.listed(body, "rows", dict, self.limits.rows)
        if self.online is None:
            told = scores_of_table(self.inner, self._frame(rows))
            return {"predictions": records(told)}, len(rows), 0
        table = self.online.read(rows)
        unseen = self.online.unseen(rows) if self._levels else 0
        return self._churn(body, table), len(rows), unseen

    def _of_events(self, body: dict[str, Any]) -> Answer:
        events = bodies.listed(body, "events", dict, self.limits.rows)
        model, at = self.model_of_log, bodies.instant(body, self._zone)
        order = _order(events)
        if self.online is not None and model.features is not None and model.policies == _STANDARD:
            rows = model.features.at_once(events, at, zone=self._zone)
            values = None if rows is None else np.ascontiguousarray(rows.values[self._places].T)
            if rows is not None and values is not None and not (np.abs(values) > LARGEST).any():
                who = rows.keys[0][0].take(rows.keys[0][1]).to_pylist()
                if model.among is not None:
                    spoken = ~np.isnan(rows.values[model.features.names.index(model.among)])
                    values, who = values[spoken], [w for w, yes in zip(who, spoken.tolist(), strict=True) if yes]
                told = self._churn(body, self._table(values)) if len(values) else {"predictions": []}
                return _in_order(told, [order[w] for w in who], len(order)), len(who), 0
        return self._at_the_door(body, events, at)

    def _at_the_door(self, body: dict[str, Any], events: list[dict[str, Any]], at: pd.Timestamp) -> Answer:
        """Interactions that need a closer look, or a model that reads them itself."""
        seen = set(self.reads)
        frame = pd.DataFrame([{k: v for k, v in e.items() if k in seen} for e in events])
        if absent := [n for n in (CUSTOMER, TIME) if n not in frame.columns]:
            raise Refused(422, "bad_columns", f"Interactions need {' and '.join(absent)}.", absent)
        order = _order([{CUSTOMER: who} for who in frame[CUSTOMER].tolist()])
        model = self.model_of_log
        if self.online is not None:
            log = log_of(model, frame)
            X = model.known(model.features.build(log, at, threads=1))  # type: ignore[union-attr]  # a churn model has features
            who, told = X.index.tolist(), {"predictions": []} if X.empty else self._churn(body, self._table(np.ascontiguousarray(X[list(self.columns)].to_numpy(np.float64))))  # fmt: skip
        else:
            table = answer(model, frame, at)
            who, told = table[CUSTOMER].tolist(), {"predictions": records(table.drop(columns=CUSTOMER))}
        return _in_order(told, [order.get(w, order.get(str(w), -1)) for w in who], len(order)), len(who), 0

    def _table(self, values: Float) -> Table:
        assert self.schema is not None
        return Table(self.schema, values, np.empty((len(values), 0), np.int32))

    @cached_property
    def _places(self) -> Any:
        """Where the columns of the schema are among the features."""
        names = self.model_of_log.features.names  # type: ignore[union-attr]  # asked of models with features only
        return [names.index(n) for n in self.schema.numbers]  # type: ignore[union-attr]  # a churn model has a schema

    @cached_property
    def _zone(self) -> Zone:
        return Zone(self.model_of_log.timezone) if self.reads else Zone()

    def _churn(self, body: dict[str, Any], table: Table) -> dict[str, Any]:
        """Probabilities, how much was known, and reasons if they are asked for."""
        assert self.online is not None
        known = table.known
        k = bodies.number(body, "reasons", 0, bodies.MOST_REASONS, 0)
        told: Any = None
        if not k:
            odds = self.online.log_odds(table)
        else:
            language = bodies.choice(body, "language", ("en", "zh"), "en")
            told = replace(self._explainers[language], k=k)(table)
            odds = told.log_odds
        out: list[dict[str, Any]] = [
            {CHURN: p, "known": share, "low_information": share < 0.5}
            for p, share in zip(expit(odds).tolist(), known.tolist(), strict=True)
        ]
        if told is not None:
            sentences = self._sentences(body, table, k)
            for i, row in enumerate(out):
                places = [j for j in told.strongest[i].tolist() if j >= 0]
                row["reasons"] = [{"reason": told.titles[j], "log_odds": float(told.contributions[i, j])} for j in places]  # fmt: skip
                if sentences is not None:
                    row["sentences"] = sentences[i]
        return {"predictions": out}

    def _sentences(self, body: dict[str, Any], table: Table, k: int) -> list[list[str]] | None:
        if not bodies.choice(body, "sentences", (True, False), False):
            return None
        if len(table) > MOST_SENTENCES:
            raise Refused(413, "too_many_rows", f"Sentences are told of {MOST_SENTENCES} customers at a time.", ["sentences"])  # fmt: skip
        language = bodies.choice(body, "language", ("en", "zh"), "en")
        told = reasons(self.inner, table.frame(), getattr(self.model, "features", None), k=k, language=language)
        return [[s for s in row if s] for row in told.sentences.to_numpy(object).tolist()]

    @cached_property
    def _explainers(self) -> dict[Literal["en", "zh"], LeafReasons]:
        features = getattr(self.model, "features", None)
        try:
            return {language: LeafReasons.of(self.inner, features, language=language) for language in ("en", "zh")}
        except CrmIntelError as error:
            raise Refused(409, "cannot", str(error), ["reasons"]) from None

    def _recommend(self, body: dict[str, Any]) -> Answer:
        asked = bodies.listed(body, "customers", (str, int), self.limits.rows)
        k = min(bodies.number(body, "k", 1, MOST_ITEMS, 10), len(self.inner.items_))
        exclude = bodies.choice(body, "exclude", ("habit", "bought", "new", None), "habit")
        each = list(dict.fromkeys(asked))
        told = self.inner.recommend(each, k=k, exclude=exclude, threads=1)
        lists: dict[Any, list[dict[str, Any]]] = {c: [] for c in each}
        for who, row in zip(told[CUSTOMER].tolist(), records(told[[ITEM, SCORE, SOURCE]]), strict=True):
            lists[who].append(row)
        return {"recommendations": [lists[c] for c in asked]}, len(asked), 0

    def _decide(self, body: dict[str, Any]) -> Answer:
        rows = bodies.listed(body, "rows", dict, self.limits.rows)
        self._frame(rows)
        inner, eligible = self.inner, self._eligible(body, len(rows))
        if isinstance(inner, Decider):
            names = inner.prices.limits.actions
            open_ = [None if e is None else [n in e for n in names] for e in eligible]
            told = [inner.decide(row, eligible=e) for row, e in zip(rows, open_, strict=True)]
            return (
                {"decisions": [{"actions": list(d.actions), "gains": plain(dict(d.gains))} for d in told]},
                len(rows),
                0,
            )
        if any(e is not None for e in eligible):
            raise Refused(409, "cannot", "This policy has no prices, so it cannot be told what is eligible. Serve a Decider.", ["eligible"])  # fmt: skip
        X = self._frame(rows)
        gains, chosen = records(inner.gains(X)), inner.decide(X).tolist()
        control = str(inner.model.control)
        return {"decisions": [{"actions": [] if a == control else [a], "gains": g} for a, g in zip(chosen, gains, strict=True)]}, len(rows), 0  # fmt: skip

    def _eligible(self, body: dict[str, Any], n: int) -> list[Any]:
        """For each row the actions that are open to it; None where all are."""
        given = body.get("eligible")
        if given is None:
            return [None] * n
        each = given if isinstance(given, list) and given and isinstance(given[0], list) else [given] * n
        names = set(self.inner.prices.limits.actions if isinstance(self.inner, Decider) else ())
        if len(each) != n or not all(isinstance(e, list) and all(isinstance(a, str) for a in e) for e in each):
            raise Refused(422, "bad_request", "eligible is a list of actions, or one list for each row.", ["eligible"])
        if names and any(not set(e) <= names for e in each):
            raise Refused(422, "bad_request", f"eligible names other actions than {', '.join(sorted(names))}.", ["eligible"])  # fmt: skip
        return each


def _order(events: Sequence[dict[str, Any]]) -> dict[Any, int]:
    """The place of each customer, in the order in which they first come."""
    try:
        return {who: i for i, who in enumerate(dict.fromkeys(e.get(CUSTOMER) for e in events))}
    except TypeError:
        raise Refused(422, "bad_columns", f"{CUSTOMER} holds what is neither text nor a number.", [CUSTOMER]) from None


def _in_order(told: dict[str, Any], places: list[int], n: int) -> dict[str, Any]:
    """Predictions at the places of their customers; null for those of whom nothing was known by then, or not enough."""
    out: list[Any] = [None] * n
    for place, row in zip(places, told["predictions"], strict=True):
        if place < 0:
            raise DataContractError(
                f"{CUSTOMER}: identifiers are of several kinds. Send all as text, or all as whole numbers."
            )
        out[place] = row
    return {**told, "predictions": out}
