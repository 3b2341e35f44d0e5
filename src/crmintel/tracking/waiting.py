"""Records of jobs, kept on disk until the tracking server takes them: a job never waits for a server."""

import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crmintel.errors import DataContractError
from crmintel.scoring.files import replaced
from crmintel.scoring.strict import canonical, strict_json
from crmintel.tracking.mlflow import record
from crmintel.tracking.store import impatient


def spool(
    folder: str | os.PathLike[str], *, experiment: str, name: str, parameters: Mapping[str, Any], metrics: Mapping[str, float],
    tags: Mapping[str, str],
) -> Path:  # fmt: skip
    """Keep the record of a job; plain values without any customer's row.

    Returns
    -------
    Path
        One JSON file. `send` hands it on.

    Examples
    --------
    >>> import tempfile
    >>> path = spool(tempfile.mkdtemp(), experiment="jobs", name="score", parameters={"at": "2024-01-01"}, metrics={"rows": 200.0}, tags={})
    >>> path.suffix
    '.json'
    """
    told = {
        "experiment": experiment,
        "name": name,
        "parameters": dict(parameters),
        "metrics": dict(metrics),
        "tags": dict(tags),
        "began": time.time_ns() // 1_000_000,
    }
    raw = canonical(told)
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    path = home / f"{hashlib.sha256(raw).hexdigest()[:16]}.json"
    replaced(path, raw)
    return path


def send(folder: str | os.PathLike[str], uri: str, *, patience: int = 5) -> tuple[int, int]:
    """Hand kept records to a tracking server; those it takes are removed, the others stay for the next time.

    Parameters
    ----------
    uri : str
        A tracking URI.
    patience : int
        Seconds that a server has for an answer.

    Returns
    -------
    sent, left : int

    Examples
    --------
    >>> import tempfile
    >>> send(tempfile.mkdtemp(), "http://127.0.0.1:1")
    (0, 0)
    """
    sent, waiting = 0, sorted(Path(folder).glob("*.json"))
    with impatient(patience):
        for path in waiting:
            try:
                told = strict_json(path.read_bytes())
                record(uri, **{k: told[k] for k in ("experiment", "name", "parameters", "metrics", "tags", "began")})
            except DataContractError:
                break  # a server that is down for one is down for all
            except FileNotFoundError:  # another job handed it on
                continue
            except (ValueError, KeyError, TypeError):
                path.rename(path.with_suffix(".damaged"))
                continue
            path.unlink(missing_ok=True)
            sent += 1
    return sent, len(list(Path(folder).glob("*.json")))
