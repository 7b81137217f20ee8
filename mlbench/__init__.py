"""mlbench: which multi-label classifier to trust, measured."""

from __future__ import annotations

from mlbench.data.dataset import Dataset, Matrix, Split, make_split
from mlbench.errors import MlbenchError, TrialPruned
from mlbench.registry.hookspecs import hookimpl
from mlbench.registry.specs import DatasetSpec, FeatureSpec, FitContext, MakeContext, ModelSpec, Option, Scorer

__all__ = [
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
    "hookimpl",
    "make_split",
]
__version__ = "0.1.0"
