"""Small groups on the page: the rules of `crmintel.privacy.merging`, under the name by which the pages know them."""

from crmintel.privacy.merging import OTHER, SMALLEST, hidden, merge, merge_small, small_names

__all__ = ["OTHER", "SMALLEST", "hidden", "merge", "merge_small", "small_names"]
