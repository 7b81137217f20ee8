"""The table against the published files, and data sets made from a copy at hand."""

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlbench import MakeContext
from mlbench.data.formats import read_dataset
from mlbench.plugins.catalog import discover
from mlbench_datasets import files
from mlbench_datasets.table import ENTRIES

OFFLINE = "http://127.0.0.1:1"
README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_table_is_right(entry, shared_data, tmp_path):
    """The published files have the hashes of the table, and the sizes."""
    told = []
    with ThreadPoolExecutor(1) as executor:
        source = shared_data / "mulan" / entry.name
        progress = lambda *at: told.append(at)  # noqa: E731
        files.make(entry, MakeContext(folder=tmp_path, executor=executor, source=source, progress=progress))
    assert told == [(1, 3), (2, 3), (3, 3)]
    data = read_dataset(tmp_path)
    assert [(part, len(split)) for part, split in data.parts()] == [("train", entry.n_train), ("test", entry.n_test)]
    assert len(data.label_names) == entry.n_labels
    header = (tmp_path / entry.files[0].name).read_text(encoding="utf-8", errors="replace")
    assert len(re.findall(r"^@attribute", header, re.M | re.I)) == entry.n_features + entry.n_labels
    for file in entry.files:
        assert (tmp_path / file.name).stat().st_size == file.n_bytes


def test_every_entry_is_a_data_set():
    """Each is registered under its name, and says what to cite and how to copy it."""
    known = discover().datasets
    for entry in ENTRIES:
        spec = known[entry.name].spec
        assert known[entry.name].origin.plugin == "mlbench-datasets"
        assert spec.citation == entry.citation != ""
        assert "licence" in spec.summary
        assert all(file.name in spec.from_source for file in entry.files)


def test_the_readme_has_the_table():
    """Each row of the README is that of the table."""
    shown = [line for line in README.splitlines() if line.startswith("| `")]
    rows = []
    for entry in ENTRIES:
        total = sum(file.n_bytes for file in entry.files)
        size = f"{total / 1e6:.1f} MB" if total > 1e5 else f"{total / 1e3:.0f} kB"
        counts = f"{entry.n_train:,} + {entry.n_test:,} | {entry.n_features:,} | {entry.n_labels:,}"
        rows.append(f"| `{entry.name}` | {entry.about} | {counts} | {size} | {entry.licence} |")
    assert shown == rows


# -------------------------------------------------------------------------------------------- copies
@pytest.fixture
def copy(shared_data, tmp_path):
    """The three files of flags, and another one."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("flags-train.arff", "flags-test.arff", "flags.xml", "flags.arff"):
        (folder / name).write_bytes((shared_data / "mulan" / "flags" / name).read_bytes())
    return folder


def test_a_copy_is_taken_without_a_connection(mlbench, copy, home):
    """What is needed of it is copied to where a run finds it; the copy stays as it is."""
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    code, _, err = mlbench("data", "make", "flags", "--from", copy, url=OFFLINE)
    assert (code, err) == (0, f"written: {home / 'flags-1'}\nto use it: mlbench run flags\n")
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
    del before["flags.arff"]
    assert {path.name: path.read_bytes() for path in (home / "flags-1").iterdir()} == before

    code, out, _ = mlbench("data", "inspect", "flags", url=OFFLINE)
    assert (code, out.splitlines()[0]) == (0, "flags")


def test_the_registered_name_wins_over_a_path(mlbench, copy, home, tmp_path):
    """A folder of the same name is read by its path only."""
    copy.rename(tmp_path / "flags")
    code, _, err = mlbench("data", "inspect", "flags", url=OFFLINE)
    assert code == 2
    assert "cannot download" in err
    assert mlbench("data", "inspect", "./flags", url=OFFLINE)[0] == 0


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            lambda file: file.unlink(),
            "no such file: --from takes a folder with flags-train.arff, flags-",
        ),
        (lambda file: file.write_bytes(file.read_bytes()[:-1]), "(4,217 bytes), expected 09f6"),
        (lambda file: file.write_bytes(file.read_bytes() + b"\n"), "more than the expected 4,218 bytes"),
        (lambda file: file.write_bytes(file.read_bytes().replace(b"1", b"0")), "(4,218 bytes), expected 09f6"),
        pytest.param(
            lambda file: file.unlink() or file.symlink_to("/proc/self/mem"),
            "cannot be read: Input/output error",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="a file that even root cannot read"),
        ),
    ],
)
def test_another_file_in_the_copy_is_one_line(mlbench, copy, home, spoil, says):
    """Exit 2, the file and what is wrong with it; no data set, and a good copy is taken next."""
    good = (copy / "flags-test.arff").read_bytes()
    spoil(copy / "flags-test.arff")
    code, _, err = mlbench("data", "make", "flags", "--from", copy, url=OFFLINE)
    assert code == 2
    assert err.startswith(f"mlbench: {copy / 'flags-test.arff'}: ")
    assert says in err
    assert err.count("\n") == 1
    assert not (home / "flags-1").exists()

    (copy / "flags-test.arff").unlink(missing_ok=True)
    (copy / "flags-test.arff").write_bytes(good)
    assert mlbench("data", "make", "flags", "--from", copy, url=OFFLINE)[0] == 0
    assert sorted(path.name for path in (home / "flags-1").iterdir()) == [
        "flags-test.arff",
        "flags-train.arff",
        "flags.xml",
    ]


def test_a_copy_is_a_folder(mlbench, copy):
    """A single file is no copy of a data set."""
    code, _, err = mlbench("data", "make", "flags", "--from", copy / "flags.arff", url=OFFLINE)
    assert code == 2
    assert "--from takes a folder with" in err
    assert err.count("\n") == 1
