"""Features in Chinese: exact sentences, every shipped class, and nothing left in English."""

import re
from dataclasses import dataclass
from typing import final

import pytest

from crmintel import features as f
from crmintel.columns import CATEGORY, CHANNEL
from crmintel.features import Feature, FeatureSet, Spec, catalog, chinese, standard
from crmintel.features.chinese import sentences
from crmintel.features.days import CLOCK_VALUES
from tests.features.test_features import MANY
from tests.features.test_promises import EVERY

BUYS, VISITS, CONTACTS = f.where(kind="purchase"), f.where(kind="visit"), f.where(kind="contact")
TEA, APP, DEAR = f.where(category="tea"), f.where(channel="app"), f.between("amount", 20)
ELSEWHERE = [f.attribute("age"), f.attribute_value("gender"), f.share_of_customer(f.total("amount", BUYS).over("90d"))]
VOCABULARY = {
    "kind": ("purchase", "survey"), "channel": ("web", "app"), "category": ("tea", "cup"), "profile.gender": ("f", "m"), **CLOCK_VALUES,
}  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (f.count(BUYS).over("30d", "36h", "all"), ["最近30天的购买次数", "最近36小时的购买次数", "至今的购买次数"]),
        (f.recency(BUYS).over("all", "90d"), ["距最近一次购买的天数", "距最近90天内最近一次购买的天数"]),
        (f.tenure(), ["距首次互动的天数"]),
        (f.mean("amount", BUYS).over("90d"), ["最近90天购买的平均金额"]),
        (f.quantile("amount", 0.9, BUYS), ["至今购买金额的90%分位数"]),
        (f.last("amount", BUYS).over("all", "30d"), ["最近一次购买的金额", "最近30天内最近一次购买的金额"]),
        (f.active_weeks(BUYS).over("90d"), ["最近90天有购买的周数"]),
        (f.streaks(BUYS), ["当前连续有购买的周数", "最长连续有购买的周数"]),
        (f.joined(), ["首次互动的年份", "首次互动的月份"]),
        (f.decayed("amount", BUYS), ["近期购买金额（每过30天权重减半）"]),
        (f.distinct("item_id", BUYS).over("365d"), ["最近365天购买的不同商品数"]),
        (f.top("channel").over("365d"), ["最近365天互动中最常见的渠道"]),
        (f.share("channel", BUYS), ["至今购买中渠道为web的占比", "至今购买中渠道为app的占比"]),
        (f.since(), ["距最近一次购买的天数", "距最近一次survey的天数"]),
        (f.share("kind").over("7d"), ["最近7天互动中购买的占比", "最近7天互动中survey的占比"]),
        (f.trend(f.count(BUYS), "30d"), ["最近30天购买次数的变化（与之前30天相比）"]),
        (f.slope(f.count(BUYS), "30d", bins=3), ["最近3个30天周期内购买次数的变化趋势"]),
        (f.year_ago(f.count(BUYS), "90d"), ["去年同期90天的购买次数"]),
        (f.ratio(f.count(f.where(kind="return")), f.count(BUYS)), ["至今的退货次数与购买次数之比"]),
        (f.difference(f.count(BUYS), f.count(VISITS)).over("1d"), ["最近1天的购买次数与访问次数之差"]),
        (ELSEWHERE[2], ["最近90天购买的总金额在该客户总计中的占比"]),
        (f.share_where(f.weekend(), BUYS).over("90d"), ["最近90天周末购买占全部购买的比例"]),
        (f.share_where(f.where(kind="return")), ["至今退货占全部互动的比例"]),
        (f.response(CONTACTS, BUYS), ["至今联系后7天内有购买的比例", "至今联系到其后7天内购买的平均小时数"]),
        (f.best_hour(CONTACTS, BUYS).over("365d"), ["最近365天联系最常得到回应的时段"]),
        (
            f.resolution(f.where(kind="complaint"), f.where(kind="resolution")),
            ["至今从投诉到解决的平均天数", "至今尚未解决的投诉次数"],
        ),
        (ELSEWHERE[0], ["年龄"]),
        (ELSEWHERE[1], ["性别"]),
        (f.attribute("wage"), ["wage"]),
    ],
)  # fmt: skip
def test_a_feature_is_told_as_a_chinese_marketer_would_say_it(spec, told):
    assert sentences(spec, VOCABULARY) == told


