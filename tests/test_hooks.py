"""Each hook is documented, takes nothing, and is used."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlbench.plugins import builtins, hookspecs
from mlbench.plugins.catalog import HOOKS, discover

SPECS: dict[str, Callable[..., Any]] = {
    name: value for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.GROUP}_spec")
}
ROOT = Path(__file__).parents[1] / "plugins"
PLUGINS = sorted(path for path in ROOT.rglob("*.py") if "tests" not in path.parts)


def test_the_hooks_are_those_that_are_collected() -> None:
    """No hook is specified without being collected, nor collected without being specified."""
    assert set(SPECS) == {hook for hook, _ in HOOKS.values()}


@pytest.mark.parametrize("hook", SPECS)
def test_a_hook_says_what_it_yields_and_when_it_fires(hook: str) -> None:
    """The docstring of a hook begins with what to yield and says when it fires."""
    text = inspect.getdoc(SPECS[hook]) or ""

    assert text.startswith("Yield")
    assert "Fires" in text


@pytest.mark.parametrize("hook", SPECS)
def test_a_hook_takes_nothing_and_order_does_not_decide(hook: str) -> None:
    """A hook has no argument; it is neither firstresult nor historic."""
    options = getattr(SPECS[hook], f"{hookspecs.GROUP}_spec")

    assert not inspect.signature(SPECS[hook]).parameters
    assert not options["firstresult"]
    assert not options["historic"]


def _users(hook: str) -> list[str]:
    """The modules of plugins that implement a hook, and the built-ins."""
    sources = [Path(inspect.getfile(builtins)), *PLUGINS]
    return [source.stem for source in sources if f"@hookimpl\ndef {hook}(" in source.read_text()]


@pytest.mark.parametrize("hook", SPECS)
def test_a_hook_is_used(hook: str) -> None:
    """The core or one of its plugins uses each hook."""
    assert _users(hook)


@pytest.mark.parametrize("hook", ["mlbench_models", "mlbench_datasets"])
def test_a_plugin_uses_the_hook(hook: str) -> None:
    """Models and data sets come from plugins of ours too, not from the core alone."""
    assert set(_users(hook)) - {"builtins"}


def test_nothing_of_ours_is_broken() -> None:
    """All built-ins and first-party plugins that are installed can be used."""
    ours = {path.relative_to(ROOT).parts[0] for path in PLUGINS} | {"mlbench-suite"}

    assert [str(broken) for broken in discover().broken if broken.origin.plugin in ours] == []
