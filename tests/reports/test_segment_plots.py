"""The pictures of segments: what they must say, and what they must never tell."""

import html
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmintel.datasets import simulate
from crmintel.errors import DataContractError
from crmintel.interactions import InteractionLog, Policies
from crmintel.reports import plots
from crmintel.reports.axes import Names, shortened
from crmintel.reports.flow_plots import apart
from crmintel.segmentation import (
    RFM,
    CustomerGroups,
    EightTypes,
    Migration,
    Profile,
    ValueTiers,
    migration,
    profile,
    transitions,
)

pytestmark = pytest.mark.slow  # `make check` stays under 90 seconds without them

ODD = '高价值 <b>& "co"</b>'
STAMP = pd.Timestamp("2024-01-01")


def texts(svg: str) -> list[str]:
    """What can be read in a picture, and what a screen reader says."""
    root = ET.fromstring(svg)
    return [t for e in root.iter() for t in [(e.text or "").strip(), e.attrib.get("aria-label", "")] if t]


def scored(*rows: tuple[int, int, int, str]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["r", "f", "customers", "segment"])


def tiers(amounts: list[float]) -> ValueTiers:
    frame = pd.DataFrame(
        {
            "customer_id": [f"person-{i:04d}" for i in range(len(amounts))],
            "timestamp": STAMP,
            "amount": amounts,
            "kind": ["purchase" if a > 0 else "return" for a in amounts],
        }
    )
    return ValueTiers().fit(InteractionLog.read(frame), at="2024-02-01")


def moves(*rows: tuple[str | None, str | None, int]) -> Migration:
    """So many customers from one label to another."""
    pairs = [(a, b) for a, b, n in rows for _ in range(n)]
    index = pd.Index([f"person-{i:04d}" for i in range(len(pairs))], name="customer_id")
    return transitions(pd.DataFrame(pairs, columns=["spring", "autumn"], index=index))


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    x = np.vstack([rng.normal(m, 1, (120, 2)) for m in ((0, 0), (9, 0), (0, 9))])
    index = pd.Index([f"person-{i:04d}" for i in range(len(x))], name="customer_id")
    channel = np.repeat(["web", "shop", "web"], 120)
    return pd.DataFrame({"orders": x[:, 0], "visits": x[:, 1], "channel": channel}, index=index)


@pytest.fixture(scope="module")
def groups(people: pd.DataFrame) -> CustomerGroups:
    return CustomerGroups(3, n_bootstraps=3, n_twins=0).fit(people)


@pytest.fixture(scope="module")
def chosen(people: pd.DataFrame) -> CustomerGroups:
    return CustomerGroups(max_groups=4, n_bootstraps=3, n_twins=4).fit(people[["orders", "visits"]])


@pytest.fixture(scope="module")
def told(people: pd.DataFrame) -> Profile:
    segment = pd.Series(np.repeat([ODD, "few orders"], [120, 240]), index=people.index)
    table = people.assign(orders=10 - people["orders"], **{"a<b": (segment == ODD) * 25 + people["visits"]})
    table["same"] = np.where(segment == ODD, 2.0, 1.0)
    return profile(table, segment, built_from=["channel"], sentences={"orders": "orders & more of the last year"})


@pytest.fixture(scope="module")
def pictures(
    people: pd.DataFrame, groups: CustomerGroups, chosen: CustomerGroups, told: Profile
) -> dict[str, Callable[[], str]]:
    some = moves(("A", "A", 40), ("A", "B", 20), ("B", "A", 15), ("B", "B", 30), (None, "B", 12))
    money = tiers([float(i) for i in range(1, 200)] + [-50.0] * 20)
    cells = scored((5, 5, 120, "champions"), (1, 1, 300, "hibernating"))
    return {
        "rfm_map": lambda: plots.rfm_map(cells, prefix="p"),
        "pareto": lambda: plots.pareto(money, prefix="p"),
        "migration_flows": lambda: plots.migration_flows(some, prefix="p"),
        "group_map": lambda: plots.group_map(groups, people, prefix="p"),
        "profile_bars": lambda: plots.profile_bars(told, ODD, prefix="p"),
        "stability_choice": lambda: plots.stability_choice(chosen, prefix="p"),
    }


