"""What a server did, in numbers that Prometheus reads. No name or value of anybody is in them."""

from bisect import bisect_left
from collections import Counter
from typing import Final, final

BOUNDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the classes of seconds."""


@final
class Metrics:
    """Counts of one process; only the thread of its event loop writes them."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.classes: dict[str, list[int]] = {}
        self.seconds: Counter[str] = Counter()
        self.in_flight = 0
        self.rows = self.unseen = self.reloads = self.reload_failures = 0

    def seen(self, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self.requests[route, status] += 1
        self.classes.setdefault(route, [0] * (len(BOUNDS) + 1))[bisect_left(BOUNDS, seconds)] += 1
        self.seconds[route] += seconds  # type: ignore[assignment]  # a sum of floats

    def text(self, fingerprint: str) -> str:
        """All of it as Prometheus' text format 0.0.4."""
        out = ["# TYPE crmintel_requests_total counter"]
        out += [
            f'crmintel_requests_total{{route="{r}",status="{s}"}} {n}' for (r, s), n in sorted(self.requests.items())
        ]
        out.append("# TYPE crmintel_request_seconds histogram")
        for route, counts in sorted(self.classes.items()):
            total = 0
            for bound, n in zip((*BOUNDS, "+Inf"), counts, strict=True):
                total += n
                out.append(f'crmintel_request_seconds_bucket{{route="{route}",le="{bound}"}} {total}')
            out.append(f'crmintel_request_seconds_sum{{route="{route}"}} {self.seconds[route]}')
            out.append(f'crmintel_request_seconds_count{{route="{route}"}} {total}')
        for name, kind, value in (
            ("in_flight", "gauge", self.in_flight), ("rows_scored_total", "counter", self.rows),
            ("unseen_categories_total", "counter", self.unseen), ("reloads_total", "counter", self.reloads),
            ("reload_failures_total", "counter", self.reload_failures),
        ):  # fmt: skip
            out += [f"# TYPE crmintel_{name} {kind}", f"crmintel_{name} {value}"]
        out += ["# TYPE crmintel_model_info gauge", f'crmintel_model_info{{fingerprint="{fingerprint}"}} 1', ""]
        return "\n".join(out)
