"""Pictures and pages that people look at: one self-contained HTML report of a whole run.

Fill a :class:`Report` with plain values and frames, then :func:`render` it to text or :func:`write` it to a file.
"""

from crmintel.reports.data import (
    Base,
    ChurnSection,
    Estimate,
    OfferSection,
    PlanSection,
    Report,
    ValueSection,
)
from crmintel.reports.page import render, write
from crmintel.reports.whatif import Outcome, WhatIf, outcome, what_if

__all__ = [
    "Base",
    "ChurnSection",
    "Estimate",
    "OfferSection",
    "Outcome",
    "PlanSection",
    "Report",
    "ValueSection",
    "WhatIf",
    "outcome",
    "render",
    "what_if",
    "write",
]
