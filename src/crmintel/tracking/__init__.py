"""The border to MLflow: runs, models, registry, promotion."""

from crmintel.tracking.cache import fetch_cached
from crmintel.tracking.mlflow import record
from crmintel.tracking.models import Logged, log
from crmintel.tracking.promotion import Promotion, promote
from crmintel.tracking.registry import Fetched, aliases, fetch, load, set_alias
from crmintel.tracking.store import sqlite_uri
from crmintel.tracking.waiting import send, spool

__all__ = [
    "Fetched", "Logged", "Promotion", "aliases", "fetch", "fetch_cached", "load", "log", "promote", "record", "send", "set_alias", "spool", "sqlite_uri",
]  # fmt: skip
