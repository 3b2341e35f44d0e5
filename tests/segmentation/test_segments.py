"""Segments, tiers and stages: answers a pencil can check, then the laws they keep."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmintel import InteractionLog, Policies
from crmintel.datasets import simulate
from crmintel.errors import DataContractError
from crmintel.segmentation import RFM, STAGES, ValueTiers, lifecycle_stage
from crmintel.segmentation.types import NAMES

pytestmark = pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")

AT = "2024-03-01"


def log_of(*rows: tuple[int, str, float]) -> InteractionLog:
    frame = pd.DataFrame(rows, columns=["customer_id", "timestamp", "amount"])
    return InteractionLog.read(frame.astype({"timestamp": "datetime64[us]"}), policies=Policies())


@pytest.fixture(scope="module")
def simulated() -> InteractionLog:
    return simulate(600, days=500, seed=3).log()


FIVE = [
    (c, f"2024-02-{d:02d}", a) for c, d, a in [(1, 1, 10.0), (2, 8, 20.0), (3, 15, 30.0), (4, 22, 40.0), (5, 29, 50.0)]
]


def test_five_customers_get_five_scores() -> None:
    table = RFM().fit(log_of(*FIVE), at=AT).segments()
    assert table["r"].tolist() == [1, 2, 3, 4, 5]
    assert table["m"].tolist() == [1, 2, 3, 4, 5]
    assert table["f"].tolist() == [1, 1, 1, 1, 1]


def test_every_cell_of_the_grid_has_one_name() -> None:
    assert set(NAMES) == {(r, f) for r in range(1, 6) for f in range(1, 6)}


def test_a_newcomer_is_scored_by_the_cuts_that_were_learned() -> None:
    model = RFM().fit(log_of(*FIVE), at=AT)
    scored = model.score(log_of((9, "2024-02-29", 1000.0)), at=AT)
    assert scored[["r", "f", "m"]].to_numpy().tolist() == [[5, 1, 5]]


def test_a_customer_who_only_returned_is_a_prospect() -> None:
    table = RFM().fit(log_of(*FIVE, (6, "2024-02-03", -5.0)), at=AT).segments()
    assert table.loc[6, ["r", "f", "m"]].tolist() == [0, 0, 0]
    assert table.loc[6, "segment"] == "prospects"


def test_row_74_equal_values_get_equal_scores_and_row_order_is_irrelevant(simulated: InteractionLog) -> None:
    table = RFM().fit(simulated, at=simulated.end).segments()
    bought = table[table["frequency"] > 0]
    for value, score in (("recency_days", "r"), ("frequency", "f"), ("monetary", "m")):
        assert (bought.groupby(value)[score].nunique() == 1).all()
    shuffled = InteractionLog.read(simulated.to_pandas().sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(RFM().fit(shuffled, at=shuffled.end).segments(), table)


def test_row_73_equal_amounts_give_one_score_and_no_missing() -> None:
    table = RFM().fit(log_of(*[(c, d, 7.0) for c, d, _ in FIVE]), at=AT).segments()
    assert table["m"].nunique() == 1
    assert table.notna().all().all()


def test_row_14_one_customer_makes_no_segments() -> None:
    with pytest.raises(DataContractError, match=r"1 customers bought .* at least 2"):
        RFM().fit(log_of((1, "2024-02-01", 5.0), (1, "2024-02-02", 5.0)), at=AT)


def test_tiers_by_hand() -> None:
    log = log_of((1, "2024-02-01", 80.0), (2, "2024-02-01", 15.0), (3, "2024-02-01", 5.0), (4, "2024-02-01", 0.0))
    tiers = ValueTiers().fit(log, at=AT)
    assert tiers.tiers()["tier"].tolist() == ["A", "B", "C", "Z"]
    assert tiers.summary()["cents"].tolist() == [8000, 1500, 500, 0]


def test_tier_totals_add_up_to_the_cent(simulated: InteractionLog) -> None:
    tiers = ValueTiers().fit(simulated, at="2100-01-01")
    cents = np.rint(simulated.to_pandas().query("kind in ('purchase', 'return')")["amount"] * 100).sum()
    assert int(tiers.summary()["cents"].sum()) == int(cents)
    assert tiers.summary()["customers"].sum() == len(simulated.customers)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=2, max_size=30))
def test_a_richer_customer_is_never_in_a_lower_tier(money: list[int]) -> None:
    log = log_of(*[(i + 1, "2024-02-01", float(m)) for i, m in enumerate(money)])
    tiers = ValueTiers().fit(log, at=AT).tiers().sort_values("contribution", ascending=False)
    assert tiers["tier"].tolist() == sorted(tiers["tier"])


def test_tiers_need_amounts() -> None:
    frame = pd.DataFrame({"customer_id": [1, 2], "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02"])})
    with pytest.raises(DataContractError, match="need amounts"):
        ValueTiers().fit(InteractionLog.read(frame), at=AT)


def visits(customer: int, start: str, gap: int, number: int) -> list[tuple[int, str, float]]:
    days = pd.date_range(start, periods=number, freq=pd.Timedelta(days=gap))
    return [(customer, str(d), 1.0) for d in days]


def test_stages_follow_each_customer_s_own_rhythm() -> None:
    weekly, monthly = visits(1, "2023-01-01", 7, 50), visits(2, "2023-01-01", 30, 14)
    rest = [v for c in range(3, 40) for v in visits(c, "2023-01-01", 15, 20)]
    at = pd.Timestamp(weekly[-1][1]) + pd.Timedelta(days=40)  # six weekly gaps, about one monthly gap
    late_monthly = [v for v in monthly if pd.Timestamp(v[1]) < at]
    table = lifecycle_stage(log_of(*weekly, *late_monthly, *rest), at=at)
    assert table.loc[1, "stage"] == "lost"
    assert table.loc[2, "silence"] < 1.5 < 4 < table.loc[1, "silence"]


def test_a_customer_back_after_a_long_silence_is_reactivated() -> None:
    rest = [v for c in range(3, 40) for v in visits(c, "2023-01-01", 10, 40)]
    back = [*visits(1, "2023-01-01", 10, 6), (1, "2024-02-25", 1.0)]
    assert lifecycle_stage(log_of(*back, *rest), at="2024-02-26").loc[1, "stage"] == "reactivated"


def test_every_customer_has_a_known_stage(simulated: InteractionLog) -> None:
    table = lifecycle_stage(simulated, at=simulated.end)
    assert set(table["stage"]) <= set(STAGES)
    assert table["own_gap_days"].between(0.5, 1000).all()


def test_customers_who_left_are_found_lost_more_often_than_those_who_stayed() -> None:
    world = simulate(1500, days=700, seed=5)
    log = world.log()
    stage = lifecycle_stage(log, at=log.end)["stage"]
    gone = world.truth.set_index("customer_id")["churned_at"].reindex(stage.index) < log.end - pd.Timedelta(days=180)
    late = stage.isin(["lost", "dormant"])
    assert late[gone].mean() > 2 * late[~gone].mean()


@pytest.mark.slow
def test_online_retail_adds_up(data: Path) -> None:
    log = InteractionLog.read(
        data / "online_retail" / "interactions.parquet", policies=Policies(on_missing="drop"), timezone="Europe/London"
    )
    summary = ValueTiers().fit(log, at="2012-01-01").summary()
    assert summary["customers"].sum() == 4_372
    assert summary["cents"].sum() == 830_006_581
