"""Features and scores of a Spark DataFrame, by the same engine inside Spark's own partitions. Needs the extra ``crmintel[spark]``."""

from crmintel.spark.features import build, freeze
from crmintel.spark.scoring import score

__all__ = ["build", "freeze", "score"]
