"""The bars of shipping: bundles, batch scoring, tracking, serving, reasons for a whole base, monitoring.

python -m benchmarks.shipping [--quick] [--write]
"""

from collections.abc import Iterator

from benchmarks.measure import ROOT, Line, command
from benchmarks.shipping_batch import batch, damage, kills
from benchmarks.shipping_monitor import monitoring
from benchmarks.shipping_reasons import reasons
from benchmarks.shipping_serving import serving
from benchmarks.shipping_tracking import recorded

BENCH = "shipping"


def lines(quick: bool) -> Iterator[Line]:
    """Everything; quick keeps what fits into 50 seconds."""
    for part in (damage, kills, recorded, batch, serving, reasons, monitoring):
        yield from part(quick)


if __name__ == "__main__":
    command(BENCH, __doc__, lines, ROOT / "docs" / "shipping.md")
