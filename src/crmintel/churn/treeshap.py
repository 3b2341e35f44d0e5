"""TreeSHAP by tables: what each column adds to boosted trees, for many rows at a time.

A leaf counts for a row by which of the columns on its path the row agrees with. There are few columns on a path, so what each
of them gets is worked out once for every pattern of agreement and then only looked up. The values are those of the path-dependent
TreeSHAP (Lundberg et al. 2018), which LightGBM also gives, row by row.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import factorial
from typing import Any, Final, Self, final

import numpy as np
import numpy.typing as npt

from crmintel.churn.table import Float

DEEPEST: Final = 10
"""Columns on a path for which there are tables, since these double with each; for longer paths only patterns that occur are worked out."""
_ZERO = 1e-35
Bool = npt.NDArray[np.bool_]


@final
@dataclass(frozen=True, eq=False)
class Leaf:
    """A leaf, and the way to it: for each column on the path its splits (node, left or not), and what it adds by pattern.

    Parameters
    ----------
    columns : tuple of int
    splits : tuple of tuples of (node, bool)
    chance : float, shape (n_columns,)
        The part of the rows that agree with each column.
    value : float
        What the leaf adds to the log-odds.
    added : float, shape (n_columns, 2 ** n_columns), optional
        Bit i of a pattern says whether a row agrees with every split on the i-th column.
    """

    columns: tuple[int, ...]
    splits: tuple[tuple[tuple[int, bool], ...], ...]
    chance: Float
    value: float
    added: Float | None = None

    def told(self, pattern: npt.NDArray[np.intp]) -> Float:
        """What each column adds to rows of some patterns, shape (n_columns, n_rows)."""
        if self.added is not None:
            return self.added[:, pattern]
        different, of = np.unique(pattern, return_inverse=True)
        found: Float = (_added(self.chance[None], different)[0] * self.value)[:, of]
        return found


@final
@dataclass(frozen=True, eq=False)
class Node:
    """A split: which rows go left."""

    column: int
    threshold: float
    values: npt.NDArray[np.int64] | None
    missing: str
    default_left: bool

    def left(self, x: Float) -> Bool:
        """Whether each value of its column goes left."""
        hole = np.isnan(x)
        if self.values is not None:
            return ~hole & np.isin(np.where(hole, -1, x).astype(np.int64), self.values)
        if self.missing == "NaN":
            return np.where(hole, self.default_left, x <= self.threshold)
        known = np.where(hole, 0.0, x)
        goes: Bool = known <= self.threshold
        return np.where(np.abs(known) <= _ZERO, self.default_left, goes) if self.missing == "Zero" else goes


@final
@dataclass(frozen=True, eq=False)
class TreeShap:
    """Trees, ready to say what each column adds.

    Parameters
    ----------
    trees : tuple of (nodes, leaves)
    base : float
        The expected value of all trees.
    """

    trees: tuple[tuple[tuple[Node, ...], tuple[Leaf, ...]], ...]
    base: float

    @classmethod
    def of(cls, dump: dict[str, Any]) -> Self:
        """Of a dumped LightGBM model."""
        base, trees = 0.0, []
        for info in dump["tree_info"]:
            nodes: list[Node] = []
            paths = list(_paths(info["tree_structure"], nodes, ()))
            base += sum(value * n for value, _, n in paths) / sum(n for _, _, n in paths)
            trees.append((tuple(nodes), [_leaf(path, value) for value, path, _ in paths if path]))
        made = iter(_with_tables([leaf for _, leaves in trees for leaf in leaves]))
        return cls(tuple((nodes, tuple(next(made) for _ in leaves)) for nodes, leaves in trees), base)

    def __call__(self, matrix: Float) -> Float:
        """What each column adds, the expected value last; shape (n_rows, n_columns + 1)."""
        x = np.ascontiguousarray(matrix.T)
        out = np.zeros((len(x) + 1, matrix.shape[0]))
        out[-1] = self.base
        for nodes, leaves in self.trees:
            left = [node.left(x[node.column]) for node in nodes]
            right = [~goes for goes in left]
            for leaf in leaves:
                pattern = np.zeros(matrix.shape[0], np.intp)
                for i, splits in enumerate(leaf.splits):
                    agrees = _all([left[n] if goes else right[n] for n, goes in splits])
                    pattern += agrees.astype(np.intp) << i
                for column, added in zip(leaf.columns, leaf.told(pattern), strict=True):
                    out[column] += added
        return out.T


Path = tuple[tuple[int, int, bool, float], ...]
"""The splits on the way to a leaf: column, node, left or not, and the part of the rows that went the same way."""


def _paths(tree: dict[str, Any], nodes: list[Node], path: Path) -> Iterator[tuple[float, Path, float]]:
    """Value, way and rows of each leaf; nodes are added as they come."""
    if "left_child" not in tree:
        yield float(tree["leaf_value"]), path, float(tree.get("leaf_count", 1) or 1)
        return
    number, column = len(nodes), int(tree["split_feature"])
    same = tree["decision_type"] == "=="
    values = np.array([int(v) for v in str(tree["threshold"]).split("||")], np.int64) if same else None
    nodes.append(Node(column, 0.0 if same else float(tree["threshold"]), values, tree["missing_type"], bool(tree["default_left"])))  # fmt: skip
    for goes, side in ((True, "left_child"), (False, "right_child")):
        child = tree[side]
        part = float(child.get("internal_count", child.get("leaf_count"))) / float(tree["internal_count"])
        yield from _paths(child, nodes, (*path, (column, number, goes, part)))


def _leaf(path: Path, value: float) -> Leaf:
    """A leaf at the end of a path: splits on one column count together."""
    splits: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    chance: dict[int, float] = defaultdict(lambda: 1.0)
    for column, node, goes, part in path:
        splits[column].append((node, goes))
        chance[column] *= part
    return Leaf(tuple(splits), tuple(tuple(s) for s in splits.values()), np.array(list(chance.values())), value)


def _with_tables(leaves: list[Leaf]) -> list[Leaf]:
    """The leaves with tables where paths are short; leaves with as many columns are worked out together."""
    sizes, out = np.array([len(leaf.columns) for leaf in leaves]), list(leaves)
    for m in np.unique(sizes[sizes <= DEEPEST]):
        which = np.flatnonzero(sizes == m)
        for some in np.array_split(which, max(1, len(which) * 2**m * m // 2_000_000)):
            added = _added(np.array([leaves[i].chance for i in some]), np.arange(2**m))
            for i, table in zip(some, added, strict=True):
                out[i] = replace(leaves[i], added=table * leaves[i].value)
    return out


def _added(chance: Float, patterns: npt.NDArray[np.intp]) -> Float:
    """Shapley values for leaves of value 1, shape (n_leaves, n_columns, n_patterns).

    A set of columns that are known gives the leaf the product of agreeing (0 or 1) over it and of chance over the others. Products
    of sets of one size are the coefficients of Π (chance + agreeing t).
    """
    n, m = chance.shape
    agrees = (patterns[None, :] >> np.arange(m)[:, None] & 1).astype(np.float64)
    out = np.empty((n, m, len(patterns)))
    weights = [factorial(k) * factorial(m - 1 - k) / factorial(m) for k in range(m)]
    for i in range(m):
        sizes = np.zeros((m, n, len(patterns)))
        sizes[0] = 1.0
        for j in (j for j in range(m) if j != i):
            sizes[1:] = sizes[1:] * chance[:, j, None] + sizes[:-1] * agrees[j]
            sizes[0] *= chance[:, j, None]
        out[:, i] = (agrees[i] - chance[:, i, None]) * np.tensordot(weights, sizes, axes=1)
    return out


def _all(conditions: list[Bool]) -> Bool:
    out = conditions[0]
    for more in conditions[1:]:
        out = out & more
    return out
