"""The ridge: scikit-learn's answer, rows left out without refitting, and a strength that fits the data."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from crmintel.churn.ridge import GRID, _left_out, _newton, ridge


def world(n: int, columns: int, strength: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose first two columns tell, and others that do not."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, columns))
    return z, (rng.random(n) < expit(strength * (z[:, 0] - z[:, 1]) - 0.5)).astype(np.int64)


@pytest.mark.parametrize("C", [10.0, 0.3, 0.001])
def test_the_weights_are_those_of_scikit_learn(C: float) -> None:
    z, y = world(400, 6, 1.0)
    weight = np.random.default_rng(1).uniform(0.2, 3, 400)
    peer = LogisticRegression(C=C, tol=1e-12, max_iter=5_000).fit(z, y, weight)
    found = ridge(z, y, weight, C=C)
    assert found.weights == pytest.approx(peer.coef_[0], abs=1e-5)
    assert found.constant == pytest.approx(peer.intercept_[0], abs=1e-5)


def test_columns_that_tell_everything_come_to_an_end() -> None:
    z = np.linspace(-1, 1, 50)[:, None]
    found = ridge(z, (z[:, 0] > 0).astype(np.int64), C=100.0)
    assert np.isfinite(found.weights).all()
    assert found.weights[0] > 5


def test_rows_left_out_are_told_nearly_as_by_refitting() -> None:
    z, y = world(80, 5, 1.0)
    design, of, C = np.column_stack([z, np.ones(80)]), np.ones(80), 0.1
    full = _newton(design, y, of, C, np.zeros(6))
    refitted, own = 0.0, 0.0
    for i in range(80):
        rest = np.arange(80) != i
        at = _newton(design[rest], y[rest], of[rest], C, full)
        s = design[i] @ at
        refitted += np.logaddexp(0, s) - y[i] * s
        s = design[i] @ full
        own += np.logaddexp(0, s) - y[i] * s
    told = _left_out(design, y, of, C, full)
    assert told == pytest.approx(refitted, rel=0.005)
    assert refitted - own > 20 * abs(told - refitted)


def test_noise_asks_for_a_stronger_ridge_than_signal() -> None:
    loud, quiet = ridge(*world(2_000, 5, 1.5)).C, ridge(*world(300, 100, 0.1)).C
    assert loud == GRID[0]
    assert quiet < GRID[1]


def test_the_chosen_ridge_is_about_the_best_on_new_rows() -> None:
    z, y = world(400, 80, 0.5)
    new, later = world(20_000, 80, 0.5, seed=5)

    def lost(C: float | None) -> float:
        found = ridge(z, y, C=C)
        s = new @ found.weights + found.constant
        return float(np.mean(np.logaddexp(0, s) - later * s))

    assert lost(None) < min(lost(C) for C in GRID) + 0.01
    assert lost(None) < lost(GRID[0]) - 0.01
