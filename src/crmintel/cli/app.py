"""What all commands share: the program, its exit codes, and how it complains."""

import re
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import typer

from crmintel import __version__
from crmintel.errors import CrmIntelError, DataContractWarning, LockedError, OutputError

BAD_INPUT: Final = 2
BUSY: Final = 3
CANNOT_WRITE: Final = 4
app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_show_locals=False, rich_markup_mode=None,
    help="From the raw history of what customers did to decisions about what to do next for each of them.",
    epilog="Exit codes: 0 done, 2 bad input, 3 another job writes the same output, 4 the output cannot be written, 5 a verdict of monitor --strict.",
)  # fmt: skip


@app.callback(invoke_without_command=True)
def about(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """From the raw history of what customers did to decisions about what to do next for each of them."""
    if version:
        typer.echo(f"crmintel {__version__}")
        raise typer.Exit


PAIR: Final = r'(\w+) = "([^"]*)"'
MAPPED: Final = re.compile(rf"(Map them with columns|Probably also): ({PAIR}(?:, {PAIR})*)")
CHOICE: Final = re.compile(r'(\w+)="([^"]*)"(?: or "(\w+)")? \(a policy\)')


def in_shell(said: str) -> str:
    """What a message advises in Python, as the options of a command."""

    def option(name: str, ours: str, theirs: str) -> str:
        return f"--{name} {shlex.quote(f'{ours}={theirs}')}"

    def columns(found: re.Match[str]) -> str:
        advice = "Add" if found[1].startswith("Map") else found[1] + ":"
        return " ".join([advice, *(option("column", *pair) for pair in re.findall(PAIR, found[2]))])

    def choice(found: re.Match[str]) -> str:
        return option("policy", found[1], found[2]) + (f" (or {found[3]})" if found[3] else "")

    return CHOICE.sub(choice, MAPPED.sub(columns, said))


@contextmanager
def complaints() -> Iterator[None]:
    """Bad input ends with one paragraph and an exit code; remarks about the data stand in the quality report instead."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataContractWarning)
            yield
    except CrmIntelError as error:
        sys.stdout.flush()
        typer.echo(in_shell(str(error)), err=True)
        kinds = ((LockedError, BUSY), (OutputError, CANNOT_WRITE))
        raise typer.Exit(next((code for kind, code in kinds if isinstance(error, kind)), BAD_INPUT)) from None
