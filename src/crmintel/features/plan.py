"""What a set of features asks of each chunk, told before any row is looked at."""

from collections.abc import Callable
from typing import Any, Protocol, final

import numpy.typing as npt

from crmintel.features.engine import Chunk, Span, Sub, Window

Answer = Callable[[Chunk], npt.NDArray[Any]]
"""Gives the values of one column, shape (n_instants, n_customers)."""


class Told(Protocol):
    """An aggregate of the rows in windows; two that are equal are worked out once."""

    def rows(self, chunk: Chunk) -> Sub:
        """The interactions it looks at."""

    def window(self, span: Span) -> npt.NDArray[Any]:
        """Its value for each slice of rows; leading axes are further columns of it."""


@final
class Plan:
    """What a set of features asks of each chunk: each aggregate once, over all windows that anybody wants."""

    def __init__(self) -> None:
        self._groups: dict[Told, dict[Window, int]] = {}
        self._backs: dict[int, None] = {0: None}

    @property
    def backs(self) -> tuple[int, ...]:
        """How far before the instants windows begin and end."""
        return tuple(self._backs)

    def ask(self, told: Told, where: Window, column: int | None = None) -> Answer:
        """The values of an aggregate over a window; of one of its columns, where it has several."""
        windows = self._groups.setdefault(told, {})
        place = windows.setdefault(where, len(windows))
        self._backs.update(dict.fromkeys(back for back in where if back is not None))
        key = id(windows)

        def make(chunk: Chunk) -> npt.NDArray[Any]:
            span = told.rows(chunk).over(*windows)
            values = told.window(span)
            return values.reshape(*values.shape[:-2], len(windows), *chunk.shape)

        def answer(chunk: Chunk) -> npt.NDArray[Any]:
            values = chunk.once(key, lambda: make(chunk))
            return values[place] if column is None else values[column, place]  # type: ignore[no-any-return]  # an array, as `make` returns

        return answer
