"""Decisions kept so that tampering shows, and joined with what came of them."""