@pytest.mark.parametrize(
    ("where", "told"),
    [
        (None, "互动"), (f.where(kind="email_open"), "打开邮件"), (f.where(kind="survey"), "survey"), (f.where(store=7), "门店为7的互动"),
        (f.where(kind=["purchase", "return"]), "购买和退货"), (BUYS & f.night(), "夜间购买"), (f.weekend() & BUYS, "周末购买"),
        (f.where(kind="purchase", category=["tea", "cup"]), "品类为cup或tea的购买"), (f.between("points"), "有积分的互动"),
        (f.between("amount", 5, 10), "金额不低于5且低于10的互动"), (BUYS & f.weekend() & DEAR, "周末且金额不低于20的购买"),
        (BUYS & (f.weekend() | f.night()), "周末或夜间的购买"), (BUYS & (APP | DEAR) & TEA, "（渠道为app或金额不低于20）且品类为tea的购买"),
        (APP & TEA | DEAR, "（渠道为app且品类为tea）或金额不低于20的互动"), (BUYS | VISITS, "购买和访问"),
        (BUYS & f.weekend() | VISITS, "“周末购买”和访问"), (~BUYS, "非购买互动"), (~APP, "渠道不为app的互动"), (~f.night(), "非夜间互动"),
        (~DEAR, "不满足“金额不低于20”的互动"), (~(BUYS & f.night()), "不属于“夜间购买”的互动"), (f.where(local_weekday="Monday"), "星期一互动"),
    ],
)  # fmt: skip
def test_a_filter_is_told_before_its_noun(where, told):
    assert sentences(f.count(where).over("7d"), {})[0].removeprefix("最近7天").removeprefix("的") == f"{told}次数"


def test_the_words_of_a_user_stay_as_they_are():
    assert sentences(f.count().named("n", "loyal visits").over("30d"), {}) == ["最近30天的loyal visits"]
    assert sentences(f.trend(f.count().named("n", "会员活跃度"), "30d"), {}) == [
        "最近30天会员活跃度的变化（与之前30天相比）"
    ]
    assert sentences(f.share_where(f.night(), BUYS).named("n", "夜购占比"), {}) == ["至今的夜购占比"]
    assert sentences(f.attribute("age").named("n", "周岁"), {}) == ["周岁"]


def test_a_feature_of_a_user_keeps_its_own_words():
    @final
    @dataclass(frozen=True, kw_only=True)
    class Luck(Spec):
        def features(self, vocabulary):
            return [Feature("luck", "运气")]

        def ask(self, plan, vocabulary):
            raise NotImplementedError

    assert sentences(Luck(), {}) == ["运气"]


def test_every_shipped_feature_has_chinese_words(nasty):
    for many in (MANY, EVERY):
        told = many.freeze(nasty.log, nasty.at[-1])
        assert {type(s) for s in (*told.specs, *ELSEWHERE)} == set(catalog.SHIPPED)
        vocabulary = {**told.vocabulary, **VOCABULARY}
        every = [w for s in (*told.specs, *ELSEWHERE) for w in sentences(s, vocabulary)]
        english = [c.words for s in (*told.specs, *ELSEWHERE) for c in s.features(vocabulary)]
        assert len(every) == len(english)
        assert not set(every) & set(english)


@pytest.mark.parametrize("of", [MANY, EVERY, None])
def test_the_sentences_of_a_set_differ(world, of):
    described = (of or standard(world.log)).freeze(world.log, world.at[-1]).describe(language="zh")
    assert described["meaning"][described["meaning"].duplicated()].tolist() == []


def test_no_english_is_left_in_the_standard_set(simulated):
    fs = standard(simulated.log)
    table = fs.describe(language="zh")
    assert table["feature"].tolist() == fs.names
    values = sorted((v for c in (CATEGORY, CHANNEL) for v in fs.vocabulary[c]), key=len, reverse=True)
    bare = table["meaning"].str.replace("|".join(map(re.escape, values)), "", regex=True)
    assert bare[bare.str.contains("[A-Za-z]")].tolist() == []


def test_no_two_kinds_columns_or_phrases_share_a_word():
    for words in (chinese.KINDS, chinese.COLUMNS, chinese.PHRASES):
        assert len(set(words.values())) == len(words)


def test_sets_know_their_chinese_sentences():
    described = FeatureSet([f.count(BUYS).over("30d"), f.recency()]).describe(language="zh")
    assert described["meaning"].tolist() == ["最近30天的购买次数", "距最近一次互动的天数"]


def test_hours_and_themes_are_told():
    fs = FeatureSet([f.share_where(f.hours(6, 12), f.where(kind="purchase")), f.recency()])
    table = fs.describe(language="zh")
    assert table["meaning"].tolist()[0] == "至今6点至12点购买占全部购买的比例"
    assert table["theme"].tolist() == ["频率", "节奏"]
