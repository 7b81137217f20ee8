"""The stand-in: same bytes whatever happens, no work in two parts, labels that fit, knobs that do one thing."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, files, requires
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from mlbench import MakeContext, UsageError
from mlbench.data.formats import read_dataset
from mlbench.plugins.catalog import discover
from mlbench_music import baseline, corpus, synth, variants

PARTS = ("train", "valid", "test")


def array(folder, name):
    return np.load(folder / f"{name}.npy", allow_pickle=False)


def test_the_layout_is_mini_musicnets(tiny):
    """Float audio between -1 and 1 that reaches 1, labels of 128 notes, whole recordings in one part."""
    seen = set()
    for part in PARTS:
        X, Y, groups = (array(tiny, f"{kind}-{part}") for kind in ("audio", "labels", "groups"))
        assert X.dtype == np.float32
        assert X.shape == (len(Y), 4096)
        assert Y.shape[1] == 128
        assert np.allclose(np.abs(X).max(axis=1), 1)
        assert len(np.unique(X.round(4), axis=0)) == len(X)
        assert not seen & set(groups.tolist())
        seen |= set(groups.tolist())
    data = read_dataset(tiny)
    assert data.name == "synth-musicnet-tiny"
    assert data.features == ("rfft",)
    assert any("not those of MusicNet" in warning for warning in data.warnings)


def test_the_manifest_says_what_it_was_made_of(tiny, digests):
    """Seed, engine, hashes of fonts and files, recordings by name."""
    manifest = json.loads((tiny / "manifest.json").read_text())
    assert manifest["recipe"]["seed"] == 0
    assert manifest["recipe"]["engine"] == synth.ENGINE
    assert len(manifest["recipe"]["font_sha256"]) == 64
    assert manifest["files"] == {name: digest for name, digest in digests(tiny).items() if name.endswith(".npy")}
    assert [len(manifest["recordings"][part]) for part in PARTS] == [40, 10, 10]
    for part in PARTS:
        statistics, Y = manifest["statistics"][part], array(tiny, f"labels-{part}")
        assert statistics["cardinality"] == pytest.approx(Y.sum(axis=1).mean(), abs=1e-3)
        assert statistics["labels_with_positives"] == Y.any(axis=0).sum()


def test_one_process_and_two_make_the_same_bytes(tiny, mlbench, tmp_path, digests):
    """Neither the number of processes nor the order of recordings matters."""
    mlbench("data", "make", "synth-musicnet-tiny", "-o", tmp_path / "again", "-j", 1)
    assert digests(tmp_path / "again") == digests(tiny)


def test_killed_and_started_again_makes_the_same_bytes(tiny, mlbench, home, tmp_path, digests):
    """SIGKILL in the middle, at several places: nothing half made is visible, the next make goes on."""
    target = tmp_path / "data"
    log = tmp_path / ".data.making" / synth.DONE
    call = [sys.executable, "-m", "mlbench", "data", "make", "synth-musicnet-tiny", "-o", str(target), "-j", "2"]
    for lines in (3, 20, 45):
        process = subprocess.Popen(
            call, env=os.environ | {"MLBENCH_DATA": str(home)}, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        while process.poll() is None and (not log.exists() or log.read_text().count("\n") < lines):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not target.exists()
        assert log.read_text().count("\n") >= lines
    with log.open("a") as stream:
        stream.write('{"group": 59, "pie')  # what a crash in the middle of a line leaves
    mlbench("data", "make", "synth-musicnet-tiny", "-o", target)
    assert digests(target) == digests(tiny)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_line_of_the_log_that_was_cut_short_is_cut_off(tmp_path):
    """Else the next line would go on with it, and an interruption after that could not be gone on from."""
    log = tmp_path / synth.DONE
    log.write_text('{"group": 0}\n{"gro')
    assert synth._read_done(log) == {0: {"group": 0}}
    assert log.read_text() == '{"group": 0}\n'
    assert synth._read_done(tmp_path / "none") == {}


def test_rows_are_on_disk_before_the_log_tells_of_them(tmp_path, monkeypatch):
    """Rows go into their place in the file, and are synced with all that was written."""
    file, rows = tmp_path / "audio.npy", np.ones((2, 3), dtype=np.float32)
    synth._allocate(file, (5, 3), np.dtype(np.float32))
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(np.load(file, allow_pickle=False)))

    synth._write_rows(file, 1, rows)

    assert len(synced) == 1
    assert synced[0].sum(axis=1).tolist() == [0, 3, 3, 0, 0]


def test_other_options_do_not_go_on_with_what_is_there(tiny, tmp_path, digests):
    """A leftover of another seed is thrown away."""
    leftover = tmp_path / "leftover"
    shutil.copytree(tiny, leftover)
    (leftover / synth.RECIPE).write_text('{"seed": 7}')
    (leftover / synth.DONE).write_text("".join(f'{{"group": {i}}}\n' for i in range(60)))
    options = {option.name: option.default for option in variants.options("tiny", "")}
    with ThreadPoolExecutor(2) as executor:
        synth.make(MakeContext(folder=leftover, executor=executor, options=options))
    assert digests(leftover) == digests(tiny)


@pytest.fixture(scope="module")
def pieces():
    with ThreadPoolExecutor(1) as executor:
        return corpus.read_corpus(executor)


@pytest.fixture(autouse=True, scope="module")
def _same_home(home):
    """The corpus is read once for all tests."""
    before = os.environ.get("MLBENCH_DATA")
    os.environ["MLBENCH_DATA"] = str(home)
    yield
    del os.environ["MLBENCH_DATA"]
    if before is not None:
        os.environ["MLBENCH_DATA"] = before


@pytest.mark.parametrize("size", ["tiny", "full"])
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_no_work_and_no_incipit_is_in_two_parts(pieces, size, seed):
    """Movements of one work, versions and transpositions of one tune stay together, with every seed."""
    counts = variants.SIZES[size].recordings
    dealt = corpus.deal(pieces, counts, seed)
    assert [len(part) for part in dealt] == list(counts)
    for key in ("work", "incipit", "name"):
        sets = [{getattr(pieces[i], key) for i in part} for part in dealt]
        assert not any(one & other for one, other in itertools.combinations(sets, 2))


def test_works_are_told_by_their_catalogue(pieces):
    """All movements of a cantata, of a quartet and of a cycle are one work."""
    works = {piece.name: piece.work for piece in pieces}
    assert works["bach/bwv66.6.mxl"] == "bach/bwv66"
    assert works["beethoven/opus18no1/movement1.mxl"] == "beethoven/opus18no1"
    assert works["mozart/k156/movement2.mxl"] == "mozart/k156"


def test_a_broken_cache_is_read_anew(pieces, home, tmp_path, monkeypatch):
    """Half a cache file is no error; the corpus is parsed again and gives the same."""
    monkeypatch.setenv("MLBENCH_DATA", str(tmp_path))
    (cache,) = home.glob("music21-*.npz")
    (tmp_path / cache.name).write_bytes(cache.read_bytes()[:1000])
    with ThreadPoolExecutor(2) as executor:
        again = corpus.read_corpus(executor)
    assert [(one.name, one.incipit, len(one.score)) for one in again] == [
        (one.name, one.incipit, len(one.score)) for one in pieces
    ]
    assert (tmp_path / cache.name).stat().st_size == cache.stat().st_size


def test_labels_fit_the_audio(tiny):
    """The spectrum at a note's fundamental tells whether it is labelled: middle notes, all parts."""
    scores, truth = [], []
    for part in PARTS:
        X, Y = array(tiny, f"audio-{part}"), array(tiny, f"labels-{part}")
        spectrum = np.abs(np.fft.rfft(X * np.hanning(4096), 16_384))
        for key in range(52, 85):
            place = round(440 * 2 ** ((key - 69) / 12) * 16_384 / 44_100)
            scores.append(np.log(spectrum[:, place - 1 : place + 2].max(axis=1)))
            truth.append(Y[:, key])
    assert roc_auc_score(np.concatenate(truth), np.concatenate(scores)) > 0.88


