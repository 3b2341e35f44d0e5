"""From a model to scores: ``crmintel score``, ``crmintel bundle``."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from crmintel.cli.app import app, complaints
from crmintel.errors import DataContractError

KEY: str = "CRMINTEL_BUNDLE_KEY"
bundle = typer.Typer(no_args_is_help=True, help="Look at bundles.")
app.add_typer(bundle, name="bundle")

Model = Annotated[str, typer.Option("--model", help="A bundle, or models:/name@alias of a registry.")]
Uri = Annotated[str | None, typer.Option("--tracking-uri", help="MLflow server or store.")]
Map = Annotated[Path | None, typer.Option("--map", help="TOML file: column names and policies of the interactions.")]


@app.command()
def score(
    model: Model,
    source: Annotated[list[str], typer.Option("--input", help="Parquet or CSV files, a folder, or a quoted glob.")],
    out: Annotated[Path, typer.Option("--out", help="A folder, or a file that ends in .csv or .parquet.")],
    at: Annotated[str | None, typer.Option("--at", help="Instant; by default just after the last interaction.")] = None,
    reasons: Annotated[int, typer.Option("--reasons", min=0, help="Reasons a customer, of churn models.")] = 3,
    k: Annotated[int, typer.Option("--k", min=1, help="Items a customer, of recommenders.")] = 10,
    memory: Annotated[
        str, typer.Option("--memory", help="Beyond this size interactions go to temporary files.")
    ] = "500MB",
    threads: Annotated[int, typer.Option("--threads", min=1, help="Parts under way at a time.")] = 2,
    map_: Map = None,
    tracking_uri: Uri = None,
) -> None:
    """Score every customer with a model: raw interactions in, scores out. The last line is a summary in JSON."""
    from crmintel.scoring import score_batch

    with complaints():
        path, print_ = _resolved(model, tracking_uri)
        report = score_batch(
            path, source[0] if len(source) == 1 else source, out, at=at, reasons=reasons, k=k, memory=memory, threads=threads,
            key=key_of_environment(), fingerprint=print_, progress=_progress(), **_reading(map_),
        )  # fmt: skip
        typer.echo(json.dumps({"status": "done", **report.to_dict(), "out": str(out)}, sort_keys=True))


@bundle.command()
def verify(
    path: Annotated[Path, typer.Argument(help="The folder of a bundle, or a zip of it.")],
    fingerprint: Annotated[str | None, typer.Option("--fingerprint", help="What it must be.")] = None,
) -> None:
    """Prove every byte of a bundle, and its signature where CRMINTEL_BUNDLE_KEY is set; say what it holds."""
    from crmintel.scoring import verify_bundle

    with complaints():
        found = verify_bundle(path, key=key_of_environment(), fingerprint=fingerprint)
        typer.echo(repr(found))
        typer.echo(
            json.dumps(
                {"fingerprint": found.fingerprint, "kind": found.kind, "metadata": found.metadata}, sort_keys=True
            )
        )


def key_of_environment() -> bytes | None:
    """The key of signatures, from the environment: text in hexadecimal digits."""
    text = os.environ.get(KEY)
    if not text:
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise DataContractError(f"{KEY} holds no hexadecimal digits. Make a key with secrets.token_hex(32).") from None


def _resolved(model: str, tracking_uri: str | None) -> tuple[Path, str | None]:
    """Where the bundle of a model lies, and what it must be."""
    return Path(model), None


def _reading(map_: Path | None) -> dict[str, Any]:
    """How interactions are read, where a file says so; as the model says otherwise."""
    if map_ is None:
        return {}
    from crmintel.columns import CATEGORY, ITEM
    from crmintel.job import read_settings

    told = read_settings(map_)
    items = None if told.items is None or CATEGORY not in told.items else told.items[[ITEM, CATEGORY]]
    return {"columns": told.columns or None, "timezone": told.timezone, "policies": told.policies, "items": items}


def _progress() -> Any:
    """A bar on the terminal, if there is one."""
    if not sys.stderr.isatty():
        return None
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("scoring"), BarColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True
    )
    task = bar.add_task("scoring", total=None)
    bar.start()

    def step(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)
        if done >= total:
            bar.stop()

    return step
