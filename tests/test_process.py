"""A child process that can be trusted to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mlbench.execution import process as isolate
from mlbench.execution.process import Ending, run_child, signal_name
from mlbench.plugins.worker_pool import usable_cpus

SAY = """
import json, os, signal, sys, time
pipe = int(sys.argv[-1])
def say(**message):
    os.write(pipe, json.dumps(message).encode() + b"\\n")
"""


def _within(limit: float) -> Callable[[Mapping[str, Any], float], float]:
    return lambda last, since: since + limit


def _run(folder: Path, code: str, limit: float = 30.0, **more: Any) -> Ending:
    options: dict[str, Any] = {"threads": 1, "cuda": False, "deadline": _within(limit), **more}
    return run_child(
        [sys.executable, "-S", "-c", SAY + textwrap.dedent(code)], cwd=folder, log=folder / "log.txt", **options
    )


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def _open_files() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


# ------------------------------------------------------------------------------------------ endings
@pytest.mark.parametrize(
    ("code", "kind", "number"),
    [
        ("pass", "exit", 0),
        ("sys.exit(3)", "exit", 3),
        ("os._exit(7)", "exit", 7),
        ("1 / 0", "exit", 1),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "signal", 11),
        ("os.kill(os.getpid(), signal.SIGKILL)", "signal", 9),
    ],
)
def test_how_a_child_ended(tmp_path: Path, code: str, kind: str, number: int) -> None:
    """An exit code and a signal are told apart."""
    assert _run(tmp_path, code) == Ending(kind=kind, code=number, last={})  # type: ignore[arg-type]


def test_the_last_message_is_known(tmp_path: Path) -> None:
    """The last whole message before the end is what the child last said, even right before a crash."""
    ending = _run(tmp_path, "say(phase='prepare'); say(phase='trial', number=3); os.kill(os.getpid(), 9)")

    assert ending == Ending(kind="signal", code=9, last={"phase": "trial", "number": 3})


def test_what_is_no_message_is_left_out(tmp_path: Path) -> None:
    """Rubbish on the pipe, half lines and JSON that is no object do not count."""
    code = r"""
    say(phase='trial')
    os.write(pipe, b'\xff\x00rubbish\n3\n"x"\n[1]\nnull\n{"phase": \n{"phase": "ha')
    """

    assert _run(tmp_path, code).last == {"phase": "trial"}


def test_a_message_may_come_in_pieces(tmp_path: Path) -> None:
    """A message that is written bit by bit is whole in the end."""
    code = """
    for byte in json.dumps({"phase": "trial"}).encode() + b"\\n":
        os.write(pipe, bytes([byte]))
        time.sleep(0.001)
    """

    assert _run(tmp_path, code).last == {"phase": "trial"}


def test_a_child_that_hangs_is_killed(tmp_path: Path) -> None:
    """After its deadline a child is killed, whatever signals it blocks."""
    start = time.monotonic()

    ending = _run(
        tmp_path, "say(phase='x'); signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32)); time.sleep(60)", limit=0.5
    )

    assert ending == Ending(kind="timeout", code=0, last={"phase": "x"})
    assert time.monotonic() - start < 10


def test_each_message_starts_the_clock_anew(tmp_path: Path) -> None:
    """The deadline is told the last message and when it came, so that a phase has its own time."""
    code = "for i in range(4):\n    say(phase=i)\n    time.sleep(0.5)"

    assert _run(tmp_path, code, limit=1.5).kind == "exit"


def test_the_deadline_may_depend_on_the_message(tmp_path: Path) -> None:
    """A phase that is known to be long gets longer."""
    limits = {"short": 0.3, "long": 60.0}

    ending = _run(
        tmp_path,
        "say(phase='long'); time.sleep(0.8); say(phase='short'); time.sleep(60)",
        deadline=lambda last, since: since + limits.get(last.get("phase", "long"), 60.0),
    )

    assert ending.kind == "timeout"
    assert ending.last == {"phase": "short"}


def test_rubbish_on_the_pipe_does_not_prolong_life(tmp_path: Path) -> None:
    """A child that floods the pipe with what is no message is killed at its deadline all the same."""
    code = """
    end = time.monotonic() + 6
    while time.monotonic() < end:
        os.write(pipe, b"rubbish" * 500)
    """

    assert _run(tmp_path, code, limit=0.5).kind == "timeout"


def test_a_closed_pipe_does_not_prolong_life(tmp_path: Path) -> None:
    """A child that closed the pipe is still killed at its deadline."""
    start = time.monotonic()

    assert _run(tmp_path, "os.close(pipe); time.sleep(60)", limit=0.5).kind == "timeout"
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("end", ["sys.exit(0)", "time.sleep(60)"])
def test_what_a_child_started_ends_with_it(tmp_path: Path, end: str) -> None:
    """Processes that the child left behind are killed with it, whether it ended itself or was killed."""
    code = f"""
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    say(child=child)
    {end}
    """

    ending = _run(tmp_path, code, limit=1.0)

    for _ in range(100):
        if not _lives(ending.last["child"]):
            break
        time.sleep(0.05)
    assert not _lives(ending.last["child"])


def test_ctrl_c_in_the_parent_kills_the_child(tmp_path: Path) -> None:
    """When waiting is interrupted the child does not outlive it."""
    seen = []

    def deadline(last: Mapping[str, Any], since: float) -> float:
        if "pid" in last:
            seen.append(last["pid"])
            raise KeyboardInterrupt
        return since + 30

    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path, "say(pid=os.getpid()); time.sleep(60)", deadline=deadline)
    assert not _lives(seen[0])


def test_nothing_stays_open(tmp_path: Path) -> None:
    """Running a child leaves no file descriptor behind."""
    before = _open_files()

    _run(tmp_path, "pass")

    assert _open_files() == before


# --------------------------------------------------------------------------------------- environment
def test_output_is_appended_to_the_log(tmp_path: Path) -> None:
    """Both streams go to the log, after what is there; stdin is empty."""
    (tmp_path / "log.txt").write_text("before\n")

    _run(tmp_path, "print('out', flush=True); print('err', file=sys.stderr); print(repr(sys.stdin.read()))")

    assert (tmp_path / "log.txt").read_text() == "before\nout\nerr\n''\n"


def test_threads_are_limited_and_the_gpu_is_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numeric libraries see the thread limit; a job for the CPU sees no GPU; hashes are the same every time."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    code = "say(**os.environ)"

    hidden, shown = (_run(tmp_path, code, threads=3, cuda=cuda).last for cuda in (False, True))

    for name in isolate.THREAD_VARIABLES:
        assert hidden[name] == "3"
    assert hidden["CUDA_VISIBLE_DEVICES"] == ""
    assert shown["CUDA_VISIBLE_DEVICES"] == "1"
    assert hidden["PYTHONHASHSEED"] == "0"


def test_python_path_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative PYTHONPATH still leads to the same place from the child's folder."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["site", "/absolute"]))
    monkeypatch.chdir(tmp_path)
    work = tmp_path / "work"
    work.mkdir()

    last = _run(work, "say(path=os.environ['PYTHONPATH'], cwd=os.getcwd())").last

    assert last == {"path": os.pathsep.join([str(tmp_path / "site"), "/absolute"]), "cwd": str(work)}


def test_the_child_has_the_pipe_and_nothing_else(tmp_path: Path) -> None:
    """No other open file of the parent reaches the child."""
    with (tmp_path / "secret").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)
        code = """
        fds = [int(fd) for fd in os.listdir("/proc/self/fd")]
        say(pipe=pipe, fds=[fd for fd in fds if os.path.exists(f"/proc/self/fd/{fd}")])
        """
        last = _run(tmp_path, code).last

    assert set(last["fds"]) <= {0, 1, 2, last["pipe"]}


# ------------------------------------------------------------------------------------- in the child
def _python(code: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=False, **more
    )


def test_memory_is_limited() -> None:
    """Beyond the limit an allocation is a MemoryError, not a machine that swaps; below it works."""
    ended = _python("""
        from mlbench.execution.process import limit_memory, peak_memory_mb
        limit_memory(1 << 30)
        small = bytearray(100 << 20)
        try:
            large = bytearray(2 << 30)
        except MemoryError:
            print("refused", peak_memory_mb() >= 100)
    """)

    assert ended.stdout == "refused True\n", ended.stderr


def test_a_limit_beyond_all_memory_is_none() -> None:
    """More bytes than the system can count are as good as no limit."""
    ended = _python("""
        from mlbench.execution.process import limit_memory
        limit_memory(10**30)
        print("fine")
    """)

    assert ended.stdout == "fine\n", ended.stderr


def test_a_mapped_file_does_not_count(tmp_path: Path) -> None:
    """Data that are mapped read-only from a file may be larger than the memory limit."""
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2 << 30)

    ended = _python(f"""
        import mmap
        from mlbench.execution.process import limit_memory
        limit_memory(1 << 30)
        with open({str(tmp_path / "large")!r}, "rb") as file:
            print(len(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
    """)

    assert ended.stdout == f"{2 << 30}\n", ended.stderr


def test_a_child_dies_with_its_parent() -> None:
    """When the parent is killed the child ends too, though nobody tells it."""
    child = "import os, sys, time; from mlbench.execution.process import die_with; die_with(int(sys.argv[1]));"
    parent = f"""
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", {child!r} + "print(os.getpid(), flush=True); time.sleep(60)", str(os.getpid())])
sys.stdin.read()
"""
    process = subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    assert _lives(pid)

    process.kill()

    assert process.communicate(timeout=10)[0] == "", "the child held our pipe until it died"
    end = time.monotonic() + 10
    while _lives(pid):  # its pipes are closed before it is gone
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_child_whose_parent_is_already_gone() -> None:
    """A child that comes too late to ask for the signal ends at once."""
    assert _python("from mlbench.execution.process import die_with; die_with(1); print('lives')").stdout == ""


@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (11, "SIGSEGV"), (99, "signal 99")])
def test_names_of_signals(number: int, name: str) -> None:
    """Signals are called by name where they have one."""
    assert signal_name(number) == name


def test_this_process_has_memory_and_cores() -> None:
    """Peak memory is positive and plausible; there is at least one core; the GPU question has an answer."""
    assert 10 < isolate.peak_memory_mb() < 1e6
    assert usable_cpus() >= 1
    assert isolate.cuda_is_there() in (True, False)
    assert json.dumps(isolate.cuda_is_there()) in ("true", "false")
