"""What is known of customers beside what they did, as it was at the instant."""

from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from crmintel.errors import DataContractError
from crmintel.features.arithmetic import pick
from crmintel.features.engine import Chunk
from crmintel.features.plan import Answer, Plan
from crmintel.features.spec import Spec, Vocabulary
from crmintel.features.variety import OTHER, named
from crmintel.features.words import ALL, Feature, literal, spoken

PROFILE: Final = "profile."
"""What the vocabulary of an attribute is called by, so that it is not taken for that of a column of the log."""


@dataclass(frozen=True, kw_only=True)
class _Attribute(Spec):
    """An attribute of the version of a customer's profile that holds at the instant: ``valid_from < at``."""

    attribute: str

    def __post_init__(self) -> None:
        if self.windows != (ALL,) or self.where is not None:
            raise DataContractError("An attribute has neither windows nor a filter. Leave over() and where out.")

    @property
    def theme(self) -> str:
        return "profile"

    @property
    def said(self) -> str:
        """What it is, in words."""
        return self.phrase or spoken(self.attribute)


@final
@dataclass(frozen=True, kw_only=True)
class Attribute(_Attribute):
    """A number from the profile of a customer; missing without one."""

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """One column."""
        return [Feature(self.title or self.attribute, self.said, f"{literal(self.said)}: {{value}}")]

    def ask(self, plan: Plan, vocabulary: Vocabulary) -> list[Answer]:
        def told(chunk: Chunk) -> npt.NDArray[Any]:
            part, row, there = chunk.attributes
            return pick(_held(part.numbers, self.attribute, "number"), row, there)

        return [told]


@final
@dataclass(frozen=True, kw_only=True)
class AttributeValue(_Attribute):
    """A name from the profile of a customer, told as its place in the vocabulary: its length for any other, missing without one."""

    @property
    def vocabularies(self) -> frozenset[str]:
        return frozenset({PROFILE + self.attribute})

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """One column."""
        values = (*vocabulary[PROFILE + self.attribute], OTHER)
        return [Feature(self.title or self.attribute, self.said, f"{literal(self.said)}: {{value}}", values=values)]

    def ask(self, plan: Plan, vocabulary: Vocabulary) -> list[Answer]:
        values = vocabulary[PROFILE + self.attribute]

        def told(chunk: Chunk) -> npt.NDArray[Any]:
            part, row, there = chunk.attributes
            code = pick(_held(part.codes, self.attribute, "name"), row, there)
            code[code < 0] = np.nan
            held = {v: i for i, v in enumerate(values)}
            places = [held.get(str(v), -1) for v in part.vocabulary[self.attribute].to_pylist()]
            return named(code, np.array([*places, -1]), len(values))

        return [told]


def _held(columns: Any, name: str, kind: str) -> npt.NDArray[Any]:
    if name not in columns:
        raise DataContractError(f"The profiles have no {kind} {name!r}. They have {', '.join(columns) or 'none'}.")
    return np.asarray(columns[name])


ATTRIBUTES: Final = (Attribute, AttributeValue)
"""The features that need no past."""
