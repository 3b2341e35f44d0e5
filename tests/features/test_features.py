"""Features by hand: a few rows and a pencil; what is refused, and what people read."""

import json
from string import Formatter

import numpy as np
import pandas as pd
import pytest

from crmintel import features as f
from crmintel.errors import DataContractError
from crmintel.features import Feature, FeatureSet, catalog, standard

BUYS = f.where(kind="purchase")


@pytest.fixture(scope="module")
def five(make):
    """Ann buys for 10, 20 and 20, sends one back and looks in; nobody else does anything before April."""
    return make({
        "customer_id": ["ann", "ann", "ann", "ann", "bob"],
        "timestamp": ["2024-01-01 10:00", "2024-01-03 10:00", "2024-01-11 22:30", "2024-01-12 10:00", "2024-04-01"],
        "kind": ["purchase", "purchase", "purchase", "return", "purchase"], "amount": [10.0, 20.0, 21.0, -20.0, 5.0],
        "item_id": ["cup", "tea", "cup", "tea", "pot"], "channel": ["web", "web", "shop", "shop", None],
    })  # fmt: skip


def one(log, spec, at="2024-01-13 10:00", vocabulary=None):
    """The values of the first customer."""
    return FeatureSet([spec], vocabulary or {}).build(log, at=at).iloc[0].tolist()


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        (f.count(), 4), (f.count(BUYS), 3), (f.count(BUYS).over("10d"), 2), (f.count(BUYS & f.night()), 1), (f.count(~BUYS), 1),
        (f.count(f.between("amount", 20, 21)), 1), (f.total("amount", BUYS), 51), (f.total("amount"), 31), (f.mean("amount", BUYS), 17),
        (f.largest("amount"), 21), (f.smallest("amount"), -20), (f.spread("amount", BUYS), np.sqrt(37)), (f.first("amount"), 10),
        (f.last("amount", BUYS), 21), (f.first_day("amount", BUYS), 10), (f.distinct("item_id", BUYS), 2), (f.active_days(), 4),
        (f.recency(), 1), (f.recency(BUYS), 1 + 11.5 / 24), (f.tenure(), 12), (f.top_share("item_id", BUYS), 2 / 3),
        (f.entropy("item_id", BUYS), -2 / 3 * np.log(2 / 3) - 1 / 3 * np.log(1 / 3)), (f.decayed(half_life="1d", where=f.where(kind="return")), 0.5),
        (f.decayed("amount", f.where(kind="return"), half_life="1d"), -10), (f.trend(f.count(BUYS), "3d"), 1), (f.trend(f.count(BUYS), "6d"), -1),
        (f.ratio(f.count(f.where(kind="return")), f.count(BUYS)), 1 / 3), (f.ratio(f.count(BUYS), f.count(f.where(kind="visit"))), np.nan),
    ],
)  # fmt: skip
def test_a_pencil_gets_the_same(five, spec, value):
    assert one(five, spec) == pytest.approx([value], nan_ok=True)


def test_gaps_by_hand(five):
    since = 1 + 11.5 / 24
    assert one(five, f.gaps(BUYS)) == pytest.approx([5, np.sqrt(18), 8, 8, since / 5])
    assert np.isnan(one(five, f.gaps(BUYS), at="2024-01-02")).all()


def test_a_year_ago_is_364_days_ago_and_keeps_the_weekday(five):
    assert one(five, f.year_ago(f.count(), "2d"), at=pd.Timestamp("2024-01-13 10:00") + pd.Timedelta(days=364)) == [2]


def test_shares_count_rows_without_a_value_in_the_divisor(make):
    log = make(
        {
            "customer_id": [1] * 4,
            "timestamp": pd.date_range("2024-01-01", periods=4),
            "store": ["north", "south", "north", None],
        },
        keep=["store"],
    )
    assert one(log, f.share("store"), vocabulary={"store": ("north", "south")}) == [0.5, 0.25]
    assert one(log, f.top_share("store")) == [pytest.approx(2 / 3)]


