"""Drift: indices by hand, no alarm by chance, planted drifts found, the reason in words."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pytest
from scipy.special import expit
from scipy.stats import chi2
from sklearn.linear_model import LogisticRegression

from crmintel.churn import Drift, drift
from crmintel.churn.figures import judged
from crmintel.churn.shift import shift
from crmintel.errors import DataContractError, DataTypeError
from crmintel.evaluation import auc
from crmintel.features.screen import stability

Floats = npt.NDArray[np.float64]


def world(
    n: int, seed: int, *, move: float = 0.0, large: float = 0.0, slope: float = 1.0
) -> tuple[pd.DataFrame, Floats, Floats]:
    """Features of every kind, true probabilities and labels; and what may go wrong with each."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({
        "recency": rng.exponential(30, n) * np.exp(move), "orders": rng.poisson(1.2, n),
        "spend": np.where(rng.random(n) < 0.6, 0, rng.lognormal(3, 1, n)), "flag": rng.random(n) < 0.07,
        "channel": rng.choice(["web", "shop", "app"], n, p=[0.5, 0.3, 0.2]), "town": rng.zipf(1.7, n).astype(str),
        "gap": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
    })  # fmt: skip
    odds = 1.2 * rng.normal(size=n) - 1 + move
    return X, expit(odds), (rng.random(n) < expit(slope * odds + large)).astype(float)


def compared(n: int, seed: int, labels: bool = True, **wrong: float) -> Drift:
    (X, p, y), (X2, p2, y2) = world(n, 2 * seed), world(n, 2 * seed + 1, **wrong)
    told: dict[str, Any] = {"y_before": y, "y_after": y2} if labels else {}
    return drift(X, X2, score_before=p, score_after=p2, **told)


# by hand and against others


def test_the_index_of_two_levels_by_hand() -> None:
    """60 and 40 of 100 against 30 and 70: rare, missing and new levels are empty bins, which do not count."""
    told = shift(pd.Series(["a"] * 60 + ["b"] * 40), pd.Series(["a"] * 30 + ["b"] * 70))
    p, q = np.array([60.5, 40.5]) / 101, np.array([30.5, 70.5]) / 101
    assert told.psi == pytest.approx(float(((q - p) * np.log(q / p)).sum()))
    assert told.by_chance == pytest.approx(1 / 100 + 1 / 100)
    assert told.p_value == pytest.approx(float(chi2.sf(10 + 90 / 11, 1)))  # 2 * 15²/45 + 2 * 15²/55
    assert told.outside.value == 0


def test_smooth_numbers_have_the_index_of_the_screen() -> None:
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=500), rng.normal(0.3, 1.2, 400)
    x[:30] = np.nan
    assert shift(pd.Series(x), pd.Series(z)).psi == pytest.approx(stability(x, z), abs=1e-12)


def test_bins_that_nobody_is_in_do_not_count() -> None:
    """A flag with equal halves, of very many rows and of few: no index, where empty bins alone gave 0.0154."""
    before, after = (pd.Series(np.tile([0.0, 1.0], half)) for half in (50_000, 100))
    told = shift(before, after)
    assert told.psi == pytest.approx(0, abs=1e-12)
    assert told.by_chance == pytest.approx(0.00501)


@pytest.mark.parametrize("share", [0.02, 0.93])
def test_a_flag_or_a_count_that_is_mostly_zero_is_not_blind(share: float) -> None:
    """Quantiles alone put zero and one into one bin when nearly all are zero."""
    rng = np.random.default_rng(1)
    x, z = (pd.Series((rng.random(4000) < s).astype(float)) for s in (share, 1 - share))
    assert shift(x, z).verdict(0.01) == "moved"
    assert shift(x, x.sample(frac=1, random_state=0)).psi == 0


def test_what_chance_gives_is_the_mean_index_without_drift() -> None:
    rng = np.random.default_rng(2)
    told = [shift(pd.Series(rng.normal(size=200)), pd.Series(rng.normal(size=300))) for _ in range(150)]
    assert np.mean([t.psi for t in told]) == pytest.approx(told[0].by_chance, rel=0.15)
    assert told[0].by_chance == pytest.approx(9 * (1 / 200 + 1 / 300))


def test_auc_and_calibration_are_those_of_others() -> None:
    _, p, y = world(800, 5, large=0.4, slope=0.7)
    told = judged(y, p, "after")
    odds = np.log(p / (1 - p))[:, None]
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=500).fit(odds, y)
    assert told["auc"].value == pytest.approx(auc(y, p))
    assert told["calibration slope"].value == pytest.approx(peer.coef_[0, 0], abs=1e-5)
    offset = told["calibration in the large"].value
    assert expit(odds[:, 0] + offset).mean() == pytest.approx(y.mean())  # the score equation of the offset
    assert told["auc"].low < told["auc"].value < told["auc"].high


