"""Two stages: what each instant may see, and probabilities that mean what they say."""

import numpy as np
import pandas as pd
import pytest

from crmintel import InteractionLog
from crmintel import features as f
from crmintel.datasets import simulate
from crmintel.errors import DataContractError
from crmintel.evaluation import ndcg
from crmintel.recommend import Popularity, Repeat, Rules, TwoStage
from tests.recommend.worlds import log_of

pytestmark = pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")
AT = "2023-10-10"


def model() -> TwoStage:
    return TwoStage("30d", n_trees=20, each=15)


@pytest.fixture(scope="module")
def log() -> InteractionLog:
    return simulate(250, days=320, seed=3).log(quiet=True)


@pytest.fixture(scope="module")
def fitted(log: InteractionLog) -> TwoStage:
    return model().fit(log, at=AT)


@pytest.mark.slow
def test_scores_are_probabilities_and_repeats_are_among_them(fitted: TwoStage) -> None:
    table = fitted.recommend(k=10)
    own = table[table["source"] == "two-stage"]
    assert own["score"].between(0, 1).all()
    assert (own["score"] > 0).all()
    history = fitted.history_[
        fitted.customers_.get_indexer(own["customer_id"]), fitted.items_.get_indexer(own["item_id"])
    ]
    assert 0 < (np.asarray(history).ravel() > 0).mean() < 1


@pytest.mark.slow
def test_what_is_bought_for_sure_has_a_probability_of_at_most_one() -> None:
    days = pd.date_range("2023-01-01", "2023-12-31", freq="3D")
    rows = [(c, d, f"own {c % 5}") for c in range(60) for d in days]
    rows += [(c, d, f"new {(c + i) % 20}") for c in range(60) for i, d in enumerate(days[::10])]
    log = InteractionLog.read(pd.DataFrame(rows, columns=["customer_id", "timestamp", "item_id"]))
    table = model().fit(log, at="2023-12-31").recommend(k=3)
    assert table["score"].max() == pytest.approx(1)
    assert table["score"].max() <= 1


def test_equal_probabilities_keep_the_order_of_the_trees(log: InteractionLog, fitted: TwoStage) -> None:
    """The probability is a step function of what the trees say: within a step the trees still rank."""
    two = fitted
    table, X = two._stage(log.before(AT), log.zone.stamp(log.zone.instant(AT)))
    raw = two._raw(X)
    step = np.interp(raw, *two._stairs)
    place = (two.customers_.get_indexer(table["customer_id"]), two.items_.get_indexer(table["item_id"]))
    score = np.asarray(two._chance[place]).ravel()
    assert len(np.unique(step)) < 0.2 * len(np.unique(raw))  # there are ties to be broken
    order = np.argsort(raw, kind="stable")
    assert (np.diff(score[order]) >= 0).all()
    assert (np.diff(score[order])[np.diff(raw[order]) > 1e-6] > 0).all()
    assert score == pytest.approx(step, abs=1e-8)


