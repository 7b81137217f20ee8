"""A child process that can be trusted to end: deadline, memory limit, thread limit, own group, log.

The child says where it is, one JSON line an event on a pipe, and is killed with its whole process group
when it stays in a phase for too long. It starts from a fresh interpreter, so nothing of the parent's
memory is in it.
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
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

POLL_SECONDS = 0.2
LONGEST_MESSAGE = 1 << 16
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "BLIS_NUM_THREADS",
)
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a child ended.

    Attributes:
        kind: ``"exit"`` by itself, ``"signal"`` by somebody else's, ``"timeout"`` by ours.
        code: Exit code or signal number.
        last: The last message that it sent, or an empty dictionary.
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
    """Run ``argv`` plus the number of the pipe to report on, and wait for its end.

    Args:
        argv: The command.
        cwd: Working directory.
        log: File that stdout and stderr are appended to.
        threads: What numeric libraries may use.
        cuda: Whether it may see a GPU.
        deadline: (last message, when it came) -> when to kill, both in ``time.monotonic()``.
    """
    environment = dict(os.environ)
    environment.update(dict.fromkeys(THREAD_VARIABLES, str(threads)), PYTHONHASHSEED="0", PYTHONUNBUFFERED="1")
    if "PYTHONPATH" in environment:  # the child works in another folder
        paths = environment["PYTHONPATH"].split(os.pathsep)
        environment["PYTHONPATH"] = os.pathsep.join(str(Path(path).absolute()) for path in paths)
    if not cuda:
        environment["CUDA_VISIBLE_DEVICES"] = ""
    read, write = os.pipe()
    with log.open("ab") as output, os.fdopen(read, "rb", buffering=0) as pipe:
        try:
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
    """A plugin can write to the pipe too, so anything but an object is nothing."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kill the child and what it started; its group outlives it while any member does."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def signal_name(number: int) -> str:
    """``SIGSEGV`` for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


# ------------------------------------------------------------------------------ called in the child
def die_with(parent: int) -> None:
    """End this process when the process ``parent`` ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def limit_memory(n_bytes: int) -> None:
    """Refuse allocations beyond ``n_bytes``; memory-mapped data files do not count, dumps are off."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # RLIMIT_DATA counts private writable memory: unlike RLIMIT_AS, neither mapped files nor libraries.
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = min(n_bytes, sys.maxsize if hard == resource.RLIM_INFINITY else hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def peak_memory_mb() -> float:
    """The largest resident memory of this process so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cuda_is_there() -> bool:
    """Whether the CUDA driver sees a device."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def usable_cpus() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
