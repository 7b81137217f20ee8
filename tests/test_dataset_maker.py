"""Data sets that are made: whole or not there, resumed, one maker at a time, errors of one line; twins."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import plugin_files
import pytest
from helpers import catalog, origin, random_dataset, record

from mlbench.data.complete import complete
from mlbench.data.formats import read_dataset
from mlbench.data.home import data_home
from mlbench.errors import DataError, MlbenchError, PluginError, UsageError
from mlbench.evaluation.evaluate import describe
from mlbench.execution.executors import InlineExecutor
from mlbench.plugins.catalog import PluginEntry, discover
from mlbench.plugins.dataset_maker import home_of, make
from mlbench.plugins.datasets import DatasetRequest, load
from mlbench.plugins.specs import DatasetSpec, MakeContext, Option
from mlbench.plugins.worker_pool import process_pool
from mlbench.reporting.board import leaderboard
from mlbench.reporting.board_csv import from_csv, to_csv
from mlbench.reporting.views import to_html, to_markdown


def write(folder: Path, name: str | None = "made", **manifest: Any) -> None:
    """A small data set in mini-MusicNet's layout, with a manifest."""
    rng = np.random.default_rng(0)
    for number, part in enumerate(("train", "valid", "test")):
        np.save(folder / f"audio-{part}.npy", rng.normal(size=(12, 8)).astype(np.float32))
        np.save(folder / f"labels-{part}.npy", np.arange(36).reshape(12, 3) % 2)
        np.save(folder / f"groups-{part}.npy", np.arange(12) // 3 + 10 * number)
    if name is not None:
        (folder / "manifest.json").write_text(json.dumps({"name": name, **manifest}))


def registered(make: Any, **more: Any) -> PluginEntry[DatasetSpec]:
    spec = DatasetSpec(**{"name": "made", "summary": "s", "make": make, **more})
    return PluginEntry(spec=spec, origin=origin())


def test_a_made_data_set_appears_whole(tmp_path: Path) -> None:
    """The plugin writes beside; the folder is there when everything is."""

    def maker(context: MakeContext) -> None:
        assert not (tmp_path / "out").exists()
        context.progress(1, 2)
        write(context.folder)

    told: list[tuple[int, int]] = []
    make(registered(maker), tmp_path / "out", executor=InlineExecutor(), progress=lambda *at: told.append(at))
    assert told == [(1, 2)]
    assert read_dataset(tmp_path / "out").name == "made"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_an_interruption_left_is_handed_to_the_next_make(tmp_path: Path) -> None:
    """The next maker finds the files of the last one."""
    seen: list[list[str]] = []

    def maker(context: MakeContext) -> None:
        seen.append([path.name for path in context.folder.iterdir()])
        (context.folder / "half").write_text("")
        if len(seen) == 1:
            raise KeyboardInterrupt
        write(context.folder)

    with pytest.raises(KeyboardInterrupt):
        make(registered(maker), tmp_path / "out", executor=InlineExecutor())
    assert not (tmp_path / "out").exists()
    make(registered(maker), tmp_path / "out", executor=InlineExecutor())
    assert seen == [[], ["half"]]


@pytest.mark.parametrize("ending", ["finished", "failed", "killed"])
def test_two_makers_do_not_meet(tmp_path: Path, capfd: pytest.CaptureFixture[str], ending: str) -> None:
    """The second maker says that it waits for the first; then it uses what was made, or makes it itself."""
    working = tmp_path / ".out.making"
    working.mkdir()
    lock = os.open(working, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    made: list[Path] = []

    def maker(context: MakeContext) -> None:
        made.append(context.folder)
        write(context.folder)

    with ThreadPoolExecutor(1) as threads:
        second = threads.submit(make, registered(maker), tmp_path / "out", executor=InlineExecutor())
        said = ""
        while not said.endswith("\n") and not second.done():
            said += capfd.readouterr().err
        if ending == "finished":
            write(working)
            working.rename(tmp_path / "out")
        elif ending == "failed":
            working.rmdir()
        os.close(lock)
        second.result()
    assert said == f"{tmp_path / 'out'} is being made by another process: waiting for it\n"
    assert made == ([] if ending == "finished" else [working])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert read_dataset(tmp_path / "out").name == "made"


def test_an_interrupted_make_stops_its_processes(tmp_path: Path) -> None:
    """What waits in the pool is not begun any more."""
    futures: list[Future[int]] = []

    def maker(context: MakeContext) -> None:
        futures.extend(context.executor.submit(os.getpid) for _ in range(2000))
        futures[0].result()
        raise DataError("no good")

    with process_pool(1) as executor, pytest.raises(DataError, match="no good"):
        make(registered(maker), tmp_path / "out", executor=executor)
    assert futures[-1].cancelled()


def _raise(error: Exception) -> Any:
    def maker(context: MakeContext) -> None:
        raise error

    return maker


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (ValueError("two\nlines"), PluginError, "data set 'made' of mlbench-toy 0.1: ValueError: two lines"),
        (OSError(28, "No space left on device"), UsageError, "No space left on device: free the disk"),
        (DataError("as it is"), DataError, "as it is"),
    ],
)
def test_errors_of_a_maker_are_one_line(tmp_path: Path, error: Exception, kind: type[MlbenchError], says: str) -> None:
    """Whatever a plugin raises names the plugin; nothing is left behind."""
    with pytest.raises(kind, match=says):
        make(registered(_raise(error)), tmp_path / "out", executor=InlineExecutor())
    assert list(tmp_path.iterdir()) == []


