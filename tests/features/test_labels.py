"""Labels: the half-open future, told only where it is known."""

import pandas as pd
import pytest

from crmintel import features as f
from crmintel.errors import DataContractError, LeakageError
from crmintel.features import FeatureSet


@pytest.fixture(scope="module")
def shop(make):
    """Ann at the instant, a day later and on the closing instant; Bob only before; Cid comes first in the window."""
    return make({
        "customer_id": ["ann", "ann", "ann", "ann", "bob", "cid", "bob", "ann"],
        "timestamp": ["2024-01-01", "2024-02-01", "2024-02-02 09:00", "2024-02-11", "2024-01-05", "2024-02-03", "2024-02-04", "2024-03-10"],
        "kind": ["purchase", "purchase", "return", "purchase", "purchase", "purchase", "visit", "purchase"],
        "amount": [1.0, 10.0, -4.0, 100.0, 2.0, 7.0, None, 1.0], "item_id": ["cup", "tea", "tea", "pot", "cup", "cup", None, "cup"],
    })  # fmt: skip


def test_windows_hold_their_start_and_not_their_end(shop):
    at, who = "2024-02-01", ["ann", "bob"]
    index = pd.MultiIndex.from_product([who, [pd.Timestamp(at)]], names=["customer_id", "at"])
    for told, expected in (
        (f.churned(shop, at, "10d"), [False, True]),
        (f.orders(shop, at, "10d"), [1, 0]),
        (f.spend(shop, at, "10d"), [6.0, 0.0]),
    ):
        assert told.index.tolist() == index.tolist()
        assert told.tolist() == expected
    longer = pd.Timedelta(days=10, microseconds=1)
    assert f.spend(shop, at, longer).tolist() == [106.0, 0.0]
    assert f.orders(shop, at, longer).tolist() == [2, 0]
    assert f.orders(shop, "2024-02-01 00:00:00.000001", "5d").tolist() == [0, 0]


def test_next_items_are_bought_ones_each_once(shop):
    table = f.next_items(shop, ["2024-01-02", "2024-02-01"], "10d")
    assert table.columns.tolist() == ["customer_id", "at", "item_id"]
    assert [(w, a.month, i) for w, a, i in table.itertuples(index=False)] == [("ann", 2, "tea")]
    every = pd.MultiIndex.from_product(
        [["ann", "bob", "cid"], pd.to_datetime(["2024-01-02", "2024-02-01"])], names=["customer_id", "at"]
    )
    told = f.next_items(shop, every, pd.Timedelta(days=20))
    assert [(w, a.month, i) for w, a, i in told.itertuples(index=False)] == [
        ("ann", 2, "pot"),
        ("ann", 2, "tea"),
        ("bob", 1, "cup"),
        ("cid", 2, "cup"),
    ]


def test_a_window_that_the_log_does_not_cover_is_refused(shop):
    message = (
        r"^The log ends 2024-03-10, before the label window closes on 2024-03-31: every customer would look churned\."
        "\n" r"Use at <= 2024-02-09, or a shorter horizon\.$"
    )  # fmt: skip
    for label in (f.churned, f.orders, f.spend, f.next_items):
        with pytest.raises(LeakageError, match=message):
            label(shop, "2024-03-01", "30d")
        assert len(label(shop, "2024-02-09", "30d")) >= 0  # closes at the very end
        with pytest.raises(LeakageError):
            label(shop, "2024-02-09 00:00:00.000001", "30d")


def test_index_in_is_index_out(shop):
    panel = FeatureSet([f.count()]).build(shop, at=["2024-01-03", "2024-02-05"])
    mixed = panel.index[[2, 0, 1]]
    for label in (f.churned, f.orders, f.spend):
        told = label(shop, mixed, "7d")
        pd.testing.assert_index_equal(told.index, mixed)
        pd.testing.assert_series_equal(told.sort_index(), label(shop, panel.index[[0, 1, 2]], "7d").sort_index())
    pd.testing.assert_index_equal(f.churned(shop, ["2024-01-03", "2024-02-05"], "7d").index, panel.index)


