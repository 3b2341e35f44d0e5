"""The pages under docs: their Python runs, and they name what there is."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from crmintel import actions, churn, features, privacy, recommend, segmentation, tracking, value
from docs import generate
from tests.structure.pages import script

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

SAID = {
    "concepts": ("every customer would look churned",),
    "howto": ("Verdict:", "decisions are too young to learn from", "重要价值客户", "4 rows read, 3 kept", "no effect of an action is known"),
    "job": ("tested at", "treated", "report/report.html"),
    "people": ("Report: report.html", "Card: card.html"),
    "quickstart": ("proven", "churn_probability", "report/report.html", '"status": "done"'),
}  # fmt: skip
RUN = sorted({*PAGES, *SAID})


def text(page: str) -> str:
    return (DOCS / f"{page}.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_what_the_page_shows_runs(page, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script(text(page))],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for words in PAGES[page][1] if page in PAGES else SAID[page]:
        assert words.lower() in done.stdout.lower()


def test_every_page_with_code_is_run():
    with_code = {p.stem for p in DOCS.glob("*.md") if "```python" in p.read_text(encoding="utf-8")}
    assert with_code == set(RUN)


@pytest.mark.slow
def test_a_page_becomes_a_script_that_does_all_of_it(tmp_path):
    page = (
        "<!-- file: a.txt -->\n```text\nhere\n```\n```python\nprint(open('a.txt').read())\n```\n"
        "```console\n$ pip install nothing\n$ crmintel --version\n```\n<!-- not run: never -->\n```python\n1 / 0\n```\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script(page)], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert "here" in done.stdout
    assert "crmintel 0" in done.stdout
    broken = "```console\n$ crmintel check nowhere.csv\n```\n"
    failed = subprocess.run([sys.executable, "-c", script(broken)], capture_output=True, text=True, cwd=tmp_path)
    assert failed.returncode != 0
    assert "No file matches" in failed.stderr


@pytest.mark.parametrize("page", sorted(generate.parts()))
def test_the_generated_parts_are_those_that_are_generated_now(page):
    for name, content in generate.parts()[page].items():
        assert generate.inside(text(page[:-3]), name) == content.strip(), "run python docs/generate.py"


@pytest.mark.parametrize(
    "path", sorted(p.relative_to(DOCS).as_posix() for p in (*DOCS.glob("*.md"), *DOCS.glob("decisions/*.md")))
)
def test_every_link_between_pages_leads_somewhere(path):
    page = DOCS / path
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{path} points to {target}"


@pytest.mark.parametrize("page", PAGES)
def test_the_page_names_every_function(page):
    known = {n for n in PAGES[page][0].__all__ if n[0].islower()}
    named = set(re.findall(r"`(\w+)", text(page))) | set(re.findall(r"f\.(\w+)\(", text(page)))
    assert known <= named, f"docs/{page}.md says nothing of {sorted(known - named)}"
