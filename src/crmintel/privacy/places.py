"""What lies below some folders: tables, decision logs, bundles of models, and what cannot be searched."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from crmintel.errors import DataContractError
from crmintel.privacy.matching import Wanted
from crmintel.privacy.stored import BESIDE

MANIFEST: Final = "manifest.json"
_LOG: Final = {"decision_id", "customer_id", "action", "hash"}
_FEATURES: Final = {"features", "at", "by", "complete"}
READY: Final = "replacing"
"""How folders begin that the writer of a decision log works in."""
_SILENT: Final = {".lock", ".sha256", ".crc"}
Kind = Literal["file", "log", "bundle", "left over", "elsewhere"]


@final
@dataclass(frozen=True)
class Place:
    """Something below a folder.

    Parameters
    ----------
    kind : str
        "file", "log" (a folder of decisions), "bundle" (a folder of a model), "left over" (of an erasure that was interrupted),
        "elsewhere" (a link that leads out of the folders).
    path : Path
    """

    kind: Kind
    path: Path


def roots_of(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    """The folders and files to search: those given, what a link leads to, and older versions beside a link.

    Raises
    ------
    DataContractError
        If there is none, or one does not exist.
    """
    given = [Path(paths)] if isinstance(paths, str | os.PathLike) else [Path(p) for p in paths]
    if not given:
        raise DataContractError("No folder is given. Name the folders that hold stored tables.")
    out: list[Path] = []
    for path in given:
        if not path.exists():
            raise DataContractError(f"The folder {path.name!r} does not exist. Name folders or files that do.")
        out.append(path.resolve())
        if path.is_symlink():
            out += sorted(p.resolve() for p in path.parent.glob(f"{_literal(path.name)}.*") if p.is_dir())
    return list(dict.fromkeys(out))


def places_below(roots: list[Path]) -> Iterator[Place]:
    """Everything below the folders, once each, in the order of names."""
    seen: set[Path] = set()
    for root in roots:
        for place in _below(root, roots):
            if place.path not in seen:
                seen.add(place.path)
                yield place


def _below(root: Path, roots: list[Path]) -> Iterator[Place]:
    if root.is_file():
        yield Place("file", root)
        return

    def refuse(error: OSError) -> None:
        raise DataContractError(
            f"A folder below {root.name!r} cannot be listed: {error.strerror}. Allow reading it."
        ) from None

    for here, folders, files in os.walk(root, onerror=refuse):
        folder = Path(here)
        folders.sort()
        special = _special(folder, files)
        if special is not None:
            yield Place(special, folder)
        if special == "bundle":
            folders.clear()
            continue
        if special == "log":
            files = [
                name for name in files if not _is_part(name)
            ]  # what else lies there may be left of a writer that was killed
            folders[:] = [name for name in folders if not name.startswith(READY)]
        for name in sorted([*files, *(f for f in folders if (folder / f).is_symlink())]):
            path = folder / name
            if path.is_symlink():
                target = path.resolve()
                if target.exists() and not any(target.is_relative_to(r) for r in roots):
                    yield Place("elsewhere", path)
            elif name.endswith(BESIDE):
                yield Place("left over", path)
            elif path.is_file() and path.suffix not in _SILENT and path.stat().st_size:
                yield Place("file", path)


def _special(folder: Path, files: list[str]) -> Kind | None:
    if is_bundle(folder):
        return "bundle"
    parts = sorted(filter(_is_part, files))
    try:
        return "log" if parts and {*pq.read_schema(folder / parts[0]).names} >= _LOG else None
    except (OSError, ValueError, pa.ArrowException):
        return None  # the file is searched by itself, and complained of there


def _is_part(name: str) -> bool:
    return name.startswith("part-") and name.endswith(".parquet")


def is_bundle(folder: Path) -> bool:
    """Whether a folder is a model: it has a manifest, and is no table of features."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return False
    try:
        told = json.loads(manifest.read_bytes())
    except (OSError, ValueError, RecursionError):
        return True
    return not (isinstance(told, dict) and told.keys() >= _FEATURES)


def named_after(path: Path, wanted: Wanted) -> bool:
    """Whether a folder on the way says, as ``customer_id=7`` does, that all below it is about one of them."""
    pairs = (unquote(part).partition("=") for part in path.parts[:-1])
    return any(mark and wanted.says(value, customers=name in wanted.columns) for name, mark, value in pairs)


def shown(path: Path, wanted: Wanted) -> str:
    """A path for people: without the customers that names of folders hold."""
    parts = []
    for part in path.parts:
        name, mark, _ = unquote(part).partition("=")
        stem = unquote(part).split(".")[0]
        hide = wanted.says(stem, customers=True)
        parts.append(
            f"{name}=…"
            if mark and name in wanted.columns
            else part.replace(part.split(".")[0], "…", 1)
            if hide
            else part
        )
    return str(Path(*parts))


def _literal(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
