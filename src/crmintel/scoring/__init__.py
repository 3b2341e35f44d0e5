"""Models that leave the notebook: one object, one bundle, scored in batch without any server, watched afterwards."""

from crmintel.scoring.batch import BatchReport, score_batch
from crmintel.scoring.bundle import Manifest, load_bundle, save_bundle, verify_bundle
from crmintel.scoring.card import ModelCard, membership_inference
from crmintel.scoring.model import CustomerModel
from crmintel.scoring.monitor import Monitoring, monitor
from crmintel.scoring.monitor_profile import Profile, profile_of

__all__ = [
    "BatchReport", "CustomerModel", "Manifest", "ModelCard", "Monitoring", "Profile", "load_bundle", "membership_inference", "monitor",
    "profile_of", "save_bundle", "score_batch", "verify_bundle",
]  # fmt: skip
