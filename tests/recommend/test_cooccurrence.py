"""Co-occurrence: formulas by hand and by full tables, reasons that add up, updates that equal a refit."""

import numpy as np
import pandas as pd
import pytest

from crmintel import InteractionLog
from crmintel.datasets import simulate
from crmintel.errors import DataContractError
from crmintel.recommend import CoOccurrence, Evidence
from crmintel.recommend import cooccurrence as module
from tests.recommend.worlds import log_of


@pytest.fixture(scope="module")
def log() -> InteractionLog:
    return simulate(300, days=300, seed=2).log(quiet=True)


def full(model: CoOccurrence, R: np.ndarray) -> np.ndarray:
    """Scores of everybody, from full tables."""
    size, owned = R.sum(1), R.sum(0)
    near = R @ np.diag(owned**-model.l) @ R.T @ np.diag(size ** (-2 * model.a)) @ R @ np.diag(owned**-model.r)
    if not model.low_rank:
        return near
    Rn = np.diag(size**-0.5) @ R @ np.diag(owned**-0.5)
    V = np.linalg.svd(Rn, full_matrices=False)[2][: model.rank].T
    far = R @ np.diag(owned**-0.5) @ V @ V.T @ np.diag(owned**0.5)
    return near + model.low_rank * (np.linalg.norm(near, axis=1) / np.linalg.norm(far, axis=1))[:, None] * far


@pytest.mark.parametrize("small", [module.SMALL, 0])
@pytest.mark.parametrize("low_rank", [0.0, 0.3])
def test_scores_are_those_of_full_tables(
    log: InteractionLog, monkeypatch: pytest.MonkeyPatch, small: int, low_rank: float
) -> None:
    monkeypatch.setattr(module, "SMALL", small)
    some = log_of({c: "abcdefghijkl"[c % 5 : c % 5 + 3 + c % 4] for c in range(1, 40)})
    model = CoOccurrence(low_rank=low_rank, rank=3).fit(some)
    expected = full(model, (model.history_.toarray() > 0).astype(float))
    assert model._score(np.arange(len(model.customers_))) == pytest.approx(expected, rel=2e-4, abs=1e-6)


@pytest.mark.parametrize("dense", [0.0, 2.0])
def test_both_ways_to_sum_give_the_same(log: InteractionLog, monkeypatch: pytest.MonkeyPatch, dense: float) -> None:
    plain = CoOccurrence(low_rank=0).fit(log)._score(np.arange(50))
    monkeypatch.setattr(module, "SMALL", 0)
    monkeypatch.setattr(module, "_DENSE", dense)
    assert CoOccurrence(low_rank=0).fit(log)._score(np.arange(50)) == pytest.approx(plain, rel=1e-4)


@pytest.mark.parametrize("small", [module.SMALL, 0])
def test_reasons_add_up_to_the_score(log: InteractionLog, monkeypatch: pytest.MonkeyPatch, small: int) -> None:
    monkeypatch.setattr(module, "SMALL", small)
    model = CoOccurrence().fit(log)
    lists = model.recommend(model.customers_[:5], k=3)
    told = model.reasons(lists, most=1_000)
    history = log.to_pandas().query("kind == 'purchase'")
    parts = [
        model._parts(*map(int, p))
        for p in zip(
            model.customers_.get_indexer(lists["customer_id"]), model.items_.get_indexer(lists["item_id"]), strict=True
        )
    ]
    assert [p.sum() for _, p in parts] == pytest.approx(lists["score"].tolist(), rel=1e-4)
    bought = set(map(tuple, history[["customer_id", "item_id"]].to_numpy()))
    assert all((c, b) in bought for c, b in zip(told["customer_id"], told["because"], strict=True))
    first = told.groupby(["customer_id", "item_id"])["part"]
    assert first.apply(lambda s: s.is_monotonic_decreasing).all()


def test_reasons_of_strangers_are_empty(log: InteractionLog) -> None:
    model = CoOccurrence().fit(log)
    told = model.reasons(pd.DataFrame({"customer_id": [10**9], "item_id": [model.items_[0]]}))
    assert told.columns.tolist() == ["customer_id", "item_id", "because", "part", "rank"]
    assert not len(told)


