"""Effects: the Hillstrom experiment against the learners of the literature, a large made experiment, and no harm."""

import json
from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.measure import DATA, Line, environment, run
from benchmarks.opponents.effects_peers import ARMS, CONTROL, halves
from crmintel.actions import EffectModel, choose_policy
from crmintel.actions.effects.linear import lines as ridge
from crmintel.actions.effects.recipes import rows_for
from crmintel.evaluation import uplift_curve

line = partial(Line, "actions")

PEERS = ("causalml==0.18.0", "econml==0.17.0", "scikit-uplift==0.5.1", "lightgbm==4.7.0", "pyarrow")
OURS, RIDGE, RESPONSE = "EffectModel", "ridge on scores", "response (not causal)"
SHARES = dict.fromkeys((CONTROL, *ARMS.values()), 1 / 3)


def lines(quick: bool) -> Iterator[Line]:
    """Every line of this part."""
    yield from hillstrom(quick)
    yield from large(quick)
    yield from no_harm(24 if quick else 200)
    yield from coverage(20 if quick else 500)


def hillstrom(quick: bool) -> Iterator[Line]:
    """Qini coefficients on both arms over half-splits, each learner against ours, paired by split."""
    path = DATA / "hillstrom" / "hillstrom.parquet"
    sets = {"first": (0, 3)} if quick else {"first": (0, 20), "fresh": (20, 40)}
    python = environment("effects", PEERS)
    for name, (start, stop) in sets.items():
        rows = [r for split in range(start, stop) for r in ours(pd.read_parquet(path), split)]
        if python is not None:
            peers = ["-m", "benchmarks.opponents.effects_peers", str(path), str(start), str(stop)]
            rows += [json.loads(text) for text in run(peers, threads=1, python=python).output.splitlines()]
        yield from compared(pd.DataFrame(rows), f"Hillstrom, visits, {stop - start} half-splits ({name} set)")


def ours(data: pd.DataFrame, split: int) -> Iterator[dict]:
    """Our model, a ridge regression on its scores, and the response score, on one split."""
    X = data[["recency", "history", "mens", "womens", "newbie", "history_segment", "zip_code", "channel"]].copy()
    X["log_history"], X["both"] = np.log1p(X["history"]), X["mens"] * X["womens"]
    learn, judge = halves(data, split)
    model = EffectModel(control=CONTROL).fit(
        X.iloc[learn], data["segment"].iloc[learn], data["visit"].iloc[learn], propensity=SHARES
    )
    stack = model.stack_
    table, new = stack.schema.read(X.iloc[learn], model.order_), stack.schema.read(X.iloc[judge])
    flat = ridge(stack.design(table), model.evidence_.differences)(stack.design(new))
    level = (
        rows_for(table.matrix(), None, 0)
        .learn(np.arange(len(table)), model.evidence_.trial.outcome)
        .predict(new.matrix())
    )
    for arm, name in ARMS.items():
        seen = data["segment"].iloc[judge].isin([CONTROL, name]).to_numpy()
        held, a = judge[seen], model.actions_.index(name)
        told = {OURS: model.predict(X.iloc[held])[name].to_numpy(), RIDGE: flat[seen, a], RESPONSE: level[seen]}
        for learner, score in told.items():
            curve = uplift_curve(
                score, (data["segment"] == name).to_numpy()[held], data["visit"].to_numpy()[held], permutations=1
            )
            yield {"learner": learner, "arm": arm, "split": split, "qini": curve.qini_coefficient}


