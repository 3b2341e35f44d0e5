"""The bars of next best action: effects, no harm, proof from records, allocation, one decision, and read-outs of real experiments.

python -m benchmarks.actions [--quick] [--write]
"""

import json
from collections.abc import Iterator

from benchmarks import actions_allocation, actions_effect, actions_proof, actions_readouts
from benchmarks.measure import ROOT, Line, command, run


def online(quick: bool) -> Iterator[Line]:
    """One customer decided by model and prices, in a process of its own, and the same as the batch."""
    for k in (3,) if quick else (3, 10):
        told = json.loads(run(["-m", "benchmarks.opponents.actions_online", str(k)], threads=1).output)
        what = f"one decision, model and prices, {k} actions × 30 features, {told['models']} models of trees"
        yield Line("actions", f"{what}: median", round(told["median"], 3), "ms")
        yield Line("actions", f"{what}: 95th percentile", round(told["p95"], 3), "ms", "≤ 0.3", told["p95"] <= 0.3)
        yield Line(
            "actions",
            f"{what}: decisions and gains that differ from the batch, of 3,000",
            told["differ"],
            "",
            "0",
            told["differ"] == 0,
        )


PARTS = {
    "effects": actions_effect.lines,
    "proof": actions_proof.lines,
    "allocation": actions_allocation.lines,
    "online": online,
    "readouts": actions_readouts.lines,
}


def lines(quick: bool) -> Iterator[Line]:
    """All of them."""
    for part in PARTS.values():
        yield from part(quick)


if __name__ == "__main__":
    command("actions", __doc__, lines, ROOT / "docs" / "actions.md")
