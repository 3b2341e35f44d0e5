"""The main job and its steps, for scripts and notebooks."""

from crmintel.job.answers import (
    ChurnAnswer,
    Ground,
    OfferAnswer,
    ValueAnswer,
    answer_churn,
    answer_offers,
    answer_value,
    choose,
    prepare,
)
from crmintel.job.card import customer_card, stored_card
from crmintel.job.customers import Scores, score_customers
from crmintel.job.page import build_report
from crmintel.job.run import Results, analyse, track, write
from crmintel.job.settings import Settings, read_settings

__all__ = [
    "ChurnAnswer", "Ground", "OfferAnswer", "Results", "Scores", "Settings", "ValueAnswer", "analyse", "answer_churn",
    "answer_offers", "answer_value", "build_report", "choose", "customer_card", "prepare", "read_settings", "score_customers", "stored_card", "track", "write",
]  # fmt: skip
