"""The promises of `crmintel.testing` for every recommender there is, found by walking the package."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import crmintel.recommend
from crmintel import InteractionLog
from crmintel.datasets import simulate
from crmintel.recommend import ByAttributes, CoOccurrence, Popularity, Recommender, TwoStage
from crmintel.recommend.base import Int
from crmintel.recommend.purchases import Purchases
from crmintel.recommend.topk import Real
from crmintel.testing import assert_recommender

AT, LATE = "2023-05-20", "2023-10-10"


def _walk() -> Iterator[type[Recommender]]:
    """Every recommender that the package defines."""
    for module in pkgutil.walk_packages(crmintel.recommend.__path__, "crmintel.recommend."):
        for thing in vars(importlib.import_module(module.name)).values():
            if isinstance(thing, type) and issubclass(thing, Recommender) and thing.__module__ == module.name:
                yield thing


@pytest.fixture(scope="module")
def log() -> InteractionLog:
    return simulate(90, days=200, seed=2).log(quiet=True)


@pytest.fixture(scope="module")
def long() -> InteractionLog:
    """A history for what learns at inner instants."""
    return simulate(250, days=300, seed=2).log(quiet=True)


def attributes(log: InteractionLog) -> pd.DataFrame:
    """The category of each item, some a stranger to the log."""
    table = log.to_pandas()[["item_id", "category"]].dropna().drop_duplicates("item_id")
    new = table.iloc[:4].assign(item_id=[f"new {i}" for i in range(4)])
    return pd.concat([table, new]).set_index("item_id")


MAKERS: dict[type[Recommender], Callable[[InteractionLog], Recommender]] = {
    ByAttributes: lambda log: ByAttributes(attributes(log), base=CoOccurrence()),
    TwoStage: lambda log: TwoStage("30d", candidates=(CoOccurrence(), Popularity()), n_trees=20),
}
"""How those are made that cannot be made without arguments, or are slow as they come."""
KINDS = sorted((k for k in set(_walk()) if k is not Recommender), key=lambda k: k.__name__)
HEAVY = [TwoStage]


def test_all_recommenders_are_found_and_final() -> None:
    assert {k.__name__ for k in KINDS} == {
        n for n in crmintel.recommend.__all__ if isinstance(k := getattr(crmintel.recommend, n), type) and issubclass(k, Recommender)
    } - {"Recommender"}  # fmt: skip
    assert all(getattr(k, "__final__", False) for k in KINDS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [k for k in KINDS if k not in HEAVY], ids=lambda k: k.__name__)
def test_every_recommender_keeps_the_promises(kind: type[Recommender], log: InteractionLog) -> None:
    assert_recommender(lambda: MAKERS.get(kind, lambda log: kind())(log), log, AT)


@pytest.mark.slow
@pytest.mark.parametrize("kind", HEAVY, ids=lambda k: k.__name__)
def test_so_do_those_that_learn_long(kind: type[Recommender], long: InteractionLog) -> None:
    assert_recommender(lambda: MAKERS[kind](long), long, LATE)


class _Popular(Recommender):
    """A recommender to be broken."""

    name = "broken"

    def _fit(self, purchases: Purchases) -> None:
        self._row = self.owners_.astype(np.float64)

    def _score(self, who: Int) -> Real:
        return np.tile(self._row, (len(who), 1))


class _SeesTheFuture(_Popular):
    def fit(self, log: InteractionLog, *, at: object = None) -> "_SeesTheFuture":
        super().fit(log, at=at)
        whole = Popularity().fit(log)
        self._row = whole.owners_[whole.items_.get_indexer(self.items_)].astype(np.float64)
        return self


class _DependsOnTheBatch(_Popular):
    def _score(self, who: Int) -> Real:
        return super()._score(who) * len(who)


class _Remembers(_Popular):
    def _fit(self, purchases: Purchases) -> None:
        super()._fit(purchases)
        self.fits = getattr(self, "fits", 0) + 1
        self._row *= self.fits


class _GoesByRows(_Popular):
    def _fit(self, purchases: Purchases) -> None:
        self._row = np.random.default_rng().random(len(self.items_))


class _Unsure(_Popular):
    def _score(self, who: Int) -> Real:
        return np.where(super()._score(who) > 3, np.inf, 1.0)


class _Forgets(_Popular):
    def _fit(self, purchases: Purchases) -> None:
        super()._fit(purchases)
        self.history_ = sp.csr_array(self.history_.shape)


class _Unfilled(_Popular):
    def recommend(self, *args: object, **options: object) -> pd.DataFrame:
        table = super().recommend(*args, **options)  # type: ignore[arg-type]
        return table[table["customer_id"].isin(self.customers_)].reset_index(drop=True)


class _Insists(_Popular):
    def recommend(self, *args: object, **options: object) -> pd.DataFrame:
        options["eligible"] = None
        return super().recommend(*args, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (_SeesTheFuture, "became known at the instant or later"), (_DependsOnTheBatch, "asked for alone"),
        (_Remembers, "had learnt from more before"), (_GoesByRows, "rows were shuffled"), (_Unsure, "not finite"),
        (_Insists, "not eligible is offered"), (_Forgets, "What was bought is offered"), (_Unfilled, "order asked for"),
    ],
)  # fmt: skip
def test_a_broken_promise_is_named(kind: type[Recommender], said: str, log: InteractionLog) -> None:
    with pytest.raises(AssertionError, match=said):
        assert_recommender(kind, log, AT)
