"""Customer value: totals that are right, intervals that cover, bad tables refused."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

from crmintel.errors import DataContractError
from crmintel.value import LifetimeValue


def table(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Half the customers spend nothing, the others a gamma amount around a known mean."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=list("abc"), index=pd.Index(range(n), name="customer_id"))
    mean = np.exp(1 + 0.8 * X["a"].to_numpy())
    return X, np.where(rng.random(n) < 0.5, 0.0, mean * rng.gamma(2.0, 1.0, n))


def test_the_total_is_right_on_customers_never_seen() -> None:
    X, y = table(6000, 0)
    new, later = table(20_000, 1)
    predicted = LifetimeValue().fit(X, y).predict(new)
    assert predicted.sum() == pytest.approx(later.sum(), rel=0.05)
    assert pd.Series(predicted).corr(pd.Series(new["a"].to_numpy()), method="spearman") > 0.95


@pytest.mark.parametrize("level", [0.6, 0.8, 0.9])
def test_the_interval_covers_as_promised(level: float) -> None:
    X, y = table(8000, 2)
    new, later = table(20_000, 3)
    told = LifetimeValue(level=level).fit(X, y).predict_interval(new)
    inside = ((later >= told["value_low"]) & (later <= told["value_high"])).mean()
    # Half of the customers spend nothing, so the lower end is 0 and covers its whole tail.
    assert inside == pytest.approx((1 + level) / 2 if (told["value_low"] == 0).all() else level, abs=0.03)
    assert (told["value_low"] <= told["value"]).all()
    assert (told["value"] <= told["value_high"]).all()


def test_shuffled_rows_and_threads_give_the_same_bits() -> None:
    X, y = table(1000, 4)
    order = np.random.default_rng(5).permutation(len(X))
    first = LifetimeValue(threads=1).fit(X, y).predict(X)
    again = LifetimeValue(threads=2).fit(X.iloc[order], y[order]).predict(X)
    assert first.tobytes() == again.tobytes()


def test_one_customer_is_told_as_in_the_batch_and_columns_are_found_by_name() -> None:
    X, y = table(1000, 6)
    model = LifetimeValue().fit(X, y)
    batch = model.predict(X)
    assert batch[:20].tobytes() == np.concatenate([model.predict(X.iloc[[i]]) for i in range(20)]).tobytes()
    assert batch.tobytes() == model.predict(X[["c", "a", "b"]]).tobytes()


def test_nobody_spent_anything() -> None:
    X, _ = table(100, 0)
    with pytest.raises(DataContractError, match="None of 100 rows spent anything"):
        LifetimeValue().fit(X, np.zeros(100))


@pytest.mark.parametrize("level", [0.0, 1.0, 1.5])
def test_level_is_a_share(level: float) -> None:
    with pytest.raises(DataContractError, match="level"):
        LifetimeValue(level=level).fit(*table(100, 0))


def test_row_111_missing_features_are_named() -> None:
    X, y = table(300, 0)
    with pytest.raises(DataContractError, match="Missing features: b, c"):
        LifetimeValue().fit(X, y).predict(X[["a"]])


def test_row_110_predict_before_fit() -> None:
    with pytest.raises(NotFittedError):
        LifetimeValue().predict(table(10, 0)[0])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_check_estimator() -> None:
    expected = {
        "check_dataframe_column_names_consistency": "shuffled columns are put into order instead of refused (BAD_INPUTS row 9)",
    }
    check_estimator(LifetimeValue(threads=1), expected_failed_checks=expected)
