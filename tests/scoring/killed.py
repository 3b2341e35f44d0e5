"""A batch that says how far it is: run as a process of its own, so that it can be killed anywhere."""

import sys

from crmintel.features import panel
from crmintel.scoring import score_batch

if __name__ == "__main__":
    model, source, out, piece = sys.argv[1:]
    panel.CHUNK_ROWS = int(piece)  # type: ignore[misc]  # small parts, so that there are many points to be killed at
    score_batch(model, source, out, threads=2)
    print("done")
