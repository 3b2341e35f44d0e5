"""`erase`: customers taken out of every stored table, with a report of what was removed and what must be trained anew."""

import csv
import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from crmintel.columns import CUSTOMER
from crmintel.errors import DataContractError, ErasureError
from crmintel.privacy.bundles import listed_in
from crmintel.privacy.erased import ErasedFile, Erasure, Reanchored, Retrain, Unsearched
from crmintel.privacy.matching import Wanted
from crmintel.privacy.places import Place, named_after, places_below, roots_of, shown
from crmintel.privacy.pruning import rows_of
from crmintel.privacy.pseudonyms import Pseudonymizer, texts_of
from crmintel.privacy.stored import NotText, count, kind_of, replace
from crmintel.privacy.suppression import SuppressionList

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
TrainedOn = Callable[[Path, frozenset[str]], bool | None]
_DIGESTS: Final = 1_000_000
"""Bytes of the largest file that is looked through for digests."""
_UNREADABLE: Final = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    RecursionError,
    OverflowError,
    csv.Error,
    pa.ArrowException,
)


def erase(
    ids: Any,
    paths: Paths,
    *,
    columns: Sequence[str] = (),
    pseudonymizer: Pseudonymizer | Sequence[Pseudonymizer] = (),
    suppression: str | os.PathLike[str] | None = None,
    trained_on: TrainedOn = listed_in,
    allow_failures: bool = False,
    dry_run: bool = False,
) -> Erasure:
    """Take customers out of every stored table below some folders.

    Searched are Parquet, Arrow and Feather, CSV, JSON lines and JSON files (CSV and JSON lines packed or not), and decision logs.
    Rows about the customers go; from lists of customers they are taken out. Each file is written beside the old one, checked, and put
    in its place in one move; the order of rows, the schema, and the bytes of files that hold none of them stay as they are. Below a link
    ``OUT`` the versions ``OUT.*`` beside it are searched, too. Records of a decision log are emptied, and its chain is hashed anew.
    Models are not changed: the report names those to train anew. Sums over many customers are left as they are.

    Parameters
    ----------
    ids : iterable, shape (n,)
        Whole numbers or text; 7 and "7" are the same customer, and so is 7.0 in a file.
    paths : path or iterable of paths
        Folders and files.
    columns : sequence of str
        Columns that hold customers beside ``customer_id``, also inside of nested columns and JSON.
    pseudonymizer : Pseudonymizer or sequence of them
        Their pseudonyms are looked for in every column of text: give one a key and namespace that was ever used.
    suppression : path, optional
        A suppression list that is written first, with the key of the first pseudonymizer, so that the next import stays without them.
    trained_on : callable, optional
        From the folder of a bundle and the identifiers as text (and pseudonyms) to whether its model learned from one of them, None
        if that is not known. Without it the bundle's own list is looked at; see `crmintel.privacy.listed_in`.
    allow_failures : bool, default=False
        Whether files that cannot be read are only reported.
    dry_run : bool, default=False
        Whether nothing is written.

    Returns
    -------
    Erasure
        Places and counts, never customers.

    Raises
    ------
    ErasureError
        After everything else is done, if files could not be read or written; its `report` says what was done.
    DataContractError
        If nobody or no folder is named, identifiers are missing, or a suppression list is asked for without a key.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> folder = Path(tempfile.mkdtemp())
    >>> pd.DataFrame({"customer_id": [7, 8, 7], "score": [0.1, 0.2, 0.3]}).to_parquet(folder / "scores.parquet")
    >>> erase([7], folder).rows, pd.read_parquet(folder / "scores.parquet")["customer_id"].tolist()
    (2, [8])
    """
    keys = (pseudonymizer,) if isinstance(pseudonymizer, Pseudonymizer) else tuple(pseudonymizer)
    texts = texts_of(ids)
    if not texts:
        raise DataContractError("Nobody is named. Give the identifiers of the customers to erase.")
    if suppression is not None and not keys:
        raise DataContractError("A suppression list needs a key. Give a pseudonymizer.")
    named = (columns,) if isinstance(columns, str) else tuple(columns)
    pseudonyms = frozenset(p for key in keys for p in key.of(texts))
    wanted = Wanted(frozenset(texts), pseudonyms, frozenset((CUSTOMER, *named)))
    roots = roots_of(paths)
    skip = None if suppression is None else Path(suppression).resolve()
    if suppression is not None and not dry_run:
        SuppressionList.read(suppression, keys[0]).with_ids(texts, keys[0]).write(suppression)
    work = _Work(wanted, trained_on, dry_run)
    for place in [p for p in places_below(roots) if p.path != skip]:
        work.do(place)
    report = work.report(len(texts))
    if report.failed and not allow_failures:
        raise ErasureError(
            f"{len(report.failed):,} files could not be searched: {', '.join(f'{u.path} ({u.why})' for u in report.failed[:20])}. "
            "Repair or delete them and erase again; the rest is done, see `report` of this error.",
            report,
        )
    return report


