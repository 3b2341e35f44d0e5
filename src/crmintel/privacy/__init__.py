"""Personal data: pseudonyms, a look for what should not be there, small cells, consent, erasure."""

from crmintel.privacy.bundles import listed_in
from crmintel.privacy.cells import suppress_crosstab, suppress_small
from crmintel.privacy.consent import agreed, consenting
from crmintel.privacy.detector import PersonalData, Suspicion, personal_data, warn_of_personal_data
from crmintel.privacy.erased import ErasedFile, Erasure, Reanchored, Retrain, Unsearched
from crmintel.privacy.erasure import erase
from crmintel.privacy.merging import merge_small
from crmintel.privacy.pseudonyms import Pseudonymizer, rekeyed
from crmintel.privacy.suppression import SuppressionList, suppressed

__all__ = [
    "ErasedFile",
    "Erasure",
    "PersonalData",
    "Pseudonymizer",
    "Reanchored",
    "Retrain",
    "SuppressionList",
    "Suspicion",
    "Unsearched",
    "agreed",
    "consenting",
    "erase",
    "listed_in",
    "merge_small",
    "personal_data",
    "rekeyed",
    "suppress_crosstab",
    "suppress_small",
    "suppressed",
    "warn_of_personal_data",
]
