"""A made-up but plausible report."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest

from crmintel.reports import Base, ChurnSection, OfferSection, PlanSection, Report, ValueSection, render, what_if
from crmintel.segmentation import Migration, transitions
from tests.reports.chromium import PROGRAM, Browser


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure with its interval."""

    value: float
    low: float
    high: float


def frame(columns: str, *rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=columns.split())


def make_base() -> Base:
    months = pd.date_range("2022-12-01", "2024-12-01", freq="MS")
    t = np.arange(len(months))
    active = (1450 + 22 * t + 240 * np.sin((t - 8) * np.pi / 6) + 90 * np.cos(t * 2.3)).round()
    new = (420 - 6 * t + 110 * np.sin((t - 8) * np.pi / 6)).round()
    new[0] = active[0]
    active[-1], new[-1] = 610, 95
    came = (new + 40 + 9 * np.sin(t)).round()
    quiet = np.r_[0, active[:-1] - active[1:] + came[1:]]
    came[0] = quiet[0] = np.nan
    share = np.r_[np.linspace(0.001, 0.1, 40), np.linspace(0.11, 1, 60)]
    cells = {
        m: [1.0 if m == 0 else (0.34 * m**-0.45 + 0.02 * np.sin(i + m)) if i + m < 25 else np.nan for i in range(25)]
        for m in range(25)
    }
    return Base(
        customers=8_214,
        interactions=163_402,
        orders=48_377,
        revenue=2_914_332.4,
        monthly=pd.DataFrame(
            {
                "month": months,
                "active_customers": active,
                "new_customers": new,
                "revenue": active * (61 + 0.4 * t),
                "came_customers": came,
                "quiet_customers": quiet,
            }
        ),
        concentration=pd.DataFrame({"customer_share": share, "revenue_share": 1 - (1 - share) ** 6.3}),
        retention=pd.DataFrame(cells, index=months),
    )


def make_churn() -> ChurnSection:
    depth = np.arange(0.05, 1.001, 0.05)
    captured = 1 - (1 - depth) ** 2.6
    p = np.array([0.06, 0.12, 0.19, 0.27, 0.34, 0.42, 0.51, 0.6, 0.71, 0.84])
    seen = p + np.array([0.005, -0.01, 0.015, -0.004, 0.02, -0.012, 0.01, -0.02, 0.014, -0.01])
    edges = np.linspace(0, 1, 21)
    return ChurnSection(
        n=6_120,
        churn_rate=0.374,
        horizon_days=90,
        trained_at=[pd.Timestamp("2024-01-01"), pd.Timestamp("2024-04-01"), pd.Timestamp("2024-06-15")],
        tested_at=pd.Timestamp("2024-09-15"),
        metrics={
            "auc": Figure(0.791, 0.779, 0.803),
            "average_precision": Figure(0.702, 0.681, 0.722),
            "lift_10": Figure(2.41, 2.33, 2.49),
            "brier": Figure(0.171, 0.166, 0.177),
        },
        rules=frame(
            "name auc auc_low auc_high gain gain_low gain_high verdict",
            ("days since last order", 0.762, 0.750, 0.775, 0.029, 0.021, 0.037, "proven"),
            ("RFM score", 0.748, 0.735, 0.761, 0.043, 0.034, 0.052, "proven"),
            ("silence against own rhythm", 0.784, 0.772, 0.797, 0.007, -0.001, 0.015, "not proven"),
            ("number of orders", 0.689, 0.675, 0.703, 0.102, 0.089, 0.115, "proven"),
        ),
        calibration=pd.DataFrame(
            {
                "bin": range(10),
                "customers": 612,
                "predicted": p,
                "observed": seen,
                "low": seen - 0.035,
                "high": seen + 0.035,
            }
        ),
        lift=pd.DataFrame({"depth": depth, "captured": captured, "lift": captured / depth}),
        reasons=frame(
            "reason customers share",
            ("no order for 74 days, twice the usual gap", 1_204, 0.31),
            ("only one order so far", 902, 0.232),
            ("orders in the last 90 days are falling", 640, 0.165),
            ("last order was returned", 311, 0.08),
            ("opened none of the last e-mails", 207, 0.053),
            ("moved to another channel", 4, 0.001),
            ("complained", 3, 0.001),
        ),
        scores_histogram=pd.DataFrame(
            {
                "low": edges[:-1],
                "high": edges[1:],
                "customers": (500 * np.exp(-4 * edges[1:]) + 330 * np.exp(-((edges[1:] - 0.8) ** 2) / 0.03)).round()
                + 60,
            }
        ),
    )


