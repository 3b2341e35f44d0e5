"""Where a job writes: one job at a time, parts that survive a crash, and a result that appears whole or not at all."""

import fcntl
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, final

from crmintel.errors import LockedError, OutputError
from crmintel.scoring.export import one_file
from crmintel.scoring.files import replaced, sync, written
from crmintel.scoring.strict import canonical

JOB, DONE = "_job.json", "_done.json"  # readers of Parquet folders pass over names that begin so
FILES: Final = (".csv", ".parquet")
FOREIGN: Final = (".xlsx", ".xls", ".json", ".tsv", ".txt", ".feather", ".gz", ".zip")
"""Endings by which a result is one file instead of a folder."""


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Nobody else writes this output meanwhile; the system gives the lock back when the process dies.

    Raises
    ------
    LockedError
        At once, if another job holds it.
    OutputError
        If the folder cannot be written.
    """
    if not out.name:
        raise OutputError("The output has no name. Give a folder, or a file that ends in .csv or .parquet.")
    with complaints(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(out.with_name(f"{out.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LockedError(f"Another job is writing {out.name!r}. Wait for it, or write elsewhere.") from None
        yield
    finally:
        os.close(handle)


@contextmanager
def complaints(out: Path) -> Iterator[None]:
    """Failures of the file system in our words."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"{out.name!r} cannot be written ({error.strerror or type(error).__name__}). What was there before is still there; make room, or "
            "write elsewhere."
        ) from None


@final
class Work:
    """The parts of a job that is under way, in a folder beside its output.

    Parameters
    ----------
    out : Path
        A folder, or a file by its ending.
    job : mapping
        What the job is: parts of another one are thrown away.
    """

    def __init__(self, out: Path, job: Mapping[str, Any]) -> None:
        if out.suffix.lower() in FOREIGN:
            raise OutputError(
                f"Results are not written as {out.suffix}. Name a folder, or a file that ends in {' or '.join(FILES)}."
            )
        self.out, self.folder = out, out.with_name(f"{out.name}.work")
        if out.exists() and not (out.is_symlink() or (self.one_file and out.is_file())):
            raise OutputError(f"{out.name!r} exists and was not written by this command. Choose another name.")
        text = canonical(job)
        mark = self.folder / JOB
        if not mark.exists() or mark.read_bytes() != text:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir()
            replaced(mark, text)
        self.job = text

    @property
    def one_file(self) -> bool:
        """Whether the result is one file."""
        return self.out.suffix in FILES

    def has(self, number: int, check: str) -> int | None:
        """The rows of a part that is whole and was made of the same input; None if it has to be made."""
        try:
            record = json.loads((self.folder / f"_{_name(number)}.json").read_bytes())
            data = (self.folder / _name(number)).read_bytes()
        except (OSError, ValueError):
            return None
        whole = record.get("check") == check and record.get("sha256") == hashlib.sha256(data).hexdigest()
        return int(record["rows"]) if whole else None

    def keep(self, number: int, data: bytes, rows: int, check: str) -> None:
        """Write a part and then its record; a part without its record does not count."""
        replaced(self.folder / _name(number), data)
        record = {"check": check, "rows": rows, "sha256": hashlib.sha256(data).hexdigest()}
        replaced(self.folder / f"_{_name(number)}.json", canonical(record))

    def publish(self, parts: int) -> dict[str, Any]:
        """Put the whole result in its place in one move; what the done-marker says."""
        records = [json.loads((self.folder / f"_{_name(n)}.json").read_bytes()) for n in range(parts)]
        told = {
            "job": json.loads(self.job),
            "parts": [[_name(n), r["rows"], r["sha256"]] for n, r in enumerate(records)],
        }
        done = {"rows": sum(r["rows"] for r in records), "digest": hashlib.sha256(canonical(told)).hexdigest(), **told}
        names = {_name(n) for n in range(parts)}
        for left in self.folder.iterdir():
            if left.name.removeprefix("_").removesuffix(".json") not in names and left.name != JOB:
                left.unlink()
        if self.one_file:
            done = self._publish_file(parts, done)
        else:
            self._publish_folder(done)
        return done

    def _publish_file(self, parts: int, done: dict[str, Any]) -> dict[str, Any]:
        whole = self.folder / f"whole{self.out.suffix}"
        one_file((self.folder / _name(n) for n in range(parts)), whole)
        with open(whole, "rb") as file:
            os.fsync(file.fileno())
            done = {**done, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
        written(self.folder / DONE, canonical(done))  # all that needs room, before anything is moved
        os.replace(whole, self.out)
        os.replace(self.folder / DONE, self.out.with_name(f"{self.out.name}.done.json"))
        sync(self.out.parent)
        shutil.rmtree(self.folder)
        return done

    def _publish_folder(self, done: dict[str, Any]) -> None:
        """Rename the work to a version of its own, then turn a link to it."""
        replaced(self.folder / DONE, canonical(done))
        version = self.out.with_name(f"{self.out.name}.{done['digest'][:12]}")
        before = os.readlink(self.out) if self.out.is_symlink() else None
        if version.exists() and before == version.name and _whole(version, done):  # published before: the same bytes
            shutil.rmtree(self.folder)
        else:
            shutil.rmtree(version, ignore_errors=True)
            os.rename(self.folder, version)
        link = self.out.with_name(f"{self.out.name}.link")
        link.unlink(missing_ok=True)
        os.symlink(version.name, link)
        os.replace(link, self.out)
        sync(self.out.parent)
        for old in self.out.parent.glob(f"{glob.escape(self.out.name)}.{'[0-9a-f]' * 12}"):
            if old.name not in (before, version.name):  # the one before stays for those who are reading it
                shutil.rmtree(old, ignore_errors=True)


def _whole(version: Path, done: Mapping[str, Any]) -> bool:
    """Whether the parts of a published result are still those that were written."""
    try:
        return (version / DONE).read_bytes() == canonical(done) and all(
            hashlib.sha256((version / name).read_bytes()).hexdigest() == digest for name, _, digest in done["parts"]
        )
    except OSError:
        return False


def _name(number: int) -> str:
    return f"part-{number:05d}.parquet"
