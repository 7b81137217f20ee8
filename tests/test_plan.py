"""From names, paths, quantities and suite files to jobs."""

from __future__ import annotations

import dataclasses
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from helpers import catalog, origin, random_dataset, random_split

from mlbench.data.complete import complete
from mlbench.data.dataset import Dataset
from mlbench.data.formats import ReadOptions
from mlbench.errors import DataError, MlbenchError, NameClash, UnknownName, UsageError
from mlbench.execution import plan as request
from mlbench.execution.job import Job
from mlbench.execution.plan import LEAST_MEMORY, Request, check_budget, plan
from mlbench.execution.suites import n_bytes, read_suite, seconds
from mlbench.plugins.catalog import CORE, Catalog, PluginEntry
from mlbench.plugins.datasets import DatasetRequest, load
from mlbench.plugins.specs import DatasetSpec, FeatureSpec, ModelSpec
from mlbench.results.schema import Budget


def _model(name: str, **more: Any) -> ModelSpec:
    return ModelSpec(name=name, summary="s", fit=print, **more)  # type: ignore[arg-type]


def _feature(name: str, **more: Any) -> FeatureSpec:
    return FeatureSpec(name=name, summary="s", fit=lambda train: lambda X: X, **more)


def _dataset(dataset: Dataset) -> DatasetSpec:
    return DatasetSpec(name=dataset.name, summary="s", load=lambda: dataset)


CATALOG = catalog(
    [_model("a"), _model("b", devices={"cpu", "cuda"}), _model("prior")],
    [_dataset(random_dataset()), _dataset(random_dataset("other", seed=9, features=("log", "raw")))],
    [_feature("raw"), _feature("log")],
)


def _plan(*names: str, features: tuple[str, ...] = (), **more: Any) -> list[Job]:
    datasets = tuple(DatasetRequest(name=name, features=features) for name in names or ("toy",))
    return plan(Request(datasets=datasets, **more), more.pop("catalog", CATALOG))


@pytest.fixture(autouse=True)
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests do not depend on the machine's GPU."""
    monkeypatch.setattr(request, "cuda_is_there", lambda: False)


def _names(jobs: list[Job]) -> list[tuple[str, str, str, int]]:
    return [(job.dataset.name, job.features.spec.name, job.model.spec.name, job.seed) for job in jobs]


# -------------------------------------------------------------------------------------------- plan
def test_all_models_on_the_data_sets_own_features() -> None:
    """Without names every model runs on the features that the data set asks for; the floor once."""
    assert _names(_plan("toy", "other")) == [
        ("toy", "raw", "a", 0),
        ("toy", "raw", "b", 0),
        ("toy", "raw", "prior", 0),
        ("other", "log", "a", 0),
        ("other", "log", "b", 0),
        ("other", "log", "prior", 0),
        ("other", "raw", "a", 0),
        ("other", "raw", "b", 0),
    ]


def test_the_floor_is_always_there() -> None:
    """A board has the floor even when one model was asked for."""
    assert [name for _, _, name, _ in _names(_plan(models=("b",)))] == ["b", "prior"]
    assert [name for _, _, name, _ in _names(_plan(models=("prior",)))] == ["prior"]


def test_seeds_and_features_are_taken_once() -> None:
    """A seed or a feature set that is named twice runs once, in the order of the first."""
    jobs = _plan(models=("a",), seeds=(3, 1, 3), features=("log", "log"))

    assert _names(jobs) == [(*("toy", "log"), model, seed) for model in ("a", "prior") for seed in (3, 1)]


def test_budget_and_limit_reach_the_jobs() -> None:
    """Each job has the budget; the limit cuts rows, and the data set is then called otherwise."""
    budget = Budget(n_trials=3, metric="f1_micro")

    jobs = _plan(budget=budget, limit=15)

    assert all(job.budget == budget for job in jobs)
    assert jobs[0].dataset.name == "toy-limit-15"
    assert [len(split) for _, split in jobs[0].dataset.parts()] == [15, 15, 15]
    assert jobs[0].dataset.sha256 == jobs[0].dataset.fingerprint()


