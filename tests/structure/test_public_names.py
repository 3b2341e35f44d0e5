"""Every public name explains itself and shows an example, which doctest runs."""

import importlib
import inspect
from typing import Any

import pytest

from docs.generate import PACKAGES, examples, makers, public

NEED_A_STORE = "needs an MLflow store, which takes five seconds to make: shown in docs/shipping.md, which is run"
STORED = [
    "aliases",
    "fetch",
    "fetch_cached",
    "load",
    "log",
    "promote",
    "record",
    "set_alias",
    "Fetched",
    "Logged",
    "Promotion",
]
EXEMPT = {f"crmintel.tracking.{name}": NEED_A_STORE for name in STORED} | {"crmintel.job.track": NEED_A_STORE}
NAMES = [
    (package, name)
    for package in PACKAGES
    if package not in ("crmintel", "crmintel.spark")
    for name in public(package)
    if inspect.isclass(getattr(importlib.import_module(package), name))
    or inspect.isfunction(getattr(importlib.import_module(package), name))
]


def shown(package: str, name: str, seen: frozenset[str] = frozenset()) -> bool:
    """Whether a name has an example, or, of a result, what returns or holds it."""
    thing: Any = importlib.import_module(package)
    for part in name.split("."):
        thing = getattr(thing, part)
    if ">>>" in examples(thing):
        return True
    if "." in name:
        return shown(package, name.split(".")[0], seen | {name})
    if not inspect.isclass(thing):
        return False
    home = ".".join(thing.__module__.split(".")[:2])
    return any(shown(home, maker, seen | {name}) for maker in makers(home, name) if maker not in seen)


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_a_public_name_and_its_methods_explain_themselves(package: str, name: str) -> None:
    thing = getattr(importlib.import_module(package), name)
    told = inspect.getdoc(thing)
    assert told, f"{package}.{name} has no docstring"
    assert not told.startswith(f"{name}("), f"{package}.{name} has no docstring of its own"
    if inspect.isclass(thing):
        silent = [
            key
            for base in thing.__mro__
            if base.__module__.startswith("crmintel")
            for key, member in vars(base).items()
            if not key.startswith("_")
            and (inspect.isfunction(member) or isinstance(member, property | classmethod | staticmethod))
            and not inspect.getdoc(getattr(thing, key))
        ]
        assert not silent, f"{package}.{name} says nothing of {silent}"


@pytest.mark.parametrize(
    ("package", "name"),
    [
        (p, n)
        for p, n in NAMES
        if f"{p}.{n}" not in EXEMPT and p != "crmintel.errors"  # errors are met, not made
    ],
)
def test_a_public_name_has_an_example(package: str, name: str) -> None:
    assert shown(package, name), f"{package}.{name} has no example, nor has what returns it"


@pytest.mark.parametrize("full", EXEMPT)
def test_an_exemption_is_still_needed(full: str) -> None:
    package, _, name = full.rpartition(".")
    assert not shown(package, name), f"{full} has an example now: take it from the list"
