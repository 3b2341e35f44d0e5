"""The border to the web: a bundle behind a server that answers in milliseconds and repeats nothing of what it was sent."""

from crmintel.serving.application import Application
from crmintel.serving.limits import Limits
from crmintel.serving.served import Served

__all__ = ["Application", "Limits", "Served"]
