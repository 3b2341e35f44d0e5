"""Shared by all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("same", derandomize=True)  # to look for new cases: --hypothesis-profile=default
settings.load_profile("same")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data sets; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("CRMINTEL_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the real data sets are not on this machine (set CRMINTEL_DATA)")
    return folder
