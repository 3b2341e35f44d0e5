"""The leak guard: planted leaks are found, clean tables pass, and no value is printed."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from crmintel.errors import DataContractError, LeakageError
from crmintel.evaluation import leak_check
from crmintel.evaluation.leakage import guard


def clean(seed: int, n: int | None = None) -> tuple[pd.DataFrame, np.ndarray]:
    """A table that knows nothing but the past: counts, money, days, categories of few and of many values, holes."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([300, 1_000, 3_000])) if n is None else n
    rate = float(rng.choice([0.05, 0.2, 0.5]))
    town = rng.integers(0, 60, n)
    X = pd.DataFrame(
        {
            "orders": rng.poisson(rng.gamma(1.0, 5, n)),
            "money": np.round(rng.lognormal(4, 1, n), 2),
            "points": rng.lognormal(6, 1.2, n).astype(np.int64),
            "tenure_days": rng.integers(0, 2_000, n),
            "age": rng.integers(18, 90, n),
            "member": rng.random(n) < 0.3,
            "plan": rng.choice(["month", "year", "free"], n),
            "town": np.array([f"town {i}" for i in range(60)])[town],
            "score": rng.normal(size=n),
        }
    )
    score = 1.2 * X["score"] - 0.1 * X["orders"] + (X["plan"] == "month") + rng.normal(0, 0.3, 60)[town]
    y = rng.random(n) < expit(score - np.quantile(score, 1 - rate))
    X.loc[rng.random(n) < 0.2, "money"] = np.nan
    return X, y.to_numpy().astype(int)


def encoded(X: pd.DataFrame, y: np.ndarray, smooth: float, column: str = "town") -> np.ndarray:
    """Mean labels by town of all rows, drawn towards everybody's."""
    by = pd.Series(y).groupby(X[column])
    return ((by.transform("sum") + smooth * y.mean()) / (by.transform("size") + smooth)).to_numpy()


LEAKS: dict[str, Any] = {
    "near-label, a noisy copy": lambda X, y, rng: y + rng.normal(0, 0.2, len(y)),
    "near-label, turned": lambda X, y, rng: -5.0 * y + rng.normal(0, 0.5, len(y)),
    "near-label, a copy with few errors": lambda X, y, rng: np.where(rng.random(len(y)) < 0.01, 1 - y, y),
    "near-label, text": lambda X, y, rng: np.where(y == 1, rng.choice(["a", "b"], len(y)), rng.choice(["c", "d"], len(y))),
    "near-label, a hole": lambda X, y, rng: np.where(y == 1, np.nan, rng.normal(size=len(y))),
    "near-unique, text": lambda X, y, rng: [f"C{i:07d}" for i in rng.permutation(len(y))],
    "near-unique, a sequence": lambda X, y, rng: rng.permutation(len(y)) + 10_001,
    "near-unique, numbers": lambda X, y, rng: rng.choice(10**7, len(y), replace=False) + 10**6,
    "target mean": lambda X, y, rng: encoded(X, y, 0.0),
    "target mean, smoothed": lambda X, y, rng: encoded(X, y, 10.0),
}  # fmt: skip


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("seed", range(2))
def test_rows_97_to_99_each_planted_leak_is_found(leak: str, seed: int) -> None:
    X, y = clean(seed, n=1_500)
    X["planted"] = LEAKS[leak](X, y, np.random.default_rng(seed))
    report = leak_check(X, y)
    assert report.suspects == ["planted"]
    assert leak.split(",")[0] in set(report.to_frame()["finding"])


def test_row_97_no_alarm_on_clean_tables() -> None:
    alarms = [leak_check(*clean(seed)).suspects for seed in range(100, 108)]
    assert [a for a in alarms if a] == []


@pytest.mark.slow
def test_row_97_at_most_one_in_a_hundred_clean_tables_raises_an_alarm() -> None:
    assert sum(bool(leak_check(*clean(seed)).findings) for seed in range(1_000, 1_200)) <= 2


def test_mean_labels_of_few_values_are_found_where_they_are_exact() -> None:
    X, y = clean(1, n=2_000)
    X["planted"] = encoded(X, y, 0.0, "plan")
    assert leak_check(X, y).suspects == ["planted"]


def test_mean_labels_of_other_rows_are_no_leak() -> None:
    X, y = clean(3, n=4_000)
    half = np.arange(4_000) < 2_000
    rates = pd.Series(y[half]).groupby(X["town"][half].to_numpy()).mean()
    later = X[~half].assign(planted=X["town"][~half].map(rates))
    assert leak_check(later, y[~half]).suspects == []


