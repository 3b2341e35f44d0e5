"""The bars of customer value: forecasts and their intervals on real logs, and the models of counts beneath them.

python -m benchmarks.value [--quick] [--write]
"""

import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measure import DATA, ROOT, Line, command
from benchmarks.value_btyd import btyd as models
from crmintel import InteractionLog, Policies
from crmintel.datasets.public import complete_journey
from crmintel.errors import DataContractWarning
from crmintel.evaluation import auc, capture
from crmintel.evaluation.intervals import bootstrap
from crmintel.value import LifetimeValue, PurchaseDays, ValueForecast, purchase_history

BENCH = "value"
SEEDS = (0, 1, 2)
BARS: dict[str, dict[str, tuple[str, float]]] = {
    "cdnow": {"MAE of purchases": ("<=", 0.791), "AUC of who buys again": (">=", 0.772), "RMSE of spend": ("<=", 91.0), "spend captured by the top tenth": (">=", 0.523)},
    "online_retail": {"MAE of purchases": ("<=", 1.45), "AUC of who buys again": (">=", 0.733), "spend captured by the top tenth": (">=", 0.58)},
    "grocery_elog": {"MAE of purchases": ("<=", 1.475), "AUC of who buys again": (">=", 0.889)},
    "completejourney": {},
}  # fmt: skip
AMONG = (0.76, 0.84)


def line(what: str, value: float | str, unit: str = "", bar: str = "", holds: bool | None = None) -> Line:
    """One figure of this benchmark."""
    return Line(BENCH, what, value, unit, bar, holds)


def logs(quick: bool) -> Iterator[tuple[str, InteractionLog, str, int]]:
    """A log, the instant it is cut at, and the days after it that are forecast."""
    grocery = pd.read_parquet(DATA / "grocery_elog" / "grocery_elog.parquet")
    grocery = grocery.rename(columns={"cust": "customer_id", "date": "timestamp"})
    yield "grocery_elog", InteractionLog.read(grocery, quiet=True), "2007-01-01", 364
    if quick:
        return
    retail = pd.read_parquet(DATA / "online_retail" / "interactions.parquet")
    retail = retail[retail["customer_id"].notna() & (retail["quantity"] > 0) & (retail["unit_price"] > 0)]
    retail = retail[["customer_id", "timestamp", "amount"]].astype({"customer_id": int})
    yield "online_retail", InteractionLog.read(retail, quiet=True), "2011-06-10", 182
    yield "cdnow", InteractionLog.read(DATA / "cdnow" / "interactions.parquet", quiet=True), "1997-10-01", 273
    journey = InteractionLog.read(complete_journey()[0], timezone="America/New_York", policies=Policies(), quiet=True)
    yield "completejourney", journey, "2017-07-01", 182


def happened(log: InteractionLog, at: Any, customers: pd.Index, days: int) -> tuple[Any, Any]:
    """Purchase days and money of customers in the days after an instant."""
    past = PurchaseDays.of(log, at)
    counts, money = PurchaseDays.of(log).later(customers, past.end, past.end + days)
    return counts, None if money is None else np.maximum(money, 0.0)


def figures(purchases: Any, chance: Any, spend: Any, counts: Any, money: Any) -> dict[str, float]:
    """How good forecasts were."""
    out = {
        "MAE of purchases": float(np.abs(purchases - counts).mean()),
        "AUC of who buys again": auc(counts > 0, chance),
    }
    if money is not None:
        out["RMSE of spend"] = float(np.sqrt(((spend - money) ** 2).mean()))
        out["spend captured by the top tenth"] = capture(money, spend)
    return out


def rules(model: LifetimeValue, log: InteractionLog, at: Any, days: int) -> dict[str, tuple[Any, Any, Any]]:
    """What others would say of the same customers: purchases, score of buying again, spend."""
    history = purchase_history(log, at)
    expected = model.pareto_.expected_purchases(history, f"{days}d").to_numpy()
    each = model.spend_.expected_value(history).to_numpy() if model.spend_ else np.ones(len(history))
    pace = ((history["frequency"] + 1) / (history["T_days"] + 1) * days).to_numpy()
    mean = history["mean_value"].fillna(history["mean_value"].mean()).to_numpy() if model.has_money_ else each
    return {
        "Pareto/NBD with Gamma-Gamma": (expected, expected, expected * each),
        "the pace so far": (pace, pace, pace * mean),
    }


def quality(quick: bool) -> Iterator[Line]:
    """The default on later windows, mean of three seeds, beside the models of counts and spend and the pace so far."""
    for name, log, at, days in logs(quick):
        found, inside, wide, seconds = [], [], [], []
        for seed in SEEDS[:1] if quick else SEEDS:
            start = time.perf_counter()
            model = LifetimeValue(f"{days}d", random_state=seed).fit(log, at=at)
            told = model.predict(log, at=at)
            seconds.append(time.perf_counter() - start)
            table = told.to_frame()
            counts, money = happened(log, at, table.index, days)
            spend = table["spend"] if told.has_money else None
            found.append(figures(table["purchases"], table["buy_probability"], spend, counts, money))
            inside.append(
                {k: covered(table, k, v) for k, v in (("purchases", counts), ("spend", money)) if v is not None}
            )
            wide.append(segments(told, model, log, at, counts, money))
        what = f"{name}, at {at}, next {days} days, {len(table):,} customers, mean of {len(found)} seeds"
        for figure in found[0]:
            value = float(np.mean([f[figure] for f in found]))
            sign, bar = BARS[name].get(figure, ("", 0.0))
            holds = None if not sign else value <= bar if sign == "<=" else value >= bar
            yield line(f"{what}: {figure}", round(value, 4), "", f"{sign} {bar:g}" if sign else "", holds)
        for rule, said in rules(model, log, at, days).items():
            theirs = figures(*said, counts, money)
            yield line(f"{what}: the same of {rule}", ", ".join(f"{k} {v:.4g}" for k, v in theirs.items()))
        yield from _gains(what, table, rules(model, log, at, days), counts, money)
        for k in inside[0]:
            share = float(np.mean([i[k] for i in inside]))
            main = k == ("spend" if money is not None else "purchases")
            bar = f"{AMONG[0]:g} to {AMONG[1]:g}" if main and BARS[name] else ""
            yield line(f"{what}: share of customers inside their 80 % interval, {k}", round(share, 3), "", bar, AMONG[0] <= share <= AMONG[1] if bar else None)  # fmt: skip
        yield line(f"{what}: wall time of fit and predict, 2 threads", round(float(np.median(seconds)), 1), "s")
        yield from totals(name, log, at, days, wide)