class _Recorded:
    """What each call of the stages was handed: the last row known, the instant, and what features were told of."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.labels: list[tuple[pd.Timestamp, pd.Timestamp]] = []
        self.told: list[pd.Timestamp] = []
        bought, build = TwoStage._bought, f.FeatureSet.build

        def _bought(two: TwoStage, log: InteractionLog, table: pd.DataFrame, at: pd.Timestamp) -> object:
            self.labels.append((at, log.end))
            return bought(two, log, table, at)

        def _build(fs: f.FeatureSet, log: InteractionLog, at: object, **options: object) -> pd.DataFrame:
            self.told.append(pd.Timestamp(at))  # type: ignore[arg-type]
            assert log.end < self.told[-1], "features see a row at or after their instant"
            return build(fs, log, at, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(TwoStage, "_bought", _bought)
        monkeypatch.setattr(f.FeatureSet, "build", _build)


@pytest.mark.slow
def test_labels_lie_after_the_features_and_before_the_fit(log: InteractionLog, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _Recorded(monkeypatch)
    model().fit(log, at=AT)
    at = log.zone.stamp(log.zone.instant(AT))
    month = pd.Timedelta(days=30)
    assert sorted(set(seen.told)) == [at - 2 * month, at - month, at]
    assert [a for a, _ in seen.labels] == [at - 2 * month, at - month]
    assert all(end < at for _, end in seen.labels)


@pytest.fixture
def noise() -> InteractionLog:
    """Everybody buys any of 30 items at any time: nothing can be told in advance."""
    rng = np.random.default_rng(4)
    n = 6_000
    frame = pd.DataFrame({
        "customer_id": rng.integers(0, 150, n), "item_id": rng.choice([f"i{i:02d}" for i in range(30)], n),
        "timestamp": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 120 * 86_400, n), unit="s"),
    })  # fmt: skip
    return InteractionLog.read(frame.astype({"timestamp": "datetime64[us]"}), quiet=True)


def spread(two: TwoStage) -> float:
    """How far the highest probabilities are above the usual one."""
    chance = np.sort(two._chance.data)
    return float(chance[-len(chance) // 10 :].mean() / chance.mean())


@pytest.mark.slow
def test_nothing_is_foretold_where_nothing_can_be(noise: InteractionLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a label in the features, the trees and their probabilities would part those who buy from those who do not."""
    two = TwoStage("20d", n_trees=10, each=20, candidates=(Repeat(), Popularity()))
    assert spread(two.fit(noise)) < 1.5
    stage = TwoStage._stage

    def peeking(self: TwoStage, log: InteractionLog, at: pd.Timestamp) -> tuple[pd.DataFrame, pd.DataFrame]:
        table, _ = stage(self, log, at)
        late = stage(self, log, min(at + pd.Timedelta(days=20), log.end))  # features at the end of the horizon
        X = late[1].set_axis(pd.MultiIndex.from_frame(late[0])).reindex(pd.MultiIndex.from_frame(table))
        return table, X.reset_index(drop=True)

    monkeypatch.setattr(TwoStage, "_stage", peeking)
    assert spread(two.fit(noise)) > 1.5  # the planted fault is seen


def test_a_history_of_less_than_three_horizons_is_refused(log: InteractionLog) -> None:
    with pytest.raises(DataContractError, match="three horizons of 200d do not lie before"):
        TwoStage("200d").fit(log)


def test_too_few_purchases_to_learn_from_are_refused() -> None:
    with pytest.raises(DataContractError, match="At least 50 are needed"):
        TwoStage("1d", candidates=(Repeat(), Popularity())).fit(log_of(dict.fromkeys(range(1, 6), "abcabc")))


def test_an_object_with_given_candidates_leaves_them_as_they_were(log: InteractionLog) -> None:
    given = Popularity()
    TwoStage("30d", candidates=(given, Repeat()), n_trees=5).fit(log, at=AT)
    assert not hasattr(given, "items_")


@pytest.mark.slow
def test_probabilities_are_those_of_purchases_in_a_simulated_future() -> None:
    log = simulate(1_500, days=400, seed=5).log(quiet=True)
    at = "2023-12-01"
    two = TwoStage("30d").fit(log, at=at)
    truth = f.next_items(log, at, "30d")[["customer_id", "item_id"]]
    table = two.recommend(k=20, rules=Rules(fill=False))
    hit = pd.MultiIndex.from_frame(table[["customer_id", "item_id"]]).isin(pd.MultiIndex.from_frame(truth))
    assert table["score"].mean() == pytest.approx(hit.mean(), rel=0.2)
    who = truth["customer_id"].unique()
    ours, popular = (
        ndcg(truth, m.recommend(who, k=10, exclude=None), k=10) for m in (two, Popularity().fit(log, at=at))
    )
    assert ours > popular
