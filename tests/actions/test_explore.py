"""Exploration: probabilities by hand and by an integral, draws that keep them, estimates that come out true."""

import hashlib
import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import chisquare, norm

from crmintel.actions import (
    Epsilon,
    Softmax,
    Thompson,
    allocate,
    evaluate_policy,
    explore,
    explore_plan,
    held_out,
    propensities,
    spare,
)
from crmintel.errors import DataContractError

ARMS = ["no action", "call", "mail"]
ERROR = {"call": 1.5, "mail": 0.5}


def people(n: int, call: float = 1.0, mail: float = 0.5) -> pd.DataFrame:
    return pd.DataFrame({"call": call, "mail": mail}, index=pd.RangeIndex(n, name="customer_id"))


def thompson(gains: pd.DataFrame) -> Thompson:
    return Thompson(pd.DataFrame(ERROR, index=gains.index))


def methods(gains: pd.DataFrame) -> list[Any]:
    return [Epsilon(0.3), Softmax(0.7), thompson(gains)]


def test_epsilon_spreads_its_share_over_all_open_arms() -> None:
    gains = pd.DataFrame({"call": [2.0, -1.0, 9.0], "mail": [1.0, -2.0, 8.0]}, index=[7, 8, 9])
    open_ = pd.DataFrame({"call": [True, True, False], "mail": [True, True, False]}, index=[7, 8, 9])
    told = propensities(gains, Epsilon(0.3), eligible=open_)
    assert told.columns.tolist() == ARMS
    assert told.to_numpy() == pytest.approx(np.array([[0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [1.0, 0.0, 0.0]]))


def test_softmax_weighs_by_e_and_does_not_overflow() -> None:
    told = propensities(people(1, 2.0, -1.0), Softmax(2.0)).to_numpy()[0]
    assert told == pytest.approx(np.exp([0, 1, -0.5]) / np.exp([0, 1, -0.5]).sum())
    assert propensities(people(1, 2e6, 1.0), Softmax(1e-3)).to_numpy()[0].tolist() == [0.0, 1.0, 0.0]


def test_thompson_with_one_action_is_the_chance_of_a_gain() -> None:
    gains = pd.DataFrame({"call": [1.0, -0.3, 0.0]})
    told = propensities(gains, Thompson(pd.DataFrame({"call": [2.0, 0.1, 5.0]})))["call"]
    assert told.to_numpy() == pytest.approx(norm.cdf([0.5, -3.0, 0.0]), abs=1e-10)


def test_thompson_of_two_equal_actions_far_above_nothing_is_a_coin() -> None:
    gains = people(1, 50.0, 50.0)
    assert propensities(gains, Thompson(gains * 0 + 1.0)).to_numpy()[0] == pytest.approx([0.0, 0.5, 0.5], abs=1e-10)


def test_thompson_of_two_actions_is_the_chance_that_their_difference_is_positive() -> None:
    gains = people(1, 103.0, 100.0)
    told = propensities(gains, thompson(gains)).to_numpy()[0]
    assert told[1] == pytest.approx(norm.cdf(3 / np.sqrt(1.5**2 + 0.5**2)), abs=1e-10)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.floats(-3, 3), st.sampled_from([1e-4, 0.03, 0.5, 2.0, 40.0])), min_size=1, max_size=4))
def test_thompson_is_the_integral_over_the_others_distributions(arms: list[tuple[float, float]]) -> None:
    worth, error = (pd.DataFrame([v], columns=[f"a{i}" for i in range(len(arms))]) for v in zip(*arms, strict=True))
    told = propensities(worth, Thompson(error)).to_numpy()[0]
    for a, (mean, sd) in enumerate(arms):
        others = [x for i, x in enumerate(arms) if i != a]
        cuts = sorted({min(max(m + k * s, 0.0), max(mean + 9 * sd, 0.0)) for m, s in arms for k in range(-9, 10)})

        def product(x: float, mean: float = mean, sd: float = sd, others: list[tuple[float, float]] = others) -> float:
            return float(norm.pdf(x, mean, sd) * np.prod([norm.cdf(x, m, s) for m, s in others]))

        if len(arms) < 3:  # slow, but by another way
            whole = sum(
                quad(product, *piece, epsabs=1e-12)[0]
                for piece in itertools.pairwise(cuts)
                if piece[1] - piece[0] > 1e-12
            )
        else:
            nodes, weights = np.polynomial.legendre.leggauss(40)
            whole = 0.0
            for low, high in itertools.pairwise(cuts):
                x = (low + high) / 2 + (high - low) / 2 * nodes
                value = norm.pdf(x, mean, sd) * np.prod([norm.cdf(x, m, s) for m, s in others], axis=0)
                whole += float(value @ weights) * (high - low) / 2
        assert told[a + 1] == pytest.approx(whole, abs=1e-8)
    assert told[0] == pytest.approx(np.prod([norm.cdf(0, m, s) for m, s in arms]), abs=1e-8)