def test_a_gpu_is_used_by_models_that_take_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """``auto`` and ``cuda`` use the GPU where there is one and the model takes it; ``cpu`` does not."""
    monkeypatch.setattr(request, "cuda_is_there", lambda: True)

    for device in ("auto", "cuda"):
        assert [job.device for job in _plan(device=device)] == ["cpu", "cuda", "cpu"]
    assert [job.device for job in _plan(device="cpu")] == ["cpu"] * 3


def test_a_gpu_that_is_not_there() -> None:
    """Asking for a GPU on a machine without one is an error; ``auto`` goes on without."""
    assert {job.device for job in _plan(device="auto")} == {"cpu"}
    with pytest.raises(UsageError, match="no CUDA device found: use --device auto or cpu"):
        _plan(device="cuda")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: _plan(models=("aa",)), "no model 'aa': did you mean 'a'"),
        (lambda: _plan(features=("rwa",)), "no features 'rwa': did you mean 'raw'"),
        (lambda: _plan("othr"), "no data set, file or folder 'othr': did you mean 'other'"),
        (lambda: _plan("no/such/file.csv"), "no such file or folder: no/such/file.csv"),
    ],
)
def test_unknown_names(ask: Any, message: str) -> None:
    """Unknown names and paths are usage errors with a suggestion."""
    with pytest.raises(UsageError, match=message):
        ask()


def test_features_that_do_not_take_the_rows() -> None:
    """Features for dense rows on sparse data are refused before anything runs."""
    dataset = random_dataset()
    parts = {part: replace(split, X=sp.csr_matrix(split.X)) for part, split in dataset.parts()}
    sparse = catalog([_model("prior")], [_dataset(replace(dataset, **parts))], [_feature("raw")])  # type: ignore[arg-type]

    with pytest.raises(UsageError, match="features 'raw' take no sparse rows, but toy is sparse"):
        plan(Request(datasets=(DatasetRequest(name="toy"),)), sparse)


def test_two_data_sets_with_one_name(tmp_path: Path) -> None:
    """Two paths whose boards would overwrite each other are refused, both named."""
    paths = []
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        paths.append(_csv(tmp_path / folder / "same.csv"))
    options = ReadOptions(labels=("p", "q"))

    with pytest.raises(UsageError, match=r"x/same\.csv and .*y/same\.csv are both called 'same'"):
        plan(Request(datasets=tuple(DatasetRequest(name=str(path), options=options) for path in paths)), CATALOG)


