"""The house's rules: who imports whom, how long a module is, what is never used."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = (
    "errors", "metrics", "data", "plugins", "toolkit", "results", "evaluation", "execution", "reporting",
    "api", "testing", "cli",
)  # fmt: skip
TOP = ("mlbench", "mlbench.__main__")
LONGEST_MODULE = 400
CORE = sorted((ROOT / "mlbench").rglob("*.py"))
PLUGINS = sorted(path for path in (ROOT / "plugins").rglob("*.py") if "tests" not in path.parts)
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in [*CORE, *PLUGINS]}


def _name(path: Path) -> str:
    """``mlbench.data.dataset``, and ``mlbench.data`` for its ``__init__``."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {_name(path) for path in CORE}


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _imports(node: ast.AST, *, types: bool) -> Iterator[str]:
    """The modules that the code below ``node`` imports; names of a package count as its modules where they are."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            for alias in child.names:
                whole = f"{child.module}.{alias.name}"
                yield whole if whole in MODULES else str(child.module)
        elif _is_type_checking(child) and not types:
            assert isinstance(child, ast.If)
            for other in child.orelse:
                yield from _imports(other, types=types)
        else:
            yield from _imports(child, types=types)


def _ours(path: Path, *, types: bool = True) -> set[str]:
    return {name for name in _imports(TREES[path], types=types) if name.split(".")[0] == "mlbench"} - {_name(path)}


def test_every_part_has_its_layer() -> None:
    """Each module of the core belongs to a layer, or is the package itself."""
    parts = {path.relative_to(ROOT / "mlbench").parts[0].removesuffix(".py") for path in CORE}

    assert parts - set(LAYERS) <= {"__init__", "__main__"}


@pytest.mark.parametrize(
    "path", [path for path in CORE if path.parent.name != "mlbench" or path.stem in LAYERS], ids=_id
)
def test_imports_go_to_the_left(path: Path) -> None:
    """A module imports from its own layer and from those before it, never from one after it."""
    here = LAYERS.index(_name(path).split(".")[1])

    for name in _ours(path):
        if name != "mlbench":
            assert LAYERS.index(name.split(".")[1]) <= here, f"{_name(path)} imports {name}"


@pytest.mark.parametrize(
    "path", [path for path in CORE if path.relative_to(ROOT).parts[1] in ("data", "plugins", "results")], ids=_id
)
def test_what_the_package_exports_does_not_import_the_package(path: Path) -> None:
    """``mlbench/__init__.py`` collects the public names; what it collects takes none from it."""
    assert "mlbench" not in _ours(path)


def test_there_is_no_import_cycle() -> None:
    """No chain of imports, for types or not, comes back to where it began."""
    graph = {_name(path): _ours(path) & MODULES for path in CORE}

    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("path", CORE, ids=_id)
def test_no_import_of_ours_inside_a_function(path: Path) -> None:
    """Imports of mlbench stand at the top of a module: a late one hides a cycle."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    late = {
        name
        for node in ast.walk(TREES[path])
        if isinstance(node, functions)
        for name in _imports(node, types=True)
        if name.split(".")[0] == "mlbench"
    }

    assert late == set()


@pytest.mark.parametrize("path", [*CORE, *PLUGINS], ids=_id)
def test_no_module_is_too_long(path: Path) -> None:
    """A module has at most 400 lines."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


@pytest.mark.parametrize("path", [*CORE, *PLUGINS], ids=_id)
def test_optuna_is_imported_in_one_place(path: Path) -> None:
    """Only ``execution/tuning.py`` imports Optuna; others may name its types."""
    found = {name for name in _imports(TREES[path], types=False) if name.split(".")[0] == "optuna"}

    assert not found or _name(path) == "mlbench.execution.tuning"


PUBLIC = ("mlbench.metrics", "mlbench.toolkit", "mlbench.testing")


@pytest.mark.parametrize("path", PLUGINS, ids=_id)
def test_plugins_use_what_is_public(path: Path) -> None:
    """A module of a first-party plugin imports what any plugin may: mlbench, its metrics, toolkit and testing."""
    private = {name for name in _ours(path) if name != "mlbench" and not name.startswith(PUBLIC)}

    assert private == set()


def test_every_module_of_every_plugin_is_looked_at() -> None:
    """Plugins that are packages are read as well as those that are one module."""
    assert {path.parent.name for path in PLUGINS} >= {"mlbench-ridge", "mlbench_music"}


@pytest.mark.parametrize("path", PLUGINS, ids=_id)
def test_plugins_import_heavy_libraries_late(path: Path) -> None:
    """Discovery imports every plugin: none of them imports its library at the top."""
    heavy = {"torch", "xgboost", "lightgbm", "sklearn", "scipy.optimize", "pandas", "optuna"}
    top = {
        name
        for node in TREES[path].body
        if not _is_type_checking(node) and not isinstance(node, ast.FunctionDef | ast.ClassDef)
        for name in _imports(ast.Module(body=[node], type_ignores=[]), types=False)
    }

    assert {name for name in top if name in heavy or name.split(".")[0] in heavy} == set()


FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_ATTRIBUTES = {"joblib.load", "torch.load", "os.system", "pd.read_pickle", "pandas.read_pickle"}


@pytest.mark.parametrize("path", [*CORE, *PLUGINS], ids=_id)
def test_nothing_that_runs_what_it_reads(path: Path) -> None:
    """No pickle, no YAML, no eval: data and records are never code."""
    imported = {name.split(".")[0] for name in _imports(TREES[path], types=True)}
    assert not imported & FORBIDDEN_MODULES

    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in FORBIDDEN_CALLS | FORBIDDEN_ATTRIBUTES, f"line {node.lineno}"
            options = {option.arg: ast.unparse(option.value) for option in node.keywords}
            assert options.get("allow_pickle", "False") == "False", f"line {node.lineno}"
            assert options.get("shell", "False") == "False", f"line {node.lineno}"
            if called in ("np.load", "numpy.load"):
                assert "allow_pickle" in options, f"line {node.lineno}"


@pytest.mark.parametrize("path", [*CORE, *PLUGINS], ids=_id)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    """Each module begins with a docstring."""
    assert ast.get_docstring(TREES[path])
