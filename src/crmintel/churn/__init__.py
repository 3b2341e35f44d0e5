"""Who will leave, and why."""

from crmintel.churn.classifier import ChurnClassifier
from crmintel.churn.reasons import Reasons, reasons

__all__ = ["ChurnClassifier", "Reasons", "reasons"]
