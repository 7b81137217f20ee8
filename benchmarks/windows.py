"""What the benchmarks of models share: windows of made-up music, clocks, and memory.

A row is the magnitude spectrum |rFFT| of a window in which one to five notes sound, ten harmonics each, over pink
noise; it is made in the frequency domain. Labels are the notes, of 128: about half of them are rare or never there.
"""

from __future__ import annotations

import gc
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlbench import Split

LABELS = 128
RATE = 11_025
HARMONICS = np.arange(1, 11)
LEAKAGE = np.arange(-4, 6)
"""Bins around a partial that get a part of it, as a rectangular window has it."""
ROWS_AT_ONCE = 2048


def make(folder: Path, n: int, d: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Spectra (n, d) in a memory-mapped .npy, and notes (n, 128)."""
    rng = np.random.default_rng(seed)
    written = np.lib.format.open_memmap(folder / "X.npy", mode="w+", dtype=np.float32, shape=(n, d))
    Y = np.zeros((n, LABELS), dtype=np.uint8)
    pitch = np.arange(LABELS)
    share = np.exp(-0.5 * ((pitch - 62) / 11) ** 2) + 2e-4 * ((pitch > 20) & (pitch < 109))
    share /= share.sum()
    pink = 0.35 / np.sqrt(1 + np.arange(d) * (200 / d))
    for start in range(0, n, ROWS_AT_ONCE):
        rows = min(ROWS_AT_ONCE, n - start)
        row = np.repeat(np.arange(rows), rng.choice(np.arange(1, 6), rows, p=[0.15, 0.3, 0.3, 0.17, 0.08]))
        note = rng.choice(LABELS, len(row), p=share)
        Y[start + row, note] = 1
        frequency = 440 * 2 ** ((note - 69) / 12) * np.exp(rng.normal(0, 0.004, len(row)))
        size = np.exp(rng.normal(0, 0.6, len(row)))[:, None] / HARMONICS**1.1
        size = size * np.exp(rng.normal(0, 0.5, size.shape) + 2j * np.pi * rng.random(size.shape))
        at = frequency[:, None] * HARMONICS * (2 * (d - 1) / RATE)
        bins = np.floor(at).astype(np.int64)[..., None] + LEAKAGE
        part = size[..., None] * np.sinc(bins - at[..., None])
        inside = (bins >= 0) & (bins < d) & (at < d - 6)[..., None]
        cell = (row[:, None, None] * d + bins)[inside]
        real = np.bincount(cell, part.real[inside], rows * d).reshape(rows, d)
        imaginary = np.bincount(cell, part.imag[inside], rows * d).reshape(rows, d)
        real += pink * rng.standard_normal((rows, d))
        imaginary += pink * rng.standard_normal((rows, d))
        written[start : start + rows] = np.hypot(real, imaginary)
    written.flush()
    return np.load(folder / "X.npy", mmap_mode="r"), Y


def parts(X: NDArray[np.float32], Y: NDArray[np.uint8], *sizes: int) -> list[Split]:
    """Rows in order; the matrices stay views of the file."""
    ends = np.cumsum(sizes)
    return [Split(X=X[end - size : end], Y=Y[end - size : end]) for size, end in zip(sizes, ends, strict=True)]


def clock(threads: int) -> Callable[[], float]:
    """CPU seconds on one thread, because they ignore what neighbours on the machine steal; else wall seconds."""
    return time.process_time if threads == 1 else time.perf_counter


def in_turns(
    functions: dict[str, Callable[[], Any]], turns: int, now: Callable[[], float]
) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Seconds of every turn, A B A B and so on, and the last results."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    found: dict[str, Any] = {}
    for _ in range(turns):
        for name, function in functions.items():
            gc.collect()
            start = now()
            found[name] = function()
            seconds[name].append(now() - start)
    return seconds, found


def median_ratio(seconds: dict[str, list[float]], slow: str, fast: str) -> float:
    """Print all turns; how many times faster the median of ``fast`` is."""
    for name, times in seconds.items():
        turns = ", ".join(f"{t:.2f}" for t in times)
        print(f"{name}: {statistics.median(times):.2f} s, median of {len(times)} ({turns})")
    return statistics.median(seconds[slow]) / statistics.median(seconds[fast])


def private_bytes() -> int:
    """Memory of this process that no file backs (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise OSError("no RssAnon in /proc/self/status")


def private_growth(function: Callable[[], Any]) -> int:
    """How far private memory rises while ``function`` runs, looked at every 2 ms."""
    gc.collect()
    before = highest = private_bytes()
    done = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.002):
            highest = max(highest, private_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        function()
    finally:
        done.set()
        watcher.join()
    return highest - before