def test_times_at_or_after_the_instant_are_found() -> None:
    at = pd.Timestamp("2024-03-01")
    X = pd.DataFrame({"opened": [at - pd.Timedelta(days=d) for d in (1, 2, 3)], "closed": [at, at, pd.NaT]})
    report = leak_check(X, at=at)
    assert report.suspects == ["closed"]
    assert report.findings[0][3] == 2
    X.index = pd.MultiIndex.from_arrays([[1, 2, 3], [at, at, at]], names=["customer_id", "at"])
    assert leak_check(X).suspects == ["closed"]
    assert leak_check(X.assign(opened=X["opened"].dt.tz_localize("Europe/London")), at=at).suspects == ["closed"]


def test_columns_whose_past_changed_between_exports_are_found() -> None:
    X, _y = clean(5, n=1_000)
    later = X.assign(points=X["points"] + 1, plan=X["plan"].where(X.index > 4, "year"), score=X["score"] * (1 + 1e-12))
    assert leak_check(later, earlier=X).suspects == ["points", "plan"]
    assert leak_check(X.iloc[::-1], earlier=X).suspects == []


def test_row_100_customers_on_both_sides_are_counted() -> None:
    index = pd.MultiIndex.from_product([[1, 2, 3], pd.to_datetime(["2024-01-01"])], names=["customer_id", "at"])
    X = pd.DataFrame({"orders": [1, 2, 3]}, index=index)
    later = X.set_axis(index.set_levels(pd.to_datetime(["2024-04-01"]), level="at"))
    assert leak_check(X, test=X.iloc[1:]).findings == (("same customers", "same customers", "customers", 2.0),)
    assert leak_check(X, test=later).findings == ()
    assert leak_check(X.droplevel("at"), test=later.droplevel("at").iloc[:1]).findings[0][3] == 1
    assert leak_check(X, test=X, allow=["same customers"]).findings == ()


@pytest.mark.parametrize(
    "name", ["duration", "last_call_duration", "Churn Reason", "churn_score", "cancelled_on", "exit_date", "closed_at"]
)
def test_names_of_what_is_known_only_afterwards_are_found(name: str) -> None:
    X, y = clean(2, n=400)
    assert leak_check(X.rename(columns={"score": name}), y).suspects == [name]


@pytest.mark.parametrize(
    "name", ["informational_duration", "contract_duration", "exit_rates", "tenure", "gap_days", "left_hand", "nr_calls"]
)
def test_names_that_only_sound_alike_pass(name: str) -> None:
    X, y = clean(2, n=400)
    assert leak_check(X.rename(columns={"score": name}), y).suspects == []


def test_numbers_written_as_text_with_blanks_are_found() -> None:
    X, _ = clean(2, n=1_000)
    text = X["points"].astype(str)
    assert leak_check(X.assign(points=text.where(X.index > 9, " "))).to_frame()["finding"].tolist() == [
        "numbers as text"
    ]
    assert leak_check(X.assign(points=(X["points"] % 13).astype(str))).suspects == []


def test_numbers_far_from_a_sequence_are_no_names() -> None:
    X, _ = clean(2, n=400)
    assert leak_check(X.assign(balance=np.random.default_rng(0).lognormal(9, 1, 400).astype(int))).suspects == []
    assert leak_check(X.assign(balance=np.random.default_rng(0).uniform(0, 2e5, 400))).suspects == []


def test_a_leak_of_few_values_is_found_in_a_large_table() -> None:
    y = np.arange(120_000) % 3 == 0
    X = pd.DataFrame({"status": np.where(y, "gone", "here")})
    assert leak_check(X, y).suspects == ["status"]


def test_sorted_rows_raise_no_alarm() -> None:
    X, y = pd.DataFrame({"plan": np.repeat(["m", "y"], 500)}), np.tile([0, 1], 500)
    assert leak_check(X, y).suspects == []


@pytest.mark.parametrize(
    "label", [lambda y: 2 * y - 1, lambda y: y.astype(bool), lambda y: y.astype(float), lambda y: pd.Series(y)]
)
def test_labels_are_read_as_fit_reads_them(label: Any) -> None:
    X, y = clean(2, n=400)
    assert leak_check(X.assign(copy=y), label(y)).suspects == ["copy"]


def test_labels_that_are_none_are_refused_and_others_are_told() -> None:
    X, y = clean(2, n=400)
    with pytest.raises(DataContractError, match="missing"):
        leak_check(X, np.where(np.arange(400) < 1, np.nan, y))
    with pytest.raises(DataContractError, match="positive="):
        leak_check(X, np.where(y, "yes", "no"))
    assert leak_check(X.assign(copy=y), np.where(y, "yes", "no"), positive="yes").suspects == ["copy"]


def test_labels_in_another_order_find_their_rows() -> None:
    X, y = clean(2, n=400)
    X.index = pd.Index([f"c{i}" for i in range(400)], name="customer_id")
    label = pd.Series(y, index=X.index).sample(frac=1, random_state=0)
    assert leak_check(X.assign(copy=y), label).suspects == ["copy"]


