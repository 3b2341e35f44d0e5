"""What pytest leaves alone where an extra is missing."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("pyspark") else ["src/crmintel/spark/*"]
