"""Time to churn by lifelines (Cox) and scikit-survival (gradient boosting), in an environment of their own.

python -m benchmarks.opponents.churn_survival_peers FILE.parquet TIMES.npy OURS.npy NAME [NAME …]

The file holds the features, `duration`, `observed` and `test`; OURS holds our survival curves of the test customers, judged here by
scikit-survival's measures too. Numbers: holes get the median (and a column that says so), spread 1. Categories: one column a value.
"""

import json
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import sksurv
from lifelines import CoxPHFitter
from sksurv.ensemble import GradientBoostingSurvivalAnalysis
from sksurv.metrics import concordance_index_censored, integrated_brier_score
from sksurv.util import Surv

SETTINGS = {
    "gradient boosting": {"n_estimators": 100, "learning_rate": 0.1, "max_depth": 3, "subsample": 0.7},
    "gradient boosting, default": {},
}


def design(X: pd.DataFrame, train: np.ndarray) -> pd.DataFrame:
    """Numbers only, by what the training customers look like."""
    numbers = X.select_dtypes("number").astype(float)
    holes = numbers.isna()
    numbers = numbers.fillna(numbers[train].median()).fillna(0.0)
    other = X.drop(columns=numbers.columns)
    flags = holes.loc[:, holes[train].any()].add_prefix("missing_")
    parts = [numbers, flags.astype(float)] + ([pd.get_dummies(other, dtype=float)] if other.shape[1] else [])
    Z = pd.concat(parts, axis=1)
    Z = Z.loc[:, Z[train].std() > 1e-9]
    return (Z - Z[train].mean()) / Z[train].std()


def cox(
    Z: pd.DataFrame, duration: np.ndarray, observed: np.ndarray, train: np.ndarray, times: np.ndarray
) -> np.ndarray:
    """Cox's proportional hazards with a ridge penalty of .1."""
    frame = Z[train].assign(duration=duration[train], observed=observed[train])
    model = CoxPHFitter(penalizer=0.1).fit(frame, "duration", "observed")
    return model.predict_survival_function(Z[~train], times=times).to_numpy().T


def boosting(name: str) -> Callable[..., np.ndarray]:
    """Gradient boosting of Cox's partial likelihood."""

    def fit(
        Z: pd.DataFrame, duration: np.ndarray, observed: np.ndarray, train: np.ndarray, times: np.ndarray
    ) -> np.ndarray:
        model = GradientBoostingSurvivalAnalysis(random_state=0, **SETTINGS[name])
        model.fit(Z[train].to_numpy(), Surv.from_arrays(observed[train], duration[train]))
        return np.stack([curve(times) for curve in model.predict_survival_function(Z[~train].to_numpy())])

    return fit


def main() -> None:
    """The command; prints C, integrated Brier score and CPU seconds of each, and of our curves."""
    warnings.simplefilter("ignore")
    file, times, ours, *names = sys.argv[1:]
    table, at = pd.read_parquet(file), np.load(times)
    duration, observed = table.pop("duration").to_numpy(), table.pop("observed").to_numpy()
    train = ~table.pop("test").to_numpy()
    Z = design(table, train)
    y, later = (Surv.from_arrays(observed[part], duration[part]) for part in (train, ~train))
    told: dict[str, object] = {"version": sksurv.__version__}
    for name in ("ours", *names):
        cpu = time.process_time()
        fit = cox if name == "Cox" else boosting(name)
        curves = np.load(ours) if name == "ours" else fit(Z, duration, observed, train, at)
        cpu = time.process_time() - cpu
        c = concordance_index_censored(observed[~train], duration[~train], -curves.mean(axis=1))[0]
        told[name] = {"c": float(c), "ibs": float(integrated_brier_score(y, later, curves, at)), "cpu": cpu}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