def make_value() -> ValueSection:
    predicted = np.array([612, 301, 198, 141, 102, 74, 52, 33, 17, 6.0])
    return ValueSection(
        n=6_120,
        metrics={
            "mae": Figure(71.2, 68.8, 73.5),
            "capture": Figure(0.412, 0.395, 0.431),
            "gini": Figure(0.618, 0.604, 0.633),
        },
        rules=frame(
            "name mae mae_low mae_high gain gain_low gain_high capture verdict",
            ("same as last period", 88.4, 84.9, 91.7, 17.2, 14.8, 19.5, 0.371, "proven"),
            ("mean of all customers", 119.3, 115.0, 123.4, 48.1, 45.2, 51.0, 0.1, "proven"),
            ("own mean order × own rhythm", 70.1, 67.5, 72.8, -1.1, -2.0, -0.2, 0.405, "worse"),
        ),
        deciles=pd.DataFrame(
            {"decile": range(1, 11), "customers": 612, "predicted": predicted, "actual": predicted * 0.97 + 4}
        ),
        coverage=Figure(0.793, 0.783, 0.804),
        level=0.8,
        total=Figure(412_300, 388_000, 437_100),
    )


def make_offers() -> OfferSection:
    return OfferSection(
        n=3_481,
        k=10,
        mode="known and new items",
        rules=frame(
            "name hit_rate recall precision ndcg ndcg_low ndcg_high gain gain_low gain_high verdict",
            ("TwoStage", 0.412, 0.187, 0.068, 0.151, 0.145, 0.158, None, None, None, None),
            ("bought before", 0.371, 0.161, 0.06, 0.134, 0.128, 0.140, 0.017, 0.013, 0.021, "proven"),
            ("popular with everybody", 0.214, 0.079, 0.031, 0.061, 0.057, 0.065, 0.09, 0.084, 0.096, "proven"),
        ),
        top=frame(
            "item category customers",
            ("White hanging heart T-light holder", "Home", 1_204),
            ("Regency cakestand 3 tier", "Kitchen", 1_010),
            ("Jumbo bag red retrospot", "Bags", 873),
            ("红色复古购物袋", "包袋", 640),
            ("حامل شموع زجاجي", "منزل", 512),
            ("🎁 gift wrap", None, 498),
            ("Assorted colour bird ornament", "Home", 377),
            ("A thing for three", "Home", 3),
        ),
        horizon_days=30,
    )


def make_plan() -> PlanSection:
    return PlanSection(
        causal=False,
        statement="Nobody was ever contacted at random in this history: the plan puts first who has most to lose, "
        "but what contacting changes is not known yet.",
        budget=12_000,
        cost=9_840.5,
        by_action=frame(
            "action customers cost value_at_risk",
            ("call", 420, 2_520, 61_200),
            ("coupon 10%", 1_310, 6_550, 84_100),
            ("e-mail", 2_204, 770.5, 40_300),
            ("nothing", 4_280, 0, 21_000),
        ),
        by_segment=frame(
            "segment contacted customers",
            ("Champions", 212, 986),
            ("Loyal", 604, 1_642),
            ("New", 301, 1_150),
            ("At risk", 1_511, 1_807),
            ("Hibernating", 1_300, 2_618),
            ("VIP", 4, 7),
            ("Staff", 2, 4),
        ),
        holdout=437,
        treated=3_934,
        experiment={
            "Customers in each group": 437,
            "Smallest effect it can see": "6.8 points fewer leavers",
            "Duration": "90 days",
            "Chance to see it if it is there": "80%",
        },
        what_if=what_if(
            400 * np.exp(-np.arange(8_214) / 1_500),
            cost=6,
            budget=12_000,
            holdout=0.1,
            capacity=467,
            planned=4_371,
            action="call",
            actions=4,
        ),
    )


