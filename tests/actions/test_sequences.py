"""Limits that hold for every sample size, and however often one looks."""

import numpy as np
import pytest

from crmintel.actions.proof.sequences import any_time, confidence_sequence, empirical_bernstein, off_policy_sequence
from crmintel.errors import DataContractError


def test_the_lower_limit_by_hand():
    found = empirical_bernstein([0.0, 1.0, 1.0, 0.0], upper=2, level=0.9)
    # Variance 1/3, ln(2 / 0.1) = 2.9957.
    assert found.low == pytest.approx(0.5 - np.sqrt(2 / 3 * 2.995732 / 4) - 14 * 2.995732 / 9, abs=1e-6)
    assert found.high == np.inf


def test_the_lower_limit_of_rare_large_weights_holds():
    rng = np.random.default_rng(0)
    draws = 100.0 * (rng.random((400, 2_000)) < 0.01)
    assert np.mean([empirical_bernstein(x, upper=100).low <= 1 for x in draws]) >= 0.95


def test_values_outside_are_refused():
    with pytest.raises(DataContractError, match="largest possible"):
        empirical_bernstein([0.0, 3.0], upper=2)
    with pytest.raises(DataContractError, match="outside bounds"):
        off_policy_sequence([1, 1], [0, 2], bounds=(0, 1))
    with pytest.raises(DataContractError, match="level is 95"):
        confidence_sequence([1.0, 2.0], level=95)


def test_the_sequence_is_the_plain_formula_at_every_round():
    x = np.random.default_rng(0).exponential(size=300) + 5
    found = confidence_sequence(x, level=0.9, focus=200, start=50)
    rho = (-2 * np.log(0.1) + np.log(1 - 2 * np.log(0.1))) / 200
    for t in (50, 51, 200, 300):
        wide = np.sqrt(2 * (t * rho + 1) / (t**2 * rho) * np.log(np.sqrt(t * rho + 1) / 0.1))
        row = found.iloc[t - 1]
        assert row["mean"] == pytest.approx(x[:t].mean())
        assert row["high"] - row["mean"] == pytest.approx(x[:t].std() * wide)
    assert np.isinf(found["low"][:49]).all()


def test_looking_always_costs_less_than_twice_the_width():
    assert 1.96 < any_time(1_000, 1_000, 0.05) < 2 * 1.96
    at = [float(any_time(1_000, focus, 0.05)) for focus in (10, 1_000, 100_000)]
    assert at[1] < min(at[0], at[2])


def test_the_exact_sequence_is_the_plain_loop_of_bets():
    rng = np.random.default_rng(3)
    w, y = rng.exponential(size=60), rng.random(60)
    found = off_policy_sequence(w, 2 * y - 1, bounds=(-1, 1), level=0.9)
    ends = []
    for x in (w * y, w * (1 - y)):
        past, squares, money, price, bets = [], [], 0.0, 0.0, 0.0
        for t in range(60):
            guess = min((0.5 + sum(past)) / (t + 1), 1)
            spread = (0.25 + sum(squares)) / (t + 1)
            bet = min(np.sqrt(2 * np.log(20) / (spread * 60)), 0.5)
            money, bets = money + bet * x[t], bets + bet
            price += (-np.log(1 - bet) - bet) * (x[t] - guess) ** 2
            past.append(x[t])
            squares.append((x[t] - guess) ** 2)
        ends.append((money - np.log(20) - price) / bets)
    assert found["low"].iloc[-1] == pytest.approx(max(2 * ends[0] - 1, -1))
    assert found["high"].iloc[-1] == pytest.approx(min(2 * (1 - ends[1]) - 1, 1))


@pytest.mark.slow
def test_an_exact_sequence_survives_a_logging_policy_that_learns():
    misses = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        p, w, y, got = 0.5, np.zeros(400), np.zeros(400), np.ones((2, 2))
        for t in range(400):
            act = rng.random() < p
            y[t] = rng.random() < (0.5 if act else 0.4)
            w[t] = 1 / p if act else 0.0
            got[int(act)] += (y[t], 1)
            p = 0.8 if got[1, 0] / got[1, 1] > got[0, 0] / got[0, 1] else 0.1
        path = off_policy_sequence(w, y, bounds=(0, 1))
        misses += bool(((path["low"] > 0.5) | (path["high"] < 0.5)).any())
    assert misses <= 10


@pytest.mark.parametrize("kind", ["money", "clicks"])
def test_a_sequence_misses_rarely_over_its_whole_path(kind):
    misses = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x = rng.exponential(size=2_000) if kind == "money" else 1.0 * (rng.random(2_000) < 0.3)
        path = confidence_sequence(x)
        misses += bool(
            ((path["low"] > (1 if kind == "money" else 0.3)) | (path["high"] < (1 if kind == "money" else 0.3))).any()
        )
    assert misses <= 10
