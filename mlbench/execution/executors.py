"""Where work runs: here, or in processes side by side; any other ``concurrent.futures.Executor`` does as well."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from typing import Any, TypeVar

from mlbench.execution.process import PR_SET_PDEATHSIG

Result = TypeVar("Result")


class InlineExecutor(Executor):
    """Runs what is submitted at once, in the caller."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """The finished future of ``fn(*args, **kwargs)``; only Ctrl-C passes through."""
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def process_pool(workers: int) -> Executor:
    """Processes that see jobs through side by side, and die with this one."""
    return ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker, initargs=(os.getpid(),)
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
