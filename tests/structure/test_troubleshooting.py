"""Every message that the page of troubleshooting quotes is one that the package says."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
ENTRY = re.compile(r"^### `(.+)`\n(?:\n<!-- pattern: (.+) -->)?", re.M)


def texts() -> str:
    """All text that stands in the source; `…` where a message is filled in."""
    found: list[str] = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                found.append("".join(v.value if isinstance(v, ast.Constant) else "…" for v in node.values))
    return "\n".join(found)


SOURCE = texts()


@pytest.mark.parametrize(("message", "pattern"), ENTRY.findall(PAGE), ids=lambda text: str(text)[:40])
def test_a_quoted_message_is_said_by_the_package(message: str, pattern: str) -> None:
    wanted = pattern or max(message.split("…"), key=len).strip(" .")
    assert len(wanted) > 9, "too short to tell one message from another"
    assert wanted in SOURCE, f"nothing in src says {wanted!r}"


def test_the_page_covers_what_a_newcomer_meets() -> None:
    assert len(ENTRY.findall(PAGE)) >= 40
