"""How much a server takes at a time."""

from dataclasses import dataclass, fields
from typing import final

from crmintel.errors import DataContractError
from crmintel.showing import Shown


@final
@dataclass(frozen=True)
class Limits(Shown):
    """What a request may be, and how many there may be.

    Parameters
    ----------
    bytes : int
        The largest body, counted while it comes in.
    rows : int
        The most rows, interactions or customers of one request.
    concurrency : int
        Requests that are answered at a time; others are told to come back.
    seconds : float
        The longest that a body may take to come in, and an answer to be made.
    threads : int
        Threads for what takes longer than a few milliseconds.
    inline : int
        Bodies up to so many bytes are answered at once, in the thread that reads them.

    Raises
    ------
    DataContractError
        If one of them is not above zero.

    Examples
    --------
    >>> Limits(rows=100, seconds=2.0)
    Limits(bytes=4000000, rows=100, concurrency=64, seconds=2.0, threads=1, inline=64000)
    """

    bytes: int = 4_000_000
    rows: int = 10_000
    concurrency: int = 64
    seconds: float = 10.0
    threads: int = 1
    inline: int = 64_000

    def __post_init__(self) -> None:
        if odd := [f.name for f in fields(self) if not getattr(self, f.name) > 0]:
            raise DataContractError(f"Limits must be above zero: {', '.join(odd)}.")
