"""The card of one customer: it tells all that is known, and nothing that is not."""

import dataclasses
import html
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crmintel.errors import DataContractError
from crmintel.evaluation import Estimate
from crmintel.reports import CustomerCard
from crmintel.reports.blocks import Callout
from crmintel.reports.card import _doubt, _most
from crmintel.reports.card_plots import timeline


def history(n: int = 20) -> pd.DataFrame:
    orders = pd.DataFrame({
        "timestamp": pd.date_range("2023-01-03", periods=n, freq="17D"), "kind": "purchase", "what": "Coffee, milk", "channel": "shop",
        "amount": np.arange(n) + 10.0,
    })  # fmt: skip
    more = pd.DataFrame({
        "timestamp": pd.to_datetime(["2024-01-01", "2024-01-10"]), "kind": ["return", "complaint"], "what": ["Milk", None],
        "channel": ["shop", "e-mail"], "amount": [-10.0, np.nan],
    })  # fmt: skip
    return pd.concat([orders, more], ignore_index=True)


CARD = CustomerCard(
    "10017", "shop.csv", pd.Timestamp("2024-02-01"), pd.Timedelta(days=60), history(), "at risk", "about to sleep", "A", 0.63, 0.91,
    ("last purchase 60 days ago", "one complaint"), Estimate(212.0, 80.0, 400.0), 0.8,
    pd.DataFrame({
        "list": ["new", "again", "again"], "item": ["Tea", "Milk", "Honey"], "because": [["Coffee", "Milk"], None, None],
        "times": [np.nan, 7, 1], "last": pd.to_datetime([None, "2024-01-02", "2023-12-03"]),
    }), "retention contact", "most money at risk", acts=True, held=(0.8, 0.662),
)  # fmt: skip


def text(card: CustomerCard) -> str:
    """What a reader sees."""
    page = re.sub(r"<(style|script)>.*?</\1>", "", card.html(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "said",
    [
        "Customer \u206810017\u2069", "Personal data", "Retention contact", "Why: most money at risk.", "at risk", "about to sleep",
        "20 orders, the last 71 days ago", "17 days", "the silence is 4.2 times as long", "Known since 3 Jan 2023",
        "Other contacts 1", "63% likely to leave", "riskier than 91% of all others", "Last purchase 60 days ago",
        "Expected to bring 212 in the coming 60 days", "as little as 80 or as much as 400", "more than for 80% of all others", "When tested, 66% of such intervals held; 80% should.",
        "Tea because of Coffee; Milk", "Milk bought 7 times, last on 2 Jan 2024", "Honey bought once, on 3 Dec 2023",
        "complaint", "e-mail", "−10.00", "Money so far 380",
    ],
)  # fmt: skip
def test_the_card_says(said: str) -> None:
    assert said in text(CARD)


def test_a_customer_of_whom_little_is_known_gets_a_short_card() -> None:
    bare = CustomerCard("x", "log", CARD.at, CARD.horizon, history().iloc[:1][["timestamp", "kind"]])
    said = text(bare)
    assert "One order, 394 days ago" in said
    for absent in ("Risk", "Value", "Next items", "Next action", "Usual gap", "Money so far", "nan", "None", "NaT"):
        assert absent not in said
    empty = dataclasses.replace(bare, history=pd.DataFrame())
    assert "Nothing is known of this customer" in text(empty)


@pytest.mark.parametrize(
    ("value", "told", "skewed"),
    [(Estimate(2.1, 0.0, 2.1), False, True), (Estimate(2.1, 0.0, 9.0), True, False), (Estimate(0.0, 0.0, 0.0), False, False)],
)  # fmt: skip
def test_an_interval_that_ends_at_the_mean_is_not_told_as_more(value: Estimate, told: bool, skewed: bool) -> None:
    said = text(dataclasses.replace(CARD, value=value))
    assert ("as much as" in said, "a few bring far more" in said) == (told, skewed)


def test_an_item_without_grounds_is_popular_and_nothing_is_said_of_orders_that_are_not_there() -> None:
    new = pd.DataFrame({"list": ["new"], "item": ["Tea"]})
    told = text(dataclasses.replace(CARD, offers=new, history=history().iloc[-1:]))
    assert "Tea often bought by others" in told
    assert "No order so far" in told
    assert "Bars are orders" not in told


def test_who_is_left_alone_is_told_why() -> None:
    left = dataclasses.replace(
        CARD, action="no action", why="held out at random, to learn what the action changes", acts=False
    )
    said = text(left)
    assert "Nothing is planned" in said
    assert "Why: held out at random" in said


@pytest.mark.slow
def test_a_long_history_keeps_the_last_rows_and_draws_months() -> None:
    long = dataclasses.replace(CARD, history=history(600).iloc[:600], at=pd.Timestamp("2051-01-01"))
    assert "the last 200 of 600" in text(long)
    assert len(long.html()) < 200_000
    days = pd.DataFrame(
        {"timestamp": pd.date_range("2020-01-01", periods=400, freq="D"), "kind": "purchase", "amount": 1.0}
    )
    assert timeline(days, pd.Timestamp("2021-03-01")).count("<path") < timeline(
        days.iloc[:150], pd.Timestamp("2021-03-01")
    ).count("<path")


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "@0@", "{0}", "\u202eevil", "a" * 300]
)
def test_no_text_of_the_data_becomes_markup(hostile: str) -> None:
    card = dataclasses.replace(
        CARD, customer=hostile, source=hostile, reasons=(hostile,), history=history().assign(what=hostile, channel=hostile, kind=hostile),
        segment=hostile, action=hostile, why=hostile, offers=CARD.offers.assign(item=hostile, because=[[hostile]] * 3),
    )  # fmt: skip
    page = card.html()
    assert page.count("<script") == 1
    assert "<img" not in page
    assert "onerror=alert(1)>" not in page.replace("&#34;&gt;&lt;img src=x onerror=alert(1)&gt;", "")


