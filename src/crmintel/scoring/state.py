"""A fitted model as plain data: a tree of values for JSON, and parts for what is large; and back, from known classes only."""

import inspect
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd
import scipy.sparse as sp

from crmintel.errors import BundleError, DataContractError, DataTypeError
from crmintel.features import FeatureSet
from crmintel.interactions import Policies
from crmintel.scoring import frames
from crmintel.scoring.kinds import class_of, kind_of
from crmintel.scoring.pools import Drawers, Pools

LONG: Final = 2_000
"""Texts of so many letters have a part of their own."""
MOST_DEEP: Final = 60
_SPARSE: Final = {"csr_array": sp.csr_array, "csc_array": sp.csc_array, "csr_matrix": sp.csr_matrix, "csc_matrix": sp.csc_matrix}  # fmt: skip


def to_plain(thing: Any, pools: Pools, where: str = "model", deep: int = 0) -> Any:
    """A value as what JSON holds; arrays and long texts go to the pools.

    Raises
    ------
    DataTypeError
        If something is of a class that bundles do not know, such as a learner of scikit-learn.
    """
    if deep > MOST_DEEP:
        raise DataTypeError(f"{where[:200]} holds itself. A bundle holds trees of values only.")

    def encode(value: Any, step: str = "[]") -> Any:
        return to_plain(value, pools, where + step, deep + 1)

    kind = type(thing)
    if thing is None or kind is bool or kind is int:
        return thing
    if kind is str:
        return thing if len(thing) < LONG else {"long": pools.text(thing)}
    if kind is float:
        return thing if math.isfinite(thing) and (thing or math.copysign(1, thing) > 0) else {"float": repr(thing)}
    if kind is list:
        return [encode(v) for v in thing]
    if kind is tuple:
        return {"tuple": [encode(v) for v in thing]}
    if kind in (set, frozenset):
        return {kind.__name__: [encode(v) for v in sorted(thing, key=lambda v: (str(type(v)), v))]}
    if isinstance(thing, np.generic):
        return {"scalar": pools.array(np.asarray(thing))} if thing.dtype.kind in "biufc" else {"scalar": frames.array_to_plain(np.asarray(thing).reshape(1), pools, encode)}  # fmt: skip
    if isinstance(thing, np.ndarray):
        return {"values": frames.array_to_plain(thing, pools, encode)}
    if isinstance(thing, pd.Index):
        return {"index": frames.index_to_plain(thing, pools, encode)}
    if isinstance(thing, pd.Series):
        return {"series": frames.series_to_plain(thing, pools, encode)}
    if isinstance(thing, pd.DataFrame):
        return {"table": frames.table_to_plain(thing, pools, encode)}
    if isinstance(thing, pd.Timestamp):
        return {"timestamp": [thing.as_unit("ns").value, thing.unit, None if thing.tz is None else str(thing.tz)]}
    if isinstance(thing, pd.Timedelta):
        return {"timedelta": [thing.as_unit("ns").value, thing.unit]}
    if kind.__name__ in _SPARSE and sp.issparse(thing):
        matrix: Any = thing
        arrays = [pools.array(a) for a in (matrix.data, matrix.indices, matrix.indptr)]
        return {"sparse": kind.__name__, "shape": list(matrix.shape), "arrays": arrays}
    if isinstance(thing, FeatureSet):
        return {"features": encode(thing.to_json())}
    if isinstance(thing, Policies):
        return {"policies": {f.name: encode(getattr(thing, f.name)) for f in fields(thing)}}
    if isinstance(thing, Mapping):
        return {"dict": [[encode(k), encode(v, f"[{k!r:.40}]")] for k, v in thing.items()]}
    return _object(thing, encode, where)


def _object(thing: Any, encode: Any, where: str) -> dict[str, Any]:
    """An object of a known class as its attributes, without what it works out by itself when asked."""
    kind = kind_of(thing)
    if kind is None:
        raise DataTypeError(
            f"{where[:200]} is a {type(thing).__module__.split('.')[0]} {type(thing).__name__}, which a bundle cannot hold: it is no "
            "plain data of crmintel. Use the learners that come with the package."
        )
    state = {k: encode(v, f".{k}") for k, v in sorted(state_of(thing).items())}
    return {"is": kind, "of": state}


