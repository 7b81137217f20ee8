"""``python -m mlbench``."""

from mlbench.cli.main import main

main()