@pytest.mark.slow
def test_the_interval_of_the_auc_holds_the_truth() -> None:
    truth = auc(*world(300_000, 1)[:0:-1])
    held = 0
    for seed in range(300):
        _, p, y = world(300, seed + 10)
        told = judged(y, p, "after")["auc"]
        held += told.low <= truth <= told.high
    assert held >= 0.975 * 300


# alarms


@pytest.mark.slow
def test_nothing_changed_is_no_alarm() -> None:
    answers = [compared(200, seed).retrain for seed in range(12)]
    assert answers.count("no") >= 11


def test_small_samples_do_not_alarm_although_the_index_is_large() -> None:
    told = compared(60, 3)
    assert (told.columns["psi"] > 0.1).any()
    assert (told.columns["verdict"] == "stable").all()
    assert told.retrain == "no"


@pytest.mark.slow
@pytest.mark.parametrize("n", [80, 400])
def test_false_alarms_in_200_pairs_without_drift(n: int) -> None:
    alarms = sum(compared(n, seed).retrain != "no" for seed in range(200))
    assert alarms <= 16  # 5 % is 10


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"large": 0.8}, "calibration in the large"), ({"slope": 0.4}, "calibration slope")],
)
def test_probabilities_that_are_no_longer_true_are_a_yes(wrong: dict[str, float], said: str) -> None:
    told = compared(2000, 1, **wrong)
    assert told.retrain == "yes"
    assert any(said in r for r in told.reasons)
    assert compared(2000, 1, labels=False, **wrong).retrain == "no"  # nobody can know without labels


def test_an_order_that_got_worse_is_a_yes() -> None:
    (X, p, y), (X2, p2, _) = world(1500, 0), world(1500, 1)
    told = drift(X, X2, score_before=p, score_after=p2, y_before=y, y_after=np.random.default_rng(0).permutation(y))
    assert told.retrain == "yes"
    assert any("The order got worse: AUC 0." in r for r in told.reasons)


def test_columns_that_moved_without_harm_are_to_be_watched() -> None:
    told = compared(1500, 2, move=1.0)
    assert told.retrain == "watch"
    assert {"recency", "score"} == set(told.columns.query("verdict == 'moved'")["feature"])
    assert any("no loss" in r for r in told.reasons)
    blind = compared(1500, 2, labels=False, move=1.0)
    assert blind.retrain == "yes"
    assert any("The score moved" in r for r in blind.reasons)


def test_later_labels_alone_judge_calibration() -> None:
    (X, _, _), (X2, p2, y2) = world(1500, 0), world(1500, 1, large=0.8)
    told = drift(X, X2, score_after=p2, y_after=y2)
    assert told.retrain == "yes"
    assert told.figures["before"].isna().all()
    assert "calibration in the large +0." in told.reasons[0]
    assert drift(X, X, score_after=p2, y_after=world(1500, 1)[2]).retrain == "no"


def test_row_115_values_outside_the_training_range_are_counted_in_each_feature() -> None:
    X, X2 = world(500, 0)[0], world(500, 1)[0]
    X2.loc[:24, "gap"] = 99.0
    X2.loc[:49, "channel"] = "kiosk"
    told = drift(X, X2)
    rows = told.columns.set_index("feature")
    assert rows.loc["gap", "outside"] == pytest.approx(0.05, abs=0.012)
    assert rows.loc["channel", "outside"] == 0.1
    assert set(rows.query("verdict != 'stable'").index) == {"gap", "channel"}
    assert told.retrain == "watch"
    assert any("10.0% of values were never seen before" in r for r in told.reasons)
    assert "kiosk" not in str(told) + told._repr_html_()


def test_levels_that_are_all_rare_are_not_news() -> None:
    before, after = (pd.Series([f"{seed}-{i}" for i in range(300)]) for seed in (1, 2))
    assert shift(before, after).outside.value == 1.0
    assert shift(before, after).verdict(0.05) == "stable"


def test_missing_values_that_appear_are_seen() -> None:
    X, X2 = world(600, 0)[0], world(600, 1)[0]
    X2.loc[:299, "orders"] = np.nan
    assert drift(X, X2).columns.set_index("feature").loc["orders", "verdict"] == "moved"


# promises


def test_row_order_changes_no_bit() -> None:
    (X, p, y), (X2, p2, y2) = world(300, 0), world(300, 1)
    order = np.random.default_rng(0).permutation(300)
    one = drift(X, X2, score_before=p, score_after=p2, y_before=y, y_after=y2)
    two = drift(X.iloc[order], X2, score_before=p[order], score_after=p2, y_before=y[order], y_after=y2)
    assert one.columns.equals(two.columns)
    assert one.figures.equals(two.figures)


