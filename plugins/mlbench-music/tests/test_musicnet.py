"""MusicNet: bit for bit the original where that is right, and right where it is not; the copy is only read."""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.io import wavfile

from mlbench import DataError, MakeContext, UsageError
from mlbench.data.formats import read_dataset
from mlbench_music import musicnet
from mlbench_music.recordings import Notes, read_audio, read_notes

RATE = 44_100
OLD = "start_time,end_time,instrument,note,start_beat,end_beat,note_value"
NEW = "start_sample,end_sample,instrument_id,midi_note,measure,beat,note_value"


def music(seconds, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)


def notes(length, seed=0, n=60):
    rng = np.random.default_rng(seed)
    start = rng.integers(0, length, n)
    return [(int(a), int(a + rng.integers(1, length // 8)), int(rng.integers(30, 90))) for a in start]


def add(root, part, number, audio, rows, header=OLD, rate=RATE):
    """One recording in a copy; channels last."""
    for kind in ("data", "labels"):
        (root / f"{part}_{kind}").mkdir(parents=True, exist_ok=True)
    wavfile.write(root / f"{part}_data" / f"{number}.wav", rate, audio)
    lines = [header, *(f"{a},{b},1,{note},1,0.0,Quarter" for a, b, note in rows)]
    (root / f"{part}_labels" / f"{number}.csv").write_text("\n".join(lines) + "\n")


def original(audio, rows):
    """The loop of construct.py, for float32 audio without silence, of which no two windows overlap."""
    X, Y = [], []
    for s in np.linspace(10 * RATE, len(audio) - 10 * RATE, num=250).astype(np.int32):
        x = audio[s - 2048 : s + 2048].copy()
        x /= np.max(np.abs(x))
        y = np.zeros(128)
        y[[note for start, end, note in rows if start <= s < end]] = 1
        X.append(x)
        Y.append(y)
    return np.stack(X), np.stack(Y)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy with everything in it: both dialects, int16, stereo, silence, a short file, notes of no length."""
    root = tmp_path_factory.mktemp("copy") / "musicnet"
    long = music(50, seed=1)
    add(root, "train", 2342, long, notes(len(long), 1))
    add(root, "train", 1727, (music(21, 2) * 20_000).astype(np.int16), [*notes(21 * RATE, 2), (5, 5, 60), (9, 3, 60)])
    silent = music(21, 3)
    silent[9 * RATE : 10 * RATE + 4_000] = 0
    add(root, "train", 1728, np.stack([silent, silent], axis=1), notes(21 * RATE, 3), header=NEW)
    add(root, "train", 2390, music(12, 4), [*notes(12 * RATE, 4), (0, 10**6, 200)])
    add(root, "train", 2336, music(50, 5), notes(50 * RATE, 5), header=NEW)
    add(root, "test", 2303, music(50, 6), notes(50 * RATE, 6))
    for junk in ("._2342.wav", "notes.txt", "cover.wav"):
        (root / "train_data" / junk).write_bytes(b"junk")
    return root


def build(source, folder, make=musicnet.make_mini):
    folder.mkdir()
    with warnings.catch_warnings(), ThreadPoolExecutor(1) as executor:
        warnings.simplefilter("error")
        make(MakeContext(folder=folder, executor=executor, source=source))
    return folder


@pytest.fixture(scope="module")
def mini(copy, tmp_path_factory):
    return build(copy, tmp_path_factory.mktemp("mini") / "data")


def part(folder, name):
    return tuple(np.load(folder / f"{kind}-{name}.npy", allow_pickle=False) for kind in ("audio", "labels", "groups"))


def test_equal_to_the_original_bit_for_bit(mini, copy):
    """Recordings on which the original is right give its windows and labels, in both dialects of labels."""
    for name, number, folder in (("train", 2342, "train"), ("test", 2303, "test"), ("test", 2336, "train")):
        X, Y, groups = part(mini, name)
        _, audio = wavfile.read(copy / f"{folder}_data" / f"{number}.wav")
        lines = (copy / f"{folder}_labels" / f"{number}.csv").read_text().split("\n")[1:-1]
        rows = [(int(a), int(b), int(n)) for a, b, _, n, *_ in (line.split(",") for line in lines)]
        wanted_X, wanted_Y = original(audio, rows)
        mine = groups == number
        assert X[mine].dtype == wanted_X.dtype
        assert np.array_equal(X[mine], wanted_X)
        assert np.array_equal(Y[mine], wanted_Y)


def test_a_note_sounds_from_its_start_up_to_its_end():
    """The sample at which it ends is no part of it any more."""
    one = Notes(start=np.array([10]), end=np.array([20]), pitch=np.array([60]), n_dropped=0)

    assert musicnet.sounding(one, np.array([9, 10, 19, 20]))[:, 60].tolist() == [0, 1, 1, 0]


def test_the_published_split_in_a_fixed_order(mini):
    """Each recording goes where the published split has it, whatever folder it lies in; rows by number."""
    order = {name: list(dict.fromkeys(part(mini, name)[2].tolist())) for name in ("train", "valid", "test")}
    assert order == {"train": [1727, 1728, 2342], "valid": [2390], "test": [2303, 2336]}
    assert [len(part(mini, name)[0]) for name in order] == [750, 250, 500]


def test_what_the_original_gets_wrong(mini, copy):
    """Integer, stereo and silent audio, overlapping windows, short recordings: finite, scaled, increasing."""
    X, _, groups = part(mini, "train")
    silent = ~X.any(axis=1)
    assert silent.any()
    assert set(groups[silent].tolist()) == {1728}
    assert np.allclose(np.abs(X[~silent]).max(axis=1), 1)
    _, audio = wavfile.read(copy / "train_data" / "1727.wav")
    first = audio[10 * RATE - 2048 : 10 * RATE + 2048].astype(np.float64)
    assert np.allclose(X[groups == 1727][0], first / np.abs(first).max(), atol=1e-6)

    short, labels, _ = part(mini, "valid")
    assert np.allclose(np.abs(short).max(axis=1), 1)
    at = musicnet.centres(12 * RATE)
    assert (np.diff(at) > 0).all()
    assert at[0] == 3 * RATE
    assert labels.any()


def test_the_manifest_tells_what_was_found(mini):
    """Dropped notes, silent windows, missing recordings, works in two parts; and the citation."""
    manifest = json.loads((mini / "manifest.json").read_text())
    assert manifest["n_dropped_notes"] == 3
    assert manifest["n_silent_windows"] > 0
    assert manifest["twins"] == [2336]
    assert manifest["recordings"]["test"][0] == [2303, 50.0, 60]
    notes = " ".join(manifest["notes"])
    assert "77 recordings of the published split are missing" in notes
    assert "2336 (test) and 2342 (train)" in notes
    assert "Thickstun" in manifest["citation"]
    data = read_dataset(mini)
    assert data.name == "mini-musicnet"
    assert [len(split) for _, split in data.without_twins().parts()] == [750, 250, 250]


def test_musicnets_own_split(copy, tmp_path):
    """The ten official recordings are test, all others train, even where the original script moved them."""
    moved = tmp_path / "moved"
    shutil.copytree(copy, moved)
    for kind, suffix in (("data", "wav"), ("labels", "csv")):
        (moved / f"train_{kind}" / f"2336.{suffix}").rename(moved / f"test_{kind}" / f"2336.{suffix}")
    folder = build(moved, tmp_path / "data", musicnet.make_musicnet)
    data = read_dataset(folder)
    assert data.valid is None
    assert set(data.test.groups.tolist()) == {2303}
    whole = data.with_all_parts()
    assert not set(whole.train.groups.tolist()) & set(whole.valid.groups.tolist())


def test_the_copy_is_only_read_and_the_bytes_are_always_the_same(copy, mini, tmp_path):
    """Nothing is moved or written; leftovers of a killed make change nothing; nor does a split that moved files."""

    def digest(root):
        files = sorted(path for path in root.rglob("*") if path.is_file())
        return [(str(path.relative_to(root)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]

    before = digest(copy)
    moved = tmp_path / "moved"
    shutil.copytree(copy, moved)
    for kind, suffix in (("data", "wav"), ("labels", "csv")):
        (moved / f"valid_{kind}").mkdir()
        (moved / f"train_{kind}" / f"2390.{suffix}").rename(moved / f"valid_{kind}" / f"2390.{suffix}")
        (moved / f"train_{kind}" / f"2336.{suffix}").rename(moved / f"test_{kind}" / f"2336.{suffix}")
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "audio-train.npy").write_bytes(b"half a file")
    with ThreadPoolExecutor(1) as executor:
        musicnet.make_mini(MakeContext(folder=tmp_path / "again", executor=executor, source=moved))
    assert digest(tmp_path / "again") == digest(mini)
    assert digest(build(copy.parent, tmp_path / "parent")) == digest(mini)
    assert digest(copy) == before


# ----------------------------------------------------------------------------------- single files
@pytest.mark.parametrize(
    ("stored", "value"),
    [
        (np.array([0, 128, 255], np.uint8), [-1, 0, 127 / 128]),
        (np.array([-32_768, 0, 32_767], np.int16), [-32_768 / 32_767, 0, 1]),
        (np.array([-(2**31), 0, 2**31 - 1], np.int32), [-1, 0, 1]),
        (np.array([-0.5, 0, 0.25], np.float64), [-0.5, 0, 0.25]),
        (np.array([[0.5, 0.1], [0, 0], [1, -1]], np.float32), [0.3, 0, 0]),
    ],
)
def test_every_kind_of_wav_becomes_float_mono(tmp_path, stored, value):
    """Integers are scaled, the lowest one too; channels are averaged."""
    wavfile.write(tmp_path / "1.wav", RATE, stored)
    audio = read_audio(tmp_path / "1.wav")
    assert audio.dtype == np.float32
    assert np.allclose(audio, value, atol=1e-6)


def test_a_wav_with_chunks_of_another_program_is_read_silently(tmp_path):
    """A chunk that SciPy does not know is no warning."""
    wavfile.write(tmp_path / "1.wav", RATE, music(0.1))
    data = bytearray((tmp_path / "1.wav").read_bytes())
    data += b"junk" + (4).to_bytes(4, "little") + b"abcd"
    data[4:8] = (len(data) - 8).to_bytes(4, "little")
    (tmp_path / "1.wav").write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_audio(tmp_path / "1.wav")) == 4_410


def test_bad_audio_is_one_line_that_names_the_file(tmp_path):
    """Another rate, no wav, cut short, not finite."""
    path = tmp_path / "1.wav"
    wavfile.write(path, 22_050, music(0.1))
    with pytest.raises(DataError, match=r"1\.wav: 22,050 samples a second"):
        read_audio(path)
    wavfile.write(path, RATE, np.array([0, np.nan, 1], np.float32))
    with pytest.raises(DataError, match=r"1\.wav: sample 1 is not a finite number"):
        read_audio(path)
    wavfile.write(path, RATE, music(1))
    whole = path.read_bytes()
    for content in (b"", b"RIFF", whole[:30], whole[: len(whole) // 2 + 1]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"1\.wav: "):
            read_audio(path)


@pytest.mark.parametrize("length", [4_096, 4_345, 5_000, 20 * RATE, 20 * RATE + 248, 20 * RATE + 249, 50 * RATE])
def test_no_window_leaves_its_recording(length):
    """Centres never run backwards, and are all different where there is room."""
    at = musicnet.centres(length)
    assert at[0] >= 2_048
    assert at[-1] <= length - 2_048
    assert (np.diff(at) >= (1 if length > 4_344 else 0)).all()


@pytest.mark.parametrize("header", [OLD, NEW, "\ufeff" + OLD, NEW.replace(",", " , ")])
def test_both_dialects_of_labels(tmp_path, header):
    """Either generation of column names, with a byte-order mark, with numbers written as floats."""
    path = tmp_path / "1.csv"
    path.write_text(f"{header}\n10.0,20,1,60,1,0.0,Quarter\n30,30,1,60,1,0.0,Grace\n5,9,1,128,1,0.0,Eighth\n")
    found = read_notes(path)
    assert (found.start.tolist(), found.end.tolist(), found.pitch.tolist()) == ([10], [20], [60])
    assert found.n_dropped == 2


def test_a_genuine_label_file(request):
    """2382.csv, as MusicNet has it: 1,956 notes, 117.7 seconds, cardinality 2.16 at 250 centres."""
    shared = request.getfixturevalue("shared_music")
    found = read_notes(shared / "2382.csv")
    assert len(found.pitch) + found.n_dropped == 1_956
    length = int(found.end.max())
    assert length / RATE == pytest.approx(117.7, abs=0.1)
    Y = musicnet.sounding(found, musicnet.centres(length))
    assert Y.sum(axis=1).mean() == pytest.approx(2.16, abs=0.005)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("onset,offset,pitch\n1,2,60\n", "columns onset, offset, pitch; expected start_time, end_time, note or"),
        ("", "columns none"),
        (f"{OLD}\n1,2,1,C4,1,0,Quarter\n", "line 2"),
        (f"{OLD}\n1,2\n", "line 2"),
        (f"{OLD}\n1,inf,1,60,1,0,Quarter\n", "line 2"),
        (f"{OLD}\n1,1e40,1,60,1,0,Quarter\n", "line 2"),
    ],
)
def test_bad_labels_are_one_line_that_names_the_file(tmp_path, text, says):
    """Other columns, and cells that are no numbers."""
    (tmp_path / "7.csv").write_text(text)
    with pytest.raises(DataError, match=rf"7\.csv: {says}"):
        read_notes(tmp_path / "7.csv")


# --------------------------------------------------------------------------------- the whole command
def test_no_copy_is_one_line(tmp_path, mini):
    """What is expected there, or what it is instead."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "musicnet.npz").write_bytes(b"")
    for source, says in ((tmp_path / "empty", "train_data"), (mini, "already"), (tmp_path / "old", "pickled objects")):
        with pytest.raises(UsageError, match=says):
            build(source, tmp_path / f"out-{source.name}")


def test_incomplete_copies_are_one_line(tmp_path):
    """Audio without labels, labels without audio, a part without recordings."""
    root = tmp_path / "copy"
    add(root, "train", 1, music(21), notes(21 * RATE))
    with pytest.raises(DataError, match="no recording for the valid part: the copy lacks 1735, "):
        build(root, tmp_path / "a")
    (root / "train_data" / "2.wav").write_bytes(b"")
    with pytest.raises(DataError, match=r"2\.wav: has no labels"):
        build(root, tmp_path / "b")
    (root / "train_data" / "2.wav").unlink()
    (root / "train_labels" / "3.csv").write_text(OLD)
    with pytest.raises(DataError, match=r"3\.csv: has no audio"):
        build(root, tmp_path / "c")


def test_one_recording_in_two_folders(tmp_path):
    """In two parts it is a twin; in one part it is taken once."""
    root = tmp_path / "copy"
    for part in ("train", "valid", "test"):
        add(root, part, 7, music(21), notes(21 * RATE))
    add(root, "train", 1735, music(21), notes(21 * RATE))
    add(root, "valid", 1735, music(21), notes(21 * RATE))
    folder = build(root, tmp_path / "out")
    assert part_groups(folder, "valid") == [7, 1735]
    assert json.loads((folder / "manifest.json").read_text())["twins"] == [7]


def part_groups(folder, name):
    return list(dict.fromkeys(part(folder, name)[2].tolist()))


def test_a_recording_shorter_than_a_window_is_left_out(tmp_path):
    """It is named; the others are built."""
    root = tmp_path / "copy"
    add(root, "train", 1, music(21), notes(21 * RATE))
    add(root, "train", 2, music(0.05), [])
    add(root, "valid", 3, music(21), notes(21 * RATE))
    add(root, "test", 4, music(21), notes(21 * RATE))
    folder = build(root, tmp_path / "out")
    assert set(part(folder, "train")[2].tolist()) == {1}
    assert "left out, shorter than a window: 2" in json.loads((folder / "manifest.json").read_text())["notes"]


def test_the_command_builds_and_runs(copy, mlbench, tmp_path):
    """`data make --from`, then a run by name, with and without works that stand in two parts."""
    made = mlbench("data", "make", "mini-musicnet", "--from", copy, cwd=tmp_path)
    assert "2336 (test) and 2342 (train)" in made.stderr
    mlbench("run", "mini-musicnet", "-m", "prior", cwd=tmp_path)
    mlbench("run", "mini-musicnet", "-m", "prior", "--drop-twins", cwd=tmp_path)
    boards = sorted(path.stem for path in (tmp_path / "leaderboards").glob("*.csv"))
    assert boards == ["mini-musicnet", "mini-musicnet-no-twins"]
    again = mlbench("data", "make", "mini-musicnet", "--from", copy, check=False)
    assert again.returncode == 2
    assert "is there already" in again.stderr
