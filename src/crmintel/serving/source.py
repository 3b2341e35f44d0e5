"""Where a served model comes from, and how a newer one takes its place."""

import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from crmintel.errors import BundleError
from crmintel.scoring import load_bundle, verify_bundle
from crmintel.scoring.bundle import DIGEST
from crmintel.serving.application import Application
from crmintel.serving.limits import Limits
from crmintel.serving.served import Served

_logger = logging.getLogger("crmintel.serving")
PATIENCE: Final = 300
"""Seconds that another process may take to bring or to try a model."""


@final
@dataclass(frozen=True)
class Source:
    """A bundle in a folder, or a command that brings one.

    Parameters
    ----------
    path : str
        The folder (or a link to it), or a zip.
    command : tuple of str
        Prints as its last line ``{"path": …, "fingerprint": …}``; empty where the path itself may change. It runs in a process of its
        own, so that what it imports does not stay here.
    key : bytes, optional
        See `load_bundle`.
    """

    path: str
    command: tuple[str, ...] = ()
    key: bytes | None = None

    def newest(self) -> tuple[Path, str]:
        """Where the bundle of now is, and its fingerprint.

        Raises
        ------
        BundleError
            If there is none, or it cannot be brought.
        """
        if not self.command:
            home = Path(os.path.realpath(self.path))
            if home.is_dir() and (home / DIGEST).is_file():
                return home, (home / DIGEST).read_text("ascii", "replace")[:64]
            return home, verify_bundle(home, key=self.key).fingerprint
        try:
            done = subprocess.run(self.command, capture_output=True, text=True, check=True, timeout=PATIENCE)
            told = json.loads(done.stdout.strip().rpartition("\n")[2])
            return Path(told["path"]), str(told["fingerprint"])
        except subprocess.CalledProcessError as error:
            raise BundleError(error.stderr.strip()[-2000:] or "The model cannot be brought.") from None
        except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
            raise BundleError(f"The model cannot be brought ({type(error).__name__}).") from None

    def load(self, path: Path, fingerprint: str, limits: Limits) -> Served:
        """The model of a bundle, proven, loaded and tried."""
        return Served(load_bundle(path, key=self.key, fingerprint=fingerprint), fingerprint, limits)


def tried_elsewhere(path: Path, fingerprint: str) -> None:
    """Load a bundle in another process first: what would kill a process kills that one.

    Raises
    ------
    BundleError
        If it cannot be loaded, or does not answer.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "crmintel.serving.trial", str(path), fingerprint], capture_output=True, timeout=PATIENCE, check=False
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        raise BundleError("The new model could not be tried.") from None
    if done.returncode:
        raise BundleError(f"The new model cannot be loaded, or does not answer (exit code {done.returncode}).")


def watch(source: Source, every: float | None, hung_up: asyncio.Event) -> Callable[[Application], Awaitable[None]]:
    """What looks for a newer model every so many seconds, and whenever it is told to; the old one stays until the new one answers."""

    async def run(app: Application) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(hung_up.wait(), every)
            hung_up.clear()
            await exchange(app, source)

    return run


async def exchange(app: Application, source: Source) -> bool:
    """Take a newer model, if there is one; a failure is counted and told in the log, and the old one stays."""
    try:
        path, fingerprint = await asyncio.to_thread(source.newest)
        if fingerprint == app.served.fingerprint:
            return False
        await asyncio.to_thread(tried_elsewhere, path, fingerprint)
        app.served = await asyncio.to_thread(source.load, path, fingerprint, app.limits)
    except Exception as error:
        app.metrics.reload_failures += 1
        _logger.error("the model stays %s: %s", app.served.fingerprint[:12], error if isinstance(error, BundleError) else type(error).__name__)  # fmt: skip
        return False
    app.metrics.reloads += 1
    _logger.warning("the model is now %s", fingerprint[:12])
    return True
