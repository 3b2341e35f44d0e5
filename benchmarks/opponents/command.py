"""The command line that ours and every opponent share."""

import argparse
import json
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager


def parser(description: str | None) -> argparse.ArgumentParser:
    """FILE --at T [T …] --threads N --out FILE.parquet"""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("file", help="Parquet file of interactions")
    made.add_argument("--at", nargs="+", required=True, help="instants, UTC")
    made.add_argument("--threads", type=int, default=2)
    made.add_argument("--out", required=True, help="Parquet file to write")
    return made


class Steps:
    """CPU and wall seconds of named steps of this process."""

    def __init__(self) -> None:
        self.told: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure what is inside."""
        cpu, wall = cpu_seconds(), time.perf_counter()
        yield
        self.told |= {f"{name}_cpu": cpu_seconds() - cpu, f"{name}_wall": time.perf_counter() - wall}

    def __str__(self) -> str:
        return json.dumps({name: round(seconds, 4) for name, seconds in self.told.items()})


def cpu_seconds() -> float:
    """User and system seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
