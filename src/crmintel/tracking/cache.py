"""Bundles that were fetched before, for jobs that must run when the tracking server does not."""

import json
import os
from pathlib import Path
from typing import Final

from crmintel.errors import DataContractError
from crmintel.scoring import verify_bundle
from crmintel.scoring.files import replaced
from crmintel.scoring.strict import canonical
from crmintel.tracking.registry import Fetched, fetch
from crmintel.tracking.store import default_uri, impatient, shown

SEEN: Final = "resolved.json"


def home() -> Path:
    """Where fetched bundles and records wait: ``CRMINTEL_HOME``, or a folder of the user's cache."""
    told = os.environ.get("CRMINTEL_HOME")
    return Path(told) if told else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crmintel"


def fetch_cached(model_uri: str, *, uri: str | None = None, key: bytes | None = None) -> tuple[Fetched, bool]:
    """Bring a model from MLflow; where the store cannot be reached, the bundle that this address named the last time.

    Parameters
    ----------
    model_uri, uri, key
        As in :func:`crmintel.tracking.fetch`.

    Returns
    -------
    Fetched, and whether the store was asked
        An alias that the store knows nothing of is an error, never a reason to take an older one.

    Raises
    ------
    BundleError
        If there is no such alias, or the bundle is not whole.
    DataContractError
        If the store cannot be reached and nothing was fetched before.
    """
    folder, place = home() / "bundles", f"{shown(uri or default_uri())} {model_uri}"
    seen = _seen(folder / SEEN)
    try:
        with impatient(5):
            found = fetch(model_uri, folder, uri=uri, key=key)
    except DataContractError:
        before = seen.get(place)
        if before is None or not (folder / before[0]).is_dir():
            raise
        verify_bundle(folder / before[0], key=key, fingerprint=before[0])
        return Fetched(folder / before[0], before[0], before[1]), False
    replaced(folder / SEEN, canonical(seen | {place: [found.fingerprint, found.version]}))
    return found, True


def _seen(path: Path) -> dict[str, list[str]]:
    """What each address named the last time."""
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