def test_customers_whom_nobody_knows_are_silent(shop):
    index = pd.MultiIndex.from_tuples([("zoe", pd.Timestamp("2024-02-01"))], names=["customer_id", "at"])
    assert f.churned(shop, index, "7d").tolist() == [True]
    assert f.spend(shop, index, "7d").tolist() == [0.0]
    with pytest.raises(DataContractError, match=r"int64 .*but str"):
        f.churned(shop, pd.MultiIndex.from_tuples([(1, pd.Timestamp("2024-02-01"))], names=["customer_id", "at"]), "7d")


def test_other_signs_of_life_can_be_named(shop):
    assert f.churned(shop, "2024-02-01", "10d", where=f.where(kind=["purchase", "visit"])).tolist() == [False, False]


def test_an_index_with_other_levels_is_refused(shop):
    with pytest.raises(DataContractError, match="levels"):
        f.churned(shop, pd.MultiIndex.from_tuples([("ann", 1)], names=["who", "when"]), "7d")


def test_money_and_items_must_be_known(make):
    log = make({"customer_id": [1, 1], "timestamp": ["2024-01-01", "2024-06-01"]})
    with pytest.raises(DataContractError, match="'amount'"):
        f.spend(log, "2024-01-02", "7d")
    with pytest.raises(DataContractError, match="'item_id'"):
        f.next_items(log, "2024-01-02", "7d")


def test_labels_agree_with_counting_by_pandas(simulated):
    frame, at = simulated.frame, [pd.Timestamp("2023-05-01"), pd.Timestamp("2023-09-01 13:00")]
    index = FeatureSet([f.count()]).build(simulated.log, at=at).index
    for when in at:
        frame_in = frame[(frame["timestamp"] >= when) & (frame["timestamp"] < when + pd.Timedelta(days=45))]
        bought = frame_in[frame_in["kind"] == "purchase"]
        here = index[index.get_level_values("at") == when]
        who = here.get_level_values(0)
        assert f.churned(simulated.log, here, "45d").tolist() == (~who.isin(bought["customer_id"])).tolist()
        numbers = bought.groupby("customer_id")["order_id"].nunique()
        assert f.orders(simulated.log, here, "45d").tolist() == numbers.reindex(who, fill_value=0).tolist()
        money = frame_in[frame_in["kind"].isin(["purchase", "return"])].groupby("customer_id")["amount"].sum()
        assert f.spend(simulated.log, here, "45d").tolist() == pytest.approx(
            money.reindex(who, fill_value=0.0).tolist()
        )
        items = bought[["customer_id", "item_id"]].drop_duplicates().sort_values(["customer_id", "item_id"])
        told = f.next_items(simulated.log, here, "45d")
        assert (
            told[["customer_id", "item_id"]].to_numpy().tolist()
            == items[items["customer_id"].isin(who)].to_numpy().tolist()
        )


@pytest.mark.slow
def test_a_log_on_disk_has_the_same_labels(simulated):
    spilled = simulated.again(simulated.frame, memory=1)
    for label in (f.churned, f.orders, f.spend):
        pd.testing.assert_series_equal(
            label(spilled, ["2023-05-01", "2023-08-01"], "30d"),
            label(simulated.log, ["2023-05-01", "2023-08-01"], "30d"),
        )
    pd.testing.assert_frame_equal(
        f.next_items(spilled, "2023-08-01", "30d"), f.next_items(simulated.log, "2023-08-01", "30d")
    )


def test_an_empty_log_has_no_labels(simulated):
    empty = simulated.log.before("2020-01-01")
    assert len(f.churned(empty, "1960-01-01", "1d")) == 0


