"""mlbench: which multi-label classifier to trust, measured."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from mlbench.data.dataset import Dataset, Matrix, Split, make_split
from mlbench.data.home import data_home
from mlbench.errors import DataError, MlbenchError, PluginError, TrialPruned, UsageError
from mlbench.plugins.hookspecs import hookimpl
from mlbench.plugins.specs import (
    DatasetSpec,
    FeatureSpec,
    FitContext,
    MakeContext,
    ModelSpec,
    Option,
    ScoreFunction,
    Scores,
    Transform,
)
from mlbench.results.version import __version__ as __version__

if TYPE_CHECKING:
    from mlbench.api.python import compare, load_dataset, load_leaderboard, run, score

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
    "PluginError",
    "ScoreFunction",
    "Scores",
    "Split",
    "Transform",
    "TrialPruned",
    "UsageError",
    "compare",
    "data_home",
    "hookimpl",
    "load_dataset",
    "load_leaderboard",
    "make_split",
    "run",
    "score",
]

if not TYPE_CHECKING:
    # What runs and ranks is imported when it is asked for: a plugin needs none of it. Type checkers see the import
    # above instead, so that they notice a name that is misspelt.
    _FROM_API = ("compare", "load_dataset", "load_leaderboard", "run", "score")

    def __getattr__(name: str) -> object:
        if name in _FROM_API:
            return getattr(importlib.import_module("mlbench.api.python"), name)
        raise AttributeError(f"module 'mlbench' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
