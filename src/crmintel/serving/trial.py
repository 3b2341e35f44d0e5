"""Whether a bundle can be loaded and answers: ``python -m crmintel.serving.trial PATH FINGERPRINT``."""

import sys
from pathlib import Path

from crmintel.scoring.bundle import key_of_environment
from crmintel.serving.limits import Limits
from crmintel.serving.source import Source


def main(path: str, fingerprint: str) -> None:
    """Load it and score a made-up row; any failure ends with an exit code that is not 0."""
    Source(path, key=key_of_environment()).load(Path(path), fingerprint, Limits())


if __name__ == "__main__":
    main(*sys.argv[1:3])
