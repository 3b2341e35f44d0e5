"""Models that are recorded in MLflow: bundles with what was measured of them, registered if asked."""

import contextlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import pandas as pd

from crmintel.errors import DataContractError
from crmintel.evaluation.intervals import Estimate
from crmintel.interactions import InteractionLog
from crmintel.privacy import warn_of_personal_data
from crmintel.scoring import CustomerModel, save_bundle
from crmintel.scoring.card import ModelCard
from crmintel.scoring.versions import version_of
from crmintel.showing import Shown
from crmintel.tracking.kept import card_of, refuse_rows, write_files
from crmintel.tracking.mlflow import batch, begun
from crmintel.tracking.registry import FINGERPRINT
from crmintel.tracking.store import connected, fluent

BUNDLE: Final = "bundle"
PACKAGES: Final = ("lightgbm", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy")


@final
@dataclass(frozen=True)
class Logged(Shown):
    """A model that was recorded.

    Parameters
    ----------
    run_id : str
    uri : str
        Where MLflow finds it: ``models:/…``.
    fingerprint : str
        Of the bundle.
    name, version : str or None
        In the registry, if it was registered.
    """

    run_id: str
    uri: str
    fingerprint: str
    name: str | None = None
    version: str | None = None


def log(
    model: Any, *, uri: str | None = None, experiment: str = "crmintel", name: str | None = None, metrics: Mapping[str, Estimate | float] | None = None,
    parameters: Mapping[str, Any] | None = None, figures: Mapping[str, Any] | None = None, tables: Mapping[str, pd.DataFrame] | None = None,
    card: ModelCard | None = None, at: Any = None, horizon: str | None = None, log: InteractionLog | None = None,
    tags: Mapping[str, str] | None = None, parent: str | None = None, register_as: str | None = None, alias: str | None = None,
    key: bytes | None = None,
) -> Logged:  # fmt: skip
    """Record a fitted model with what was measured of it, and register it if asked.

    The model goes in as a bundle that MLflow loads through installed code (no pickle), with a stated signature and stated
    requirements. No customer's row goes along: of the log only its fingerprint and counts.

    Parameters
    ----------
    model : CustomerModel or another model of crmintel
    uri : str, optional
        A tracking URI; ``MLFLOW_TRACKING_URI``, or a SQLite file in the working folder, without it.
    experiment, name : str
        Where the run belongs, and what it is called.
    metrics : mapping of str to Estimate or float
        Estimates also give ``….low`` and ``….high``.
    parameters : mapping, optional
        Beside those of the estimator itself.
    figures : mapping of name to SVG text or figure of matplotlib, optional
    tables : mapping of name to DataFrame, optional
        Aggregates; a table with a row a customer is refused.
    card : ModelCard, optional
        One is made of what is known, without it.
    at, horizon : optional
        The instant (or instants) and the horizon that it was judged by.
    log : InteractionLog, optional
        What it was learned from.
    tags : mapping, optional
    parent : str, optional
        The run that this one is nested in.
    register_as, alias : str, optional
        The name in the registry, and an alias for the new version.
    key : bytes, optional
        Signs the bundle; see `save_bundle`.

    Returns
    -------
    Logged

    Warns
    -----
    DataContractWarning
        If values that the model keeps by name look like e-mail addresses, names or numbers of people.

    Raises
    ------
    DataContractError
        If the store cannot be reached, a table has a row a customer, or an alias is given without a name.
    """
    if alias is not None and register_as is None:
        raise DataContractError("An alias belongs to a registered model. Give register_as= as well.")
    for title, table in (tables or {}).items():
        refuse_rows(title, table)
    _warn_of_personal_data(model)
    trained = dict(getattr(model, "trained_", {}))
    noted = {"trained": trained} if trained else {}
    with tempfile.TemporaryDirectory(prefix="crmintel-") as folder, connected(uri, "To record the model") as client:
        path = Path(folder) / BUNDLE
        made = model.save(path, key=key) if isinstance(model, CustomerModel) else save_bundle(model, path, metadata=noted, key=key)  # fmt: skip
        run = begun(client, client.tracking_uri, experiment, parent=parent, name=name)
        try:
            told = _figures(metrics or {})
            given = _parameters(model) | {
                "horizon": horizon,
                "at": at if at is None or isinstance(at, str) else str(at),
            }
            batch(
                client, run, metrics=told, tags=_tags(model, made.fingerprint, log) | dict(tags or {}),
                parameters={k: v for k, v in given.items() if v is not None} | dict(parameters or {}),
            )  # fmt: skip
            write_files(
                Path(folder), figures or {}, tables or {}, card or card_of(model, name or register_as, metrics or {})
            )
            client.log_artifacts(run, str(Path(folder) / "files"))
            where = _log_model(uri, run, path, model, made.fingerprint)
            with fluent(uri):  # the registry looks for the model in the store that MLflow's own module points at
                version = register_as and _register(client, register_as, where, run, made.fingerprint, alias)
            client.set_terminated(run)
        except BaseException:
            with contextlib.suppress(Exception):
                client.set_terminated(run, status="FAILED")
            raise
    return Logged(run, where, made.fingerprint, register_as, version)


def _log_model(uri: str | None, run: str, path: Path, model: Any, fingerprint: str) -> str:
    """The bundle as a model of MLflow; its address."""
    from crmintel.tracking.signature import signature

    requirements = [f"{p}=={version_of(p)}" for p in ("crmintel", *PACKAGES)]
    with fluent(uri) as mlflow, mlflow.start_run(run_id=run, nested=mlflow.active_run() is not None):
        info = mlflow.pyfunc.log_model(
            name="model", loader_module="crmintel.tracking.pyfunc", data_path=str(path), signature=signature(model),
            pip_requirements=requirements, metadata={FINGERPRINT: fingerprint},
        )  # fmt: skip
    return str(info.model_uri)


def _register(client: Any, name: str, where: str, run: str, fingerprint: str, alias: str | None) -> str:
    """A new version in the registry; its number."""
    from mlflow.exceptions import MlflowException

    model_id = where.removeprefix("models:/") if where.startswith("models:/") else None

    def made() -> Any:
        return client.create_model_version(
            name, where, run, tags={FINGERPRINT: fingerprint}, model_id=model_id, await_creation_for=0
        ).version

    try:
        version = made()
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
            raise
        client.create_registered_model(name)
        version = made()
    if alias is not None:
        client.set_registered_model_alias(name, alias, version)
    return str(version)


def _warn_of_personal_data(model: Any) -> None:
    """Say where values that the model keeps by name, such as those of a channel, look like people (BAD_INPUTS row 132)."""
    features, schema = getattr(model, "features", None), getattr(getattr(model, "estimator", model), "schema_", None)
    named = dict(features.vocabulary) if features is not None else {}
    for name, values in (named | dict(schema.levels if schema is not None else {})).items():
        warn_of_personal_data(pd.DataFrame({name: list(values)}))


def _figures(metrics: Mapping[str, Estimate | float]) -> dict[str, float]:
    out: dict[str, float] = {}
    for name, value in metrics.items():
        if isinstance(value, Estimate):
            out |= {name: value.value, f"{name}.low": value.low, f"{name}.high": value.high}
        else:
            out[name] = float(value)
    return out


def _parameters(model: Any) -> dict[str, Any]:
    """The settings of an estimator: plain ones, and the class names of others."""
    estimator = getattr(model, "estimator", model)
    told = estimator.get_params(deep=False) if hasattr(estimator, "get_params") else {}
    plain = {k: v if isinstance(v, str | int | float | bool | None) else type(v).__name__ for k, v in told.items()}
    return {"model": type(estimator).__name__, **{k: v for k, v in plain.items() if v is not None}}


def _tags(model: Any, fingerprint: str, log: InteractionLog | None) -> dict[str, str]:
    trained = getattr(model, "trained_", {})
    data = log.fingerprint if log is not None else trained.get("data")
    features = getattr(model, "fingerprint", None)
    told = {FINGERPRINT: fingerprint, "data_fingerprint": data, "features_fingerprint": features}
    told |= {f"trained.{k}": str(v) for k, v in trained.items() if k != "data" and v not in (None, [])}
    told |= {f"version.{p}": version_of(p) for p in ("crmintel", *PACKAGES)}
    return {k: str(v) for k, v in told.items() if v is not None}
