"""Models in use: ``crmintel score``, ``crmintel monitor``, ``crmintel erase``, ``crmintel bundle``."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, final

import typer

from crmintel.cli.app import app, complaints
from crmintel.cli.history import Column, Policy
from crmintel.cli.history import told as settings
from crmintel.errors import DataContractError

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
    column: Column = None,
    policy: Policy = None,
    tracking_uri: Uri = None,
) -> None:
    """Score every customer with a model: raw interactions in, scores out. The last line is a summary in JSON."""
    from crmintel.scoring import score_batch
    from crmintel.scoring.bundle import key_of_environment

    with complaints():
        found = _resolved(model, tracking_uri)
        report = score_batch(
            found.path, source[0] if len(source) == 1 else source, out, at=at, reasons=reasons, k=k, memory=memory, threads=threads,
            key=key_of_environment(), fingerprint=found.fingerprint, progress=_progress(), **_reading(map_, column, policy),
        )  # fmt: skip
        told = {"status": "done", **report.to_dict(), "out": str(out), "model": model, "version": found.version}
        if tracking_uri is not None:
            figures = {n: float(told[n]) for n in ("rows", "customers", "interactions", "parts", "resumed", "seconds")}
            plain = {n: str(told[n]) for n in ("at", "digest", "model", "version")}
            told["record"] = _recorded(tracking_uri, "score", plain, figures, {"bundle_fingerprint": report.bundle})
        typer.echo(json.dumps(told, sort_keys=True))


@app.command()
def monitor(
    model: Model,
    source: Annotated[list[str], typer.Option("--input", help="Parquet or CSV files, a folder, or a quoted glob.")],
    at: Annotated[str | None, typer.Option("--at", help="Instant; by default just after the last interaction, or a horizon before that.")] = None,
    horizon: Annotated[str | None, typer.Option("--horizon", help="With it, who left after the instant is looked up in the history.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 5 unless the verdict is hold.")] = False,
    map_: Map = None, column: Column = None, policy: Policy = None, tracking_uri: Uri = None,
) -> None:  # fmt: skip
    """Say whether a churn model in use may stay: retrain, look or hold. The last line is a summary in JSON."""
    from crmintel import features as f
    from crmintel.interactions.clock import duration
    from crmintel.scoring import CustomerModel
    from crmintel.scoring.bundle import key_of_environment

    with complaints():
        found = _resolved(model, tracking_uri)
        made = CustomerModel.load(found.path, key=key_of_environment(), fingerprint=found.fingerprint)
        log = made.read(source[0] if len(source) == 1 else source, quiet=True, **_reading(map_, column, policy))
        label = None if horizon is None else lambda log, rows: f.churned(log, rows, horizon)
        if at is None and horizon is not None:  # the last instant whose outcomes are known
            at = str(log.zone.stamp(log.bounds[1] - duration(horizon)))
        told = made.watch(log, at=at, outcomes=label, until=None if horizon is None else log.end)
        typer.echo(str(told))
        summary: dict[str, Any] = {
            "verdict": told.verdict,
            "reasons": list(told.reasons),
            "metrics": dict(told.metrics),
        }
        if tracking_uri is not None:
            summary["record"] = _recorded(
                tracking_uri, "monitor", {"model": model, "at": str(at)}, dict(told.metrics), {"verdict": told.verdict}
            )
        typer.echo(json.dumps(summary, sort_keys=True))
    if strict and told.verdict != "hold":
        raise typer.Exit(5)


@app.command()
def erase(
    paths: Annotated[list[Path], typer.Argument(help="Folders and files to search.")],
    ids: Annotated[Path, typer.Option("--ids", help="A file with one identifier a line.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    suppression: Annotated[
        Path | None, typer.Option("--suppression", help="List that keeps them out of later imports.")
    ] = None,
    columns: Annotated[list[str] | None, typer.Option("--column", help="Further columns that hold customers.")] = None,
) -> None:
    """Take customers out of every stored table, and name the models to train anew. Pseudonyms need CRMINTEL_PSEUDONYM_KEY."""
    from crmintel.privacy import Pseudonymizer
    from crmintel.privacy import erase as erased

    with complaints():
        try:
            who = [line for line in ids.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError):
            raise DataContractError(
                f"The list {ids.name!r} cannot be read. Give a text file, one identifier a line."
            ) from None
        names = [Pseudonymizer.from_environment()] if os.environ.get("CRMINTEL_PSEUDONYM_KEY") else []
        typer.echo(
            str(
                erased(who, paths, columns=columns or (), pseudonymizer=names, suppression=suppression, dry_run=dry_run)
            )
        )


@bundle.command()
def verify(
    path: Annotated[Path, typer.Argument(help="The folder of a bundle, or a zip of it.")],
    fingerprint: Annotated[str | None, typer.Option("--fingerprint", help="What it must be.")] = None,
) -> None:
    """Prove every byte of a bundle, and its signature where CRMINTEL_BUNDLE_KEY is set; say what it holds."""
    from crmintel.scoring import verify_bundle
    from crmintel.scoring.bundle import key_of_environment

    with complaints():
        found = verify_bundle(path, key=key_of_environment(), fingerprint=fingerprint)
        typer.echo(repr(found))
        typer.echo(
            json.dumps(
                {"fingerprint": found.fingerprint, "kind": found.kind, "metadata": found.metadata}, sort_keys=True
            )
        )


@final
@dataclass(frozen=True)
class _Found:
    """Where the bundle of a model lies, what it must be, and its version in a registry."""

    path: Path
    fingerprint: str | None = None
    version: str | None = None


def _resolved(model: str, tracking_uri: str | None) -> _Found:
    """The bundle of a model; where the registry cannot be asked, the one it named the last time, which is said."""
    if not model.startswith(("models:/", "runs:/")):
        return _Found(Path(model))
    from crmintel.scoring.bundle import key_of_environment
    from crmintel.tracking import fetch_cached

    found, asked = fetch_cached(model, uri=tracking_uri, key=key_of_environment())
    if not asked:
        typer.echo(
            f"The registry cannot be reached; {model} is version {found.version}, as it was the last time.", err=True
        )
    return _Found(found.path, found.fingerprint, found.version)


def _recorded(
    tracking_uri: str, name: str, parameters: dict[str, str], metrics: dict[str, float], tags: dict[str, str]
) -> str:
    """Keep the record of a job and try to hand it on; a server that is down does not fail the job."""
    from crmintel.tracking import send, spool
    from crmintel.tracking.cache import home

    waiting = home() / "spool"
    try:
        spool(waiting, experiment="crmintel jobs", name=name, parameters=parameters, metrics=metrics, tags=tags)
        _, left = send(waiting, tracking_uri)
    except OSError as error:
        return f"not kept: CRMINTEL_HOME cannot be written ({error.strerror})"
    return "sent" if not left else f"{left} waiting"


def _reading(map_: Path | None, column: list[str] | None, policy: list[str] | None) -> dict[str, Any]:
    """How interactions are read, where a file or options say so; as the model says otherwise."""
    from crmintel.columns import CATEGORY, ITEM

    told = settings(map_, column, policy)
    if map_ is None:
        named = {"columns": told.columns} if column else {}
        return named | ({"policies": told.policies} if policy else {})
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
