"""Who will leave, and why."""

from crmintel.churn.classifier import ChurnClassifier
from crmintel.churn.drift import Drift, drift
from crmintel.churn.empc import Empc, empc
from crmintel.churn.fairness import Fairness, fairness
from crmintel.churn.profit import Best, ProfitCurve, profit_curve
from crmintel.churn.reasons import Reasons, reasons

__all__ = [
    "Best",
    "ChurnClassifier",
    "Drift",
    "Empc",
    "Fairness",
    "ProfitCurve",
    "Reasons",
    "drift",
    "empc",
    "fairness",
    "profit_curve",
    "reasons",
]
