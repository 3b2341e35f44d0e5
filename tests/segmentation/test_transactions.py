"""Plain rows in memory: the same recency, frequency and money as from a log, or the door decides."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmintel import InteractionLog
from crmintel.errors import DataContractError
from crmintel.features.words import length
from crmintel.interactions import Zone
from crmintel.segmentation import RFM
from crmintel.segmentation.rfm import rfm_values
from crmintel.segmentation.transactions import plain_values

pytestmark = pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")
ZONE = Zone("Europe/London")
AT = ZONE.instant("2024-04-15 12:00")
NAMES = {
    "short": lambda c: f"C{c}",
    "long": lambda c: f"customer number {c}",
    "not English": lambda c: f"é{c}",
    "zero byte": lambda c: f"C{c}\0" if c % 2 else f"C{c}",
}


def frame_of(rows: list[tuple[int, int, int]], name: Any = None) -> pd.DataFrame:
    """Rows of (customer, half hours after midnight in March, cents)."""
    frame = pd.DataFrame(rows, columns=["customer_id", "timestamp", "amount"])
    frame["timestamp"] = pd.Timestamp("2024-03-01") + frame["timestamp"] * pd.Timedelta(minutes=30)
    frame["timestamp"] = frame["timestamp"].astype("datetime64[us]")
    frame["amount"] = frame["amount"] / 100
    return frame if name is None else frame.assign(customer_id=pd.array([name(c) for c in frame["customer_id"]], "str"))


rows = st.lists(
    st.tuples(st.integers(-3, 9), st.integers(0, 3_000), st.integers(-5_000, 90_000)), min_size=1, max_size=40
)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(rows, st.sampled_from([None, *NAMES]))
def test_plain_rows_tell_what_a_log_tells(rows: list[tuple[int, int, int]], kind: str | None) -> None:
    frame = frame_of(rows, NAMES.get(str(kind)))
    plain = plain_values(frame, AT, ZONE)
    assert plain is not None
    door = rfm_values(InteractionLog.read(frame, timezone=ZONE.name), "2024-04-15 12:00")
    pd.testing.assert_frame_equal(plain, door, check_exact=True)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(rows, st.sampled_from(["1d", "30d", "90m", "2190h", "all"]))
def test_a_window_tells_what_it_tells_of_a_log(rows: list[tuple[int, int, int]], window: str) -> None:
    frame = frame_of([*rows, (1, 742, 100), (2, 741, 100), (3, 743, -100)])  # at, before and after the edge of 30 days
    plain = plain_values(frame, AT, ZONE, None if window == "all" else length(window))
    assert plain is not None
    door = rfm_values(InteractionLog.read(frame, timezone=ZONE.name), "2024-04-15 12:00", window=window)
    pd.testing.assert_frame_equal(plain, door, check_exact=True)


def test_the_order_of_rows_changes_no_bit() -> None:
    rng = np.random.default_rng(0)
    frame = frame_of(
        [
            tuple(r)
            for r in np.c_[rng.integers(0, 50, 400), rng.integers(0, 2_000, 400), rng.integers(1, 99_999, 400)].tolist()
        ]
    )
    shuffled = frame.sample(frac=1, random_state=1, ignore_index=True)
    one, other = (RFM().fit(t, at="2024-04-15").segments() for t in (frame, shuffled))
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_rows_at_or_after_the_instant_change_nothing() -> None:
    frame = frame_of([(1, 0, 500), (2, 5, 700), (2, 60, 700)])
    later = pd.concat([frame, frame_of([(1, 2_000, 9_999), (3, 2_000, 1)])], ignore_index=True)
    at = ZONE.instant("2024-03-20")
    pd.testing.assert_frame_equal(plain_values(frame, at, ZONE), plain_values(later, at, ZONE), check_exact=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"amount": [1.005, 2.0]},
        {"amount": [np.nan, 2.0]},
        {"amount": [np.inf, 2.0]},
        {"amount": ["1", "2"]},
        {"customer_id": [1.5, 2.5]},
        {"customer_id": ["a", None]},
        {"customer_id": ["a", " "]},
        {"customer_id": ["a", "x" * 10_000]},
        {"timestamp": ["2024-03-01", "2024-03-02"]},
        {"timestamp": [pd.NaT, pd.Timestamp("2024-03-01")]},
        {"kind": ["purchase", "view"]},
    ],
)
def test_anything_unusual_is_left_to_the_door(change: dict[str, list[Any]]) -> None:
    assert plain_values(frame_of([(1, 0, 500), (2, 9, 700)]).assign(**change), AT, ZONE) is None


def test_what_the_door_refuses_is_refused() -> None:
    frame = frame_of([(1, 0, 500), (2, 9, 700)]).assign(amount=[np.nan, 1.0])
    with pytest.raises(DataContractError, match="amount"):
        RFM().fit(frame, at="2024-04-15")
    with pytest.raises(DataContractError, match="0 customers bought"):
        RFM().fit(frame_of([(1, 0, 500), (2, 9, 700)]), at="2024-01-01")


def test_a_frame_is_read_by_the_clock_of_its_zone() -> None:
    frame = frame_of(
        [(1, 47, 500), (1, 48, 500), (2, 9, 700)]
    )  # half an hour before midnight, and midnight, of one clock
    tokyo = RFM().fit(
        frame.assign(timestamp=frame["timestamp"].dt.tz_localize("UTC")), at="2024-04-15", timezone="Asia/Tokyo"
    )
    assert RFM().fit(frame, at="2024-04-15").segments()["frequency"].tolist() == [2.0, 1.0]
    assert tokyo.segments()["frequency"].tolist() == [1.0, 1.0]
