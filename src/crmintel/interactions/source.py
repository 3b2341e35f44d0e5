"""A source of rows with names that can be told apart, and the complaints about names that are missing."""

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import pyarrow as pa

from crmintel.columns import AMOUNT, CATEGORY, CUSTOMER, ITEM, KNOWN, ORDER, QUANTITY, TIME, UNIT_PRICE
from crmintel.errors import DataContractError

BATCH_ROWS = 500_000
LONGEST_NAME = 255
USUAL: Final = {
    CUSTOMER: (
        "customer", "cust", "client", "user", "member", "household", "account", "reader", "guest", "buyer", "visitor", "loyalty card",
        "客户", "顾客", "会员", "用户",
    ),
    TIME: (
        "date", "time", "datetime", "order date", "invoice date", "transaction date", "purchase date", "date time", "event time",
        "created at", "transaction timestamp", "日期", "时间", "订单日期", "下单时间", "交易时间",
    ),
    AMOUNT: ("total", "total price", "revenue", "sales", "spend", "order total", "order value", "sales value", "金额", "总额"),
    QUANTITY: ("qty", "units", "product quantity", "item quantity", "数量"),
    UNIT_PRICE: ("price", "product price", "item price", "单价", "价格"),
    ITEM: ("item", "product", "stock code", "sku", "article", "item name", "product name", "isbn", "商品", "产品"),
    ORDER: ("order", "invoice", "basket", "transaction", "receipt", "订单"),
    CATEGORY: ("product category", "item category", "department", "genre", "类别", "品类"),
}  # fmt: skip
"""What others call our columns; a word for an identifier may follow."""
_ID: Final = re.compile(r"(id|no|nr|num|number|code|key|编号|号)$")


@final
@dataclass(frozen=True)
class Source:
    """Named columns that can be walked through once, in batches.

    Parameters
    ----------
    names : tuple of str
        The columns of the source.
    read : callable
        Takes the wanted column names, and those whose text may come as dictionaries; yields Arrow tables in source order.
    text : bool
        Whether everything is text (CSV): then numbers and ISO times are parsed, strictly.
    """

    names: tuple[str, ...]
    read: Callable[[list[str], Collection[str]], Iterator[pa.Table]]
    text: bool = False

    def batches(self, columns: list[str], words: Collection[str] = ()) -> Iterator[pa.Table]:
        """The wanted columns in source order; `words` hold names or identifiers, so their text may come as dictionaries."""
        return self.read(columns, words)


def check_names(names: Iterable[Any]) -> tuple[str, ...]:
    """The column names, if they can be told apart and written down."""
    names = list(names)
    if odd := [n for n in names if not isinstance(n, str)]:
        nested = any(isinstance(n, tuple) for n in odd)
        what = "are nested (a MultiIndex)" if nested else "are not text"
        raise DataContractError(f"{len(odd)} column names {what}: {odd[:3]!r}. Give flat text names.")
    if bad := [n for n in names if len(n) > LONGEST_NAME or re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", n)]:
        positions = ", ".join(str(names.index(n)) for n in bad[:3])
        raise DataContractError(
            f"{len(bad)} column names are longer than {LONGEST_NAME} characters or hold control characters "
            f"(columns at positions {positions}). Rename them."
        )
    if doubled := sorted({n for n in names if names.count(n) > 1}):
        raise DataContractError(f"Doubled column names: {', '.join(map(repr, doubled))}. Rename or drop one of each.")
    return tuple(names)


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The existing name that was probably meant."""

    candidates = {_plain(n): n for n in reversed(list(names))}
    close = difflib.get_close_matches(_plain(name), candidates, n=1, cutoff=0.75)
    return candidates[close[0]] if close else None


def _plain(text: str) -> str:
    """A name without its spelling."""
    return re.sub(r"[\W_]+", "", text).casefold()


def usual(names: Iterable[str], known: Iterable[str] = ()) -> dict[str, str]:
    """Our names to the columns that others usually call so; those of ours in `known` are not looked for.

    No spelling is guessed, since an order number is near to a customer number. A price needs a quantity beside it.
    """
    names, known = list(names), {*known}
    there = {_ID.sub("", _plain(n)): n for n in reversed(names)} | {_plain(n): n for n in reversed(names)}
    spelled = {ours: (ours, *USUAL.get(ours, ())) for ours in KNOWN if ours not in known}
    found = {
        ours: next((there[_plain(w)] for w in words if _plain(w) in there), None) for ours, words in spelled.items()
    }
    if AMOUNT in known or found.get(AMOUNT) or not (QUANTITY in known or found.get(QUANTITY)):
        found.pop(UNIT_PRICE, None)
    return {ours: theirs for ours, theirs in found.items() if theirs is not None}


def require(wanted: Mapping[str, str], names: tuple[str, ...]) -> None:
    """Complain of every mapped column that the source lacks, all at once."""
    missing = {ours: theirs for ours, theirs in wanted.items() if theirs not in names}
    if not missing:
        return
    free = [n for n in names if n not in wanted.values()]
    often, hints, pairs = usual(free, {*wanted} - {*missing}), [], []
    for ours, theirs in missing.items():
        meant = nearest(theirs, free) if theirs != ours else None
        guess = meant or often.get(ours) or nearest(ours, [n for n in free if n not in often.values()])
        free = [n for n in free if n != guess]
        often = {o: n for o, n in often.items() if n != guess}
        pairs.append(f'{ours} = "{guess or "THEIRS"}"')
        hints.append(
            f"{theirs!r}"
            + (f" for {ours}" if ours != theirs else "")
            + (f" (did you mean {guess!r}?)" if guess else "")
        )
    seen = ", ".join(map(repr, names[:30])) + (", …" if len(names) > 30 else "")
    more = ", ".join(f'{ours} = "{theirs}"' for ours, theirs in often.items() if ours not in missing)
    raise DataContractError(
        f"Missing columns: {', '.join(hints)}. The source has {seen}. Map them with columns: {', '.join(pairs)}."
        + (" THEIRS stands for the one of these columns that holds it." if any("THEIRS" in p for p in pairs) else "")
        + (f" Probably also: {more}." if more else "")
    )
