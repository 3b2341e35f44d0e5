"""What every benchmark needs: seconds and memory of a process of its own, and one JSON object a line."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

DATA = Path(os.environ.get("CRMINTEL_DATA", Path(__file__).parents[2] / "shared" / "data"))


@dataclass(frozen=True)
class Line:
    """One measured figure, and the bar it must meet, if there is one."""

    bench: str
    what: str
    value: float | str
    unit: str
    bar: str = ""
    holds: bool | None = None

    def __str__(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)


@dataclass(frozen=True)
class Cost:
    """What a process took."""

    wall: float
    cpu: float
    peak_mb: float
    output: str


def run(arguments: list[str], threads: int = 2) -> Cost:
    """Run this Python with some arguments in a process of its own."""
    code = (
        "import json, os, resource, subprocess, sys, time; t = time.perf_counter()\n"
        "p = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)\n"
        "r = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps([time.perf_counter() - t, r.ru_utime + r.ru_stime, r.ru_maxrss / 1024, p.stdout, p.returncode, p.stderr[-2000:]]))"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, "-c", code, sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    wall, cpu, peak, output, status, error = json.loads(done.stdout)
    if status:
        raise RuntimeError(f"{arguments} failed:\n{error}")
    return Cost(wall, cpu, peak, output)


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