def test_orders_are_told_by_their_number_where_they_have_one(make):
    rows = {
        "customer_id": ["ann"] * 5,
        "timestamp": ["2024-01-01", "2024-02-01 09:00", "2024-02-01 10:00", "2024-02-02", "2024-04-01"],
        "kind": ["purchase", "purchase", "purchase", "return", "purchase"],
    }
    assert f.orders(make(rows), "2024-02-01", "30d").tolist() == [1], "one day with a purchase"
    numbered = {**rows, "order_id": ["o0", "o1", "o2", "o3", "o4"]}
    assert f.orders(make(numbered), "2024-02-01", "30d").tolist() == [2], "two orders on one day"
    lines = {**rows, "order_id": ["o0", "o1", "o1", "o1", "o4"]}
    assert f.orders(make(lines), "2024-02-01", "30d").tolist() == [1]


@pytest.mark.parametrize("memory", ["2GB", 1])
def test_rows_known_too_late_do_not_count_when_asked(make, memory):
    log = make(
        {
            "customer_id": ["ann", "ann", "bob", "bob", "bob", "cid"],
            "timestamp": ["2024-01-01", "2024-02-10", "2024-01-01", "2024-02-11", "2024-06-01", "2024-01-01"],
            "known_at": pd.to_datetime(["2024-01-01", "2024-06-15", "2024-01-01", "2024-04-01", None, None]),
            "amount": [1.0, 10.0, 1.0, 20.0, 1.0, 1.0], "item_id": ["cup", "pot", "cup", "tea", "cup", "cup"],
        }, memory=memory,
    )  # fmt: skip
    ask = (log, "2024-02-01", "30d")
    assert f.churned(*ask).tolist() == [False, False, True]
    assert f.churned(*ask, known_by="2024-04-01").tolist() == [True, False, True], "known at the instant is known by it"
    assert f.churned(*ask, known_by="2024-03-31 23:59").tolist() == [True, True, True]
    assert f.churned(*ask, known_by="2024-06-15").tolist() == [False, False, True]
    assert f.spend(*ask, known_by="2024-04-01").tolist() == [0.0, 20.0, 0.0]
    assert f.orders(*ask, known_by="2024-04-01").tolist() == [0, 1, 0]
    assert f.next_items(*ask)["item_id"].tolist() == ["pot", "tea"]
    assert f.next_items(*ask, known_by="2024-04-01")["item_id"].tolist() == ["tea"]
    for label in (f.churned, f.orders, f.spend, f.next_items):
        with pytest.raises(LeakageError, match=r"known_by is 2024-03-01, before .* closes on 2024-03-02"):
            label(*ask, known_by="2024-03-01")


def test_a_log_without_late_rows_knows_each_when_it_happens(shop):
    full = f.churned(shop, "2024-02-01", "10d")
    pd.testing.assert_series_equal(f.churned(shop, "2024-02-01", "10d", known_by="2024-02-11"), full)


def test_months_begin_at_their_first_midnight():
    assert f.monthly("2024-01-31", "2024-03-01").tolist() == [pd.Timestamp("2024-02-01"), pd.Timestamp("2024-03-01")]
    assert f.monthly("2024-01-01 15:00", "2024-01-20").tolist() == [pd.Timestamp("2024-01-01")]


def test_months_are_told_by_the_business_clock(make):
    log = make(
        {"customer_id": [1], "timestamp": pd.to_datetime(["2024-05-31 23:30"]).tz_localize("UTC")},
        timezone="Europe/London",
    )
    fs = FeatureSet([f.count()])
    assert [fs.build(log, at=a, customers=[1]).iloc[0, 0] for a in f.monthly("2024-06-01", "2024-07-01")] == [0, 1]


