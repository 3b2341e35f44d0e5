"""Local calendar arithmetic on microseconds."""

import numpy as np

from crmintel.interactions.clock import DAY, HOUR, Int


def day(local: Int) -> Int:
    """Days since 1970-01-01, floored, so that days before 1970 count down."""
    return np.floor_divide(local, DAY)


def weekday(local: Int) -> Int:
    """Monday is 0; 1970-01-01 was a Thursday."""
    return (day(local) + 3) % 7


def hour(local: Int) -> Int:
    """Hour of the local day, 0 to 23."""
    return np.floor_divide(local, HOUR) % 24
