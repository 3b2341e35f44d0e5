"""From a history to a report: ``crmintel run``, ``crmintel demo``, ``crmintel check``."""

import json
import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from crmintel.cli.app import app, complaints, in_shell
from crmintel.columns import KNOWN
from crmintel.errors import DataContractError

if TYPE_CHECKING:
    from crmintel.job import Settings

STEPS = 7
DEMONSTRATION = "dunnhumby, The Complete Journey"

Source = Annotated[list[str], typer.Argument(help="Parquet or CSV files, a folder, or a quoted glob.")]
Map = Annotated[Path | None, typer.Option("--map", help="TOML file: column names, policies, items, actions.")]
Out = Annotated[Path, typer.Option("--out", help="Folder for the tables, the page and the record.")]
Uri = Annotated[
    str | None, typer.Option("--tracking-uri", help="MLflow server or store; by default SQLite in the folder.")
]
Horizon = Annotated[
    str | None,
    typer.Option(
        "--horizon",
        help="How far ahead to look, such as 90d; by default the longest of 90, 60, 30, 14 and 7 days that the history can be tested on.",
    ),
]
Test = Annotated[
    str | None,
    typer.Option(
        "--test",
        help="Instant to test at, such as 2011-09-01; by default the last month or week start whose horizon is over.",
    ),
]
Budget = Annotated[
    float | None, typer.Option("--budget", help="Money for the plan; by default enough to contact one customer in ten.")
]
Offer = Annotated[str | None, typer.Option("--offer", help="Next items: 'new' ones (the default) or 'again'.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of everything random; 0 by default.")]
Column = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="OURS=THEIRS",
        help=f"A column by its name here, such as timestamp=Date; give one for each. Ours are {', '.join(KNOWN)}.",
    ),
]
Policy = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        metavar="NAME=VALUE",
        help=(
            "What to do with odd rows, such as on_missing=drop; give one for each. Names: on_missing, on_missing_amount, "
            "on_missing_item, on_duplicate, duplicate_key, on_shared_order, time_format, time_unit, decimal, ranges."
        ),
    ),
]
Lang = Annotated[str | None, typer.Option("--lang", help="Language of the page: en (the default) or zh.")]


@app.command(short_help="From a history to a page, tables and models.")
def run(
    source: Source, out: Out, map_: Map = None, tracking_uri: Uri = None, horizon: Horizon = None, test: Test = None,
    budget: Budget = None, offer: Offer = None, seed: Seed = None, lang: Lang = None, column: Column = None,
    policy: Policy = None,
) -> None:  # fmt: skip
    """Check a history, learn from it, score every customer, plan the next actions, and write a report."""
    with complaints():
        settings = told(
            map_, column, policy, horizon=horizon, test=test, budget=budget, offer=offer, seed=seed, lang=lang
        )
        _job(
            one(source), settings, out, tracking_uri, named(source), lambda: remember(out, source, map_, column, policy)
        )


@app.command(short_help="The same on a year of real groceries.")
def demo(out: Out = Path("demo-output"), tracking_uri: Uri = None, lang: Lang = None) -> None:
    """Run the whole job on a year of real groceries (dunnhumby, The Complete Journey)."""
    with complaints():
        rows, settings = demonstration()
        _job(rows, told(settings, lang=lang), out, tracking_uri, DEMONSTRATION, lambda: remember(out, None))


@app.command(short_help="What is in a history, and what is wrong.")
def check(source: Source, map_: Map = None, column: Column = None, policy: Policy = None) -> None:
    """Print what is in a history and what is wrong with it; write nothing."""
    with complaints():
        log = told(map_, column, policy).read(one(source))
        typer.echo(summary(log))
        if not len(log):
            raise DataContractError("The history has no interactions.")


def summary(log: Any) -> str:
    """What is in a history and what is wrong with it."""
    clean = "" if log.quality.findings or not len(log) else "\n  Nothing was found wrong with it."
    return in_shell(f"{log!r}\n{log.quality}{clean}")


def demonstration() -> tuple[Any, "Settings"]:
    """The groceries, and how they are read."""
    from crmintel.datasets.public import complete_journey
    from crmintel.job import Settings

    rows, items = complete_journey()
    return rows, Settings(title="A year of groceries", timezone="America/New_York", items=items)


def told(
    settings: "Settings | Path | None", column: list[str] | None = None, policy: list[str] | None = None, **given: Any
) -> "Settings":
    """The settings of a mapping file, and over them those of the command."""
    from crmintel.job import Settings, read_settings
    from crmintel.job.settings import policies_of

    settings = settings if isinstance(settings, Settings) else read_settings(settings)
    columns = {**settings.columns, **_pairs(column, "--column", "timestamp=Date")}
    policies = {name: _value(text) for name, text in _pairs(policy, "--policy", "on_missing=drop").items()}
    given = {k: v for k, v in given.items() if v is not None}
    return replace(settings, columns=columns, policies=policies_of(policies, settings.policies), **given)


def _pairs(given: list[str] | None, option: str, example: str) -> dict[str, str]:
    """Names and what stands behind their sign of equality."""
    pairs = [text.partition("=") for text in given or ()]
    if any(not (ours and theirs) for ours, _, theirs in pairs):
        raise DataContractError(f"{option} needs a name and a value, such as {option} {example}.")
    names = [ours.strip() for ours, _, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataContractError(f"{option} names {', '.join(twice)} more than once. Give one for each name.")
    return dict(zip(names, (theirs for _, _, theirs in pairs), strict=True))


def _value(text: str) -> Any:
    """What a mapping file would understand; anything else is text, so that quotes may be left out."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def one(source: list[str]) -> Any:
    """A single path as it is, several as a list."""
    return source[0] if len(source) == 1 else source


def named(source: list[str]) -> str:
    """What the data are called on a page."""
    return ", ".join(Path(s).name for s in source)


@contextmanager
def steps() -> Iterator[Callable[[str], None]]:
    """A bar on the screen that is told the name of each step as it begins."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("reading", total=STEPS)
        yield lambda what: bar.update(task, advance=1, description=what)


def _job(
    source: Any, settings: "Settings", out: Path, tracking_uri: str | None, name: str, written: Callable[[], None]
) -> None:  # fmt: skip
    """Everything from the reading to the record; `written` is called before anything is printed."""
    from crmintel.job import analyse, track, write

    writable(out)
    with steps() as step:
        log = settings.read(source)
        results = analyse(log, settings, source=name, step=step)
        step("report")
        page = write(results, out)
        written()
        step("record")
        track(results, out, uri=tracking_uri)
    typer.echo(f"{summary(log)}\n{results.ground.split}")
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


def writable(out: Path) -> None:
    """Complain of a folder that cannot be written before the work is done, not after."""
    nearest = next(p for p in (out.absolute(), *out.absolute().parents) if p.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise DataContractError(f"The folder {str(out)!r} cannot be written. Choose another with --out.")


def remember(
    run: Path,
    source: list[str] | None,
    map_: Path | None = None,
    column: list[str] | None = None,
    policy: list[str] | None = None,
) -> None:
    """Add to what a run says of itself where its interactions lie, seen from its folder; none are the demonstration."""
    from crmintel.job.run import ABOUT

    def seen(path: str | Path) -> str:
        return os.path.relpath(path, run)

    about = json.loads((run / ABOUT).read_text(encoding="utf-8"))
    about["source"] = None if source is None else [seen(s) for s in source]
    about |= {"map": None if map_ is None else seen(map_), "column": column or [], "policy": policy or []}
    (run / ABOUT).write_text(json.dumps(about), encoding="utf-8")
