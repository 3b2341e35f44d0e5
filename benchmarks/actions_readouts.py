"""What real experiments say, read honestly: Hillstrom's e-mails, a marketing list of an insurer, and a game's gate.

A part of `python -m benchmarks.actions`.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.measure import DATA, Line
from benchmarks.opponents.effects_peers import ARMS, CONTROL, halves
from crmintel.actions import EffectModel, choose_policy, read_experiment
from crmintel.evaluation import Estimate, uplift_curve

line = partial(Line, "actions")
INTERVAL = "95 % interval"


def lines(quick: bool) -> Iterator[Line]:
    """All of them."""
    yield from hillstrom()
    yield from information()
    yield from cookie_cats()


def told(e: Estimate, digits: int = 4) -> str:
    """A figure with its interval."""
    return f"{e.value:+.{digits}f} ({e.low:+.{digits}f} to {e.high:+.{digits}f})"


def hillstrom() -> Iterator[Line]:
    """Conversion and spend: faint effects on rare outcomes, learned on one half and judged on the other."""
    data = pd.read_parquet(DATA / "hillstrom" / "hillstrom.parquet")
    X = data[["recency", "history", "mens", "womens", "newbie", "history_segment", "zip_code", "channel"]]
    learn, judge = halves(data, 0)
    for outcome, cost, digits in (("conversion", 0.002, 5), ("spend", 0.1, 3)):
        y = data[outcome].astype(float)
        model = EffectModel(control=CONTROL).fit(
            X, data["segment"], y, propensity=dict.fromkeys((CONTROL, *ARMS.values()), 1 / 3)
        )
        for row in model.average_.itertuples():
            effect = Estimate(row.effect, row.low, row.high)
            yield line(f"Hillstrom, {outcome}: average effect of {row.action}", told(effect, digits), INTERVAL)
        policy = choose_policy(model, cost=cost)
        said = "used" if policy.personal else f"not proven, so {policy.best!r} for everybody"
        yield line(
            f"Hillstrom, {outcome}, cost {cost}: personal actions over the best single one ({said})",
            told(policy.gain, digits),
            INTERVAL,
        )
        half = EffectModel(control=CONTROL).fit(
            X.iloc[learn],
            data["segment"].iloc[learn],
            y.iloc[learn],
            propensity=dict.fromkeys((CONTROL, *ARMS.values()), 1 / 3),
        )
        for name in ARMS.values():
            held = judge[data["segment"].iloc[judge].isin([CONTROL, name]).to_numpy()]
            curve = uplift_curve(half.predict(X.iloc[held])[name], data["segment"].iloc[held] == name, y.iloc[held])
            low, high = curve.qini_area_band
            yield line(
                f"Hillstrom, {outcome}, other half, {name}: Qini area per treated; random orders {low:.5f} to {high:.5f}",
                round(curve.qini_area, 5),
            )


def information() -> Iterator[Line]:
    """An average near zero that hides strong differences; whether the treatment was drawn is not on record."""
    train, valid = (pd.read_parquet(DATA / "information_uplift" / f"{name}.parquet") for name in ("train", "valid"))
    columns = [c for c in train if c not in ("PURCHASE", "TREATMENT", "UNIQUE_ID")]
    names = np.array(["no action", "offer"])
    asked = EffectModel().fit(train[columns], names[train["TREATMENT"].astype(int)], train["PURCHASE"])
    yield line("information_uplift, without propensities", "not causal" if not asked.causal_ else "causal")
    model = EffectModel().fit(
        train[columns],
        names[train["TREATMENT"].astype(int)],
        train["PURCHASE"],
        propensity={"no action": 0.5, "offer": 0.5},
    )
    average, policy = model.average_.iloc[0], choose_policy(model)
    yield line(
        "information_uplift, if the offer was drawn by a coin: average effect (train)",
        told(Estimate(average["effect"], average["low"], average["high"])),
        INTERVAL,
    )
    said = "proven" if policy.personal else "not proven"
    yield line(
        f"the same: personal offers over the best single action (train, out of fold; {said})",
        told(policy.gain),
        INTERVAL,
    )
    score, treated = model.predict(valid[columns])["offer"], valid["TREATMENT"].to_numpy()
    fifth = pd.qcut(score.rank(method="first"), 5, labels=False).to_numpy()
    for part, name in ((0, "lowest"), (4, "highest")):
        here = valid[fifth == part]
        y, t = here["PURCHASE"].to_numpy(float), here["TREATMENT"].to_numpy() == 1
        gap = y[t].mean() - y[~t].mean()
        half = 1.96 * np.sqrt(y[t].var() / t.sum() + y[~t].var() / (~t).sum())
        yield line(
            f"the same, other 10,000 customers: treated less untreated in the {name} fifth",
            told(Estimate(gap, gap - half, gap + half)),
            INTERVAL,
        )
    curve = uplift_curve(score, treated, valid["PURCHASE"])
    low, high = curve.qini_coefficient_band
    yield line(
        f"the same: Qini coefficient (scikit-uplift's scale); random orders {low:.3f} to {high:.3f}",
        round(curve.qini_coefficient, 4),
    )


def cookie_cats() -> Iterator[Line]:
    """A gate moved from level 30 to 40: whether players came back after a day and after a week."""
    data = pd.read_parquet(DATA / "cookie_cats_ab" / "cookie_cats.parquet")
    for outcome in ("retention_1", "retention_7"):
        read = read_experiment(
            data["version"], data[outcome].astype(float), planned={"gate_30": 0.5, "gate_40": 0.5}, control="gate_30"
        )
        row = read.effects.iloc[0]
        effect = Estimate(row["difference"], row["low"], row["high"])
        yield line(f"cookie cats, {outcome}: gate 40 less gate 30 ({row['verdict']})", told(effect), INTERVAL)
    warned = " ".join(read.warnings) or "no warning"
    yield line(f"cookie cats: {warned}", len(data), "players")
