"""What every recommender promises, whatever it learns: checks that raise AssertionError with a sentence."""

import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd

from crmintel.columns import CUSTOMER, ITEM, KIND, KNOWN_AT, PURCHASE, RANK, SCORE, SOURCE, TIME
from crmintel.errors import DataContractWarning
from crmintel.interactions import InteractionLog
from crmintel.recommend import Popularity, Recommender
from crmintel.testing.checks import altered, known, read

ANSWER: Final = [CUSTOMER, ITEM, SCORE, RANK, SOURCE]
K: Final = 5
CLOSE: Final = 1e-6
Make = Callable[[], Recommender]


def assert_recommender(make: Make, data: InteractionLog | pd.DataFrame, at: Any) -> None:
    """A recommender keeps the promises of its base, on a history and at an instant.

    The answer is a table of one shape; ranks rise and scores fall; nothing comes twice, or that is excluded or not eligible;
    strangers are answered; one customer is told as in the batch, with any number of threads; the order of rows, what became known
    at the instant or later, and what an object learnt before change nothing; nothing that is handed over is changed.

    Parameters
    ----------
    make : function without arguments
        Gives a recommender that is not fitted, with the same settings each time.
    data : InteractionLog or DataFrame
        A history with rows before and after `at`, long enough for the model; a frame is read in UTC, with our column names.
    at : instant
        When lists are made.

    Raises
    ------
    AssertionError
        Saying which promise is broken.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> from crmintel.recommend import CoOccurrence
    >>> assert_recommender(CoOccurrence, simulate(60, days=200, seed=1).log(quiet=True), "2023-05-01")
    """
    log = data if isinstance(data, InteractionLog) else read(data, "UTC")
    before = log.to_arrow()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)
        model = make().fit(log, at=at)
        _check_answer(model, _bought(log, at))
        _check_limits(model)
        _check_strangers(model)
        _check_each_alone(model)
        _check_histories(make, model, log, at)
    _hold(log.to_arrow().equals(before), "The log was changed.")


def _bought(log: InteractionLog, at: Any) -> pd.MultiIndex:
    """Who had bought what at the instant."""
    past = log.before(at).to_arrow().select([CUSTOMER, ITEM, KIND]).to_pandas()
    return pd.MultiIndex.from_frame(past.loc[past[KIND] == PURCHASE, [CUSTOMER, ITEM]].drop_duplicates())


def _check_answer(model: Recommender, history: pd.MultiIndex) -> None:
    """Shape, order, and lists that are longer than the catalogue, or of nobody."""
    n = len(model.items_)
    for exclude in ("habit", "bought", "new", None):
        table = model.recommend(k=K, threads=1, exclude=exclude)
        _check_table(table, f"with exclude={exclude!r}")
        _hold(bool((table[RANK] <= K).all()), f"Lists are longer than k with exclude={exclude!r}.")
        bought = pd.MultiIndex.from_frame(table[[CUSTOMER, ITEM]]).isin(history)
        _hold(exclude != "bought" or not bought.any(), "What was bought is offered with exclude='bought'.")
        _hold(exclude != "new" or bool(bought.all()), "What is new is offered with exclude='new'.")
        size = table.groupby(CUSTOMER).size().reindex(model.customers_, fill_value=0)
        _hold(
            exclude is not None or bool((size == min(K, n)).all()), "Some lists are short, though nothing is excluded."
        )
    whole = model.recommend(model.customers_[:2], k=n + 3, threads=1, exclude=None)
    _check_table(whole, "with k above the catalogue")
    _hold(len(whole) == 2 * n, "A list longer than the catalogue does not hold all items.")
    nobody = model.recommend([], k=K, threads=1)
    _hold(
        list(nobody.columns) == ANSWER and not len(nobody), "An empty request has no empty answer of the same columns."
    )


def _check_table(table: pd.DataFrame, when: str) -> None:
    _hold(list(table.columns) == ANSWER, f"The columns are {list(table.columns)} {when}, not {ANSWER}.")
    _hold(not table.isna().any().any(), f"Cells are missing {when}.")
    _hold(bool(np.isfinite(table[SCORE]).all()), f"Scores are not finite {when}.")
    lists = table.groupby(CUSTOMER, sort=False)
    _hold(bool((table[RANK] == lists.cumcount() + 1).all()), f"Ranks do not rise from 1 by 1 {when}.")
    _hold(bool((lists[SCORE].diff().fillna(0.0) <= 0).all()), f"Scores rise with the rank {when}.")
    _hold(not table.duplicated([CUSTOMER, ITEM]).any(), f"An item is offered twice to a customer {when}.")


