"""What customers are worth."""

from crmintel.value.lifetime import LifetimeValue

__all__ = ["LifetimeValue"]
