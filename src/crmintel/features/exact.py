"""Sums of money without any error."""

from functools import cached_property
from typing import Final, final

import numpy as np

from crmintel.features.arithmetic import Float, prefix, prefixes
from crmintel.interactions.clock import Int

SCALE: Final = 100.0
"""Money is counted in hundredths where that is exact: sums of whole numbers are the same in every order."""
MANY: Final = 2**14
"""Rows of a slice from which the sum of squares might not fit."""
_LARGEST = 2.0**40
_FAR = 2**24


@final
class Exact:
    """A number in hundredths: sums and sums of squares of slices without any error, from prefix sums for all windows.

    A number that is not a whole count of hundredths, or too large, is `odd`: slices that hold one are summed as floats.
    Whether a slice is exact depends on its own rows alone, so neither the future nor the neighbours can change a bit.

    Parameters
    ----------
    x : float64, shape (n_rows,)
        The number of each row.
    starts : int64, shape (n_customers + 1,)
        Where the rows of each customer start.
    """

    def __init__(self, x: Float, starts: Int) -> None:
        cents = np.rint(x * SCALE)
        odd = (cents / SCALE != x) | (np.abs(cents) > _LARGEST)
        self.odd = prefix(odd) if odd.any() else None
        self.cents = np.where(odd, 0, cents).astype(np.int64) if self.odd is not None else cents.astype(np.int64)
        self.sums = prefix(self.cents)
        self._starts = starts

    @cached_property
    def _off(self) -> Int:
        """Distances to the customer's first number."""
        counts = np.diff(self._starts)
        first = np.zeros(len(counts), np.int64)
        first[counts > 0] = self.cents[self._starts[:-1][counts > 0]]
        off: Int = self.cents - np.repeat(first, counts)
        return off

    @cached_property
    def far(self) -> Int | None:
        """Rows before each whose distance is too large for its square to be summed."""
        far = np.abs(self._off) > _FAR
        return prefix(far) if far.any() else None

    @cached_property
    def offsets(self) -> Int:
        """Prefix sums of the distances and of their squares, shape (2, n_rows + 1); distances too far wrap, and are not used."""
        return prefixes(self._off)
