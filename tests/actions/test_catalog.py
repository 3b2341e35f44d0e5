"""Rules, channels and the catalogue: answers by hand, row 108 of the bad inputs, channels against HiGHS."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from crmintel.actions import Action, ActionCatalog, Channel, Rule, allocate, allocate_catalog
from crmintel.actions.allocation.channels import _divided
from crmintel.errors import DataContractError
from tests.actions.worlds import instance

ADULT = Rule("under_age", "The customer is under age.", lambda t: t["age"] >= 18, "age")
PHONE = Rule("no_phone", "No number is known.", lambda t: t["phone"], "phone", "applicability")
QUIET = Rule("just_bought", "The customer just bought.", lambda t: ~(t["recency"] < 7), "recency", "suitability")
TABLE = pd.DataFrame(
    {"age": [17.0, 30.0, 40.0, np.nan], "phone": [False, False, True, True], "recency": [3.0, 3.0, 3.0, np.nan]},
    index=pd.Index(["ann", "bob", "cy", "dee"], name="customer_id"),
)


def catalog(*rules: Rule, **options: Any) -> ActionCatalog:
    return ActionCatalog([Action("call", 2.0, rules=rules, **options), Action("letter", 0.5)])


def test_the_first_reason_goes_by_kind_whatever_the_order_of_the_rules() -> None:
    for rules in ((ADULT, PHONE, QUIET), (QUIET, PHONE, ADULT)):
        told = catalog(*rules).check(TABLE)
        assert told.why["call"].tolist() == ["under_age", "no_phone", "just_bought", "under_age"]
        assert not told.mask["call"].any()
        assert told.mask["letter"].all()
        assert told.why["letter"].isna().all()


def test_counts_tell_whom_each_rule_blocks_and_where_it_is_the_reason() -> None:
    told = catalog(QUIET, PHONE, ADULT).check(TABLE).counts()
    assert told[["action", "kind", "code", "blocked", "first"]].to_numpy().tolist() == [
        ["call", "eligibility", "under_age", 2, 2],
        ["call", "applicability", "no_phone", 2, 1],
        ["call", "suitability", "just_bought", 4, 1],
    ]


def test_a_missing_value_means_that_the_rule_does_not_hold_even_if_it_is_written_as_a_not() -> None:
    assert QUIET.met(TABLE).tolist() == [False] * 4  # of dee the recency is missing, and "not recent" would be true
    unsure = Rule("unsure", "Not sure.", lambda t: pd.array([True, None, False, True], dtype="boolean"), "phone")
    assert unsure.met(TABLE).tolist() == [True, False, False, True]


def test_row_108_rules_that_contradict_each_other_leave_no_action_and_a_reason_for_each_customer() -> None:
    young = Rule("of_age", "The customer is of age.", lambda t: t["age"] < 18, "age")
    both = ActionCatalog([Action("call", 1.0, rules=(ADULT, young)), Action("text", 1.0, rules=(PHONE,))])
    told = both.check(TABLE)
    reasons = told.reasons()
    assert reasons["customer_id"].tolist() == ["ann", "bob"]
    assert reasons["action"].tolist() == ["no action"] * 2
    assert reasons["action_why"].tolist() == [
        "The customer is under age. No number is known.",
        "The customer is of age. No number is known.",
    ]
    plan = allocate_catalog(pd.DataFrame(9.0, TABLE.index, ["call", "text"]), both, eligible=told)
    assert plan.table["customer_id"].tolist() == ["cy", "dee"]
    assert plan.table["action"].tolist() == ["text", "text"]


def test_row_108_rules_that_close_everything_are_no_error() -> None:
    never = ActionCatalog([Action("call", 1.0, rules=(Rule("never", "Nobody.", lambda t: t["age"] > 999, "age"),))])
    told = never.check(TABLE)
    assert not told.mask.to_numpy().any()
    assert len(allocate_catalog(pd.DataFrame({"call": 9.0}, TABLE.index), never, eligible=told).table) == 0


def test_an_empty_table_and_a_catalogue_without_rules_are_answered() -> None:
    assert catalog(ADULT, PHONE).check(TABLE[:0]).mask.shape == (0, 2)
    assert catalog().check(TABLE).mask.to_numpy().all()
    assert catalog().check(TABLE).counts().empty
    assert "4 of 4" in repr(catalog().check(TABLE))
    page = catalog(ADULT).check(TABLE)._repr_html_()
    assert "under_age" in page
    assert "ann" not in page


def test_the_frame_has_a_row_for_each_pair() -> None:
    frame = catalog(ADULT).check(TABLE).to_frame()
    assert frame[["customer_id", "action", "open"]].to_numpy().tolist()[:3] == [
        ["ann", "call", False],
        ["ann", "letter", True],
        ["bob", "call", True],
    ]


def test_a_rule_that_fails_tells_its_kind_of_failure_and_no_value() -> None:
    def fails(table: pd.DataFrame) -> Any:
        raise ValueError(f"cannot read {table['age'].iloc[0]}")

    for rule in (Rule("odd", "Odd.", fails, "age"), Rule("odd", "Odd.", lambda t: t["phone"], "age")):
        with pytest.raises(DataContractError, match=r"Rule 'odd' failed with (ValueError|KeyError)") as told:
            catalog(rule).check(TABLE)
        assert "17" not in str(told.value)
        assert told.value.__suppress_context__
    with pytest.raises(DataContractError, match=re.escape("shape () for 3 rows")):
        catalog(Rule("one", "One.", lambda t: True, "age")).check(TABLE)
    with pytest.raises(DataContractError, match="in another order"):
        catalog(Rule("turned", "Turned.", lambda t: (t["age"] > 18)[::-1], "age")).check(TABLE)
    with pytest.raises(DataContractError, match="failed with"):
        catalog(Rule("text", "Text.", lambda t: ["yes"] * len(t), "age")).check(TABLE)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: catalog(Rule("x", "X.", lambda t: t["zip"], ("zip", "age"))).check(TABLE), "does not have: zip"),
        (lambda: catalog().check(pd.concat([TABLE, TABLE])), "4 customers occur twice"),
        (lambda: catalog().check(TABLE.set_axis([None, "b", "c", "d"])), "no identifier"),
        (lambda: ActionCatalog([]), "No action"),
        (lambda: ActionCatalog([Action("a", 1.0), Action("a", 2.0)]), "actions occur twice: \\['a'\\]"),
        (lambda: ActionCatalog([Action("a", 1.0, channel="fax")], [Channel("phone")]), "unknown channels: \\['fax'\\]"),
        (lambda: ActionCatalog([Action("a", 1.0, rules=(ADULT,)), Action("b", 1.0, rules=(Rule("under_age", "No.", len, "age"),))]), "share the code"),
        (lambda: ActionCatalog([Action("a", 1.0, channel="p", hours=(8, 20))], [Channel("p", hours=(9, 18))]), "outside"),
        (lambda: ActionCatalog(["call"]), "hold str"),
        (lambda: Action("a", 1.0, rules=("adult",)), "hold str"),  # type: ignore[arg-type]  # that is the point
        (lambda: Action("a", 1.0, hours=(9, 9)), "hours of action 'a'"),
        (lambda: Channel("p", capacity=0), "capacity of channel 'p' is 0"),
        (lambda: Channel("p", cost=-1.0), "cost of channel 'p'"),
        (lambda: Rule("x", "X.", lambda t: t, ()), "names no columns"),
        (lambda: Rule("x", "X.", lambda t: t, "age", "taste"), "kind of rule 'x' is 'taste'"),
        (lambda: Rule("", "X.", lambda t: t, "age"), "code of a rule"),
        (lambda: Rule("x", "X.", "age > 3", "age"), "no function"),  # type: ignore[arg-type]  # that is the point
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(make: Any, words: str) -> None:
    with pytest.raises(DataContractError, match=words) as told:
        make()
    assert not re.search(r"\b(ann|bob|cy|dee)\b", str(told.value))


def test_row_109_a_gain_of_an_unknown_action_names_the_known_ones() -> None:
    with pytest.raises(DataContractError, match=r"\['fax'\]. Known are \['call', 'letter'\]"):
        allocate_catalog(pd.DataFrame({"call": [1.0], "letter": 1.0, "fax": 1.0}), catalog())
    with pytest.raises(DataContractError, match=r"no column for \['letter'\]"):
        allocate_catalog(pd.DataFrame({"call": [1.0]}), catalog())


def test_costs_capacities_and_hours_are_those_of_action_and_channel_together() -> None:
    both = ActionCatalog(
        [
            Action("call", 2.0, 50, channel="phone"),
            Action("text", 0.1, channel="phone", hours=(10, 12)),
            Action("gift", 5.0),
        ],
        [Channel("phone", cost=1.0, capacity=40, hours=(9, 18))],
    )
    assert both.costs == {"call": 3.0, "text": 1.1, "gift": 5.0}
    assert both.capacity == {"call": 40, "text": 40}
    assert both.hours == {"call": (9, 18), "text": (10, 12), "gift": None}
    assert both.through == {"call": "phone", "text": "phone"}


def test_a_channel_that_is_not_full_changes_nothing() -> None:
    p = instance(300, 3, 5)
    acts = [Action(n, p["cost"][n], p["capacity"][n], channel="phone") for n in p["gain"]]
    plan = allocate_catalog(p["gain"], ActionCatalog(acts, [Channel("phone", capacity=10_000)]), budget=p["budget"])
    plain = allocate(p["gain"], cost=p["cost"], capacity=p["capacity"], budget=p["budget"])
    pd.testing.assert_frame_equal(plan.table, plain.table)


def best_value(p: dict[str, Any], channel: list[int], most: dict[int, int], contacts: int) -> float:
    """HiGHS on the whole problem, capacities of channels included."""
    gain, cost = p["gain"].to_numpy(), np.array([p["cost"][n] for n in p["gain"]])
    n, a = gain.shape
    open_ = p["eligible"].to_numpy()
    who, action = np.divmod(np.arange(n * a), a)
    ones = np.ones(n * a)
    rows = [(who, ones, np.full(n, contacts)), (action, ones, np.array([p["capacity"][x] for x in p["gain"]]))]
    rows += [(np.array(channel)[action], ones, np.array([most.get(c, 10**6) for c in range(max(channel) + 1)]))]
    rows += [(np.zeros(n * a, int), cost[action], np.array([p["budget"]]))]
    matrix = sp.vstack([sp.csr_array((w, (i, np.arange(n * a))), shape=(len(m), n * a)) for i, w, m in rows])
    limit = LinearConstraint(matrix, -np.inf, np.concatenate([m for *_, m in rows]))
    net = np.where(open_, gain - cost, 0.0).ravel()
    found = milp(-net, integrality=ones, bounds=Bounds(0, open_.ravel().astype(float)), constraints=limit)
    return -float(found.fun)


@pytest.mark.parametrize("contacts", [1, 2])
@pytest.mark.parametrize("seed", [0, 1])
def test_channels_that_several_actions_share_are_used_almost_as_well_as_can_be(seed: int, contacts: int) -> None:
    p = instance(600, 4, seed)
    channel, most = [0, 0, 0, 1], {0: int(0.4 * sum(list(p["capacity"].values())[:3]))}
    acts = [Action(n, p["cost"][n], p["capacity"][n], channel=f"c{c}") for n, c in zip(p["gain"], channel, strict=True)]
    both = ActionCatalog(acts, [Channel("c0", capacity=most[0]), Channel("c1")])
    plan = allocate_catalog(p["gain"], both, eligible=p["eligible"], budget=p["budget"], max_contacts=contacts)
    best = best_value(p, channel, most, contacts)
    assert plan.counts.iloc[:3].sum() <= most[0]
    assert plan.value <= best + 1e-6 <= plan.bound + 2e-6
    assert plan.value >= best * 0.995
    split = {
        n: max(round(most[0] * p["capacity"][n] / sum(list(p["capacity"].values())[:3]) - 0.5), 1)
        for n in list(p["gain"])[:3]
    }
    plain = allocate(
        p["gain"], cost=p["cost"], capacity=p["capacity"] | split, eligible=p["eligible"], budget=p["budget"], max_contacts=contacts
    )  # fmt: skip
    assert plan.value > plain.value  # dividing a channel by the capacities of its actions is worse


def test_a_channel_is_divided_by_its_best_contacts_once_quotas_have_their_places() -> None:
    gain = pd.DataFrame({"a": [9.0, 8.0, 1.0, 0.0], "b": [0.0, 0.0, 0.0, 7.0], "c": [0.5, 0.0, 3.0, 0.0]})
    plan = allocate(gain)  # a for two at 9 and 8, c at 3, b at 7
    shared, limits = np.array([[1.0, 1.0, 0.0]]), plan.prices.limits
    for places, least, wanted in ((2, 0, [2, 0]), (2, 1, [1, 1]), (1, 0, [1, 0]), (3, 0, [2, 1])):
        told = _divided(plan, shared, np.array([places]), np.array([0, least, 0]), limits)
        assert told.tolist() == [*wanted, np.inf]
    turned = allocate(gain[["b", "a", "c"]])  # b comes first by its number, but not by its worth
    assert _divided(turned, shared, np.array([2]), np.zeros(3, np.int64), limits).tolist() == [0, 2, np.inf]


def test_small_channels_are_divided_by_what_contacts_are_worth() -> None:
    got, best = 0.0, 0.0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        names = ["a", "b", "c"]
        gain = pd.DataFrame(rng.gamma(0.5, 3.0, (12, 3)).round(1), columns=names)
        p = {
            "gain": gain,
            "cost": dict.fromkeys(names, 0.5),
            "capacity": dict.fromkeys(names, 12),
            "budget": 100.0,
            "eligible": gain >= 0,
        }
        both = ActionCatalog([Action(n, 0.5, channel="x") for n in names], [Channel("x", capacity=3)])
        plan = allocate_catalog(gain, both)
        most = best_value(p, [0, 0, 0], {0: 3}, 1)
        got, best = got + plan.value, best + most
        assert plan.counts.sum() <= 3
        assert plan.value <= most + 1e-9 <= plan.bound + 2e-9
    assert got >= 0.98 * best


def test_customers_whom_a_full_channel_leaves_out_are_told_so() -> None:
    both = ActionCatalog(
        [Action("call", 1.0, channel="p"), Action("text", 1.0, channel="p")], [Channel("p", capacity=1)]
    )
    gain = pd.DataFrame({"call": [9.0, 0.0, 0.5], "text": [0.0, 3.0, 0.5]}, index=[1, 2, 3])
    told = allocate_catalog(gain, both).reasons()
    assert told["action_why"].tolist() == [
        "an action is worth it, but the limits went to customers who gain more",
        "no open action is worth its cost",
    ]


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 4), st.integers(1, 3), st.booleans())
def test_no_channel_is_ever_exceeded(seed: int, n: int, most: int, contacts: int, quotas: bool) -> None:
    rng = np.random.default_rng(seed)
    names = ["a", "b", "c", "d"]
    gain = pd.DataFrame(rng.integers(-1, 6, (n, 4)).astype(float), columns=names)
    channel = [None if c == 0 else f"c{c}" for c in rng.integers(0, 3, 4)]
    acts = [
        Action(x, float(rng.integers(0, 3)), int(rng.integers(1, 6)), channel=c)
        for x, c in zip(names, channel, strict=True)
    ]
    both = ActionCatalog(acts, [Channel("c1", capacity=most), Channel("c2", cost=0.5, capacity=most + 1)])
    quota = {"a": 1} if quotas else None
    plan = allocate_catalog(gain, both, max_contacts=contacts, budget=20.0, quota=quota)
    for c in both.channels:
        mine = [x for x, through in both.through.items() if through == c.name]
        assert plan.counts[mine].sum() <= c.capacity  # type: ignore[operator]  # these have one
    assert plan.counts["a"] >= quotas
    assert (plan.counts <= [a.capacity for a in acts]).all()
    assert plan.value <= plan.bound


def test_quotas_above_a_channel_are_refused_by_its_name() -> None:
    acts = [Action("a", 0.0, channel="p"), Action("b", 0.0, channel="p")]
    both = ActionCatalog(acts, [Channel("p", capacity=2)])
    with pytest.raises(DataContractError, match="capacity of channel 'p'"):
        allocate_catalog(pd.DataFrame(1.0, range(5), ["a", "b"]), both, quota={"a": 2, "b": 1})


def test_the_plan_within_channels_does_not_depend_on_the_order_of_rows() -> None:
    p = instance(400, 4, 3)
    acts = [Action(n, p["cost"][n], p["capacity"][n], channel="c") for n in p["gain"]]
    both = ActionCatalog(acts, [Channel("c", capacity=40)])
    one = allocate_catalog(p["gain"], both).table
    other = allocate_catalog(p["gain"].sample(frac=1, random_state=1), both).table
    key = ["customer_id", "action"]
    pd.testing.assert_frame_equal(one[key], other[key].sort_values("customer_id").reset_index(drop=True))