def test_the_past_ends_before_the_instant_and_a_window_begins_at_its_start(five):
    assert one(five, f.count(), at="2024-01-03 10:00") == [1]
    assert one(five, f.count(), at="2024-01-03 10:00:00.000001") == [2]
    assert one(five, f.count().over("2d"), at="2024-01-03 10:00") == [1]
    assert one(five, f.count().over("2d"), at="2024-01-03 10:00:00.000001") == [1]


def test_customers_who_start_later_have_no_row(five):
    assert FeatureSet([f.count()]).build(five, at="2024-01-13").index.tolist() == ["ann"]


def test_customers_asked_for_get_a_row_each(five):
    fs = FeatureSet(list(MANY.specs))
    table = fs.build(five, at="2024-01-13", customers=["zoe", "ann", "bob", "ann"])
    assert table.index.tolist() == ["ann", "bob", "zoe"]
    alone = fs.build(five, at="2024-01-13")
    assert table.loc["ann"].tolist() == pytest.approx(alone.loc["ann"].tolist(), nan_ok=True)
    silent = table.loc["zoe"]
    assert set(silent.index[silent == 0]) == set(fs.freeze(five, "2024-01-13").zeros)
    assert silent.drop(fs.freeze(five, "2024-01-13").zeros).isna().all()
    assert silent.tolist() == pytest.approx(table.loc["bob"].tolist(), nan_ok=True)


MANY = FeatureSet([
    f.count(), f.total("amount"), f.mean("amount"), f.largest("amount"), f.smallest("amount"), f.spread("amount"), f.first("amount"),
    f.last("amount"), f.first_day("amount"), f.decayed("amount"), f.decayed(), f.distinct("item_id"), f.entropy("item_id"), f.top_share("item_id"),
    f.share("kind"), f.recency(), f.tenure(), f.since(), f.active_days(), f.gaps(), f.trend(f.count(), "30d"), f.trend(f.mean("amount"), "30d"),
    f.year_ago(f.count(), "30d"), f.year_ago(f.mean("amount"), "30d"), f.ratio(f.count(BUYS), f.count()), f.active_weeks(), f.streaks(),
    f.joined(), f.median("amount"), f.drift("amount"), f.slope(f.count(), "30d"), f.difference(f.total("amount", BUYS), f.total("amount", ~BUYS)),
    f.top("kind"), f.first_value("kind"), f.last_value("kind"), f.response(~BUYS, BUYS), f.resolution(~BUYS, BUYS), f.best_hour(~BUYS, BUYS),
])  # fmt: skip
ELSEWHERE = {catalog.Attribute, catalog.AttributeValue, catalog.OfCustomer}
"""They need profiles, or a table of pairs."""


def test_nothing_is_zero_for_counts_and_totals_only(five):
    assert {type(s) for s in MANY.specs} | ELSEWHERE == set(catalog.SHIPPED)
    zero = {"count_all", "total_amount_all", "decayed_amount_30d", "decayed_count_30d", "distinct_item_id_all", "active_days_all",
            "trend_count_30d", "count_year_ago_30d", "active_weeks_all", "week_streak_current", "week_streak_longest", "slope6_count_30d",
            "total_amount_purchase_less_total_amount_not(purchase)_all", "resolution_not(purchase)_purchase_open_all"}  # fmt: skip
    assert set(MANY.freeze(five, "2024-01-13").zeros) == zero


def test_a_panel_of_silent_customers_is_complete(five):
    table = FeatureSet([f.count(), f.recency()]).build(five, at=["2024-02-01", "2024-05-01"], customers=["bob", "zoe"])
    assert table.index.names == ["customer_id", "at"]
    assert table["count_all"].tolist() == [0, 1, 0, 0]
    assert table["recency_days"].isna().tolist() == [True, False, True, True]


def test_one_customer_of_many_is_as_in_the_batch(simulated):
    fs = standard(simulated.log)
    every = fs.build(simulated.log, at=simulated.at)
    some = every.index.get_level_values(0).unique()[[3, 40]]
    expected = every[every.index.get_level_values(0).isin(some)]
    pd.testing.assert_frame_equal(
        fs.build(simulated.log, at=simulated.at, customers=some).loc[expected.index], expected, check_exact=True
    )


