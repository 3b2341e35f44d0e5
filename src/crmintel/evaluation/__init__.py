"""How good is it, honestly: time splits, figures with intervals, and simple rules to beat."""

from crmintel.evaluation.intervals import Estimate, bootstrap, wilson
from crmintel.evaluation.leakage import LeakReport, leak_check
from crmintel.evaluation.probability import (
    auc,
    average_precision,
    brier,
    calibration_error,
    calibration_table,
    lift,
    lift_table,
    log_loss,
)
from crmintel.evaluation.ranking import hit_rate, ndcg, precision, recall
from crmintel.evaluation.rankings import RankingReport, compare_rankings
from crmintel.evaluation.scores import ProbabilityReport, compare_scores
from crmintel.evaluation.splits import TimeSplit, suggest_horizon, time_split
from crmintel.evaluation.value import capture, coverage, mean_absolute_error, total_error
from crmintel.evaluation.values import ValueReport, compare_values

__all__ = [
    "Estimate",
    "LeakReport",
    "ProbabilityReport",
    "RankingReport",
    "TimeSplit",
    "ValueReport",
    "auc",
    "average_precision",
    "bootstrap",
    "brier",
    "calibration_error",
    "calibration_table",
    "capture",
    "compare_rankings",
    "compare_scores",
    "compare_values",
    "coverage",
    "hit_rate",
    "leak_check",
    "lift",
    "lift_table",
    "log_loss",
    "mean_absolute_error",
    "ndcg",
    "precision",
    "recall",
    "suggest_horizon",
    "time_split",
    "total_error",
    "wilson",
]
