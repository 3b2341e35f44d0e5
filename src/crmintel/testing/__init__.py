"""Promises that can be tested: of our own features, and of those that others declare."""

from crmintel.testing.checks import assert_point_in_time

__all__ = ["assert_point_in_time"]
