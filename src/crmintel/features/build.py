"""`FeatureSet`: declared features, frozen vocabularies, and the table they make of a log."""

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, final, overload

import numpy as np
import pandas as pd
import pyarrow as pa

from crmintel import showing
from crmintel.columns import AT, CUSTOMER, KNOWN
from crmintel.errors import DataContractError, DataContractWarning, DataTypeError
from crmintel.features import filters
from crmintel.features.attribute import ATTRIBUTES, PROFILE
from crmintel.features.catalog import SHIPPED
from crmintel.features.days import CLOCK_VALUES
from crmintel.features.instants import instants, same_kind
from crmintel.features.panel import Panel, Rows
from crmintel.features.plan import Answer, Plan
from crmintel.features.spec import Spec, from_dict, to_dict
from crmintel.features.table import Table
from crmintel.features.words import Feature
from crmintel.interactions import InteractionLog, Part, Policies, Zone
from crmintel.interactions.few import few, few_rows, frame_of
from crmintel.interactions.memory import size
from crmintel.interactions.profiles import Profiles

FORMAT = 1
MOST_VALUES = 12
_FILTERS = (filters.Is, filters.Within, filters.OnClock, filters.Both, filters.Either, filters.Not)
_NAMED: tuple[type, ...] = (*SHIPPED, *_FILTERS)
_CLASSES = {c.__name__: c for c in _NAMED}
_STANDARD = Policies()


