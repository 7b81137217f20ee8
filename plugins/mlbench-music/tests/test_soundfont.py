"""The sampler: right pitches, right lengths, from the real SoundFont."""

from __future__ import annotations

import numpy as np
import pytest

from mlbench import DataError
from mlbench_music.soundfont import RATE, SoundFont, play
from mlbench_music.synth import _usual_font


@pytest.fixture(scope="module")
def font():
    return SoundFont(_usual_font())


def sound(font, program, key, seconds=1.0, held=1.0, at=0):
    buffer = np.zeros(int(seconds * RATE), dtype=np.float32)
    for voice in font.voices(program, key, 80):
        play(voice, buffer, at, 0, int(held * RATE), 1.0)
    return buffer


def pitch(audio, near):
    """The strongest of the first harmonics' common fundamental near ``near``, in Hz, from a zero-padded spectrum."""
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 1 << 20))
    candidates = near * 2 ** np.linspace(-0.06, 0.06, 601)
    bins = candidates[:, None] * np.arange(1, 6) * (1 << 20) / RATE
    return candidates[np.argmax(np.log(spectrum[np.round(bins).astype(int)] + 1e-9).sum(axis=1))]


@pytest.mark.parametrize("program", [0, 6, 40, 42, 68, 71, 73])
@pytest.mark.parametrize("key", [62, 69, 74])
def test_pitch_is_right(font, program, key):
    """Every instrument plays in tune, to 15 cents."""
    frequency = 440 * 2 ** ((key - 69) / 12)
    cents = 1200 * np.log2(pitch(sound(font, program, key), frequency) / frequency)
    assert abs(cents) < 15


def test_a_held_violin_does_not_stop_and_a_released_one_does(font):
    """The loop sustains for as long as the note is held; after the release there is silence."""
    loud = [np.abs(part).max() for part in np.array_split(sound(font, 40, 69, seconds=8, held=6), 8)]
    assert min(loud[:6]) > 0.05
    assert loud[7] < 1e-3


def test_any_part_of_a_note_can_be_rendered_by_itself(font):
    """A window in the middle of a note is the same as that part of the whole note."""
    whole = sound(font, 0, 60, seconds=2)
    part = np.zeros(RATE, dtype=np.float32)
    for voice in font.voices(0, 60, 80):
        play(voice, part, RATE // 2, 0, RATE, 1.0)
    # The envelope is drawn in pieces that start with the window: equal but for its corners.
    assert np.abs(part - whole[RATE // 2 : RATE // 2 + RATE]).max() < 0.01 * np.abs(whole).max()


def test_a_program_that_is_not_there_is_named(font):
    """A font without General MIDI programs cannot play our ensembles."""
    with pytest.raises(DataError, match="no program 200"):
        font.voices(200, 60, 80)


@pytest.mark.parametrize("content", [b"", b"RIFF\x04\x00\x00\x00sfbk", b"RIFF" + bytes(3000)])
def test_no_soundfont_is_one_line(tmp_path, content):
    """A broken file is named."""
    path = tmp_path / "broken.sf2"
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a SoundFont 2 file"):
        SoundFont(path)


def test_a_font_cut_short_is_refused(tmp_path):
    """Half a font is no font, wherever it is cut."""
    whole = _usual_font().read_bytes()
    for size in (100, len(whole) // 2, len(whole) - 1000):
        path = tmp_path / f"{size}.sf2"
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match="not a SoundFont 2 file"):
            SoundFont(path)
