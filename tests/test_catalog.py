"""Discovery over real distributions: what is good works, what is broken is listed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from plugin_files import install

from mlbench.errors import NameClash, PluginError, UnknownName
from mlbench.plugins.catalog import CORE, Catalog, PluginSource, discover, load_model

GOOD = """
from mlbench import ModelSpec, hookimpl

@hookimpl
def mlbench_models():
    yield ModelSpec(name="{0}", summary="s", fit=print)
"""
HEAD = "from mlbench import ModelSpec, DatasetSpec, FeatureSpec, hookimpl\n"
BROKEN = {
    "import": ("import no_such_library", "cannot import 'mlbench_t_import': ModuleNotFoundError: No module named"),
    "syntax": ("def oops(:", "cannot import 'mlbench_t_syntax': SyntaxError: invalid syntax"),
    "exit": ("import sys; sys.exit('bye')", "cannot import 'mlbench_t_exit': SystemExit: bye"),
    "misspelt": (HEAD + "@hookimpl\ndef mlbench_model(): pass", "does not fit the hooks: PluginValidationError: "),
    "argument": (HEAD + "@hookimpl\ndef mlbench_models(x): pass", "does not fit the hooks: PluginValidationError: "),
    "raises": (
        HEAD + "@hookimpl\ndef mlbench_models():\n    raise RuntimeError('a\\nb')",
        "mlbench_models failed: RuntimeError: a b",
    ),
    "late": (
        HEAD + "@hookimpl\ndef mlbench_models():\n    yield ModelSpec(name='late', summary='s', fit=print)\n    1 / 0",
        "mlbench_models failed: ZeroDivisionError: division by zero",
    ),
    "quits": (HEAD + "@hookimpl\ndef mlbench_datasets():\n    raise SystemExit", "mlbench_datasets failed: SystemExit"),
    "type": (
        HEAD + "@hookimpl\ndef mlbench_models():\n    yield DatasetSpec(name='d', summary='s', load=print)",
        "mlbench_models must yield ModelSpec, not DatasetSpec",
    ),
    "string": (HEAD + "@hookimpl\ndef mlbench_features():\n    return 'rfft'", "must yield FeatureSpec, not str"),
    "number": (HEAD + "@hookimpl\ndef mlbench_features():\n    return 3", "'int' object is not iterable"),
    "name": (
        HEAD + "@hookimpl\ndef mlbench_models():\n    yield ModelSpec(name='a b', summary='s', fit=print)",
        "model name 'a b': use 1 to 64 letters",
    ),
}


def _discover(monkeypatch: pytest.MonkeyPatch, *sites: Path) -> Catalog:
    for site in sites:
        monkeypatch.syspath_prepend(site)
    for module in [name for name in sys.modules if name.startswith("mlbench_t_")]:
        monkeypatch.delitem(sys.modules, module)
    return discover()


def _errors(catalog: Catalog, plugin: str) -> list[str]:
    return [broken.error for broken in catalog.broken if broken.origin.plugin == plugin]


def test_a_good_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module behind an entry point is found, with its distribution and version."""
    install(tmp_path, "mlbench-t-good", GOOD.format("good"), version="1.2.3")

    catalog = _discover(monkeypatch, tmp_path)

    found = catalog.model("good")
    assert found.spec.name == "good"
    assert found.origin == PluginSource(plugin="mlbench-t-good", version="1.2.3", entry_point="mlbench_t_good")
    assert str(found.origin) == "mlbench-t-good 1.2.3"
    assert _errors(catalog, "mlbench-t-good") == []


