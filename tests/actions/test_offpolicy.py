"""What another policy would have been worth, from the records of the one that was used."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from crmintel.actions.proof.estimators import CUTS, SHRINKAGES, slope
from crmintel.actions.proof.offpolicy import evaluate_policy
from crmintel.actions.proof.sequences import empirical_bernstein, off_policy_sequence
from crmintel.errors import DataContractError


def world(n=1_500, actions=4, seed=0, sharp=1.0):
    """A log with known propensities, a target, a model of the outcome, and what the target is worth."""
    rng = np.random.default_rng(seed)
    x, taste = rng.normal(size=(n, 2)), np.random.default_rng(1).normal(size=(2, actions))
    mean = 1 / (1 + np.exp(-x @ taste))
    p, target = (_softmax(m) for m in (sharp * x @ taste[:, ::-1], 6 * mean))
    action = (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    y = (rng.random(n) < mean[np.arange(n), action]).astype(float)
    model = np.clip(mean + 0.1 * np.sin(7 * x[:, :1]), 0, 1)
    return action, y, p, target, model


def _softmax(u):
    e = np.exp(u - u.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def table(result):
    return result.estimates.set_index("estimator")


def plain(action, y, p, target, model):
    """The estimators, one round after the other."""
    n, w, dm, res = len(y), [], [], []
    for i in range(n):
        w.append(target[i][action[i]] / p[i][action[i]])
        dm.append(sum(t * q for t, q in zip(target[i], model[i], strict=True)))
        res.append(y[i] - model[i][action[i]])
    mean = sum(w) / n
    v = sum(a * b for a, b in zip(w, y, strict=True)) / sum(w)
    s = sum(a * b for a, b in zip(w, res, strict=True)) / sum(w)
    rows = list(zip(w, y, dm, res, strict=True))
    told = {
        "IPW": [a * b for a, b, _, _ in rows],
        "SNIPW": [v + a * (b - v) / mean for a, b, _, _ in rows],
        "DM": dm,
        "DR": [d + a * r for a, _, d, r in rows],
        "SNDR": [d + s + a * (r - s) / mean for a, _, d, r in rows],
    }
    told |= {f"Switch {c:g}": [d + (a * r if a <= c else 0) for a, _, d, r in rows] for c in CUTS if c < max(w)}
    told |= {
        f"λ {c:g}": [d + c * a / (a * a + c) * r for a, _, d, r in rows] for c in SHRINKAGES if c < 10 * max(w) ** 2
    }
    return {k: (np.mean(x), np.std(x, ddof=1) / np.sqrt(n)) for k, x in told.items()}


def test_four_rounds_by_hand():
    found = evaluate_policy(
        ["mail", "mail", "call", "call"], [1, 0, 3, 2], [0.5, 0.5, 0.25, 0.25], ["mail", "call", "call", "mail"]
    )
    # Weights 2, 0, 4, 0: IPW (2 · 1 + 4 · 3) / 4, SNIPW 14 / 6; effective rounds 36 / 20.
    told = table(found)["value"]
    assert told["IPW"] == 3.5
    assert told["SNIPW"] == pytest.approx(14 / 6)
    # The other mail bought 0 and 1, the other call 2 and 3, so residuals are 1, -1, 1, -1 off the row's own guess.
    assert found.diagnostics.effective == pytest.approx(1.8)
    assert found.diagnostics.largest_weight == 4
    assert found.diagnostics.mean_weight == 1.5
    assert found.diagnostics.audit["mean"].tolist() == [2.0, 1.0]  # call 8 / 4, mail 4 / 4
    # DR: expected 0 and 1 (mail), 2 and 3 (call) without the own row; otherwise means 0.5 and 2.5.
    assert told["DM"] == pytest.approx((0 + 2.5 + 2 + 0.5) / 4)
    assert told["DR"] == pytest.approx((0 + 2 * 1 + 2.5 + 2 + 4 * 1 + 0.5) / 4)


@pytest.mark.parametrize("seed", range(3))
def test_all_estimators_are_those_of_the_plain_loop(seed):
    action, y, p, target, model = world(700, seed=seed, sharp=2)
    told = table(evaluate_policy(action, y, p, target, expected=model))
    loop = plain(action, y, p, target, model)
    for name in ("IPW", "SNIPW", "DM", "DR", "SNDR"):
        assert told.loc[name, ["value", "se"]].tolist() == pytest.approx(loop[name], abs=1e-10)
    for name, start in (("Switch", "Switch"), ("shrinkage DR", "λ")):
        tried = ["DR", *(k for k in loop if k.startswith(start))]
        best = tried[slope([loop[k][0] for k in tried], [1.9634 * loop[k][1] for k in tried])]
        assert told.loc[name, ["value", "se"]].tolist() == pytest.approx(loop[best], abs=1e-10)


def test_a_model_that_expects_nothing_leaves_weighting():
    action, y, p, target, model = world()
    told = table(evaluate_policy(action, y, p, target, expected=0 * model))
    columns = ["value", "low", "high", "se"]
    assert told.loc["DR", columns].tolist() == pytest.approx(told.loc["IPW", columns].tolist(), abs=1e-12)
    assert told.loc["SNDR", columns].tolist() == pytest.approx(told.loc["SNIPW", columns].tolist(), abs=1e-12)


@given(st.floats(-1e3, 1e3))
@settings(max_examples=15, deadline=None)
def test_a_constant_moves_the_self_normalised_value_by_itself(shift):
    action, y, p, target, _ = world(300)
    one, two = (table(evaluate_policy(action, v, p, target)) for v in (y, y + shift))
    assert two.loc["SNIPW", "value"] == pytest.approx(one.loc["SNIPW", "value"] + shift, abs=1e-9)
    assert two.loc["SNIPW", "se"] == pytest.approx(one.loc["SNIPW", "se"], abs=1e-9)


def test_the_logging_policy_is_worth_the_mean():
    action, y, p, _, _ = world()
    told = table(evaluate_policy(action, y, p, p))
    for name in ("IPW", "SNIPW"):
        assert told.loc[name, "value"] == pytest.approx(y.mean())
        assert told.loc[name, "se"] == pytest.approx(y.std(ddof=1) / np.sqrt(len(y)))


def test_rounds_of_one_customer_that_are_copies_tell_no_more_than_one():
    action, y, p, target, model = world(400)
    who = np.arange(400)[::-1]
    for expected in (None, model):
        one = evaluate_policy(action, y, p, target, expected=expected, customer=who)
        twice = [np.concatenate([v, v]) for v in (action, y, p, target, who)]
        two = evaluate_policy(
            *twice[:4], customer=twice[4], expected=None if expected is None else np.tile(model, (2, 1))
        )
        columns = ["value", "low", "high", "se"]
        a, b = (r.estimates[columns].to_numpy() for r in (one, two))
        assert b == pytest.approx(a, abs=1e-10)
        assert [two.gain.low, two.gain.high] == pytest.approx([one.gain.low, one.gain.high], abs=1e-10)
        assert two.diagnostics.audit["z"].to_numpy() == pytest.approx(
            evaluate_policy(action, y, p[np.arange(400), action], target, customer=who)
            .diagnostics.audit["z"]
            .to_numpy(),
            abs=0.02,
        )


def test_neither_the_order_of_rounds_nor_of_columns_matters():
    action, y, p, target, model = world(900)
    who, mixed = np.arange(900) // 3, np.random.default_rng(2).permutation(900)
    names = np.array(["a", "b", "c", "d"])
    one = evaluate_policy(names[action], y, pd.DataFrame(p, columns=names), pd.DataFrame(target, columns=names),
                          expected=pd.DataFrame(model, columns=names), customer=who)  # fmt: skip
    back = names[::-1]
    two = evaluate_policy(
        names[action][mixed], y[mixed], pd.DataFrame(p, columns=names)[back].to_numpy()[mixed] @ np.eye(4)[::-1],
        target[mixed] @ pd.DataFrame(np.eye(4), columns=names), customer=who[mixed],
        expected=pd.DataFrame(model, columns=names)[back].iloc[mixed].reset_index(drop=True),
    )  # fmt: skip
    assert table(two)["value"].to_numpy() == pytest.approx(table(one)["value"].to_numpy(), abs=1e-12)
    assert table(two)["se"].to_numpy() == pytest.approx(table(one)["se"].to_numpy(), abs=1e-12)


def test_named_rounds_are_put_into_one_order():
    action, y, p, target, model = world(300)
    index = pd.Index([f"round {i}" for i in range(300)])
    frames = [pd.DataFrame(m, index=index) for m in (p, target, model)]
    mixed = np.random.default_rng(0).permutation(300)
    one = evaluate_policy(action, y, p, target, expected=model)
    two = evaluate_policy(
        pd.Series(action, index), pd.Series(y, index).iloc[mixed], frames[0].iloc[mixed], frames[1].iloc[mixed],
        expected=frames[2].iloc[mixed],
    )  # fmt: skip
    assert one.estimates.equals(two.estimates)
    with pytest.raises(DataContractError, match="target has another index than action"):
        evaluate_policy(pd.Series(action, index), pd.Series(y, index), p, frames[1].rename(index=str.upper))


def test_the_gain_is_the_least_over_every_single_action():
    action, y, p, target, model = world(3_000)
    found = evaluate_policy(action, y, p, target, expected=model)
    w, i = target[np.arange(3_000), action] / p[np.arange(3_000), action], np.arange(3_000)
    policy = (target * model).sum(axis=1) + w * (y - model[i, action])
    for b, row in enumerate(found.singles.itertuples()):
        single = model[:, b] + (action == b) / p[i, b] * (y - model[i, b])
        d = policy - single
        assert row.value == pytest.approx(single.mean(), abs=1e-12)
        assert row.gain == pytest.approx(d.mean(), abs=1e-12)
        assert row.low == pytest.approx(d.mean() - 1.960755 * d.std(ddof=1) / np.sqrt(3_000), abs=1e-6)
    assert found.gain.low == found.singles["low"].min()
    together = norm.ppf(1 - 0.05 / 8) / norm.ppf(0.975)
    singles = found.singles
    assert found.gain.high == pytest.approx((singles["gain"] + together * (singles["high"] - singles["gain"])).min())
    assert found.best_single == found.singles["value"].to_numpy().argmax()
    assert found.verdict == "proven"


def test_the_best_single_action_itself_is_no_gain():
    action, y, p, _, model = world(3_000)
    best = int(evaluate_policy(action, y, p, p, expected=model).best_single)
    found = evaluate_policy(action, y, p, np.full(3_000, best), expected=model)
    assert found.gain.value == pytest.approx(0, abs=1e-12)
    assert found.verdict == "not proven"


def test_costs_are_taken_off_what_is_done():
    action, y, p, target, model = world()
    price = np.array([0.0, 0.1, 0.2, 0.3])
    one = evaluate_policy(action, y, p, target, expected=model, cost=dict(enumerate(price)))
    two = evaluate_policy(action, y - price[action], p, target, expected=model - price)
    assert one.estimates.equals(two.estimates)


def test_a_chosen_action_is_a_probability_of_one():
    action, y, p, target, model = world()
    choice = target.argmax(axis=1)
    for expected in (None, model):
        for q in (p, p[np.arange(len(y)), action]):
            one = evaluate_policy(action, y, q, choice, expected=expected, bounds=(0, 1))
            two = evaluate_policy(action, y, q, np.eye(4)[choice], expected=expected, bounds=(0, 1))
            pd.testing.assert_frame_equal(one.estimates, two.estimates)
            pd.testing.assert_frame_equal(one.singles, two.singles)


def test_the_audit_finds_the_action_whose_propensity_was_logged_before_a_rule():
    action, y, p, target, _ = world(20_000)
    said = p[np.arange(20_000), action].copy()
    right = evaluate_policy(action, y, said, target)
    assert right.diagnostics.audit["passed"].all()
    assert right.verdict == "proven"
    said[action == 2] *= 0.8
    found = evaluate_policy(action, y, said, target)
    assert found.diagnostics.audit["passed"].tolist() == [True, True, False, True]
    assert found.diagnostics.audit["mean"][2] == pytest.approx(1.25, abs=0.05)
    assert "do not match how often" in found.warnings[0]
    assert found.verdict == "not proven"
    said[action == 2] = np.minimum(said[action == 2] / 0.8**2, 1)
    assert evaluate_policy(action, y, said, target).diagnostics.audit["passed"].tolist() == [True, True, False, True]
    said[action == 2] *= 0.8**2
    assert not found.estimates["trusted"].any()
    # With the propensities of all actions, moved from one slot to the next.
    assert not evaluate_policy(action, y, np.roll(p, 1, axis=1), target).diagnostics.audit["passed"].any()
    who = np.arange(20_000) // 2
    clustered = evaluate_policy(action, y, said, target, customer=who).diagnostics.audit
    assert clustered["z"].to_numpy() == pytest.approx(found.diagnostics.audit["z"].to_numpy(), rel=0.1, abs=0.3)


def test_an_action_that_was_hardly_logged_is_not_judged():
    # Wherever it was likelier than one in five thousand it was logged, so the mean of 1 / p is 0.04 with a small spread.
    p = np.where(np.arange(5_000) < 4, 0.02, 0.9998)
    audit = evaluate_policy(np.repeat([1, 0], [4, 4_996]), np.ones(5_000), p, np.zeros(5_000, int)).diagnostics.audit
    assert audit["z"][1] < -40
    assert audit["judged"].tolist() == [True, False]
    assert audit["passed"].all()


def test_a_small_share_of_effective_rounds_is_thin_however_many_there_are():
    found = evaluate_policy(
        [0] * 97 * 30 + [1] * 3 * 30, [0, 1] * 1_500, np.repeat([0.97, 0.03], [2_910, 90]), [1] * 3_000
    )
    assert found.diagnostics.effective == pytest.approx(90)
    assert found.diagnostics.thin


def test_constant_weights_pass_the_audit():
    found = evaluate_policy([0, 0, 0], [1, 0, 1], [1.0, 1.0, 1.0], np.ones((3, 1)))
    assert found.diagnostics.audit["passed"].all()
    assert found.diagnostics.effective == 3


def test_few_effective_rounds_are_said_first():
    action, y, p, target, _ = world(4_000, sharp=6)
    found = evaluate_policy(action, y, p, _softmax(30 * target))
    assert found.diagnostics.thin
    assert found.verdict == "not proven"
    assert "effective rounds" in found.warnings[0]
    assert repr(found).startswith("Warning: The weights leave")
    assert not found.estimates["trusted"].any()


def test_bias_of_shrinking_is_warned_of():
    action, y, p, target, model = world(60_000)
    found = evaluate_policy(action, y, p, target, expected=np.full_like(model, 0.5) - 0.4 * (target > 0.3))
    told = table(found)
    assert any("bias makes its interval untrustworthy" in w for w in found.warnings)
    assert not told.loc[["Switch", "shrinkage DR"], "trusted"].all()
    assert told.loc["DR", "trusted"]
    assert not told.loc["DM", "trusted"]


def test_slope_takes_the_narrowest_that_still_meets_all_wider_ones():
    assert slope([0.0, 0.1, 0.2], [1.0, 0.5, 0.25]) == 2
    assert slope([0.0, 3.5, 0.0], [1.0, 0.5, 0.4]) == 0
    assert slope([0.0, 1.0, 9.0], [0.25, 0.5, 1.0]) == 2
    # Each pair meets, yet the three share no point.
    assert slope([0.0, 5.0, 1.2], [1.5, 1.0, 0.5]) == 1


def test_actions_with_the_same_features_are_one_to_mips():
    action, y, p, target, _ = world(6_000)
    kind = pd.Series(["x", "x", "y", "y"])
    told = table(evaluate_policy(action, y, p, target, embedding=kind)).loc["MIPS"]
    joined = [np.column_stack([m[:, :2].sum(axis=1), m[:, 2:].sum(axis=1)]) for m in (p, target)]
    two = table(evaluate_policy(action // 2, y, *joined)).loc["IPW"]
    assert told[["value", "se"]].tolist() == pytest.approx(two[["value", "se"]].tolist())
    alone = table(evaluate_policy(action, y, p, target, embedding=pd.Series(list("abcd")))).loc[["MIPS", "IPW"]]
    assert alone["value"].iloc[0] == pytest.approx(alone["value"].iloc[1])
    with pytest.raises(DataContractError, match="propensities of all actions"):
        evaluate_policy(action, y, p[np.arange(6_000), action], target, embedding=kind)


def test_an_adaptive_log_shows_sequences_only():
    action, y, p, target, _ = world(3_000)
    found = evaluate_policy(action, y, p, target, adaptive=True, customer=np.arange(3_000) // 3)
    assert found.estimates["estimator"].tolist() == ["IPW, exact, any time"] == [found.headline]
    assert "learned" in found.warnings[0]
    assert "range seen" in found.estimates["note"][0]
    fixed = table(evaluate_policy(action, y, p, target)).loc["IPW"]
    assert found.value.value == pytest.approx(fixed["value"])
    assert found.value.low < fixed["low"]
    both = evaluate_policy(action, y, p, target, adaptive=True, bounds=(0, 1))
    assert both.estimates.loc[0, ["value", "low", "high"]].equals(found.estimates.loc[0, ["value", "low", "high"]])
    at = np.arange(3_000)
    w, single = target[at, action] / p[at, action], (action == both.best_single) / p[:, both.best_single]
    assert both.gain.value == pytest.approx(((w - single) * y).mean())
    mine = off_policy_sequence(w, y, bounds=(0, 1), level=0.975).iloc[-1]
    theirs = off_policy_sequence(single, y, bounds=(0, 1), level=1 - 0.025 / 4).iloc[-1]
    assert both.singles["low"][both.best_single] == pytest.approx(mine["low"] - theirs["high"])


def test_bounds_add_limits_for_every_sample_size():
    action, y, p, target, _ = world(3_000)
    told = table(evaluate_policy(action, 2 * y - 1, p, target, bounds=(-1, 1)))
    limit = told.loc["IPW, empirical Bernstein"]
    w, most = target[np.arange(3_000), action] / p[np.arange(3_000), action], (target / p).max()
    x = 2 * w * y
    size = np.log(2 / 0.05)
    low = x.mean() - 1 - np.sqrt(2 * x.var(ddof=1) * size / 3_000) - 7 * 2 * most * size / (3 * 2_999)
    assert limit["low"] == pytest.approx(low)
    assert limit["trusted"]
    who = np.arange(3_000) // 3 - (np.arange(3_000) > 1_500)  # some have more rounds than others
    size, sums = np.bincount(who), np.bincount(who, x) * len(set(who)) / 3_000
    told = table(evaluate_policy(action, 2 * y - 1, p, target, bounds=(-1, 1), customer=who))
    most *= 2 * size.max() * len(size) / 3_000
    clustered = empirical_bernstein(sums, upper=most).low - 1
    assert told.loc["IPW, empirical Bernstein", "low"] == pytest.approx(clustered)
    price = {0: 0.0, 1: 0.5, 2: 1.0, 3: 0.2}
    net = 2 * y - 1 - np.array(list(price.values()))[action]
    a = table(evaluate_policy(action, 2 * y - 1, p, target, bounds=(-1, 1), cost=price))
    b = table(evaluate_policy(action, net, p, target, bounds=(-2, 1)))
    assert a["low"].tolist() == b["low"].tolist()
    one = table(evaluate_policy(action, 2 * y - 1, p[np.arange(3_000), action], target, bounds=(-1, 1)))
    assert not one.loc["IPW, empirical Bernstein", "trusted"]
    with pytest.raises(DataContractError, match="outside bounds"):
        evaluate_policy(action, 2 * y - 1, p, target, bounds=(0, 1))


@pytest.mark.parametrize(
    ("wrong", "words"), [(0.0, "0 or below for 1"), (1.2, "above 1 for 1"), (np.nan, "missing for 1")]
)
def test_row_104_a_propensity_that_is_none_is_refused(wrong, words):
    with pytest.raises(DataContractError, match=f"propensity of the action logged is {words} of 3 rounds"):
        evaluate_policy([0, 1, 0], [1, 0, 1], [0.5, wrong, 0.5], np.full((3, 2), 0.5))


def test_row_104_effective_rounds_are_reported():
    assert "effective" in repr(evaluate_policy([0, 1] * 50, [1, 0] * 50, [0.5] * 100, np.full((100, 2), 0.5)))


def test_row_109_unknown_names_are_listed_beside_the_known():
    target = pd.DataFrame(np.full((3, 2), 0.5), columns=["call", "mail"])
    with pytest.raises(
        DataContractError, match=r"action is unknown for 1 of 3 rounds: 'mial'. Known actions: call, mail"
    ):
        evaluate_policy(["call", "mial", "mail"], [1, 0, 1], [0.5] * 3, target)
    with pytest.raises(DataContractError, match=r"cost names unknown actions \['gift'\]"):
        evaluate_policy(["call", "mail", "mail"], [1, 0, 1], [0.5] * 3, target, cost={"call": 1, "mail": 0, "gift": 3})


def test_row_109_an_action_that_was_never_logged_has_no_value():
    found = evaluate_policy(["call", "mail"] * 40, [1, 0] * 40, [0.5] * 80, ["call", "gift"] * 40)
    assert found.diagnostics.unsupported == 0.5
    assert "50.0% of the target's probability" in found.warnings[0]
    assert found.singles["compared"].tolist() == [True, False, True]
    assert "1 of 3 actions were logged less than 30 times" in found.warnings[-1]
    # Possible in half of the rounds only, and logged there.
    every = np.tile([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]], (40, 1))
    for target in (np.tile([0.5, 0.25, 0.25], (80, 1)), np.zeros(80, int)):
        two = evaluate_policy([0, 1, 1, 2] * 20, [1, 0, 0, 1] * 20, every, target)
        assert two.diagnostics.unsupported == (0.5 if target.ndim == 1 else 0.375)
        assert two.diagnostics.audit["expected"].tolist() == [0.5, 1, 0.5]


def test_a_target_that_does_not_sum_to_one_is_refused():
    with pytest.raises(DataContractError, match="target does not sum to one over the actions in 1 of 2 rounds"):
        evaluate_policy([0, 1], [1, 0], [0.5, 0.5], [[0.5, 0.5], [0.5, 0.4]])
    with pytest.raises(DataContractError, match=r"negative \(least -0.5\)"):
        evaluate_policy([0, 1], [1, 0], [0.5, 0.5], [[0.5, 0.5], [1.5, -0.5]])
    with pytest.raises(DataContractError, match="target is missing or infinite in 1 of 2 rounds"):
        evaluate_policy([0, 1], [1, 0], [0.5, 0.5], [[0.5, 0.5], [np.nan, 0.4]])


def test_a_target_that_was_never_tried_is_refused():
    with pytest.raises(DataContractError, match="never takes the action that was logged"):
        evaluate_policy([0, 0], [1, 0], [0.5, 0.5], [[0.0, 1.0], [0.0, 1.0]])


def test_it_shows_itself_without_outcomes_of_customers():
    action, y, p, target, model = world()
    found = evaluate_policy(action, y, p, target, expected=model)
    assert found.headline == "SNDR"
    assert "Gain over" in repr(found)
    assert found._repr_html_().count("<table") == 2
    assert found.to_frame().columns.tolist() == ["estimator", "value", "low", "high", "se", "trusted", "note"]


@pytest.mark.slow
def test_the_open_bandit_logs_agree_and_the_thin_one_is_warned_of(data):
    found = {}
    for log in ("random", "bts"):
        rounds = pd.read_parquet(data / "obd_small" / f"{log}_all.parquet")
        target = pd.DataFrame(1 / 80, index=rounds.index, columns=range(80))
        found[log] = evaluate_policy(rounds["item_id"], rounds["click"], rounds["propensity_score"], target)
    one, two = (table(found[log]).loc["SNIPW"] for log in ("random", "bts"))
    assert one[["value", "se"]].tolist() == pytest.approx([0.00380, 0.00062], abs=5e-6)
    assert two[["value", "se"]].tolist() == pytest.approx([0.00233, 0.00087], abs=5e-6)
    assert not found["random"].warnings
    assert "340 effective rounds of 10,000 (3.4%, largest weight 278)" in found["bts"].warnings[0]
    assert not found["bts"].estimates["trusted"].any()


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say_with_and_without_clusters():
    # The benchmark does this with five hundred logs; two hundred tell 90 from 95 in a hundred.
    truth = _fresh(400_000, 1, 1)[-1]
    for each in (1, 4):
        held, alone = np.zeros(4), 0
        for seed in range(200):
            action, y, p, target, model, who, _ = _fresh(1_500, each, seed + 10)
            told = table(evaluate_policy(action, y, p, target, expected=model, customer=who))
            told = told.loc[["IPW", "SNIPW", "DR", "SNDR"]]
            value = evaluate_policy(action, y, p, target, expected=model).value
            alone += value.low <= truth <= value.high
            held += ((told["low"] <= truth) & (truth <= told["high"])).to_numpy()
        assert (held >= 0.91 * 200).all()
        assert (held <= 0.99 * 200).all()
        assert alone < 0.9 * 200 or each == 1


def _fresh(n, each, seed):
    """Rounds of customers who keep their features and often repeat their first round, and what the target is worth."""
    rng, taste = np.random.default_rng(seed), np.random.default_rng(1).normal(size=(2, 4))
    who = np.sort(rng.integers(0, n // each, n)) if each > 1 else np.arange(n)
    x = rng.normal(size=(n, 2))[who]
    mean = 0.2 + 0.6 / (1 + np.exp(-x @ taste))
    p, target = _softmax(0.7 * x @ taste[:, ::-1]), _softmax(6 * mean)
    action = (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    y = (rng.random(n) < mean[np.arange(n), action]).astype(float)
    copied = np.where(rng.random(n) < 0.7, np.searchsorted(who, who), np.arange(n))
    return (
        action[copied],
        y[copied],
        p,
        target,
        mean + 0.1 * np.sin(7 * x[:, :1]),
        who,
        (target * mean).sum(axis=1).mean(),
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"propensity": 0.5}, "propensity is one value"),
        ({"outcome": np.ones((4, 2))}, r"outcome has shape \(4, 2\)"),
        ({"action": [1, "a", 1, "a"]}, "mix names of several kinds"),
        ({"action": [], "outcome": [], "propensity": [], "target": []}, "action has no round"),
        ({"cost": 1.0}, "cost is float"),
        ({"cost": {"a": -1.0, "b": 1.0}}, r"cost is negative for \['a'\]"),
    ],
)
def test_rounds_that_do_not_fit_and_row_107_negative_costs_are_refused(change, said):
    rounds = {"action": ["a", "b", "a", "b"], "outcome": [1.0, 0, 1, 1], "propensity": [0.5] * 4, "target": ["a"] * 4}
    given = rounds | change
    cost = given.pop("cost", None)
    with pytest.raises(DataContractError, match=said):
        evaluate_policy(*given.values(), cost=cost)


def test_one_action_for_everybody_gains_exactly_nothing_over_itself():
    rng = np.random.default_rng(0)
    action = rng.choice(["a", "b"], 3_000)
    told = evaluate_policy(
        action, rng.lognormal(size=3_000) + (action == "a"), np.full(3_000, 0.5), np.full(3_000, "a")
    )
    assert told.best_single == "a"
    assert (told.gain.value, told.gain.low, told.gain.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("values", "widths"), [([], []), ([1.0], [1.0, 2.0]), ([np.nan], [1.0])])
def test_nothing_is_chosen_from_estimators_that_do_not_fit(values, widths):
    with pytest.raises(DataContractError, match="one finite number each"):
        slope(values, widths)
