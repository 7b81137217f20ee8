"""The built-in data set ``demo``: which notes sound in a short window of made-up audio.

Notes are sums of decaying harmonics. A recording has its own timbre, tuning, scale and noise, and its
windows share them, so whole recordings go to train, valid or test. Easy enough for seconds, hard
enough that models differ. Its values say nothing about real music.
"""

from __future__ import annotations

import numpy as np

from mlbench.data.dataset import Dataset, make_split

SEED = 20_260
RATE = 11_025
SAMPLES = 256
LOWEST = 72
N_NOTES = 12
WINDOWS = 16
RECORDINGS = {"train": 30, "valid": 10, "test": 10}
HARMONICS = np.arange(1, 9)


def load_demo() -> Dataset:
    """800 windows of 256 samples at 11,025 Hz, the 12 notes from C5 (MIDI 72) up, 50 recordings."""
    rng = np.random.default_rng(SEED)
    parts = {}
    first = 0
    for part, count in RECORDINGS.items():
        recordings = [_recording(rng) for _ in range(count)]
        parts[part] = make_split(
            np.concatenate([audio for audio, _ in recordings]),
            np.concatenate([notes for _, notes in recordings]),
            np.repeat(np.arange(first, first + count), WINDOWS),
            where=f"demo {part}",
        )
        first += count
    return Dataset(
        name="demo",
        train=parts["train"],
        valid=parts["valid"],
        test=parts["test"],
        label_names=tuple(f"note-{LOWEST + i}" for i in range(N_NOTES)),
        features=("rfft",),
        warnings=("demo is made up on the spot: its values say nothing about real data",),
    )


def _recording(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Windows (WINDOWS, SAMPLES) and labels (WINDOWS, N_NOTES) of one recording."""
    scale = np.flatnonzero(np.isin((np.arange(N_NOTES) + rng.integers(12)) % 12, (0, 2, 4, 5, 7, 9, 11)))
    weight = rng.dirichlet(np.full(len(scale), 0.7))
    timbre = HARMONICS ** -rng.uniform(0.6, 2.0) * rng.uniform(0.3, 1.0, len(HARMONICS))
    tuning = 2 ** (rng.normal(0, 0.15) / 12)
    frequency = 440 * 2 ** ((LOWEST + np.arange(N_NOTES) - 69) / 12) * tuning
    time = np.arange(SAMPLES) / RATE
    noise = 10 ** rng.uniform(-1.3, -0.3)

    audio = np.empty((WINDOWS, SAMPLES), dtype=np.float32)
    labels = np.zeros((WINDOWS, N_NOTES), dtype=np.uint8)
    for window in range(WINDOWS):
        n_notes = min(int(rng.integers(1, 5)), int(np.count_nonzero(weight)))
        for note in rng.choice(len(scale), size=n_notes, replace=False, p=weight):
            labels[window, scale[note]] = 1
        signal = np.zeros(SAMPLES)
        for note in np.flatnonzero(labels[window]):
            partials = frequency[note] * HARMONICS
            loudness = timbre * 10 ** rng.uniform(-0.6, 0.0) * (partials < RATE / 2)
            phases = rng.uniform(0, 2 * np.pi, len(HARMONICS))
            decay = np.exp(-rng.uniform(0, 8) * time)
            signal += decay * (loudness @ np.sin(2 * np.pi * partials[:, None] * time + phases[:, None]))
        audio[window] = signal + noise * rng.normal(size=SAMPLES)
    return audio, labels