def _variant(tmp_path, mlbench, *knobs):
    mlbench("data", "make", "synth-musicnet", "--size", "tiny", *knobs, "-o", tmp_path / "variant")
    return tmp_path / "variant"


def test_misalignment_moves_labels_only(tiny, mlbench, tmp_path):
    """The audio stays as it is; some labels change; the name says that it is another data set."""
    other = _variant(tmp_path, mlbench, "--misalignment-ms", 60)
    assert np.array_equal(array(other, "audio-train"), array(tiny, "audio-train"))
    changed = (array(other, "labels-train") != array(tiny, "labels-train")).any(axis=1).mean()
    assert 0.1 < changed < 0.8
    name = read_dataset(other).name
    assert name.startswith("synth-musicnet-tiny-")


def test_noise_changes_audio_only(tiny, mlbench, tmp_path):
    """Labels stay as they are; windows are noisier above the music."""
    other = _variant(tmp_path, mlbench, "--noise-db", 20)
    assert np.array_equal(array(other, "labels-test"), array(tiny, "labels-test"))
    high = [np.abs(np.fft.rfft(array(folder, "audio-test")))[:, 1_500:].mean() for folder in (tiny, other)]
    assert high[1] > 2 * high[0]


def test_another_font_plays_the_test_part_only(tiny, mlbench, tmp_path):
    """Train and valid are the same bytes; test sounds different, with the same labels."""
    font = bytearray(synth._usual_font().read_bytes())
    start = font.index(b"smpl") + 8
    samples = np.frombuffer(font, "<i2", offset=start, count=2_000_000)
    samples[:] = np.sign(samples) * np.sqrt(np.abs(samples.astype(np.float64)) * 32_767)
    (tmp_path / "other.sf2").write_bytes(font)
    other = _variant(tmp_path, mlbench, "--test-font", tmp_path / "other.sf2")
    for name in ("audio-train", "audio-valid", "labels-test"):
        assert np.array_equal(array(other, name), array(tiny, name))
    assert not np.array_equal(array(other, "audio-test"), array(tiny, "audio-test"))


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        (["--seed", "1"], "choose a folder of its own with -o FOLDER"),
        (["--seed", "-1", "-o", "x"], "must not be below 0"),
        (["--noise-db", "nan", "-o", "x"], "must be between"),
        (["--size", "huge", "-o", "x"], "is not one of"),
        (["--test-font", "nowhere.sf2", "-o", "x"], "no such SoundFont"),
        (["-o", "."], "is there already"),
    ],
)
def test_a_wrong_option_is_one_line(mlbench, tmp_path, knobs, message):
    """Exit 2, one line, nothing made."""
    done = mlbench("data", "make", "synth-musicnet-tiny", *knobs, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_scores_that_are_not_installed_are_one_line(tmp_path, monkeypatch):
    """It names the version that the data are made from: another would make other data under the same name."""
    (wanted,) = (one for one in requires("mlbench-music") or () if one.startswith("music21"))

    def version(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(corpus, "version", version)
    options = {option.name: option.default for option in variants.options("tiny", "")}
    with ThreadPoolExecutor(1) as executor:
        with pytest.raises(UsageError, match=f"pip install {wanted}$"):
            synth.make(MakeContext(folder=tmp_path, executor=executor, options=options))
        with pytest.raises(UsageError, match=f"pip install {wanted}$"):
            corpus.read_corpus(executor)
    assert list(tmp_path.iterdir()) == []


def test_every_variant_is_known_by_name():
    """Four sizes, plain and hard; the hard ones have the knobs of their preset as defaults."""
    datasets = discover().datasets
    for name, size, preset in variants.names():
        options = {option.name: option.default for option in datasets[name].spec.options}
        assert options["size"] == size
        assert (options["misalignment_ms"] > 0) == (preset == "hard")


def test_run_makes_what_is_missing_and_the_board_warns(mlbench, home, tmp_path):
    """`mlbench run synth-musicnet-tiny` on a machine that has nothing: made once, run, warned about."""
    done = mlbench("run", "synth-musicnet-tiny", "-m", "prior", "-f", "rfft", cwd=tmp_path)
    assert "making synth-musicnet-tiny: 60 of 60" in done.stderr
    board = (tmp_path / "leaderboards" / "synth-musicnet-tiny.md").read_text()
    assert board.startswith("> Warning: synth-musicnet-tiny is a synthetic stand-in")
    assert "making" not in mlbench("run", "synth-musicnet-tiny", "-m", "prior", "-f", "rfft", cwd=tmp_path).stderr


def test_the_baseline_is_the_published_formula(tiny):
    """The figures of `baseline` are those of the original's few lines and scikit-learn."""
    data = read_dataset(tiny)
    found = baseline.baseline(data, "rfft")
    X, V = (np.abs(np.fft.rfft(part.X.astype(np.float64))) for part in (data.train, data.test))
    B = np.linalg.inv(X.T @ X + 0.001 * np.eye(X.shape[1])) @ (X.T @ data.train.Y)
    assert found["test"] == pytest.approx(average_precision_score(data.test.Y, V @ B, average="micro"), abs=0.01)
    assert found["train"] > 0.99  # fewer rows than features


@pytest.mark.skipif("MLBENCH_MINI_MUSICNET" not in os.environ, reason="MLBENCH_MINI_MUSICNET names no mini-MusicNet")
def test_the_baseline_on_the_real_files_is_what_was_published():
    """Where a user has mini-MusicNet: test micro AP .04 on raw audio, .47 on |rFFT|."""
    data = read_dataset(Path(os.environ["MLBENCH_MINI_MUSICNET"]))
    for features, published in baseline.PUBLISHED.items():
        found = baseline.baseline(data, features)
        assert found["test"] == pytest.approx(published["test"], abs=0.005)


def test_no_audio_score_or_font_is_in_the_distribution():
    """What is made is made on the user's machine: nothing that may not be shared is shipped."""
    here = Path(__file__).parents[1]
    kinds = {path.suffix for path in here.rglob("*") if path.is_file()}
    kinds |= {path.suffix for path in files("mlbench-music") or ()}
    assert not kinds & {".wav", ".flac", ".mp3", ".npy", ".npz", ".mid", ".mxl", ".xml", ".musicxml", ".sf2", ".sf3"}
