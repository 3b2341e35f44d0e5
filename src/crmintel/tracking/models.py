"""Models in MLflow: recorded as bundles, registered, found by alias, and proven when they are loaded."""

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import pandas as pd

from crmintel.columns import CUSTOMER
from crmintel.errors import BundleError, DataContractError
from crmintel.evaluation.intervals import Estimate
from crmintel.interactions import InteractionLog
from crmintel.privacy import warn_of_personal_data
from crmintel.scoring import CustomerModel, load_bundle, save_bundle, verify_bundle
from crmintel.scoring.card import ModelCard
from crmintel.scoring.export import neutral
from crmintel.scoring.versions import version_of
from crmintel.tracking.mlflow import batch, begun
from crmintel.tracking.store import connected, fluent

FINGERPRINT: Final = "bundle_fingerprint"
BUNDLE: Final = "bundle"
PACKAGES: Final = ("lightgbm", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy")


@final
@dataclass(frozen=True)
class Logged:
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
        _refuse_rows(title, table)
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
            _files(Path(folder), figures or {}, tables or {}, card or _card(model, name or register_as, metrics or {}))
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


@final
@dataclass(frozen=True)
class Fetched:
    """A bundle that was brought here from MLflow, and proven.

    Parameters
    ----------
    path : Path
    fingerprint : str
    version : str or None
        Of the registry.
    """

    path: Path
    fingerprint: str
    version: str | None


def fetch(model_uri: str, into: str | os.PathLike[str], *, uri: str | None = None, key: bytes | None = None) -> Fetched:
    """Bring the bundle of a model from MLflow.

    Parameters
    ----------
    model_uri : str
        ``models:/name@alias``, ``models:/name/3``, ``models:/m-…`` or ``runs:/…/model``.
    into : path
        A folder; the bundle is a folder in it, named by its fingerprint, and is not brought twice.
    uri, key
        See `log`.

    Raises
    ------
    BundleError
        If there is no such alias (those that are there are named: the latest version is never taken in its place), or the bundle is
        not the one that was registered.
    """
    with connected(uri, "To fetch the model") as client:
        version, where, expected = _resolved(client, model_uri)
        home = Path(into)
        if expected is not None and _whole(home / expected, key):
            return Fetched(home / expected, expected, version)
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".crmintel-", dir=home) as folder, fluent(uri) as mlflow:
            got = Path(mlflow.artifacts.download_artifacts(artifact_uri=where, dst_path=folder))
            found = [p.parent for p in sorted(got.rglob("manifest.sha256"))]
            if len(found) != 1:
                raise BundleError(
                    f"{model_uri!r} holds {len(found)} bundles. Record models with crmintel.tracking.log."
                )
            made = verify_bundle(found[0], key=key, fingerprint=expected)
            target = home / made.fingerprint
            if not _whole(target, key):
                shutil.copytree(found[0], Path(folder) / "ready")
                with contextlib.suppress(OSError):  # a damaged copy, if there is one
                    os.replace(target, Path(folder) / "damaged")
                with contextlib.suppress(OSError):  # another job may have been quicker
                    os.replace(Path(folder) / "ready", target)
                verify_bundle(target, key=key, fingerprint=made.fingerprint)
        return Fetched(target, made.fingerprint, version)


def _whole(path: Path, key: bytes | None) -> bool:
    """Whether a bundle that was brought before is there, and still what its name says."""
    try:
        return verify_bundle(path, key=key, fingerprint=path.name) is not None
    except BundleError:
        return False


def load(model_uri: str, *, uri: str | None = None, key: bytes | None = None) -> Any:
    """The model at an address of MLflow, after every byte was proven. Parameters and errors are those of `fetch`."""
    with tempfile.TemporaryDirectory(prefix="crmintel-") as folder:
        found = fetch(model_uri, folder, uri=uri, key=key)
        return load_bundle(found.path, key=key, fingerprint=found.fingerprint)


