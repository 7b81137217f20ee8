"""Finished jobs are immutable and checksummed; jobs under way have one living owner."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from helpers import patient, record
from hypothesis import given
from hypothesis import strategies as st

from mlbench.data.files import file_sha256
from mlbench.errors import LedgerError
from mlbench.results import ledger as module
from mlbench.results.ledger import Ledger, WorkFolder, remedy
from mlbench.results.migrations import _sha256, from_json, to_json
from mlbench.results.schema import RECORD, STATUSES, Record
from mlbench.results.trial_log import TrialRecord

ID = "0123456789abcdef" * 2
RECORDS = {
    "ok": record(0.1 + 0.2, id=ID, macro=1e-05, peak_memory_mb=1234.5678901234567),
    "failed": record(None, id=ID, status="failed", error='ä "quoted" \\ \u2028'),
}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """An empty ledger."""
    return Ledger(tmp_path / "runs")


@pytest.fixture
def claim(ledger: Ledger) -> Iterator[Callable[[], WorkFolder]]:
    """Claims the job, and lets go at the end of the test of all that it claimed."""
    claimed = []

    def claim() -> WorkFolder:
        claimed.append(ledger.claim(ID))
        return claimed[-1]

    yield claim
    for work in claimed:
        work.release()


def _finish(ledger: Ledger, result: Record, content: str = "x", work: WorkFolder | None = None) -> Record:
    work = work or ledger.claim(result.id)
    (work.path / "log.txt").write_text(content)
    return ledger.commit(work, result, ("log.txt",))


# ------------------------------------------------------------------------------------------- records
@pytest.mark.parametrize("result", RECORDS.values(), ids=RECORDS)
def test_a_record_comes_back(result: Record) -> None:
    """A record is the same after being written and read, to the last digit."""
    assert from_json(to_json(result)) == result


@patient
@given(st.floats(allow_nan=False, allow_infinity=False), st.text(), st.dictionaries(st.text(), st.integers()))
def test_any_record_comes_back(value: float, text: str, params: dict[str, int]) -> None:
    """Any float, text and parameters survive."""
    result = record(value, id=ID, error=text, best_params=params)

    assert from_json(to_json(result)) == result


def test_a_record_without_nan() -> None:
    """NaN and infinity are no JSON: they are refused when written, not found by a reader."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(record(float("nan")))


@pytest.mark.parametrize("result", RECORDS.values(), ids=RECORDS)
def test_every_flipped_bit_is_noticed(result: Record) -> None:
    """A record in which a single bit is flipped, wherever it is, is refused."""
    whole = to_json(result).encode()
    passed = []
    for at in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << bit
            try:
                from_json(damaged.decode())
            except ValueError:
                continue
            passed.append((at, whole[max(0, at - 20) : at + 20], chr(damaged[at])))

    assert passed == []


@pytest.mark.parametrize("result", RECORDS.values(), ids=RECORDS)
def test_every_other_digit_is_noticed(result: Record) -> None:
    """A record in which a digit was changed into another is refused, even where the float is the same."""
    whole = to_json(result)
    passed = []
    for at, character in enumerate(whole):
        for other in "0123456789" if character.isdigit() else "":
            if other != character:
                try:
                    from_json(whole[:at] + other + whole[at + 1 :])
                except ValueError:
                    continue
                passed.append((whole[max(0, at - 20) : at + 1], other))

    assert passed == []


@pytest.mark.parametrize("cut", [0, 1, 100, -2])
def test_a_cut_record_is_noticed(cut: int) -> None:
    """A record that is not whole is refused."""
    with pytest.raises(ValueError):  # noqa: PT011 - JSON's message or ours
        from_json(to_json(RECORDS["ok"])[:cut])


@pytest.mark.parametrize("text", ["null", "[]", "3", '"x"', "{}", "", "\0" * 900])
def test_other_json_is_no_record(text: str) -> None:
    """What is not a record at all is refused like a damaged one."""
    with pytest.raises(ValueError):  # noqa: PT011
        from_json(text)


