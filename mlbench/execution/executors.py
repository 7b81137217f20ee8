"""Where work runs: here, or in threads that supervise children. Any ``concurrent.futures.Executor`` will do, too.

Jobs run in child processes whichever executor is used. So threads are enough to run several side by side, and
nothing has to be pickled, spawned or imported again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, TypeVar

from mlbench.execution.process import stop_when

Result = TypeVar("Result")


class InlineExecutor(Executor):
    """An executor that runs each call immediately in the calling thread."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """Return the finished future of ``fn(*args, **kwargs)``; only Ctrl-C passes through."""
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class SupervisingThreads(ThreadPoolExecutor):
    """Threads that supervise children; shut down with ``cancel_futures``, they kill their children first."""

    def __init__(self, workers: int) -> None:
        self._stop_event = threading.Event()
        super().__init__(workers, "mlbench", initializer=stop_when, initargs=(self._stop_event,))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for all jobs, or end them with ``cancel_futures``; what they did so far is resumed by the next run."""
        if cancel_futures:
            self._stop_event.set()
        super().shutdown(wait, cancel_futures=cancel_futures)


OURS = (InlineExecutor, SupervisingThreads)
"""Executors that add no faults of their own: an unexpected exception is a bug of ours."""


def executor_for(jobs: int) -> Executor:
    """Return what runs that number of jobs side by side."""
    return InlineExecutor() if jobs == 1 else SupervisingThreads(jobs)
