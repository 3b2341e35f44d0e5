"""One object: raw interactions in, scores out; the same online as in a table; judged, then watched."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crmintel import InteractionLog
from crmintel import features as f
from crmintel.churn import SMALL, ChurnClassifier
from crmintel.errors import BundleError, DataContractError, DataContractWarning, DataTypeError, LeakageError
from crmintel.recommend import Popularity
from crmintel.scoring import CustomerModel, load_bundle
from crmintel.scoring.requests import answer
from crmintel.segmentation import RFM
from crmintel.value import LifetimeValue
from tests.scoring.conftest import buyers_model, customer_model, fitted, left, world

CANARY = "canary-7f3a"


def test_scores_are_those_of_the_estimator_on_its_features() -> None:
    model, (log, at, X) = customer_model(), world()
    told = model.score(log, at=at)
    assert told.index.equals(X.index)
    assert told["churn_probability"].tolist() == model.estimator.predict_proba(X)[:, 1].tolist()
    some = model.score(log, at=at, customers=[log.customers[3], 10**9])
    assert some["churn_probability"].iloc[0] == told.loc[log.customers[3], "churn_probability"]
    assert some["known"].iloc[1] < 0.5


@pytest.mark.slow
def test_row_117_one_customer_alone_scores_as_among_all() -> None:
    model, (log, at, _) = customer_model(), world()
    whole, rows = model.score(log, at=at), log.before(at).to_pandas()
    for who in log.customers[:25]:
        alone = model.score_events(rows[rows["customer_id"] == who], at=at)
        if who in whole.index:
            assert alone.loc[who].tolist() == whole.loc[who].tolist()


@pytest.mark.slow
def test_a_model_of_buyers_speaks_of_buyers_only(tmp_path: Path) -> None:
    (model, log), at = buyers_model(), world()[1]
    lookers = set(log.customers[::4])
    told = model.score(log, at=at)
    assert len(told) == model.trained_["rows"] > 200
    assert not lookers & set(told.index)
    assert model.score(log, at=at, customers=list(lookers)).equals(told.iloc[:0])
    rows = log.before(at).to_pandas()
    online = model.score_events(rows[rows["customer_id"].isin([*list(lookers)[:9], *told.index[:9]])], at=at)
    pd.testing.assert_frame_equal(online.sort_index(), told.loc[sorted(told.index[:9])], check_exact=True)
    early = CustomerModel(model.features, ChurnClassifier(SMALL, folds=2), among=model.among)
    early.fit(log, left, at=at - pd.Timedelta(days=60), horizon="60d")
    early.judge(log, left, at=at, horizon="60d")
    assert json.loads(early.profile_)["n"] == len(told)
    assert early.watch(log, at=at).verdict == "hold"
    model.save(tmp_path / "b")
    pd.testing.assert_frame_equal(CustomerModel.load(tmp_path / "b").score(log, at=at), told, check_exact=True)
    with pytest.raises(DataContractError, match="Name one of its features"):
        CustomerModel(model.features, ChurnClassifier(), among="nothing")
    with pytest.raises(DataContractError, match="one instant"):
        model.score(log, at=[at, log.end])


def test_nothing_that_came_later_plays_a_part() -> None:
    model, (log, at, _) = customer_model(), world()
    pd.testing.assert_frame_equal(model.score(log, at=at), model.score(log.before(at), at=at), check_exact=True)


@pytest.mark.parametrize(
    ("features", "estimator", "said"),
    [
        (None, ChurnClassifier(), "Give the FeatureSet"),
        ("features", ChurnClassifier(), "Give a FeatureSet"),
        (f.FeatureSet([f.count()]), LifetimeValue(), "reads interactions itself"),
        (f.FeatureSet([f.count()]), Popularity(), "reads interactions itself"),
    ],
)
def test_parts_that_do_not_fit_are_refused(features: Any, estimator: Any, said: str) -> None:
    with pytest.raises(DataTypeError, match=said):
        CustomerModel(features, estimator)


@pytest.mark.slow
def test_labels_by_customer_or_by_row_mean_the_same() -> None:
    log, at, X = world()
    y = left(log, pd.MultiIndex.from_product([X.index, [at]], names=["customer_id", "at"]))
    by_customer = pd.Series(y.to_numpy(), X.index).sample(frac=1.0, random_state=0)
    models = [CustomerModel(f.standard(log, at=at), ChurnClassifier(SMALL, folds=2)) for _ in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)
        told = [m.fit(log, label, at=at).score(log, at=at) for m, label in zip(models, (y, by_customer), strict=True)]
    pd.testing.assert_frame_equal(*told, check_exact=True)
    with pytest.raises(DataContractError):
        models[0].fit(log, by_customer.iloc[:5], at=at)
    with pytest.raises(DataContractError, match="needs a label"):
        models[0].fit(log, at=at)
    with pytest.raises(DataContractError, match="not frozen"):
        CustomerModel(f.FeatureSet([f.share("channel")]), ChurnClassifier()).score(log)


def judged() -> tuple[CustomerModel, InteractionLog, pd.Timestamp]:
    log, at, _ = world()
    before = at - pd.Timedelta(days=65)
    model = CustomerModel(f.standard(log, at=before), ChurnClassifier(SMALL, folds=2)).fit(
        log, left, at=before, horizon="60d"
    )
    return model, log, at


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")
def test_a_model_is_judged_later_and_then_watched(tmp_path: Path) -> None:
    model, log, at = judged()
    with pytest.raises(DataContractError, match="Call judge"):
        model.watch(log)
    with pytest.raises(LeakageError, match="Judge it at a later one"):
        model.judge(log, left, at=at - pd.Timedelta(days=30))
    report = model.judge(log, left, at=at, horizon="60d")
    assert report.n > 100
    model.save(tmp_path / "m")
    back = CustomerModel.load(tmp_path / "m")
    assert back.watch(log, at=at).verdict == "hold"
    assert back.watch(log, at=at, outcomes=left, until=log.end).verdict == "hold"
    rows = log.to_pandas()
    broken = InteractionLog.read(rows.assign(amount=rows["amount"] * 100), quiet=True)
    assert back.watch(broken, at=at).verdict == "look"
    with pytest.raises(DataTypeError, match="Judge a churn model"):
        CustomerModel(None, fitted("RFM")).judge(log, left, at=at)


def test_row_128_requests_are_answered_or_refused_without_a_cell() -> None:
    model, (log, at, X) = customer_model(), world()
    want = model.score(log, at=at).reset_index()
    rows = log.to_pandas().assign(timestamp=lambda t: t["timestamp"].astype(str))
    pd.testing.assert_frame_equal(answer(model, rows, at), want, check_exact=True)
    pd.testing.assert_frame_equal(answer(model, X.reset_index()), want, check_exact=True)
    pd.testing.assert_frame_equal(
        answer(model, X.reset_index()[["customer_id", *X.columns[::-1]]]), want, check_exact=True
    )
    assert len(answer(fitted("CoOccurrence"), pd.DataFrame({"customer_id": log.customers[:3]}))) == 30
    table = X.reset_index().astype(object)
    for bad in (rows.assign(timestamp=CANARY), rows.assign(amount=CANARY), table.assign(tenure_days=CANARY), table.assign(tenure_days=np.inf), table.iloc[:, :4], rows.iloc[:0]):  # fmt: skip
        with pytest.raises(DataContractError) as told:
            answer(model, bad, at)
        error: BaseException | None = told.value
        while error is not None:
            assert CANARY not in str(error)
            error = error.__cause__ or error.__context__


@pytest.mark.slow
def test_a_customer_who_was_only_contacted_scores_as_among_all() -> None:
    model, (log, at, _) = customer_model(), world()
    rows, whole = log.before(at).to_pandas(), model.score(log, at=at)
    only = rows.groupby("customer_id").filter(lambda g: g["amount"].isna().all())
    assert len(only)
    for who, mine in only.groupby("customer_id"):
        events = json.loads(mine.assign(timestamp=mine["timestamp"].astype(str)).to_json(orient="records"))
        told = answer(model, pd.DataFrame(events), at)
        assert told["churn_probability"].iloc[0] == whole.loc[who, "churn_probability"]
        quick = model.features.at_once(events, at, zone=log.zone)  # type: ignore[union-attr]  # it has features
        assert quick is not None
        np.testing.assert_array_equal(quick.values[:, 0], world()[2].loc[who])


@pytest.mark.slow
def test_row_129_predict_is_pure_and_survives_threads_and_a_fork() -> None:
    import multiprocessing
    from concurrent.futures import ThreadPoolExecutor

    model, X = customer_model(), world()[2]
    want = model.score_table(X)["churn_probability"].tolist()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: model.score_table(X)["churn_probability"].tolist(), range(40)))
    assert all(f == want for f in found)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # Python warns of forks beside threads: that is what is tried
        child = context.Process(target=lambda: queue.put(model.score_table(X)["churn_probability"].tolist()))
        child.start()
    assert queue.get(timeout=60) == want
    child.join(timeout=60)
    assert child.exitcode == 0


def test_a_kept_bundle_of_the_first_format_still_scores() -> None:
    """Written once with format 1 and kept: what it says is told beside it."""
    kept = Path(__file__).parent / "kept"
    model = load_bundle(kept / "format-1")
    want = pd.read_csv(kept / "scores.csv", index_col="customer_id")["churn_probability"]
    rows = pd.read_csv(kept / "interactions.csv", parse_dates=["timestamp"])
    told = model.score(model.read(rows, quiet=True), at="2024-06-01")["churn_probability"]
    np.testing.assert_allclose(told, want.loc[told.index], rtol=1e-9)


def test_an_estimator_alone_has_no_way_in(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        CustomerModel.load(tmp_path)


def test_a_model_of_the_whole_history_is_not_judged_within_it() -> None:
    log, at, _ = world()
    whole = CustomerModel(None, RFM()).fit(log)
    with pytest.raises(LeakageError, match="learned from what happened up to"):
        whole.refuse_seen(log, at)
    whole.refuse_seen(log, log.end + pd.Timedelta(days=1))
    CustomerModel(None, RFM()).fit(log, at=at).refuse_seen(log, at)
