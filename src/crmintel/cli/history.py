"""From a history to a report: ``crmintel run``, ``crmintel demo``, ``crmintel check``."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from crmintel.cli.app import app, complaints
from crmintel.errors import DataContractError

if TYPE_CHECKING:
    from crmintel.job import Settings

STEPS = 7

Source = Annotated[list[str], typer.Argument(help="Parquet or CSV files, a folder, or a quoted glob.")]
Map = Annotated[Path | None, typer.Option("--map", help="TOML file: column names, policies, items, actions.")]
Out = Annotated[Path, typer.Option("--out", help="Folder for the tables, the page and the record.")]
Uri = Annotated[
    str | None, typer.Option("--tracking-uri", help="MLflow server or store; by default SQLite in the folder.")
]
Horizon = Annotated[str | None, typer.Option("--horizon", help="How far ahead to look, such as 90d.")]
Test = Annotated[str | None, typer.Option("--test", help="Instant to test at, such as 2011-09-01.")]
Budget = Annotated[float | None, typer.Option("--budget", help="Money for the plan.")]
Offer = Annotated[str | None, typer.Option("--offer", help="Next items: 'new' ones or 'again'.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of everything random.")]


@app.command()
def run(
    source: Source, out: Out, map_: Map = None, tracking_uri: Uri = None, horizon: Horizon = None, test: Test = None,
    budget: Budget = None, offer: Offer = None, seed: Seed = None,
) -> None:  # fmt: skip
    """Check a history, learn from it, score every customer, plan the next actions, and write a report."""
    from crmintel.job import read_settings

    with complaints():
        given: dict[str, Any] = {"horizon": horizon, "test": test, "budget": budget, "offer": offer, "seed": seed}
        settings = replace(read_settings(map_), **{k: v for k, v in given.items() if v is not None})
        _job(_one(source), settings, out, tracking_uri, ", ".join(Path(s).name for s in source))


@app.command()
def demo(out: Out = Path("demo-output"), tracking_uri: Uri = None) -> None:
    """Run the whole job on a year of real groceries (dunnhumby, The Complete Journey)."""
    from crmintel.datasets.public import complete_journey
    from crmintel.job import Settings

    with complaints():
        rows, items = complete_journey()
        settings = Settings(title="A year of groceries", timezone="America/New_York", items=items)
        _job(rows, settings, out, tracking_uri, "dunnhumby, The Complete Journey")


@app.command()
def check(source: Source, map_: Map = None) -> None:
    """Print what is in a history and what is wrong with it; write nothing."""
    from crmintel.job import read_settings

    with complaints():
        log = read_settings(map_).read(_one(source))
        typer.echo(repr(log))
        typer.echo(str(log.quality))


def _one(source: list[str]) -> Any:
    return source[0] if len(source) == 1 else source


def _job(source: Any, settings: "Settings", out: Path, tracking_uri: str | None, name: str) -> None:
    from crmintel.job import analyse, track, write

    _writable(out)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("reading", total=STEPS)

        def step(what: str) -> None:
            bar.update(task, advance=1, description=what)

        log = settings.read(source)
        results = analyse(log, settings, source=name, step=step)
        step("report")
        page = write(results, out)
        step("record")
        track(results, out, uri=tracking_uri)
    typer.echo(f"{log!r}\n{log.quality}\n{results.ground.split}")
    for figure, estimate in results.metrics.items():
        typer.echo(f"  {figure}: {estimate}")
    for what, rule, gain, verdict in results.gains:
        typer.echo(f"  {what} against {rule}: {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}), {verdict}")
    for note in results.notes:
        typer.echo(f"  {note}")
    if results.scores.plan is not None:
        typer.echo(
            results.scores.plan.statement + (f"\n{results.scores.plan.design}" if results.scores.plan.design else "")
        )
    typer.echo(f"Tables in {out}/\nReport: {page}")


def _writable(out: Path) -> None:
    """Complain of a folder that cannot be written before the work is done, not after."""
    nearest = next(p for p in (out.absolute(), *out.absolute().parents) if p.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise DataContractError(f"The folder {str(out)!r} cannot be written. Choose another with --out.")
