"""A server process: threads, signals, logs, and uvicorn around the application."""

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Final, final

import uvicorn

from crmintel.scoring.bundle import key_of_environment
from crmintel.serving.application import Application
from crmintel.serving.limits import Limits
from crmintel.serving.source import Source, watch

SETTINGS: Final = "CRMINTEL_SERVE"
"""The environment variable that tells workers what to serve."""


@final
@dataclass(frozen=True)
class Settings:
    """What a server serves, and where.

    Parameters
    ----------
    path : str
    command : tuple of str
        See `Source`.
    host, port, workers
    reload_every : float, optional
        Seconds between two looks for a newer model.
    log_requests : bool
    limits : Limits
    """

    path: str
    command: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    reload_every: float | None = None
    log_requests: bool = False
    limits: Limits = field(default_factory=Limits)


def application(settings: Settings) -> Application:
    """The application of some settings, its model loaded."""
    source = Source(settings.path, settings.command, key_of_environment())
    path, fingerprint = Source(settings.path, (), source.key).newest()
    served = source.load(path, fingerprint, settings.limits)
    background = _watched(source, settings.reload_every)
    return Application(served, background=background, log_requests=settings.log_requests)


def worker() -> Application:
    """The same in a process that uvicorn started."""
    told = json.loads(os.environ[SETTINGS])
    _quiet()
    return application(Settings(**{**told, "command": tuple(told["command"]), "limits": Limits(**told["limits"])}))


def run(settings: Settings) -> None:
    """Serve until a signal says otherwise; requests that are under way are answered first."""
    common = {
        "host": settings.host, "port": settings.port, "access_log": False, "log_config": None, "server_header": False, "lifespan": "on",
        "ws": "none", "proxy_headers": False, "timeout_graceful_shutdown": int(settings.limits.seconds) + 5, "timeout_keep_alive": 30,
    }  # fmt: skip
    _quiet()
    if settings.workers > 1:
        os.environ[SETTINGS] = json.dumps(asdict(settings))
        uvicorn.run("crmintel.serving.run:worker", factory=True, workers=settings.workers, **common)  # type: ignore[arg-type]  # options of several kinds
        return
    app = application(settings)
    gc.collect()
    gc.freeze()  # what was loaded stays: no request waits while it is looked through
    uvicorn.run(app, **common)  # type: ignore[arg-type]  # options of several kinds


def _watched(source: Source, every: float | None) -> Callable[[Application], Awaitable[None]]:
    """The watch, which SIGHUP wakes too."""

    async def background(app: Application) -> None:
        hung_up = asyncio.Event()
        with contextlib.suppress(NotImplementedError, ValueError, AttributeError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up.set)
        await watch(source, every, hung_up)(app)

    return background


def _quiet() -> None:
    """Own lines go to stderr; remarks on data are for those who fit models."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("crmintel.serving").setLevel(logging.INFO)
    warnings.simplefilter("ignore")