def covered(table: pd.DataFrame, name: str, actual: Any) -> float:
    """The share of customers whose later sum lies inside."""
    return float(((actual >= table[f"{name}_low"]) & (actual <= table[f"{name}_high"])).mean())


def _gains(
    what: str, table: pd.DataFrame, others: dict[str, tuple[Any, Any, Any]], counts: Any, money: Any
) -> Iterator[Line]:
    """Differences to Pareto/NBD with Gamma-Gamma on the same customers, resampled together (the last seed)."""
    theirs = others["Pareto/NBD with Gamma-Gamma"]
    ours = (table["purchases"].to_numpy(), table["buy_probability"].to_numpy(), None if money is None else table["spend"].to_numpy())  # fmt: skip
    of: dict[str, tuple[Callable[..., float], tuple[Any, ...]]] = {
        "MAE of purchases": (
            lambda y, a, b: float(np.abs(a - y).mean() - np.abs(b - y).mean()),
            (counts, ours[0], theirs[0]),
        ),
        "AUC of who buys again": (lambda y, a, b: auc(y > 0, a) - auc(y > 0, b), (counts, ours[1], theirs[1])),
    }
    if money is not None:
        rmse: Callable[..., float] = lambda y, a: float(np.sqrt(((a - y) ** 2).mean()))  # noqa: E731
        of["RMSE of spend"] = (lambda y, a, b: rmse(y, a) - rmse(y, b), (money, ours[2], theirs[2]))
    for name, (figure, values) in of.items():
        yield line(
            f"{what}: {name}, less that of Pareto/NBD with Gamma-Gamma",
            str(bootstrap(figure, *values, n=200)),
            "95 % interval",
        )


def segments(
    told: ValueForecast, model: LifetimeValue, log: InteractionLog, at: Any, counts: Any, money: Any
) -> dict[str, float]:
    """The share of segments whose total lies inside, by what makes the segments."""
    table, history = told.to_frame(), purchase_history(log, at)
    n, name = len(table), "spend" if told.has_money else "purchases"
    actual = money if told.has_money else counts
    rank = {c: history[c].rank(method="first").to_numpy() - 1 for c in ("frequency", "T_days")}
    rank["silence"] = (history["T_days"] - history["t_x_days"]).rank(method="first").to_numpy() - 1
    rank["forecast"] = table[name].rank(method="first").to_numpy() - 1
    drawn = np.random.default_rng(0).permutation(n)
    families = {f"{size} customers at random": drawn % max(n // size, 1) for size in (25, 100, 400)}
    families["silence by frequency (5 x 5)"] = rank["silence"] * 5 // n * 5 + rank["frequency"] * 5 // n
    families |= {
        "tenths of the forecast": rank["forecast"] * 10 // n,
        "tenths by first purchase": rank["T_days"] * 10 // n,
    }
    out = {}
    for family, code in families.items():
        total = told.total(code.astype(np.int64))
        sums = pd.Series(actual).groupby(code.astype(np.int64)).sum().to_numpy()
        out[family] = float(((sums >= total[f"{name}_low"]) & (sums <= total[f"{name}_high"])).mean())
    return out


def totals(name: str, log: InteractionLog, at: str, days: int, wide: list[dict[str, float]]) -> Iterator[Line]:
    """Totals of segments on the final window, and on windows inside the calibration data as well."""
    past = PurchaseDays.of(log, at)
    longest = min(days, (past.end - int(past.day.min())) // 2)
    windows = [pd.DataFrame(wide).mean()]
    for share in (1.0, 2 / 3, 1 / 2) if BARS[name] else ():
        length = round(longest * share)
        cut = pd.Timestamp(0) + pd.Timedelta(days=past.end - length + 1)
        model = LifetimeValue(f"{length}d").fit(log, at=cut)
        told = model.predict(log, at=cut)
        windows.append(pd.Series(segments(told, model, log, cut, *happened(log, cut, told.to_frame().index, length))))
    for label, found in (("final window", windows[:1]), (f"mean of {len(windows)} windows, the others inside the calibration data", windows))[: len(windows)]:  # fmt: skip
        mean = pd.DataFrame(found).mean()
        said = f"{mean.mean():.3f} ({', '.join(f'{k} {v:.2f}' for k, v in mean.items())})"
        bar = f"{AMONG[0]:g} to {AMONG[1]:g}" if BARS[name] else ""
        yield line(f"{name}: share of segments whose total lies inside its 80 % interval, {label}", said, "", bar, bool(AMONG[0] <= mean.mean() <= AMONG[1]) if bar else None)  # fmt: skip


def lines(quick: bool) -> Iterator[Line]:
    """All of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)
        yield from models(quick)
        yield from quality(quick)


if __name__ == "__main__":
    command(BENCH, __doc__, lines, ROOT / "docs" / "value.md")