def test_an_empty_log_makes_an_empty_table(five, simulated):
    for log in (five.before("2023-01-01"), simulated.log.before("2020-01-01")):
        for fs in (standard(five, at="2024-02-01"), MANY):
            assert fs.build(log, at="2024-01-01").shape[0] == 0
            assert fs.build(log, at=["2024-01-01", "2024-02-01"]).index.names == ["customer_id", "at"]
        assert FeatureSet([f.count(), f.recency()]).build(log, at="2024-01-01", customers=["ann"]).iloc[
            0
        ].tolist() == pytest.approx([0, np.nan], nan_ok=True)
        assert standard(log).names


def test_an_instant_before_everything_makes_an_empty_table(five):
    assert standard(five).build(five, at="2020-01-01").shape == (0, len(standard(five).names))


def test_one_row_is_enough(make):
    log = make({"customer_id": [7], "timestamp": ["2024-01-01"], "amount": [5.0]})
    table = standard(log).build(log, at="2024-01-02")
    assert table.index.tolist() == [7]
    assert table[["recency_days_purchase", "orders_all", "net_amount_all"]].iloc[0].tolist() == [1, 1, 5]
    assert np.isnan(table["gap_purchase_mean_all"].iloc[0])


def test_one_customer_with_many_rows_is_enough(make):
    log = make({"customer_id": [7] * 50, "timestamp": pd.date_range("2024-01-01", periods=50), "amount": [0.1] * 50})
    row = standard(log).build(log, at="2024-02-20").iloc[0]
    assert (row["gap_purchase_mean_all"], row["gap_purchase_spread_all"], row["spread_amount_purchase_365d"]) == (
        1,
        0,
        0,
    )


def test_doubled_instants_are_refused_and_unsorted_ones_sorted(five):
    fs = FeatureSet([f.count()])
    with pytest.raises(DataContractError, match="1 instants are given twice"):
        fs.build(five, at=["2024-01-02", "2024-01-02"])
    with pytest.raises(DataContractError, match="No instant"):
        fs.build(five, at=[])
    told = fs.build(five, at=["2024-02-01", "2024-01-02"])
    assert told["count_all"].tolist() == [1, 4]
    assert told.index.is_monotonic_increasing


def test_unknown_columns_are_refused_by_name(five):
    for spec in (f.total("price"), f.distinct("shop"), f.count(f.where(shop="x")), f.count(f.between("price", 1))):
        with pytest.raises(DataContractError, match=r"no (column|number) '(price|shop)'"):
            FeatureSet([spec]).build(five, at="2024-01-13")
    with pytest.raises(DataContractError, match="no column 'shop' to take values from"):
        f.FeatureSet([f.share("shop")]).build(five, at="2024-01-13")


def test_identifiers_of_another_kind_are_refused(five, make):
    with pytest.raises(DataContractError, match=r"Customers are int64 .*, but str"):
        FeatureSet([f.count()]).build(five, at="2024-01-13", customers=[1, 2])
    numbered = make({"customer_id": [1, 2], "timestamp": ["2024-01-01", "2024-01-02"]})
    with pytest.raises(DataContractError, match=r"Customers are str .*, but int64"):
        FeatureSet([f.count()]).build(numbered, at="2024-01-13", customers=["1"])
    items = make({"customer_id": [1], "timestamp": ["2024-01-01"], "item_id": [5]})
    with pytest.raises(DataContractError, match="'item_id' holds int64; the filter compares it with another kind"):
        FeatureSet([f.count(f.where(item_id="5"))]).build(items, at="2024-01-13")


def test_doubled_and_missing_declarations_are_refused():
    with pytest.raises(DataContractError, match="Doubled features: count_all"):
        FeatureSet([f.count(), f.count()])
    with pytest.raises(DataContractError, match="at least one feature"):
        FeatureSet([])
    with pytest.raises(DataContractError, match="Not features: str"):
        FeatureSet(["recency"])
    with pytest.raises(DataContractError, match="windows that differ"):
        f.count().over("30d", "30d")
    with pytest.raises(DataContractError, match="nothing before it"):
        f.trend(f.count(), "all")
    with pytest.raises(DataContractError, match="names no column"):
        f.where()


