"""Pictures and pages that people look at: a self-contained HTML report of a whole run, and the card of one customer.

Fill a :class:`Report` with plain values and frames, then :func:`render` it to text or :func:`write` it to a file. A
:class:`CustomerCard` writes itself.
"""

from crmintel.reports.card import CustomerCard
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
    "CustomerCard",
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
