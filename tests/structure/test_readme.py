"""The README keeps its word: its Python runs, its figures are those that a command kept."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_twenty_lines_run() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len([line for line in code.splitlines() if line.strip()]) <= 22
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "rows read" in done.stdout


@pytest.mark.parametrize(
    ("bench", "page"),
    [
        ("foundation", "docs/job.md"),
        ("features", "docs/features.md"),
        ("segmentation", "docs/segmentation.md"),
        ("churn", "docs/churn.md"),
        ("value", "docs/value.md"),
        ("recommend", "docs/recommend.md"),
        ("actions", "docs/actions.md"),
        ("shipping", "docs/shipping.md"),
        ("people", "docs/people.md"),
    ],
)
def test_the_figures_are_those_that_the_benchmark_kept(bench: str, page: str) -> None:
    from benchmarks.measure import kept, marks, table

    start, end = marks(bench)
    inside = (ROOT / page).read_text(encoding="utf-8").split(start)[1].split(end)[0].strip()
    assert inside == table(kept(bench).read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", README))))
def test_every_link_leads_somewhere(path: str) -> None:
    assert (ROOT / path).exists()
