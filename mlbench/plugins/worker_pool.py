"""Processes that work side by side and end with the one that started them."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from concurrent.futures import Executor

PR_SET_PDEATHSIG = 1


def usable_cpus() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_pool(workers: int | None = None) -> Executor:
    """Return a pool of processes that die with this one.

    Args:
        workers: Number of processes; one for each usable core by default.
    """
    import multiprocessing  # late: every job imports this module, and hardly any makes a pool
    from concurrent.futures import ProcessPoolExecutor

    return ProcessPoolExecutor(
        workers or usable_cpus(),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(os.getpid(),),
    )


def _start_worker(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    threading.Thread(target=_exit_with, args=(parent,), daemon=True).start()


def _exit_with(parent: int) -> None:
    """For systems without a death signal, and for a parent that died before we asked for one."""
    while os.getppid() == parent:
        threading.Event().wait(1.0)
    os._exit(1)
