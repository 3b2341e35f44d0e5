"""Which action is open to which customer, and which rule closed it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.columns import ACTION, CUSTOMER, WHY
from crmintel.errors import DataContractError
from crmintel.evaluation.tables import page
from crmintel.showing import Shown

Mask = npt.NDArray[np.bool_]
NONE: Final = "no action"
CONTACT: Final = "contact"
KINDS: Final = ("eligibility", "applicability", "suitability")
"""Whether an action is allowed, whether it makes sense, whether it fits; looked at in this order, contact rules after them."""


@final
@dataclass(frozen=True)
class Rule(Shown):
    """A condition that a customer must meet for an action.

    A missing value in one of its columns means that the rule does not hold: the predicate is only asked about customers
    whose columns are all known.

    Parameters
    ----------
    code : str
        A short reason, for tables: ``"under_age"``.
    says : str
        The same in a sentence for people, said where the rule does not hold.
    holds : callable
        From a table of those columns to one true or false a row. A row's answer may not hang on other rows.
    columns : str or sequence of str
        The columns of the customer table it reads; it sees no other.
    kind : {"eligibility", "applicability", "suitability"}
        Whether the action is allowed, makes sense, or fits.

    Examples
    --------
    >>> adult = Rule("under_age", "The customer is under age.", lambda table: table["age"] >= 18, "age")
    >>> adult.met(pd.DataFrame({"age": [17.0, 18.0, None]})).tolist()
    [False, True, False]
    """

    code: str
    says: str
    holds: Callable[[pd.DataFrame], Any]
    columns: Sequence[str]
    kind: str = KINDS[0]

    def __post_init__(self) -> None:
        for name in ("code", "says"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise DataContractError(f"The {name} of a rule is {getattr(self, name)!r}. Give text.")
        columns = (self.columns,) if isinstance(self.columns, str) else tuple(self.columns)
        if not columns or not all(isinstance(c, str) for c in columns):
            raise DataContractError(f"Rule {self.code!r} names no columns. Give the names of those it reads.")
        object.__setattr__(self, "columns", columns)
        if not callable(self.holds):
            raise DataContractError(
                f"holds of rule {self.code!r} is no function. Give one from a table to true or false."
            )
        if self.kind not in KINDS:
            raise DataContractError(
                f"The kind of rule {self.code!r} is {self.kind!r}. Choose one of {', '.join(KINDS)}."
            )

    def met(self, table: pd.DataFrame) -> Mask:
        """For which rows of a table the rule holds.

        Raises
        ------
        DataContractError
            If the predicate fails, or does not answer true or false for each row.
        """
        part = table[list(self.columns)]
        known = part.notna().all(axis=1).to_numpy(bool)
        part, out = part[known], np.zeros(len(table), bool)
        try:
            said = self.holds(part) if len(part) else []
            turned = isinstance(said, pd.Series) and not said.index.equals(part.index)
            shape = np.shape(said)
            told = pd.array(np.ravel(np.asarray(said, object)), dtype="boolean")
        except Exception as error:  # what a predicate complains of may quote a customer: its kind only is told
            raise DataContractError(
                f"Rule {self.code!r} failed with {type(error).__name__} on columns {', '.join(self.columns)}. "
                "It must answer true or false for each row, from these columns only."
            ) from None
        if turned or shape != (len(part),):
            raise DataContractError(
                f"Rule {self.code!r} gave answers of shape {shape} for {len(part):,} rows{', in another order' if turned else ''}. "
                "Give one for each row, in the order of rows."
            )
        out[known] = told.fillna(False).to_numpy(bool)
        return out


@final
@dataclass(frozen=True, eq=False)
class Check:
    """What one rule says of one action (its number): for whom it holds."""

    action: int
    kind: str
    code: str
    says: str
    holds: Mask


@final
@dataclass(frozen=True, eq=False)
class Eligibility:
    """Which action is open to whom, and why others are not.

    Parameters
    ----------
    mask : DataFrame of bool, one row a customer, one column an action
        Whether the action is open; it is what `allocate` and `explore` take as `eligible`.
    why : DataFrame of text, the same shape
        The code of the first rule that closed the action, missing where it is open. Rules go in the order eligibility,
        applicability, suitability, contact.
    rules : DataFrame
        One row a rule and action: action, kind, code, says, blocked (customers for whom it does not hold), first
        (customers for whom it is the reason given).

    Examples
    --------
    >>> from crmintel.actions import Action, ActionCatalog
    >>> adult = Rule("under_age", "The customer is under age.", lambda table: table["age"] >= 18, "age")
    >>> open_to = ActionCatalog([Action("call", 2.0, rules=(adult,))]).check(pd.DataFrame({"age": [17, 40]}, index=[7, 8]))
    >>> open_to.mask["call"].tolist()
    [False, True]
    """

    mask: pd.DataFrame
    why: pd.DataFrame
    rules: pd.DataFrame

    def counts(self) -> pd.DataFrame:
        """How many customers each rule blocked, for each action: action, kind, code, says, blocked, first."""
        return self.rules.copy(deep=False)

    def reasons(self) -> pd.DataFrame:
        """Why customers have no action at all: customer_id, action ("no action"), action_why."""
        closed = np.asarray(~self.mask.to_numpy(bool).any(axis=1))
        codes = self.why[closed].to_numpy(object)
        said = dict(zip(self.rules["code"], self.rules["says"], strict=True))
        told = [" ".join(said[c] for c in dict.fromkeys(row)) for row in codes]
        return pd.DataFrame({
            CUSTOMER: self.mask.index[closed], ACTION: pd.array([NONE] * len(told), dtype="str"), WHY: pd.array(told, dtype="str"),
        })  # fmt: skip

    def to_frame(self) -> pd.DataFrame:
        """One row a customer and action: customer_id, action, open, why (a code)."""
        n, names = len(self.mask), self.mask.columns
        return pd.DataFrame({
            CUSTOMER: self.mask.index.repeat(len(names)), ACTION: pd.array(list(names) * n, dtype="str"),
            "open": self.mask.to_numpy().ravel(), "why": pd.array(self.why.to_numpy(object).ravel(), dtype="str"),
        })  # fmt: skip

    def __repr__(self) -> str:
        some = int(self.mask.to_numpy().any(axis=1).sum())
        return f"Eligibility: {some:,} of {len(self.mask):,} customers have an action open to them, of {len(self.mask.columns)} actions"

    def _repr_html_(self) -> str:
        opened = pd.DataFrame({ACTION: self.mask.columns, "open": self.mask.sum().to_numpy()})
        return page(repr(self), actions=opened, blocked=self.rules)


def examine(customers: pd.Index, actions: Sequence[str], checks: Iterable[Check]) -> Eligibility:
    """The answer of some checks, which come in the order of reasons for each action."""
    n = len(customers)
    first = np.full((n, len(actions)), -1, np.int16)
    codes: dict[str, int] = {}
    rows = []
    for check in checks:
        shut, column = ~check.holds, first[:, check.action]
        mine = shut & (column < 0)
        column[mine] = codes.setdefault(check.code, len(codes))
        rows.append((actions[check.action], check.kind, check.code, check.says, int(shut.sum()), int(mine.sum())))
    words = np.array([*codes, None], object)
    why = pd.DataFrame(
        {a: pd.array(words[first[:, i]], dtype="str") for i, a in enumerate(actions)},
        index=customers,
        columns=list(actions),
    )
    rules = pd.DataFrame(rows, columns=[ACTION, "kind", "code", "says", "blocked", "first"])
    rules = rules.sort_values(ACTION, kind="stable", key=lambda s: s.map({a: i for i, a in enumerate(actions)}))
    return Eligibility(pd.DataFrame(first < 0, customers, list(actions)), why, rules.reset_index(drop=True))
