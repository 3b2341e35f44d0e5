"""Purchase days: what is a purchase, when, and what is seen of it at an instant."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crmintel.datasets import simulate
from crmintel.errors import DataContractError
from crmintel.interactions import InteractionLog
from crmintel.value import PurchaseDays, purchase_history
from tests.value.conftest import log_of

KINDS = "customer_id timestamp amount kind"


def rows_of(history: pd.DataFrame) -> dict[object, list[float]]:
    return {c: row.tolist() for c, row in history.iterrows()}


# by hand


def test_a_pencil_can_follow_the_table() -> None:
    log = log_of(
        [("a", "2024-01-01", 9.0), ("a", "2024-01-08", 5.0), ("a", "2024-01-15", 7.0), ("b", "2024-01-10", 4.0)]
    )
    told = purchase_history(log, "2024-01-22")
    assert told.columns.tolist() == ["frequency", "t_x_days", "T_days", "mean_value"]
    np.testing.assert_array_equal(told, [[2, 14, 20, 6], [0, 0, 11, np.nan]])
    assert told.index.tolist() == ["a", "b"]
    assert purchase_history(log)["T_days"].tolist() == [14, 5]  # to the day of the last row


def test_purchases_of_one_local_day_are_one_and_their_amounts_are_added() -> None:
    stamps = ["2024-01-01 12:00", "2024-01-02 23:00", "2024-01-03 01:00", "2024-01-04 12:00"]
    rows = [("a", pd.Timestamp(t, tz="UTC"), v) for t, v in zip(stamps, (1.0, 5.0, 7.0, 9.0), strict=True)]
    rows += [("b", pd.Timestamp(stamps[0], tz="UTC"), 30.0)]
    assert rows_of(purchase_history(log_of(rows), "2024-01-05"))["a"] == [3, 3, 3, 7.0]
    new_york = log_of(rows, timezone="America/New_York")  # 23:00 and 01:00 are both of the evening of the 2nd
    assert rows_of(purchase_history(new_york, "2024-01-05"))["a"] == [2, 3, 3, 10.5]


def test_a_return_is_taken_off_the_purchase_before_it_and_never_counts() -> None:
    rows = [("a", "2024-01-01", 9.0, "purchase"), ("a", "2024-01-03", -2.0, "return"), ("a", "2024-01-05", 8.0, "purchase"),
            ("a", "2024-01-09", -3.0, "return"), ("b", "2024-01-01", 40.0, "purchase")]  # fmt: skip
    days = PurchaseDays.of(log_of(rows, KINDS), "2024-01-11")
    assert days.bought.tolist() == [True, False, True, False, True]
    assert rows_of(days.history())["a"] == [1, 4, 9, 5.0]
    assert days.purchases().amount.tolist() == [7.0, 5.0, 40.0]  # type: ignore[union-attr]
    assert rows_of(purchase_history(log_of(rows, KINDS), "2024-01-08"))["a"] == [1, 4, 6, 8.0]  # not yet returned


def test_a_return_on_the_day_of_a_purchase_is_taken_off_that_day() -> None:
    rows = [("a", "2024-01-01", 9.0, "purchase"), ("a", "2024-01-05 08:00", -2.0, "return"),
            ("a", "2024-01-05 10:00", 8.0, "purchase"), ("b", "2024-01-01", 40.0, "purchase")]  # fmt: skip
    rows = [(c, pd.Timestamp(t), v, k) for c, t, v, k in rows]
    assert rows_of(purchase_history(log_of(rows, KINDS), "2024-01-06"))["a"] == [1, 4, 4, 6.0]


def test_returns_before_a_first_purchase_are_left_out_and_counted() -> None:
    rows = [("a", "2024-01-01", -9.0, "return"), ("a", "2024-01-03", 5.0, "purchase"), ("b", "2024-01-02", -1.0, "return"),
            ("c", "2024-01-04", 6.0, "purchase")]  # fmt: skip
    days = PurchaseDays.of(log_of(rows, KINDS), "2024-01-06")
    assert days.early_returns == 2
    assert days.customers.tolist() == ["a", "c"]
    assert days.amount.tolist() == [5.0, 6.0]  # type: ignore[union-attr]
    assert rows_of(days.history())["a"][:3] == [0, 0, 2]


def test_the_past_of_an_instant_ends_before_it() -> None:
    log = log_of(
        [("a", "2024-01-01", 1.0), ("a", "2024-01-08", 1.0), ("b", "2024-01-08", 1.0), ("a", "2024-01-09", 1.0)]
    )
    told = purchase_history(log, "2024-01-08")
    assert rows_of(told.iloc[:, :3]) == {"a": [0, 0, 6]}
    assert rows_of(purchase_history(log, "2024-01-09").iloc[:, :3]) == {"a": [1, 7, 7], "b": [0, 0, 0]}


def test_what_became_known_late_is_not_seen_before() -> None:
    rows = [
        ("a", "2024-01-01", 5.0, "2024-01-01"),
        ("a", "2024-01-08", 7.0, "2024-02-01"),
        ("b", "2024-01-02", 1.0, "2024-01-02"),
    ]
    log = log_of(rows, "customer_id timestamp amount known_at")
    assert rows_of(purchase_history(log, "2024-01-20").iloc[:, :3])["a"] == [0, 0, 18]
    assert rows_of(purchase_history(log, "2024-02-02"))["a"] == [1, 7, 31, 7.0]


def test_sentinel_dates_make_nobody_old() -> None:
    rows = [("a", "1900-01-01", 5.0), ("a", "2024-01-01", 5.0), ("a", "2024-01-04", 6.0), ("b", "2024-01-02", 1.0), ("b", "9999-12-31", 1.0)]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["customer_id", "timestamp", "amount"])
    frame["timestamp"] = frame["timestamp"].to_numpy("datetime64[s]")
    log = InteractionLog.read(frame, quiet=True)
    assert rows_of(purchase_history(log, "2024-01-11")) == {
        "a": [1, 3, 9, 6.0],
        "b": pytest.approx([0, 0, 8, np.nan], nan_ok=True),
    }
    assert purchase_history(log)["T_days"].tolist() == [3, 2]


def test_a_log_that_ends_in_a_repeated_hour_is_seen_to_its_end() -> None:
    stamps = ["2023-10-28 12:00", "2023-10-29 00:30", "2023-10-29 01:30"]  # clocks of London go back at 01:00 UTC
    rows = [("a", pd.Timestamp(t, tz="UTC"), 1.0) for t in stamps] + [
        ("b", pd.Timestamp("2023-10-29 01:31", tz="UTC"), 4.0)
    ]
    told = purchase_history(log_of(rows, timezone="Europe/London"))
    assert told.index.tolist() == ["a", "b"]
    assert rows_of(told)["a"] == [1, 1, 1, 2.0]


def test_what_came_later_by_hand() -> None:
    rows = [("a", "2024-01-01", 9.0, "purchase"), ("a", "2024-01-05", 8.0, "purchase"), ("a", "2024-01-06", -3.0, "return"),
            ("b", "2024-01-01", 1.0, "purchase"), ("c", "2024-01-05", 50.0, "purchase"), ("b", "2024-01-08", 1.0, "purchase")]  # fmt: skip
    days = PurchaseDays.of(log_of(rows, KINDS))
    first = int(np.datetime64("2024-01-01").astype(int))
    count, money = days.later(pd.Index(["b", "a", "x"]), first, first + 6)
    assert count.tolist() == [0, 1, 0]
    assert money is not None
    assert money.tolist() == [0, 5, 0]
    assert days.later(pd.Index(["b"]), first, first + 7)[0].tolist() == [1]


def test_a_log_without_money_has_no_mean() -> None:
    log = log_of([("a", "2024-01-01"), ("b", "2024-01-03")], "customer_id timestamp")
    assert "mean_value" not in purchase_history(log)
    assert "without money" in repr(PurchaseDays.of(log))
    with pytest.raises(DataContractError, match="Nobody bought before 2023-01-01"):
        purchase_history(log, "2023-01-01")


# laws and an oracle


@pytest.mark.slow
def test_rows_in_any_order_and_files_beyond_memory_give_the_same_bits(tmp_path: Path) -> None:
    frame = simulate(60, seed=5).log().to_pandas()
    known = purchase_history(InteractionLog.read(frame, quiet=True), "2024-06-01")
    shuffled = InteractionLog.read(frame.sample(frac=1, random_state=2), quiet=True)
    frame.to_parquet(tmp_path / "rows.parquet")
    spilled = InteractionLog.read(tmp_path / "rows.parquet", memory=5_000, quiet=True)
    assert spilled.store.files
    for other in (shuffled, spilled):
        pd.testing.assert_frame_equal(purchase_history(other, "2024-06-01"), known, check_exact=True)


def test_a_plain_group_by_makes_the_same_table() -> None:
    log = simulate(200, seed=5).log()
    at = log.zone.stamp(log.bounds[1]).floor("D") - pd.Timedelta(days=50)
    told = purchase_history(log, at)
    frame = log.to_pandas()
    frame = frame[(frame["timestamp"] < at) & frame["kind"].isin(["purchase", "return"])]
    frame = frame.assign(day=frame["timestamp"].dt.floor("D"))
    for customer, rows in frame.groupby("customer_id"):
        days = sorted(rows.loc[rows["kind"] == "purchase", "day"].unique())
        if not days:
            assert customer not in told.index
            continue
        row = told.loc[customer]
        assert row["frequency"] == len(days) - 1
        assert row["t_x_days"] == (days[-1] - days[0]).days
        assert row["T_days"] == (at - pd.Timedelta(days=1) - days[0]).days
        if len(days) > 1:
            money = rows.loc[rows["day"] >= days[1], "amount"].sum()
            assert row["mean_value"] == pytest.approx(money / (len(days) - 1), abs=1e-9)


# real data


@pytest.mark.slow
def test_the_published_table(data: Path) -> None:
    """23,570 customers, 1997-01-01 to 1997-09-30: counts of Fader and Hardie's notes."""
    log = InteractionLog.read(data / "cdnow" / "interactions.parquet", quiet=True)
    told = purchase_history(log, "1997-10-01")
    assert len(told) == 23_570
    assert int((told["frequency"] > 0).sum()) == 9_451
    assert told["T_days"].max() == 272