NAMES = ["rfm_map", "pareto", "migration_flows", "group_map", "profile_bars", "stability_choice"]


@pytest.mark.parametrize("name", NAMES)
def test_each_picture_is_whole_labelled_markup_and_the_same_twice(
    name: str, pictures: dict[str, Callable[[], str]]
) -> None:
    svg = pictures[name]()
    root = ET.fromstring(svg)
    assert len(root.attrib["aria-label"]) > 25
    assert root.attrib["role"] == "img"
    assert all(e.attrib["id"].startswith("p-") for e in root.iter() if "id" in e.attrib)
    assert not any(word in svg for word in ("<style", "<metadata", "DejaVu", "xlink", "nan", "person-"))
    assert not re.search(r"@\d+@", svg)
    assert pictures[name]() == svg


@pytest.mark.parametrize("name", NAMES)
def test_nothing_leaves_the_sheet_and_no_lines_of_text_meet(name: str, pictures: dict[str, Callable[[], str]]) -> None:
    """Letters are taken to be of their usual width; the browser sees them in the report."""
    svg = pictures[name]()
    wide = float(re.search(r'viewBox="0 0 ([\d.]+) ', svg).group(1))  # type: ignore[union-attr]
    boxes = []
    for style, x, y, text in re.findall(r'<text style="([^"]*)" x="([-\d.]+)" y="([-\d.]+)"[^>]*>([^<]*)</text>', svg):
        size = float(re.search(r"font-size: ([\d.]+)px", style).group(1))  # type: ignore[union-attr]
        long = 0.5 * size * len(html.unescape(text))
        left = float(x) - (long / 2 if "middle" in style else long if "end" in style else 0)
        boxes.append((left, left + long, float(y) - 0.7 * size, float(y), text))
    assert len(boxes) >= 4
    assert [b for b in boxes if b[0] < -1 or b[1] > wide + 1] == []
    for i, (a, b, top, low, text) in enumerate(boxes):
        for c, d, top2, low2, other in boxes[i + 1 :]:
            assert min(b, d) - max(a, c) < 1 or min(low, low2) - max(top, top2) < 1, (text, other)


def test_nothing_is_drawn_of_nothing(groups: CustomerGroups, people: pd.DataFrame, told: Profile) -> None:
    assert plots.rfm_map(pd.DataFrame()) == ""
    assert plots.rfm_map(scored()) == ""
    assert plots.pareto(tiers([-5.0, -4.0])) == ""
    assert plots.migration_flows(moves(("A", "B", 9), ("B", "A", 3))) == ""
    assert plots.group_map(groups, people.iloc[:0]) == ""
    assert plots.profile_bars(told, "no such segment") == ""
    assert plots.stability_choice(groups) == ""  # the number was given: nothing was chosen


# the map of recency and frequency


def test_each_cell_shows_its_customers_and_share_and_each_segment_its_name() -> None:
    shown = texts(plots.rfm_map(scored((5, 5, 30, "champions"), (1, 1, 970, "hibernating"))))
    assert {"30", "970", "3%", "97%", "champions", "hibernating", "cannot", "lose"} <= set(shown)
    assert shown.count("0") == 23


def test_a_small_cell_is_less_than_ten_and_nobody_can_work_it_out() -> None:
    sizes = scored(
        (5, 5, 7, "champions"), (5, 4, 64, "champions"), (1, 1, 300, "hibernating"), (3, 3, 40, "need attention")
    )
    svg = plots.rfm_map(sizes)
    shown = texts(svg)
    assert "<10" in shown
    assert "–" in shown  # the other champions: the size of the segment would tell the seven
    assert not {"7", "64"} & set(shown)
    assert "&lt;10" in svg
    assert {"300", "40"} <= set(shown)
    assert any("worked out" in t for t in shown)