def test_a_source_is_asked_for(tmp_path: Path) -> None:
    """Data that are made from the user's files say from which, and how."""
    needy = registered(lambda context: None, from_source="copy of X")
    with pytest.raises(UsageError, match="made from a copy of X: `mlbench data make made --from PATH`"):
        make(needy, tmp_path / "out", executor=InlineExecutor())
    with pytest.raises(UsageError, match="no such file or folder"):
        make(needy, tmp_path / "out", source=tmp_path / "nowhere", executor=InlineExecutor())


def test_a_source_that_is_optional_is_not_asked_for(tmp_path: Path) -> None:
    """Data that can be downloaded are made without files of the user's, or from them."""
    sources: list[Path | None] = []
    spec = registered(lambda context: sources.append(context.source), from_source="copy of X", source_optional=True)
    make(spec, tmp_path / "out", executor=InlineExecutor())
    make(spec, tmp_path / "copied", source=tmp_path, executor=InlineExecutor())
    assert sources == [None, tmp_path]


def test_a_spec_is_loaded_or_made() -> None:
    """One of the two, not both and not neither."""
    for more in ({}, {"load": lambda: None, "make": lambda context: None}):
        with pytest.raises(PluginError, match="one of the two"):
            DatasetSpec(name="d", summary="s", **more)  # type: ignore[arg-type]


def test_a_new_version_is_made_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Old bytes are not taken for new ones, from whatever they were made."""
    monkeypatch.setenv("MLBENCH_DATA", str(tmp_path))
    one = DatasetSpec(name="d", summary="s", make=lambda context: None)
    assert home_of(one) != home_of(replace(one, version="2"))
    needy = replace(one, from_source="x")
    assert home_of(needy) != home_of(replace(needy, version="2"))


def test_the_data_home_is_where_the_user_wants_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """MLBENCH_DATA, else the cache folder of the user."""
    monkeypatch.setenv("MLBENCH_DATA", str(tmp_path / "a"))
    assert data_home() == tmp_path / "a"
    monkeypatch.delenv("MLBENCH_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert data_home() == tmp_path / "b" / "mlbench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_home() == tmp_path / ".cache" / "mlbench"


def test_loading_by_name_makes_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The first use makes, the second reads."""
    monkeypatch.setenv("MLBENCH_DATA", str(tmp_path / "home"))
    made: list[int] = []

    def maker(context: MakeContext) -> None:
        made.append(context.options["n"])
        write(context.folder)

    known = catalog(
        datasets=[DatasetSpec(name="made", summary="s", make=maker, options=(Option(name="n", default=3, help="h"),))]
    )
    first = load(DatasetRequest(name="made"), known)
    assert load(DatasetRequest(name="made"), known).fingerprint() == first.fingerprint()
    assert made == [3]


