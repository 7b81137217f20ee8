"""Child processes that are certain to end: with a deadline, limits on memory and threads, and a log.

The child reports its phase as JSON lines on a pipe. If it stays in a phase for too long, it is killed with its
process group. It runs in a fresh interpreter and shares no memory with the parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mlbench.plugins.worker_pool import PR_SET_PDEATHSIG

POLL_SECONDS = 0.2
LONGEST_MESSAGE = 1 << 16
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "BLIS_NUM_THREADS",
)


_thread = threading.local()


class Stopped(Exception):  # noqa: N818
    """The run was interrupted while a thread of its executor supervised a child, which is killed."""


def stop_when(event: threading.Event) -> None:
    """Make ``run_child`` in this thread kill its child and raise ``Stopped`` once the event is set."""
    _thread.stop = event


def _stop_if_asked() -> None:
    event: threading.Event | None = getattr(_thread, "stop", None)
    if event is not None and event.is_set():
        raise Stopped


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a child process ended.

    Attributes:
        kind: ``"exit"``, ``"signal"`` (killed from outside), or ``"timeout"`` (killed at the deadline).
        code: The exit code or the signal number.
        last: The last message that the child sent, or an empty mapping.
    """

    kind: Literal["exit", "signal", "timeout"]
    code: int
    last: Mapping[str, Any]


def run_child(
    argv: Sequence[str],
    *,
    cwd: Path,
    log: Path,
    threads: int,
    cuda: bool,
    deadline: Callable[[Mapping[str, Any], float], float],
) -> Ending:
    """Run a command, with the file descriptor of its message pipe as the last argument, until it ends.

    Args:
        argv: The command.
        cwd: The working directory.
        log: The file to append stdout and stderr to.
        threads: The number of threads for numeric libraries.
        cuda: Whether the process may use a GPU.
        deadline: Maps the last message and the time it arrived to the time to kill the child; both times are
            ``time.monotonic()``.
    """
    environment = dict(os.environ)
    environment.update(dict.fromkeys(THREAD_VARIABLES, str(threads)), PYTHONHASHSEED="0", PYTHONUNBUFFERED="1")
    if "PYTHONPATH" in environment:  # the child runs in another folder
        paths = environment["PYTHONPATH"].split(os.pathsep)
        environment["PYTHONPATH"] = os.pathsep.join(str(Path(path).absolute()) for path in paths)
    if not cuda:
        environment["CUDA_VISIBLE_DEVICES"] = ""
    read, write = os.pipe()
    with log.open("ab") as output, os.fdopen(read, "rb", buffering=0) as pipe:
        try:
            # This thread waits for the child's end: a parent's death signal comes when the thread that started a
            # process ends, not when its process does (``die_with``).
            child = subprocess.Popen(
                [*argv, str(write)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=environment,
                pass_fds=(write,),
                start_new_session=True,
            )
        finally:
            os.close(write)
        try:
            return _watch(child, pipe, deadline)
        finally:
            _kill_group(child)


def _watch(child: subprocess.Popen[bytes], pipe: Any, deadline: Callable[[Mapping[str, Any], float], float]) -> Ending:
    last: Mapping[str, Any] = {}
    since, buffer, open_ = time.monotonic(), b"", True
    while time.monotonic() <= deadline(last, since):
        _stop_if_asked()
        if open_ and select.select([pipe], [], [], POLL_SECONDS)[0]:
            chunk = os.read(pipe.fileno(), LONGEST_MESSAGE)
            open_ = bool(chunk)
            *lines, buffer = (buffer + chunk)[-LONGEST_MESSAGE:].split(b"\n")
            for line in lines:
                message = _message(line)
                if message is not None:
                    last, since = message, time.monotonic()
            continue
        try:
            code = child.wait(timeout=0 if open_ else POLL_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return Ending(kind="signal" if code < 0 else "exit", code=abs(code), last=last)
    return Ending(kind="timeout", code=0, last=last)


def _message(line: bytes) -> Mapping[str, Any] | None:
    """Parse a message; None if it is not a JSON object, as a plugin could write to the pipe, too."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kill the child and all processes it started; the group exists as long as any member does."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def signal_name(number: int) -> str:
    """Return the name of a signal, such as ``SIGSEGV`` for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


# ------------------------------------------------------------------------------ called in the child
def die_with(parent: int) -> None:
    """Make this process end when the process ``parent`` ends (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def limit_memory(n_bytes: int) -> None:
    """Limit allocations to ``n_bytes``, not counting memory-mapped files, and disable core dumps."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # RLIMIT_DATA counts private writable memory; unlike RLIMIT_AS, it ignores mapped files and libraries.
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = min(n_bytes, sys.maxsize if hard == resource.RLIM_INFINITY else hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def peak_memory_mb() -> float:
    """Return the peak resident memory of this process, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cuda_is_there() -> bool:
    """Return whether the CUDA driver finds a device."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
