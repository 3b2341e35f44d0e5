"""Files of a decision log: one writer at a time, each file whole or not at all, several files replaced as one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from crmintel.errors import DataContractError

LOCK: Final = "writer.lock"
READY: Final = "replacing"
"""Folder of files that replace others of the log; once it has this name, the replacement is finished by the next writer."""
_HALF: Final = "replacing.tmp"


def write_part(table: pa.Table, file: Path) -> None:
    """A file, whole or not at all, and on disk before this returns."""
    half = file.with_suffix(".tmp")
    with half.open("wb") as out:
        pq.write_table(table, out, compression="zstd")
        out.flush()
        os.fsync(out.fileno())
    os.replace(half, file)
    sync(file.parent)


def sync(folder: Path) -> None:
    """The names in a folder are on disk before this returns."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def writer(folder: Path) -> Iterator[None]:
    """Be the only writer of a folder, after a replacement that was interrupted is finished.

    Raises
    ------
    DataContractError
        If another writer holds it.
    """
    lock = folder / LOCK
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        raise DataContractError(
            f"Another writer holds this log. Wait for it; if none runs (one was killed), delete {LOCK} in the log's folder."
        ) from None
    try:
        _finish(folder)
        yield
    finally:
        lock.unlink()


def replace_parts(folder: Path, parts: Iterator[tuple[str, pa.Table]]) -> None:
    """Replace several files so that a process that is killed leaves all old, or work that the next writer finishes."""
    half = folder / _HALF
    half.mkdir()
    for name, table in parts:
        write_part(table, half / name)
    os.replace(half, folder / READY)
    sync(folder)
    _finish(folder)


def _finish(folder: Path) -> None:
    shutil.rmtree(folder / _HALF, ignore_errors=True)
    ready = folder / READY
    if not ready.is_dir():
        return
    for file in sorted(ready.glob("part-*.parquet")):
        os.replace(file, folder / file.name)
    sync(folder)
    shutil.rmtree(ready)
