"""Who moved from segment to segment, on the page: the largest move as a sentence, and no small count."""

import re
from collections.abc import Callable

import pytest

from crmintel.errors import DataContractError
from crmintel.reports import Report, render
from crmintel.reports.blocks import Picture, Table
from crmintel.reports.language import speaking
from crmintel.reports.moving import moves
from crmintel.segmentation import Migration
from tests.reports.conftest import make_moves


def told(migration: Migration | None, k: int = 10) -> tuple[Picture, Table]:
    picture, table = moves(migration, k)
    assert isinstance(picture, Picture)
    assert isinstance(table, Table)
    return picture, table


def test_the_largest_move_is_a_sentence() -> None:
    picture, table = told(make_moves(("loyal", "loyal", 60), ("loyal", "at risk", 30), ("at risk", "at risk", 20)))
    assert re.sub("[\u2066-\u2069]", "", picture.title) == "Of 100 customers who were loyal, 33 are now at risk"
    assert table.rows == (
        ("loyal", "loyal", "60", "67%"),
        ("loyal", "at risk", "30", "33%"),
        ("at risk", "at risk", "20", "100%"),
    )
    assert "15 Sep 2024 to 15 Dec 2024" in picture.caption
    assert 'data-tip="loyal to at risk: 30 customers"' in picture.svg


def test_a_move_of_hardly_anybody_is_no_zero() -> None:
    picture, _ = told(make_moves(("loyal", "loyal", 9_000), ("loyal", "at risk", 20), ("at risk", "at risk", 20)))
    assert "fewer than 1 are now" in picture.title


def test_those_who_came_or_went_are_not_the_sentence() -> None:
    picture, table = told(make_moves(("loyal", "loyal", 60), (None, "loyal", 300), ("loyal", None, 200)))
    assert picture.title == "Who moved from segment to segment"
    assert ("not yet", "loyal", "300", "100%") in table.rows


def test_moves_up_and_down_are_told_apart_where_the_segments_have_an_order() -> None:
    ranked, _ = told(make_moves(("loyal", "loyal", 60), ("at risk", "loyal", 20)))
    other, _ = told(make_moves(("Gold", "Gold", 60), ("Iron", "Gold", 20)))
    assert ">up<" in ranked.svg
    assert "champions to hibernating" in ranked.caption
    assert ">up<" not in other.svg
    assert "champions to hibernating" not in other.caption


@pytest.mark.parametrize("k", [10, 30])
def test_no_small_count_is_shown_nor_follows_from_the_size_of_a_segment(k: int) -> None:
    """Of 149 loyal customers 141 are shown to stay: the 8 who went would follow, so some of the others are hidden as well."""
    few = make_moves(
        ("loyal", "loyal", 141), ("loyal", "at risk", 8), ("at risk", "at risk", 77), ("at risk", "loyal", 33)
    )
    picture, table = told(few, k) if moves(few, k) else (None, None)
    shown = {(r[0], r[1]) for r in table.rows} if table else set()
    assert ("loyal", "at risk") not in shown
    assert ("loyal", "loyal") not in shown
    assert picture is None or "149" not in picture.svg


def test_what_is_hidden_is_counted_in_the_note() -> None:
    few = [("loyal", "loyal", 141), ("loyal", "at risk", 8), ("at risk", "at risk", 77), ("at risk", "loyal", 33)]
    picture, _ = told(make_moves(*few, ("hibernating", "hibernating", 500)))
    assert "Ribbons of fewer than 10 customers" in picture.svg
    assert "65% of the customers are drawn" in picture.caption


def test_a_picture_of_the_lesser_part_is_not_drawn() -> None:
    few = [("loyal", "loyal", 141), ("loyal", "at risk", 8), ("at risk", "at risk", 77), ("at risk", "loyal", 33)]
    assert moves(make_moves(*few, ("hibernating", "hibernating", 50)), 10) == []


def test_where_all_is_too_small_or_unknown_nothing_is_shown() -> None:
    assert moves(None, 10) == []
    assert moves(make_moves(("loyal", "loyal", 9), ("loyal", "at risk", 3)), 10) == []


def test_a_shared_migration_is_refused() -> None:
    with pytest.raises(DataContractError, match="shared one already"):
        moves(make_moves(("loyal", "loyal", 60), ("loyal", "at risk", 30)).shared(), 10)


def test_the_picture_is_chinese_on_a_chinese_page() -> None:
    with speaking("zh"):
        picture, table = told(make_moves(("loyal", "loyal", 60), ("loyal", "at risk", 30), (None, "loyal", 50)))
    for said in ("忠诚", "有流失风险", "上升", "客群之间的客户流动", "2024年9月15日"):
        assert said in picture.svg
    assert "Moves" not in picture.svg
    assert table.head[0] == "从"


@pytest.mark.slow
def test_the_page_shows_moves_among_the_segments(page: str, change: Callable[..., Report]) -> None:
    section = page[page.index('<section id="segments"') : page.index('<section id="churn"')]
    assert "Of 100 customers who were" in section
    assert "All moves between segments" in section
    assert "All moves between segments" not in render(change(moves=None))
