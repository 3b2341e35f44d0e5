"""Every feature in simplified Chinese: one short function a class, so that the declarations know one language only."""

from collections.abc import Mapping
from functools import singledispatch
from typing import Final

from crmintel.columns import (
    AMOUNT,
    CATEGORY,
    CHANNEL,
    CURRENCY,
    CUSTOMER,
    ITEM,
    KIND,
    ORDER,
    POINTS,
    PURCHASE,
    QUANTITY,
    RATING,
    RETURN,
    UNIT_PRICE,
)  # fmt: skip
from crmintel.features import catalog as c
from crmintel.features.days import CLOCK_VALUES
from crmintel.features.declare import share_where
from crmintel.features.filters import Both, Either, Is, Not, OnClock, Where, Within
from crmintel.features.rhythm import narrowed
from crmintel.features.spec import Spec, Vocabulary, Windowed
from crmintel.features.words import ALL, in_words, singular

ANYTHING: Final = "互动"
KINDS: Final[Mapping[str, str]] = {
    PURCHASE: "购买", RETURN: "退货", "refund": "退款", "view": "浏览", "visit": "访问", "click": "点击", "search": "搜索",
    "add_to_cart": "加购", "contact": "联系", "call": "通话", "complaint": "投诉", "resolution": "解决", "email_open": "打开邮件",
    "email_click": "点击邮件", "rating": "评分", "review": "评价", "login": "登录", "subscribe": "订阅", "unsubscribe": "退订",
}  # fmt: skip
THEMES: Final[Mapping[str, str]] = {
    "how often": "频率", "money": "金额", "variety": "多样性", "channels": "渠道", "ratings": "评分", "rhythm": "节奏", "tenure": "客龄",
    "returns": "退货", "other contacts": "其他接触", "profile": "客户资料",
}  # fmt: skip
COLUMNS: Final[Mapping[str, str]] = {
    AMOUNT: "金额", QUANTITY: "数量", UNIT_PRICE: "单价", RATING: "评分", POINTS: "积分", CUSTOMER: "客户", ITEM: "商品", CATEGORY: "品类",
    CHANNEL: "渠道", ORDER: "订单", CURRENCY: "币种", KIND: "互动类型", "local_hour": "时段", "local_weekday": "星期", "local_month": "月份",
    "store": "门店", "brand": "品牌", "age": "年龄", "gender": "性别", "income": "收入", "city": "城市", "region": "地区",
}  # fmt: skip
VALUES: Final[Mapping[str, Mapping[str, str]]] = {
    KIND: KINDS,
    "local_hour": {h: f"{h}点" for h in CLOCK_VALUES["local_hour"]},
    "local_weekday": {d: f"星期{zh}" for d, zh in zip(CLOCK_VALUES["local_weekday"], "一二三四五六日", strict=True)},
    "local_month": {m: f"{n}月" for n, m in enumerate(CLOCK_VALUES["local_month"], start=1)},
}
"""The values that are translated: they say by themselves which column they are of."""
PHRASES: Final[Mapping[str, str]] = {
    "at the weekend": "周末",
    "at night": "夜间",
    "share of purchases at the weekend": "周末购买的占比",
    "share of purchases at night": "夜间购买的占比",
    "orders": "订单数",
    "days with a purchase": "有购买的天数",
    "share of days with a purchase, since the first contact,": "有购买的天数占首次互动以来天数的比例",
    "lines per order": "平均每单的商品行数",
    "money spent, net of returns,": "扣除退货后的消费金额",
    "money per order": "平均每单金额",
    "money spent on the first day with a purchase,": "首个购买日的消费金额",
    "different items bought": "购买过的不同商品数",
    "different items per item bought": "平均每次购买的不同商品数",
    "different categories bought from": "购买过的不同品类数",
    "returns per purchase": "退货次数与购买次数之比",
}
"""What the library itself calls features and times; the words of a user stay as they are."""
UNITS: Final[Mapping[str, str]] = {"day": "天", "week": "周", "month": "月"}
TIMES: Final[Mapping[str, str]] = {"day": "天", "hour": "小时", "minute": "分钟", "second": "秒"}


@singledispatch
def sentences(spec: Spec, vocabulary: Vocabulary) -> list[str]:
    """What each column of a feature tells, in Chinese and in the order of ``spec.features(vocabulary)``.

    A feature of a class that is not shipped keeps its own words.

    >>> from crmintel.features import count, recency, where
    >>> sentences(count(where(kind="purchase")).over("30d"), {}), sentences(recency(where(kind="purchase")), {})
    (['最近30天的购买次数'], ['距最近一次购买的天数'])
    """
    return [f.words for f in spec.features(vocabulary)]


