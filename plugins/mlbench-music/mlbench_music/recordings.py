"""One recording of MusicNet: samples from its ``.wav``, notes from its ``.csv``; checked, never trusted."""

from __future__ import annotations

import csv
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlbench import DataError

RATE = 44_100
"""Samples a second: the only rate that MusicNet has."""
N_NOTES = 128
DIALECTS = (("start_time", "end_time", "note"), ("start_sample", "end_sample", "midi_note"))
"""Names of the columns that count, in the two generations of label files; times are in samples in both."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Notes:
    """What a label file holds.

    Attributes:
        start: First sample of each note, shape (n,).
        end: The sample at which it no longer sounds.
        pitch: MIDI note, 0 to 127.
        n_dropped: Lines that are no notes: of no length, or out of range.
    """

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    pitch: NDArray[np.int64]
    n_dropped: int


def read_audio(path: Path) -> NDArray[np.float32]:
    """All samples of a ``.wav`` as one channel of float32, shape (length,).

    Integers are scaled by the largest of their type, channels are averaged.

    Raises:
        DataError: No wav file, cut short, another sample rate, or samples that are not finite.
    """
    from scipy.io import wavfile  # late: every command imports this module

    try:
        with warnings.catch_warnings():
            # Chunks of other programs are no matter; a file that is cut short is.
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            warnings.filterwarnings("error", "Reached EOF", wavfile.WavFileWarning)
            rate, samples = wavfile.read(path)
    except Exception as error:  # SciPy's reader raises whatever a broken header makes it raise
        raise DataError(f"{path}: not a wav file that can be read: {type(error).__name__}: {error}") from error
    if rate != RATE:
        raise DataError(f"{path}: {rate:,} samples a second, expected {RATE:,}: resample it, and its labels too")
    if samples.dtype == np.uint8:
        audio = (samples.astype(np.float32) - 128) / 128
    elif samples.dtype.kind == "i":
        audio = samples.astype(np.float32) / np.float32(np.iinfo(samples.dtype).max)
    else:
        audio = samples.astype(np.float32)
    if audio.ndim > 1:
        audio = audio.mean(axis=1, dtype=np.float32)
    if not np.isfinite(audio).all():
        where = int(np.argmin(np.isfinite(audio)))
        raise DataError(f"{path}: sample {where} is not a finite number")
    mono: NDArray[np.float32] = audio
    return mono


def read_notes(path: Path) -> Notes:
    """The notes of a label file, whichever of the ``DIALECTS`` it is written in.

    Raises:
        DataError: Other columns, or cells that are not numbers.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as stream:
            reader = csv.DictReader(stream)
            header = [name.strip() for name in reader.fieldnames or ()]
            columns = next((names for names in DIALECTS if set(names) <= set(header)), None)
            if columns is None:
                expected = " or ".join(", ".join(names) for names in DIALECTS)
                raise DataError(f"{path}: columns {', '.join(header) or 'none'}; expected {expected}")
            reader.fieldnames = header
            rows = [[int(float(row[name] or "")) for name in columns] for row in reader]
            start, end, pitch = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError, OverflowError, csv.Error) as error:
        raise DataError(f"{path}: line {reader.line_num}: {error}") from error
    sound = (start < end) & (pitch >= 0) & (pitch < N_NOTES)
    return Notes(start=start[sound], end=end[sound], pitch=pitch[sound], n_dropped=int((~sound).sum()))
