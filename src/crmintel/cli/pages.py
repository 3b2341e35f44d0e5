"""Pages alone: ``crmintel report`` for a whole base, ``crmintel card`` for one customer."""

import glob
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, final

import typer

from crmintel.cli.app import app, complaints
from crmintel.cli.history import (
    DEMONSTRATION,
    Budget,
    Column,
    Horizon,
    Lang,
    Map,
    Offer,
    Policy,
    Seed,
    Source,
    Test,
    demonstration,
    named,
    one,
    steps,
    summary,
    told,
    writable,
)
from crmintel.errors import DataContractError


@app.command(short_help="The report of a history as one page.")
def report(
    source: Source,
    out: Annotated[Path, typer.Option("--out", help="The page.")] = Path("report.html"),
    map_: Map = None, lang: Lang = None, horizon: Horizon = None, test: Test = None, budget: Budget = None, offer: Offer = None,
    seed: Seed = None, column: Column = None, policy: Policy = None,
) -> None:  # fmt: skip
    """Write the report of a history as one page, and nothing else."""
    from crmintel.job import analyse
    from crmintel.reports import write

    with complaints():
        settings = told(
            map_, column, policy, horizon=horizon, test=test, budget=budget, offer=offer, seed=seed, lang=lang
        )
        writable(out.parent)
        with steps() as step:
            log = settings.read(one(source))
            results = analyse(log, settings, source=named(source), step=step)
            step("report")
            write(results.report, out, lang=settings.lang)
    typer.echo(summary(log))
    for note in results.notes:
        typer.echo(f"  {note}")
    typer.echo(f"Report: {out}")


@app.command(short_help="One customer on one page. Personal data.")
def card(
    customer: Annotated[str, typer.Argument(metavar="ID", help="The customer.")],
    run: Annotated[Path, typer.Option("--run", help="The folder of a run.")] = Path("demo-output"),
    out: Annotated[Path, typer.Option("--out", help="The page.")] = Path("card.html"),
    source: Annotated[
        list[str] | None, typer.Option("--source", help="The interactions of the run, if they lie elsewhere by now.")
    ] = None,
    map_: Map = None,
    lang: Lang = None,
    column: Column = None,
    policy: Policy = None,
) -> None:
    """Write the card of one customer: history, risk with reasons, value, next items and next action. Personal data."""
    from crmintel.job import stored_card

    with complaints():
        writable(out.parent)
        kept = remembered(run, moved=source is not None)
        source, map_ = source or kept.source, map_ or kept.map_
        column, policy = column or kept.column, policy or kept.policy
        rows, settings = demonstration() if source is None else (one(source), told(map_, column, policy))
        name = DEMONSTRATION if source is None else named(source)
        page = stored_card(run, settings.read(rows), customer, settings, source=name, lang=lang)  # type: ignore[arg-type]  # the card refuses other languages
        page.write(out)
    typer.echo(f"Card: {out}")


@final
@dataclass(frozen=True)
class Remembered:
    """What a run read: its source (none: the demonstration), its mapping file, the columns and the policies that were named."""

    source: list[str] | None
    map_: Path | None
    column: list[str]
    policy: list[str]


def remembered(run: Path, *, moved: bool = False) -> Remembered:
    """What the run of a folder read; `moved` where its interactions lie elsewhere by now.

    Raises
    ------
    DataContractError
        If there is no such folder, it does not say, or the interactions are not there any more.
    """
    from crmintel.job.run import ABOUT

    cure = "Make one: crmintel run SOURCE --out FOLDER, and name that folder with --run."
    if not run.is_dir():
        raise DataContractError(f"There is no folder {str(run)!r} of a run. {cure}")
    try:
        about = json.loads((run / ABOUT).read_text(encoding="utf-8"))
        source, mapped, column, policy = (about[name] for name in ("source", "map", "column", "policy"))
    except (OSError, ValueError, KeyError):
        raise DataContractError(f"The folder {str(run)!r} holds no run that says what it read. {cure}") from None
    paths = [str(run / s) for s in source or ()]
    if not moved and any(not glob.glob(path, recursive=True) for path in paths):
        raise DataContractError("The interactions that the run read are not where they were. Name them with --source.")
    return Remembered(None if source is None else paths, None if mapped is None else run / mapped, column, policy)