def test_the_shade_of_a_small_cell_tells_nothing() -> None:
    two, nine = (
        plots.rfm_map(scored((5, 5, n, "champions"), (5, 4, m, "champions"), (1, 1, 300, "hibernating")))
        for n, m in ((2, 67), (9, 60))
    )
    assert two == nine


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=25, max_size=25))
def test_no_number_of_fewer_than_ten_is_ever_written(counts: list[int]) -> None:
    sizes = RFM_CELLS.assign(customers=counts)
    if sum(counts) == 0:
        return
    svg = plots.rfm_map(sizes[sizes["customers"] > 0])
    bold = re.findall(r'<text style="font-weight: 700[^>]*>([^<]*)<', svg) + re.findall(
        r'<text style="font-weight: bold[^>]*>([^<]*)<', svg
    )
    shown = [int(t.replace(",", "")) for t in bold if t.strip().isdigit()]
    assert all(n >= 10 for n in shown)
    assert bold.count("&lt;10") == sum(0 < n < 10 for n in counts)


def test_cells_of_other_names_have_no_outlines_and_no_names() -> None:
    svg = plots.rfm_map(scored((5, 5, 30, "important, valued"), (1, 1, 970, "x")))
    assert "champions" not in svg
    assert "important" not in svg
    assert {"30", "970"} <= set(texts(svg))


# who brings the money


def test_the_curve_names_who_brings_four_fifths_and_marks_the_tiers() -> None:
    shown = texts(plots.pareto(tiers([100.0] * 40 + [10 + i / 100 for i in range(60)])))  # 36.9 of the large ones
    assert "37% of customers bring 80% of the money" in shown
    assert {"A", "B", "C"} <= set(shown)
    assert not any("Tier Z" in t for t in shown)


def test_customers_who_cost_money_are_seen_and_said() -> None:
    shown = texts(plots.pareto(tiers([100.0] * 80 + [-50.0] * 20)))  # 8,000 less 1,000
    said = " ".join(shown)
    assert "takes 12% back" in said or "takes 13% back" in said
    assert "87.5%" in said
    assert "Z" in shown


def test_a_tier_of_fewer_than_ten_has_no_band_and_few_rich_are_not_counted() -> None:
    shown = texts(plots.pareto(tiers([1e6] * 4 + [100.0] * 60)))
    assert "Fewer than 10 customers bring 80% of the money" in shown
    assert "A" not in shown
    assert {"6.2%", "4"}.isdisjoint(shown)


def test_points_of_the_curve_are_ten_customers_apart() -> None:
    one = tiers([1000.0, 100.0, *[100.0] * 118])
    other = tiers([550.0, 550.0, *[100.0] * 118])  # the ten best bring the same
    assert plots.pareto(one) == plots.pareto(other)


# who moved


def test_flows_name_segments_and_count_customers() -> None:
    shown = texts(
        plots.migration_flows(moves(("A", "A", 40), ("A", "B", 20), ("B", "B", 30), (None, "B", 12), ("B", None, 11)))
    )
    assert shown.count("A") == 2
    assert {"60", "41", "40", "62", "not yet", "12", "gone", "11", "spring", "autumn"} <= set(shown)
    assert not any("left out" in t for t in shown)


def test_small_flows_are_left_out_of_heights_and_figures_and_the_note_says_so() -> None:
    few = moves(("A", "A", 40), ("A", "B", 20), ("B", "B", 30), ("B", "A", 9))
    none = moves(("A", "A", 40), ("A", "B", 20), ("B", "B", 30))
    with_few, without = plots.migration_flows(few), plots.migration_flows(none)
    assert "Ribbons of fewer than 10" in " ".join(texts(with_few))
    assert {"9", "39", "49"}.isdisjoint(texts(with_few))
    assert {"60", "50", "≥ 30", "≥ 40"} <= set(
        texts(with_few)
    )  # of B, of B, and of the sides that the 9 are taken from
    ends = [re.findall(r' d="([^"]*C[^"]*)"', svg) for svg in (with_few, without)]
    assert ends[0] == ends[1]
    assert len(ends[0]) == 3


def test_moves_are_up_or_down_by_the_order_given() -> None:
    moved = moves(("A", "A", 40), ("B", "A", 20), ("B", "B", 30))
    up, down = (plots.migration_flows(moved, order=o) for o in (["A", "B"], ["B", "A"]))
    ribbon = [set(re.findall(r' d="[^"]*C[^"]*"[^>]*fill: (#\w+)', svg)) for svg in (up, down)]
    assert ribbon == [{"#cfd6dd", "#0072b2"}, {"#cfd6dd", "#d55e00"}]
    assert {"up", "down", "stayed"} <= set(texts(up))
    with pytest.raises(DataContractError, match="order lacks 1 of 2"):
        plots.migration_flows(moved, order=["A"])


