"""Promises that can be tested: of our own features and recommenders, and of those that others write."""

from crmintel.testing.checks import assert_point_in_time
from crmintel.testing.recommenders import assert_recommender

__all__ = ["assert_point_in_time", "assert_recommender"]