def test_the_card_speaks_chinese() -> None:
    said = text(dataclasses.replace(CARD, lang="zh"))
    for word in (
        "客户卡片",
        "流失可能性 63%",
        "预计未来 60 天内带来 212",
        "因为买过 Coffee；Milk",
        "20 个订单",
        "面临流失的金额最多",
    ):
        assert word in said
    for english in ("Next action", "likely to leave", "Why:", "History"):
        assert english not in said


def test_a_language_nobody_taught_is_refused() -> None:
    with pytest.raises(DataContractError, match="'en' or 'zh'"):
        dataclasses.replace(CARD, lang="fr").html()  # type: ignore[arg-type]  # that is the point


@pytest.mark.slow
def test_the_same_card_is_the_same_bytes_and_is_written_whole(tmp_path: Path) -> None:
    path = CARD.write(tmp_path / "deep" / "card.html")
    assert path.read_text(encoding="utf-8") == CARD.html()
    assert [p.name for p in path.parent.iterdir()] == ["card.html"]
    with pytest.raises(DataContractError, match="cannot be written"):
        CARD.write(tmp_path / "deep")


def test_the_line_of_time_tells_its_days() -> None:
    drawing = timeline(history(), CARD.at)
    assert 'data-tip="3 Jan 2023: purchase, 10.00"' in drawing
    assert 'data-tip="10 Jan 2024: complaint"' in drawing
    days = pd.DataFrame(
        {"timestamp": pd.date_range("2020-01-01", periods=400, freq="D"), "kind": "purchase", "amount": 1.0}
    )
    assert 'data-tip="Feb 2020: 29 × purchase, 29.00"' in timeline(days, CARD.at)


def test_a_card_shows_itself() -> None:
    assert repr(CARD) == "CustomerCard as of 2024-02-01: 22 rows of history, at risk"
    assert "63% likely to leave" in CARD._repr_html_()


def test_a_figure_whose_model_lost_says_so() -> None:
    said = "a simple rule did better than the model"
    assert said not in text(CARD)
    assert text(dataclasses.replace(CARD, beaten=("value",))).count(said) == 1
    assert text(dataclasses.replace(CARD, beaten=("value", "churn_probability"))).count(said) == 2


@pytest.mark.parametrize(
    ("share", "said"), [(0.91, "91%"), (0.9997, "99.9%"), (0.994, "99.4%"), (1.0, "100%"), (0.0, "0%")]
)
def test_all_others_are_said_only_where_it_is_all(share: float, said: str) -> None:
    assert _most(share) == said


def test_risk_and_value_that_do_not_go_together_are_remarked() -> None:
    """37 % likely to stay, orders of some 20: at least 7 are to be expected."""
    assert _doubt(CARD) == ()
    low = dataclasses.replace(CARD, value=Estimate(2.0, 0.0, 6.0))
    (callout,) = _doubt(low)
    assert isinstance(callout, Callout)
    assert "with a chance of 37% to stay, a single order of the usual size would bring about 7.2." in callout.text
    assert callout.text in text(low)
    assert _doubt(dataclasses.replace(low, churn=0.99)) == ()
    assert _doubt(dataclasses.replace(low, churn=None)) == ()
    assert _doubt(dataclasses.replace(low, history=history().drop(columns="amount"))) == ()
    assert _doubt(dataclasses.replace(low, history=history().iloc[:0])) == ()