def test_a_period_of_its_own_or_all_together() -> None:
    states = pd.DataFrame({"a": ["A"] * 50, "b": ["A"] * 20 + ["B"] * 30, "c": ["B"] * 50})
    moved = transitions(states)
    assert {"a", "b", "50", "20", "30"} <= set(texts(plots.migration_flows(moved, 0)))
    assert "70" in texts(plots.migration_flows(moved))
    with pytest.raises(DataContractError, match="no period 2"):
        plots.migration_flows(moved, 2)


def test_names_from_the_data_are_escaped_and_in_any_script() -> None:
    svg = plots.migration_flows(moves((ODD, ODD, 40), (ODD, "@0@", 20)))
    assert "<b>" not in svg
    assert "高价值 &lt;b&gt;" in svg
    assert "@0@" in texts(svg)


@given(st.lists(st.floats(0, 300), min_size=1, max_size=10))
def test_labels_keep_apart_in_order_and_within_bounds(wanted: list[float]) -> None:
    out = apart(np.sort(wanted), 27.0, 0.0, 300.0)
    assert (np.diff(out) >= 27 - 1e-9).all()
    assert out.min() >= -1e-9
    assert out.max() <= 300 + 1e-9
    assert apart(np.array([10.0, 50.0]), 27.0, 0.0, 300.0).tolist() == [10.0, 50.0]


# groups


def test_the_map_shows_every_group_its_verdict_and_the_sentence(
    groups: CustomerGroups, chosen: CustomerGroups, people: pd.DataFrame
) -> None:
    shown = texts(plots.group_map(groups, people))
    assert {"1", "2", "3", "dissolved", "doubtful", "stable"} <= set(shown)
    assert "Whether there is any structure was not asked." in shown
    assert chosen.structure_ is not None
    again = " ".join(texts(plots.group_map(chosen, people[["orders", "visits"]])))
    assert chosen.verdict_[:30] in again


def test_three_groups_that_lie_apart_lie_apart_on_the_map(groups: CustomerGroups, people: pd.DataFrame) -> None:
    svg = plots.group_map(groups, people)
    found: dict[str, list[tuple[float, float]]] = {}
    for d, color in re.findall(r' d="([^"]*)"[^>]*stroke: (#\w+); stroke-width: 3.4', svg.replace("\n", " ")):
        found.setdefault(color, []).extend((float(x), float(y)) for x, y in re.findall(r"M ([\d.]+) ([\d.]+)", d))
    assert [len(p) for p in found.values()] == [120] * 3
    middles = {c: np.mean(p, axis=0) for c, p in found.items()}
    for c, places in found.items():
        nearest = [min(middles, key=lambda m: float(np.hypot(*(middles[m] - p)))) for p in places]
        assert np.mean([n == c for n in nearest]) > 0.95


@pytest.mark.slow
def test_row_order_plays_no_part_and_at_most_three_thousand_are_drawn(
    groups: CustomerGroups, people: pd.DataFrame
) -> None:
    assert plots.group_map(groups, people.sample(frac=1, random_state=1)) == plots.group_map(groups, people)
    rng = np.random.default_rng(0)
    many = pd.DataFrame({"orders": rng.normal(size=4000), "visits": rng.normal(size=4000), "channel": "web"})
    svg = plots.group_map(groups, many)
    dots = re.findall(r' d="([^"]*)"[^>]*stroke-width: 3.4', svg.replace("\n", " "))
    assert sum(d.count("M ") for d in dots) == 3000


def test_the_choice_names_the_numbers_tried_and_the_chosen_one(chosen: CustomerGroups) -> None:
    shown = texts(plots.stability_choice(chosen))
    assert {"2", "3", "4", "0.75", "weakest group (Jaccard)", "silhouette"} <= set(shown)
    assert any(f"{chosen.n_groups_} were chosen" in t for t in shown)


# profiles


