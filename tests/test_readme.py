"""What the README shows is what happens."""

from __future__ import annotations

import csv
import importlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import click
import optuna
import pytest
from click.testing import CliRunner
from optuna.distributions import CategoricalDistribution

from mlbench.cli.main import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.M | re.S)


def test_it_is_short() -> None:
    """The README stays under 150 lines."""
    assert len(README.splitlines()) < 150


def test_the_board_it_shows_is_the_published_one() -> None:
    """The excerpt is the file in leaderboards/, line by line."""
    name = re.search(r"`leaderboards/([\w.-]+\.md)`", README)
    assert name is not None
    published = (ROOT / "leaderboards" / name[1]).read_text(encoding="utf-8").splitlines()

    shown = [line for line in README.splitlines() if line.startswith("| ")]

    assert len(shown) >= 8
    assert all(line in published for line in shown)


COMMANDS = [
    line.partition("#")[0].strip() for block in _blocks("sh") for line in block.splitlines() if "mlbench " in line
]


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("mlbench ")])
def test_every_command_parses(command: str) -> None:
    """Each command and option that the README names exists."""
    group, *words = shlex.split(command)[1:]
    context = click.Context(cli)
    parser = cli.get_command(context, group)
    if isinstance(parser, click.Group):
        parser, words = parser.get_command(context, words[0]), words[1:]

    parser.make_context(group, words, resilient_parsing=False)


def test_links_lead_somewhere() -> None:
    """Relative links name files that exist."""
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the README's plugin is installed, by pip, exactly as it stands there."""
    folder = tmp_path_factory.mktemp("plugin") / "mlbench-forest"
    folder.mkdir()
    (toml,) = _blocks("toml")
    (code,) = _blocks("python")
    (folder / "pyproject.toml").write_text(toml)
    (folder / "mlbench_forest.py").write_text(code)
    site = folder.parent / "site"
    # The example names no build backend, so pip takes its default, setuptools, in a build of its own.
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(folder)]
    subprocess.run(install, check=True, timeout=300)
    return {**os.environ, "PYTHONPATH": str(site)}


def _mlbench(*words: str, cwd: Path, env: dict[str, str]) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "mlbench", *words], cwd=cwd, env=env, capture_output=True, text=True, timeout=600
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_plugin_example_is_found(forest: dict[str, str], tmp_path: Path) -> None:
    """The forest shows up in the list and says what it is."""
    assert re.search(r"model +forest +mlbench-forest +0.1", _mlbench("plugins", "list", cwd=tmp_path, env=forest))
    assert "One multi-output random forest" in _mlbench("plugins", "info", "forest", cwd=tmp_path, env=forest)


slow = pytest.mark.skipif(not os.environ.get("MLBENCH_SLOW"), reason="slow: tox -e slow")


@pytest.mark.parametrize(
    ("name", "published", "margin"), [("yeast", 0.720, 0.010), pytest.param("scene", 0.850, 0.010, marks=slow)]
)
def test_the_plugin_example_scores_as_published(
    forest: dict[str, str], tmp_path: Path, shared_data: Path, name: str, published: float, margin: float
) -> None:
    """Its test micro AP is that of the published random forests (Bogatinovski et al. 2022)."""
    _mlbench("run", str(shared_data / "mulan" / name), "-m", "forest", "--n-trials", "10", cwd=tmp_path, env=forest)

    with (tmp_path / "leaderboards" / f"{name}.csv").open() as file:
        row = next(row for row in csv.DictReader(file) if row["model"] == "forest")
    assert row["status"] == "ok"
    assert abs(float(row["average_precision_micro"]) - published) <= margin


def test_help_names_every_command() -> None:
    """`mlbench --help` lists what the README uses."""
    text = CliRunner().invoke(cli, ["--help"]).output

    assert all(name in text for name in ("run", "plugins", "data", "leaderboard"))


PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_the_installed_plugin_is_this_one(folder: Path) -> None:
    """Records keep the version that pip knows: of an editable install, it is as old as the installation."""
    source = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

    assert version(folder.name) == source, f"install it again: pip install -e {folder}"


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_a_plugin_says_its_search_space(folder: Path) -> None:
    """The table in a model plugin's README has every parameter, with its range and its default."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    shown = {
        name: (bounds, default)
        for name, bounds, default in re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| .+ \|$", text, flags=re.M)
    }
    module = importlib.import_module(folder.name.replace("-", "_"))
    if not hasattr(module, "mlbench_models"):
        return
    (spec,) = module.mlbench_models()
    trial = optuna.create_study().ask()
    spec.suggest(trial)

    assert shown.keys() == trial.distributions.keys() == spec.defaults.keys()
    for name, distribution in trial.distributions.items():
        bounds, default = shown[name]
        if isinstance(distribution, CategoricalDistribution):
            assert re.split(r", | or ", bounds) == [str(choice) for choice in distribution.choices], name
            assert default == str(spec.defaults[name]), name
        else:
            low, high, *log = re.split(r" to |, ", bounds)
            assert (float(low), float(high)) == (distribution.low, distribution.high), name
            assert log == ["log"] * distribution.log, name
            assert float(default) == spec.defaults[name], name