def test_thompson_without_error_is_the_best_action_and_a_sure_action_is_a_floor() -> None:
    gains = pd.DataFrame({"call": [1.0, -1.0], "mail": [0.5, -2.0]})
    assert propensities(gains, Thompson(gains * 0)).to_numpy().tolist() == [[0, 1, 0], [1, 0, 0]]
    told = propensities(gains[:1], Thompson(pd.DataFrame({"call": [0.0], "mail": [0.5]}))).to_numpy()[0]
    assert told == pytest.approx([0.0, norm.cdf(1.0), norm.cdf(-1.0)], abs=1e-10)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 6))
def test_probabilities_sum_to_one_and_closed_arms_have_none(seed: int, n: int, wide: int) -> None:
    rng = np.random.default_rng(seed)
    gains = pd.DataFrame(rng.normal(0, 2, (n, wide)), columns=[f"a{i}" for i in range(wide)])
    open_ = pd.DataFrame(rng.random((n, wide)) < 0.6, columns=gains.columns)
    error = pd.DataFrame(10.0 ** rng.uniform(-3, 2, (n, wide)), columns=gains.columns)
    for method in (Epsilon(0.2), Softmax(0.5), Thompson(error)):
        told = propensities(gains.where(open_), method, eligible=open_)
        assert told.sum(axis=1).to_numpy() == pytest.approx(np.ones(n), abs=1e-12)
        assert (told.to_numpy() >= 0).all()
        assert (told[gains.columns].to_numpy()[~open_.to_numpy()] == 0).all()
        drawn = explore(gains.where(open_), method, eligible=open_, seed=seed)
        assert (drawn["propensity"] > 0).all()


@pytest.mark.slow
def test_realised_frequencies_match_the_logged_propensities() -> None:
    gains = people(50_000)
    for method in methods(gains):
        drawn = explore(gains, method, seed=3, at="2024-03-01")
        expected = propensities(gains[:1], method).to_numpy()[0]
        counts = drawn["action"].value_counts().reindex(ARMS).to_numpy()
        assert chisquare(counts, expected * len(gains)).pvalue > 0.001
        assert np.allclose(drawn["propensity"], drawn["action"].map(dict(zip(ARMS, expected, strict=True))), rtol=1e-12)
        assert (drawn["greedy"] == "call").all()


def test_the_draw_depends_on_identifier_seed_and_instant_only_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    gains = pd.DataFrame(
        rng.normal(size=(3000, 2)), columns=["call", "mail"], index=pd.RangeIndex(3000, name="customer_id")
    )
    turned = gains.sample(frac=1, random_state=1)
    for method in methods(gains):
        one, other = explore(gains, method, seed=1), explore(turned, method, seed=1)
        pd.testing.assert_frame_equal(one, other.sort_values("customer_id", ignore_index=True), check_exact=True)
        few = explore(gains[:7], method, seed=1)
        pd.testing.assert_frame_equal(one[:7], few, check_exact=True)
        assert not explore(gains, method, seed=2)["action"].equals(one["action"])
        assert not explore(gains, method, seed=1, at="2024-01-01")["action"].equals(one["action"])