def test_what_was_made_has_the_registered_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Boards are named as the data set was asked for, not as the folder, which has a version in its name."""
    monkeypatch.setenv("MLBENCH_DATA", str(tmp_path / "home"))
    spec = DatasetSpec(name="d", summary="s", version="7", make=lambda context: write(context.folder, None))
    assert load(DatasetRequest(name="d"), catalog(datasets=[spec])).name == "d"


# ---------------------------------------------------------------------------------------- manifest
def test_a_manifest_gives_name_notes_citation_and_twins(tmp_path: Path) -> None:
    """What the maker wrote goes with the data; the folder's name does not matter."""
    write(tmp_path, "named", notes=["look out"], citation="me", twins=[20, 21], other={"kept": "aside"})
    data = read_dataset(tmp_path)
    assert (data.name, data.notes, data.citation) == ("named", ("look out",), "me")
    assert data.twins == {20, 21}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ('{"name": 3}', "'name' must be a str"),
        ('{"notes": "one"}', "'notes' must be a list of str"),
        ('{"twins": [true]}', "'twins' must be a list of int"),
        ('{"name": "../x"}', "use letters, digits"),
    ],
)
def test_a_broken_manifest_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    """It names the file and the key."""
    write(tmp_path, None)
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DataError, match=says):
        read_dataset(tmp_path)


@pytest.mark.parametrize("text", ["[]", "{}", '{"engine": "x", "files": {}}'])
def test_a_manifest_of_someone_else_is_left_alone(tmp_path: Path, text: str) -> None:
    """Other keys mean nothing to us."""
    write(tmp_path, None)
    (tmp_path / "manifest.json").write_text(text)
    assert read_dataset(tmp_path).name == tmp_path.name


# ------------------------------------------------------------------------------------------- twins
def test_without_twins_drops_their_rows_from_valid_and_test(tmp_path: Path) -> None:
    """Train stays; the data set gets a name, so a board, of its own."""
    write(tmp_path, "m", twins=[10, 20, 21])
    whole = read_dataset(tmp_path)
    data = whole.without_twins()
    assert data.name == "m-no-twins"
    assert [len(split) for _, split in data.parts()] == [12, 9, 6]
    assert data.test is not None
    assert data.test.groups is not None
    assert set(data.test.groups.tolist()) == {22, 23}
    assert data.fingerprint() != whole.fingerprint()


def test_where_no_twin_is_known_there_is_nothing_to_drop() -> None:
    """An error, rather than a board that looks cleaner than it is."""
    with pytest.raises(DataError, match="no known groups are other versions"):
        random_dataset().without_twins()


# -------------------------------------------------------------------------------------- the command
MAKER = """
    import numpy as np
    from mlbench import DatasetSpec, Option, hookimpl

    def make(context):
        rng = np.random.default_rng(context.options["seed"])
        for number, part in enumerate(("train", "valid", "test")):
            np.save(context.folder / f"audio-{part}.npy", rng.normal(size=(12, 8)).astype("f4"))
            np.save(context.folder / f"labels-{part}.npy", np.arange(36).reshape(12, 3) % 2)
            np.save(context.folder / f"groups-{part}.npy", np.arange(12) // 3 + 10 * number)
            context.progress(number + 1, 3)
        (context.folder / "manifest.json").write_text('{"name": "toy-music", "notes": ["a note"], "twins": [20]}')

    @hookimpl
    def mlbench_datasets():
        yield DatasetSpec(name="toy-music", summary="Toy music", make=make,
                          options=(Option(name="seed", default=0, help="Of all that is random."),
                                   Option(name="kind", default="a", choices=("a", "b"), help="Which.")))
        yield DatasetSpec(name="toy-needy", summary="Needs files", make=make, from_source="copy of it",
                          options=(Option(name="seed", default=0, help="Seed."),))
"""


