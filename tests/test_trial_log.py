"""The log of a study survives being cut anywhere."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from helpers import patient
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbench.results.trial_log import TrialLog, TrialRecord

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
LINES = [
    TrialRecord(number=0, state="COMPLETE", value=0.5, params={"x": 1e-5, "kind": "ä\n\u2028"}),
    TrialRecord(number=1, state="PRUNED", steps=((1, 0.25), (2, 0.5)), best_step=2, refit_state={"rounds": [1, 2]}),
    TrialRecord(number=2, state="FAIL", status="timeout", error="late"),
]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrialLog:
    """A log of three trials."""
    log = TrialLog(tmp_path / "study.jsonl")
    for line in LINES:
        log.append(line)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # for speed alone
    return log


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """Before the first trial there are no lines and no file."""
    log = TrialLog(tmp_path / "study.jsonl")

    assert log.read() == []
    assert not log.path.exists()


@settings(patient, max_examples=40)
@given(st.dictionaries(st.text(), JSON), st.lists(st.tuples(st.integers(1, 99), st.floats(allow_nan=False))), st.text())
def test_lines_come_back(params: dict[str, object], steps: list[tuple[int, float]], error: str) -> None:
    """What is appended is read again, to the last digit of each float."""
    line = TrialRecord(number=3, state="FAIL", params=params, refit_state=params, steps=tuple(steps), error=error)
    with TemporaryDirectory() as folder:
        log = TrialLog(Path(folder) / "study.jsonl")
        log.append(LINES[0])
        log.append(line)

        assert log.read() == [LINES[0], line]


def test_a_log_may_be_cut_at_every_byte(log: TrialLog) -> None:
    """Cut anywhere, the log holds the whole lines before the cut, and the next line is appended right."""
    whole = log.path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    new = TrialRecord(number=9, state="COMPLETE", value=1.0)

    for cut in range(len(whole) + 1):
        log.path.write_bytes(whole[:cut])
        kept = LINES[: sum(end <= cut for end in ends)]
        assert log.read() == kept
        log.append(new)
        assert log.read() == [*kept, new]


def test_a_changed_byte_ends_the_log(log: TrialLog) -> None:
    """A flipped bit anywhere is noticed: the lines before it stand, it and what follows does not."""
    whole = log.path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]

    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        log.path.write_bytes(damaged)
        assert log.read() == LINES[: sum(end <= at for end in ends)]


@pytest.mark.parametrize("tail", [b"\0" * 4096, b"\n", b"garbage\n", b"00000000 \n", b"\xff\xfe"])
def test_rubbish_at_the_end_is_cut(log: TrialLog, tail: bytes) -> None:
    """What a crashed file system leaves at the end, zeros for example, is dropped at the next append."""
    log.path.write_bytes(log.path.read_bytes() + tail)
    new = replace(LINES[0], number=3)

    assert log.read() == LINES
    log.append(new)

    assert log.read() == [*LINES, new]
    assert tail not in log.path.read_bytes() or tail == b"\n"


def test_a_line_is_durable_when_append_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole line is in the file when it is fsynced."""
    log = TrialLog(tmp_path / "study.jsonl")
    seen = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append(log.read()))

    log.append(LINES[0])

    assert seen == [[LINES[0]]]
