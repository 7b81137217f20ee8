"""mlbench: which multi-label classifier to trust, measured."""

from __future__ import annotations

from mlbench.data.dataset import Dataset, Matrix, Split, make_split
from mlbench.data.home import data_home
from mlbench.errors import DataError, MlbenchError, TrialPruned, UsageError
from mlbench.registry.hookspecs import hookimpl
from mlbench.registry.specs import DatasetSpec, FeatureSpec, FitContext, MakeContext, ModelSpec, Option, Scorer

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
    "Scorer",
    "Split",
    "TrialPruned",
    "UsageError",
    "data_home",
    "hookimpl",
    "make_split",
]
__version__ = "0.1.0"
