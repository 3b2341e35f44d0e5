"""Inner instants: what was known at them, what came later, and when they teach nothing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from crmintel import InteractionLog
from crmintel.datasets import simulate
from crmintel.errors import DataContractError
from crmintel.value import PurchaseDays
from crmintel.value.instants import FEWEST, Inner, Past, View, inner_instants
from crmintel.value.options import instant
from tests.value.conftest import log_of

AT = "2024-03-01"


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return simulate(150, days=500, seed=3).interactions


@pytest.fixture(scope="module")
def log(frame: pd.DataFrame) -> InteractionLog:
    return InteractionLog.read(frame, quiet=True)


@pytest.fixture(scope="module")
def inner(log: InteractionLog) -> list[Inner]:
    return list(inner_instants(log, PurchaseDays.of(log, AT), 60))


def test_labels_are_counted_by_a_plain_loop(frame: pd.DataFrame, inner: list[Inner]) -> None:
    """From the midnight of the inner instant to that of the end: both edges by hand."""
    assert [i.view.horizon for i in inner] == [60, 30, 15]
    for found in inner:
        start, end = pd.Timestamp(AT) - pd.Timedelta(days=found.view.horizon), pd.Timestamp(AT)
        rows = frame[frame["kind"].isin(["purchase", "return"])]
        bought = rows[rows["kind"] == "purchase"]
        known = bought.loc[bought["timestamp"] < start, "customer_id"].unique()
        assert found.view.table.index.tolist() == sorted(known)
        later = bought[(bought["timestamp"] >= start) & (bought["timestamp"] < end)]
        days = later.assign(day=later["timestamp"].dt.floor("D")).groupby("customer_id")["day"].nunique()
        assert found.counts.tolist() == days.reindex(found.view.table.index, fill_value=0).tolist()
        window = rows[(rows["timestamp"] >= start) & (rows["timestamp"] < end)]
        money = window.groupby("customer_id")["amount"].sum().reindex(found.view.table.index, fill_value=0)
        assert found.money == pytest.approx(np.maximum(money.to_numpy(), 0.0), abs=1e-9)


def test_each_instant_knows_its_own_past_alone(log: InteractionLog, inner: list[Inner]) -> None:
    for found in inner:
        cut = pd.Timestamp(AT) - pd.Timedelta(days=found.view.horizon)
        past = Past.learned(PurchaseDays.of(log, cut)).view(found.view.horizon)
        assert past.table.equals(found.view.table)
        assert past.expected.tolist() == found.view.expected.tolist()
        assert past.spend.tolist() == found.view.spend.tolist()


def test_the_horizon_is_at_most_half_of_the_history(log: InteractionLog) -> None:
    days = PurchaseDays.of(log, AT)
    half = (days.end - int(days.day.min())) // 2
    found = [i.view.horizon for i in inner_instants(log, days, 10_000)]
    assert found == [half, round(half / 2), round(half / 4)]


def test_what_was_learned_late_is_unknown_at_inner_instants(frame: pd.DataFrame, inner: list[Inner]) -> None:
    """Rows of the past that were known only after the inner instant change what came later of nobody, and no past."""
    early = frame["timestamp"].lt(pd.Timestamp(AT) - pd.Timedelta(days=60)) & frame["customer_id"].eq(
        frame["customer_id"].iloc[0]
    )
    late = frame.assign(known_at=frame["timestamp"].mask(early, pd.Timestamp(AT) - pd.Timedelta(days=1)))
    log = InteractionLog.read(late, quiet=True)
    first = next(inner_instants(log, PurchaseDays.of(log, AT), 60))
    assert frame["customer_id"].iloc[0] in inner[0].view.table.index
    assert frame["customer_id"].iloc[0] not in first.view.table.index


def test_an_instant_teaches_if_enough_buy_and_bring_money() -> None:
    some = np.r_[np.ones(FEWEST), np.zeros(5)]
    view = View(pd.DataFrame(index=range(len(some))), some, some, 30)
    assert Inner(view, some, some).teaches
    assert Inner(view, some, None).teaches
    assert not Inner(view, np.r_[some[1:], 0.0], None).teaches
    assert not Inner(view, some, np.r_[some[1:], 0.0]).teaches


def test_some_of_the_customers_are_taken_with_all_that_is_theirs(inner: list[Inner]) -> None:
    first = inner[0]
    some = first.view.table.index[[5, 1]]
    part = first.of(some)
    assert part.view.table.index.tolist() == sorted(some)
    assert part.money is not None
    assert first.money is not None
    for a, b in ((part.counts, first.counts), (part.money, first.money), (part.view.spend, first.view.spend)):
        assert a.tolist() == b[[1, 5]].tolist()


@pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")
def test_without_a_model_of_spend_money_is_that_of_all_who_were_learned_from() -> None:
    """Everybody bought for 5 on single days but one: told alone he is told as in the batch."""
    rows = [(c, f"2024-01-{d:02d}", 5.0 if c else 9.0) for c in range(30) for d in (1 + c % 9, 10 + c % 9)]
    log = log_of(rows)
    days = PurchaseDays.of(log, "2024-02-01")
    learned = Past.learned(days)
    assert learned.usual == pytest.approx(sum(r[2] for r in rows) / len(rows))
    alone = PurchaseDays.of(log_of(rows[:2]), "2024-02-01")
    told = Past.told(alone, learned.pareto, None, learned.usual)
    assert told.each is not None
    assert told.each.tolist() == [learned.usual]


def test_days_without_amounts_have_views_without_money(log: InteractionLog) -> None:
    days = replace(PurchaseDays.of(log, AT), amount=None)
    found = next(inner_instants(log, days, 60))
    assert found.money is None
    with pytest.raises(DataContractError, match="no amounts"):
        found.view.level("spend")
    with pytest.raises(DataContractError, match="no amounts"):
        found.actual("spend")


def test_the_end_of_a_log_in_a_repeated_hour_is_just_after_its_last_row() -> None:
    """New York, 2024-11-03, 1:30 in the second 1 o'clock: the local time alone would mean the first."""
    last = pd.Timestamp("2024-11-03 06:30", tz="UTC")
    rows = pd.DataFrame({"customer_id": [1, 1], "timestamp": [last - pd.Timedelta(days=9), last], "amount": [1.0, 2.0]})
    log = InteractionLog.read(rows, timezone="America/New_York", quiet=True)
    assert len(log.before(instant(log, None))) == 2


@pytest.mark.slow
def test_after_months_in_which_nobody_bought_the_middle_of_the_history_teaches() -> None:
    """Sixty customers buy every ten days until August, then nobody until December."""
    days = [*range(0, 230, 10), 350]
    rows = [(c, pd.Timestamp("2024-01-01") + pd.Timedelta(days=d + c % 7), 5.0) for c in range(60) for d in days]
    log = log_of(rows)
    at = "2024-12-01"
    found = list(inner_instants(log, PurchaseDays.of(log, at), 60))
    assert [i.view.horizon for i in found] == [(PurchaseDays.of(log, at).end - 19_723) // 2]
    assert found[0].counts.sum() > 0
