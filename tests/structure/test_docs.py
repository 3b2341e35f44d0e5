"""The pages under docs: their Python runs, and they name what there is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from crmintel import features

ROOT = Path(__file__).parents[2]
FEATURES = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_python_of_the_page_runs(tmp_path):
    code = "\n".join(re.findall(r"```python\n(.*?)```", FEATURES, re.S))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Screening" in done.stdout
    assert "购买" in done.stdout


def test_the_page_names_every_function():
    known = {n for n in features.__all__ if n[0].islower()}
    named = set(re.findall(r"`(\w+)", FEATURES)) | set(re.findall(r"f\.(\w+)\(", FEATURES))
    assert known <= named, f"docs/features.md says nothing of {sorted(known - named)}"