@sentences.register
def _(spec: Windowed | c.Top | c.FirstValue | c.LastValue, vocabulary: Vocabulary) -> list[str]:
    if _said.dispatch(type(spec)) is _said.dispatch(object):
        return [f.words for f in spec.features(vocabulary)]
    return [_over(spec, w) for w in spec.windows]


@sentences.register
def _(spec: c.Decayed, vocabulary: Vocabulary) -> list[str]:
    return [f"{_stem(spec)}（每过{_length(spec.half_life)}权重减半）"]


@sentences.register
def _(spec: c.Attribute | c.AttributeValue, vocabulary: Vocabulary) -> list[str]:
    return [spec.phrase or _name(spec.attribute)]


@sentences.register
def _(spec: c.Since, vocabulary: Vocabulary) -> list[str]:
    each = [c.Recency(where=narrowed(spec.where, spec.by, v), windows=spec.windows) for v in vocabulary[spec.by]]
    return [told for one in each for told in sentences(one, vocabulary)]


@sentences.register
def _(spec: c.Gaps, vocabulary: Vocabulary) -> list[str]:
    of = _one(spec.where)
    parts = (
        f"{of}日的平均间隔天数", f"{of}日间隔的波动程度", f"{of}日的最长间隔天数", f"最近两个{of}日的间隔天数",
        f"距最近一次{of}的时间与平均间隔之比",
    )  # fmt: skip
    return [_inside(w, part) for w in spec.windows for part in parts]


@sentences.register
def _(spec: c.Streaks, vocabulary: Vocabulary) -> list[str]:
    return [f"{when}连续有{_one(spec.where)}的{UNITS[spec.unit]}数" for when in ("当前", "最长")]


@sentences.register
def _(spec: c.Joined, vocabulary: Vocabulary) -> list[str]:
    return [f"首次{_one(spec.where)}的{part}" for part in ("年份", "月份")]


@sentences.register
def _(spec: c.Share, vocabulary: Vocabulary) -> list[str]:
    of, column = _many(spec.where), spec.column
    told = [f"{spec.phrase}{_value(column, v)}" if spec.phrase else _equals(column, v) for v in vocabulary[column]]
    return [_joined(_window(w), f"{of}中{value}的占比") for value in told for w in spec.windows]


@sentences.register
def _(spec: c.Response, vocabulary: Vocabulary) -> list[str]:
    of, answers, within = _many(spec.where), _one(spec.answers), _length(spec.within)
    parts = f"{of}后{within}内有{answers}的比例", f"{of}到其后{within}内{answers}的平均小时数"
    return [_joined(_window(w), part) for w in spec.windows for part in parts]


@sentences.register
def _(spec: c.Resolution, vocabulary: Vocabulary) -> list[str]:
    of = _many(spec.where)
    parts = f"从{of}到{_one(spec.answers)}的平均天数", f"尚未解决的{of}次数"
    return [_joined(_window(w), part) for w in spec.windows for part in parts]


@sentences.register
def _(spec: c.BestHour, vocabulary: Vocabulary) -> list[str]:
    return [_joined(_window(w), f"{_many(spec.where)}最常得到回应的时段") for w in spec.windows]


@singledispatch
def _over(spec: Spec, window: str) -> str:
    """The sentence of a feature over a window."""
    return _joined(_window(window), _stem(spec))


@_over.register
def _(spec: c.First | c.Last | c.FirstDay | c.FirstValue | c.LastValue, window: str) -> str:
    return _inside(window, _stem(spec))


@_over.register
def _(spec: c.Recency | c.Tenure, window: str) -> str:
    stem = _stem(spec)
    return f"距{_inside(window, stem[1:])}" if stem.startswith("距") else _inside(window, stem)


@_over.register
def _(spec: c.Trend, window: str) -> str:
    return f"{_joined(_window(window), _stem(spec))}（与之前{_length(window)}相比）"


@_over.register
def _(spec: c.Slope, window: str) -> str:
    return _joined(f"最近{spec.bins}个{_length(window)}周期内", _stem(spec))


@_over.register
def _(spec: c.YearAgo, window: str) -> str:
    return _joined(f"去年同期{_length(window)}", _stem(spec))


def _stem(spec: Spec) -> str:
    """The sentence without its window: that of its phrase, if it has one."""
    return PHRASES.get(spec.phrase) or _share_where(spec) or spec.phrase if spec.phrase else _said(spec)


