"""Who customers are, what they bring, and where they stand."""

from crmintel.segmentation.lifecycle import STAGES, lifecycle_stage
from crmintel.segmentation.rfm import RFM
from crmintel.segmentation.tiers import ValueTiers

__all__ = ["RFM", "STAGES", "ValueTiers", "lifecycle_stage"]
