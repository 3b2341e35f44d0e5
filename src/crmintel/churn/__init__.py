"""Who will leave, and why."""

from crmintel.churn.classifier import ChurnClassifier
from crmintel.churn.drift import Drift, drift
from crmintel.churn.empc import Empc, empc
from crmintel.churn.fairness import Fairness, fairness
from crmintel.churn.labels import Contracts, by_status, contractual
from crmintel.churn.profit import Best, ProfitCurve, profit_curve
from crmintel.churn.reasons import Reasons, reasons
from crmintel.churn.silence import Reactivation, Silence, re_activated, suggest_silence

__all__ = [
    "Best",
    "ChurnClassifier",
    "Contracts",
    "Drift",
    "Empc",
    "Fairness",
    "ProfitCurve",
    "Reactivation",
    "Reasons",
    "Silence",
    "by_status",
    "contractual",
    "drift",
    "empc",
    "fairness",
    "profit_curve",
    "re_activated",
    "reasons",
    "suggest_silence",
]
