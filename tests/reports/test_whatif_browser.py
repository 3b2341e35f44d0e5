"""The form of the plan in a real browser: its script finds the very numbers of `outcome`."""

import dataclasses
import html
import json
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from crmintel.reports import Report, outcome, render, what_if
from tests.reports.test_browser import CHROMIUM, browse

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (chromium, google-chrome) on the PATH"),
]

ASK = """
addEventListener("load", () => {
  const frame = document.querySelector("iframe"), doc = frame.contentDocument, win = frame.contentWindow;
  const card = doc.querySelector(".whatif"), form = card.querySelector("form"), fields = [...form.querySelectorAll("input")];
  const shown = () => Object.fromEntries([...card.querySelectorAll("[data-key]")].map(e => [e.dataset.key, e.textContent]));
  const values = () => Object.fromEntries([...card.querySelectorAll("[data-key]")].map(e => [e.dataset.key, Number(e.dataset.value)]));
  const said = card.querySelector("output"), state = () => [said.textContent, card.querySelector("[data-note=chosen]").textContent];
  const set = asked => {
    fields.forEach((field, i) => { field.value = asked[i]; });
    fields[0].dispatchEvent(new win.Event("input", {bubbles: true}));
    return [values(), shown(), state()];
  };
  const told = {visible: !form.hidden, named: fields.map(f => f.labels.length), at_first: [shown(), state()]};
  told.live = said.getAttribute("aria-live");
  told.same = set(fields.map(field => field.value));
  told.asked = ASKED.map(set);
  told.wrong = [["", "1", "5"], ["-1", "1", "5"], ["9", "1", "101"]].map(asked => [set(asked)[2][0], card.className, fields.map(f => f.getAttribute("aria-invalid"))]);
  told.focus = fields.map(field => { field.focus(); return doc.activeElement === field; });
  form.querySelector("button").click();
  told.reset = [shown(), state()];
  document.getElementById("told").textContent = JSON.stringify(told);
});
"""
ASKED: list[tuple[float, float, float]] = [
    (0, 6, 10), (999.5, 6, 10), (12_000, 0, 10), (12_000, 6, 0), (12_000, 6, 100), (1e9, 0.5, 33.3), (4_321, 17.3, 2.5), (1e9, 250, 50),
    (1e12, 1e-9, 1), (350, 1e6, 5), (2_520, 6, 12.5),
]  # fmt: skip


def ask(page: str, folder: Path, asked: list[tuple[float, float, float]]) -> dict[str, Any]:
    wrapper = folder / "wrapper.html"
    frame = f'<iframe width="1280" height="900" srcdoc="{html.escape(page, quote=True)}"></iframe>'
    script = ASK.replace("ASKED", json.dumps(asked))
    text = f'<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><pre id="told"></pre>{frame}'
    wrapper.write_text(f"{text}<script>{script}</script>", encoding="utf-8")
    document, console = browse(wrapper, folder / "profile")
    assert console == ""
    told: dict[str, Any] = json.loads(html.unescape(re.findall(r'<pre id="told">(.*?)</pre>', document, re.DOTALL)[0]))
    return told


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("capacity", [467, None])
def test_the_form_finds_the_numbers_of_the_reference(
    report: Report, tmp_path: Path, lang: Literal["en", "zh"], capacity: int | None
) -> None:
    assert report.plan is not None
    ladder = what_if(
        np.random.default_rng(5).lognormal(2.5, 1.3, 8_214), cost=6, budget=12_000, holdout=0.1, capacity=capacity
    )
    assert ladder is not None
    plan = dataclasses.replace(report.plan, what_if=ladder, holdout=437)
    if capacity is None:
        plan = dataclasses.replace(plan, holdout=ladder.chosen - int(ladder.chosen * 0.9))
    told = ask(render(dataclasses.replace(report, plan=plan), lang=lang), tmp_path, ASKED)
    assert told["visible"]
    assert told["named"] == [1, 1, 1]
    assert told["live"] == "polite"
    assert told["focus"] == [True, True, True]
    for (budget, cost, kept), (values, _, (_, arms)) in zip(ASKED, told["asked"], strict=True):
        right = outcome(ladder, budget=budget, cost=cost, kept=kept / 100)
        got = [values[key] for key in ("chosen", "spent", "atRisk", "saved", "net", "worth", "enough", "next")]
        assert got == [
            right.chosen, right.spent, right.at_risk, right.saved, right.net, right.worth, right.enough, right.next_unit,
        ]  # fmt: skip
        assert f"{right.contacted:,}" in arms
        assert f"{right.left_alone:,}" in arms
    assert told["same"][1:] == told["at_first"]  # what Python wrote is what the script writes
    assert told["reset"] == told["at_first"]


def test_the_plans_own_figures_stand_in_the_form_and_wrong_numbers_are_told(page: str, tmp_path: Path) -> None:
    told = ask(page, tmp_path, [(12_000, 6, 10), (300, 6, 10)])
    assert told["asked"][0][1]["chosen"] == "467"
    assert told["asked"][1][1]["chosen"] == "55"
    assert told["asked"][1][2][0].startswith("49 customers contacted for 294; ")
    for message, card, invalid in told["wrong"]:
        assert message.startswith("Give money of at least 0")
        assert "wrong" in card
        assert invalid.count("true") == 1