@pytest.mark.slow
def test_weighting_by_the_propensities_gives_the_true_value_of_another_policy() -> None:
    rng = np.random.default_rng(5)
    n = 20_000
    gains = pd.DataFrame(
        rng.normal(0.3, 1, (n, 2)), columns=["call", "mail"], index=pd.RangeIndex(n, name="customer_id")
    )
    truth = np.column_stack([np.zeros(n), 0.8 * gains["call"] + 0.2, 0.5 * gains["mail"] - 0.1])
    mail = np.zeros((n, 3))
    mail[:, 2] = 1
    for method in (Epsilon(0.3), Softmax(1.0), Thompson(gains * 0 + 1.2)):
        drawn = explore(gains, method, seed=11)
        arm = np.array([ARMS.index(a) for a in drawn["action"]])
        reward = truth[np.arange(n), arm] + rng.normal(0, 0.5, n)
        weighed = np.where(arm == 2, reward / drawn["propensity"], 0.0)
        assert abs(weighed.mean() - truth[:, 2].mean()) < 4 * weighed.std() / np.sqrt(n)
        assert abs(reward[arm == 2].mean() - truth[:, 2].mean()) > 0.1  # without weights it is far off
        target = pd.DataFrame(mail, columns=ARMS)
        told = evaluate_policy(drawn["action"], reward, drawn["propensity"], target)
        assert told is not None