def test_row_57_a_label_seen_only_in_part_is_refused_or_missing(shop):
    at = ["2024-02-01", "2024-03-08"]  # the log ends on 2024-03-10
    with pytest.raises(LeakageError, match="log ends"):
        f.churned(shop, at, "10d")
    told = f.churned(shop, at, "10d", allow_censored=True)
    assert told.xs(pd.Timestamp(at[0]), level="at").tolist() == [False, True]
    late = told.xs(pd.Timestamp(at[1]), level="at")
    assert not late["ann"]  # she bought on the last day
    assert late.drop("ann").isna().all()
    for label in (f.spend, f.orders):
        values = label(shop, at, "10d", allow_censored=True)
        assert values.xs(pd.Timestamp(at[1]), level="at").isna().all()
        assert values.xs(pd.Timestamp(at[0]), level="at").tolist() == label(shop, at[0], "10d").tolist()


def test_bought_asks_for_something(shop):
    at = ["2024-01-02", "2024-02-01"]
    tea = f.bought(shop, at, "10d", f.where(item_id="tea"))
    assert tea.name == "bought"
    assert tea.to_dict() == {
        ("ann", pd.Timestamp(at[0])): False,
        ("ann", pd.Timestamp(at[1])): True,
        ("bob", pd.Timestamp(at[1])): False,
    }
    assert not f.bought(shop, at[1], "1d", f.where(item_id="pot")).any()
    assert f.bought(shop, at[1], "11d", f.where(item_id="pot"))["ann"].tolist() == [True]
    with pytest.raises(LeakageError):
        f.bought(shop, "2024-03-08", "10d", f.where(item_id="tea"))


def test_responded_may_ask_for_a_contact_first(make):
    log = make({
        "customer_id": ["a", "a", "a", "b", "b", "c", "d", "d", "z"],
        "timestamp": ["2024-01-01", "2024-02-02", "2024-02-03", "2024-01-01", "2024-02-03", "2024-01-01", "2024-01-01", "2024-02-03", "2024-06-01"],
        "kind": ["visit", "contact", "visit", "visit", "visit", "visit", "visit", "contact", "visit"],
    })  # fmt: skip
    visits, contacts = f.where(kind="visit"), f.where(kind="contact")
    assert f.responded(log, "2024-02-01", "10d", visits).tolist() == [True, True, False, False]
    assert f.responded(log, "2024-02-01", "10d", visits, contacts=contacts).tolist() == [True, False, False, False]
    assert f.responded(log, "2024-02-01", "2d", visits, contacts=contacts).tolist() == [False] * 4
    tied = make(
        {
            "customer_id": ["a"] * 3 + ["b"],
            "timestamp": ["2024-01-01", "2024-02-02", "2024-02-02", "2024-06-01"],
            "kind": ["visit", "contact", "visit", "visit"],
        }
    )
    assert f.responded(tied, "2024-02-01", "10d", visits, contacts=contacts).tolist() == [False]


def test_time_to_event_is_censored_where_nothing_was_seen(shop):
    told = f.time_to_event(shop, ["2024-01-02", "2024-02-02"])
    assert told.loc[("ann", pd.Timestamp("2024-01-02"))].tolist() == [30.0, True]
    assert told.loc[("ann", pd.Timestamp("2024-02-02"))].tolist() == [9.0, True]
    assert told.loc[("bob", pd.Timestamp("2024-02-02"))].tolist() == [37.0, False]
    short = f.time_to_event(shop, "2024-02-02", horizon="9d")
    assert short.loc[("ann", pd.Timestamp("2024-02-02"))].tolist() == [9.0, False]
    assert f.time_to_event(shop, "2024-02-10", known_by="2024-02-11").loc["ann"].to_numpy().tolist() == [[1.0, True]]
    assert f.time_to_event(shop, "2024-03-09").loc["ann"].to_numpy().tolist() == [
        [1.0, True]
    ]  # the last row of the log is seen
    with pytest.raises(LeakageError, match="Nothing is seen from 2024-03-10"):
        f.time_to_event(shop, "2024-03-10")
    assert f.time_to_event(shop, told.index).equals(told)