def test_scores_and_labels_in_another_order_find_their_rows() -> None:
    (X, p, y), (X2, p2, y2) = world(300, 0), world(300, 1)
    rows = pd.MultiIndex.from_product(
        [[f"person-{i}" for i in range(300)], ["2024-01-01"]], names=["customer_id", "at"]
    )
    one = drift(X, X2, score_before=p, score_after=p2, y_before=y, y_after=y2)
    away = np.random.default_rng(0).permutation(300)
    moved = {"score_before": p, "score_after": p2, "y_before": y, "y_after": y2}
    given: Any = {name: pd.Series(told, index=rows).iloc[away] for name, told in moved.items()}
    two = drift(X.set_axis(rows), X2.set_axis(rows), **given)
    three = drift(X.set_axis(rows.droplevel("at")), X2.set_axis(rows.droplevel("at")), **given)
    assert one.figures.equals(two.figures)
    assert one.columns.equals(two.columns)
    assert one.figures.equals(three.figures)
    with pytest.raises(DataContractError, match="y_after has another index than the rows") as caught:
        drift(X, X2.set_axis(rows).iloc[:299], score_after=p2[:299], y_after=given["y_after"])
    assert "person" not in str(caught.value)
    with pytest.raises(DataContractError, match=r"score_after has an index of 1 level\(s\), its table one of 2"):
        drift(X, X2.set_axis(rows), score_after=given["score_after"].droplevel("at"))


def test_rows_of_one_customer_at_several_instants_keep_their_order() -> None:
    (X, p, y), (X2, _, _) = world(300, 0), world(300, 1)
    rows = pd.MultiIndex.from_product([range(150), ["2024-01-01", "2024-02-01"]], names=["customer_id", "at"])
    one = drift(X, X2, score_after=p, y_after=y)
    two = drift(X, X2.set_axis(rows.droplevel("at")), score_after=p, y_after=pd.Series(y, index=rows))
    assert one.figures.equals(two.figures)


def test_tables_of_polars_are_read() -> None:
    (X, p, y), (X2, p2, y2) = world(300, 0), world(300, 1)
    one = drift(X, X2, score_before=p, score_after=p2, y_before=y, y_after=y2)
    frames = [pl.from_pandas(frame) for frame in (X, X2)]
    columns = [pl.Series(told) for told in (p, p2, y > 0, y2 > 0)]
    two = drift(*frames, score_before=columns[0], score_after=columns[1], y_before=columns[2], y_after=columns[3])
    assert one.columns.equals(two.columns)
    assert one.figures.equals(two.figures)
    with pytest.raises(DataTypeError, match="A period cannot be a ndarray"):
        drift(X.to_numpy(), X2)


def test_results_show_themselves() -> None:
    told = compared(200, 4)
    assert repr(told) == f"Drift(retrain={told.retrain!r}, columns=8, n=200 and 200)"
    assert str(told).startswith("Retrain? ")
    assert "<h5>figures</h5>" in told._repr_html_()
    assert told.to_frame().equals(told.columns)
    assert told.figures["figure"].tolist() == ["auc", "calibration in the large", "calibration slope"]
    assert compared(200, 4, labels=False).figures.empty


def test_a_perfect_list_has_no_slope() -> None:
    y = np.repeat([0.0, 1.0], 20)
    told = judged(y, np.where(y > 0, 0.9, 0.2), "after")
    assert told["auc"].value == 1.0
    assert np.isnan(told["calibration slope"].value)


def test_what_cannot_be_compared_is_refused() -> None:
    X, p, y = world(50, 0)
    with pytest.raises(DataContractError, match="lacks columns: town, gap"):
        drift(X, X.drop(columns=["town", "gap"]))
    with pytest.raises(DataContractError, match="50 and 0 rows"):
        drift(X, X.iloc[:0])
    with pytest.raises(DataContractError, match="'orders' holds numbers in one period"):
        drift(X, X.assign(orders="many"))
    with pytest.raises(DataContractError, match="Columns of dates: recency"):
        drift(X, X.assign(recency=pd.Timestamp("2024-01-01")))
    with pytest.raises(DataContractError, match="y_after comes without score_after"):
        drift(X, X, y_after=y)
    with pytest.raises(DataContractError, match="score_before has 49 values for 50 rows"):
        drift(X, X, score_before=p[:49], score_after=p)
    with pytest.raises(DataContractError, match="same name twice"):
        drift(X.rename(columns={"gap": "town"}), X)
