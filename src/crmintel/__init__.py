"""From the raw history of what customers did to decisions about what to do next for each of them."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crmintel.interactions import InteractionLog, Policies, QualityReport

__version__ = "0.1.0"

_HOME = dict.fromkeys(("InteractionLog", "Policies", "QualityReport"), "crmintel.interactions")
__all__ = ["InteractionLog", "Policies", "QualityReport", "__version__"]


def __getattr__(name: str) -> Any:
    """Load the everyday names on first use, so that importing the package costs nothing."""
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'crmintel' has no attribute {name!r}")
