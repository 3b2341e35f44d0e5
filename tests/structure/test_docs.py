"""The pages under docs: their Python runs, and they name what there is."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from crmintel import actions, churn, features, privacy, recommend, segmentation, tracking, value

SHIPPING = SimpleNamespace(
    __all__=[*tracking.__all__, "load_bundle", "membership_inference", "save_bundle", "score_batch", "verify_bundle"]
)
MONITORING = SimpleNamespace(__all__=["monitor", "profile_of"])  # the rest of scoring has a page of its own
DOCS = Path(__file__).parents[2] / "docs"
PAGES = {
    "actions": (actions, ("not causal", "proven", "held out", "whole")),
    "features": (features, ("Screening", "购买")),
    "churn": (churn, ("购买", "grade", "Retrain?")),
    "monitoring": (MONITORING, ("Verdict: hold", "Verdict: look", "Verdict: retrain", "not mature")),
    "privacy": (
        privacy,
        ("e-mail", "in the plan: [7]", "same as planned: True whole: True", "unknown", "[7, 9]", "<NA>"),
    ),
    "recommend": (recommend, ("because", "due again", "beyond chance")),
    "serving": (SimpleNamespace(__all__=[]), ("'status': 200", "'status': 422", "Missing columns: visits")),
    "shipping": (SHIPPING, ("Bundle of a CustomerModel", "reason_3", "There was no 'champion'", "'champion': '1'")),
    "value": (value, ("KeyCustomers", "off by")),
    "segmentation": (segmentation, ("重要价值客户", "cluster structure")),
}


def text(page: str) -> str:
    return (DOCS / f"{page}.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_the_page_runs(page, tmp_path):
    code = "\n".join(re.findall(r"```python\n(.*?)```", text(page), re.S))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    for words in PAGES[page][1]:
        assert words.lower() in done.stdout.lower()


@pytest.mark.parametrize("page", PAGES)
def test_the_page_names_every_function(page):
    known = {n for n in PAGES[page][0].__all__ if n[0].islower()}
    named = set(re.findall(r"`(\w+)", text(page))) | set(re.findall(r"f\.(\w+)\(", text(page)))
    assert known <= named, f"docs/{page}.md says nothing of {sorted(known - named)}"