def _share_where(spec: Spec) -> str:
    """The sentence of `share_where`, told from what it counts; nothing for anything else."""
    if not (isinstance(spec, c.Ratio) and isinstance(spec.top, c.Count) and isinstance(spec.bottom, c.Count)):
        return ""
    both, among = spec.top.where, spec.bottom.where
    condition = both.right if among is not None and isinstance(both, Both) else both
    if condition is None or spec.phrase != share_where(condition, among).phrase:
        return ""
    return f"{_many(both)}占全部{_many(among)}的比例"


@singledispatch
def _said(spec: Spec) -> str:
    """The sentence of a feature without window and phrase."""
    raise NotImplementedError(f"{type(spec).__name__} has no Chinese words yet.")


@_said.register
def _(spec: c.Count) -> str:
    return f"{_many(spec.where)}次数"


@_said.register
def _(spec: c.Total) -> str:
    return f"{_many(spec.where)}的总{_name(spec.column)}"


@_said.register
def _(spec: c.Mean) -> str:
    return f"{_many(spec.where)}的平均{_name(spec.column)}"


@_said.register
def _(spec: c.Largest) -> str:
    return f"{_many(spec.where)}的最高{_name(spec.column)}"


@_said.register
def _(spec: c.Smallest) -> str:
    return f"{_many(spec.where)}的最低{_name(spec.column)}"


@_said.register
def _(spec: c.Spread) -> str:
    return f"{_many(spec.where)}{_name(spec.column)}的波动程度"


@_said.register
def _(spec: c.Quantile) -> str:
    return f"{_many(spec.where)}{_name(spec.column)}的{'中位数' if spec.q == 0.5 else f'{100 * spec.q:g}%分位数'}"


@_said.register
def _(spec: c.Drift) -> str:
    return f"{_many(spec.where)}{_name(spec.column)}平均每天的变化量"


@_said.register
def _(spec: c.First | c.FirstValue) -> str:
    return f"首次{_one(spec.where)}的{_name(spec.column)}"


@_said.register
def _(spec: c.Last | c.LastValue) -> str:
    return f"最近一次{_one(spec.where)}的{_name(spec.column)}"


@_said.register
def _(spec: c.FirstDay) -> str:
    return f"首个{_one(spec.where)}日的总{_name(spec.column)}"


@_said.register
def _(spec: c.Decayed) -> str:
    return f"近期{_many(spec.where)}{_name(spec.column) if spec.column else '次数'}"


@_said.register
def _(spec: c.ActiveDays) -> str:
    return f"有{_one(spec.where)}的{UNITS[spec.unit]}数"


@_said.register
def _(spec: c.Recency) -> str:
    return f"距最近一次{_one(spec.where)}的天数"


@_said.register
def _(spec: c.Tenure) -> str:
    return f"距首次{_one(spec.where)}的天数"


@_said.register
def _(spec: c.Distinct) -> str:
    return f"{_many(spec.where)}的不同{_name(spec.column)}数"


@_said.register
def _(spec: c.Entropy) -> str:
    return f"{_many(spec.where)}的{_name(spec.column)}多样性"


@_said.register
def _(spec: c.TopShare) -> str:
    return f"{_many(spec.where)}中最常见{_name(spec.column)}的占比"


@_said.register
def _(spec: c.Top) -> str:
    return f"{_many(spec.where)}中最常见的{_name(spec.column)}"


@_said.register
def _(spec: c.Ratio) -> str:
    return f"{_stem(spec.top)}与{_stem(spec.bottom)}之比"


@_said.register
def _(spec: c.Difference) -> str:
    return f"{_stem(spec.top)}与{_stem(spec.bottom)}之差"


@_said.register
def _(spec: c.OfCustomer) -> str:
    return f"{_stem(spec.inner)}在该客户总计中的占比"


@_said.register
def _(spec: c.Trend) -> str:
    return f"{_stem(spec.inner)}的变化"


@_said.register
def _(spec: c.Slope) -> str:
    return f"{_stem(spec.inner)}的变化趋势"


@_said.register
def _(spec: c.YearAgo) -> str:
    return _stem(spec.inner)


def _many(where: Where | None) -> str:
    """What a person calls the interactions that meet a condition."""
    return ANYTHING if where is None else _condition(where) + _noun(where, "和")


def _one(where: Where | None) -> str:
    """What a person calls one of them."""
    return ANYTHING if where is None else _condition(where) + _noun(where, "或")