# -------------------------------------------------------------------------------------------- load
def _csv(path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = "\n".join(f"{rng.normal():.3f},{i % 2},{i % 3 % 2}" for i in range(40))
    path.write_text(f"feature,p,q\n{rows}\n")
    return path


def test_a_path_is_read_with_its_options(tmp_path: Path) -> None:
    """A name that nobody registered is a path; missing parts are taken out of train."""
    dataset = load(DatasetRequest(name=str(_csv(tmp_path / "t.csv")), options=ReadOptions(labels=("p", "q"))), CATALOG)

    assert dataset.name == "t"
    assert dataset.label_names == ("p", "q")
    assert {part for part, _ in dataset.parts()} == {"train", "valid", "test"}
    assert dataset.valid_from_train


def test_accuracy_is_for_labels_that_exclude_each_other() -> None:
    """Elsewhere it is undefined, which is said before anything is trained."""
    with pytest.raises(UsageError, match="--metric accuracy needs labels that exclude each other, and rows of toy"):
        plan(Request(datasets=(DatasetRequest(name="toy"),), budget=Budget(metric="accuracy")), CATALOG)


def test_options_of_tables_are_not_for_registered_names() -> None:
    """They would be ignored in silence."""
    with pytest.raises(UsageError, match="are for tables, but toy is a registered name"):
        load(DatasetRequest(name="toy", options=ReadOptions(groups="g")), CATALOG)


def test_a_registered_name_goes_before_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that happens to be called like a data set does not hide it."""
    (tmp_path / "toy").mkdir()
    monkeypatch.chdir(tmp_path)

    assert load(DatasetRequest(name="toy"), CATALOG).name == "toy"


def test_a_name_that_two_plugins_offer() -> None:
    """A data set that two plugins offer is an error that names both, not a missing file."""
    both = replace(CATALOG, clashes={("data set", "x"): "data set 'x' is offered by p 1 and q 2: uninstall one"})

    with pytest.raises(NameClash, match="p 1 and q 2"):
        load(DatasetRequest(name="x"), both)


@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_a_part_without_any_positive(part: str) -> None:
    """A part in which no label ever holds cannot be ranked, and is named."""
    split = random_split(0, 20)
    empty = random_dataset(**{part: replace(split, Y=np.zeros_like(split.Y))})

    with pytest.raises(DataError, match=f"toy: the {part} split has no positive label"):
        load(DatasetRequest(name="toy"), catalog(datasets=[_dataset(empty)]))


@pytest.mark.parametrize(
    "loader",
    [lambda: 1 / 0, lambda: None, lambda: Path("/no/such/file").read_text()],
    ids=["raises", "None", "no file"],
)
def test_a_data_plugin_that_fails(loader: Any) -> None:
    """A registered data set that cannot be loaded is an expected error with its name, not a traceback."""
    broken = catalog(datasets=[DatasetSpec(name="toy", summary="s", load=loader)])

    with pytest.raises(MlbenchError, match="toy"):
        load(DatasetRequest(name="toy"), broken)


# ---------------------------------------------------------------------------------------------- Job
def _job(**more: Any) -> Job:
    dataset = complete(more.pop("dataset", random_dataset()))
    values: dict[str, Any] = {
        "features": CATALOG.feature("raw"), "model": CATALOG.model("a"), "seed": 0, "budget": Budget()
    }  # fmt: skip
    return Job(dataset=dataset, **{**values, **more})


OTHER_BUDGETS = {
    "n_trials": 3, "timeout": 5.0, "trial_timeout": 5.0, "memory_limit": 5, "metric": "f1_micro", "refit": "train"
}  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [
        {"dataset": random_dataset(seed=9)},
        {"features": CATALOG.feature("log")},
        {"features": PluginEntry(spec=_feature("raw"), origin=origin("mlbench-other"))},
        {"features": PluginEntry(spec=_feature("raw"), origin=origin(version="0.2"))},
        {"model": CATALOG.model("b")},
        {"model": PluginEntry(spec=_model("a"), origin=origin("mlbench-other"))},
        {"model": PluginEntry(spec=_model("a"), origin=origin(version="0.2"))},
        {"seed": 1},
        {"device": "cuda"},
        *({"budget": Budget(**{key: value})} for key, value in OTHER_BUDGETS.items()),  # type: ignore[arg-type]
        {"dataset": random_dataset(valid_from_train=True)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_the_id_is_of_all_that_can_change_the_result(other: dict[str, Any]) -> None:
    """Data, features, model, plugin, version, seed, device, any part of the budget, what the refit is on."""
    assert _job(**other).id != _job().id


def test_other_budgets_are_all_tried() -> None:
    """The test above knows every field of ``Budget``."""
    assert set(OTHER_BUDGETS) == {field.name for field in dataclasses.fields(Budget)}


def test_the_id_is_of_nothing_else() -> None:
    """Where the data came from, and which release of the core it was, do not change the id."""
    ours = [PluginEntry(spec=_model("prior"), origin=origin(CORE, version)) for version in ("0.1", "0.2")]

    assert _job(model=ours[0]).id == _job(model=ours[1]).id
    assert _job().id == _job(dataset=random_dataset(notes=("moved",), citation="c")).id
    assert len(_job().id) == 32
    assert int(_job().id, 16) >= 0


@pytest.mark.parametrize(
    ("refit", "from_train", "both"),
    [
        ("auto", True, True),
        ("auto", False, False),
        ("train", True, False),
        ("train", False, False),
        ("train+valid", True, True),
        ("train+valid", False, True),
    ],
)
def test_what_the_final_model_is_fitted_on(refit: str, from_train: bool, both: bool) -> None:
    """By default on train and valid only where valid came out of train; an option says otherwise."""
    job = _job(dataset=random_dataset(valid_from_train=from_train), budget=Budget(refit=refit))

    assert job.refit_on_both is both


def test_labels_for_people() -> None:
    """A job is called by data, features and model, and by its seed unless that is 0."""
    assert _job().label == "toy · raw · a"
    assert _job(seed=7).label == "toy · raw · a · seed 7"


# ---------------------------------------------------------------------------------------- quantities
@pytest.mark.parametrize(
    ("text", "value"),
    [("90", 90), ("1.5", 1.5), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("1.5h", 5400), ("2d", 172_800)],
)
def test_durations(text: str, value: float) -> None:
    """Seconds, or numbers with units one after the other."""
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "m", "10 m", "10M", "-5s", "1e3", "5m3", "h1", "nan", "inf", "1..5s", "1.s"])
def test_no_durations(text: str) -> None:
    """Anything else is refused with an example."""
    with pytest.raises(UsageError, match=r"invalid duration .*: write for example 90s, 10m or 1h30m"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8G", 8 << 30), ("512M", 512 << 20), ("1.5k", 1536), ("2T", 2 << 40), ("7", 7),
        ("1GB", 1 << 30), ("1GiB", 1 << 30), ("1gb", 1 << 30),
    ],
)  # fmt: skip
def test_amounts_of_memory(text: str, value: int) -> None:
    """Powers of 1024, with or without B."""
    assert n_bytes(text) == value


@pytest.mark.parametrize("text", ["", "G", "8 G", "-1G", "8X", "nan", "8Gi8"])
def test_no_amounts_of_memory(text: str) -> None:
    """Anything else is refused with an example."""
    with pytest.raises(UsageError, match=r"invalid memory size .*: write for example 8G or 512M"):
        n_bytes(text)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("metric", "average_precision_mikro", "no metric .*did you mean 'average_precision_micro'"),
        ("refit", "trian", "no refit 'trian': did you mean 'train'"),
        ("n_trials", 0, "--n-trials must be at least 1, not 0"),
        ("timeout", 0.0, "--timeout, --trial-timeout and --memory-limit must be positive"),
        ("trial_timeout", -1.0, "must be positive"),
        ("memory_limit", 0, "must be positive"),
    ],
)
def test_budgets_that_make_no_sense(field: str, value: Any, message: str) -> None:
    """A budget with which nothing can run is refused."""
    with pytest.raises(UsageError, match=message):
        check_budget(replace(Budget(), **{field: value}))


def test_the_default_budget_makes_sense() -> None:
    """A budget that is in order is handed back."""
    assert check_budget(Budget()) == Budget()


def test_the_least_budget_makes_sense() -> None:
    """One trial, and the memory that importing NumPy takes, are enough."""
    least = Budget(n_trials=1, memory_limit=LEAST_MEMORY)

    assert check_budget(least) == least


# -------------------------------------------------------------------------------------------- suites
def _suite(folder: Path, text: str) -> Path:
    path = folder / "suite.toml"
    path.write_text(textwrap.dedent(text))
    return path


def test_a_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options and data sets of a suite: quantities parsed, variables and ~ expanded, paths from the file on."""
    monkeypatch.setenv("DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    suite = read_suite(
        _suite(
            tmp_path,
            """
            models = ["a", "b"]
            features = ["raw"]
            seeds = [0, 1]
            n_trials = 5
            timeout = "2m"
            trial_timeout = 30
            memory_limit = "2G"
            [[datasets]]
            name = "demo"
            [[datasets]]
            name = "$DATA/yeast"
            features = ["log"]
            [[datasets]]
            name = "~/flags"
            [[datasets]]
            name = "sub/table.csv"
            labels = ["p", "q"]
            groups = "who"
            split = "part"
            """,
        )
    )

    assert (suite["timeout"], suite["trial_timeout"], suite["memory_limit"]) == (120, 30, 2 << 30)
    assert (suite["models"], suite["seeds"], suite["n_trials"]) == (("a", "b"), (0, 1), 5)
    demo, yeast, flags, table = suite["datasets"]
    assert demo == DatasetRequest(name="demo", features=("raw",))
    assert yeast == DatasetRequest(name=str(tmp_path / "data" / "yeast"), features=("log",))
    assert flags.name == str(tmp_path / "home" / "flags")
    assert table.name == str(tmp_path / "sub" / "table.csv")
    assert table.options == ReadOptions(labels=("p", "q"), groups="who", split="part")


def test_a_file_beside_the_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path starts at the suite file, also when it is a mere file name."""
    _csv(tmp_path / "table.csv")
    suite = read_suite(_suite(tmp_path, "[[datasets]]\nname = 'table.csv'\nlabels = ['p', 'q']"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    assert load(suite["datasets"][0], CATALOG).name == "table"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no \\[\\[datasets\\]\\] entries"),
        ("models = ", "is not valid TOML"),
        ("model = ['a']\n[[datasets]]\nname = 'demo'", "suite.toml: no key 'model': did you mean 'models'"),
        ("[[datasets]]\nnane = 'demo'", "suite.toml: no key 'nane': did you mean 'name'"),
        ("[[datasets]]\nlabels = ['a']", "a \\[\\[datasets\\]\\] entry lacks a name"),
        ("[[datasets]]\nname = '$NO_SUCH_VARIABLE/x'", "\\$NO_SUCH_VARIABLE/x: environment variable not set"),
        ("timeout = 'soon'\n[[datasets]]\nname = 'demo'", "invalid duration 'soon'"),
        ("memory_limit = -1\n[[datasets]]\nname = 'demo'", "invalid memory size '-1'"),
        # Wrong types: one line too, not a traceback and not something else than what was meant.
        ("datasets = 'demo'", "datasets"),
        ("datasets = ['demo']", "datasets"),
        ("datasets = 3", "datasets"),
        ("[datasets]\nname = 'demo'", "datasets"),
        ("[[datasets]]\nname = 3", "name"),
        ("[[datasets]]\nname = 'demo'\nlabels = 'p'", "labels"),
        ("[[datasets]]\nname = 'demo'\nfeatures = 'raw'", "features"),
        ("[[datasets]]\nname = 'demo'\nfeatures = 3", "features"),
        ("[[datasets]]\nname = 'demo'\ngroups = 3", "groups"),
        ("models = 'a'\n[[datasets]]\nname = 'demo'", "models"),
        ("models = [3]\n[[datasets]]\nname = 'demo'", "models"),
        ("seeds = 1\n[[datasets]]\nname = 'demo'", "seeds"),
        ("seeds = ['x']\n[[datasets]]\nname = 'demo'", "seeds"),
        ("seeds = [true]\n[[datasets]]\nname = 'demo'", "seeds"),
        ("seeds = [-1]\n[[datasets]]\nname = 'demo'", "seeds"),
        ("n_trials = true\n[[datasets]]\nname = 'demo'", "n_trials"),
        ("n_trials = 'many'\n[[datasets]]\nname = 'demo'", "n_trials"),
        ("n_trials = 2.5\n[[datasets]]\nname = 'demo'", "n_trials"),
        ("limit = 'x'\n[[datasets]]\nname = 'demo'", "limit"),
        ("device = 'gpu'\n[[datasets]]\nname = 'demo'", "device"),
    ],
)
def test_suites_that_cannot_be_meant(tmp_path: Path, text: str, message: str) -> None:
    """Unknown keys, missing names and wrong types are refused in one line that names the file or the key."""
    with pytest.raises(UsageError, match=message) as caught:
        read_suite(_suite(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_suite_that_is_not_there(tmp_path: Path) -> None:
    """A missing suite file is a usage error with the system's reason."""
    with pytest.raises(UsageError, match=r"cannot read suite .*none\.toml: No such file or directory"):
        read_suite(tmp_path / "none.toml")


def test_unknown_name_is_a_usage_error() -> None:
    """The command line exits with 2 for it."""
    assert issubclass(UnknownName, UsageError)
    assert isinstance(CATALOG, Catalog)