def compared(rows: pd.DataFrame, where: str) -> Iterator[Line]:
    """The mean Qini of every learner, and how far ours is ahead: naive and corrected t."""
    wide = rows.pivot_table(index="split", columns=["arm", "learner"], values="qini")
    both = pd.concat({"both": (wide["men"] + wide["women"]) / 2}, axis=1)
    wide = pd.concat([wide, both], axis=1)
    causal = [c for c in wide["men"].columns if c not in (OURS, RESPONSE)]
    champion = wide["men"][causal].mean().idxmax()
    for arm in ("women", "men", "both"):
        for learner in [OURS, *causal, RESPONSE]:
            value = round(float(wide[arm][learner].mean()), 4)
            if learner == OURS:
                yield line(f"{where}, {arm}: {learner}", value, "Qini coefficient")
                continue
            gap = wide[arm][OURS] - wide[arm][learner]
            naive, corrected = t_values(gap.to_numpy())
            bar, holds = "", None
            if (arm, learner) in {("women", RIDGE), ("men", champion)}:
                bar, holds = "ours not significantly worse (naive t > −2)", bool(naive > -2)
            elif arm == "both" and learner != RESPONSE:
                bar, holds = "ours ahead", bool(gap.mean() > 0)
            unit = f"Qini coefficient; ours {gap.mean():+.4f}, naive t {naive:.1f}, corrected t {corrected:.2f}"
            yield line(f"{where}, {arm}: {learner}", value, unit, bar, holds)


def t_values(gap: np.ndarray) -> tuple[float, float]:
    """The paired t, and the one that halves which overlap deserve (Nadeau and Bengio 2003, Machine Learning 52)."""
    n, sd = len(gap), gap.std(ddof=1)
    return float(gap.mean() / (sd / np.sqrt(n))), float(gap.mean() / (sd * np.sqrt(1 / n + 1)))


def large(quick: bool) -> Iterator[Line]:
    """Half a million customers in four arms: how much of what is possible a policy earns, and at which cost."""
    n = 50_000 if quick else 500_000
    found = {}
    for who in ("ours", "t"):
        best = None
        for _ in range(1 if quick else 3):
            cost = run(["-m", "benchmarks.opponents.effects_size", who, str(n)], threads=1)
            told = json.loads(cost.output)
            best = told if best is None or told["cpu"] < best["cpu"] else best
        found[who] = best
    ratio = found["ours"]["cpu"] / found["t"]["cpu"]
    of = f"{n:,} randomised × 30 × 4 arms"
    yield line(
        f"{of}: share of the oracle's policy value, EffectModel",
        round(found["ours"]["share"], 4),
        "",
        "≥ .95",
        found["ours"]["share"] >= 0.95,
    )
    yield line(f"{of}: the same, T-learner of LightGBM (100 × 8 leaves, .05)", round(found["t"]["share"], 4), "")
    yield line(
        f"{of}: share of what the oracle gains over the best single action: ours, T",
        f"{found['ours']['gained']:.3f}, {found['t']['gained']:.3f}",
        "",
    )
    yield line(
        f"{of}: CPU of fit, ours over T ({found['ours']['cpu']:.1f} and {found['t']['cpu']:.1f} s, 1 thread, least of 3)",
        round(ratio, 2),
        "×",
        "≤ 2",
        ratio <= 2,
    )


NAMES = np.array(["no action", "a", "b"])