@singledispatch
def _noun(where: Where, link: str) -> str:
    """What is counted, without the condition before it."""
    return ANYTHING


@_noun.register
def _(where: Is, link: str) -> str:
    return link.join(_value(KIND, v) for v in where.values) if where.column == KIND else ANYTHING


@_noun.register
def _(where: Both, link: str) -> str:
    left = _noun(where.left, link)
    return _noun(where.right, link) if left == ANYTHING else left


@_noun.register
def _(where: Either, link: str) -> str:
    if _alike(where):
        return _noun(where.left, link)
    told = ((_condition(w), _noun(w, link)) for w in (where.left, where.right))
    return link.join(f"“{condition}{noun}”" if condition else noun for condition, noun in told)


@singledispatch
def _condition(where: Where) -> str:
    """What is said before the noun, such as ``"周末"`` or ``"渠道为app的"``; nothing where the noun says it all."""
    return where.condition and f"{where.condition}的"


@_condition.register
def _(where: Is) -> str:
    if where.column == KIND:
        return ""
    return _equals(where.column, *where.values) + ("" if where.column in VALUES else "的")


@_condition.register
def _(where: Within) -> str:
    bounds = ((where.low, "不低于"), (where.high, "低于"))
    told = "且".join(f"{words}{bound:g}" for bound, words in bounds if bound is not None)
    return f"{_name(where.column)}{told}的" if told else f"有{_name(where.column)}的"


@_condition.register
def _(where: OnClock) -> str:
    if where.name == f"hours{where.first_hour}to{where.last_hour}":
        return f"{where.first_hour}点至{where.last_hour}点"
    return PHRASES.get(where.phrase, where.phrase)


@_condition.register
def _(where: Both) -> str:
    told = _all_of(where)
    if len(told) < 2:
        return "".join(map(_condition, told))
    return "且".join(_clause(w, isinstance(w, Either)) for w in told) + "的"


@_condition.register
def _(where: Either) -> str:
    if not _alike(where):
        return ""
    return "或".join(_clause(w, len(_all_of(w)) > 1) for w in (where.left, where.right)) + "的"


@_condition.register
def _(where: Not) -> str:
    inner = where.inner
    if isinstance(inner, OnClock):
        return f"非{_condition(inner)}"
    if isinstance(inner, Is) and len(inner.values) == 1:
        value = _value(inner.column, inner.values[0])
        return f"非{value}" if inner.column in VALUES else f"{_name(inner.column)}不为{value}的"
    noun, condition = _noun(inner, "或"), _condition(inner)
    return f"不满足“{condition.removesuffix('的')}”的" if noun == ANYTHING else f"不属于“{condition}{noun}”的"


def _alike(where: Either) -> bool:
    """Whether both sides speak of the same, so that their conditions tell them apart."""
    sides = where.left, where.right
    return all(map(_condition, sides)) and len({_noun(w, "或") for w in sides}) == 1


def _all_of(where: Where) -> list[Where]:
    """The conditions that must hold together, without those that the noun tells."""
    if isinstance(where, Both):
        return _all_of(where.left) + _all_of(where.right)
    return [where] if _condition(where) else []


def _clause(where: Where, mixed: bool) -> str:
    """A condition as a part of a longer one, in brackets where 且 and 或 would mix."""
    said = _condition(where).removesuffix("的")
    return f"（{said}）" if mixed else said


def _equals(column: str, *values: object) -> str:
    """That a column has one of some values."""
    told = "或".join(_value(column, v) for v in values)
    return told if column in VALUES else f"{_name(column)}为{told}"


def _value(column: str, value: object) -> str:
    """A value of a column; what customers and shops name themselves stays as it is."""
    return VALUES.get(column, {}).get(str(value), str(value))


def _name(column: str) -> str:
    """The name of a column; of one that we do not know, its own."""
    return COLUMNS.get(column, column)


def _window(window: str) -> str:
    """When: ``"最近30天"``."""
    return "至今" if window == ALL else f"最近{_length(window)}"


def _length(window: str) -> str:
    """``"36h"`` as ``"36小时"``."""
    number, _, unit = in_words(window).partition(" ")
    return number + TIMES.get(singular(unit), unit)


def _joined(when: str, what: str) -> str:
    """When and what; a second 的 would be one too many."""
    return f"{when}{what}" if "的" in what else f"{when}的{what}"


def _inside(window: str, what: str) -> str:
    """What over a window; the whole past is not named."""
    return what if window == ALL else f"{_window(window)}内{what}"