@pytest.mark.parametrize("written", [str, lambda s: s.date()])
def test_dates_written_as_text_are_times_too(written: Any) -> None:
    days = [pd.Timestamp("2024-01-01") + pd.Timedelta(days=d) for d in range(100)]
    X = pd.DataFrame({"last": [written(d) for d in days], "orders": range(100)})
    assert leak_check(X, at="2024-02-01").suspects[0] == "last"
    assert leak_check(X[["last"]].iloc[:20], at="2024-02-01").findings == ()


def test_rows_that_are_only_numbered_name_no_customer() -> None:
    X, _ = clean(2, n=400)
    assert leak_check(X, test=X.copy()).findings == ()


def test_exports_with_doubled_rows_and_other_categories_can_be_compared() -> None:
    index = pd.Index(["a", "a", "b"], name="customer_id")
    now = pd.DataFrame({"plan": pd.Categorical(["x", "y", "z"])}, index=index)
    then = pd.DataFrame({"plan": pd.Categorical(["x", "y", "w"])}, index=index)
    assert leak_check(now, earlier=then).suspects == ["plan"]
    assert leak_check(now, earlier=now.copy()).suspects == []


def test_instants_whose_labels_are_open_when_the_test_begins_are_counted() -> None:
    at = pd.to_datetime(["2024-01-01", "2024-02-01", "2024-03-01"])
    X = pd.DataFrame(
        {"orders": [1, 2, 3]}, index=pd.MultiIndex.from_arrays([[1, 2, 3], at], names=["customer_id", "at"])
    )
    test = X.set_axis(
        pd.MultiIndex.from_arrays([[1, 2, 3], [pd.Timestamp("2024-04-01")] * 3], names=["customer_id", "at"])
    )
    assert leak_check(X, test=test, horizon="60d").findings == (("open labels", "open labels", "instants", 1.0),)
    assert leak_check(X, test=test, horizon="31d").findings == ()


def test_findings_do_not_depend_on_the_order_of_rows() -> None:
    X, y = clean(7, n=2_000)
    X["planted"] = encoded(X, y, 5.0)
    order = np.random.default_rng(0).permutation(2_000)
    assert leak_check(X.iloc[order], y[order]).findings == leak_check(X, y).findings


def test_few_leavers_prove_nothing() -> None:
    X, _y = clean(2, n=400)
    few = np.zeros(400, int)
    few[:19] = 1
    assert leak_check(X.assign(lucky=few + 0.0), few).suspects == []


def test_the_complaint_names_columns_and_how_to_let_them_pass_but_no_value() -> None:
    X, y = clean(2, n=400)
    X = X.assign(who=[f"secret-{i}" for i in range(400)], copy=y)
    with pytest.raises(LeakageError, match=r"allow=\['who', 'copy'\]") as caught:
        guard(X, y)
    assert "secret" not in str(caught.value)
    guard(X, y, allow=["who", "copy"])
    guard(X, y, allow=["*"])
    with pytest.raises(LeakageError, match=r"allow=\['copy'\]"):
        guard(X, y, allow=["who"])


def test_the_report_shows_itself() -> None:
    X, y = clean(2, n=400)
    report = leak_check(X.assign(copy=y), y)
    assert "'copy' tells the label" in str(report)
    assert "copy" in report._repr_html_()
    assert repr(report) == "LeakReport: 10 columns, 1 suspects"
    assert repr(leak_check(X, y)) == "LeakReport: 9 columns, 0 suspects"


def test_labels_and_rows_must_be_as_many() -> None:
    with pytest.raises(DataContractError, match="3 labels for 400 rows"):
        leak_check(clean(2, n=400)[0], [0, 1, 1])


@pytest.mark.slow
def test_the_traps_of_published_tables_are_named(data: Path) -> None:
    telco = pd.read_parquet(data / "telco_ibm" / "telco.parquet")
    y = (telco.pop("Churn") == "Yes").to_numpy(int)
    assert dict(leak_check(telco, y).to_frame()[["column", "finding"]].to_numpy()) == {
        "customerID": "near-unique",
        "TotalCharges": "numbers as text",
    }
    bank = pd.read_parquet(data / "bank_churn" / "bank_churn.parquet")
    assert leak_check(bank.drop(columns="Exited"), bank["Exited"]).suspects == ["RowNumber", "CustomerId"]
    for file, label in (("bank_additional_full", "y"), ("bank_full", "deposit")):
        calls = pd.read_parquet(data / "bank_marketing" / f"{file}.parquet")
        assert leak_check(calls.drop(columns=label), (calls[label] == "yes").astype(int)).suspects == ["duration"]
