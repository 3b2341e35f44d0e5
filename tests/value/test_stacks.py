"""Stacks: weights that are never negative, gradients that are right, totals that hold."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from crmintel.value import stacks


def world(seed: int = 0, n: int = 2_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The logarithm of the truth, noise, and counts."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(-0.5, 1.0, n)
    return truth, rng.normal(size=n), rng.poisson(np.exp(truth)).astype(float)


def test_a_total_is_divided() -> None:
    part = stacks.spread_over(np.log([1.0, 3.0]), 8.0)
    assert part == pytest.approx([2.0, 6.0])


@pytest.mark.parametrize("stack", ["counts", "money", "bought"])
def test_the_member_that_knows_gets_the_weight(stack: str) -> None:
    truth, noise, y = world()
    Z = np.column_stack([noise, truth])
    if stack == "counts":
        w = stacks.stack_counts([Z], [y], [y.sum()])
    elif stack == "money":
        w = stacks.stack_money([Z], [y * 10], np.zeros(2))
    else:
        rng = np.random.default_rng(1)
        w = stacks.stack_bought(Z, (rng.random(len(truth)) < 1 / (1 + np.exp(-truth))).astype(float), np.zeros(2))
    assert (w >= 0).all()
    assert w[1] > 0.7
    assert w[0] < 0.1


@pytest.mark.parametrize("stack", ["counts", "money", "bought"])
def test_gradients_are_those_of_the_loss(stack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {}

    def remember(loss, start, free):  # type: ignore[no-untyped-def]
        kept["loss"], kept["n"] = loss, len(start)
        return np.zeros(len(start))

    monkeypatch.setattr(stacks, "_least", remember)
    truth, noise, y = world(n=300)
    Z = np.column_stack([truth + 0.3 * noise, truth - 0.2 * noise])
    if stack == "counts":
        stacks.stack_counts([Z, Z[:100]], [y, y[:100]], [200.0, 90.0])
    elif stack == "money":
        stacks.stack_money([Z, Z[:100]], [y * 3, y[:100]], np.array([0.3, 0.4]))
    else:
        stacks.stack_bought(Z, (y > 0).astype(float), np.array([0.1, 0.2]))
    at = np.array([0.4, 0.7, 0.1])[: kept["n"]]
    numeric = approx_fprime(at, lambda v: kept["loss"](v)[0], 1e-7)
    assert kept["loss"](at)[1] == pytest.approx(numeric, abs=2e-6)


def test_each_instant_counts_alike_whatever_its_size() -> None:
    truth, noise, y = world(n=1_000)
    other = np.random.default_rng(5).poisson(np.exp(noise)).astype(float)
    Z = np.column_stack([truth, noise])
    small = stacks.stack_money([Z, Z[:200]], [y, other[:200]], np.zeros(2))
    large = stacks.stack_money([Z, np.tile(Z[:200], (5, 1))], [y, np.tile(other[:200], 5)], np.zeros(2))
    assert small == pytest.approx(large, abs=1e-4)


def test_where_all_buy_alike_nothing_is_divided_by_nothing() -> None:
    truth, noise, _ = world(n=60)
    w = stacks.stack_counts([np.column_stack([truth, noise])], [np.full(60, 2.0)], [120.0])
    assert np.isfinite(w).all()
    assert (w < 0.1).all()  # whoever tells customers apart is wrong


@pytest.mark.parametrize("level", [-3.0, 3.0])
def test_what_all_members_have_too_much_of_changes_no_weight(level: float) -> None:
    truth, noise, y = world(n=500)
    Z, none = np.column_stack([truth, noise]), np.zeros(2)
    a, b = (stacks.stack_money([z], [y], none) for z in (Z, Z + level))
    assert a == pytest.approx(b, abs=2e-3)
    bought = (y > 0).astype(float)
    a, b = (stacks.stack_bought(z, bought, none) for z in (Z, Z + level))
    assert a == pytest.approx(b, abs=2e-3)
