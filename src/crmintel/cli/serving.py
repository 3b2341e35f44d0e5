"""A model behind a server: ``crmintel serve``; and from a registry to a folder: ``crmintel fetch``."""

import ipaddress
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from crmintel.cli.app import app, complaints
from crmintel.cli.shipping import Uri
from crmintel.errors import BundleError, DataContractError


@app.command()
def serve(
    model: Annotated[str, typer.Argument(help="A bundle, or models:/name@alias of a registry.")],
    host: Annotated[str, typer.Option("--host", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes; each holds the model.")] = 1,
    tracking_uri: Uri = None,
    reload_every: Annotated[
        float | None, typer.Option("--reload-every", min=0.1, help="Seconds between two looks for a newer model.")
    ] = None,
    max_rows: Annotated[
        int, typer.Option("--max-rows", help="Most rows, interactions or customers of a request.")
    ] = 10_000,
    max_bytes: Annotated[int, typer.Option("--max-bytes", help="Largest body.")] = 4_000_000,
    concurrency: Annotated[int, typer.Option("--concurrency", help="Requests that are answered at a time.")] = 64,
    timeout: Annotated[float, typer.Option("--timeout", help="Most seconds for a body, and for an answer.")] = 10.0,
    log_requests: Annotated[bool, typer.Option("--log-requests", help="A line a request: route, status, ms.")] = False,
) -> None:
    """Answer requests with a model until stopped. There is no authentication and no encryption: put a proxy before it."""
    for pools in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(pools, "1")
    if not _loopback(host):
        typer.echo("There is no authentication here: whoever reaches this address can ask. Put a proxy before it.", err=True)  # fmt: skip
    cache = tempfile.mkdtemp(prefix="crmintel-serve-") if model.startswith(("models:/", "runs:/")) else None
    try:
        with complaints():
            try:
                from crmintel.serving.run import Settings, run
            except ModuleNotFoundError as error:
                if error.name != "uvicorn":
                    raise
                raise DataContractError("Serving needs uvicorn. Install crmintel[serve].") from None
            from crmintel.serving import Limits
            from crmintel.serving.source import Source

            limits = Limits(max_bytes, max_rows, concurrency, timeout)
            command: tuple[str, ...] = ()
            path = model
            if cache is not None:
                more = ["--tracking-uri", tracking_uri] if tracking_uri else []
                command = (sys.executable, "-m", "crmintel", "fetch", model, "--into", cache, *more)
                path = str(Source(model, command).newest()[0])
            elif not Path(model).exists():
                raise BundleError(
                    f"There is no bundle at {model!r}. Give a folder of save_bundle, or models:/name@alias."
                )
            run(Settings(path, command, host, port, workers, reload_every, log_requests, limits))
    finally:
        if cache is not None:
            shutil.rmtree(cache, ignore_errors=True)


@app.command()
def fetch(
    model: Annotated[str, typer.Argument(help="models:/name@alias, models:/name/3 or runs:/…/model.")],
    into: Annotated[Path, typer.Option("--into", help="A folder for the bundle.")],
    tracking_uri: Uri = None,
) -> None:
    """Bring the bundle of a registered model, proven. The last line says where it is, in JSON."""
    with complaints():
        from crmintel import tracking
        from crmintel.scoring.bundle import key_of_environment

        found = tracking.fetch(model, into, uri=tracking_uri, key=key_of_environment())
        typer.echo(json.dumps({"path": str(found.path), "fingerprint": found.fingerprint, "version": found.version}))


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
