"""Frames as the page needs them: all named columns present, nothing else, an own copy."""

from collections.abc import Iterator, Sequence

import pandas as pd

from crmintel.errors import DataContractError


def take(frame: pd.DataFrame | None, what: str, needed: Sequence[str], optional: Sequence[str] = ()) -> pd.DataFrame:
    """The needed and optional columns; optional ones that are not there are missing throughout.

    An empty frame may lack any column.

    Raises
    ------
    DataContractError
        If a frame with rows lacks needed columns.
    """
    columns = [*needed, *optional]
    if frame is None or frame.empty:
        return pd.DataFrame({c: pd.Series(dtype=object) for c in columns})
    lacking = [c for c in needed if c not in frame.columns]
    if lacking:
        raise DataContractError(
            f"The frame {what!r} of the report lacks the columns {', '.join(lacking)}; "
            f"it has {', '.join(map(str, frame.columns))}. Add them, or pass an empty frame."
        )
    return frame.reindex(columns=columns).reset_index(drop=True)


def zoneless(x: pd.Timestamp) -> pd.Timestamp:
    """A time without zone, for comparing months."""
    return pd.Timestamp(x).tz_localize(None)


def records(frame: pd.DataFrame) -> Iterator[dict[str, object]]:
    """The rows as plain dictionaries."""
    names = [str(c) for c in frame.columns]
    for row in frame.itertuples(index=False, name=None):
        yield dict(zip(names, row, strict=True))


def known(frame: pd.DataFrame, column: str) -> bool:
    """Whether a column has any figure at all."""
    return bool(pd.to_numeric(frame[column], errors="coerce").notna().any())
