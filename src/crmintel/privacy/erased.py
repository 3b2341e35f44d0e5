"""What an erasure did: a record of places and counts, never of customers."""

from dataclasses import dataclass
from typing import final

import pandas as pd

from crmintel.evaluation.tables import page
from crmintel.showing import Shown


@final
@dataclass(frozen=True)
class ErasedFile(Shown):
    """A stored table that held customers to erase: rows removed, and rows of others that lost an element of a list.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from crmintel.privacy import erase
    >>> folder = Path(tempfile.mkdtemp())
    >>> pd.DataFrame({"customer_id": [7, 8]}).to_csv(folder / "people.csv", index=False)
    >>> [(Path(f.path).name, f.removed) for f in erase([8], folder).files]
    [('people.csv', 1)]
    """

    path: str
    removed: int
    changed: int = 0


@final
@dataclass(frozen=True)
class Retrain(Shown):
    """A model that learned from them ("yes"), or may have ("unknown").

    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from crmintel.privacy import erase
    >>> folder = Path(tempfile.mkdtemp())
    >>> pd.DataFrame({"customer_id": [7, 8]}).to_csv(folder / "people.csv", index=False)
    >>> (folder / "model").mkdir()
    >>> _ = (folder / "model" / "manifest.json").write_text("{}")
    >>> [r.trained for r in erase([8], folder).retrain]
    ['unknown']
    """

    path: str
    trained: str


@final
@dataclass(frozen=True)
class Reanchored(Shown):
    """A decision log whose chain was hashed anew: its heads before and after.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from crmintel.privacy import erase
    >>> folder = Path(tempfile.mkdtemp())
    >>> from crmintel.actions import DecisionLog
    >>> records = DecisionLog(folder / "decisions")
    >>> head = records.append(pd.DataFrame({"customer_id": [7, 8], "action": ["mail", "call"]}), at="2024-03-01")
    >>> changed = erase([8], folder).heads[0]
    >>> changed.before == head, records.verify(changed.after).whole
    (True, True)
    """

    path: str
    before: str
    after: str


@final
@dataclass(frozen=True)
class Unsearched(Shown):
    """A file that was not searched, and why.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from crmintel.privacy import erase
    >>> folder = Path(tempfile.mkdtemp())
    >>> pd.DataFrame({"customer_id": [7, 8]}).to_csv(folder / "people.csv", index=False)
    >>> _ = (folder / "notes.pdf").write_bytes(b"%PDF-1.7")
    >>> [Path(u.path).name for u in erase([8], folder).unsearched]
    ['notes.pdf']
    """

    path: str
    why: str


@final
@dataclass(frozen=True)
class Erasure:
    """What was removed where, and what is left to do.

    Parameters
    ----------
    customers : int
        How many were to be erased.
    dry_run : bool
        Whether it was only looked for.
    searched : int
        Files and logs that were searched.
    files : tuple of ErasedFile
    retrain : tuple of Retrain
        Models to train anew.
    heads : tuple of Reanchored
        Decision logs with a new head: keep `after` where `before` was kept, and delete `before`.
    checksums : tuple of str
        Files that hold the digest of a file that was written anew.
    unsearched : tuple of Unsearched
        Files of unknown kinds, or without a column of customers: somebody has to look.
    failed : tuple of Unsearched
        Files that could not be read or written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from crmintel.privacy import erase
    >>> folder = Path(tempfile.mkdtemp())
    >>> pd.DataFrame({"customer_id": [7, 8]}).to_csv(folder / "people.csv", index=False)
    >>> erase([8], folder).rows, pd.read_csv(folder / "people.csv")["customer_id"].tolist()
    (1, [7])
    """

    customers: int
    dry_run: bool
    searched: int
    files: tuple[ErasedFile, ...] = ()
    retrain: tuple[Retrain, ...] = ()
    heads: tuple[Reanchored, ...] = ()
    checksums: tuple[str, ...] = ()
    unsearched: tuple[Unsearched, ...] = ()
    failed: tuple[Unsearched, ...] = ()

    @property
    def rows(self) -> int:
        """Rows removed."""
        return sum(f.removed for f in self.files)

    def to_frame(self) -> pd.DataFrame:
        """One row a finding: what ("removed", "retrain", "new head", "checksum", "not searched", "failed"), path, rows, note."""
        rows: list[tuple[str, str, int | None, str]] = []
        rows += [
            ("removed", f.path, f.removed, f"{f.changed:,} rows of others changed" if f.changed else "")
            for f in self.files
        ]
        rows += [("retrain", r.path, None, f"trained on them: {r.trained}") for r in self.retrain]
        rows += [("new head", h.path, None, h.after) for h in self.heads]
        rows += [("checksum", c, None, "holds the digest of a file that was written anew") for c in self.checksums]
        rows += [("failed", u.path, None, u.why) for u in self.failed]
        rows += [("not searched", u.path, None, u.why) for u in self.unsearched]
        out = pd.DataFrame(rows, columns=["what", "path", "rows", "note"])
        return out.astype({"what": "str", "path": "str", "rows": "Int64", "note": "str"})

    def __repr__(self) -> str:
        done = "would be removed" if self.dry_run else "removed"
        lines = [
            f"Erasure: {self.rows:,} rows of {self.customers:,} customers {done}, in {len(self.files):,} of {self.searched:,} tables"
        ]
        lines += [f"  retrain {r.path} (trained on them: {r.trained})" for r in self.retrain]
        lines += [f"  new head of {h.path}: {h.after[:12]}…" for h in self.heads]
        lines += [f"  {c} holds the digest of a file that was written anew" for c in self.checksums]
        lines += [f"  failed {u.path}: {u.why}" for u in self.failed]
        lines += [f"  not searched: {len(self.unsearched):,} files, see to_frame()"] if self.unsearched else []
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return page(repr(self).splitlines()[0], erasure=self.to_frame())