def test_a_record_of_another_schema() -> None:
    """A record of a newer mlbench is refused as that, not taken for damaged; nothing is renamed."""
    later = json.loads(to_json(RECORDS["ok"])) | {"mood": "good"}
    del later["sha256"]
    unknown = json.dumps({**later, "sha256": _sha256(later)}, sort_keys=True, indent=1) + "\n"
    newer = json.dumps(
        {**later, "schema_version": 99, "sha256": _sha256({**later, "schema_version": 99})}, sort_keys=True, indent=1
    )
    for text in (newer + "\n", unknown):
        with pytest.raises(LedgerError, match=r"mlbench.*: upgrade"):
            from_json(text)


def test_a_record_is_its_fields_and_a_checksum() -> None:
    """``record.json`` has the fields of ``Record`` and ``sha256``, sorted, nothing else."""
    body = json.loads(to_json(RECORDS["ok"]))

    # Without these a record is written as it was before there were any, and so can still be read.
    assert list(body) == sorted({field.name for field in fields(Record)} | {"sha256"})
    assert set(STATUSES) == {"ok", "failed", "timeout", "out_of_memory", "killed", "invalid_scores", "import_error"}


# ------------------------------------------------------------------------------------ commit and load
def test_a_committed_job_is_loaded(ledger: Ledger) -> None:
    """What was committed is loaded, with the hash of each file beside it."""
    result = _finish(ledger, RECORDS["ok"])

    assert ledger.load(ID) == result
    assert result.files == {"log.txt": file_sha256(ledger.jobs / ID / "log.txt")}
    assert replace(result, files={}) == RECORDS["ok"]
    assert list(ledger.records()) == [result]
    assert list(ledger.work.iterdir()) == []


def test_a_job_that_is_not_there(ledger: Ledger) -> None:
    """An unknown job is None, in a ledger that was never written to as well; looking creates nothing."""
    assert ledger.load(ID) is None
    assert list(ledger.records()) == []
    assert ledger.trials_under_way(ID) == []
    assert not ledger.root.exists()


def test_commit_keeps_what_is_named_and_nothing_else(ledger: Ledger) -> None:
    """Scratch files, folders, the study and the lock do not get into the ledger."""
    work = ledger.claim(ID)
    work.study.append(TrialRecord(number=0, state="FAIL"))
    (work.path / "scratch" / "deep").mkdir(parents=True)
    (work.path / "scratch" / "deep" / "core").write_text("x")
    (work.path / "order.json").write_text("{}")
    (work.path / ".hidden").write_text("x")

    _finish(ledger, RECORDS["ok"], work=work)

    assert sorted(path.name for path in (ledger.jobs / ID).iterdir()) == ["log.txt", RECORD]


def test_commit_unlinks_links_without_following_them(ledger: Ledger, tmp_path: Path) -> None:
    """A link that a plugin left is removed itself; what it points to stays."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    work = ledger.claim(ID)
    (work.path / "link").symlink_to(outside, target_is_directory=True)
    (work.path / "dangling").symlink_to(tmp_path / "nowhere")

    _finish(ledger, RECORDS["ok"], work=work)

    assert (outside / "precious").exists()
    assert sorted(path.name for path in (ledger.jobs / ID).iterdir()) == ["log.txt", RECORD]


def test_the_first_writer_wins(ledger: Ledger) -> None:
    """Of two that finish one job the first's result stays, and the second is handed it."""
    first, second = ledger.claim(ID), ledger.claim(ID)
    assert first.path != second.path

    kept = _finish(ledger, RECORDS["ok"], "first", first)
    handed = _finish(ledger, RECORDS["failed"], "second", second)

    assert handed == kept
    assert ledger.load(ID) == kept
    assert (ledger.jobs / ID / "log.txt").read_text() == "first"
    assert list(ledger.work.iterdir()) == []


