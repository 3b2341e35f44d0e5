"""Models that leave the notebook: is what they say still true?"""

from crmintel.scoring.monitor import Monitoring, monitor
from crmintel.scoring.monitor_profile import Profile, profile_of

__all__ = ["Monitoring", "Profile", "monitor", "profile_of"]