def state_of(thing: Any) -> dict[str, Any]:
    """The attributes that make a thing what it is."""
    state = thing.__getstate__() if _says_itself(type(thing)) else vars(thing)
    left_out = getattr(type(thing), "NOT_SHIPPED", ())
    lazy = {n for n in state if isinstance(inspect.getattr_static(type(thing), n, None), cached_property)}
    return {k: v for k, v in state.items() if k not in lazy and k not in left_out}


def from_plain(plain: Any, drawers: Drawers, deep: int = 0) -> Any:
    """What `to_plain` wrote.

    Raises
    ------
    BundleError
        If anything is not as `to_plain` would have written it.
    """
    if deep > MOST_DEEP:
        raise BundleError("The bundle is nested too deeply to be a model of this package.")

    def decode(value: Any) -> Any:
        return from_plain(value, drawers, deep + 1)

    if plain is None or isinstance(plain, bool | int | float | str):
        return plain
    if isinstance(plain, list):
        return [decode(v) for v in plain]
    match plain:
        case {"is": str(kind), "of": dict(state)}:
            return _made(kind, {k: decode(v) for k, v in state.items()})
        case {"long": name}:
            return drawers.text(name)
        case {"float": text}:
            return float(text)
        case {"tuple": values}:
            return tuple(decode(v) for v in values)
        case {"set": values}:
            return {decode(v) for v in values}
        case {"frozenset": values}:
            return frozenset(decode(v) for v in values)
        case {"scalar": list(place)}:
            return drawers.array(place)[()]
        case {"scalar": dict(values)}:
            return frames.array_from_plain(values, drawers, decode)[0]
        case {"values": values}:
            return frames.array_from_plain(values, drawers, decode)
        case {"index": values}:
            return frames.index_from_plain(values, drawers, decode)
        case {"series": values}:
            return frames.series_from_plain(values, drawers, decode)
        case {"table": values}:
            return frames.table_from_plain(values, drawers, decode)
        case {"timestamp": [value, unit, zone]}:
            at = pd.Timestamp(value, unit="ns", tz=None if zone is None else "UTC")
            return (at if zone is None else at.tz_convert(zone)).as_unit(unit)
        case {"timedelta": [value, unit]}:
            return pd.Timedelta(value, unit="ns").as_unit(unit)
        case {"sparse": str(name), "shape": shape, "arrays": [data, indices, indptr]} if name in _SPARSE:
            held = (drawers.array(data), drawers.array(indices), drawers.array(indptr))
            return _SPARSE[name](held, shape=tuple(shape))
        case {"features": text}:
            return FeatureSet.from_json(decode(text))
        case {"policies": values}:
            return Policies(**{k: decode(v) for k, v in values.items()})
        case {"dict": pairs}:
            return {decode(k): decode(v) for k, v in pairs}
    raise BundleError(f"The bundle holds something unknown ({', '.join(sorted(plain))[:80]}). Read it with the version that wrote it.")  # fmt: skip


def _made(kind: str, state: dict[str, Any]) -> Any:
    """An object with these attributes; none of its methods runs but the one that takes up a state."""
    found = class_of(kind)
    if found is None:
        raise BundleError(f"The bundle holds a {kind[:80]!r}, which this version does not know.")
    needed = _needed(found)
    if needed - state.keys():
        raise BundleError(
            f"The bundle holds a {kind} without {', '.join(sorted(needed - state.keys()))}: another version wrote it. Fit and save it anew, or read it "
            "with that version."
        )
    thing: Any = object.__new__(found)
    if hasattr(found, "__setstate__"):
        found.__setstate__(thing, state)
    else:
        for name, value in state.items():
            object.__setattr__(thing, name, value)
    return thing


def _needed(found: type) -> set[str]:
    """The attributes that every object of a class has."""
    if _says_itself(found):
        return set()
    if is_dataclass(found):
        return {f.name for f in fields(found)}
    if not hasattr(found, "fit"):
        return set()
    settings = inspect.signature(found.__init__).parameters.values()  # type: ignore[misc]  # of a class, not of an instance
    named = {p.name for p in settings if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    return named - {"self"} - vars(found).keys()  # a setting that came later has a default on its class


def _says_itself(kind: type) -> bool:
    """Whether a class of this package says what its state is, such as trees that are text then."""
    return str(getattr(kind.__getstate__, "__module__", "")).startswith("crmintel.")


def shipped(model: Any) -> Any:
    """Complain of what is no model of this package, before anything is written."""
    if kind_of(model) is None:
        raise DataContractError(
            f"{type(model).__name__} is no model that a bundle can hold. Give a fitted model of crmintel, or a CustomerModel of one."
        )
    return model
