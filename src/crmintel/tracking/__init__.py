"""The border to MLflow."""

from crmintel.tracking.mlflow import record, sqlite_uri

__all__ = ["record", "sqlite_uri"]
