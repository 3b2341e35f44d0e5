"""The page for everybody: it can be read light and dark, by keyboard and by touch, on paper and by those who listen."""

import itertools
from pathlib import Path

import pytest

from crmintel.reports import Report, render
from tests.reports.chromium import Browser
from tests.reports.test_browser import hard

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CONTRAST = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = text => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
  };
  const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = c => { const [r, g, b] = c.map(x => (x /= 255) <= .04045 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const apart = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
  const painted = e => {
    const style = getComputedStyle(e), svg = e instanceof SVGElement && e.tagName !== "svg";
    if (svg && (!["path", "rect", "circle", "use"].includes(e.tagName) || style.fill === "none")) return null;
    const colour = rgba(svg ? style.fill : style.backgroundColor);
    if (svg) colour[3] *= style.fillOpacity * style.opacity;
    return colour[3] ? colour : null;
  };
  const behind = (element, x, y) => {
    let stack = document.elementsFromPoint(x, y);
    stack = stack.includes(element) ? stack.slice(stack.indexOf(element)) : [];
    if (!stack.length) for (let e = element; e; e = e.parentElement) stack.push(e);
    const layers = [];
    for (const e of stack) { const c = painted(e); if (c) layers.push(c); if (c && c[3] === 1) break; }
    return layers.reduceRight((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const told = {checked: 0, weak: []};
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walk.nextNode()); ) {
    const element = node.parentElement, text = node.data.trim();
    if (!text || text === "\\u25a0" || element.closest("script, .skip, .unseen") || !element.checkVisibility()) continue;
    const range = document.createRange(); range.selectNodeContents(node);
    const box = range.getClientRects()[0], style = getComputedStyle(element), svg = element instanceof SVGElement;
    if (!box || !box.width) continue;
    const under = behind(element, box.left + box.width / 2, box.top + box.height / 2);
    const ink = rgba(svg ? style.fill : style.color);
    for (let e = element; e; e = e.parentElement) ink[3] *= getComputedStyle(e).opacity;
    const size = parseFloat(style.fontSize) * (svg ? element.getScreenCTM().d : 1);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const ratio = apart(over(ink, under), under);
    told.checked += 1;
    if (ratio < (large ? 3 : 4.5)) told.weak.push([text.slice(0, 40), ratio.toFixed(2), style.color, under.join()]);
  }
  return told;
})()"""

LINES = """(() => {
  const paper = getComputedStyle(document.querySelector(".card")).backgroundColor, seen = new Set();
  for (const e of document.querySelectorAll(".drawing path, .drawing use")) {
    const style = getComputedStyle(e);
    if (e.closest("[id*=QuadMesh]")) continue;  // cells and the gaps between them
    if (style.fill === "none" && parseFloat(style.strokeWidth) >= 1.1) seen.add(style.stroke);
  }
  return [paper, [...seen]];
})()"""


def all_open(browser: Browser) -> None:
    """Everything unfolded, in a window so tall that nothing needs scrolling."""
    browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    tall(browser)


def tall(browser: Browser) -> None:
    """A window as tall as the page."""
    width, high = browser.run("[innerWidth, document.documentElement.scrollHeight]")
    browser.send("Emulation.setDeviceMetricsOverride", width=width, height=high, deviceScaleFactor=1, mobile=False)


def luminance(color: str) -> float:
    red, green, blue = (float(x) / 255 for x in color.removeprefix("rgb(").removesuffix(")").split(","))
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


@pytest.fixture(scope="module")
def pages(page: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page, in Chinese, and with names that are hard to place."""
    from tests.reports.conftest import make_report

    report: Report = make_report()
    from tests.reports.test_card import CARD

    texts = {"plain": page, "zh": render(report, lang="zh"), "hard": render(hard(report)), "card": CARD.html()}
    folder = tmp_path_factory.mktemp("pages")
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


@pytest.fixture
def plain(pages: dict[str, Path]) -> Path:
    return pages["plain"]


@pytest.mark.parametrize(
    ("name", "width", "dark"), list(itertools.product(("plain", "zh", "hard", "card"), (1280, 390), (False, True)))
)
def test_every_text_stands_out_and_nothing_sticks_out_or_complains(
    browser: Browser, pages: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    browser.open(pages[name], width=width, dark=dark)
    all_open(browser)
    told = browser.run(CONTRAST)
    assert told["checked"] > (150 if name == "card" else 500)
    assert told["weak"] == []
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.complaints == []


@pytest.mark.parametrize("dark", [False, True])
def test_curves_and_points_stand_out_from_the_paper(browser: Browser, plain: Path, dark: bool) -> None:
    browser.open(plain, dark=dark)
    paper, lines = browser.run(LINES)
    assert (luminance(paper) < 0.05) == dark
    assert len(lines) >= 4
    for line in lines:
        low, high = sorted((luminance(paper), luminance(line)))
        assert (high + 0.05) / (low + 0.05) >= 3, line


def test_whatever_can_be_used_has_a_name(browser: Browser, plain: Path) -> None:
    browser.open(plain)
    all_open(browser)
    roles: dict[str, int] = {}
    for node in browser.send("Accessibility.getFullAXTree")["nodes"]:
        role = node.get("role", {}).get("value", "")
        can = any(p["name"] == "focusable" and p["value"].get("value") for p in node.get("properties", []))
        if (can and role != "RootWebArea") or role in ("image", "navigation", "region", "heading", "table"):
            roles[role] = roles.get(role, 0) + 1
            if role != "table":  # the region around a table has the name
                assert node["name"].get("value", "").strip(), (role, node)
    assert roles.keys() >= {"link", "button", "searchbox", "application", "image", "DisclosureTriangle", "region"}
    assert roles["application"] == 10
    assert roles["spinbutton"] == 3


def test_headings_go_down_one_step_at_a_time(browser: Browser, plain: Path) -> None:
    browser.open(plain)
    levels = browser.run("[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))


def test_the_tab_key_reaches_all_that_can_be_clicked_in_order_and_shows_where_it_is(
    browser: Browser, plain: Path
) -> None:
    browser.open(plain)
    browser.run("document.querySelectorAll('details').forEach((d, i) => d.open = i % 2 == 0)")
    count = browser.run("""
      window.can = [...document.querySelectorAll("a[href], button, input, summary, [tabindex]")].filter(e => e.checkVisibility());
      can.length""")
    orphans = browser.run("""[...document.querySelectorAll("body *")]
      .filter(e => e.checkVisibility() && ["pointer", "crosshair"].includes(getComputedStyle(e).cursor))
      .filter(e => !can.some(c => c.contains(e))).map(e => e.outerHTML.slice(0, 80))""")
    assert count > 50
    assert orphans == []
    reached = []
    for _ in range(count):
        browser.press("Tab")
        place, shown = browser.run("""(() => {
          const e = document.activeElement, s = getComputedStyle(e);
          return [can.indexOf(e), s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 1];
        })()""")
        assert shown, browser.run("document.activeElement.outerHTML.slice(0, 200)")
        reached.append(place)
    assert reached == list(range(count))


def test_enter_opens_sorts_and_skips(browser: Browser, plain: Path) -> None:
    browser.open(plain)
    browser.press("Tab", "Enter")
    assert browser.run("location.hash") == "#summary"
    browser.run("document.querySelector('summary').focus()")
    browser.press("Enter")
    assert browser.run("document.querySelector('details').open")
    browser.run("document.querySelector('details th.num button').focus()")
    sort = "document.querySelector('details th.num').ariaSort"
    assert browser.run(sort) == "none"
    browser.press("Enter")
    assert browser.run(sort) == "descending"
    browser.press("Enter")
    assert browser.run(sort) == "ascending"


TIP = """(() => {
  const tip = document.querySelector(".tip"), on = [...document.querySelectorAll(".on")], box = tip.getBoundingClientRect();
  if (tip.hidden) return null;
  const inside = box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight && box.height > 10;
  return {said: tip.textContent, own: on.length === 1 && on[0].dataset.tip === tip.textContent, inside};
})()"""


def middle(browser: Browser, picture: int, mark: int) -> tuple[float, float]:
    """Where a mark of a picture is, after scrolling there."""
    x, y = browser.run(f"""(async () => {{
      const drawing = document.querySelectorAll(".drawing")[{picture}];
      drawing.scrollIntoView({{block: "center"}});
      for (const _ of "12") await new Promise(requestAnimationFrame);
      const marks = drawing.querySelectorAll("[data-tip]"), b = marks[{mark} < 0 ? marks.length + {mark} : {mark}].getBoundingClientRect();
      return [b.left + b.width / 2, b.top + b.height / 2];
    }})()""")
    return x, y


@pytest.mark.parametrize("width", [1280, 390])
def test_pointing_at_a_mark_of_any_picture_shows_its_value(browser: Browser, plain: Path, width: int) -> None:
    browser.open(plain, width=width)
    for picture in range(8):
        for mark in (0, 3, -1):
            x, y = middle(browser, picture, mark)
            browser.point(x, y)
            told = browser.run(TIP)
            said = browser.run(
                f"[...document.querySelectorAll('.drawing')[{picture}].querySelectorAll('[data-tip]')].at({mark}).dataset.tip"
            )
            assert told == {"said": said, "own": True, "inside": True}
        browser.point(2, 2)
        assert browser.run(TIP) is None
    assert browser.complaints == []


@pytest.mark.parametrize(
    ("picture", "mark", "said"),
    [
        (0, 2, "Feb 2023: 1,484 active customers, 408 of them new"),
        (0, -1, "Dec 2024: 610 active customers, 95 of them new (not a whole month)"),
        (1, 0, "Jan 2023: 517 came, 733 went quiet"),
        (2, 2, "Feb 2023: 91.7k"),
        (3, -1, "100% of customers bring 100% of the money"),
        (4, 0, "First seen in Dec 2023: 35% were back in month 1"),
        (5, 0, "champions to champions: 610 customers"),
        (6, 4, "The riskiest 20% hold 44% of the leavers"),
        (7, 0, "6% predicted to leave, 6.5% (3%–10%) left"),
        (8, 0, "Probability 0% to 5%: 469 customers"),
        (9, 0, "Tenth 1: 612 predicted, 598 really came"),
    ],
)  # fmt: skip
def test_the_values_are_those_of_the_report(browser: Browser, plain: Path, picture: int, mark: int, said: str) -> None:
    browser.open(plain)
    browser.point(*middle(browser, picture, mark))
    assert browser.run("document.querySelector('.tip').textContent") == said


def test_arrow_keys_walk_the_values_and_say_them(browser: Browser, plain: Path) -> None:
    browser.open(plain)
    said = "document.querySelector('[aria-live].unseen').textContent"
    browser.press("Tab")
    browser.run("document.querySelectorAll('.drawing')[4].focus()")
    assert browser.run(TIP)["inside"]
    assert browser.run(said) == "First seen in Dec 2023: 35% were back in month 1"
    browser.press("ArrowRight")
    assert browser.run(said) == "First seen in Dec 2023: 27% were back in month 2"
    browser.press("ArrowDown", "ArrowLeft")
    assert browser.run(said) == "First seen in Jan 2024: 36% were back in month 1"
    assert browser.run(TIP) == {"said": browser.run(said), "own": True, "inside": True}
    browser.press("End", "ArrowRight")
    assert browser.run(said) == "First seen in Nov 2024: 32% were back in month 1"
    browser.press("Home", "ArrowUp", "ArrowLeft")
    assert browser.run(said) == "First seen in Dec 2023: 35% were back in month 1"
    browser.press("Escape")
    assert browser.run(TIP) is None
    browser.press("ArrowRight")
    assert browser.run(TIP)["own"]
    browser.press("Tab")
    assert browser.run(TIP) is None


def test_a_touch_shows_the_value_and_one_elsewhere_takes_it_away(browser: Browser, plain: Path) -> None:
    browser.open(plain, width=390)
    browser.send("Emulation.setTouchEmulationEnabled", enabled=True)
    try:
        browser.tap(*middle(browser, 0, 4))
        assert browser.run(TIP) == {
            "said": "Apr 2023: 1,242 active customers, 301 of them new", "own": True, "inside": True
        }  # fmt: skip
        browser.tap(5, 890)
        assert browser.run(TIP) is None
    finally:
        browser.send("Emulation.setTouchEmulationEnabled", enabled=False)


def test_the_words_of_a_tip_are_no_markup(browser: Browser, plain: Path, tmp_path: Path) -> None:
    bad = plain.read_text(encoding="utf-8").replace("Feb 2023: 1,484", "&lt;img src=x onerror=alert(1)&gt; 1,484")
    (tmp_path / "bad.html").write_text(bad, encoding="utf-8")
    browser.open(tmp_path / "bad.html")
    browser.point(*middle(browser, 0, 2))
    assert browser.run("document.querySelector('.tip').children.length") == 0
    assert browser.run(TIP)["said"].startswith("<img")


@pytest.mark.parametrize("dark", [False, True])
def test_the_tip_itself_can_be_read(browser: Browser, plain: Path, dark: bool) -> None:
    browser.open(plain, dark=dark)
    browser.point(*middle(browser, 0, 2))
    ink, ground = browser.run("(s => [s.color, s.backgroundColor])(getComputedStyle(document.querySelector('.tip')))")
    low, high = sorted((luminance(ink), luminance(ground)))
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_paper_is_light_and_shows_everything(browser: Browser, plain: Path) -> None:
    browser.open(plain, dark=True, width=800)
    browser.point(*middle(browser, 0, 2))
    browser.look(dark=True, media="print")
    tall(browser)
    style = "getComputedStyle(document.{}).backgroundColor"
    assert browser.run(style.format("body")) == "rgb(255, 255, 255)"
    assert browser.run(style.format("querySelector('.card')")) == "rgb(255, 255, 255)"
    assert browser.run(CONTRAST)["weak"] == []
    hidden = browser.run("""[...document.querySelectorAll("main, main *")]
      .filter(e => !e.closest("svg, .look, script") && e.textContent.trim() && !e.checkVisibility()).map(e => e.outerHTML.slice(0, 90))""")
    assert hidden == []
    assert (
        browser.run("[...document.querySelectorAll('.toc, .skip, .tip, .look')].some(e => e.checkVisibility())")
        is False
    )
    cut = browser.run(
        "[...document.querySelectorAll('.scroll')].filter(s => getComputedStyle(s).overflowX !== 'visible').length"
    )
    assert cut == 0
