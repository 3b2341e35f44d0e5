"""The data contract: what customers did, checked once at the door."""

from crmintel.interactions.clock import Zone
from crmintel.interactions.identity import normalise_ids
from crmintel.interactions.log import InteractionLog
from crmintel.interactions.part import Part
from crmintel.interactions.policies import Policies
from crmintel.interactions.profiles import Profiles
from crmintel.interactions.quality import Finding, QualityReport

__all__ = ["Finding", "InteractionLog", "Part", "Policies", "Profiles", "QualityReport", "Zone", "normalise_ids"]
