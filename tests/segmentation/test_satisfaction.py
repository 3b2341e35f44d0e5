"""What customers say beside what they do: cells by hand, laws of reconciliation, and complaints that help."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmintel import InteractionLog
from crmintel.errors import DataContractError, DataContractWarning, DataTypeError
from crmintel.segmentation import STAGES
from crmintel.segmentation.satisfaction import CELLS, DOES, NPS, SAYS, SatisfactionGrid, Scale, satisfaction_grid

pytestmark = pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")

AT = "2024-03-01"
NAMES = ["customer_id", "timestamp", "kind", "rating", "amount"]
Row = tuple[Any, str, str, float | None, float | None]


def log_of(*rows: Row) -> InteractionLog:
    frame = pd.DataFrame(rows, columns=NAMES).astype({"timestamp": "datetime64[us]", "rating": float, "amount": float})
    return InteractionLog.read(frame)


def rated(customer: Any, day: str, rating: float) -> Row:
    return (customer, day, "rating", rating, None)


def complained(customer: Any, day: str) -> Row:
    return (customer, day, "complaint", None, None)


def bought(customer: Any, day: str, amount: float = 1.0) -> Row:
    return (customer, day, "purchase", None, amount)


def stage(**stages: str) -> pd.Series:
    return pd.Series(stages, name="stage")


def said(*rows: Row, scale: Any = (1, 5), **options: Any) -> dict[str, str]:
    """What each customer of a log says, all being regular."""
    log = log_of(*rows)
    grid = satisfaction_grid(log, at=AT, scale=scale, stages=pd.Series("regular", index=log.customers), **options)
    told: dict[str, str] = grid.customers["satisfaction"].to_dict()
    return told


def test_every_stage_but_prospects_has_one_behaviour_and_every_cell_one_name() -> None:
    assert sorted(s for group in DOES.values() for s in group) == sorted(set(STAGES) - {"prospect"})
    assert set(CELLS) == {(s, b) for s in SAYS for b in DOES}
    assert len(set(CELLS.values())) == 12


def test_six_customers_by_hand() -> None:
    log = log_of(
        bought("a", "2024-02-01", 10.25), rated("a", "2024-02-02", 5), bought("b", "2024-02-01", 20.0),
        rated("b", "2024-02-02", 4), bought("c", "2024-02-01", 30.1), rated("c", "2024-02-02", 1),
        bought("d", "2024-02-01", 5.0), ("d", "2024-02-03", "return", None, -2.0), complained("d", "2024-02-04"),
        bought("e", "2024-02-01", 7.0), rated("f", "2024-02-01", 3),
    )  # fmt: skip
    stages = stage(a="loyal", b="at risk", c="regular", d="lost", e="new", f="prospect")
    grid = satisfaction_grid(log, at=AT, scale=(1, 5), stages=stages)
    assert grid.customers["cell"].to_dict() == {
        "a": "loyal and satisfied", "b": "satisfied but leaving", "c": "captive", "d": "dissatisfied and gone",
        "e": "silent and coming",
    }  # fmt: skip
    assert grid.customers["money"].tolist() == [10.25, 20.0, 30.1, 3.0, 7.0]
    assert grid.prospects == 1
    assert grid.grid.loc["satisfied"].tolist() == [1, 1, 0]
    assert grid.money.loc["dissatisfied"].tolist() == [30.1, 0.0, 3.0]
    assert repr(grid) == (
        "SatisfactionGrid: 5 customers, 40% satisfied, 0% neutral, 40% dissatisfied, 20% silent; "
        "1 satisfied but leaving or gone, 1 captive; 1 prospects left out; "
        "ratings read on 1 to 5, satisfied from 4, dissatisfied below 3"
    )
    assert "satisfied but leaving" in grid._repr_html_()


def test_the_limits_of_the_scale_belong_to_the_better_side() -> None:
    rows = [rated(n, "2024-02-01", r) for n, r in (("a", 4.0), ("b", 3.9), ("c", 3.0), ("d", 2.9))]
    assert said(*rows) == {"a": "satisfied", "b": "neutral", "c": "neutral", "d": "dissatisfied"}


def test_the_mean_of_the_window_counts_and_older_ratings_do_not() -> None:
    rows = [rated("a", "2022-01-01", 1), rated("a", "2024-01-01", 4), rated("a", "2024-02-01", 5)]
    assert said(*rows) == {"a": "satisfied"}
    assert said(*rows, horizon_back="5000d") == {"a": "neutral"}
    assert said(*rows, horizon_back="7d") == {"a": "silent"}


def test_promoters_passives_and_detractors() -> None:
    rows = [rated(n, "2024-02-01", r) for n, r in (("a", 9), ("b", 8), ("c", 7), ("d", 6), ("e", 10), ("f", 0))]
    told = said(*rows, scale=NPS)
    assert list(told.values()) == ["satisfied", "neutral", "neutral", "dissatisfied", "satisfied", "dissatisfied"]


def test_a_rating_on_a_purchase_counts() -> None:
    assert said(("a", "2024-02-01", "purchase", 5.0, 3.0)) == {"a": "satisfied"}


def test_a_complaint_is_open_until_a_good_rating() -> None:
    assert said(rated("a", "2024-02-01", 5), complained("a", "2024-02-02")) == {"a": "dissatisfied"}
    assert said(complained("a", "2024-02-01"), rated("a", "2024-02-02", 5)) == {"a": "satisfied"}
    assert said(complained("a", "2024-02-01"), rated("a", "2024-02-02", 3)) == {"a": "dissatisfied"}
    assert said(rated("a", "2023-06-01", 5), complained("a", "2022-02-02")) == {"a": "satisfied"}


def test_complaints_alone_are_enough() -> None:
    frame = pd.DataFrame([complained("a", "2024-02-01")[:3], bought("b", "2024-02-01")[:3]], columns=NAMES[:3])
    log = InteractionLog.read(frame.astype({"timestamp": "datetime64[us]"}))
    grid = satisfaction_grid(log, at=AT, stages=stage(a="regular", b="regular"))
    assert grid.customers["satisfaction"].to_dict() == {"a": "dissatisfied", "b": "silent"}
    assert grid.scale is None
    assert repr(grid).endswith("no ratings")
    assert grid.money.empty
    assert "money" not in grid.to_frame()


def test_the_default_scale_is_the_observed_range_of_the_past() -> None:
    rows = [rated("a", "2024-02-01", 1), rated("b", "2024-02-01", 9), rated("b", "2024-04-01", 10)]
    log = log_of(*rows)
    grid = satisfaction_grid(log, at=AT, stages=stage(a="new", b="new"))
    assert grid.scale == Scale(1, 9, 7, 5)


def test_what_happens_later_changes_nothing() -> None:
    past = [
        *(bought(c, f"2024-01-{c:02d}", c) for c in range(1, 21)),
        *(rated(c, "2024-02-01", c % 5 + 1) for c in range(1, 21)),
    ]
    later = [rated(3, "2024-03-01", 1), complained(4, "2024-03-02"), bought(5, "2024-03-05", 500.0)]
    for one, two in zip(
        frames(satisfaction_grid(log_of(*past), at=AT)),
        frames(satisfaction_grid(log_of(*past, *later), at=AT)),
        strict=True,
    ):
        pd.testing.assert_frame_equal(one, two, check_exact=True)


def frames(grid: SatisfactionGrid) -> list[pd.DataFrame]:
    return [grid.customers, grid.grid, grid.money, grid.to_frame()]


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    day = st.integers(1, 400).map(lambda d: str(pd.Timestamp("2023-01-10") + pd.Timedelta(days=d)))
    row = st.tuples(st.integers(1, 12), day, st.sampled_from(["purchase", "rating", "complaint"]), st.integers(1, 5))
    rows = [rated(1, "2024-01-01", 2)]
    for customer, when, kind, number in draw(st.lists(row, min_size=3, max_size=60)):
        rating = float(number) if kind == "rating" else None
        rows.append((customer, when, kind, rating, number * 1.1 if kind == "purchase" else None))
    return rows


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_customers_and_money_reconcile_and_row_order_changes_no_bit(rows: list[Row], random: Any) -> None:
    grid = satisfaction_grid(log_of(*rows), at=AT, scale=(1, 5), horizon_back="90d")
    assert grid.grid.to_numpy().sum() + grid.prospects == len(
        {r[0] for r in rows if pd.Timestamp(r[1]) < pd.Timestamp(AT)}
    )
    since = pd.Timestamp(AT) - pd.Timedelta(days=90)
    cents = sum(round(r[4] * 100) for r in rows if r[4] is not None and since <= pd.Timestamp(r[1]) < pd.Timestamp(AT))
    assert np.rint(grid.money.to_numpy() * 100).sum() == np.rint(grid.customers["money"] * 100).sum() == cents
    assert grid.to_frame()["customers"].sum() == len(grid.customers)
    assert grid.to_frame()["cell"].tolist() == list(CELLS.values())
    random.shuffle(rows)
    again = satisfaction_grid(log_of(*rows), at=AT, scale=(1, 5), horizon_back="90d")
    for one, two in zip(frames(grid), frames(again), strict=True):
        pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_what_is_shared_has_no_small_cell_and_gives_none_away() -> None:
    rows = [rated(c, "2024-02-01", 5) for c in range(40)] + [rated(c, "2024-02-01", 1) for c in range(40, 75)]
    log = log_of(*rows)
    stages = pd.Series("regular", index=log.customers)
    stages[:12], stages[12:15], stages[40:60] = "lost", "at risk", "at risk"
    grid = satisfaction_grid(log, at=AT, stages=stages)
    shared = grid.shared()
    assert grid.grid.loc["satisfied", "slipping"] == 3
    shown = shared.to_numpy(float)
    assert np.isnan(shown[0, 1])
    assert np.isnan(shown[0]).sum() >= 2
    assert not ((shown > 0) & (shown < 10)).any()
    assert grid.shared(fewest=2).notna().all(axis=None)


def test_complaints_name_what_is_wrong() -> None:
    only = log_of(bought(1, "2024-02-01"), bought(2, "2024-02-02"))
    with pytest.raises(DataContractError, match=r"columns customer_id, timestamp, kind, amount.*Map 'rating'"):
        satisfaction_grid(only, at=AT)
    late = log_of(bought(1, "2024-02-01"), rated(1, "2024-03-05", 5))
    with pytest.raises(DataContractError, match="No customer gave a rating or complained"):
        satisfaction_grid(late, at=AT)
    two = log_of(rated(1, "2024-02-01", 5), rated(2, "2024-02-01", 5))
    with pytest.raises(DataContractError, match="All ratings are equal"):
        satisfaction_grid(two, at=AT)
    with pytest.raises(DataContractError, match="outside the scale 1 to 4"):
        satisfaction_grid(two, at=AT, scale=(1, 4))
    with pytest.raises(DataContractError, match="1 of 2 customers have no stage"):
        satisfaction_grid(two, at=AT, scale=(1, 5), stages=pd.Series(["loyal", "keen"], index=[1, 2]))
    with pytest.raises(DataContractError, match="no 'stage'"):
        satisfaction_grid(two, at=AT, scale=(1, 5), stages=pd.DataFrame({"x": [1]}))
    with pytest.raises(DataContractError, match="1 customers have two stages"):
        satisfaction_grid(two, at=AT, scale=(1, 5), stages=pd.Series(["loyal"] * 3, index=[1, 2, 2]))
    with pytest.raises(DataContractError, match="low <= dissatisfied <= satisfied <= high"):
        Scale(5, 1, 2, 3)


def test_a_guessed_scale_is_warned_of_with_the_ends_that_were_seen() -> None:
    """A shop that only gets 4 and 5 of 5: without the scale its 4s would be dissatisfied, and a warning says why."""
    log = log_of(*[rated(c, "2024-02-01", 4 + c % 2) for c in range(10)])
    stages = pd.Series("regular", index=log.customers)
    with pytest.warns(DataContractWarning, match=r"ratings from 4 to 5 were seen.*scale=\(1, 5\)") as caught:
        guessed = satisfaction_grid(log, at=AT, stages=stages)
    assert [w.filename for w in caught] == [__file__]
    assert "50% dissatisfied" in repr(guessed)
    assert repr(guessed).endswith("ratings read on 4 to 5, satisfied from 4.75, dissatisfied below 4.5")


@pytest.mark.filterwarnings("error::crmintel.errors.DataContractWarning")
def test_a_scale_that_is_given_is_not_warned_of() -> None:
    log = log_of(rated(1, "2024-02-01", 4), rated(2, "2024-02-01", 5))
    grid = satisfaction_grid(log, at=AT, scale=(1, 5), stages=pd.Series("regular", index=log.customers))
    assert "100% satisfied" in repr(grid)


@pytest.mark.parametrize("wrong", [None, [], "log.csv", pd.DataFrame({"customer_id": [1]})])
def test_row_17_what_is_no_log_is_named(wrong: Any) -> None:
    with pytest.raises(DataTypeError, match="history cannot be a"):
        satisfaction_grid(wrong, at=AT)