def test_one_plugin_may_offer_all_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models, data sets and features of one plugin are all found; a hook may yield nothing or return None."""
    code = HEAD + (
        "@hookimpl\ndef mlbench_models():\n    return None\n"
        "@hookimpl\ndef mlbench_datasets():\n    return [DatasetSpec(name='t-d', summary='s', load=print)]\n"
        "@hookimpl\ndef mlbench_features():\n    yield FeatureSpec(name='t-f', summary='s', fit=print)\n"
    )
    install(tmp_path, "mlbench-t-all", code)

    catalog = _discover(monkeypatch, tmp_path)

    assert catalog.dataset("t-d").spec.name == "t-d"
    assert catalog.feature("t-f").spec.name == "t-f"
    assert _errors(catalog, "mlbench-t-all") == []


def test_an_object_may_be_the_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point may name an object of a module; its hooks are methods."""
    code = HEAD + (
        "class Plugin:\n    @hookimpl\n    def mlbench_models(self):\n"
        "        yield ModelSpec(name='t-object', summary='s', fit=print)\nplugin = Plugin()\n"
    )
    install(tmp_path, "mlbench-t-object", code)
    points = tmp_path / "mlbench_t_object-0.1.dist-info" / "entry_points.txt"
    points.write_text("[mlbench]\nobject = mlbench_t_object:plugin\n")

    catalog = _discover(monkeypatch, tmp_path)

    assert catalog.model("t-object").origin.entry_point == "object"
    assert load_model(catalog.model("t-object").origin, "t-object").name == "t-object"


def test_broken_plugins_hurt_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each broken plugin is listed with its distribution and one line; the good one between them works."""
    for name, (code, _) in BROKEN.items():
        install(tmp_path, f"mlbench-t-{name}", code)
    install(tmp_path, "mlbench-t-good", GOOD.format("good"))

    catalog = _discover(monkeypatch, tmp_path)

    assert catalog.model("good")
    assert catalog.model("prior")
    for name, (_, message) in BROKEN.items():
        errors = _errors(catalog, f"mlbench-t-{name}")
        assert len(errors) == 1, name
        assert message in errors[0]
        assert "\n" not in errors[0]
    assert "late" not in catalog.models, "a plugin that breaks half way is left out as a whole"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("mlbench_t_good:nothing", "AttributeError: module 'mlbench_t_good' has no attribute 'nothing'"),
        ("mlbench_t_nowhere", "No module named 'mlbench_t_nowhere'"),
        ("no module!", "cannot import 'no module!'"),
    ],
)
def test_entry_points_that_lead_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, message: str
) -> None:
    """A missing attribute, a missing module or a value that is no name breaks that plugin alone."""
    install(tmp_path, "mlbench-t-good", GOOD.format("good"))
    install(tmp_path, "mlbench-t-lost", "")
    (tmp_path / "mlbench_t_lost-0.1.dist-info" / "entry_points.txt").write_text(f"[mlbench]\nlost = {value}\n")

    catalog = _discover(monkeypatch, tmp_path)

    (error,) = _errors(catalog, "mlbench-t-lost")
    assert message in error
    assert catalog.model("good")


def test_a_distribution_without_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a broken uninstall leaves, entry points without METADATA, does not stop the others."""
    install(tmp_path, "mlbench-t-good", GOOD.format("good"))
    install(tmp_path, "mlbench-t-left", GOOD.format("left"))
    (tmp_path / "mlbench_t_left-0.1.dist-info" / "METADATA").unlink()

    assert _discover(monkeypatch, tmp_path).model("good")


def test_two_plugins_with_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for a name that two plugins offer names both; what else they offer still works."""
    two = GOOD.format("same") + '    yield ModelSpec(name="only-{0}", summary="s", fit=print)\n'
    install(tmp_path, "mlbench-t-b", two.format("b"), version="2")
    install(tmp_path, "mlbench-t-a", two.format("a"), version="1")

    catalog = _discover(monkeypatch, tmp_path)

    message = "model 'same' is offered by mlbench-t-a 1 and mlbench-t-b 2: uninstall one"
    with pytest.raises(NameClash, match=message):
        catalog.model("same")
    assert "same" not in catalog.models
    assert _errors(catalog, "mlbench-t-a") == _errors(catalog, "mlbench-t-b") == [message]
    assert catalog.model("only-a")
    assert catalog.model("only-b")


def test_one_name_for_a_model_and_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names clash within a kind only."""
    install(tmp_path, "mlbench-t-a", GOOD.format("t-same"))
    code = HEAD + "@hookimpl\ndef mlbench_datasets():\n    yield DatasetSpec(name='t-same', summary='s', load=print)"
    install(tmp_path, "mlbench-t-b", code)

    catalog = _discover(monkeypatch, tmp_path)

    assert catalog.model("t-same").origin.plugin == "mlbench-t-a"
    assert catalog.dataset("t-same").origin.plugin == "mlbench-t-b"