def test_vocabularies_are_frozen_on_the_past_of_the_first_instant(five):
    fs = FeatureSet([f.share("channel")])
    assert not fs.frozen
    with pytest.raises(DataContractError, match="Call freeze"):
        _ = fs.names
    assert fs.freeze(five, "2024-01-13").names == ["share_channel=shop_all", "share_channel=web_all"]
    assert fs.freeze(five, ["2024-06-01", "2024-01-04"]).vocabulary == {"channel": ("web",)}
    assert fs.freeze(five, "2024-06-01").vocabulary == {
        "channel": ("shop", "web", "unknown")
    }  # by frequency, then by name


def test_values_unseen_at_freezing_count_in_the_divisor_only(five):
    fs = FeatureSet([f.share("channel")]).freeze(five, "2024-01-04")
    assert fs.build(five, at="2024-05-01", customers=["ann", "bob"])["share_channel=web_all"].tolist() == [0.5, 0]


def test_a_saved_set_is_the_same_set(five, tmp_path):
    fs = FeatureSet([
        *MANY.specs, f.count(f.between("amount", 5) & ~f.weekend() | f.where(item_id=["cup", "tea"])).named("odd", "odd ones").over("36h"),
        f.count(f.between("amount", high=3)), f.count(f.night()),
    ]).freeze(five, "2024-01-13")  # fmt: skip
    fs.save(tmp_path / "features.json")
    again = FeatureSet.load(tmp_path / "features.json")
    assert again == fs
    assert again.fingerprint == fs.fingerprint
    json.loads(fs.to_json(), parse_constant=lambda c: pytest.fail(f"{c} is not JSON"))
    pd.testing.assert_frame_equal(again.build(five, at="2024-01-13"), fs.build(five, at="2024-01-13"), check_exact=True)


def test_fingerprints_tell_sets_apart(five):
    prints = {
        FeatureSet([s]).fingerprint
        for s in (f.count(), f.count(BUYS), f.count().over("7d"), f.decayed(), f.decayed(half_life="7d"))
    }
    assert len(prints) == 5
    frozen = {FeatureSet([f.share("channel")]).freeze(five, at).fingerprint for at in ("2024-01-04", "2024-01-13")}
    assert len(frozen) == 2


def test_files_of_another_version_are_refused():
    text = FeatureSet([f.count()]).to_json()
    with pytest.raises(DataContractError, match="format 7; this version reads 1"):
        FeatureSet.from_json(text.replace('"format":1', '"format":7'))
    with pytest.raises(DataContractError, match="Unknown kind of feature 'Guess'"):
        FeatureSet.from_json(text.replace('"Count"', '"Guess"'))


@pytest.mark.parametrize(
    ("spec", "value", "sentence"),
    [
        (f.recency(BUYS), 74.2, "last purchase 74 days ago"), (f.recency(BUYS), 1, "last purchase 1 day ago"),
        (f.recency(BUYS), np.nan, "no purchase so far"), (f.tenure(), 400, "a customer for 400 days"),
        (f.active_days(BUYS).named("orders", "orders").over("30d"), 1, "1 order in the last 30 days"),
        (f.count(BUYS).over("1d"), 0, "no purchases in the last 1 day"), (f.count(BUYS & f.weekend()), 2, "2 purchases at the weekend so far"),
        (f.distinct("category", BUYS), 1, "1 different category among purchases so far"), (f.count(f.where(channel="{x}")), 3, "3 interactions with channel {x} so far"),
        (f.total("amount", BUYS).named("net", "money spent").over("90d"), 1234.5, "money spent in the last 90 days: 1,234"),
        (f.mean("amount", BUYS), np.nan, "mean amount of purchases so far: not known yet"), (f.last("amount", BUYS), 9.5, "amount of the last purchase so far: 9.5"),
        (f.trend(f.count(BUYS), "30d"), -2, "change of purchases in the last 30 days against the 30 days before: -2"),
        (f.year_ago(f.count(BUYS), "30d"), 1, "1 purchase in the same 30 days a year ago"),
        (f.count(f.where(kind=["purchase", "support_call"])), 4, "4 purchases and support calls so far"),
        (f.count(~BUYS), 4, "4 interactions other than purchases so far"), (f.count(f.between("amount", 5, 20)), 1, "1 interaction with amount from 5 to under 20 so far"),
    ],
)  # fmt: skip
def test_people_read_sentences(spec, value, sentence):
    assert spec.features({})[0].tell(value) == sentence


