"""Models that MLflow keeps: found by alias, never by being the latest, and proven when they are brought here."""

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from crmintel.errors import BundleError
from crmintel.scoring import load_bundle, verify_bundle
from crmintel.showing import Shown
from crmintel.tracking.store import connected, fluent

FINGERPRINT: Final = "bundle_fingerprint"
"""The tag of a registered version that says what its bundle is."""


@final
@dataclass(frozen=True)
class Fetched(Shown):
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