def campaign(seed: int) -> tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A faint campaign of 6,000 customers in three arms, by turns without effect, with equal ones, with one better arm, and with
    effects that differ; and what each arm truly brings 40,000 other customers, less its cost of .02."""
    rng = np.random.default_rng(seed)
    kind, n = seed % 4, 6_000
    x, other = rng.normal(size=(n, 10)), rng.normal(size=(40_000, 10))
    constant = np.array([(0, 0), (0.05, 0.05), (0.05, 0.08), (0.05, 0.05)][kind])
    slope = rng.normal(size=(10, 2)) * (0.015 if kind == 3 else 0)
    arm, base = rng.integers(0, 3, n), rng.normal(size=10) * 0.1
    effect = np.column_stack([np.zeros(n), constant + x @ slope])
    y = x @ base + effect[np.arange(n), arm] + 0.5 * rng.normal(size=n)
    return kind, x, arm, y, other, np.column_stack([np.zeros(40_000), constant + other @ slope - 0.02])


def no_harm(n: int) -> Iterator[Line]:
    """How often the chosen policy does worse than the best single action on other customers."""
    rows = []
    for seed in range(n):
        kind, x, arm, y, other, net = campaign(seed)
        X = pd.DataFrame(x).add_prefix("x")
        model = EffectModel().fit(X, NAMES[arm], y, propensity=dict.fromkeys(NAMES, 1 / 3))
        policy = choose_policy(model, cost=0.02)
        told = model.predict(pd.DataFrame(other).add_prefix("x")).to_numpy() - 0.02
        always = net[np.arange(len(net)), np.argmax(np.column_stack([np.zeros(len(net)), told]), axis=1)].mean()
        single = net.mean(axis=0)[list(NAMES).index(policy.best)]
        value = always if policy.personal else single
        rows.append((kind, policy.personal, value - single, always - single, value - net.mean(axis=0).max()))
    r = pd.DataFrame(rows, columns=["kind", "used", "guarded", "always", "truth"])
    worse, found = float((r["guarded"] < -1e-4).mean()), float(r.loc[r["kind"] == 3, "used"].mean())
    of = f"no harm, {n} faint campaigns"
    yield line(f"{of}: worse than the best single action", round(worse, 3), "", "≤ .04", worse <= 0.04)
    yield line(f"{of}: heterogeneous ones found", round(found, 3), "", "≥ .40", found >= 0.4)
    yield line(f"{of}: always personalising would be worse", round(float((r["always"] < -1e-4).mean()), 3), "")
    yield line(
        f"{of}: worse than the single action that is truly best (which the sample may not tell)",
        round(float((r["truth"] < -1e-4).mean()), 3),
        "",
    )


def coverage(n: int) -> Iterator[Line]:
    """How often 95 % intervals hold the truth: average effects, those of a group, and values of personal actions out of fold."""
    hit: dict[str, list[bool]] = {}
    for seed in range(n):
        rng = np.random.default_rng(10_000 + seed)
        x = rng.normal(size=(1_200, 3))
        arm = rng.integers(0, 2, len(x))
        customer = np.repeat(np.arange(len(x) // 2), 2)
        effect = 0.2 + 0.3 * x[:, 0]
        shared = rng.normal(size=len(x) // 2)[customer]
        y = x[:, 1] + effect * arm + 0.7 * shared + 0.7 * rng.normal(size=len(x))
        X = pd.DataFrame(x).add_prefix("x")
        model = EffectModel(base=quick_base()).fit(
            X, np.array(["no action", "mail"])[arm], y, propensity={"no action": 0.5, "mail": 0.5}, customer=customer
        )
        average = model.average_.iloc[0]
        groups = model.effects_of(np.where(x[:, 0] > 0, "high", "low")).set_index("group")
        ladder = choose_policy(model, cost=0.1).ladder.iloc[-1]
        rows = model.order_[model.evidence_.told_rows]
        truth = np.where(model.evidence_.effects[:, 0] > 0.1, effect[rows] - 0.1, 0).mean()
        high = 0.2 + 0.3 * np.sqrt(2 / np.pi)
        hit.setdefault("average effects", []).append(average["low"] <= 0.2 <= average["high"])
        hit.setdefault("effects of a group", []).append(groups.loc["high", "low"] <= high <= groups.loc["high", "high"])
        hit.setdefault("values of personal actions, out of fold", []).append(ladder["low"] <= truth <= ladder["high"])
    for what, held in hit.items():
        share = float(np.mean(held))
        yield line(
            f"95 % intervals of {what}, {n} simulations, two rows a customer: cover",
            round(share, 3),
            "",
            ".93 to .97",
            0.93 <= share <= 0.97,
        )


def quick_base() -> object:
    """A linear base, so that hundreds of simulations take minutes."""
    from sklearn.linear_model import Ridge

    return Ridge(10.0)
