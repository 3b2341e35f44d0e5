"""Models that leave the notebook: one object, one bundle, scored in batch without any server."""

from crmintel.scoring.batch import BatchReport, score_batch
from crmintel.scoring.bundle import Manifest, load_bundle, save_bundle, verify_bundle
from crmintel.scoring.model import CustomerModel

__all__ = ["BatchReport", "CustomerModel", "Manifest", "load_bundle", "save_bundle", "score_batch", "verify_bundle"]
