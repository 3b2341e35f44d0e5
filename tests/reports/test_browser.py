"""The page in a real browser: nothing complains, nothing overlaps, nothing sticks out."""

import dataclasses
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from crmintel.reports import Report, render

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (chromium, google-chrome) on the PATH"),
]

MEASURE = """
function boxes(frame) {
  const doc = frame.contentDocument, win = frame.contentWindow, found = [];
  for (const d of doc.querySelectorAll("details")) d.open = true;
  const walk = doc.createTreeWalker(doc.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walk.nextNode()); ) {
    if (!node.data.trim() || node.parentElement.closest(".toc, .skip")) continue;
    const range = doc.createRange();
    range.selectNodeContents(node);
    for (const r of range.getClientRects())
      if (r.width > 1 && r.height > 1) found.push([node, r, node.data.trim().slice(0, 40)]);
  }
  const clash = [];
  found.sort((a, b) => a[1].top - b[1].top);
  for (let i = 0; i < found.length; i++)
    for (let j = i + 1; j < found.length && found[j][1].top < found[i][1].bottom; j++) {
      const a = found[i][1], b = found[j][1];
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (found[i][0] !== found[j][0] && wide > 1 && high > 0.3 * Math.min(a.height, b.height))
        clash.push(found[i][2] + " / " + found[j][2]);
    }
  const free = found.filter(f => !f[0].parentElement.closest(".scroll"));
  const out = free.filter(f => f[1].right > win.innerWidth + 1).map(f => f[2]);
  const small = found.filter(f => f[1].height < 9).map(f => f[2]);
  return {width: win.innerWidth, scroll: doc.documentElement.scrollWidth, texts: found.length, clash, out, small};
}
addEventListener("load", () => {
  const told = [...document.querySelectorAll("iframe")].map(boxes);
  document.getElementById("told").textContent = JSON.stringify(told);
});
"""


def browse(path: Path, profile: Path) -> tuple[str, str]:
    """The document as it ends up, and what the console said."""
    assert CHROMIUM is not None
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --enable-logging=stderr --dump-dom --window-size=1400,1000"
    )
    command = [CHROMIUM, *flags.split(), f"--user-data-dir={profile}", path.as_uri()]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    console = [line for line in done.stderr.decode(errors="replace").splitlines() if "CONSOLE" in line]
    return done.stdout.decode(), "\n".join(console)


def hard(report: Report) -> Report:
    """The same with long names, in several scripts, and large figures."""
    names = [
        "Customers who " + "very " * 30 + "rarely buy",
        "x" * 120,
        "高价值客户" * 8,
        "العملاء المخلصون",
        "🎉",
        "e",
        "f",
    ]
    base = dataclasses.replace(report.base, customers=98_765_432, interactions=9_876_543_210, revenue=9.87e11)
    assert report.plan is not None
    assert report.offers is not None
    return dataclasses.replace(
        report,
        title="A report of " + "x" * 80,
        source="s3://" + "bucket/" * 20,
        base=base,
        segments=report.segments.assign(segment=names, customers=report.segments["customers"] * 100_000),
        tiers=report.tiers.assign(tier=names[:3]),
        quality=report.quality.assign(rule=names[:6], action=names[:6]),
        plan=dataclasses.replace(
            report.plan, by_segment=report.plan.by_segment.assign(segment=names), statement="y" * 200
        ),
        offers=dataclasses.replace(report.offers, top=report.offers.top.head(7).assign(item=names, category=names)),
    )


@pytest.mark.slow
def test_the_page_opens_without_a_complaint_and_fits_a_laptop_and_a_phone(
    report: Report, page: str, tmp_path: Path
) -> None:
    pages = (page, render(hard(report)))
    frames = "".join(
        f'<iframe width="{width}" height="900" style="border:0" srcdoc="{html.escape(page, quote=True)}"></iframe>'
        for page in pages
        for width in (1280, 390)
    )
    wrapper = tmp_path / "wrapper.html"
    text = f'<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><pre id="told"></pre>{frames}'
    wrapper.write_text(f"{text}<script>{MEASURE}</script>", encoding="utf-8")
    document, console = browse(wrapper, tmp_path / "profile")
    assert console == ""
    found = re.search(r'<pre id="told">(.*?)</pre>', document, flags=re.DOTALL)
    assert found is not None
    told = json.loads(html.unescape(found.group(1)))
    assert [t["width"] for t in told] == [1280, 390, 1280, 390]
    for measured in told:
        assert measured["texts"] > 300
        assert measured["clash"] == []
        assert measured["out"] == []
        assert measured["small"] == []
        assert measured["scroll"] <= measured["width"]


@pytest.mark.slow
def test_the_shipped_file_itself_opens_without_a_complaint(page: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    document, console = browse(path, tmp_path / "profile")
    assert console == ""
    assert "Half of the money comes from" in document


TURN = """
addEventListener("load", () => {
  const frame = document.querySelector("iframe"), doc = frame.contentDocument, win = frame.contentWindow;
  for (const d of doc.querySelectorAll("details")) d.open = true;
  const table = [...doc.querySelectorAll("table.data")].find(t => t.tBodies[0].rows.length > 8);
  const heads = [...table.tHead.rows[0].cells], column = heads.findIndex(h => h.classList.contains("num"));
  const shown = () => [...table.tBodies[0].rows].filter(r => !r.hidden).map(r => r.cells[column].textContent.trim());
  const click = () => { heads[column].querySelector("button").click(); return [heads[column].getAttribute("aria-sort"), shown()]; };
  const told = {before: shown(), first: click(), second: click()};
  const field = [...doc.querySelectorAll("input[type=search]")].find(f => f.getAttribute("aria-controls") === table.id);
  const word = table.tBodies[0].rows[0].cells[0].textContent.trim();
  field.value = word;
  field.dispatchEvent(new win.Event("input"));
  told.word = word;
  told.left = [...table.tBodies[0].rows].filter(r => !r.hidden).map(r => r.textContent.toLowerCase());
  told.said = field.closest("p").querySelector("output").textContent;
  document.getElementById("told").textContent = JSON.stringify(told);
});
"""


@pytest.mark.slow
def test_tables_sort_by_a_click_and_are_searched(page: str, tmp_path: Path) -> None:
    wrapper = tmp_path / "wrapper.html"
    frame = f'<iframe width="1280" height="900" srcdoc="{html.escape(page, quote=True)}"></iframe>'
    text = f'<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><pre id="told"></pre>{frame}'
    wrapper.write_text(f"{text}<script>{TURN}</script>", encoding="utf-8")
    document, console = browse(wrapper, tmp_path / "profile")
    assert console == ""
    told = json.loads(html.unescape(re.findall(r'<pre id="told">(.*?)</pre>', document, re.DOTALL)[0]))
    numbers = [float(x.replace(",", "")) for x in told["before"] if x != "–"]
    for (direction, cells), down in ((told["first"], True), (told["second"], False)):
        assert direction == ("descending" if down else "ascending")
        assert [float(x.replace(",", "")) for x in cells if x != "–"] == sorted(numbers, reverse=down)
    assert 0 < len(told["left"]) < len(told["before"])
    assert all(told["word"].lower() in row for row in told["left"])
    assert told["said"] == f"{len(told['left'])} of {len(told['before'])} rows"