def aliases(name: str, *, uri: str | None = None) -> dict[str, str]:
    """The aliases of a registered model, and the version of each.

    Raises
    ------
    DataContractError
        If there is no such model.
    """
    with connected(uri, f"To look up the model {name!r}") as client:
        return {str(a): str(v) for a, v in client.get_registered_model(name).aliases.items()}


def set_alias(name: str, alias: str, version: str, *, uri: str | None = None) -> None:
    """Let an alias name a version."""
    with connected(uri, f"To set an alias of {name!r}") as client:
        client.set_registered_model_alias(name, alias, version)


def _resolved(client: Any, model_uri: str) -> tuple[str | None, str, str | None]:
    """Version, address and expected fingerprint of a model."""
    from mlflow.exceptions import MlflowException

    if not model_uri.startswith("models:/") or model_uri.count("/") + model_uri.count("@") < 2:
        return None, model_uri, None
    name, _, alias = model_uri.removeprefix("models:/").partition("@")
    try:
        if alias:
            found = client.get_model_version_by_alias(name, alias)
        else:
            name, _, number = name.rpartition("/")
            if not number.isdigit():
                raise BundleError(f"{number!r} is no version. Name an alias, such as models:/{name}@champion.")
            found = client.get_model_version(name, number)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"):
            raise
        raise BundleError(_absent(client, name, alias)) from None
    return str(found.version), f"models:/{name}/{found.version}", found.tags.get(FINGERPRINT)


def _absent(client: Any, name: str, alias: str) -> str:
    """What to say of an alias or version that is not there."""
    from mlflow.exceptions import MlflowException

    try:
        there = sorted(client.get_registered_model(name).aliases)
    except MlflowException:
        return f"There is no registered model {name!r}. Register one with tracking.log(..., register_as={name!r})."
    what = f"alias {alias!r}" if alias else "such version"
    return f"The model {name!r} has no {what}; its aliases are {', '.join(there) or 'none'}. Set one with tracking.set_alias."


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


def _card(model: Any, name: str | None, metrics: Mapping[str, Estimate | float]) -> ModelCard:
    kind = type(getattr(model, "estimator", model)).__name__
    trained = {k: v for k, v in getattr(model, "trained_", {}).items() if k != "data"}
    return ModelCard(
        name=name or kind, purpose=f"A {kind}; nobody wrote down what it is for.", trained=trained, quality=metrics
    )


def _files(folder: Path, figures: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], card: ModelCard) -> None:
    """Card, figures and tables as files in a folder."""
    import pyarrow as pa
    from pyarrow import csv

    home = folder / "files"
    home.mkdir()
    (home / "model_card.md").write_text(card.markdown(), encoding="utf-8")
    for title, figure in figures.items():
        (home / "figures").mkdir(exist_ok=True)
        if hasattr(figure, "savefig"):
            out = io.StringIO()
            figure.savefig(out, format="svg")
            figure = out.getvalue()
        (home / "figures" / f"{_file(title)}.svg").write_text(str(figure), encoding="utf-8")
    for title, table in tables.items():
        (home / "tables").mkdir(exist_ok=True)
        keys = not isinstance(table.index, pd.RangeIndex)
        csv.write_csv(neutral(pa.Table.from_pandas(table.reset_index() if keys else table, preserve_index=False)), home / "tables" / f"{_file(title)}.csv")  # fmt: skip


def _file(title: str) -> str:
    """A name of a file, whatever a title holds."""
    return "".join(c if c.isalnum() and c.isascii() else "-" for c in title)[:80] or "unnamed"


def _refuse_rows(title: str, table: pd.DataFrame) -> None:
    if CUSTOMER in [*map(str, table.columns), *map(str, table.index.names)]:
        raise DataContractError(
            f"The table {title!r} has a row a customer ({len(table):,} rows). Record aggregates: nothing of single customers goes to MLflow."
        )
