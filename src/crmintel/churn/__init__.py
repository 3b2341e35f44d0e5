"""Who will leave, and why."""

from crmintel.churn.classifier import ChurnClassifier
from crmintel.churn.reasons import Reasons, reasons
from crmintel.churn.survival import TimeToChurn
from crmintel.evaluation.kaplan_meier import KaplanMeier, LogRank, kaplan_meier, log_rank

__all__ = ["ChurnClassifier", "KaplanMeier", "LogRank", "Reasons", "TimeToChurn", "kaplan_meier", "log_rank", "reasons"]
