"""What next for each customer."""

from crmintel.recommend.base import Recommender
from crmintel.recommend.models import CoOccurrence, Popularity, Repeat

__all__ = ["CoOccurrence", "Popularity", "Recommender", "Repeat"]
