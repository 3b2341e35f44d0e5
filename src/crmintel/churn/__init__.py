"""Who will leave, and why."""

from crmintel.churn.classifier import ChurnClassifier
from crmintel.churn.empc import Empc, empc
from crmintel.churn.fairness import Fairness, fairness
from crmintel.churn.profit import Best, ProfitCurve, profit_curve
from crmintel.churn.reasons import Reasons, reasons

__all__ = [
    "Best",
    "ChurnClassifier",
    "Empc",
    "Fairness",
    "ProfitCurve",
    "Reasons",
    "empc",
    "fairness",
    "profit_curve",
    "reasons",
]
