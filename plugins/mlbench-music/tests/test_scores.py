"""MusicXML: notes as they sound, on one time line, and nothing that a file could smuggle in."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from mlbench import DataError
from mlbench_music.scores import read_score

HEAD = '<?xml version="1.0"?>\n<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML" "partwise.dtd">\n'


def note(step="C", octave=4, duration=4, extra="", alter=""):
    pitch = f"<pitch><step>{step}</step>{alter}<octave>{octave}</octave></pitch>"
    return f"<note>{extra}{pitch}<duration>{duration}</duration></note>"


def score(*parts):
    """Parts, each a list of measures; four divisions a quarter."""
    body = ""
    for part in parts:
        measures = "".join(f"<measure>{m}</measure>" for m in part)
        measures = measures.replace("<measure>", "<measure><attributes><divisions>4</divisions></attributes>", 1)
        body += f"<part>{measures}</part>"
    return f"{HEAD}<score-partwise>{body}</score-partwise>"


def read(tmp_path, text):
    path = tmp_path / "piece.xml"
    path.write_text(text)
    found = read_score(path)
    return [tuple(row) for row in zip(found.onset, found.duration, found.pitch, found.part, strict=True)]


def test_notes_follow_each_other_and_chords_share_their_onset(tmp_path):
    """A chord note starts with the note before it and does not move time on."""
    text = score([note("C") + note("E", extra="<chord/>") + note("D", duration=8)])
    assert read(tmp_path, text) == [(0, 1, 60, 0), (0, 1, 64, 0), (1, 2, 62, 0)]


def test_ties_become_one_note_across_the_bar(tmp_path):
    """A tied note sounds once, as long as both; a repeated one sounds twice."""
    tied = [note(extra='<tie type="start"/>'), note(extra='<tie type="stop"/>') + note()]
    assert read(tmp_path, score(tied)) == [(0, 2, 60, 0), (2, 1, 60, 0)]


def test_a_tie_holds_on_over_a_bar_that_is_written_too_short(tmp_path):
    """Where another part makes the measure longer, what is tied over its end sounds until there."""
    tied = [note(extra='<tie type="start"/>'), note(extra='<tie type="stop"/>')]
    text = score(tied, [note("G", 3, duration=16), note("A", 3)])
    assert read(tmp_path, text) == [(0, 4, 55, 1), (0, 5, 60, 0), (4, 1, 57, 1)]


def test_backup_makes_a_second_voice(tmp_path):
    """What follows a backup starts earlier, and the measure is as long as its longest voice."""
    text = score([note(duration=8) + "<backup><duration>8</duration></backup>" + note("G"), note("A")])
    assert read(tmp_path, text) == [(0, 2, 60, 0), (0, 1, 67, 0), (2, 1, 69, 0)]


def test_measures_start_together_in_all_parts(tmp_path):
    """A part whose measure is written too short does not run ahead of the others."""
    text = score([note(duration=4), note("E")], [note("G", 3, duration=16), note("A", 3)])
    assert read(tmp_path, text) == [(0, 4, 55, 1), (0, 1, 60, 0), (4, 1, 57, 1), (4, 1, 64, 0)]


def test_pitch_is_what_sounds(tmp_path):
    """Alterations and transposing instruments count; grace notes, cue notes and rests do not sound."""
    transpose = "<attributes><transpose><chromatic>-2</chromatic></transpose></attributes>"
    silent = note(extra="<grace/>") + note(extra="<cue/>") + "<note><rest/><duration>4</duration></note>"
    text = score([transpose + note("B", alter="<alter>-1</alter>") + silent + note("D")])
    assert [row[:3] for row in read(tmp_path, text)] == [(0, 1, 68), (2, 1, 60)]


def test_the_first_tempo_counts(tmp_path):
    """Quarters a minute of the first sound element that has one."""
    path = tmp_path / "piece.musicxml"
    path.write_text(score(['<direction><sound tempo="96"/></direction><sound tempo="60"/>' + note()]))
    assert read_score(path).tempo == 96
    assert read_score(path).in_step


def test_parts_that_do_not_fit_together_are_marked(tmp_path):
    """Different numbers of measures: the caller can leave the piece out."""
    path = tmp_path / "piece.xml"
    path.write_text(score([note(), note()], [note("G", 3)]))
    assert not read_score(path).in_step


def test_compressed_scores_are_read_by_their_container(tmp_path):
    """The container names the score; other files in the archive are not it."""
    path = tmp_path / "piece.mxl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("META-INF/container.xml", '<rootfiles><rootfile full-path="b.xml"/></rootfiles>')
        archive.writestr("a.xml", "<nothing/>")
        archive.writestr("b.xml", score([note()]))
    assert np.array_equal(read_score(path).pitch, [60])


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE score-partwise [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>'
    "<score-partwise><part><measure>&b;</measure></part></score-partwise>"
)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (BOMB, "EntitiesForbidden"),
        ("<score-timewise/>", "score-partwise"),
        ("<score-partwise><part>", "SAXParseException"),
        ("no XML", "SAXParseException"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, content, why):
    """Entities are refused, never expanded; broken files are named."""
    path = tmp_path / "bad.xml"
    path.write_text(content)
    with pytest.raises(DataError, match=why) as error:
        read_score(path)
    assert str(path) in str(error.value)
