"""Windows of a recording: only what a window and its reverberation need is synthesised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlbench_music.performance import FFT_SIZE, PRE_ROLL, Recording
from mlbench_music.soundfont import LONGEST_RELEASE, RATE, SoundFont, play

SAMPLES = 4_096
"""Of a window: 92.9 ms."""
LABELS = 128
"""One for each MIDI note."""
MARGIN = 10 * RATE
"""Samples at both ends of a recording in which no window's centre is, as in mini-MusicNet."""
MARGIN_SHARE = 0.08
"""Of a recording: what the margin is at most."""
QUIETEST = 1e-5
"""Amplitude of noise that is always there."""
WITHIN = 5 / 6
"""Misalignment of a window beside that of its recording: 60 and 50 ms were measured together."""


def centres(length: int, n: int) -> NDArray[np.int64]:
    """The sample in the middle of each of ``n`` windows, evenly spaced over a recording of ``length`` samples."""
    margin = min(MARGIN, int(MARGIN_SHARE * length)) + SAMPLES
    return np.linspace(margin, max(length - margin, margin), n).astype(np.int64)


def labels(recording: Recording, at: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The notes that sound at the samples ``at`` of shape (n,): shape (n, LABELS), by what is written."""
    Y = np.zeros((len(at), LABELS), dtype=np.uint8)
    for row, sample in enumerate(at):
        sounding = (recording.onset <= sample) & (sample < recording.label_end)
        Y[row, recording.pitch[sounding]] = 1
    return Y


def render(
    recording: Recording, at: NDArray[np.int64], font: SoundFont, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Audio around each of the samples ``at`` of shape (n,): shape (n, SAMPLES), the loudest sample is 1.

    The room is applied in the frequency domain. A convolution of PRE_ROLL + SAMPLES with PRE_ROLL samples is
    longer than FFT_SIZE by less than PRE_ROLL: what wraps around falls on the pre-roll, which is cut off.
    """
    X = np.empty((len(at), SAMPLES), dtype=np.float32)
    release = int(LONGEST_RELEASE * RATE)
    for row, centre in enumerate(at):
        stop = int(centre) + SAMPLES // 2
        start = stop - SAMPLES - PRE_ROLL
        buffer = np.zeros(PRE_ROLL + SAMPLES, dtype=np.float32)
        for note in np.flatnonzero((recording.onset < stop) & (recording.sound_end + release > start)):
            key = int(recording.program[note]), int(recording.pitch[note]), int(recording.velocity[note])
            for voice in font.voices(*key):
                onset, end = int(recording.onset[note]), int(recording.sound_end[note])
                play(voice, buffer, start, onset, end, recording.tuning)
        spectrum = np.fft.rfft(buffer, FFT_SIZE) * recording.room
        window = np.fft.irfft(spectrum, FFT_SIZE)[PRE_ROLL : PRE_ROLL + SAMPLES]
        loudness = QUIETEST + recording.noise * np.sqrt(np.mean(window**2))
        window += rng.normal(0, 1, SAMPLES) * loudness
        X[row] = window / np.abs(window).max()
    return X


def misaligned(at: NDArray[np.int64], rng: np.random.Generator, milliseconds: float) -> NDArray[np.int64]:
    """Where labels are read when they do not fit the audio: off by a recording's error and a window's.

    Args:
        at: The right samples, shape (n,).
        rng: Where the errors come from.
        milliseconds: Standard deviation of a recording's error; a window's has ``WITHIN`` of it.
    """
    error = rng.normal(0, 1) + WITHIN * rng.normal(0, 1, len(at))
    return at + np.round(error * milliseconds / 1_000 * RATE).astype(np.int64)