@pytest.mark.parametrize("half_life", [None, "60d"])
def test_an_update_equals_a_refit(log: InteractionLog, half_life: str | None) -> None:
    frame = log.to_pandas().query("kind == 'purchase'")
    late = frame["timestamp"] > frame["timestamp"].quantile(0.7)
    evidence = Evidence(half_life=half_life)
    parts = [InteractionLog.read(frame[s], quiet=True) for s in (~late, late)]
    whole = CoOccurrence(evidence=evidence).fit(InteractionLog.read(frame, quiet=True))
    stepped = CoOccurrence(evidence=evidence).fit(parts[0]).update(parts[1])
    assert stepped.items_.equals(whole.items_)
    assert stepped.customers_.equals(whole.customers_)
    assert (stepped.history_ != whole.history_).nnz == 0
    tables = [m.recommend(k=5) for m in (whole, stepped)]
    pd.testing.assert_frame_equal(*tables, rtol=1e-9)


def test_an_update_by_one_purchase(log: InteractionLog) -> None:
    model = CoOccurrence(low_rank=0).fit(log)
    item = model.items_[3]
    row = pd.DataFrame({"customer_id": [10**6], "item_id": [item], "timestamp": [log.end + pd.Timedelta("1D")]})
    model.update(InteractionLog.read(row, quiet=True))
    table = model.recommend([10**6], k=3)
    assert set(table["source"]) == {"co-occurrence"}
    assert item not in set(table["item_id"])


def test_half_life_and_kinds_weigh_the_evidence() -> None:
    rows = [
        (1, "2024-01-01", "a", "purchase"),
        (1, "2024-03-01", "b", "purchase"),
        (1, "2024-03-01", "c", "view"),
        (2, "2024-03-01", "c", "purchase"),
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "timestamp", "item_id", "kind"]).astype(
        {"timestamp": "datetime64[us]"}
    )
    log = InteractionLog.read(frame, quiet=True)
    model = CoOccurrence(evidence=Evidence({"purchase": 1.0, "view": 0.25}, half_life="60d")).fit(
        log, at="2024-03-01 00:00:01"
    )
    row = dict(zip(model.items_[model._R[[0]].indices], model._R[[0]].data, strict=True))
    assert row == pytest.approx({"a": 0.5, "b": 1.0, "c": 0.25}, rel=1e-5)
    assert model.history_.toarray()[0].sum() == 2  # what was looked at was not bought


def test_pruning_keeps_the_largest_of_each_item(log: InteractionLog) -> None:
    model, pruned = (CoOccurrence(low_rank=0, prune=p).fit(log) for p in (None, 5))
    assert (np.count_nonzero(pruned._table, axis=1) <= 5).all()
    for i in range(20):
        kept = np.flatnonzero(pruned._table[i])
        assert model._table[i, kept].min() >= np.delete(model._table[i], kept).max()


@pytest.mark.parametrize("small", [module.SMALL, 0])
def test_similar_items_are_rows_of_the_table(log: InteractionLog, monkeypatch: pytest.MonkeyPatch, small: int) -> None:
    monkeypatch.setattr(module, "SMALL", small)
    model = CoOccurrence().fit(log)
    told = model.similar_items([model.items_[0], "no such item"], k=4)
    assert told["item_id"].unique().tolist() == [model.items_[0]]
    assert told["rank"].tolist() == [1, 2, 3, 4]
    assert model.items_[0] not in set(told["similar_id"])


def test_tuning_looks_at_the_last_part_of_the_past_alone(log: InteractionLog) -> None:
    model = CoOccurrence(tune=True).fit(log)
    assert model.r_ in (0.2, 0.3, 0.4, 0.5)
    assert model.low_rank_ in (0.0, 0.3)
    assert (model.r, model.low_rank) == (0.4, 0.3)
    again = CoOccurrence(r=model.r_, low_rank=model.low_rank_).fit(log)
    pd.testing.assert_frame_equal(again.recommend(k=3), model.recommend(k=3))


def test_options_out_of_range_are_refused(log: InteractionLog) -> None:
    with pytest.raises(DataContractError, match="low_rank"):
        CoOccurrence(low_rank=-1).fit(log)
    with pytest.raises(DataContractError, match="weight of 'purchase'"):
        CoOccurrence(evidence=Evidence({"purchase": 0.0})).fit(log)
