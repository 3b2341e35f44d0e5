"""Which versions of packages are at work; looked up once, since that reads files."""

import importlib.metadata
from functools import cache


@cache
def version_of(package: str) -> str:
    """The version of an installed package."""
    return importlib.metadata.version(package)
