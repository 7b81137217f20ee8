"""Commands are imported when they are asked for, and all of them are there."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from mlbench.cli.lazy_group import LateGroup
from mlbench.cli.main import COMMANDS, cli

HEAVY = ("scipy", "sklearn", "pandas", "optuna", "xgboost", "lightgbm", "matplotlib", "torch", "asyncio")


@pytest.mark.parametrize("name", [*COMMANDS, "data audit", "data plot"])
def test_every_command_is_where_it_is_said_to_be(name: str) -> None:
    """Each late name leads to a command that is called so and can say what it does."""
    *_, last = words = name.split()
    found: click.Command | None = cli
    for word in words:
        assert isinstance(found, LateGroup)
        found = found.get_command(click.Context(found), word)

    assert found is not None
    assert found.name == last
    assert CliRunner().invoke(cli, [*words, "--help"]).exit_code == 0


def test_help_names_them_all() -> None:
    """``mlbench --help`` and ``mlbench data --help`` list commands that are imported late, with what they do."""
    shown = CliRunner().invoke(cli, ["--help"]).output
    data = CliRunner().invoke(cli, ["data", "--help"]).output

    assert [line.split()[0] for line in shown.partition("Commands:")[2].splitlines() if line.strip()] == list(COMMANDS)
    assert {"audit", "plot", "list"} <= {line.split()[0] for line in data.partition("Commands:")[2].split("\n  ")[1:]}


def test_an_unknown_command_has_a_nearest_one() -> None:
    """A misspelt command gets the hint that a group gives whose commands are all imported."""
    ended = subprocess.run([sys.executable, "-m", "mlbench", "repotr"], capture_output=True, text=True, timeout=60)

    assert ended.returncode == 2
    assert "report" in ended.stderr


@pytest.mark.parametrize("command", [["--version"], ["plugins", "list"]])
def test_light_commands_import_nothing_heavy(command: list[str]) -> None:
    """What answers at once does so because it imports none of the heavy libraries."""
    code = (
        "import sys; from mlbench.cli.main import cli; cli.main(sys.argv[1:], standalone_mode=False);"
        f" print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, timeout=60, check=True
    )

    assert ended.stderr.strip().splitlines()[-1] == "[]"
