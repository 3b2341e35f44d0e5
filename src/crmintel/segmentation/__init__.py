"""Who customers are, what they bring, where they stand, and who moved."""

from crmintel.segmentation.breakeven import break_even
from crmintel.segmentation.groups import CustomerGroups
from crmintel.segmentation.lifecycle import STAGES, lifecycle_stage, return_rates
from crmintel.segmentation.lookalikes import LookAlikes, look_alikes
from crmintel.segmentation.migration import Migration, migration, transitions
from crmintel.segmentation.potential import Potential, potential, share_of_wallet
from crmintel.segmentation.profile import Profile, profile
from crmintel.segmentation.rfm import RFM
from crmintel.segmentation.rules import Rules, rules
from crmintel.segmentation.satisfaction import NPS, SatisfactionGrid, Scale, satisfaction_grid
from crmintel.segmentation.small import merged, suppressed
from crmintel.segmentation.tiers import ValueTiers
from crmintel.segmentation.types import CHINESE, EightTypes, Grid

__all__ = [
    "CHINESE",
    "NPS",
    "RFM",
    "STAGES",
    "CustomerGroups",
    "EightTypes",
    "Grid",
    "LookAlikes",
    "Migration",
    "Potential",
    "Profile",
    "Rules",
    "SatisfactionGrid",
    "Scale",
    "ValueTiers",
    "break_even",
    "lifecycle_stage",
    "look_alikes",
    "merged",
    "migration",
    "potential",
    "profile",
    "return_rates",
    "rules",
    "satisfaction_grid",
    "share_of_wallet",
    "suppressed",
    "transitions",
]
