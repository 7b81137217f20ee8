"""What mlbench does: run, compare, score, verify, merge, report. The command line and notebooks only call it.

``jobs`` runs, ``stored`` computes from what is stored, and ``python`` has the functions that return pandas tables.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlbench.api.jobs import boards_of, check_writable, run_jobs, write_boards
    from mlbench.api.python import compare, load_dataset, load_leaderboard, run, score
    from mlbench.api.stored import Verification, score_boards, verify
    from mlbench.reporting.report import write_report
    from mlbench.results.merge import merge

__all__ = [
    "Verification",
    "boards_of",
    "check_writable",
    "compare",
    "load_dataset",
    "load_leaderboard",
    "merge",
    "run",
    "run_jobs",
    "score",
    "score_boards",
    "verify",
    "write_boards",
    "write_report",
]

if not TYPE_CHECKING:
    # The command line starts in a fraction of the time that pandas takes to load; type checkers see the imports above.
    _HOMES = {
        **dict.fromkeys(("boards_of", "check_writable", "run_jobs", "write_boards"), "mlbench.api.jobs"),
        **dict.fromkeys(("compare", "load_dataset", "load_leaderboard", "run", "score"), "mlbench.api.python"),
        **dict.fromkeys(("Verification", "score_boards", "verify"), "mlbench.api.stored"),
        "merge": "mlbench.results.merge",
        "write_report": "mlbench.reporting.report",
    }

    def __getattr__(name: str) -> object:
        if name in _HOMES:
            return getattr(importlib.import_module(_HOMES[name]), name)
        raise AttributeError(f"module 'mlbench.api' has no attribute {name!r}")
