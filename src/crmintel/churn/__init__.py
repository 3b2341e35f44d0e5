"""Who will leave, when, why, and whom it pays to call."""

from crmintel.churn.classifier import ChurnClassifier
from crmintel.churn.learners import LIGHT, MIDDLE, PLAIN, SMALL, STACK, SplineLogistic, Trees
from crmintel.churn.reasons import Reasons, reasons
from crmintel.churn.report import ChurnReport, churn_report
from crmintel.churn.rules import BestColumn, simple_rules

__all__ = [
    "LIGHT",
    "MIDDLE",
    "PLAIN",
    "SMALL",
    "STACK",
    "BestColumn",
    "ChurnClassifier",
    "ChurnReport",
    "Reasons",
    "SplineLogistic",
    "Trees",
    "churn_report",
    "reasons",
    "simple_rules",
]
