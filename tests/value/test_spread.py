"""Intervals: they cover what they say, for customers and for segments, and carry the drift of levels."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import gamma

from crmintel.value.spread import LEAST_DRIFT, SIDE, Cells, Seen, Spread, _Shape


def draw(n: int, seed: int, level: float = 1.0, nothing: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """Forecasts, and what happened: nothing for some, a gamma amount for the others; the forecast is right on average."""
    rng = np.random.default_rng(seed)
    forecast = np.exp(rng.normal(3.0, 1.0, n))
    return forecast, level * forecast / (1 - nothing) * rng.gamma(2.0, 0.5, n) * (rng.random(n) >= nothing)


def seen(n: int = 6_000, levels: tuple[float, ...] = (1.0, 1.0, 1.0), nothing: float = 0.4) -> list[Seen]:
    """Three instants, with cells that mean nothing."""
    out = []
    for i, level in enumerate(levels):
        forecast, actual = draw(n, i, level, nothing)
        out.append(Seen(forecast, actual, np.arange(n) % SIDE**2, 100 // 2**i))
    return out


@pytest.mark.parametrize("nothing", [0.0, 0.05, 0.4, 0.7])
@pytest.mark.parametrize("coverage", [0.6, 0.8, 0.9])
def test_customers_are_covered_as_said(nothing: float, coverage: float) -> None:
    later, actual = draw(20_000, 9, nothing=nothing)
    low, high = Spread.learned(seen(nothing=nothing), later, 100, coverage).interval(later)
    inside = ((actual >= low) & (actual <= high)).mean()
    assert (low <= later).all()
    assert (later <= high).all()
    # where nothing alone is more than was asked for, the interval still holds the forecast, and what lies below it
    assert inside == pytest.approx(max(coverage, nothing), abs=0.05 if nothing > coverage else 0.03)


def test_where_most_have_nothing_the_others_make_room() -> None:
    """Half of the customers have nothing nine times of ten: an interval from 0 to 0 covers more than it needs."""

    def world(seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        idle = np.arange(10_000) % 2 == 0
        forecast = np.where(idle, 0.1, 10.0) * np.exp(rng.normal(0, 0.1, 10_000))
        return forecast, forecast * rng.gamma(2.0, 0.5, 10_000) * np.where(idle, (rng.random(10_000) < 0.1) * 10.0, 1.0)

    past = [Seen(*world(i), np.arange(10_000) % 25, 100) for i in range(3)]
    later, actual = world(7)
    low, high = Spread.learned(past, later, 100, 0.8).interval(later)
    inside = (actual >= low) & (actual <= high)
    assert inside.mean() == pytest.approx(0.8, abs=0.02)
    assert inside[later < 1].mean() > 0.85


@pytest.mark.slow
def test_totals_are_covered_when_levels_drift() -> None:
    """Over many worlds whose level errors are drawn alike at inner instants and later, 80 % of totals lie inside."""
    rng = np.random.default_rng(3)
    inside = {1: [], 200: []}
    for _ in range(100):
        errors = np.exp(rng.normal(0, 0.15, 4))
        past = [Seen(*draw(400, int(rng.integers(1 << 30)), e), np.arange(400) % 25, 100) for e in errors[:3]]
        later, actual = draw(400, int(rng.integers(1 << 30)), errors[3])
        spread = Spread.learned(past, later, 100, 0.8)
        for size, found in inside.items():
            segment = np.arange(400) // (400 // (2 if size == 200 else 1))
            low, high = spread.totals(later, np.arange(400) % 25, segment, segment.max() + 1)
            total = np.bincount(segment, actual)
            found.extend((low <= total) & (total <= high))
    for found in inside.values():
        assert 0.72 < np.mean(found) < 0.9


def test_a_longer_horizon_may_drift_further() -> None:
    later, _ = draw(1_000, 9)
    near, far = (Spread.learned(seen(levels=(1.2, 0.9, 1.1)), later, h, 0.8) for h in (100, 400))
    assert far.level == pytest.approx(2 * near.level)
    assert far.drift == pytest.approx(4 * near.drift)  # a variance
    ends = [s.totals(later, np.zeros(1_000, int), np.zeros(1_000, int), 1) for s in (near, far)]
    assert ends[1][0] < ends[0][0] < later.sum() < ends[0][1] < ends[1][1]


def test_cells_that_go_astray_together_widen_the_totals_of_segments() -> None:
    """One instant after the other, cells buy half as much or twice as much as was expected."""
    still, astray = seen(), []
    for i, s in enumerate(still):
        factor = np.exp(np.random.default_rng(i).choice([-0.5, 0.5], SIDE**2))
        actual = s.actual * factor[s.cell]
        astray.append(Seen(s.forecast, actual * s.actual.sum() / actual.sum(), s.cell, s.horizon))
    later, _ = draw(5_000, 9)
    calm, wild = (Spread.learned(past, later, 100, 0.8) for past in (still, astray))
    assert calm.drift < 0.02
    assert wild.drift > 0.1
    cell = np.arange(5_000) % SIDE**2
    (a, b), (c, d) = (s.totals(later, cell, cell, SIDE**2) for s in (calm, wild))
    assert ((d - c) > 1.3 * (b - a)).all()


def test_a_segment_that_is_most_likely_silent_ends_at_nothing() -> None:
    past = seen(nothing=0.95)
    later, _ = draw(1_000, 9)
    low, high = Spread.learned(past, later, 100, 0.8).totals(later[:2], np.zeros(2, int), np.array([0, 1]), 2)
    assert low.tolist() == [0.0, 0.0]
    assert (high == later[:2]).all()  # nothing would do, but the forecast itself is always inside


def test_cells_are_quintiles_of_silence_and_of_repeats_and_kept() -> None:
    table = pd.DataFrame({"since": np.arange(100.0), "repeats": np.tile([0.0, 1.0, 2.0, 3.0, 4.0], 20)})
    cells = Cells.of(table)
    assert np.bincount(cells(table), minlength=25).tolist() == [4] * 25
    assert cells(table.iloc[[99, 4, 95]]).tolist() == [24, 4, 20]  # silence down, repeats across


def test_many_equal_forecasts_leave_no_bin_empty() -> None:
    """A third of all customers have the least forecast there is: nothing lies below it."""
    forecast, actual = draw(900, 1)
    forecast[:300] = forecast.min()
    spread = Spread.learned([Seen(forecast, actual, np.zeros(900, int), 100)], forecast, 100, 0.8)
    assert np.bincount(spread.bins(forecast), minlength=len(spread.low)).min() > 0
    low, high = spread.interval(forecast)
    assert np.isfinite(low).all()
    assert ((actual >= low) & (actual <= high)).mean() == pytest.approx(0.8, abs=0.04)


def test_the_unit_of_money_does_not_matter() -> None:
    forecast, actual = draw(900, 1, level=1.3)
    cell = np.zeros(900, int)
    plain, tiny = (
        Spread.learned([Seen(forecast * k, actual * k, cell, 100)], forecast * k, 100, 0.8) for k in (1, 1e-7)
    )
    assert tiny.level == pytest.approx(plain.level)
    assert tiny.high == pytest.approx(plain.high)


def test_an_error_of_the_total_is_no_error_of_its_parts() -> None:
    """Everybody bought half more than was expected: that is the level, and neither drift nor shape."""
    spread = Spread.learned(seen(levels=(1.5, 0.6, 1.3)), draw(500, 9)[0], 100, 0.8)
    assert spread.drift < 4 * LEAST_DRIFT**2
    assert spread.mean == pytest.approx(1.0, abs=0.12)
    assert spread.mean.mean() == pytest.approx(1.0, abs=0.03)


def test_ends_of_totals_are_quantiles_with_equal_tails() -> None:
    """One bin, no drift, next to no level: a sum of two customers is a gamma of their mean and variance."""
    one = np.ones(1)
    spread = Spread(np.zeros(0), 0 * one, 9 * one, 1e-9 * one, 1.1 * one, 0.3 * one, 0.0, 1e-9, 1e3, 0.8)
    told = np.array([4.0, 6.0])
    (low,), (high,) = spread.totals(told, np.zeros(2, int), np.zeros(2, int), 1)
    mean, variance = 11.0, 0.3 * (16 + 36)
    ends = gamma.ppf([0.1, 0.9], mean**2 / variance, scale=variance / mean)
    assert [low, high] == pytest.approx(ends, rel=0.02)


def test_drift_is_of_whole_cells() -> None:
    """Two customers of one cell go astray together, those of two cells apart."""
    one = np.ones(1)
    spread = Spread(np.zeros(0), 0 * one, 9 * one, 1e-9 * one, one, 0.0 * one, 0.04, 1e-9, 1e3, 0.8)
    told = np.array([10.0, 10.0])
    for cell, variance in ((np.array([3, 3]), 0.04 * 400), (np.array([3, 4]), 0.04 * 200)):
        (low,), (high,) = spread.totals(told, cell, np.zeros(2, int), 1)
        ends = gamma.ppf([0.1, 0.9], 400 / variance, scale=variance / 20)
        assert [low, high] == pytest.approx(ends, rel=0.02)


def test_what_a_shape_holds_by_pencil() -> None:
    """Nothing, and once, twice and three times what was expected; a fifth customer may do anything."""
    shape = _Shape.of(np.array([0.0, 1.0, 2.0, 3.0]), np.ones(1))
    assert shape.held(0.0, 3.0) == pytest.approx(4 / 5)
    assert shape.held(1.0, 2.0) == pytest.approx(2 / 5)
    assert shape.interval(0.5) == (0.0, 2.0)  # nothing alone is more than a tail
