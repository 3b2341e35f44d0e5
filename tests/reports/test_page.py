"""The page: the same every time, safe to open, silent about small groups, and whole when parts are missing."""

import ast
import base64
import dataclasses
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from crmintel.errors import DataContractError
from crmintel.reports import Report, canvas, doing, forecasts, render, words, write
from crmintel.reports.language import speaking, told
from tests.reports.conftest import Figure, frame

Change = Callable[..., Report]
EMPTY = pd.DataFrame()


def light(report: Report, **fields: object) -> Report:
    """The report without pictures, which take the time, and with some fields replaced."""
    base = dataclasses.replace(report.base, monthly=EMPTY, concentration=None, retention=EMPTY)
    return dataclasses.replace(report, **{"base": base, "churn": None, "value": None, **fields})  # type: ignore[arg-type]


@pytest.mark.slow
def test_two_renders_are_the_same_bytes(report: Report, page: str) -> None:
    assert render(report) == page


@pytest.mark.slow
def test_the_page_does_not_depend_on_the_hash_seed_or_the_time_zone() -> None:
    code = "import hashlib, conftest; from crmintel.reports import render; print(hashlib.sha256(render(conftest.make_report()).encode()).hexdigest())"
    sums = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={
                **os.environ,
                "PYTHONHASHSEED": seed,
                "TZ": zone,
                "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)]),
            },
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed, zone in (("1", "UTC"), ("77", "Asia/Tokyo"))
    }
    assert len(sums) == 1


@pytest.mark.slow
def test_the_readers_own_plot_settings_change_nothing(report: Report, page: str) -> None:
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert render(report) == page
        assert mpl.rcParams["font.size"] == 30


@pytest.mark.slow
def test_write_leaves_one_file_with_the_page(report: Report, page: str, tmp_path: Path) -> None:
    path = write(report, tmp_path / "new" / "report.html")
    assert path.read_bytes().decode() == page
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    assert path.stat().st_size < 2_000_000


def test_nothing_is_fetched_from_anywhere(page: str) -> None:
    assert not re.search(r"""(?:src|href)\s*=\s*["']?\s*(?:https?:|//)|url\(\s*["']?(?!#)|@import""", page)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.S)  # our own, and nothing else may run
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{allowed}'"
    assert f'content="{policy}"' in page


@pytest.mark.slow
def test_markup_in_names_is_shown_and_never_run(report: Report) -> None:
    bad = '<script>alert(1)</script>"onload="x'
    assert report.offers is not None
    assert report.plan is not None
    page = render(
        light(
            report,
            title=bad,
            source=bad,
            notes=(bad,),
            quality=report.quality.replace("exact duplicates", bad),
            segments=report.segments.replace("Champions", bad),
            tiers=report.tiers.replace("gold", bad),
            stages=report.stages.replace("new", bad),
            offers=dataclasses.replace(report.offers, mode=bad, top=report.offers.top.replace("Home", bad)),
            plan=dataclasses.replace(report.plan, statement=bad, experiment={bad: bad}),
        )
    )
    assert page.count("<script") == 1
    assert '"onload="' not in page
    assert page.count("&lt;script&gt;") >= 9


