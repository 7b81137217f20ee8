"""mlbench: which multi-label classifier to trust, measured."""

from __future__ import annotations

import importlib
from typing import Any

from mlbench.data.dataset import Dataset, Matrix, Split, make_split
from mlbench.data.home import data_home
from mlbench.errors import DataError, MlbenchError, TrialPruned, UsageError
from mlbench.plugins.hookspecs import hookimpl
from mlbench.plugins.specs import DatasetSpec, FeatureSpec, FitContext, MakeContext, ModelSpec, Option, ScoreFunction

__all__ = [
    "DataError",
    "Dataset",
    "DatasetSpec",
    "FeatureSpec",
    "FitContext",
    "MakeContext",
    "Matrix",
    "MlbenchError",
    "ModelSpec",
    "Option",
    "ScoreFunction",
    "Split",
    "TrialPruned",
    "UsageError",
    "compare",
    "data_home",
    "hookimpl",
    "load_leaderboard",
    "make_split",
    "run",
]
__version__ = "0.1.0"
_FROM_NOTEBOOK = ("compare", "load_leaderboard", "run")


def __getattr__(name: str) -> Any:
    """What runs and ranks is imported when it is asked for: a plugin needs none of it."""
    if name in _FROM_NOTEBOOK:
        return getattr(importlib.import_module("mlbench.api"), name)
    raise AttributeError(f"module 'mlbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
