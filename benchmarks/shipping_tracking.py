"""What a model costs to be recorded, registered and found."""

import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Line
from benchmarks.shipping_batch import model_of_simulated

BENCH = "shipping"


def recorded(quick: bool) -> Iterator[Line]:
    """Log, register and alias in a store that is there already."""
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    from crmintel import tracking

    model, before = model_of_simulated(), os.getcwd()
    with tempfile.TemporaryDirectory(prefix="crmintel-bench-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.chdir(folder)
        try:
            uri, spent, found = tracking.sqlite_uri(Path(folder)), [], []
            for _ in range(6 if quick else 12):
                begin = time.perf_counter()
                tracking.log(model, uri=uri, metrics={"auc": 0.7}, register_as="churn", alias="champion")
                spent.append(time.perf_counter() - begin)
                begin = time.perf_counter()
                tracking.load("models:/churn@champion", uri=uri)
                found.append(time.perf_counter() - begin)
        finally:
            os.chdir(before)
    warm = sorted(spent[1:])[len(spent[1:]) // 2]
    yield Line(BENCH, "log, register and alias, warm, median", round(warm, 3), "s", "<= 0.2 s", warm <= 0.2)
    yield Line(BENCH, "the first time in a new store", round(spent[0], 2), "s")
    yield Line(BENCH, "load by alias, proven, median", round(sorted(found)[len(found) // 2], 3), "s")