def _check_limits(model: Recommender) -> None:
    """What is eligible, for all and for each customer; what is handed over stays."""
    some = model.items_[1::2][:7].tolist()
    told = list(some)
    table = model.recommend(k=K, threads=1, eligible=told)
    _check_table(table, "with eligible items")
    _hold(set(table[ITEM]) <= set(some), "What is not eligible is offered.")
    _hold(told == some, "The list of eligible items was changed.")
    asked = model.customers_[:4]
    pairs = pd.DataFrame({CUSTOMER: asked.repeat(3), ITEM: model.items_[np.arange(3 * len(asked)) % len(model.items_)]})
    handed = pairs.copy()
    found = model.recommend(asked, k=K, threads=1, eligible=handed, exclude=None)
    _hold(
        bool(pd.MultiIndex.from_frame(found[[CUSTOMER, ITEM]]).isin(pd.MultiIndex.from_frame(pairs)).all()),
        "What is not eligible for a customer is offered.",
    )
    _hold(handed.equals(pairs), "The frame of eligible pairs was changed.")


def _check_strangers(model: Recommender) -> None:
    """Who never bought gets what is popular, marked as such."""
    ids = model.customers_
    stranger = int(ids.max()) + 1 if pd.api.types.is_numeric_dtype(ids.dtype) else f"{ids.max()} and one more"
    table = model.recommend([stranger, ids[0]], k=K, threads=1)
    _hold(table[CUSTOMER].iloc[0] == stranger, "Customers do not come in the order asked for.")
    mine = table[table[CUSTOMER] == stranger]
    _hold(mine[ITEM].tolist() == model.items_[:K].tolist(), "Strangers do not get what is popular.")
    marked = mine[SOURCE] != model.name
    _hold(isinstance(model, Popularity) or bool(marked.all()), "Lists of strangers are not marked by their source.")


def _check_each_alone(model: Recommender) -> None:
    batch = model.recommend(k=K, threads=1)
    _same(model.recommend(k=K, threads=2), batch, "with two threads")
    for customer in model.customers_[:: max(len(model.customers_) // 5, 1)]:
        mine = batch[batch[CUSTOMER] == customer].reset_index(drop=True)
        _same(model.recommend([customer], k=K, threads=1), mine, "for a customer asked for alone")


def _check_histories(make: Make, model: Recommender, log: InteractionLog, at: Any) -> None:
    """What must not matter: the order of rows, the future, and what was learnt before."""
    expected = model.recommend(k=K, threads=1)
    frame = log.to_arrow().to_pandas()
    frame[TIME] = frame[TIME].dt.tz_convert("UTC")
    moment = pd.Timestamp(log.zone.instant(at), unit="us", tz="UTC")
    late = known(frame) >= moment
    _hold(
        bool(late.any()) and not late.all(),
        "The check needs rows before the instant and later. Choose another instant.",
    )
    shuffled = read(frame.sample(frac=1, random_state=1), log.zone.name)
    _same(make().fit(shuffled, at=at).recommend(k=K, threads=1), expected, "when the rows were shuffled")
    past = frame[~late]
    others = [past, altered(past).assign(**{TIME: moment}), altered(past).assign(**{KNOWN_AT: moment})]
    _same(
        make().fit(read(pd.concat(others), log.zone.name), at=at).recommend(k=K, threads=1), expected,
        "when what became known at the instant or later was another",
    )  # fmt: skip
    _same(
        make().fit(log).fit(log, at=at).recommend(k=K, threads=1),
        expected,
        "when the object had learnt from more before",
    )


def _same(found: pd.DataFrame, expected: pd.DataFrame, when: str) -> None:
    """The same customers and items in the same places, and scores that differ by not more than rounding."""
    columns = [CUSTOMER, ITEM, RANK, SOURCE]
    _hold(found[columns].equals(expected[columns]), f"The lists are others {when}.")
    _hold(np.allclose(found[SCORE], expected[SCORE], rtol=CLOSE, atol=0.0), f"The scores are others {when}.")


def _hold(promise: bool, said: str) -> None:
    if not promise:
        raise AssertionError(said)
