"""``python -m crmintel``."""

from crmintel.cli import main

main()
