"""The command line: ``crmintel …``."""

import importlib

from crmintel.cli.app import app

for _commands in ("history", "pages", "shipping", "serving"):
    importlib.import_module(f"crmintel.cli.{_commands}")

__all__ = ["app", "main"]


def main() -> None:
    """The console script."""
    app()