def test_a_finished_job_is_not_changed_by_looking(ledger: Ledger) -> None:
    """Loading and listing write nothing."""
    _finish(ledger, RECORDS["ok"])
    before = {path: path.stat().st_mtime_ns for path in ledger.root.rglob("*")}

    ledger.load(ID)
    list(ledger.records())

    assert {path: path.stat().st_mtime_ns for path in ledger.root.rglob("*")} == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("0.3", "0.4", 1),
        lambda text: text[:-9],
        lambda text: "",
        lambda text: "\0" * len(text),
        lambda text: to_json(record(id="f" * 32)),
    ],
    ids=["digit", "cut", "empty", "zeros", "another job's"],
)
def test_a_damaged_record_is_put_aside(ledger: Ledger, damage: object) -> None:
    """A damaged record counts as not there, is kept beside for whoever looks into it, and the job can be run again."""
    _finish(ledger, RECORDS["ok"])
    path = ledger.jobs / ID / RECORD
    path.write_text(damage(path.read_text()))  # type: ignore[operator]

    assert ledger.load(ID) is None
    assert list(ledger.records()) == []
    assert [path.name for path in ledger.jobs.iterdir()] == [ID]  # reading changes nothing

    assert ledger.tidy(ID) is None
    (aside,) = ledger.jobs.iterdir()
    assert aside.name.startswith(f"{ID}.corrupt-")
    assert (aside / "log.txt").read_text() == "x"
    again = _finish(ledger, RECORDS["ok"], "again")
    assert ledger.load(ID) == again


def test_bytes_that_are_no_text_are_damage(ledger: Ledger) -> None:
    """A record that is not even UTF-8 is put aside too."""
    _finish(ledger, RECORDS["ok"])
    (ledger.jobs / ID / RECORD).write_bytes(b"\xff\xfe\x00")

    assert ledger.load(ID) is None
    assert _finish(ledger, RECORDS["ok"], "again")


def test_a_folder_that_lost_its_record(ledger: Ledger) -> None:
    """A job's folder without a record is no result, and does not keep the job from being run again."""
    _finish(ledger, RECORDS["ok"])
    (ledger.jobs / ID / RECORD).unlink()

    assert ledger.load(ID) is None
    again = _finish(ledger, RECORDS["ok"], "again")

    assert ledger.load(ID) == again
    assert (ledger.jobs / ID / "log.txt").read_text() == "again"


def test_a_ledger_that_cannot_be_written(tmp_path: Path) -> None:
    """Where a file stands in the way, the error is one line with the folder."""
    (tmp_path / "runs").write_text("a file")

    with pytest.raises(LedgerError, match=r"cannot write to .*runs"):
        Ledger(tmp_path / "runs").claim(ID)


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EROFS, "choose another folder with --runs"), (errno.EACCES, "choose another"), (errno.ENOSPC, "free some")],
)
def test_what_to_do_about_a_file_that_cannot_be_written(number: int, words: str) -> None:
    """A full disk is freed; a folder that must not be written is another matter."""
    assert words in remedy(OSError(number, os.strerror(number)))