@final
class _Work:
    """An erasure under way."""

    def __init__(self, wanted: Wanted, trained_on: TrainedOn, dry_run: bool) -> None:
        self.wanted, self.trained_on, self.dry_run = wanted, trained_on, dry_run
        self.searched = 0
        self.files: list[ErasedFile] = []
        self.retrain: list[Retrain] = []
        self.heads: list[Reanchored] = []
        self.checksums: dict[str, None] = {}
        self.unsearched: list[Unsearched] = []
        self.failed: list[Unsearched] = []

    def do(self, place: Place) -> None:
        name = shown(place.path, self.wanted)
        try:
            match place.kind:
                case "file":
                    self._file(place.path, name)
                case "log":
                    self._log(place.path, name)
                case "bundle":
                    self._bundle(place.path, name)
                case "left over":
                    if not self.dry_run:
                        place.path.unlink()
                case "elsewhere":
                    self.unsearched.append(Unsearched(name, "a link that leads out of the folders"))
        except DataContractError as error:  # of a decision log: they show no customers
            self.failed.append(Unsearched(name, str(error)))
        except _UNREADABLE as error:
            self.failed.append(Unsearched(name, _why(error)))

    def _file(self, path: Path, name: str) -> None:
        rewrite = kind_of(path)
        if named_after(path, self.wanted):
            self.searched += 1
            rows = pq.read_metadata(path).num_rows if rewrite is not None and path.suffix == ".parquet" else 1
            if not self.dry_run:
                path.unlink()
            self.files.append(ErasedFile(name, rows))
            return
        if rewrite is None:
            self.unsearched.append(Unsearched(name, "a kind of file that is not read"))
            return
        found = count(path, rewrite, self.wanted)
        if not found.searched:
            self.unsearched.append(Unsearched(name, "no column of customers"))
            return
        self.searched += 1
        if found:
            if not self.dry_run:
                digest = _digest(path)
                replace(path, rewrite, self.wanted)
                self.checksums |= dict.fromkeys(shown(p, self.wanted) for p in _holders(path, digest))
            self.files.append(ErasedFile(name, found.removed, found.changed))

    def _log(self, folder: Path, name: str) -> None:
        from crmintel.actions.records.decisions import DecisionLog
        from crmintel.actions.records.redaction import redact

        log, wanted = DecisionLog(folder), self.wanted
        if self.dry_run:
            rows = sum(int(rows_of(pq.read_table(f, partitioning=None), wanted).sum()) for f in log.parts())
        else:
            done = redact(log, lambda table: np.asarray(rows_of(table, wanted)))
            rows = done.records
            self.heads += [Reanchored(name, done.before, done.after)] if rows else []
        self.searched += 1
        self.files += [ErasedFile(name, rows)] if rows else []

    def _bundle(self, folder: Path, name: str) -> None:
        try:
            trained = self.trained_on(folder, self.wanted.ids | self.wanted.pseudonyms)
        except Exception:  # whatever a caller's function trips over, the model is not forgotten
            trained = None
        if trained is not True and self._holds(folder):
            trained = True
        if trained is not False:
            self.retrain.append(Retrain(name, "yes" if trained else "unknown"))

    def _holds(self, folder: Path) -> bool:
        """Whether a table in a bundle names them: such as the purchases that a recommender keeps."""
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.stat().st_size):
            with suppress(*_UNREADABLE):
                rewrite = kind_of(path)
                if rewrite is not None and count(path, rewrite, self.wanted):
                    return True
        return False

    def report(self, customers: int) -> Erasure:
        return Erasure(
            customers, self.dry_run, self.searched, tuple(self.files), tuple(self.retrain), tuple(self.heads), tuple(self.checksums),
            tuple(self.unsearched), tuple(self.failed),
        )  # fmt: skip


def _why(error: BaseException) -> str:
    """The cause without what the error quotes of the file."""
    if isinstance(error, NotText):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "it is damaged, or not what its name says"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _holders(path: Path, digest: str) -> list[Path]:
    """Small files beside a file, or one folder up, that hold its digest."""
    out = []
    for file in sorted({*path.parent.iterdir(), *path.parent.parent.iterdir()} - {path}):
        with suppress(OSError):
            if (
                file.is_file()
                and not file.is_symlink()
                and file.stat().st_size <= _DIGESTS
                and digest.encode() in file.read_bytes()
            ):
                out.append(file)
    return out
