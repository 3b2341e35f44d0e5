"""Files that are whole, also while two processes write them."""

import subprocess
import sys
from pathlib import Path

import pytest

from crmintel.scoring.files import replaced

WRITE = "import sys, pathlib; from crmintel.scoring.files import replaced\nfor _ in range(200): replaced(pathlib.Path(sys.argv[1]), b'x')"


@pytest.mark.slow
def test_two_processes_may_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "seen.json"
    jobs = [subprocess.Popen([sys.executable, "-c", WRITE, str(path)]) for _ in range(2)]
    assert [job.wait(60) for job in jobs] == [0, 0]
    replaced(path, b"y")
    assert path.read_bytes() == b"y"
    assert [p.name for p in tmp_path.iterdir()] == ["seen.json"]