def test_a_built_in_name_cannot_be_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that offers the floor's name is listed with the error; the floor stays ours."""
    install(tmp_path, "a-t-thief", GOOD.format("prior"))

    catalog = _discover(monkeypatch, tmp_path)

    assert catalog.model("prior").origin.plugin == CORE
    (error,) = _errors(catalog, "a-t-thief")
    assert "model 'prior' is offered by mlbench-suite" in error
    assert "a-t-thief 0.1" in error


def test_order_of_installation_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plugins on the path in either order give the same catalog."""
    sites = [install(tmp_path / name, f"mlbench-t-{name}", GOOD.format(f"t-{name}")) for name in ("x", "y")]
    sites += [install(tmp_path / f"same-{n}", f"mlbench-t-same-{n}", GOOD.format("same")) for n in "ab"]

    def summary(catalog: Catalog) -> object:
        kinds = (catalog.models, catalog.datasets, catalog.features)
        return [[(n, r.origin) for n, r in kind.items()] for kind in kinds], catalog.broken, catalog.clashes

    with monkeypatch.context() as patch:
        first = summary(_discover(patch, *sites))
    second = summary(_discover(monkeypatch, *reversed(sites)))

    assert first == second
    assert list(discover().models) == sorted(discover().models)


def test_unknown_names_get_a_suggestion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt name gets the near one, and a hint when plugins are broken."""
    install(tmp_path, "mlbench-t-good", GOOD.format("t-forest"))
    with pytest.raises(UnknownName, match="no model 't-forst': did you mean 't-forest'"):
        _discover(monkeypatch, tmp_path).model("t-forst")
    with pytest.raises(UnknownName, match="no data set 'demmo': did you mean 'demo'"):
        discover().dataset("demmo")
    with pytest.raises(UnknownName, match="no features 'rftf': did you mean 'rfft'"):
        discover().feature("rftf")

    install(tmp_path, "mlbench-t-broken", "1 / 0")
    with pytest.raises(UnknownName, match=r"\(1 broken: see `mlbench plugins list`\)"):
        _discover(monkeypatch, tmp_path).model("t-forst")


def test_a_plugin_prints_nothing_into_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a plugin prints while it is imported or asked goes to stderr."""
    install(tmp_path, "mlbench-t-loud", "print('import')\n" + GOOD.format("loud") + "    print('hook')\n")

    _discover(monkeypatch, tmp_path)

    captured = capsys.readouterr()
    assert captured.out == ""
    assert "import\nhook" in captured.err


def test_ctrl_c_is_not_a_plugins_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while a plugin is imported ends the search."""
    install(tmp_path, "mlbench-t-slow", "raise KeyboardInterrupt")

    with pytest.raises(KeyboardInterrupt):
        _discover(monkeypatch, tmp_path)


def test_load_model_loads_no_other_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of a job imports the plugin of its model and no other."""
    install(tmp_path, "mlbench-t-good", GOOD.format("good"))
    install(tmp_path, "mlbench-t-other", GOOD.format("other"))
    wanted = _discover(monkeypatch, tmp_path).model("good").origin
    monkeypatch.delitem(sys.modules, "mlbench_t_other")

    assert load_model(wanted, "good").name == "good"
    assert "mlbench_t_other" not in sys.modules
    with pytest.raises(PluginError, match=r"model 'bad' of mlbench-t-good 0\.1 not found"):
        load_model(wanted, "bad")