@pytest.fixture
def command(tmp_path: Path) -> Any:
    site = plugin_files.install(tmp_path / "site", "mlbench-toymusic", MAKER)
    environment = os.environ | {"PYTHONPATH": str(site), "MLBENCH_DATA": str(tmp_path / "home")}
    (tmp_path / "cwd").mkdir()

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        call = [sys.executable, "-m", "mlbench", *words]
        return subprocess.run(call, cwd=tmp_path / "cwd", env=environment, capture_output=True, text=True, timeout=120)

    return run


def test_make_shows_the_knobs_and_says_what_it_wrote(command: Any, tmp_path: Path) -> None:
    """Every option of the plugin is on the command line; the end says where the data are and how to run them."""
    helped = command("data", "make", "toy-music", "--help")
    assert "--seed INTEGER" in helped.stdout
    assert "--kind [a|b]" in helped.stdout
    done = command("data", "make", "toy-music", "--seed", "3", "-o", "here")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr.splitlines()[-3:] == ["a note", "written: here", "to use it: mlbench run here"]
    assert "making toy-music: 3 of 3" in done.stderr
    assert read_dataset(tmp_path / "cwd" / "here").notes == ("a note",)


def test_run_with_and_without_twins_writes_two_boards(command: Any, tmp_path: Path) -> None:
    """Both boards stand side by side; the data are made on first use."""
    first = command("run", "toy-music", "-m", "prior")
    assert first.returncode == 0, first.stderr
    assert "making toy-music: 3 of 3" in first.stderr
    second = command("run", "toy-music", "-m", "prior", "--drop-twins")
    assert second.returncode == 0, second.stderr
    assert "12 train + 12 valid + 9 test" in second.stderr
    boards = sorted(path.name for path in (tmp_path / "cwd" / "leaderboards").glob("*.md"))
    assert boards == ["toy-music-no-twins.md", "toy-music.md"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["make", "toy-needy"], "--from"),
        (["make", "toy-musik"], "did you mean 'toy-music'"),
        (["make", "demo"], "needs no making"),
        (
            ["make", "toy-music", "--kind", "b"],
            "--kind changes the data set: choose a folder of its own with -o",
        ),
        (["inspect", "toy-needy"], "`mlbench data make toy-needy --from PATH`"),
    ],
)
def test_wrong_use_is_one_line(command: Any, words: list[str], says: str) -> None:
    """Exit 2, and what to do."""
    ended = command("data", *words)
    assert ended.returncode == 2
    assert says in ended.stderr
    assert ended.stderr.count("\n") == 1


# --------------------------------------------------------------------------------------- warnings
@pytest.mark.parametrize("name", ["synth-musicnet", "synth-musicnet-full-hard", "mini-musicnet-standin"])
def test_boards_of_made_up_data_say_so_first(name: str, tmp_path: Path) -> None:
    """The maker's warning stands above the table in Markdown and in HTML, which know the rows of the CSV alone."""
    write(tmp_path, name, warnings=[f"{name} is made up"])
    told = describe(complete(read_dataset(tmp_path)))
    made = [replace(one, dataset=told) for one in (record(dataset=name), record(model="prior", dataset=name))]
    board = from_csv(to_csv(leaderboard(made)))
    assert to_markdown(board).startswith(f"> Warning: {name} is ")
    assert to_html(board).startswith('<p class="warning">Warning: ')


def test_the_boards_of_the_demo_say_that_it_is_made_up() -> None:
    """The data set that comes with mlbench warns of itself, too."""
    told = describe(load(DatasetRequest(name="demo"), discover()))
    board = leaderboard([replace(record(dataset="demo"), dataset=told)])
    assert to_markdown(board).startswith("> Warning: demo is made up")


def test_boards_of_real_data_warn_of_nothing() -> None:
    """A name that only looks alike is no stand-in."""
    for name in ("yeast", "mini-musicnet", "musicnet", "demographics"):
        assert "Warning" not in to_markdown(leaderboard([record(dataset=name)]))