def test_every_standard_sentence_can_be_said(nasty):
    for feature in standard(nasty.log).features:
        fields = {name for _, name, _, _ in Formatter().parse(feature.quote) if name is not None}
        assert fields <= {"value"}
        for value in (np.nan, 0, 1, 0.25, 12_345.6, -3):
            said = feature.tell(value)
            assert said
            assert not {"  ", "{", "}", "_id"} & {said[i : i + n] for n in (1, 2, 3) for i in range(len(said))}


def test_themes_group_what_belongs_together(nasty):
    themes = standard(nasty.log).themes
    assert {
        themes[n]
        for n in ("orders_30d", "orders_all", "trend_orders_30d", "orders_year_ago_30d", "lines_per_order_all")
    } == {"how often"}
    assert {
        themes[n] for n in ("net_amount_30d", "order_value_90d", "first_order_value_all", "last_amount_purchase_all")
    } == {"money"}
    assert {themes[n] for n in ("recency_days_purchase", "gap_purchase_overdue_all")} == {"rhythm"}
    assert {themes[n] for n in ("count_contact_30d", "recency_days_visit")} == {"other contacts"}
    assert {themes[n] for n in ("return_rate_all", "count_return_30d")} == {"returns"}
    assert (themes["tenure_days"], themes["entropy_channel_purchase_365d"], themes["items_all"]) == (
        "tenure",
        "channels",
        "variety",
    )


def test_standard_gives_about_sixty_columns(simulated, make):
    plain = simulated.frame[["customer_id", "timestamp", "kind", "item_id", "order_id", "amount"]]
    assert 55 <= len(standard(simulated.again(plain)).names) <= 65
    bare = make({"customer_id": [1, 2], "timestamp": ["2024-01-01", "2024-01-02"]})
    assert {"orders_90d", "recency_days_purchase"} <= set(standard(bare).names)


def test_describe_is_a_table_of_words(five):
    table = FeatureSet([f.count(BUYS).over("30d"), f.recency()]).describe()
    assert table.to_numpy().tolist() == [
        ["count_purchase_30d", "how often", "purchases in the last 30 days"],
        ["recency_days", "rhythm", "days since the last interaction"],
    ]
    assert Feature("x", "y").plain


def test_progress_is_shown_when_asked_for_and_changes_nothing(five, capsys):
    fs = FeatureSet([f.count()])
    pd.testing.assert_frame_equal(fs.build(five, at="2024-01-13", progress=True), fs.build(five, at="2024-01-13"))


def test_times_of_any_resolution_give_the_same_table(simulated):
    fs = standard(simulated.log)
    told = fs.build(simulated.log, at=simulated.at)
    for unit in ("s", "ms", "ns"):
        other = simulated.again(simulated.frame.assign(timestamp=simulated.frame["timestamp"].dt.as_unit(unit)))
        pd.testing.assert_frame_equal(fs.build(other, at=simulated.at), told, check_exact=True)


def test_indexes_and_categories_of_the_source_play_no_part(simulated):
    fs = standard(simulated.log)
    odd = simulated.frame.assign(kind=simulated.frame["kind"].astype("category"))
    odd.index = pd.Index(np.zeros(len(odd), int), name="customer_id")
    pd.testing.assert_frame_equal(
        fs.build(simulated.again(odd), at=simulated.at), fs.build(simulated.log, at=simulated.at), check_exact=True
    )
