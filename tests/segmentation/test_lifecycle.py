"""Stages by each customer's own rhythm: planted worlds, and what return rates say of them."""

import numpy as np
import pandas as pd
import pytest

from crmintel import InteractionLog
from crmintel.errors import DataContractError, DataContractWarning, DataTypeError
from crmintel.segmentation import lifecycle_stage, return_rates
from crmintel.segmentation.lifecycle import Rhythm

START = pd.Timestamp("2023-01-01")


def world(
    days: int, *, gap: float = 10, n: int = 800, spread: float = 0.0, change: tuple[int, float] | None = None
) -> InteractionLog:
    """Customers who buy at random with a gap of their own; in the last days the rate may change by a factor. Nobody leaves."""
    rng, rows = np.random.default_rng(0), []
    for customer in range(n):
        own = gap * np.exp(rng.normal(0, spread))
        t = rng.uniform(0, own)
        while t < days:
            rows.append((customer, t))
            late = change is not None and t > days - change[0]
            t += rng.exponential(own / (change[1] if change is not None and late else 1.0))
    frame = pd.DataFrame(rows, columns=["customer_id", "timestamp"])
    frame["timestamp"] = (START + pd.to_timedelta(frame["timestamp"] * 86_400_000_000, unit="us")).astype(
        "datetime64[us]"
    )
    return InteractionLog.read(frame, quiet=True)


def stages(log: InteractionLog, days: int) -> pd.Series:
    return lifecycle_stage(log, at=START + pd.Timedelta(days=days))["stage"].value_counts(normalize=True)


def test_a_planted_decline_and_a_planted_growth_are_seen() -> None:
    usual, slower, faster = (stages(world(300, change=c), 300) for c in (None, (120, 1 / 3), (120, 3.0)))
    awake = ["regular", "loyal", "declining", "growing"]
    assert slower["declining"] / slower.reindex(awake).sum() > 0.35
    assert faster["growing"] / faster.reindex(awake).sum() > 0.5
    assert usual.get("declining", 0) < 0.03
    assert usual.get("growing", 0) < 0.03


def test_where_nobody_leaves_few_are_lost_and_silences_end() -> None:
    log = world(1_000, gap=30, spread=0.5)
    assert stages(log, 1_000)["lost"] < 0.04
    assert (return_rates(log, at=START + pd.Timedelta(days=1_000))["rate"] > 0.9).all()


def test_a_customer_who_came_back_is_reactivated_though_a_little_late_again() -> None:
    steady = [(c, d) for c in range(1, 30) for d in range(0, 400, 10)]
    back = [(0, d) for d in (*range(0, 100, 10), 380)]
    frame = pd.DataFrame([*steady, *back], columns=["customer_id", "timestamp"])
    frame["timestamp"] = (START + pd.to_timedelta(frame["timestamp"], unit="D")).astype("datetime64[us]")
    told = lifecycle_stage(InteractionLog.read(frame, quiet=True), at=START + pd.Timedelta(days=400)).loc[0]
    assert 0.5 < told["silence"] < 2
    assert told["stage"] == "reactivated"


def test_the_own_gap_by_hand() -> None:
    rhythm = Rhythm(usual=20.0, pull=2.0)
    told = rhythm.own(np.array([np.nan, 10.0, 10.0]), np.array([0.0, 2.0, 1e9]))
    assert told == pytest.approx([20.0, np.sqrt(200.0), 10.0])


def test_equal_gaps_of_everybody_pull_hard_and_different_ones_little() -> None:
    n = np.full(200, 8.0)
    rng = np.random.default_rng(0)
    alike, unlike = (
        np.exp(rng.normal(3, s, 200)) for s in (0.36, 2.0)
    )  # .36 is what chance gives eight exponential gaps
    assert Rhythm.of(alike, alike, n).pull > 5 * Rhythm.of(unlike, unlike, n).pull


@pytest.mark.parametrize("late", [(4, 2, 1), (0, 1, 2), (1, 2), (-1, 2, 3)])
def test_multiples_must_rise(late: tuple[float, float, float]) -> None:
    with pytest.raises(DataContractError, match="three rising numbers above 0"):
        lifecycle_stage(world(60, n=20), at=START + pd.Timedelta(days=60), late=late)


def test_a_log_that_ends_early_is_said_and_row_17_a_frame_is_no_log() -> None:
    log = world(60, n=20)
    with pytest.warns(DataContractWarning, match=r"The log ends \d+ days before the instant"):
        lifecycle_stage(log, at=START + pd.Timedelta(days=160))
    with pytest.raises(DataTypeError, match="Read it first"):
        lifecycle_stage(log.to_pandas(), at=START + pd.Timedelta(days=60))  # type: ignore[arg-type]
