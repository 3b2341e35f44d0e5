"""The mapping file: how a source is read, and what the job is asked to do."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, final

import pandas as pd

from crmintel.actions import Action
from crmintel.columns import CATEGORY, ITEM
from crmintel.errors import DataContractError
from crmintel.interactions import InteractionLog, Policies
from crmintel.interactions.read import nearest, open_source, require

NAME = "name"


@final
@dataclass(frozen=True)
class Settings:
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
    """

    title: str = "Customer report"
    columns: Mapping[str, str] = field(default_factory=dict)
    keep: tuple[str, ...] = ()
    timezone: str = "UTC"
    policies: Policies = field(default_factory=Policies)
    items: pd.DataFrame | None = field(default=None, compare=False)
    horizon: str | None = None
    test: str | None = None
    actions: tuple[Action, ...] = (Action("retention contact", 1.0, why="most money at risk"),)
    budget: float | None = None
    holdout: float = 0.2
    offer: Literal["new", "again"] = "new"
    k: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if self.offer not in ("new", "again"):
            raise DataContractError(f"offer is {self.offer!r}. Choose 'new' or 'again'.")

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
    """
    if path is None:
        return Settings()
    path = Path(path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise DataContractError(
            f"The mapping file {str(path)!r} does not exist. Write one; the README shows how."
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
        _known(data["policies"], {f.name for f in fields(Policies)}, "[policies]")
        ranges = {k: tuple(v) for k, v in data["policies"].pop("ranges", {}).items()}
        policies: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data["policies"].items()}
        settings = replace(settings, policies=Policies(**policies, ranges=ranges))
    if "items" in data:
        settings = replace(settings, items=_items(data["items"], path.parent))
    if "actions" in data:
        for action in data["actions"]:
            _known(action, {f.name for f in fields(Action)}, "[[actions]]")
        settings = replace(settings, actions=tuple(Action(**a) for a in data["actions"]))
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


def _items(data: Any, folder: Path) -> pd.DataFrame:
    """The item table that the mapping names, under our names; paths are relative to the mapping file."""
    _known(data, {"source", ITEM, CATEGORY, NAME}, "[items]")
    if "source" not in data or len(data) < 2:
        raise DataContractError('[items] needs source = "FILE" and at least category = "COLUMN" or name = "COLUMN".')
    source = open_source(str(folder / data["source"]))
    wanted = {ITEM: data.get(ITEM, ITEM)} | {c: data[c] for c in (CATEGORY, NAME) if c in data}
    require(wanted, source.names)
    frames = [t.to_pandas() for t in source.batches(list(dict.fromkeys(wanted.values())))]
    table = pd.concat(frames, ignore_index=True)
    return pd.DataFrame({ours: table[theirs] for ours, theirs in wanted.items()})