def plan_and_open(n: int = 20_000) -> tuple[Any, pd.DataFrame]:
    rng = np.random.default_rng(2)
    gains = pd.DataFrame(
        rng.normal(0.5, 1, (n, 2)), columns=["call", "mail"], index=pd.RangeIndex(n, name="customer_id")
    )
    open_ = pd.DataFrame(rng.random((n, 2)) < 0.8, columns=gains.columns, index=gains.index)
    room = spare({"call": n // 5}, open_, share=0.2)
    return allocate(gains, capacity=room, eligible=open_), open_


def test_an_exempt_share_gets_any_open_action_and_everybodys_propensity_is_known() -> None:
    plan, open_ = plan_and_open()
    told = explore_plan(plan, share=0.2, eligible=open_, capacity={"call": 4_000}, seed=4, at="2024-03-01")
    n = len(told)
    assert abs(told["exempt"].mean() - 0.2) < 4 * np.sqrt(0.2 * 0.8 / n)
    kept = told[~told["exempt"]]
    assert (kept["action"] == kept["planned"]).all()
    arms = 1 + open_.sum(axis=1).to_numpy()
    expected = 0.2 / arms + 0.8 * (told["action"] == told["planned"])
    assert np.allclose(told["propensity"], expected, rtol=1e-12)
    allowed = np.column_stack([np.ones(n, bool), open_.to_numpy()])
    assert allowed[np.arange(n), [ARMS.index(a) for a in told["action"]]].all()
    for planned in ARMS:  # among customers with the same plan and open arms, frequencies are the propensities
        mine = told[(told["planned"] == planned).to_numpy() & (arms == 3)]
        chance = [0.2 / 3 + 0.8 * (a == planned) for a in ARMS]
        counts = mine["action"].value_counts().reindex(ARMS, fill_value=0).to_numpy()
        assert chisquare(counts, np.array(chance) * len(mine)).pvalue > 0.001


def test_weighting_an_exempted_plan_gives_the_true_value_of_each_action() -> None:
    plan, open_ = plan_and_open()
    told = explore_plan(plan, share=0.3, eligible=open_, seed=9)
    rng = np.random.default_rng(1)
    who = open_["call"].to_numpy()  # the value of calling everybody who may be called
    truth = rng.normal(1.0, 1.0, len(told)) + 2.0 * (told["planned"] == "call")
    reward = np.where(told["action"] == "call", truth, 0.0)
    weighed = (np.where(told["action"] == "call", reward / told["propensity"], 0.0))[who]
    assert abs(weighed.mean() - truth[who].mean()) < 4 * weighed.std() / np.sqrt(who.sum())


def test_another_seed_or_instant_exempts_others() -> None:
    plan, open_ = plan_and_open(500)
    told = [
        explore_plan(plan, share=0.5, eligible=open_, seed=s, at=at)["exempt"] for s, at in ((0, 1), (1, 1), (0, 2))
    ]
    assert not told[0].equals(told[1])
    assert not told[0].equals(told[2])


def test_no_share_is_the_plan_and_the_whole_share_is_random() -> None:
    plan, open_ = plan_and_open(500)
    none, whole = (explore_plan(plan, share=s, eligible=open_) for s in (0.0, 1.0))
    assert (none["action"] == none["planned"]).all()
    assert (none["propensity"] == 1).all()
    assert whole["exempt"].all()
    assert whole["propensity"].to_numpy() == pytest.approx(1 / (1 + open_.sum(axis=1).to_numpy()))


def test_a_capacity_that_exploration_exceeds_is_told_and_spare_leaves_room() -> None:
    gains = people(1000, 5.0, 1.0)
    open_ = pd.DataFrame(True, gains.index, gains.columns)
    plan = allocate(gains, capacity={"call": 100})
    with pytest.raises(DataContractError, match=r"action 'call' is used \d+ times, its capacity is 100"):
        explore_plan(plan, share=0.5, eligible=open_, capacity={"call": 100})
    room = spare({"call": 100}, open_, share=0.1)
    assert room == {"call": int(100 - 1000 / 30 - 4 * np.sqrt(1000 / 30 * 29 / 30))}
    plan = allocate(gains, capacity=room)
    for seed in range(15):
        explore_plan(plan, share=0.1, eligible=open_, capacity={"call": 100}, seed=seed)
    with pytest.raises(DataContractError, match="takes all of the capacity of action 'call'"):
        spare({"call": 100}, open_, share=0.5)


def test_a_hold_out_is_stable_grows_and_differs_between_programmes() -> None:
    ids = pd.RangeIndex(20_000)
    small, large, other = held_out(ids, 0.1, "a"), held_out(ids, 0.3, "a"), held_out(ids, 0.1, "b")
    assert (large | ~small).all()
    assert abs(small.mean() - 0.1) < 4 * np.sqrt(0.09 / 20_000)
    assert abs((small & other).mean() - 0.01) < 4 * np.sqrt(0.01 / 20_000)
    turned = held_out(pd.Series(ids[::-1]), 0.1, "a")
    assert turned.sort_index().equals(small)
    assert held_out(ids, 1.0, "a").all()
    assert not held_out(ids, 0.0, "a").any()


def test_a_hold_out_by_hand() -> None:
    base = hashlib.blake2b(b"winter").digest()
    for who, written in ((7, b"number:7"), ("7", b"text:7"), (-3, b"number:-3"), ("né", b"text:n\xc3\xa9")):
        u = int.from_bytes(hashlib.blake2b(base + written).digest()[:8], "big") / 2**64
        assert held_out([who], u + 1e-9, "winter").tolist() == [True]
        assert held_out([who], u - 1e-9, "winter").tolist() == [False]


def test_text_and_number_are_different_customers() -> None:
    ids = range(2000)
    number, text = held_out(ids, 0.5, "a").to_numpy(), held_out(map(str, ids), 0.5, "a").to_numpy()
    assert 0.4 < (number == text).mean() < 0.6
    assert held_out(np.array([7], np.int32), 0.5, "a").tolist() == held_out([7], 0.5, "a").tolist()


NAN = float("nan")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Epsilon(1.5), "share is 1.5"),
        (lambda: Epsilon(NAN), "share is nan"),
        (lambda: Softmax(0.0), "temperature is 0.0"),
        (lambda: explore(people(2, NAN), Epsilon(0.1)), r"missing or infinite for open actions \['call'\]"),
        (lambda: explore(people(2), "softmax"), "method is str"),
        (lambda: explore(people(2), Thompson(people(1))), "error lacks 1 customers and 0 actions"),
        (lambda: explore(people(2), Thompson(people(2, -1.0))), "error is missing, infinite or negative for 2 open"),
        (lambda: explore(people(2), Epsilon(0.1), eligible=people(2)), "eligible has type float64"),
        (lambda: explore(pd.concat([people(2), people(2)]), Epsilon(0.1)), "2 customers occur twice"),
        (lambda: held_out([1.5], 0.1, "a"), "neither text nor whole numbers"),
        (lambda: held_out([True], 0.1, "a"), "neither text nor whole numbers"),
        (lambda: held_out([None], 0.1, "a"), "neither text nor whole numbers"),
        (lambda: held_out([1], -0.1, "a"), "share is -0.1"),
        (lambda: explore_plan(allocate(people(3), max_contacts=2), share=0.1), "several contacts"),
        (lambda: explore_plan(allocate(people(3).to_numpy()), share=0.1), "without identifiers"),
        (lambda: explore_plan(allocate(people(3)), share=0.1, eligible=people(3) < 0), "gives 3 customers an action that is not open"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(make: Any, words: str) -> None:
    with pytest.raises(DataContractError, match=words):
        make()


def test_nobody_is_explored_without_complaint() -> None:
    for method in methods(people(0)):
        assert explore(people(0), method).shape == (0, 4)
    assert held_out([], 0.5, "a").empty
