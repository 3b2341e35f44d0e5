"""How good is it, honestly: time splits, figures with intervals, and simple rules to beat."""

from crmintel.evaluation.intervals import Estimate, bootstrap, wilson
from crmintel.evaluation.kaplan_meier import KaplanMeier, LogRank, kaplan_meier, log_rank
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
from crmintel.evaluation.survival import brier_curve, concordance, horizon_calibration, integrated_brier
from crmintel.evaluation.uplift import UpliftCurve, uplift_curve, uplift_curve_from_scores
from crmintel.evaluation.value import capture, coverage, mean_absolute_error, total_error
from crmintel.evaluation.values import ValueReport, compare_values

__all__ = [
    "Estimate",
    "LeakReport",
    "KaplanMeier",
    "LogRank",
    "ProbabilityReport",
    "RankingReport",
    "TimeSplit",
    "UpliftCurve",
    "ValueReport",
    "auc",
    "average_precision",
    "bootstrap",
    "brier",
    "brier_curve",
    "calibration_error",
    "calibration_table",
    "capture",
    "compare_rankings",
    "compare_scores",
    "compare_values",
    "concordance",
    "coverage",
    "hit_rate",
    "leak_check",
    "horizon_calibration",
    "integrated_brier",
    "kaplan_meier",
    "lift",
    "lift_table",
    "log_loss",
    "log_rank",
    "mean_absolute_error",
    "ndcg",
    "precision",
    "recall",
    "suggest_horizon",
    "time_split",
    "total_error",
    "uplift_curve",
    "uplift_curve_from_scores",
    "wilson",
]
