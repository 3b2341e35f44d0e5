"""The Chinese words of the glossary are those that the package writes."""

import re
from pathlib import Path

from crmintel.features.chinese import COLUMNS, KINDS, THEMES
from crmintel.segmentation import CHINESE

PAGE = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \| [^|]+ \|$", PAGE, re.M))
OURS = {name.replace("_", " "): word for words in (COLUMNS, KINDS, THEMES, CHINESE) for name, word in words.items()}


def test_a_word_that_the_package_writes_is_the_same_in_the_glossary() -> None:
    shared = set(OURS) & set(ROWS)
    assert len(shared) > 20
    differing = {name: (OURS[name], ROWS[name]) for name in shared if OURS[name] not in ROWS[name]}
    assert not differing


def test_the_glossary_is_whole() -> None:
    assert len(ROWS) > 75
    assert all(re.search("[\u4e00-\u9fff]", chinese) for term, chinese in ROWS.items() if term not in ("term", "---"))
