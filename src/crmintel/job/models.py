"""The models of a run, ready to be shipped: bundles beside the tables, and runs of their own in MLflow."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crmintel import tracking
from crmintel.columns import AT
from crmintel.job.answers import BUYERS
from crmintel.scoring import CustomerModel

if TYPE_CHECKING:
    from crmintel.job.run import Results

FOLDER = "models"


def shipped(results: "Results") -> dict[str, CustomerModel]:
    """The models that learned from everything, by name; ``crmintel score`` and ``crmintel serve`` take their bundles."""
    ground, settings, out = results.ground, results.settings, {}
    if results.churn is not None:
        model = CustomerModel(
            ground.features, results.churn.model, timezone=settings.timezone, policies=settings.policies, columns=settings.columns,
            among=BUYERS,
        )  # fmt: skip
        model.profile_ = results.churn.profile.to_json()
        seen = [*ground.split.train, ground.split.test]
        rows = len(ground.train) + len(ground.test)
        model.trained_ = _trained(results) | {"at": [str(t) for t in seen], "horizon": ground.horizon, "rows": rows}
        out["churn"] = model
    if results.value is not None:
        out["value"] = CustomerModel(
            None, results.value.model, timezone=settings.timezone, policies=settings.policies, columns=settings.columns
        )  # fmt: skip
        out["value"].trained_ = _trained(results) | {"horizon": ground.horizon}
    return out


def write_models(results: "Results", folder: Path) -> None:
    """Write the bundles into ``models/``, in the place of those of an earlier run."""
    made, beside = folder / FOLDER, folder / f".{FOLDER}.tmp"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for name, model in shipped(results).items():
        model.save(beside / name)
    shutil.rmtree(made, ignore_errors=True)
    os.replace(beside, made)


def track_models(results: "Results", uri: str, parent: str) -> None:
    """A run for each model, below that of the job."""
    reports = {"churn": results.churn, "value": results.value}
    for name, model in shipped(results).items():
        report = reports[name]
        tracking.log(
            model, uri=uri, name=name, parent=parent, horizon=results.ground.horizon, at=results.ground.split.test,
            metrics={} if report is None else report.report.metrics,
        )  # fmt: skip


def _trained(results: "Results") -> dict[str, Any]:
    log = results.ground.log
    told = {"customers": len(log.customers), "interactions": len(log), "data": log.fingerprint}
    return told | {"first": str(log.start), "last": str(log.end), AT: []}