def make_moves(*rows: tuple[str | None, str | None, int]) -> Migration:
    """Who moved from where to where, and how many."""
    spring, autumn = pd.Timestamp("2024-09-15"), pd.Timestamp("2024-12-15")
    states = pd.DataFrame([(a, b) for a, b, n in rows for _ in range(n)], columns=[spring, autumn])
    return transitions(states, random_state=0)


def make_report() -> Report:
    return Report(
        title="Gift shop: who our customers are and what to do next",
        source="orders/*.parquet, 163,402 rows",
        created=None,
        span=(pd.Timestamp("2022-12-01 08:26"), pd.Timestamp("2024-12-14 12:50")),
        at=pd.Timestamp("2024-12-15"),
        horizon=pd.Timedelta(days=90),
        base=make_base(),
        quality=frame(
            "rule rows share action level",
            ("the customer is missing", 3_410, 0.0205, "dropped", "warning"),
            ("exact duplicates", 1_022, 0.0061, "dropped", "warning"),
            ("amount is negative without being a return", 12, 0.00007, "kept, marked as returns", "info"),
            ("the time lies in the future", 0, 0, "none", "ok"),
            ("one currency only", 0, 0, "none", "ok"),
            ("quantities are numbers", 0, 0, "none", "ok"),
        ),
        segments=frame(
            "segment customers share revenue revenue_share recency_days orders mean_value churn_probability",
            ("Champions", 986, 0.12, 1_392_000, 0.478, 11, 21.4, 1411.8, 0.08),
            ("Loyal", 1_642, 0.2, 784_000, 0.269, 27, 9.1, 477.5, 0.17),
            ("New", 1_150, 0.14, 141_000, 0.048, 21, 1.3, 122.6, 0.46),
            ("At risk", 1_807, 0.22, 402_000, 0.138, 121, 4.2, 222.5, 0.61),
            ("Hibernating", 2_618, 0.319, 190_000, 0.065, 308, 1.6, 72.6, 0.88),
            ("VIP", 7, 0.0009, 4_300, 0.0015, 5, 50, 614.3, 0.02),
            ("Staff", 4, 0.0005, 1_032, 0.0004, 9, 30, 258, 0.02),
        ),
        tiers=frame(
            "tier customers share revenue revenue_share",
            ("gold", 821, 0.1, 1_690_000, 0.58),
            ("silver", 1_643, 0.2, 729_000, 0.25),
            ("bronze", 5_750, 0.7, 495_000, 0.17),
        ),
        stages=frame(
            "stage customers share churn_probability",
            ("new", 1_150, 0.14, 0.46),
            ("active", 3_204, 0.39, 0.14),
            ("cooling", 1_232, 0.15, 0.52),
            ("lapsed", 2_628, 0.32, 0.88),
        ),
        churn=make_churn(),
        value=make_value(),
        offers=make_offers(),
        plan=make_plan(),
        notes=("No ratings in this history: satisfaction is left out.",),
        moves=make_moves(
            ("champions", "champions", 610),
            ("champions", "loyal", 190),
            ("champions", "at risk", 7),
            ("loyal", "champions", 240),
            ("loyal", "loyal", 800),
            ("loyal", "at risk", 410),
            ("at risk", "loyal", 90),
            ("at risk", "at risk", 620),
            ("at risk", "hibernating", 330),
            ("hibernating", "hibernating", 1_900),
            ("hibernating", "loyal", 60),
            (None, "loyal", 210),
            (None, "at risk", 44),
        ),
    )


@pytest.fixture
def report() -> Report:
    return make_report()


@pytest.fixture(scope="session")
def page() -> str:
    """The report as a page, made once."""
    return render(make_report())


@pytest.fixture
def change(report: Report) -> Callable[..., Report]:
    """The report with some fields replaced."""
    return lambda **fields: dataclasses.replace(report, **fields)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One Chromium for all tests that look at pages."""
    if PROGRAM is None:
        pytest.skip("no Chromium (chromium, google-chrome) on the PATH")
    browser = Browser(tmp_path_factory.mktemp("profile"))
    try:
        yield browser
    finally:
        browser.close()