def test_a_disk_that_is_full(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the commit fails nothing is in the ledger, the work stays, and it can be committed later."""
    work = ledger.claim(ID)

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "sync", full)
        with pytest.raises(LedgerError, match=r"cannot write .*No space left on device: free some disk space"):
            _finish(ledger, RECORDS["ok"], work=work)

    assert ledger.load(ID) is None
    assert _finish(ledger, RECORDS["ok"]) == ledger.load(ID)


# -------------------------------------------------------------------------------------------- claims
CHILD = """
import sys
from pathlib import Path
from mlbench.results.ledger import Ledger
from mlbench.results.trial_log import TrialRecord

work = Ledger(Path(sys.argv[1])).claim(sys.argv[2])
work.study.append(TrialRecord(number=0, state="FAIL", error="of the child"))
print(work.path, flush=True)
sys.stdin.read()
"""


@contextmanager
def _another_process(ledger: Ledger) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that has claimed the job, logged one trial, and lives."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(ledger.root), ID], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        yield child, Path(child.stdout.readline().strip())
    finally:
        child.kill()
        child.communicate()


def test_a_job_of_a_living_process_is_not_taken(ledger: Ledger, claim: Callable[[], WorkFolder]) -> None:
    """While another process works on a job one gets a folder of one's own; when it dies, its trials go on."""
    with _another_process(ledger) as (child, theirs):
        ours = claim()
        assert ours.path != theirs
        assert ours.study.read() == []
        assert claim().path not in (ours.path, theirs)
        assert [line.error for log in ledger.trials_under_way(ID) for line in log.read()] == ["of the child"]

        child.kill()
        child.wait()

        assert claim().path == theirs


def test_what_a_dead_process_left_is_adopted(ledger: Ledger, claim: Callable[[], WorkFolder]) -> None:
    """After a kill the next claim gets the folder with the finished trials, and then it has an owner again."""
    with _another_process(ledger) as (_, theirs):
        pass

    adopted = claim()

    assert adopted.path == theirs
    assert [line.error for line in adopted.study.read()] == ["of the child"]
    assert claim().path != theirs


def test_a_release_lets_others_in(claim: Callable[[], WorkFolder]) -> None:
    """A folder that was released can be claimed again in the same process."""
    first = claim()
    first.release()

    assert claim().path == first.path


def test_jobs_do_not_share_folders(ledger: Ledger, claim: Callable[[], WorkFolder]) -> None:
    """A folder of another job is never adopted."""
    ledger.claim("f" * 32).release()

    assert claim().path.name.startswith(f"{ID}.")


def test_a_folder_being_committed_is_not_taken(
    ledger: Ledger, claim: Callable[[], WorkFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that claims a job at any moment of another's commit never gets the folder that becomes the result."""
    work = ledger.claim(ID)
    claimed: list[Path] = []
    fsync = module.sync

    def claim_meanwhile(path: Path) -> None:
        claimed.append(claim().path)
        fsync(path)

    monkeypatch.setattr(module, "sync", claim_meanwhile)
    _finish(ledger, RECORDS["ok"], work=work)

    assert claimed
    assert work.path not in claimed
    assert sorted(path.name for path in (ledger.jobs / ID).iterdir()) == ["log.txt", RECORD]


def test_a_folder_committed_while_it_was_being_locked_is_not_taken(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that one gets only because its owner has just committed the folder is worth nothing."""
    left = ledger.claim(ID)
    left.release()
    flock = module.fcntl.flock

    def late(file: Any, how: int) -> None:
        (left.path / "lock").unlink()
        flock(file, how)

    monkeypatch.setattr(module.fcntl, "flock", late)

    assert module._lock(left.path) is None


def test_a_commit_lets_go_of_the_lock(ledger: Ledger, claim: Callable[[], WorkFolder]) -> None:
    """After a commit nothing is held: the job can be claimed anew, in a folder of its own."""
    work = ledger.claim(ID)
    _finish(ledger, RECORDS["ok"], work=work)

    assert claim().path != work.path


def test_a_commit_that_is_killed_loses_no_trial(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the folder is in place, the study is still in it; afterwards, what is left over is cleared."""
    work = ledger.claim(ID)
    (work.path / "log.txt").write_text("x")
    (work.path / "study.jsonl").write_text("trials")

    def killed(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            ledger.commit(work, RECORDS["ok"], ("log.txt",))
    again = ledger.claim(ID)
    assert again.path == work.path
    assert (again.path / "study.jsonl").read_text() == "trials"
    ledger.commit(again, RECORDS["ok"], ("log.txt",))
    assert sorted(path.name for path in (ledger.jobs / ID).iterdir()) == ["log.txt", RECORD]
    (ledger.jobs / ID / "study.jsonl").write_text("a kill right after the rename")
    assert ledger.tidy(ID) is not None
    assert sorted(path.name for path in (ledger.jobs / ID).iterdir()) == ["log.txt", RECORD]
