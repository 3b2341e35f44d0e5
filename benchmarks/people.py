"""The bars of what people look at: size of pages, seconds to make and to open them.

python -m benchmarks.people [--quick] [--write]

Simulated shops of 5,000 and 1,000,000 customers over 420 days. Pages are opened in headless Chromium, from nothing to a page that is laid
out. The nearest peer, skrub's TableReport, describes the table of scores of the same customers; it does not answer the same questions.
"""

import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import CACHE, ROOT, Line, command, environment, run

BENCH = "people"
SKRUB = ("skrub==0.11.0", "pandas==3.1.1", "pyarrow==25.0.1", "matplotlib==3.11.2")
OPENED = """
const begun = performance.now();
addEventListener("load", () => {
  const page = document.querySelector("iframe").contentDocument;
  const high = page.documentElement.getBoundingClientRect().height;
  document.getElementById("told").textContent = JSON.stringify([performance.now() - begun, high]);
});
"""
PEER = """
import json, sys, time
import pandas as pd
from skrub import TableReport
table = pd.read_parquet(sys.argv[1]).drop(columns="next_items")
begun = time.process_time()
page = TableReport(table, verbose=0).html()
print(json.dumps([time.process_time() - begun, len(page.encode())]))
"""


def made(customers: int) -> dict[str, float]:
    """Run the job on a shop and write its page, a card and the table of scores; called in a process of its own."""
    from crmintel.datasets import simulate
    from crmintel.job import Settings, analyse, customer_card

    log = simulate(customers, days=420, seed=11).log(quiet=True)
    begun, cpu = time.perf_counter(), time.process_time()
    results = analyse(log, Settings(title=f"A shop of {customers:,} customers"))
    told = {"analyse": time.perf_counter() - begun, "analyse_cpu": time.process_time() - cpu, "interactions": len(log)}
    cpu = time.process_time()
    page = results.html()
    told["render_cpu"] = time.process_time() - cpu
    cpu, who = time.process_time(), results.scores.customers["customer_id"].iloc[customers // 2]
    card = customer_card(results, who).html()
    told |= {"card_cpu": time.process_time() - cpu, "card": len(card.encode()), "page": len(page.encode())}
    CACHE.mkdir(parents=True, exist_ok=True)
    _page(customers).write_text(page, encoding="utf-8")
    results.scores.customers.to_parquet(_table(customers))
    return told


def _page(customers: int) -> Path:
    return CACHE / f"people-{customers}.html"


def _table(customers: int) -> Path:
    return CACHE / f"people-{customers}.parquet"


def opened(page: Path, times: int = 5) -> float | None:
    """Seconds from nothing to a page that is laid out, the median; None without a browser."""
    chromium = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
    if chromium is None:
        return None
    found = []
    with tempfile.TemporaryDirectory() as folder:
        frame = f'<iframe width="1280" height="900" srcdoc="{html.escape(page.read_text(encoding="utf-8"), quote=True)}"></iframe>'
        wrapper = Path(folder) / "wrapper.html"
        wrapper.write_text(
            f'<!doctype html><meta charset="utf-8"><script>{OPENED}</script><pre id="told"></pre>{frame}',
            encoding="utf-8",
        )
        flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync --dump-dom"
        for i in range(times):
            said = subprocess.run(
                [chromium, *flags.split(), f"--user-data-dir={folder}/{i}", wrapper.as_uri()],
                check=True,
                capture_output=True,
                timeout=120,
            ).stdout.decode()
            told = re.search(r'<pre id="told">(.*?)</pre>', said)
            if told is None:
                raise RuntimeError("the browser did not open the page")
            found.append(json.loads(told.group(1))[0] / 1000)
    return sorted(found)[times // 2]


def lines(quick: bool) -> Iterator[Line]:
    """Small and large; quick only the small one."""
    for customers, most in ((1_000 if quick else 5_000, 3.0), *(() if quick else ((1_000_000, 5.0),))):
        name = f"{customers:,} customers"
        cost = run(["-m", "benchmarks.people", "made", str(customers)], threads=2)
        told = json.loads(cost.output.splitlines()[-1])
        size, slow = told["page"] / 1e6, opened(_page(customers))
        yield Line(BENCH, f"{name}: interactions", told["interactions"])
        yield Line(BENCH, f"{name}: the page", round(size, 3), "MB", f"<= {most:g}", size <= most)
        if slow is not None:
            yield Line(BENCH, f"{name}: opens in Chromium", round(slow, 2), "s", "< 2", slow < 2)
        yield Line(BENCH, f"{name}: all answers, 2 threads", round(told["analyse"], 1), "s")
        yield Line(BENCH, f"{name}: all answers, CPU", round(told["analyse_cpu"], 1), "s")
        yield Line(BENCH, f"{name}: peak memory", round(cost.peak_mb / 1000, 2), "GB")
        yield Line(BENCH, f"{name}: the page of the answers, CPU", round(told["render_cpu"], 2), "s")
        yield Line(BENCH, f"{name}: card of one, CPU", round(told["card_cpu"], 2), "s")
        yield Line(BENCH, f"{name}: card of one", round(told["card"] / 1e3, 1), "kB")
        if customers < 1_000_000 and (python := environment("skrub", SKRUB)) is not None:
            seconds, size = json.loads(run(["-c", PEER, str(_table(customers))], threads=2, python=python).output)
            yield Line(BENCH, f"{name}: skrub 0.11 on the table of scores", round(size / 1e6, 3), "MB")
            yield Line(BENCH, f"{name}: skrub 0.11 on the table of scores, CPU", round(seconds, 2), "s")


if __name__ == "__main__":
    if sys.argv[1:2] == ["made"]:
        print(json.dumps(made(int(sys.argv[2]))))
    else:
        command(BENCH, __doc__, lines, ROOT / "docs" / "people.md")
