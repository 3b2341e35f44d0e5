"""Effects on the Hillstrom e-mail experiment told by the learners of causalml, econml and scikit-uplift.

python -m benchmarks.opponents.effects_peers hillstrom.parquet SPLITS > LINES
"""

import json
import os
import sys
import time
import warnings

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

warnings.filterwarnings("ignore")
CONTROL, ARMS = "No E-Mail", {"men": "Mens E-Mail", "women": "Womens E-Mail"}


def columns(data: pd.DataFrame) -> pd.DataFrame:
    """The customers as all learners see them: numbers, their logarithm, and categories as 0 and 1."""
    out = data[["recency", "history", "mens", "womens", "newbie"]].astype(float)
    out["log_history"], out["both"] = np.log1p(data["history"]), (data["mens"] * data["womens"]).astype(float)
    return out.join(pd.get_dummies(data[["history_segment", "zip_code", "channel"]], dtype=float))


def halves(data: pd.DataFrame, split: int) -> list[np.ndarray]:
    """Rows to learn from and to judge on."""
    arm = data["segment"].map({CONTROL: 0, ARMS["men"]: 1, ARMS["women"]: 2})
    return train_test_split(
        np.arange(len(data)), test_size=0.5, random_state=100 + split, stratify=data["visit"] * 3 + arm
    )


def learners() -> dict:
    """What is asked: a function of X, treated, y that returns a function of X."""
    from causalml.inference.meta import BaseDRRegressor, BaseRRegressor, BaseSRegressor, BaseTRegressor, BaseXRegressor
    from econml.dr import LinearDRLearner
    from lightgbm import LGBMClassifier, LGBMRegressor
    from sklearn.linear_model import LogisticRegression
    from sklift.models import ClassTransformation

    def trees():
        return LGBMRegressor(n_estimators=100, num_leaves=8, learning_rate=0.05, n_jobs=1, verbose=-1, random_state=0)

    def causalml(make, told_p):
        """The share of the treated is known to those who ask for it; predicting, only X asks again."""

        def fit(X, t, y):
            model, p = make(), np.full(len(X), t.mean())
            model.fit(X=X, treatment=t, y=y, **({"p": p} if told_p else {}))
            again = isinstance(model, BaseXRegressor)
            return lambda Z: model.predict(Z, **({"p": np.full(len(Z), t.mean())} if again else {})).ravel()

        return fit

    def linear_dr(X, t, y):
        model = LinearDRLearner(
            model_propensity=LogisticRegression(C=1e-6), model_regression=trees(), cv=5, random_state=0
        )
        model.fit(y, t, X=X)
        return lambda Z: model.effect(Z).ravel()

    def transformation(X, t, y):
        model = ClassTransformation(
            LGBMClassifier(n_estimators=100, num_leaves=8, learning_rate=0.05, n_jobs=1, verbose=-1, random_state=0)
        )
        model.fit(X, y, t)
        return model.predict

    return {
        "S (causalml)": causalml(lambda: BaseSRegressor(trees()), False),
        "T (causalml)": causalml(lambda: BaseTRegressor(trees()), False),
        "X (causalml)": causalml(lambda: BaseXRegressor(trees()), True),
        "R (causalml)": causalml(lambda: BaseRRegressor(trees(), random_state=0), True),
        "DR (causalml)": causalml(lambda: BaseDRRegressor(trees()), True),
        "linear DR (econml)": linear_dr,
        "class transformation (scikit-uplift)": transformation,
    }  # fmt: skip


if __name__ == "__main__":
    from sklift.metrics import qini_auc_score

    data = pd.read_parquet(sys.argv[1])
    X, y = columns(data).to_numpy(), data["visit"].to_numpy()
    for split in range(int(sys.argv[2]), int(sys.argv[3])):
        learn, judge = halves(data, split)
        for arm, name in ARMS.items():
            seen = learn[data["segment"].iloc[learn].isin([CONTROL, name]).to_numpy()]
            held = judge[data["segment"].iloc[judge].isin([CONTROL, name]).to_numpy()]
            t = (data["segment"] == name).to_numpy().astype(int)
            for learner, fit in learners().items():
                start = time.process_time()
                told = fit(X[seen], t[seen], y[seen])(X[held])
                line = {"learner": learner, "arm": arm, "split": split, "qini": qini_auc_score(y[held], told, t[held])}
                print(json.dumps(line | {"cpu": time.process_time() - start}), flush=True)
    print(os.environ.get("OMP_NUM_THREADS"), file=sys.stderr)
