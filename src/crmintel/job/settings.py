"""The mapping file: how a source is read, and what the job is asked to do."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal, final

import pandas as pd

from crmintel.actions import Action
from crmintel.columns import CATEGORY, ITEM
from crmintel.errors import DataContractError
from crmintel.interactions import InteractionLog, Policies, Zone
from crmintel.interactions.clock import duration
from crmintel.interactions.read import nearest, open_source, require
from crmintel.showing import Shown

NAME = "name"
_TEXT, _COUNT, _MONEY = (str, "text in quotes"), (int, "a whole number"), ((int, float), "a number")
_KINDS: dict[str, tuple[Any, str]] = {
    "title": _TEXT, "timezone": _TEXT, "offer": _TEXT, "lang": _TEXT, "k": _COUNT, "seed": _COUNT, "holdout": _MONEY,
    "budget": ((int, float, type(None)), "a number"), "horizon": ((str, type(None)), 'text such as "90d"'),
    "test": ((str, date, type(None)), 'a date such as "2024-03-01"'), "keep": (tuple, "a list of column names"),
    "actions": (tuple, "a list of actions"),
}  # fmt: skip


@final
@dataclass(frozen=True)
class Settings(Shown):
    """Everything that the job can be told; each has a default.

    Parameters
    ----------
    title : str
        Headline of the report.
    columns, keep, timezone, policies
        As in `InteractionLog.read`.
    items : DataFrame, optional
        One row an item: item_id, and category or name or both.
    horizon : str, optional
        How far ahead to look; by default the longest of 90, 60, 30, 14 and 7 days that the history can be tested on.
    test : str, optional
        The later instant to test at; by default the last month (or week) start whose horizon is covered.
    actions : tuple of Action
        What can be done, the preferred first.
    budget : float, optional
        Money for the plan; by default enough to contact one customer in ten.
    holdout : float
        Share of candidates left alone, to learn from.
    offer : {"new", "again"}
        Whether `next_items` holds what a customer never bought, or what is bought again.
    k : int
        Items a customer.
    seed : int
    lang : {"en", "zh"}
        The language of the page: English or Chinese.

    Examples
    --------
    >>> Settings(horizon="90d", actions=(Action("call", cost=4.0, capacity=500),), budget=2_000.0).budget
    2000.0
    >>> Settings(k=0)
    Traceback (most recent call last):
    crmintel.errors.DataContractError: k is 0. Give at least 1.
    """

    title: str = "Customer report"
    columns: Mapping[str, str] = field(default_factory=dict)
    keep: tuple[str, ...] = ()
    timezone: str = "UTC"
    policies: Policies = field(default_factory=Policies)
    items: pd.DataFrame | None = field(default=None, compare=False)
    horizon: str | None = None
    test: str | date | None = None
    actions: tuple[Action, ...] = (Action("retention contact", 1.0, why="most money at risk"),)
    budget: float | None = None
    holdout: float = 0.2
    offer: Literal["new", "again"] = "new"
    k: int = 10
    seed: int = 0
    lang: Literal["en", "zh"] = "en"

    def __post_init__(self) -> None:
        for name, (kinds, words) in _KINDS.items():
            value = getattr(self, name)
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise DataContractError(f"{name} is {value!r}. Give {words}.")
        limits = (
            ("k", self.k >= 1, "at least 1"),
            ("seed", self.seed >= 0, "at least 0"),
            ("holdout", 0 < self.holdout < 1, "a share between 0 and 1"),
            ("budget", self.budget is None or 0 <= self.budget < float("inf"), "money of at least 0"),
            ("actions", len(self.actions) > 0, "at least one action"),
            ("offer", self.offer in ("new", "again"), "Choose 'new' or 'again'"),
            ("lang", self.lang in ("en", "zh"), "Choose 'en' or 'zh'"),
        )
        for name, fits, words in limits:
            if not fits:
                advice = words if words.startswith("Choose") else f"Give {words}"
                raise DataContractError(f"{name} is {getattr(self, name)!r}. {advice}.")
        if self.horizon is not None:
            duration(self.horizon)
        if self.test is not None:
            Zone(self.timezone).instant(self.test)

    def read(self, source: Any) -> InteractionLog:
        """The log of a source, read as told."""
        categories = None if self.items is None or CATEGORY not in self.items else self.items[[ITEM, CATEGORY]]
        return InteractionLog.read(
            source,
            columns=self.columns,
            timezone=self.timezone,
            policies=self.policies,
            keep=self.keep,
            items=categories,
        )

    @property
    def item_names(self) -> Mapping[Any, str]:
        """Names of items for people, where known."""
        if self.items is None or NAME not in self.items:
            return {}
        named = self.items.dropna(subset=[NAME])
        return dict(zip(named[ITEM], named[NAME].astype(str), strict=True))


def read_settings(path: str | Path | None) -> Settings:
    """Settings from a TOML file; the defaults without one.

    Raises
    ------
    DataContractError
        If the file is missing, no TOML, or names a setting that does not exist.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "mapping.toml"
    ...     written = file.write_text('horizon = "90d"\\n[columns]\\ncustomer_id = "CustomerID"')
    ...     settings = read_settings(file)
    >>> settings.horizon, settings.columns
    ('90d', {'customer_id': 'CustomerID'})
    """
    if path is None:
        return Settings()
    path = Path(path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise DataContractError(
            f"The mapping file {str(path)!r} does not exist. Write one; the how-to page shows how (docs/howto.md)."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        line = str(error).rpartition("(")[2].rstrip(")") if "(" in str(error) else "unknown place"
        raise DataContractError(f"The mapping file {str(path)!r} is not TOML ({line}). Repair it.") from None
    simple = {f.name for f in fields(Settings)} - {"policies", "items", "actions", "columns"}
    _known(data, simple | {"policies", "items", "actions", "columns"}, "the mapping file")
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k in simple}
    settings = replace(Settings(), **plain)
    if "columns" in data:
        settings = replace(settings, columns=_texts(data["columns"], "[columns]"))
    if "policies" in data:
        settings = replace(settings, policies=policies_of(data["policies"]))
    if "items" in data:
        settings = replace(settings, items=_items(data["items"], path.parent))
    if "actions" in data:
        settings = replace(settings, actions=_actions(data["actions"]))
    return settings


def _known(data: Any, names: set[str], where: str) -> None:
    if not isinstance(data, dict):
        raise DataContractError(f"{where} is not a table of settings. Write name = value lines.")
    if odd := sorted(set(data) - names):
        guess = nearest(odd[0], names)
        hint = f" Did you mean {guess!r}?" if guess else ""
        raise DataContractError(
            f"Unknown settings in {where}: {', '.join(odd)}.{hint} Known: {', '.join(sorted(names))}."
        )


def _texts(data: Any, where: str) -> dict[str, str]:
    if not isinstance(data, dict) or not all(isinstance(v, str) for v in data.values()):
        raise DataContractError(f'{where} must map our names to column names, such as customer_id = "CustomerID".')
    return data


def policies_of(data: Any, base: Policies = Policies()) -> Policies:
    """The policies of a table of settings, over those of another.

    Raises
    ------
    DataContractError
        If there is no such policy, or it cannot be so.

    Examples
    --------
    >>> policies_of({"on_missing": "drop"}).on_missing
    'drop'
    """
    _known(data, {f.name for f in fields(Policies)}, "[policies]")
    ranges = data.get("ranges", {})
    if not isinstance(ranges, dict) or not all(isinstance(r, list) and len(r) == 2 for r in ranges.values()):
        raise DataContractError(
            "ranges in [policies] must give two numbers a column, such as ranges = { rating = [1, 5] }."
        )
    if not isinstance(data.get("duplicate_key", []), list):
        raise DataContractError('duplicate_key in [policies] must be a list, such as ["order_id", "item_id"].')
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k != "ranges"}
    return replace(base, **plain, ranges={**base.ranges, **{k: (r[0], r[1]) for k, r in ranges.items()}})


def _actions(data: Any) -> tuple[Action, ...]:
    if not isinstance(data, list):
        raise DataContractError("Actions are tables of their own: write [[actions]] above name, cost and capacity.")
    for action in data:
        _known(action, {"name", "cost", "capacity", "why"}, "[[actions]]")
        if absent := [n for n in ("name", "cost") if n not in action]:
            raise DataContractError(f"An action in [[actions]] has no {' and no '.join(absent)}. Add it.")
    return tuple(Action(**a) for a in data)


def _items(data: Any, folder: Path) -> pd.DataFrame:
    """The item table that the mapping names, under our names; paths are relative to the mapping file."""
    _known(data, {"source", ITEM, CATEGORY, NAME}, "[items]")
    if "source" not in data or len(data) < 2:
        raise DataContractError('[items] needs source = "FILE" and at least category = "COLUMN" or name = "COLUMN".')
    if not all(isinstance(v, str) for v in data.values()):
        raise DataContractError("[items] must hold text in quotes: a file and names of its columns.")
    source = open_source(str(folder / data["source"]))
    wanted = {ITEM: data.get(ITEM, ITEM)} | {c: data[c] for c in (CATEGORY, NAME) if c in data}
    require(wanted, source.names)
    frames = [t.to_pandas() for t in source.batches(list(dict.fromkeys(wanted.values())))]
    table = pd.concat(frames, ignore_index=True)
    return pd.DataFrame({ours: table[theirs] for ours, theirs in wanted.items()})
