"""How MLflow is reached: quietly, without changing what the caller has set, and with failures in our words."""

import importlib
import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crmintel.errors import DataContractError

if TYPE_CHECKING:
    from mlflow import MlflowClient


def sqlite_uri(folder: Path) -> str:
    """The default store: one SQLite file in a folder.

    >>> sqlite_uri(Path("records")).startswith("sqlite:///")
    True
    """
    return f"sqlite:///{(folder / 'mlflow.db').resolve().as_posix()}"


def default_uri() -> str:
    """The store where none is named: that of ``MLFLOW_TRACKING_URI``, or one SQLite file in the working folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or sqlite_uri(Path())


def quiet() -> None:
    """No telemetry, and no story about each table of a new store."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
    importlib.import_module("mlflow")  # which sets its own levels
    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


@contextmanager
def connected(uri: str | None, doing: str) -> Iterator["MlflowClient"]:
    """A client of a store; what MLflow and the network complain of becomes one sentence without their details.

    Raises
    ------
    DataContractError
        If the store cannot be reached, or refuses.
    """
    quiet()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    where = uri or default_uri()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="mlflow|sqlalchemy|alembic|pydantic")
            yield MlflowClient(tracking_uri=where, registry_uri=where)
    except (MlflowException, OSError) as error:
        if isinstance(error, DataContractError):
            raise
        code = getattr(error, "error_code", None) or type(error).__name__
        raise DataContractError(
            f"{doing} in {shown(where)!r} failed ({code}). Check the address and that the store is up."
        ) from None


@contextmanager
def fluent(uri: str | None) -> Iterator[Any]:
    """MLflow's own module pointed at a store, and put back as it was afterwards."""
    quiet()
    import mlflow

    where = uri or default_uri()
    before = mlflow.get_tracking_uri() if mlflow.tracking.is_tracking_uri_set() else None
    registry = os.environ.get("MLFLOW_REGISTRY_URI")
    mlflow.set_tracking_uri(where)
    mlflow.set_registry_uri(where)
    try:
        with settings(MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK="true"):  # the requirements are those of this process
            yield mlflow
    finally:
        mlflow.set_tracking_uri(before)
        mlflow.set_registry_uri(registry)


def impatient(seconds: int) -> AbstractContextManager[None]:
    """A server has so many seconds for an answer; MLflow tries for minutes otherwise."""
    return settings(MLFLOW_HTTP_REQUEST_TIMEOUT=str(seconds), MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")


@contextmanager
def settings(**wanted: str) -> Iterator[None]:
    """Some variables of the environment, put back as they were afterwards."""
    before = {k: os.environ.get(k) for k in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for k, v in before.items():
            if v is None:
                os.environ.pop(k, None)
            else:
                os.environ[k] = v


def named(metric: str) -> str:
    """A name that a store takes: other signs than letters, numbers and ``_-. /:`` become ``_``."""
    return re.sub(r"[^\w\-. /:]", "_", metric)[:250]


def shown(uri: str) -> str:
    """An address without the password in it."""
    return re.sub(r"//[^/@]*@", "//…@", uri)
