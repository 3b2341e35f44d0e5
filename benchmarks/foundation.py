"""The bars of the foundation: import weight, the main job on real data, its quality beside simple rules, simulation.

python -m benchmarks.foundation [--quick] [--write]
"""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import DATA, ROOT, Cost, Line, best_cpu, command, run

BENCH = "foundation"


def importing(quick: bool) -> Iterator[Line]:
    """CPU of `import crmintel` against `import pandas, sklearn`, fresh interpreters, best of several."""
    repeats = 3 if quick else 9
    peer = best_cpu("import pandas, sklearn", repeats)
    for statement in ("import crmintel", "from crmintel import InteractionLog, features"):
        ratio = best_cpu(statement, repeats) / peer
        bar = "<= 1.1" if statement == "import crmintel" else ""
        yield Line(
            BENCH,
            f"CPU of `{statement}` ÷ CPU of `import pandas, sklearn`",
            round(ratio, 3),
            "ratio",
            bar,
            ratio <= 1.1 if bar else None,
        )


def figures(cost: Cost) -> dict[str, tuple[float, float, float]]:
    """The quality figures that a run prints: name to value, low, high."""
    found = re.findall(r"^  ([\w.]+): (-?[\d.]+) \((-?[\d.]+) to (-?[\d.]+)\)", cost.output, re.M)
    return {name: (float(v), float(low), float(high)) for name, v, low, high in found}


def job(name: str, arguments: list[str], seconds: float, gigabytes: float) -> Iterator[Line]:
    """Time, memory and quality of one run of the main job."""
    with tempfile.TemporaryDirectory() as folder:
        cost = run(["-m", "crmintel", *arguments, "--out", folder])
        page = (Path(folder) / "report.html").stat().st_size
    yield Line(
        BENCH,
        f"{name}: wall time of the whole job, 2 threads",
        round(cost.wall, 1),
        "s",
        f"<= {seconds:g}",
        cost.wall <= seconds,
    )
    yield Line(BENCH, f"{name}: CPU time", round(cost.cpu, 1), "s")
    yield Line(
        BENCH,
        f"{name}: peak memory",
        round(cost.peak_mb / 1024, 2),
        "GB",
        f"<= {gigabytes:g}",
        cost.peak_mb / 1024 <= gigabytes,
    )
    yield Line(BENCH, f"{name}: size of the page", round(page / 1e6, 2), "MB")
    told = figures(cost)
    for key, words in (
        ("churn.auc", "churn AUC at the later instant"), ("churn.calibration_error", "calibration error of the churn probability"),
        ("value.top_decile_capture", "later money held by the tenth ranked highest"), ("value.coverage", "coverage of the 80 % value interval"),
        ("offers_new.hit_rate", "later buyers with a hit among 10 new items"), ("offers_again.hit_rate", "later buyers with a hit among 10 repeats"),
    ):  # fmt: skip
        if key in told:
            value, low, high = told[key]
            yield Line(BENCH, f"{name}: {words}", f"{value:.3f} ({low:.3f} to {high:.3f})", "95 % interval")
    for what, rule, gain, low, high, verdict in re.findall(
        r"^  (\w+) against (.+?): ([-+][\d.]+) \(([-+][\d.]+) to ([-+][\d.]+)\), (.+)$", cost.output, re.M
    ):
        bar, holds = ("interval above 0", float(low) > 0) if what == "churn" and "online" in name else ("", None)
        yield Line(
            BENCH,
            f"{name}: {what} gain over the rule “{rule}”",
            f"{gain} ({low} to {high}), {verdict}",
            "95 % interval",
            bar,
            holds,
        )


def simulation(quick: bool) -> Iterator[Line]:
    """Simulated customers written to disk in bounded memory."""
    n = 100_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        cost = run(["-c", f"from crmintel.datasets import simulate_to; simulate_to({folder + '/world'!r}, {n})"])
    yield Line(BENCH, f"simulate {n:,} customers: CPU time", round(cost.cpu, 1), "s")
    yield Line(
        BENCH,
        f"simulate {n:,} customers: peak memory",
        round(cost.peak_mb / 1024, 2),
        "GB",
        "<= 1.5",
        cost.peak_mb / 1024 <= 1.5,
    )


def lines(quick: bool) -> Iterator[Line]:
    """Everything; quick keeps what fits into 50 seconds."""
    yield from importing(quick)
    retail = DATA / "online_retail" / "online_retail.parquet"
    if retail.exists():
        arguments = ["run", str(retail), "--map", str(ROOT / "examples" / "online_retail.toml")]
        yield from job("online_retail", arguments, seconds=60, gigabytes=4)
    if not quick:
        yield from job("demo (dunnhumby, 1.47 M rows)", ["demo"], seconds=120, gigabytes=4)
    yield from simulation(quick)


if __name__ == "__main__":
    command(BENCH, __doc__, lines, ROOT / "docs" / "job.md")
