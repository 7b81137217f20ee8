"""A piece played: tempo, timing, dynamics, pedal and ensemble, in a room, through a microphone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlbench_music.corpus import Piece
from mlbench_music.soundfont import RATE

PRE_ROLL = RATE // 4
"""Samples before a window that its reverberation may come from."""
FFT_SIZE = 16_384
"""Of the room's convolution, which may wrap around, but only onto the pre-roll: see ``render``."""
DIRECT = 300
"""Samples between the direct sound and the first echo."""

PIANO = 0
ENSEMBLES: tuple[tuple[str, float, tuple[int, ...]], ...] = (
    ("piano", 0.42, (PIANO,)),
    ("strings", 0.28, (40, 40, 41, 42)),
    ("winds", 0.10, (73, 68, 71, 60, 70)),
    ("strings and piano", 0.10, (40, 42, PIANO)),
    ("cello", 0.05, (42,)),
    ("harpsichord", 0.05, (6,)),
)
"""(name, share, General MIDI programs from the highest part to the lowest); MusicNet's are piano and chamber music."""
RANGES = {
    0: (21, 108), 6: (29, 89), 40: (55, 103), 41: (48, 91), 42: (36, 76), 60: (34, 77),
    68: (58, 91), 70: (34, 75), 71: (50, 94), 73: (60, 96),
}  # fmt: skip
"""Lowest and highest MIDI note of each program; a part that leaves its range goes to the piano."""
DEFAULT_TEMPO = 84.0
TEMPI = (50.0, 150.0)
BEATS_AFTER = 8
SHORTEST_NOTE = 0.05
LEAD_IN = 0.05
VELOCITY_STEP = 8
"""Velocities are rounded, so that few sets of voices serve all notes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """A performance in its room; times in samples of ``RATE``.

    Attributes:
        name: The piece.
        ensemble: Of ``ENSEMBLES``.
        length: To the end of the last note.
        onset: Shape (n,), sorted, as are all below.
        label_end: Where the written note ends: it counts as sounding from ``onset`` up to here.
        sound_end: Where the key or the pedal is let go.
        pitch: MIDI note.
        velocity: 1 to 127.
        program: General MIDI program.
        room: Spectrum of room and microphone, shape (FFT_SIZE / 2 + 1,).
        tuning: Factor of all pitches.
        noise: Amplitude of the noise, as a share of the signal's.
    """

    name: str
    ensemble: str
    length: int
    onset: NDArray[np.int64]
    label_end: NDArray[np.int64]
    sound_end: NDArray[np.int64]
    pitch: NDArray[np.int64]
    velocity: NDArray[np.int64]
    program: NDArray[np.int64]
    room: NDArray[np.complex128]
    tuning: float
    noise: float


def perform(piece: Piece, rng: np.random.Generator, noise_db: float) -> Recording:
    """One performance of a piece.

    Args:
        piece: What is played.
        rng: Where everything that a score leaves open comes from.
        noise_db: Decibels of noise more than usual.
    """
    score = piece.score
    name, _, programs = ENSEMBLES[rng.choice(len(ENSEMBLES), p=[share for _, share, _ in ENSEMBLES])]
    beats = np.arange(0.0, (score.onset + score.duration).max() + BEATS_AFTER)

    tempo = float(np.clip((score.tempo or DEFAULT_TEMPO) * rng.uniform(0.85, 1.15), *TEMPI))
    drift = np.exp(np.clip(np.cumsum(rng.normal(0, 0.012, len(beats))), -0.12, 0.12))
    seconds = np.concatenate([[0.0], np.cumsum(60 / tempo * drift)])[: len(beats)]
    articulation = rng.uniform(0.82, 0.99)
    onset = np.interp(score.onset, beats, seconds) + rng.normal(0, 0.012, len(score)) + LEAD_IN
    end = np.interp(score.onset + score.duration * articulation, beats, seconds) + LEAD_IN
    onset = np.maximum(onset, 0)
    end = np.maximum(end, onset + SHORTEST_NOTE)

    pitch = score.pitch + rng.integers(-2, 3)
    program = _orchestrate(score.part, pitch, programs)
    dynamics = np.interp(score.onset, beats, 78 + 14 * np.clip(np.cumsum(rng.normal(0, 0.35, len(beats))), -1.6, 1.6))
    balance = rng.normal(0, 5, score.part.max() + 1)[score.part]
    loudness = (dynamics + balance + rng.normal(0, 6, len(score))) / VELOCITY_STEP
    velocity = np.clip(np.round(loudness) * VELOCITY_STEP, 24, 120).astype(np.int64)

    label_end = np.round(end * RATE).astype(np.int64)
    sound_end = label_end
    if rng.random() < 0.6:  # the pedal holds what the score ends
        held = np.round(rng.uniform(0, 0.7, len(score)) * RATE).astype(np.int64)
        sound_end = np.where(program == PIANO, label_end + held, label_end)

    starts = np.round(onset * RATE).astype(np.int64)
    order = np.argsort(starts, kind="stable")
    return Recording(
        name=piece.name,
        ensemble=name,
        length=int(sound_end.max()),
        onset=starts[order],
        label_end=label_end[order],
        sound_end=sound_end[order],
        pitch=pitch[order],
        velocity=velocity[order],
        program=program[order],
        room=_room(rng) * _microphone(rng),
        tuning=float(2 ** (rng.normal(0, 8) / 1_200)),
        noise=float(10 ** ((noise_db - rng.uniform(28, 60)) / 20)),
    )


def _orchestrate(part: NDArray[np.int64], pitch: NDArray[np.int64], programs: tuple[int, ...]) -> NDArray[np.int64]:
    """The program of each note: the highest part plays the first instrument."""
    parts = np.unique(part)
    by_height = sorted(parts, key=lambda one: -pitch[part == one].mean())
    program = np.empty(len(part), dtype=np.int64)
    for place, one in enumerate(by_height):
        notes = part == one
        chosen = programs[place * len(programs) // len(by_height)]
        low, high = RANGES[chosen]
        fits = low <= pitch[notes].min() and pitch[notes].max() <= high
        program[notes] = chosen if fits else PIANO
    return program


def _room(rng: np.random.Generator) -> NDArray[np.complex128]:
    """Spectrum of direct sound and reverberation: noise that dies away in .3 to 1.2 seconds (RT60)."""
    rt60, wet = rng.uniform(0.3, 1.2), 10 ** (rng.uniform(-16, -6) / 20)
    response = rng.normal(0, 1, PRE_ROLL) * 10 ** (-3 * np.arange(PRE_ROLL) / (rt60 * RATE))
    response[:DIRECT] = 0
    response *= wet / np.sqrt((response**2).sum())
    response[0] = 1
    return np.fft.rfft(response, FFT_SIZE)


def _microphone(rng: np.random.Generator) -> NDArray[np.float64]:
    """Magnitudes of microphone and mastering: one gain an octave, from 20 Hz on."""
    frequency = np.fft.rfftfreq(FFT_SIZE, 1 / RATE)
    octave = np.log2(np.maximum(frequency, 20) / 20)
    gains = np.concatenate([[-8 + rng.normal(0, 3)], rng.normal(0, 2.5, 8), [rng.normal(-4, 3), -18]])
    curve: NDArray[np.float64] = 10 ** (np.interp(octave, np.arange(len(gains)), gains) / 20)
    return curve
