"""The ledger's promises about durability and about names of files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from helpers import record

from mlbench.results.ledger import Ledger, damages
from mlbench.results.trial_log import TrialLog, TrialRecord, best_trial


def test_files_and_folders_are_synced_around_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file and the work folder are on disk before the rename, and the jobs folder after it."""
    ledger = Ledger(tmp_path)
    finished = record(id="abc")
    work = ledger.claim("abc")
    for name in ("one.csv", "two.csv"):
        (work.path / name).write_text(name)
    events: list[tuple[str, bool]] = []

    def fsync(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink()
        events.append((name.relative_to(tmp_path).parts[-1], (ledger.jobs / "abc").exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    ledger.commit(work, finished, ("one.csv", "two.csv"))
    before = {name for name, there in events if not there}

    assert before == {"one.csv", "two.csv", "record.json", work.path.name}
    assert events[-1] == ("jobs", True)
    assert events.index((work.path.name, False)) == len(before) - 1


def test_a_trial_is_synced_when_it_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is synced once for each trial."""
    seen = []
    log = TrialLog(tmp_path / "log")
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append(len(log.read())))
    for number in range(3):
        log.append(TrialRecord(number=number, state="COMPLETE", value=0.5))

    assert seen == [1, 2, 3]


@pytest.mark.parametrize("name", ["../file", "folder/file", "/etc/hostname", "record.json", "."])
def test_a_record_names_plain_files_beside_it(tmp_path: Path, name: str) -> None:
    """A name that leads out of the job's folder, or to the record itself, is a damage of the record."""
    folder = tmp_path / "job"
    (folder / "folder").mkdir(parents=True)
    for path in (tmp_path / "file", folder / "folder" / "file", folder / "record.json"):
        path.write_text("x")
    from mlbench.data.files import file_sha256

    sha256 = file_sha256(tmp_path / "file")
    found = list(damages(folder, record(files={name: sha256})))

    assert [where for where, _ in found] == ["record.json"]


def test_a_link_is_no_file_of_a_job(tmp_path: Path) -> None:
    """A symbolic link may change without notice, so that it counts as missing."""
    from mlbench.data.files import file_sha256

    (tmp_path / "a").write_text("x")
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "a").symlink_to(tmp_path / "a")

    assert [n for n, _ in damages(tmp_path / "job", record(files={"a": file_sha256(tmp_path / "a")}))] == ["a"]


@pytest.mark.parametrize(("metric", "number"), [("average_precision_micro", 1), ("hamming_loss", 0)])
def test_the_first_of_equal_trials_is_the_best(metric: str, number: int) -> None:
    """Trials that are not complete do not count, and a later trial must be better to win."""
    values: list[Any] = [0.1, 0.9, 0.9, 0.1]
    trials = [TrialRecord(number=n, state="COMPLETE", value=value) for n, value in enumerate(values)]
    trials.append(TrialRecord(number=4, state="FAIL", value=1.0 if number else 0.0))
    best = best_trial(trials, metric)

    assert best is not None
    assert best.number == number
    assert best_trial(trials[4:], metric) is None
