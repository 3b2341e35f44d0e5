"""Scores of a whole base: part by part, in bounded memory, and after a crash from where it was."""

import io
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import Any, Final, final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from crmintel import __version__
from crmintel.errors import DataContractError
from crmintel.features.panel import chunks
from crmintel.features.table import check_of
from crmintel.interactions import InteractionLog, Part
from crmintel.interactions.ahead import ahead
from crmintel.interactions.store import Store
from crmintel.scoring.bundle import verify_bundle
from crmintel.scoring.model import CustomerModel
from crmintel.scoring.output import Work, complaints, locked
from crmintel.scoring.telling import Teller
from crmintel.showing import Shown

MEMORY: Final = "500MB"
"""Beyond about this size interactions go to temporary files, by customer."""
Progress = Callable[[int, int], None]


@final
@dataclass(frozen=True)
class BatchReport(Shown):
    """What a batch did; no customer's row.

    Parameters
    ----------
    out : str
        Where the scores are.
    rows, customers, interactions, parts, resumed : int
        Rows written, customers and interactions read, parts written, and those of them that were there already.
    at : str
        The instant that was scored, by the business clock.
    bundle, digest : str
        Fingerprints of the model and of the result.
    seconds : float

    Examples
    --------
    >>> import tempfile
    >>> from crmintel.scoring import save_bundle, score_batch
    >>> from crmintel.segmentation import RFM
    >>> from crmintel.datasets import simulate
    >>> log = simulate(100, days=400, seed=1).log(quiet=True)
    >>> folder = tempfile.mkdtemp()
    >>> _ = save_bundle(RFM().fit(log, at=log.end), f"{folder}/rfm")
    >>> report = score_batch(f"{folder}/rfm", log, f"{folder}/scores.csv", at=log.end)
    >>> report.customers, report.parts
    (100, 1)
    """

    out: str
    rows: int
    customers: int
    interactions: int
    parts: int
    resumed: int
    at: str
    bundle: str
    digest: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def score_batch(
    bundle: str | os.PathLike[str], source: Any, out: str | os.PathLike[str], *, at: Any = None, reasons: int = 0, k: int = 10,
    memory: str | int = MEMORY, threads: int = 2, key: bytes | None = None, fingerprint: str | None = None,
    progress: Progress | None = None, **reading: Any,
) -> BatchReport:  # fmt: skip
    """Score every customer of a history with the model of a bundle.

    Customers are taken in parts. Each part is written whole or not at all, and the result takes its place in one move once all are
    there: who reads it sees the old one or the new one. An interrupted job that is started again with the same call goes on with
    the parts that are missing, and gives the same bytes. A second job on the same output fails at once.

    Parameters
    ----------
    bundle : path
        Of a `CustomerModel`, or of a model that reads interactions itself.
    source : path, glob, list of paths, frame, InteractionLog
        Raw interactions.
    out : path
        A folder (a link to a version of its own, which holds ``part-*.parquet`` and ``_done.json``), or a file that ends in
        ``.csv`` or ``.parquet`` (with ``….done.json`` beside it).
    at : instant, optional
        By default just after the last interaction.
    reasons : int
        How many reasons each customer gets; of churn models.
    k : int
        How many items each customer gets; of recommenders.
    memory : str or int
        Beyond about this size interactions go to temporary files. It decides how customers are parted, not what they score.
    threads : int
        Parts under way at a time.
    key, fingerprint
        See `load_bundle`.
    progress : callable, optional
        Gets interactions done and interactions in all.
    reading
        Options of `InteractionLog.read`, where they differ from the model's.

    Raises
    ------
    BundleError
        If the bundle is not whole.
    DataContractError
        If the interactions break a rule, or nobody is known before the instant.
    LockedError, OutputError
        If another job writes the same output, or it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from crmintel.scoring import save_bundle
    >>> from crmintel.segmentation import RFM
    >>> from crmintel.datasets import simulate
    >>> log = simulate(100, days=400, seed=1).log(quiet=True)
    >>> folder = tempfile.mkdtemp()
    >>> bundle = save_bundle(RFM().fit(log, at=log.end), f"{folder}/rfm")
    >>> report = score_batch(f"{folder}/rfm", log, f"{folder}/scores.csv", at=log.end)
    >>> report.rows
    100
    """
    for name, value, least in (("reasons", reasons, 0), ("k", k, 1), ("threads", threads, 1)):
        _refuse_but_whole(name, value, least)
    begin, target = time.monotonic(), Path(os.path.abspath(out))
    manifest = verify_bundle(bundle, key=key, fingerprint=fingerprint)
    model = CustomerModel.load(bundle, key=key, fingerprint=manifest.fingerprint)
    teller = Teller.of(model, reasons, k)
    with locked(target):
        log = source if isinstance(source, InteractionLog) else model.read(source, memory=memory, quiet=True, **reading)
        when = log.zone.stamp(log.bounds[1] + 1 if at is None else log.zone.instant(at))
        job = {
            "format": 1, "crmintel": __version__, "bundle": manifest.fingerprint, "at": when.isoformat(), "zone": log.zone.name,
            "reasons": reasons, "k": k, "data": _print(log),
        }  # fmt: skip
        with complaints(target):
            work = Work(target, job)
            rows, parts, resumed, customers = _score(work, teller, log, when, threads, progress)
            if not rows:
                raise DataContractError(f"Nobody is known before {when:%Y-%m-%d %H:%M}. Score at a later instant.")
            done = work.publish(parts)
    return BatchReport(
        str(out), done["rows"], customers, len(log), parts, resumed, str(when), manifest.fingerprint, done["digest"],
        round(time.monotonic() - begin, 3),
    )  # fmt: skip


def _score(
    work: Work, teller: Teller, log: InteractionLog, at: pd.Timestamp, threads: int, progress: Progress | None
) -> tuple[int, int, int, int]:
    """Rows, parts, parts that were there, and customers."""
    total, seen, rows, parts, resumed, customers = len(log), 0, 0, 0, 0, 0

    def told(task: tuple[int, Part, str, int | None]) -> tuple[int, Part, bytes | None, int, str]:
        number, piece, check, there = task
        if there is not None:
            return number, piece, None, there, check
        table = teller(_only(log, piece), at)
        return number, piece, _parquet(table), len(table), check

    def tasks() -> Iterator[tuple[int, Part, str, int | None]]:
        number = 0
        for part in log.parts(None if teller.columns is None else teller.columns):
            for piece in chunks(part, 1):
                check = check_of(piece)
                yield number, piece, check, work.has(number, check)
                number += 1

    with threadpool_limits(1):
        for number, piece, data, n, check in ahead(told, tasks(), threads):
            if data is not None:
                work.keep(number, data, n, check)
            resumed += data is None
            rows, parts, seen, customers = rows + n, parts + 1, seen + len(piece), customers + len(piece.customers)
            if progress is not None:
                progress(seen, total)
    return rows, parts, resumed, customers


def _refuse_but_whole(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise DataContractError(f"{name} is {value!r:.40}. Give a whole number, at least {least}.")


def _only(log: InteractionLog, piece: Part) -> InteractionLog:
    """A log of some of the customers."""
    return replace(log, store=Store(log.store.schema, held=(piece,)))


def _parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(None), out, compression="zstd")
    return out.getvalue()


def _print(log: InteractionLog) -> list[int]:
    """What tells a history from another one at a glance; every part is checked for itself."""
    return [len(log), *log.bounds]
