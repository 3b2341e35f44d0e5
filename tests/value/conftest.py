"""What tests of value share: small logs, and a model of counts whose formula fits on one line."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from crmintel.interactions import InteractionLog


class Steady:
    """Purchases without leaving (NBD): (r + x) / (alpha + T) a day, for ever."""

    def __init__(self, r: float = 1.0, alpha: float = 20.0) -> None:
        self.r, self.alpha = r, alpha

    def expected_purchases(self, history: pd.DataFrame, horizon: Sequence[str]) -> pd.DataFrame:
        rate = (self.r + history["frequency"]) / (self.alpha + history["T_days"])
        return pd.DataFrame(np.outer(rate, [int(h[:-1]) for h in horizon]), index=history.index, columns=list(horizon))


def log_of(
    rows: Sequence[tuple[object, ...]], columns: str = "customer_id timestamp amount", **more: object
) -> InteractionLog:
    """A log of a few rows, read without remarks."""
    frame = pd.DataFrame(list(rows), columns=columns.split())
    for name in {"timestamp", "known_at"} & set(frame):
        frame[name] = pd.to_datetime(frame[name])
    return InteractionLog.read(frame, quiet=True, **more)  # type: ignore[arg-type]


@pytest.fixture
def steady() -> Steady:
    return Steady()
