"""Experiments: how large, who gets what, and what they say."""
