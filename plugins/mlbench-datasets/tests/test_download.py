"""Downloads from a real server: on first use, checked, resumed; whatever goes wrong is one line and leaves no half."""

from __future__ import annotations

import csv
import signal

import pytest

from mlbench.data.formats import read_dataset
from mlbench_datasets.table import ENTRIES

TRAIN, TEST, XML = "yeast-train.arff", "yeast-test.arff", "yeast.xml"
YEAST = next(entry for entry in ENTRIES if entry.name == "yeast")
SIZES = {file.name: file.n_bytes for file in YEAST.files}


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def same(folder, shared_data):
    """Whether a folder has the published files of yeast and nothing else."""
    published = shared_data / "mulan" / "yeast"
    return names(folder) == sorted(SIZES) and all(
        (folder / name).read_bytes() == (published / name).read_bytes() for name in SIZES
    )


def test_a_data_set_is_downloaded_on_first_use(mlbench, mirror, home, shared_data, tmp_path):
    """A run downloads it, and its board has the name that was asked for; what comes after finds it there."""
    words = ("run", "yeast", "-m", "ridge", "--n-trials", "2", "--limit", "200")
    code, _, err = mlbench(*words, url=mirror.url)
    assert code == 0, err
    assert mirror.asked == [TRAIN, TEST, XML]
    assert names(home) == ["yeast-1"]
    assert same(home / "yeast-1", shared_data)
    (board,) = (tmp_path / "leaderboards").glob("*.csv")
    rows = csv.DictReader(board.read_text(encoding="utf-8").splitlines())
    assert {row["dataset"] for row in rows} == {"yeast-limit-200"}

    code, out, err = mlbench("data", "inspect", "yeast", url="http://127.0.0.1:1")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "yeast"
    assert "917 test rows, 103 features, 14 labels" in out
    assert len(mirror.asked) == 3


def test_it_is_the_data_set_of_the_published_files(mlbench, mirror, home, shared_data):
    """Train, test and labels are those that a copy of the whole folder gives, so the fingerprints are equal."""
    code, _, err = mlbench("data", "make", "yeast", url=f"{mirror.url}/")
    assert (code, err) == (0, f"written: {home / 'yeast-1'}\nto use it: mlbench run yeast\n")
    ours, published = read_dataset(home / "yeast-1"), read_dataset(shared_data / "mulan" / "yeast")
    assert ours.fingerprint() == published.fingerprint()
    assert [(part, len(split)) for part, split in ours.parts()] == [("train", 1500), ("test", 917)]
    modes = {path.stat().st_mode & 0o777 for path in (home / "yeast-1").iterdir()}
    assert modes == {0o644}


def test_progress_counts_files(start, mirror):
    """A log gets a line for each file."""
    process = start("data", "make", "yeast", url=mirror.url)
    _, err = process.communicate(timeout=120)
    assert err.splitlines()[:3] == [f"making yeast: {done} of 3" for done in (1, 2, 3)]


# -------------------------------------------------------------------------------------------- faults
HALF = f"after {SIZES[TEST] // 2:,} of {SIZES[TEST]:,} bytes"
COPY = "; give a copy with `mlbench data make yeast --from FOLDER`"


@pytest.mark.parametrize(
    ("fault", "tries", "says"),
    [
        ("404", 1, f"HTTP 404 Not Found{COPY}"),
        ("403", 1, f"HTTP 403 Forbidden{COPY}"),
        ("429", 3, f"HTTP 429 Too Many Requests{COPY}"),
        ("500", 3, f"HTTP 500 Internal Server Error{COPY}"),
        ("breaks off", 3, "of 918,515 bytes; give"),
        ("ends early", 3, f"the transfer ended {HALF}{COPY}"),
        ("reset", 3, "Connection reset by peer"),
        ("stalls", 3, "the server sent nothing for 0.5 seconds"),
        ("other bytes", 1, f"({SIZES[TEST]:,} bytes), expected {YEAST.files[1].sha256} ({SIZES[TEST]:,} bytes)\n"),
        ("a page", 1, f"(26 bytes), expected {YEAST.files[1].sha256} ({SIZES[TEST]:,} bytes)\n"),
        ("endless", 1, f"not the published file: more than the expected {SIZES[TEST]:,} bytes"),
    ],
)
def test_a_fault_is_one_line_and_the_next_try_goes_on(mlbench, mirror, home, shared_data, fault, tries, says):
    """Exit 2, and no data set; then only the files that are missing are asked for."""
    mirror.faults[TEST] = fault
    code, out, err = mlbench("data", "inspect", "yeast", url=mirror.url, before="files.TIMEOUT = 0.5")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert f"{mirror.url}/mulan/yeast/{TEST}: " in err
    assert says in err
    assert mirror.asked == [TRAIN] + tries * [TEST]
    assert names(home) == [".yeast-1.making"]
    assert names(home / ".yeast-1.making") == [TRAIN]

    mirror.faults.clear()
    mirror.asked.clear()
    code, _, err = mlbench("data", "inspect", "yeast", url=mirror.url)
    assert (code, err) == (0, "")
    assert mirror.asked == [TEST, XML]
    assert names(home) == ["yeast-1"]
    assert same(home / "yeast-1", shared_data)


