"""What the package offers to plugins, and how light it is."""

from __future__ import annotations

import importlib.metadata
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import mlbench

PUBLIC = [
    "DataError", "Dataset", "DatasetSpec", "FeatureSpec", "FitContext", "MakeContext", "Matrix", "MlbenchError",
    "ModelSpec", "Option", "PluginError", "ScoreFunction", "Scores", "Split", "Transform", "TrialPruned", "UsageError",
    "compare", "data_home", "hookimpl", "load_dataset", "load_leaderboard", "make_split", "run", "score",
]  # fmt: skip


def test_the_public_names() -> None:
    """Plugins are written against these names: adding one is a decision, losing one breaks them."""
    assert mlbench.__all__ == PUBLIC
    assert set(PUBLIC) <= set(dir(mlbench))  # also those that are imported when they are asked for
    assert sorted(PUBLIC) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_is_there_and_documented(name: str) -> None:
    """Each name can be imported, and classes and functions have a docstring."""
    value = getattr(mlbench, name)

    if inspect.isclass(value) or inspect.isfunction(value):
        assert inspect.getdoc(value)


@pytest.mark.parametrize("name", ["ModelSpec", "FeatureSpec", "DatasetSpec", "FitContext", "Dataset", "Split"])
def test_docstrings_tell_of_each_field(name: str) -> None:
    """The docstring of a dataclass has an entry for each of its public fields."""
    kind = getattr(mlbench, name)
    text = inspect.getdoc(kind) or ""

    for field in kind.__dataclass_fields__:
        if not field.startswith("on_"):
            assert f"\n    {field}: " in text, field


def test_the_version_is_the_distributions() -> None:
    """``__version__`` is what is installed as ``mlbench-suite``."""
    assert importlib.metadata.version("mlbench-suite") == mlbench.__version__


def test_the_package_is_typed() -> None:
    """The marker that tells type checkers to look at our annotations is in the package."""
    assert (Path(mlbench.__file__).parent / "py.typed").exists()


def test_importing_the_package_is_light() -> None:
    """A plugin's ``import mlbench`` loads no heavy library, and says nothing."""
    heavy = ["optuna", "sklearn", "pandas", "torch", "xgboost", "lightgbm", "pyarrow", "rich", "click"]
    code = f"import sys, mlbench; print([name for name in {heavy} if name in sys.modules])"

    ended = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)

    assert (ended.stdout, ended.stderr) == ("[]\n", "")


def test_discovery_is_light() -> None:
    """Finding all plugins imports none of their libraries, so that every command starts at once."""
    heavy = ["optuna", "sklearn", "torch", "xgboost", "lightgbm"]
    code = (
        "import sys; from mlbench.plugins.catalog import discover; assert discover().models;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ended.stdout == "[]\n"
