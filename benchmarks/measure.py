"""What every benchmark needs: seconds and memory of a process of its own, and one JSON object a line."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("CRMINTEL_DATA", Path(__file__).parents[2] / "shared" / "data"))
CACHE = Path(os.environ.get("CRMINTEL_BENCH", Path(tempfile.gettempdir()) / "crmintel-bench"))
"""Where made data and the environments of peers are kept."""


@dataclass(frozen=True)
class Line:
    """One measured figure, and the bar it must meet, if there is one."""

    bench: str
    what: str
    value: float | str
    unit: str = ""
    bar: str = ""
    holds: bool | None = None

    def __str__(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, default=lambda number: number.item())


@dataclass(frozen=True)
class Cost:
    """What a process took."""

    wall: float
    cpu: float
    peak_mb: float
    output: str


def run(arguments: list[str], threads: int = 2, python: Path | str = sys.executable) -> Cost:
    """Run this Python, or another, with some arguments in a process of its own."""
    code = (
        "import json, os, resource, subprocess, sys, time; t = time.perf_counter()\n"
        "if os.environ['OMP_NUM_THREADS'] == '1': os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "p = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)\n"
        "r = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps([time.perf_counter() - t, r.ru_utime + r.ru_stime, r.ru_maxrss / 1024, p.stdout, p.returncode, p.stderr[-2000:]]))"
    )
    pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
    environment = {**os.environ, **dict.fromkeys(pools, str(threads))}
    done = subprocess.run(
        [sys.executable, "-c", code, str(python), *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    wall, cpu, peak, output, status, error = json.loads(done.stdout)
    if status:
        raise RuntimeError(f"{arguments} failed:\n{error}")
    return Cost(wall, cpu, peak, output)


def environment(name: str, packages: tuple[str, ...], *, make: bool = True) -> Path | None:
    """The Python of an environment that holds a peer which pins old versions; None if it cannot be had."""
    folder = CACHE / name
    python, ready = folder / "bin" / "python", folder / "installed"
    if not ready.exists() and make:
        try:
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
            subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        ready.touch()
    return python if ready.exists() else None


def best_cpu(statement: str, repeats: int = 5) -> float:
    """The least CPU seconds of a statement in fresh processes, start of the interpreter included."""
    return min(run(["-c", statement]).cpu for _ in range(repeats))


def emit(lines: Iterator[Line], keep: Path | None = None) -> None:
    """Print lines as they come, and keep them in a file."""
    kept = []
    for line in lines:
        print(line, flush=True)
        kept.append(str(line))
    if keep is not None:
        keep.write_text("\n".join(kept) + "\n", encoding="utf-8")


def kept(bench: str) -> Path:
    """Where the lines of a benchmark are kept."""
    return ROOT / "docs" / "benchmarks" / f"{bench}.jsonl"


def table(text: str) -> str:
    """The kept lines as a Markdown table."""
    rows = [json.loads(line) for line in text.splitlines()]
    body = [
        f"| {r['what']} | {r['value']} {'' if r['unit'] == '95 % interval' else r['unit']} | {r['bar']} |" for r in rows
    ]
    return "\n".join(["| what | measured | bar |", "| --- | --- | --- |", *body])


def marks(bench: str) -> tuple[str, str]:
    """Between what a page shows the lines of a benchmark."""
    return f"<!-- measured: {bench} -->", "<!-- end -->"


def write(bench: str, page: Path) -> None:
    """Put the kept lines into a page, between its marks; a page without marks stays as it is."""
    start, end = marks(bench)
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    if start not in text:
        return
    before, rest = text.split(start)
    after = rest.split(end, 1)[1]
    page.write_text(
        f"{before}{start}\n{table(kept(bench).read_text(encoding='utf-8'))}\n{end}{after}", encoding="utf-8"
    )


def command(bench: str, description: str | None, lines: Callable[[bool], Iterator[Line]], page: Path) -> None:
    """The command line of a benchmark: ``[--quick] [--write]``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="smaller data, under 50 seconds")
    parser.add_argument("--write", action="store_true", help=f"keep the lines and put them into {page.name}")
    options = parser.parse_args()
    emit(lines(options.quick), kept(bench) if options.write else None)
    if options.write:
        write(bench, page)
