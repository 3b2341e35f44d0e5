"""Who will leave, when, why, and whom it pays to call."""

from crmintel.churn.base_reasons import BaseReasons, LeafReasons, base_reasons
from crmintel.churn.classifier import ChurnClassifier
from crmintel.churn.drift import Drift, drift
from crmintel.churn.empc import Empc, empc
from crmintel.churn.fairness import Fairness, fairness
from crmintel.churn.labels import Contracts, by_status, contractual
from crmintel.churn.learners import LIGHT, MIDDLE, PLAIN, SMALL, STACK
from crmintel.churn.profit import ProfitCurve, profit_curve
from crmintel.churn.reasons import Reasons, reasons
from crmintel.churn.report import ChurnReport, churn_report
from crmintel.churn.rules import BestColumn, simple_rules
from crmintel.churn.silence import Reactivation, Silence, re_activated, suggest_silence
from crmintel.churn.splines import SplineLogistic
from crmintel.churn.survival import TimeToChurn
from crmintel.churn.trees import Trees
from crmintel.evaluation.kaplan_meier import KaplanMeier, LogRank, kaplan_meier, log_rank

__all__ = [
    "LIGHT",
    "MIDDLE",
    "PLAIN",
    "SMALL",
    "STACK",
    "BaseReasons",
    "BestColumn",
    "ChurnClassifier",
    "ChurnReport",
    "Contracts",
    "Drift",
    "Empc",
    "Fairness",
    "KaplanMeier",
    "LeafReasons",
    "LogRank",
    "ProfitCurve",
    "Reactivation",
    "Reasons",
    "Silence",
    "SplineLogistic",
    "TimeToChurn",
    "Trees",
    "base_reasons",
    "by_status",
    "churn_report",
    "contractual",
    "drift",
    "empc",
    "fairness",
    "kaplan_meier",
    "log_rank",
    "profit_curve",
    "re_activated",
    "reasons",
    "simple_rules",
    "suggest_silence",
]