def test_wrong_bytes_say_what_was_expected_and_what_came(mlbench, mirror):
    """Both hashes are in the line, in full."""
    mirror.faults[XML] = "other bytes"
    _, _, err = mlbench("data", "inspect", "yeast", url=mirror.url)
    came, expected = (word for word in err.split() if len(word) == 64)
    assert expected == YEAST.files[2].sha256 != came


@pytest.mark.parametrize("fault", ["503", "breaks off", "reset", "ends early"])
def test_a_fault_that_passes_is_not_seen(mlbench, mirror, home, shared_data, fault):
    """The file is asked for again, twice at most."""
    mirror.faults[TRAIN], mirror.times[TRAIN] = fault, 2
    code, _, err = mlbench("data", "inspect", "yeast", url=mirror.url)
    assert (code, err) == (0, "")
    assert mirror.asked == [TRAIN, TRAIN, TRAIN, TEST, XML]
    assert same(home / "yeast-1", shared_data)


@pytest.mark.parametrize(
    ("before", "says"),
    [
        ("", "Connection refused"),
        (
            "import socket\n"
            "def unknown(*_, **__): raise socket.gaierror(-2, 'Name or service not known')\n"
            "socket.getaddrinfo = unknown",
            "Name or service not known",
        ),
    ],
)
def test_without_a_connection_one_line_tells_what_to_do(mlbench, home, before, says):
    """Nothing is left behind, and a name and password of the address are not shown."""
    code, out, err = mlbench("run", "yeast", url="http://me:secret@127.0.0.1:1/", before=before)
    assert (code, out) == (2, "")
    assert err == f"mlbench: cannot download http://127.0.0.1:1/mulan/yeast/{TRAIN}: {says}{COPY}\n"
    assert names(home) == []


@pytest.mark.parametrize("address", ["ftp://127.0.0.1", "file:///srv", "mirror", "http://", "http://x:port"])
def test_only_addresses_of_the_web_are_used(mlbench, home, address):
    """Another address, or none, is an error that names the variable."""
    code, _, err = mlbench("run", "yeast", url=address)
    assert code == 2
    assert err.startswith(f"mlbench: MLBENCH_DATASETS_URL is '{address}': expected an address that begins with http")
    assert err.count("\n") == 1
    assert names(home) == []


def test_a_home_that_cannot_be_written_is_one_line(mlbench, mirror, tmp_path):
    """The line names the folder, and nothing is downloaded."""
    (tmp_path / "file").write_text("")
    code, _, err = mlbench("run", "yeast", url=mirror.url, MLBENCH_DATA=str(tmp_path / "file"))
    assert (code, err) == (2, f"mlbench: {tmp_path / 'file' / 'yeast-1'}: cannot be written: File exists\n")
    assert mirror.asked == []


def test_a_full_disk_is_one_line(mlbench, mirror, home):
    """What could not be written whole is not kept; a limit on the size of files stands in for the disk."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))"
    code, _, err = mlbench("run", "yeast", url=mirror.url, before=limit)
    assert (code, err) == (2, f"mlbench: {home / 'yeast-1'}: cannot be written: File too large\n")
    assert names(home) == []


# ------------------------------------------------------------------------- interrupted, and together
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_download_goes_on(start, mlbench, mirror, home, shared_data, how):
    """Complete files are kept, and half a file, even if it could not be removed, is not part of the data set."""
    mirror.faults[TEST] = "waits"
    process = start("data", "make", "yeast", url=mirror.url)
    while TEST not in mirror.asked or len(names(home / ".yeast-1.making")) < 2:
        assert process.poll() is None, process.communicate()
    process.send_signal(how)
    assert process.wait(60) == (130 if how == signal.SIGINT else -how)
    mirror.go_on.set()
    mirror.faults.clear()
    mirror.asked.clear()

    code, _, err = mlbench("data", "inspect", "yeast", url=mirror.url)
    assert (code, err) == (0, "")
    assert mirror.asked == [TEST, XML]
    assert same(home / "yeast-1", shared_data)


def test_two_processes_download_once(start, mirror, home, shared_data):
    """The second waits for the first and then uses its files."""
    mirror.faults[TEST] = "waits"
    first = start("data", "inspect", "yeast", url=mirror.url)
    while TEST not in mirror.asked:
        assert first.poll() is None, first.communicate()
    second = start("data", "inspect", "yeast", url=mirror.url)
    assert second.stderr.readline() == f"{home / 'yeast-1'} is being made by another process: waiting for it\n"
    mirror.go_on.set()
    outs = [process.communicate(timeout=120)[0] for process in (first, second)]
    assert [process.returncode for process in (first, second)] == [0, 0]
    assert outs[0] == outs[1]
    assert mirror.asked == [TRAIN, TEST, XML]
    assert names(home) == ["yeast-1"]
    assert same(home / "yeast-1", shared_data)
