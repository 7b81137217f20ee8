"""Making data sets: into a folder beside, under a lock, then moved into place whole."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from mlbench.data.home import data_home
from mlbench.errors import MlbenchError, UsageError
from mlbench.plugins.catalog import PluginEntry
from mlbench.plugins.guard import guarded
from mlbench.plugins.specs import DatasetSpec, MakeContext


def home_of(spec: DatasetSpec) -> Path:
    """Where the data set is kept when it is known by name alone."""
    return data_home() / f"{spec.name}-{spec.version}"


def make(
    registered: PluginEntry[DatasetSpec],
    folder: Path,
    *,
    source: Path | None = None,
    options: Mapping[str, Any] | None = None,
    executor: Executor,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Make a data set in ``folder``, which must not be there; what an interrupted make did is not done again.

    If another process is making it, wait for that process, and use what it made.

    Args:
        registered: With ``spec.make``.
        folder: Appears when everything is written.
        source: What it is made from, if it needs something of the user's.
        options: Values of the spec's options; the others have their defaults.
        executor: Where the parts of the work run.
        progress: Told (done, total).

    Raises:
        UsageError: The folder is there, or cannot be written, or the source is missing.
        DataError: The source is not what it must be.
        PluginError: The plugin raised something else.
    """
    spec = registered.spec
    assert spec.make is not None
    if spec.from_source and not spec.source_optional and source is None:
        raise UsageError(
            f"data set {spec.name!r} is made from a {spec.from_source}: `mlbench data make {spec.name} --from PATH`"
        )
    if source is not None and not source.exists():
        raise UsageError(f"{source}: there is no such file or folder")
    if folder.exists():
        raise UsageError(f"{folder} is there already: name another folder, or delete it")
    values = {option.name: option.default for option in spec.options} | dict(options or {})
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder) as working:
            if folder.exists():  # another process finished it while this one waited
                return
            context = MakeContext(folder=working, executor=executor, source=source, options=values, progress=progress)
            try:
                with guarded(f"data set {spec.name!r} of {registered.origin}", passing=(MlbenchError, OSError)):
                    spec.make(context)
            except BaseException:
                executor.shutdown(cancel_futures=True)  # or an interrupted make would go on to its end
                raise
            working.rename(folder)
    except MlbenchError:
        raise
    except OSError as error:
        advice = ": free the disk and run again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise UsageError(f"{folder}: cannot be written: {error.strerror or error}{advice}") from error


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[Path]:
    """Yield the working folder beside ``folder``, ours alone; the system drops the lock when we die."""
    working = folder.with_name(f".{folder.name}.making")
    lock = _lock(working, folder)
    try:
        yield working
    finally:
        if _is_at(lock, working):  # it is not if it was moved into place, and then its name may be another maker's
            with contextlib.suppress(OSError):
                working.rmdir()  # where nothing was written; what an interruption left stays
        os.close(lock)


def _lock(working: Path, folder: Path) -> int:
    """Lock the working folder and return its descriptor, after any other process that has the lock."""
    told = False
    while True:
        working.mkdir(exist_ok=True)
        try:
            lock = os.open(working, os.O_RDONLY)
        except FileNotFoundError:  # its maker moved it into place, or removed it
            continue
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not told:
                    print(f"{folder} is being made by another process: waiting for it", file=sys.stderr)
                told = True
                fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_at(lock, working):
                return lock
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether the open folder still has this path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
