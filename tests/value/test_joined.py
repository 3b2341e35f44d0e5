"""Models and trees joined: members in their places, stacks from the unseen, levels of those who are forecast."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from crmintel.datasets import simulate
from crmintel.value import PurchaseDays, members
from crmintel.value.forecast import PURCHASES, SPEND
from crmintel.value.instants import Inner, Past, View, inner_instants
from crmintel.value.joined import _NAMES, Joined, _logs, drawn
from crmintel.value.members import BOUGHT, FOLDS, MEMBERS, learn
from crmintel.value.spread import Spread
from crmintel.value.stacks import stack_bought, stack_counts, stack_money

HORIZON = 90


@pytest.fixture(scope="module")
def past() -> tuple[list[Inner], View]:
    log = simulate(200, days=400, seed=4).log(quiet=True)
    days = PurchaseDays.of(log)
    return list(inner_instants(log, days, 60)), Past.learned(days).view(HORIZON)


@pytest.fixture(scope="module")
def joined(past: tuple[list[Inner], View]) -> Joined:
    inner, view = past
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "MEMBERS", tuple(replace(m, n_trees=8) for m in MEMBERS))
        inner, folds = drawn(inner, view.table.index, 10_000, 0)
        return Joined.learned(inner, learn(inner, folds, 0, 1), view, HORIZON, 0.8)


def test_weights_carry_the_names_of_their_members() -> None:
    view = View(pd.DataFrame({"total": [1.0], "since": [0.0]}), np.ones(1), np.ones(1), 30)
    said = {(m.name, t): np.array([float(i + 2)]) for i, m in enumerate(MEMBERS) for t in m.targets}
    place = {m.name: float(i + 2) for i, m in enumerate(MEMBERS)}
    for target, names in _NAMES.items():
        row = _logs(target, view, said)[0]
        assert len(row) == len(names)
        for value, name in zip(row, names, strict=True):
            assert value == place.get(name, value)
            assert name in place or value < 1


def test_who_was_here_lately_is_likelier_to_buy_and_who_brought_more_to_bring_more() -> None:
    view = View(pd.DataFrame({"total": [1.0, 9.0], "since": [0.0, 99.0]}), np.ones(2), np.ones(2), 30)
    assert _logs(BOUGHT, view, {})[:, 1] == pytest.approx([0.0, -np.log(100)])
    assert _logs(SPEND, view, {})[:, 1] == pytest.approx([0.0, np.log(9)])


@pytest.mark.slow
def test_stacks_learn_from_what_was_said_of_the_unseen(past: tuple[list[Inner], View], joined: Joined) -> None:
    inner, _ = past
    unseen = [{key: said[i] for key, said in joined.trees.unseen.items()} for i in range(len(inner))]
    logs = {t: [_logs(t, i.view, u) for i, u in zip(inner, unseen, strict=True)] for t in _NAMES}
    totals = [float(i.view.expected.sum()) for i in inner]
    money = [i.money for i in inner if i.money is not None]
    told = {
        PURCHASES: stack_counts(logs[PURCHASES], [i.counts for i in inner], totals),
        SPEND: stack_money(logs[SPEND], money, np.array([0.25, 0, 0.25, 0.25, 0.25])),
        BOUGHT: stack_bought(logs[BOUGHT][0], inner[0].counts > 0, np.array([0.2, 0, 0.2, 0.2, 0.2, 0.2])),
    }
    for target, weights in told.items():
        assert joined.stacks[target].tolist() == weights.tolist()
        assert joined.weights()[target].dropna().sum() == pytest.approx(weights.sum())


def test_levels_are_those_of_the_customers_who_are_forecast(past: tuple[list[Inner], View], joined: Joined) -> None:
    view = past[1]
    told = joined.tell(view)
    assert told[PURCHASES].sum() == pytest.approx(view.expected.sum())
    assert told[SPEND].sum() == pytest.approx(view.spend.sum())
    silent = joined.spreads[PURCHASES].silent(told[PURCHASES])
    assert told[BOUGHT].mean() == pytest.approx(1 - silent.mean(), abs=1e-9)
    assert joined.coverage == 0.8
    some = joined.tell(view, (SPEND,))
    assert list(some) == [SPEND]
    assert some[SPEND].tolist() == told[SPEND].tolist()
    scores = logit(told[BOUGHT]) - joined.level[BOUGHT]
    weighed = _logs(BOUGHT, view, joined.trees.tell(view)) @ joined.stacks[BOUGHT]
    assert scores == pytest.approx(weighed)


def test_spreads_know_what_was_told_of_the_unseen_and_who_is_forecast(
    past: tuple[list[Inner], View], joined: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner, view = past
    told, instants = joined.tell(view), joined.instants()
    kept: list[tuple[list[float], int]] = []
    real = Spread.learned
    monkeypatch.setattr(Spread, "learned", lambda s, f, h, c: (kept.append((f.tolist(), h)), real(s, f, h, c))[1])
    Joined.learned(inner, joined.trees, view, HORIZON, 0.8)
    assert kept == [(told[name].tolist(), HORIZON) for name in (PURCHASES, SPEND)]
    for name in (PURCHASES, SPEND):
        for seen, found in zip(joined.seen[name], inner, strict=True):
            assert seen.forecast.sum() == pytest.approx(found.view.level(name))
            assert seen.actual.tolist() == found.actual(name).tolist()
            assert seen.cell.tolist() == joined.cells(found.view.table).tolist()
        error = instants[f"{name}_expected"] / instants[name] - 1
        assert instants[f"{name}_error"].tolist() == error.tolist()


def test_a_draw_is_by_lot_and_everybody_keeps_his_fold(past: tuple[list[Inner], View]) -> None:
    inner, view = past
    everybody = view.table.index
    few, folds = drawn(inner, everybody, 120, 0)
    _, whole = drawn(inner, everybody, len(everybody), 0)
    who = few[0].view.table.index
    assert 60 < len(who) <= 120
    assert who.max() > everybody[130]
    kept = pd.Series(np.concatenate(whole), np.concatenate([i.view.table.index for i in inner]))
    assert (kept.groupby(level=0).nunique() == 1).all()
    assert set(kept) == set(range(FOLDS))
    for part, fold in zip(few, folds, strict=True):
        assert fold.tolist() == kept[~kept.index.duplicated()][part.view.table.index].tolist()