@final
@dataclass(frozen=True)
class FeatureSet:
    """Features, declared. `build` makes a table of them: one row a customer, or a customer and instant.

    Parameters
    ----------
    specs : sequence of Spec
        What to build.
    vocabulary : mapping of column to values, optional
        The values that became features; filled by `freeze`.

    Examples
    --------
    >>> from crmintel import InteractionLog, features as f
    >>> frame = pd.DataFrame({"customer_id": [1, 1, 2], "timestamp": pd.to_datetime(["2024-01-01", "2024-01-05", "2024-01-09"])})
    >>> fs = f.FeatureSet([f.recency(), f.count().over("7d", "all")])
    >>> fs.build(InteractionLog.read(frame), at="2024-01-09").reset_index()
       customer_id  recency_days  count_7d  count_all
    0            1           4.0       1.0        2.0
    """

    specs: Sequence[Spec]
    vocabulary: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.specs, Spec | str) or not isinstance(self.specs, Iterable):
            raise DataContractError(
                "A feature set is made of a list of features: FeatureSet([f.recency(), f.count()])."
            )
        object.__setattr__(self, "specs", tuple(self.specs))
        object.__setattr__(self, "vocabulary", {c: tuple(map(str, v)) for c, v in self.vocabulary.items()})
        if odd := [type(s).__name__ for s in self.specs if not isinstance(s, Spec)]:
            raise DataContractError(f"Not features: {', '.join(odd)}. Declare them with crmintel.features.")
        if not self.specs:
            raise DataContractError("A feature set needs at least one feature.")
        if self.frozen:
            names = Counter(f.name for f in self.features)
            if doubled := [n for n, c in names.items() if c > 1]:
                raise DataContractError(
                    f"Doubled features: {', '.join(doubled)}. Declare each once, or rename one with named()."
                )

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle needs: plans are made anew."""
        return {"specs": self.specs, "vocabulary": self.vocabulary}

    @cached_property
    def frozen(self) -> bool:
        """Whether every vocabulary is fixed."""
        return all(s.vocabularies <= set(self.vocabulary) for s in self.specs)

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """The columns it makes; only once frozen."""
        self._need_frozen()
        return tuple(f for s in self.specs for f in s.features(self.vocabulary))

    @property
    def names(self) -> list[str]:
        """The names of its columns."""
        return [f.name for f in self.features]

    @property
    def themes(self) -> dict[str, str]:
        """What each feature speaks of: the sentence of its declaration, without a window."""
        return {f.name: s.theme for s in self.specs for f in s.features(self.vocabulary)}

    @cached_property
    def columns(self) -> frozenset[str]:
        """The columns of the log that it reads."""
        return frozenset(c for s in self.specs for c in s.columns)

    def describe(self, language: Literal["en", "zh"] = "en") -> pd.DataFrame:
        """A table of feature, theme and sentence, in English or Chinese.

        Raises
        ------
        DataContractError
            For another language.
        """
        if language not in ("en", "zh"):
            raise DataContractError(f"Features are described in 'en' or 'zh', not in {language!r}.")
        self._need_frozen()
        told = [(f, s.theme) for s in self.specs for f in s.features(self.vocabulary)]
        words = [f.words for f, _ in told]
        if language == "zh":
            from crmintel.features.chinese import THEMES, sentences

            words = [w for s in self.specs for w in sentences(s, self.vocabulary)]
            told = [(f, THEMES.get(theme, theme)) for f, theme in told]
        rows = [(f.name, theme, w) for (f, theme), w in zip(told, words, strict=True)]
        return pd.DataFrame(rows, columns=["feature", "theme", "meaning"])

    def freeze(self, log: InteractionLog, at: Any, *, profiles: Profiles | None = None) -> "FeatureSet":
        """The same features with vocabularies taken from what was known before the (first) instant.

        The twelve most frequent values of a column become features; equal counts go by name.
        """
        return self.with_counts(self.counted(log, at, self.unfrozen(log.columns)), at, log.zone, profiles)

    def unfrozen(self, columns: Iterable[str]) -> list[str]:
        """The columns of a log whose values are to become features, and have no vocabulary yet."""
        asked = frozenset(v for s in self.specs for v in s.vocabularies) - set(self.vocabulary)
        return sorted(c for c in asked if not c.startswith(PROFILE) and (c not in CLOCK_VALUES or c in columns))

    @staticmethod
    def counted(log: InteractionLog, at: Any, columns: list[str]) -> dict[str, Counter[str]]:
        """How often each value of some columns occurs before the (first) instant."""
        counts: dict[str, Counter[str]] = {c: Counter() for c in columns}
        cut = int(instants(at, log.zone)[0])
        for part in log.parts(columns) if columns else ():
            past = part.between(None, cut)
            for column in columns:
                if column not in past.codes:
                    raise DataContractError(
                        f"The log has no column {column!r} to take values from. It has {', '.join(log.columns)}."
                    )
                counts[column].update(_values(past, column))
        return counts

    def with_counts(
        self, counts: Mapping[str, Counter[str]], at: Any, zone: Zone, profiles: Profiles | None = None
    ) -> "FeatureSet":
        """The same features with vocabularies of the most frequent values; those of attributes come from the profiles."""
        asked = frozenset(v for s in self.specs for v in s.vocabularies) - set(self.vocabulary)
        every = dict(counts)
        for key in sorted(c for c in asked if c.startswith(PROFILE)):
            if profiles is None:
                raise DataContractError("A feature is an attribute of customers. Give their profiles.")
            name, past = key.removeprefix(PROFILE), profiles.part.between(None, int(instants(at, zone)[0]))
            if name not in past.codes:
                raise DataContractError(
                    f"The profiles have no name {name!r}. They have {', '.join(past.codes) or 'none'}."
                )
            every[key] = Counter(_values(past, name))
        fixed = {
            c: tuple(v for v, _ in sorted(n.items(), key=lambda p: (-p[1], p[0]))[:MOST_VALUES])
            for c, n in every.items()
        }
        clock = {c: CLOCK_VALUES[c] for c in asked - set(fixed) if c in CLOCK_VALUES}
        return replace(self, vocabulary={**self.vocabulary, **clock, **fixed})

    @overload
    def build(
        self, log: InteractionLog, at: Any, *, customers: Iterable[Any] | None = None, by: str | Sequence[str] = CUSTOMER,
        profiles: Profiles | None = None, threads: int = 2, memory: str | int | None = None, out: None = None, progress: bool = False,
    ) -> pd.DataFrame: ...  # fmt: skip

    @overload
    def build(
        self, log: InteractionLog, at: Any, *, customers: Iterable[Any] | None = None, by: str | Sequence[str] = CUSTOMER,
        profiles: Profiles | None = None, threads: int = 2, memory: str | int | None = None, out: str | Path, progress: bool = False,
    ) -> Path: ...  # fmt: skip

    def build(
        self, log: InteractionLog, at: Any, *, customers: Iterable[Any] | None = None, by: str | Sequence[str] = CUSTOMER,
        profiles: Profiles | None = None, threads: int = 2, memory: str | int | None = None, out: str | Path | None = None,
        progress: bool = False,
    ) -> pd.DataFrame | Path:  # fmt: skip
        """The features of every customer known before each instant.

        Parameters
        ----------
        at : instant or iterable of instants
            Only interactions with ``timestamp < at`` that were known by then play a part.
        customers : iterable, optional
            Return exactly these customers, the silent ones too: counts and totals 0, the rest missing.
        by : str or pair of str
            Whose features: ``"customer_id"``, ``"item_id"`` (or another column of names: then `customer_id` is a column like
            others, so that ``distinct("customer_id")`` counts buyers), or ``("customer_id", "item_id")``.
        profiles : Profiles, optional
            What is known of customers beside what they did, for features that are attributes.
        threads : int
            Threads over chunks of customers; the result does not depend on it.
        memory : str or int, optional
            The largest table that may be held, such as ``"2GB"``; a larger one is refused unless it goes to `out`.
        out : path, optional
            A folder to stream the table to, as Parquet files. An interrupted run with the same call goes on where it
            stopped; files appear whole or not at all.
        progress : bool
            Show a progress bar.

        Returns
        -------
        DataFrame of float64, or Path
            Indexed by customer for one instant, by (customer, at) for several; sorted. With `out`, the folder: the index are
            columns there, and rows are sorted within each file. An unfrozen set is frozen on the past of the first
            instant; freeze it yourself where tables of several calls must agree.

        Raises
        ------
        DataContractError
            If a column is missing, an instant is doubled, a customer identifier has another kind than the log's, the table
            is larger than `memory`, or the folder holds something else.
        """
        if not isinstance(log, InteractionLog):
            raise DataTypeError(f"Features are built of an InteractionLog, not of {type(log).__name__}. Read it first.")
        if threads < 1:
            raise DataContractError(f"There must be at least one thread, not {threads}.")
        ready = self if self.frozen else self.freeze(log, at, profiles=profiles)
        when = instants(at, log.zone)
        keys = _keys(by, customers)
        ready._check_keys(keys)
        wanted = None if customers is None else pd.Index(list(customers), name=CUSTOMER).unique().sort_values()
        if wanted is not None:
            same_kind(wanted, log)
        plan, answers = ready._program
        panel = Panel(ready.columns - {CUSTOMER}, when, answers, plan.backs, keys, wanted, profiles)
        _compare(profiles, log)
        several = isinstance(at, Iterable) and not isinstance(at, str)
        known = {
            name: answer
            for name, answer, spec in zip(ready.names, answers, ready._owners, strict=True)
            if isinstance(spec, ATTRIBUTES)
        }
        table = Table(ready.names, ready.zeros, ready.fingerprint, panel, log, known)
        if out is not None:
            return table.stream(Path(out), threads=threads, progress=progress)
        frame = table.frame(None if memory is None else size(memory), threads=threads, progress=progress)
        return frame if several else frame.droplevel(AT)

    def online(
        self, events: Any, at: Any = None, *, timezone: str = "UTC", policies: Policies = _STANDARD,
        profiles: Profiles | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """The features of the few customers in some events, now: what `build` says, without making a log first.

        Parameters
        ----------
        events : DataFrame, mapping of columns, list of mappings, or InteractionLog
            Everything that the customers did, under our column names. What is unusual in them goes through
            `InteractionLog.read`, and is forgiven or refused there.
        at : instant, optional
            Now, if not given.
        timezone : str
            The business zone.
        policies : Policies
            What to do with rows that break a rule.
        profiles : Profiles, optional
            What is known of the customers beside what they did.

        Returns
        -------
        DataFrame of float64
            Indexed by customer; customers without a row before `at` are not in it.

        Raises
        ------
        DataContractError
            If the set is not frozen, or the events break a rule that no policy forgives.

        Examples
        --------
        >>> from crmintel import features as f
        >>> events = pd.DataFrame({"customer_id": [7, 7], "timestamp": pd.to_datetime(["2024-01-01", "2024-01-03"])})
        >>> FeatureSet([f.recency(), f.count()]).online(events, at="2024-01-04")
                     recency_days  count_all
        customer_id
        7                     1.0        2.0
        """
        self._need_frozen()
        if isinstance(at, Iterable) and not isinstance(at, str):
            raise DataContractError("Online features are told at one instant. Use build() for several.")
        if isinstance(events, InteractionLog):
            return self.build(events, at=pd.Timestamp.now("UTC") if at is None else at, profiles=profiles, threads=1)
        zone, frame = Zone(timezone), frame_of(events)
        plain = isinstance(frame, pd.DataFrame) and policies == _STANDARD
        part = few(frame, zone, self.columns) if plain else None
        if part is None:
            keep = sorted(self.columns - set(KNOWN))
            log = InteractionLog.read(frame, timezone=timezone, policies=policies, keep=keep, quiet=True)
            return self.online(log, at, profiles=profiles)
        rows = self._few(part, at, zone, profiles)
        customers, code = rows.keys[0]
        everybody = customers.to_numpy() if pa.types.is_integer(customers.type) else customers.to_pandas()
        index = pd.Index(everybody[code], name=CUSTOMER)
        return pd.DataFrame(rows.values.T, index, self._columns, copy=False)

    def at_once(self, events: Sequence[Mapping[str, Any]], at: Any = None, *, zone: Zone) -> Rows | None:
        """The bits of `online` for interactions as JSON tells them, without any frame; None where the door must look at them.

        Parameters
        ----------
        events : sequence of mappings
            Numbers and texts under our column names, with times in ISO 8601.
        at : instant, optional
            Now, if not given.
        zone : Zone
            The business clock.

        Examples
        --------
        >>> from crmintel import features as f
        >>> events = [{"customer_id": "a", "timestamp": "2024-01-01"}, {"customer_id": "a", "timestamp": "2024-01-03T12:00"}]
        >>> rows = FeatureSet([f.recency(), f.count()]).at_once(events, "2024-01-04", zone=Zone())
        >>> rows.values.tolist()
        [[0.5], [2.0]]
        """
        self._need_frozen()
        part = few_rows(events, zone, self.columns)
        return None if part is None else self._few(part, at, zone, None)

    def _few(self, part: Part, at: Any, zone: Zone, profiles: Profiles | None) -> Rows:
        """The rows of a few customers, now if no instant is given."""
        when = np.array([zone.instant(pd.Timestamp.now("UTC") if at is None else at)])
        plan, answers = self._program
        return Panel(frozenset(), when, answers, plan.backs, profiles=profiles).rows(part, zone)

    @property
    def _owners(self) -> list[Spec]:
        """The declaration of each column."""
        return [s for s in self.specs for _ in s.features(self.vocabulary)]

    def _check_keys(self, keys: tuple[str, ...]) -> None:
        """Refuse names and attributes that do not go with the keys of a table."""
        if taken := sorted({*keys, AT} & set(self.names)):
            raise DataContractError(
                f"Features cannot be called {', '.join(taken)}: rows carry these names. Use named()."
            )
        if keys[0] != CUSTOMER and any(isinstance(s, ATTRIBUTES) for s in self.specs):
            raise DataContractError(
                f"Profiles are of customers, and these rows are of {keys[0]!r}. Leave attributes out."
            )

    @cached_property
    def _columns(self) -> pd.Index:
        return pd.Index(self.names)

    @cached_property
    def _program(self) -> tuple[Plan, list[Answer]]:
        """What is worked out together, and what gives each column."""
        plan = Plan()
        return plan, [answer for s in self.specs for answer in s.ask(plan, self.vocabulary)]

    @property
    def zeros(self) -> list[str]:
        """The features whose value for nothing is 0 rather than missing."""
        return [name for s in self.specs for name in s.zeros(self.vocabulary)]

    def _need_frozen(self) -> None:
        if not self.frozen:
            raise DataContractError("Some features depend on the values of a column. Call freeze(log, at) first.")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the declaration: equal sets, equal prints."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """The declaration as canonical JSON; `from_json` reads it back."""
        data = {"format": FORMAT, "specs": [to_dict(s) for s in self.specs], "vocabulary": self.vocabulary}
        return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "FeatureSet":
        """Read what `to_json` wrote."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError:
            data = None
        if not isinstance(data, dict) or not {"format", "specs", "vocabulary"} <= data.keys():
            raise DataContractError("This is no feature set. Read what save() or to_json() wrote.")
        if data["format"] != FORMAT:
            raise DataContractError(f"The feature set has format {data['format']!r}; this version reads {FORMAT}.")
        return cls(from_dict(data["specs"], _CLASSES), {k: tuple(v) for k, v in data["vocabulary"].items()})

    def save(self, path: str | Path) -> None:
        """Write the declaration."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "FeatureSet":
        """Read a saved declaration."""
        return cls.from_json(Path(path).read_text(encoding="utf-8"))

    def _repr_html_(self) -> str:
        if not self.frozen:
            return showing.page(repr(self))
        told = self.describe()
        themes = told.groupby("theme", sort=False).agg(features=("feature", "size"), such_as=("meaning", "first"))
        every = told.to_html(index=False, border=0, justify="left")
        return f"{showing.page(repr(self), themes=themes.reset_index())}<details><summary>All of them</summary>{every}</details>"

    def __repr__(self) -> str:
        return (
            f"FeatureSet of {len(self.features)} features"
            if self.frozen
            else f"FeatureSet of {len(self.specs)} specs, not frozen yet"
        )


def _values(part: Part, column: str) -> dict[str, int]:
    """How often each value of a column occurs."""
    codes = part.codes[column]
    found = np.bincount(codes[codes >= 0], minlength=len(part.vocabulary[column]))
    return {str(v): int(n) for v, n in zip(part.vocabulary[column].to_pylist(), found, strict=True) if n}


def _keys(by: str | Sequence[str], customers: Any) -> tuple[str, ...]:
    """Whose features are asked for."""
    keys = (by,) if isinstance(by, str) else tuple(by)
    if not (len(keys) == 1 or (len(keys) == 2 and keys[0] == CUSTOMER != keys[1])):
        raise DataContractError(
            f"Features are told by one column or by ({CUSTOMER!r}, another column), not by {keys!r}."
        )
    if isinstance(customers, str):
        raise DataContractError("customers is one text. Give a list of identifiers.")
    if customers is not None and keys != (CUSTOMER,):
        raise DataContractError(f"customers= lists whose rows are wanted by {CUSTOMER!r} only. Leave it or by= out.")
    return keys


def _compare(profiles: Profiles | None, log: InteractionLog) -> None:
    """Say how many customers have no profile: their attributes are missing, and their rows stay."""
    if profiles is not None:
        everybody = pa.array(log.customers, log.store.schema.field(CUSTOMER).type)
        absent, idle = profiles.compared(everybody)
        if absent or idle:
            warnings.warn(
                f"{absent:,} of {len(log.customers):,} customers of the log have no profile: their attributes are missing. "
                f"{idle:,} profiles belong to customers without interactions.",
                DataContractWarning,
                stacklevel=3,
            )