def test_bars_tell_the_columns_in_words_with_both_means(told: Profile) -> None:
    svg = plots.profile_bars(told, ODD)
    shown = texts(svg)
    rows = told.differences.query("segment == @ODD and column == 'orders'").iloc[0]
    assert "orders & more of the last year" in shown
    assert "orders &amp; more" in svg
    assert f"{rows['inside']:.1f} against {rows['outside']:.1f}".replace(".0", "") in shown
    assert any("高价值" in t and "against all others" in t for t in shown)
    assert "channel: shop" in shown or "channel: web" in shown
    assert "a<b" in shown
    assert "same" not in shown  # no difference in standard deviations where nothing varies
    assert {"Standard deviations", "Percentage points"} <= set(shown)


def test_what_is_by_construction_is_hatched_and_said(told: Profile, people: pd.DataFrame) -> None:
    svg = plots.profile_bars(told, ODD)
    assert "by construction (built from it)" in texts(svg)
    assert svg.count("<pattern") == 1
    segment = pd.Series(np.repeat(["a", "b"], [120, 240]), index=people.index)
    plain = plots.profile_bars(profile(people, segment), "a")
    assert plain
    assert "by construction" not in plain
    assert "<pattern" not in plain


def test_at_most_eight_columns_the_most_telling_first() -> None:
    rng = np.random.default_rng(1)
    inside = np.repeat([1.0, 0.0], 200)
    table = pd.DataFrame({f"c{i:02d}": rng.normal(size=400) + inside * (0.5 + 0.3 * i) for i in range(12)})
    svg = plots.profile_bars(profile(table, pd.Series(np.where(inside > 0, "a", "b"))), "a")
    assert [t for t in texts(svg) if re.fullmatch(r"c\d\d", t)] == [f"c{i:02d}" for i in range(11, 3, -1)]


def test_a_shared_profile_can_be_drawn_too(told: Profile) -> None:
    assert "Standard deviations" in texts(plots.profile_bars(told.shared(), ODD))


# names


def test_names_are_shortened_by_the_room_they_take() -> None:
    names = Names()
    assert names.put(f"<t>{names('x' * 99, 12)}</t>{names('a&b')}") == f"<t>{'x' * 10}…</t>a&amp;b"
    assert shortened("客" * 20, 12) == "客" * 5 + "…"
    assert shortened("a\x00\u202eb") == "ab"


RFM_CELLS = pd.DataFrame([(r, f) for r in range(1, 6) for f in range(1, 6)], columns=["r", "f"]).assign(segment="x")


# whole logs


@pytest.mark.slow
def test_pictures_of_a_simulated_log() -> None:
    log = simulate(600, seed=7).log()
    end = log.zone.stamp(log.bounds[1])
    half = end - pd.Timedelta("120D")
    grid, types = RFM().fit(log, at=end).sizes(), RFM(naming=EightTypes()).fit(log, at=end).sizes()
    assert "champions" in plots.rfm_map(grid)
    assert "champions" not in plots.rfm_map(types)
    assert "customers bring 80% of the money" in plots.pareto(ValueTiers().fit(log, at=end))
    moved = migration(log, ValueTiers(), [half, end])
    assert "Ribbons of fewer than 10" in " ".join(texts(plots.migration_flows(moved, order=["A", "B", "C", "Z"]))) or (
        moved.counts["customers"].between(1, 9).sum() == 0
    )


@pytest.mark.slow
def test_pictures_of_online_retail(data: Path) -> None:
    with pytest.warns(UserWarning, match="with remarks"):
        log = InteractionLog.read(
            data / "online_retail" / "interactions.parquet",
            policies=Policies(on_missing="drop"),
            timezone="Europe/London",
        )
    sizes = RFM().fit(log, at="2011-12-01").sizes()
    shown = texts(plots.rfm_map(sizes))
    assert {f"{sizes['customers'].max():,}", "loyal", "hibernating"} <= set(shown)
    assert shown.count("<10") == sizes["customers"].lt(10).sum()
    assert "27% of customers bring 80% of the money" in texts(plots.pareto(ValueTiers().fit(log, at="2011-12-01")))
    flows = texts(plots.migration_flows(migration(log, RFM(), ["2011-09-01", "2011-12-01"])))
    assert {"1 Sep 2011", "1 Dec 2011", "potential loyalists"} <= set(flows)
