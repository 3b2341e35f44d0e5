"""What was found in the data, how often, and what was done about it. Never a customer's value."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, final

import pandas as pd

from crmintel.showing import Shown

Level = Literal["note", "fixed", "warning"]


@final
@dataclass(frozen=True)
class Finding(Shown):
    """One rule that had something to say.

    >>> Finding("rows without a customer or a time", rows=1, share=0.25, action="dropped", level="fixed").rule
    'rows without a customer or a time'
    """

    rule: str
    rows: int
    share: float
    action: str
    level: Level
    few: bool = False
    """Whether it is about so few customers that its figures are theirs: not for other eyes."""


@final
@dataclass(frozen=True)
class QualityReport:
    """What a reader should know before trusting numbers made of these interactions.

    Parameters
    ----------
    rows_read, rows_kept : int
        Rows of the source, and rows that entered the log.
    findings : tuple of Finding
        Rules that fired, warnings first; counts and shares of the rows read.

    Examples
    --------
    >>> print(QualityReport(4, 3, (Finding("rows without a customer or a time", 1, 0.25, "dropped", "fixed"),)))
    4 rows read, 3 kept
      fixed    rows without a customer or a time: 1 (25.0 %), dropped
    """

    rows_read: int
    rows_kept: int
    findings: tuple[Finding, ...] = ()

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that are probably not meant."""
        return tuple(f for f in self.findings if f.level == "warning")

    def to_frame(self) -> pd.DataFrame:
        """One row a finding: rule, rows, share (of rows read), action, level."""
        columns = ["rule", "rows", "share", "action", "level"]
        return pd.DataFrame([[getattr(f, c) for c in columns] for f in self.findings], columns=columns)

    def __str__(self) -> str:
        lines = [f"{self.rows_read:,} rows read, {self.rows_kept:,} kept"]
        lines += [f"  {f.level:<8} {f.rule}{_counted(f)}, {f.action}" for f in self.findings]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        table = self.to_frame().to_html(
            index=False, escape=True, formatters={"rows": "{:,}".format, "share": "{:.1%}".format}
        )
        return f"<p><b>{self.rows_read:,}</b> rows read, <b>{self.rows_kept:,}</b> kept</p>{table}"


def _counted(finding: Finding) -> str:
    """The rows of a finding that is about rows."""
    return f": {finding.rows:,} ({100 * finding.share:.1f} %)" if finding.rows else ""


class Tally:
    """Counts of broken rules, gathered batch by batch, with the first row positions.

    Attributes
    ----------
    forms : dict
        Of rules about times: the forms in which all of the times may be written.
    """

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._first: dict[str, list[int]] = {}
        self.forms: dict[str, tuple[str, ...]] = {}

    def note(self, rule: str, positions: Iterable[int], count: int) -> None:
        """Remember that `rule` fired on `count` rows, of which the first stand at `positions`."""
        if count:
            self._rows[rule] = self._rows.get(rule, 0) + count
            known = self._first.setdefault(rule, [])
            known.extend([int(p) for p in positions][: 3 - len(known)])

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that fired, in the order in which they first did."""
        return tuple(self._rows)

    def count(self, rule: str) -> int:
        """How many rows broke the rule."""
        return self._rows.get(rule, 0)

    def where(self, rule: str) -> str:
        """The first positions, as words for a message."""
        first = self._first.get(rule, [])
        return f"first rows: {', '.join(map(str, first))}" if first else "positions unknown"
