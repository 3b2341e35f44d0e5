"""One column of one customer in words, English or Chinese."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

from crmintel.churn.table import Int
from crmintel.errors import DataContractError
from crmintel.features import Feature, FeatureSet
from crmintel.features.words import TINY

Language = Literal["en", "zh"]


@final
@dataclass(frozen=True)
class Teller:
    """The columns of a table in words.

    Parameters
    ----------
    features : tuple of Feature
        One for each column.
    themes : tuple of str
        What each column speaks of.
    """

    features: tuple[Feature, ...]
    themes: tuple[str, ...]
    language: Language

    def __call__(self, column: int, value: float) -> str:
        """The sentence of a value."""
        feature = self.features[column]
        if self.language == "en":
            return feature.tell(value)
        if math.isnan(value):
            return f"{feature.words}：{feature.absent or '未知'}"
        if 0 < abs(value) < TINY:
            return f"{feature.words}：接近 0"
        if feature.values:
            return f"{feature.words}：{feature.values[int(value)]}"
        return f"{feature.words}：{Feature('', '', '={value}').tell(value)[1:]}"

    @property
    def joint(self) -> str:
        """What stands between two sentences of one reason."""
        return "; " if self.language == "en" else "；"

    def plain_of(self, columns: Int) -> Int:
        """Those of some columns that need no lesson; all of them, if none does without."""
        plain = [c for c in columns if self.features[c].plain]
        return columns[[c in plain for c in columns]] if plain else columns


def teller(
    names: tuple[str, ...], levels: Mapping[str, tuple[str, ...]], features: FeatureSet | None, themes: Mapping[str, str] | None, language: Language
) -> Teller:  # fmt: skip
    """Words for columns: of the features where these are known, and plain ones otherwise.

    Raises
    ------
    DataContractError
        If the language is unknown, or `themes` names columns that do not exist.
    """
    if language not in ("en", "zh"):
        raise DataContractError(f"Reasons are told in 'en' or 'zh', not in {language!r}.")
    if odd := sorted(set(themes or {}) - set(names)):
        raise DataContractError(f"themes names columns that the model does not have: {', '.join(odd)}.")
    known = {} if features is None else {f.name: f for f in features.features}
    of = {} if features is None else dict(features.themes)
    if features is not None and language == "zh":
        meaning = {str(n): (str(theme), str(words)) for n, theme, words in features.describe("zh").to_numpy()}
        known = {
            n: Feature(n, meaning[n][1], absent=f.absent and "至今没有", plain=f.plain, values=f.values)
            for n, f in known.items()
        }
        of = {n: meaning[n][0] for n in known}
    of |= themes or {}
    plain = {n: Feature(n, n, f"{n.replace('{', '{{').replace('}', '}}')}: {{value}}", f"{n}: not known", values=levels.get(n, ())) for n in names}  # fmt: skip
    return Teller(tuple(known.get(n, plain[n]) for n in names), tuple(of.get(n, n) for n in names), language)