class Ids(HTMLParser):
    """All ids and all targets of links and references inside the page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            text = value or ""
            if name == "id":
                self.ids.append(text)
            if name in ("href", "aria-labelledby"):
                self.targets |= {t.removeprefix("#") for t in text.split() if name != "href" or t.startswith("#")}
            self.targets |= set(re.findall(r"url\(#([^)]+)\)", text))


def test_ids_are_unique_and_every_reference_has_its_target(page: str) -> None:
    found = Ids()
    found.feed(page)
    assert len(found.ids) == len(set(found.ids))
    assert found.targets <= set(found.ids)


def test_every_picture_says_in_words_what_it_shows(page: str) -> None:
    assert page.count("<svg") == 10
    assert len(re.findall(r'<svg [^>]*role="img" aria-label="[^"]{20,}"', page)) == 10
    assert len(re.findall(r'<div class="drawing" data-hint="[^"]{20,}">', page)) == 10
    assert page.count('data-tip="') > 200


def test_small_groups_are_put_together_and_cannot_be_worked_out(page: str) -> None:
    for name in ("VIP", "Staff", "A thing for three", "moved to another channel", "complained"):
        assert name not in page
    assert "other (small groups)" in page
    assert "11 customers" in page  # 7 + 4


def test_a_lone_small_group_takes_the_next_smallest_with_it(report: Report) -> None:
    page = render(light(report, segments=report.segments[report.segments["segment"] != "Staff"], plan=None))
    assert "VIP" not in page
    assert "Champions" not in page
    assert "993 customers" in page  # 986 + 7


def test_segments_merged_in_one_place_are_merged_in_the_plan_too(report: Report) -> None:
    assert report.plan is not None
    segments = report.segments[report.segments["segment"] != "Staff"]
    spread = report.plan.by_segment.copy()
    spread.loc[spread["segment"] == "VIP", "contacted"] = 0
    spread.loc[spread["segment"] == "Staff", ["contacted", "customers"]] = [20, 30]
    page = render(light(report, segments=segments, plan=dataclasses.replace(report.plan, by_segment=spread)))
    assert "Champions" not in page  # alone it would tell how many the VIP are
    assert "212 of 993 customers" in page
    assert "20 of 30 customers" in page


def test_segments_with_few_contacts_are_merged_in_the_plan(report: Report) -> None:
    page = render(light(report))
    assert "4 of 7 customers" not in page
    assert "218 of 997 customers" in page  # 212 + 4 + 2 of 986 + 7 + 4


@pytest.mark.slow
def test_months_and_cohorts_of_few_customers_stay_empty(report: Report, change: Change) -> None:
    base = report.base
    monthly = base.monthly.copy()
    monthly.loc[3, ["active_customers", "new_customers", "revenue"]] = [3, 2, 987_654_321.0]
    page = render(change(base=dataclasses.replace(base, monthly=monthly)))
    assert "987.7M" not in page
    assert "are left empty" in page


def test_a_base_of_few_customers_shows_nothing_about_them(report: Report, change: Change) -> None:
    small = change(base=dataclasses.replace(report.base, customers=7), churn=None, value=None, offers=None, plan=None)
    page = render(small)
    assert "fewer than 10 customers" in page
    assert "Champions" not in page
    assert "2.9M" not in page


def test_sections_that_looked_at_few_customers_say_only_that(report: Report) -> None:
    assert report.churn is not None
    page = render(light(report, churn=dataclasses.replace(report.churn, n=9)))
    assert "Too few customers to say anything" in page
    assert "Ranking (AUC)" not in page


@pytest.mark.slow
@pytest.mark.parametrize("name", ["churn", "value", "offers", "plan"])
def test_a_section_that_is_missing_is_left_out_everywhere(change: Change, name: str) -> None:
    page = render(change(**{name: None}))
    assert f'href="#{name}"' not in page
    assert f'id="{name}"' not in page


def test_the_barest_report_is_a_page(change: Change, report: Report) -> None:
    base = dataclasses.replace(report.base, revenue=None, monthly=EMPTY, concentration=None, retention=EMPTY)
    page = render(
        dataclasses.replace(
            change(churn=None, value=None, offers=None, plan=None, notes=()),
            base=base,
            quality=EMPTY,
            segments=EMPTY,
            tiers=EMPTY,
            stages=EMPTY,
        )
    )
    assert "the history has no amounts" in page
    assert "<svg" not in page


def hollow(section: object) -> object:
    """The section with empty frames throughout."""
    frames = {f.name: EMPTY for f in dataclasses.fields(section) if isinstance(getattr(section, f.name), pd.DataFrame)}  # type: ignore[arg-type]
    others = {
        f.name: {}
        for f in dataclasses.fields(section)  # type: ignore[arg-type]
        if f.name in ("metrics", "experiment")
    }
    return dataclasses.replace(section, **frames, **others)  # type: ignore[type-var]


def clipped(section: object, blank: bool) -> object:
    """The section with one row a frame, its figures missing if so asked."""

    def one(frame: pd.DataFrame) -> pd.DataFrame:
        row = frame.head(1).copy()
        for column in row.columns:
            if blank and pd.api.types.is_numeric_dtype(row[column]) and column != "customers":
                row[column] = np.nan
        return row

    frames = {
        f.name: one(getattr(section, f.name))
        for f in dataclasses.fields(section)  # type: ignore[arg-type]
        if isinstance(getattr(section, f.name), pd.DataFrame)
    }
    return dataclasses.replace(section, **frames)  # type: ignore[type-var]


def changed(report: Report, how: Callable[[object], object]) -> Report:
    parts = {name: how(getattr(report, name)) for name in ("base", "churn", "value", "offers", "plan")}
    whole = how(report)
    assert isinstance(whole, Report)
    return dataclasses.replace(whole, **parts)  # type: ignore[arg-type]


def test_empty_frames_everywhere_are_a_page(report: Report) -> None:
    assert "</html>" in render(changed(report, hollow))


@pytest.mark.slow
@pytest.mark.parametrize("blank", [False, True])
def test_frames_of_one_row_are_a_page_also_without_figures(report: Report, blank: bool) -> None:
    page = render(changed(report, lambda part: clipped(part, blank)))
    assert "</html>" in page
    assert "nan" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL).lower().replace("finance", "")


@pytest.mark.slow
def test_a_history_without_amounts_says_so_and_shows_the_rest(report: Report, change: Change) -> None:
    base = dataclasses.replace(
        report.base, revenue=None, monthly=report.base.monthly.drop(columns="revenue"), concentration=None
    )
    page = render(
        change(
            base=base,
            segments=report.segments.drop(columns=["revenue", "revenue_share", "mean_value"]),
            tiers=report.tiers.drop(columns=["revenue", "revenue_share"]),
            value=None,
        )
    )
    assert "The history has no amounts" in page
    assert "share of money" not in page
    assert "is the largest segment" in page


@pytest.mark.slow
def test_revenue_of_zero_is_no_trouble(report: Report, change: Change) -> None:
    segments = report.segments.assign(revenue=0.0, revenue_share=0.0, mean_value=0.0)
    monthly = report.base.monthly.assign(revenue=0.0)
    curve = report.base.concentration
    assert curve is not None
    base = dataclasses.replace(
        report.base, revenue=0.0, monthly=monthly, concentration=curve.assign(revenue_share=np.nan)
    )
    assert "</html>" in render(change(base=base, segments=segments))


def test_names_of_every_script_and_length_are_shown(report: Report) -> None:
    names = ["高价值客户", "العملاء المخلصون", "🎉 party", "x" * 300, "नमस्ते"]
    segments = report.segments.head(5).assign(segment=names)
    page = render(light(report, segments=segments, plan=None))
    for name in names:
        assert f"<bdi>{name}</bdi>" in page


def test_a_frame_that_lacks_a_column_is_named_with_what_it_has(report: Report) -> None:
    with pytest.raises(DataContractError, match=r"'segments' of the report lacks the columns customers"):
        render(light(report, segments=report.segments.drop(columns="customers")))


@pytest.mark.slow
def test_the_report_given_is_left_as_it_was(report: Report) -> None:
    before = report.segments.copy(), report.base.monthly.copy(), report.base.retention.copy()
    render(report)
    for old, new in zip(before, (report.segments, report.base.monthly, report.base.retention), strict=True):
        pd.testing.assert_frame_equal(old, new)


@pytest.mark.slow
def test_times_with_zones_and_cohorts_as_periods_are_understood(report: Report, change: Change, page: str) -> None:
    span = tuple(t.tz_localize("Europe/London") for t in report.span)
    retention = report.base.retention.set_axis(report.base.retention.index.to_period("M"), axis=0)  # type: ignore[attr-defined]
    assert render(change(span=span, base=dataclasses.replace(report.base, retention=retention))) == page


def test_each_verdict_is_a_badge_and_the_hardest_rule_decides(page: str) -> None:
    assert 'badge good">proven' in page
    assert 'badge unsure">better than simple rules: not proven' in page
    assert 'badge bad">worse than a simple rule' in page
    assert "0.791 (0.779–0.803)" in page


@pytest.mark.slow
def test_a_page_in_chinese_says_everything_in_chinese(report: Report) -> None:
    page = render(report, lang="zh")
    assert '<html lang="zh-Hans">' in page
    for said in ("目录", "摘要", "如何阅读本页", "一半的金额来自", "流失", "客户价值"):
        assert said in page
    for left in ("In short", "customers placed", "Month by month", "Likely to leave", "The plan", "Notes"):
        assert left not in page
    assert 'data-tip="2023年2月：1,484 位活跃客户，其中新客户 408 位"' in page
    assert not [tip for tip in re.findall(r'data-tip="(.*?)"', page) if re.search("[a-z]{3}", tip)]
    assert render(report, lang="zh") == page
    assert "In short" in render(light(report))
    with pytest.raises(DataContractError, match="'en' or 'zh'"):
        render(light(report), lang="fr")


@pytest.mark.slow
def test_every_sentence_of_the_page_is_known_in_chinese() -> None:
    from crmintel.reports.chinese import CHINESE

    home = Path(canvas.__file__).parent
    said = set()
    for path in home.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
                said |= {node.args[0].value} if isinstance(node.args[0], ast.Constant) else set()
    for template in (home / "templates").glob("*.html"):
        said |= set(re.findall(r"""say\("(.*?)"[,)]""", template.read_text(encoding="utf-8")))
    assert len(said) > 150
    assert said <= CHINESE.keys()
    for english, chinese in CHINESE.items():
        assert set(re.findall(r"\{\d", english)) == set(re.findall(r"\{\d", chinese))


@pytest.mark.slow
def test_a_plan_for_few_customers_tells_neither_their_number_nor_their_cost(report: Report) -> None:
    assert report.plan is not None
    design = {"customers contacted": "7", "expected churn without contact": "25.7%"}
    few = dataclasses.replace(report.plan, treated=7, holdout=1, cost=7.77, experiment=design, what_if=None)
    said = render(dataclasses.replace(report, plan=few))
    assert "25.7%" not in said
    assert "7.8" not in said.partition('id="plan"')[2].partition("<h3>")[0]
    assert "fewer than 10" in said


@pytest.mark.slow
def test_the_first_few_of_a_list_are_not_told(report: Report) -> None:
    assert report.churn is not None
    short = dataclasses.replace(report, churn=dataclasses.replace(report.churn, n=150))  # a twentieth are 7 or 8
    page, whole = render(short), render(report)
    assert "The riskiest 5% hold" in whole
    assert "The riskiest 5% hold" not in page


@pytest.mark.slow
def test_a_plan_warns_where_probabilities_are_off(report: Report) -> None:
    assert report.churn is not None
    warning = "trust the order of the customers"
    exact = report.churn.calibration.assign(observed=lambda t: t["predicted"])
    off = report.churn.calibration.assign(observed=lambda t: t["predicted"] + 0.04)
    for bins, warned in ((exact, False), (off, True)):
        churn = dataclasses.replace(report.churn, calibration=bins)
        assert (warning in render(dataclasses.replace(light(report), churn=churn))) == warned


@pytest.mark.slow
def test_a_plan_says_that_its_probabilities_were_beaten(report: Report) -> None:
    assert report.churn is not None
    said = "a probability that a simple rule beat"
    assert said not in render(report)
    lost = report.churn.rules.assign(verdict=lambda t: t["verdict"].replace({"proven": "worse", "not proven": "worse"}))
    assert said in render(dataclasses.replace(light(report), churn=dataclasses.replace(report.churn, rules=lost)))


def test_where_the_plan_goes_falls_and_ends_with_the_rest(report: Report) -> None:
    assert report.plan is not None
    bars = doing._by_segment(report, report.plan, 10)
    assert bars is not None
    shares = [row.bars[0].width for row in bars.rows]
    rest = bars.rows[-1].name == "all other segments"
    assert bars.rows[0].name in bars.title
    assert shares[: len(shares) - rest] == sorted(shares[: len(shares) - rest], reverse=True)
    assert sum(row.name == "all other segments" for row in bars.rows[:-1]) == 0


def test_a_total_that_was_missed_says_so_beside_the_total(report: Report) -> None:
    assert report.value is not None
    assert "in the test the total came out" not in forecasts.value(report.value, report.horizon, 10).finding
    for miss, said in ((-0.394, "39% too low"), (0.2, "20% too high")):
        bias = dataclasses.replace(report.value, metrics={**report.value.metrics, "bias": Figure(miss, -1.0, 1.0)})
        assert said in forecasts.value(bias, report.horizon, 10).finding


def test_what_was_merged_is_never_the_largest_segment(report: Report) -> None:
    segments = frame(
        "segment customers share revenue revenue_share",
        ("loyal", 40, 0.4, 10.0, 0.1), *((f"small {i}", 6, 0.06, 9.0, 0.09) for i in range(10)),
    )  # fmt: skip
    page = render(light(report, segments=segments, plan=None))
    assert "loyal\u2069: 40% of the customers" in page.lower().replace("\u2068", "")


def test_a_history_without_a_remark_is_clean(report: Report) -> None:
    clean = report.quality.iloc[:0]
    assert "The data are clean" in render(light(report, quality=clean))
    assert "No checks of the data were recorded" in render(light(report, quality=EMPTY))


def test_what_others_say_with_figures_is_told_in_chinese() -> None:
    with speaking("zh"):
        assert told("counted as 1,234 orders") == "合计为 1,234 个订单"
        assert told("For new items, popularity was better at the later instant, so the lists are popular items.").count(
            "新商品"
        )
        assert told("Home alone") == "Home alone"
    assert told("counted as 1,234 orders") == "counted as 1,234 orders"


def test_a_name_in_a_sentence_is_cut_between_words() -> None:
    name = "recent amount of purchases and returns (each counts half after 90 days) alone"
    assert words.quoted(name) == "\u2068recent amount of purchases and returns (each counts half…\u2069"
    assert words.quoted("a" * 70) == "\u2068" + "a" * 59 + "…\u2069"
