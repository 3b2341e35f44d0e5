"""Ways to damage a bundle: bytes, lines, files, and parts of another one."""

import shutil
from pathlib import Path

import numpy as np

KINDS = ("flip", "truncate", "digits", "insert", "line", "swap", "foreign", "delete", "extra", "empty")


def mutated(bundle: Path, other: Path, copy: Path, rng: np.random.Generator) -> str | None:
    """A damaged copy and what was done to it; None where nothing changed."""
    shutil.copytree(bundle, copy)
    kind, file = KINDS[rng.integers(len(KINDS))], sorted(copy.iterdir())[rng.integers(len(list(copy.iterdir())))]
    before = data = file.read_bytes()
    place = int(rng.integers(len(data)))
    if kind == "flip":
        data = data[:place] + bytes([data[place] ^ (1 << int(rng.integers(8)))]) + data[place + 1 :]
    elif kind == "truncate":
        data = data[:place]
    elif kind == "digits":
        at = [i for i in range(place, min(place + 2000, len(data))) if chr(data[i]).isdigit()]
        if at:
            data = data[: at[0]] + bytes([48 + int(rng.integers(10))]) + data[at[0] + 1 :]
    elif kind == "insert":
        data = data[:place] + rng.bytes(int(rng.integers(1, 9))) + data[place:]
    elif kind == "line":
        lines = data.split(b"\n")
        i = int(rng.integers(len(lines)))
        data = b"\n".join(lines[:i] + (lines[i + 1 :] if rng.random() < 0.5 else [lines[i], *lines[i:]]))
    elif kind == "swap":
        twin = sorted(copy.iterdir())[rng.integers(len(list(copy.iterdir())))]
        theirs = twin.read_bytes()
        twin.write_bytes(data)
        file.write_bytes(theirs)
        return f"{kind} {file.name} {twin.name}" if theirs != before else None
    elif kind == "foreign":
        theirs = sorted(other.iterdir())
        data = theirs[rng.integers(len(theirs))].read_bytes()
    elif kind == "delete":
        file.unlink()
        return f"{kind} {file.name}"
    elif kind == "extra":
        (copy / f"part-{rng.integers(1000)}.npy").write_bytes(data)
        return kind
    elif kind == "empty":
        data = b""
    file.write_bytes(data)
    return f"{kind} {file.name}" if data != before else None
