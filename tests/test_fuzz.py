"""Mutated files of every format give our errors alone, quickly and in little memory.

``MLBENCH_FUZZ`` is how many mutants are read; ``tox -e fuzz`` reads 200,000.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import os
import resource
import shutil
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from mlbench.data.complete import complete
from mlbench.data.formats import ReadOptions, read_dataset
from mlbench.errors import MlbenchError

MUTANTS = int(os.environ.get("MLBENCH_FUZZ", "1500"))
LONGEST_SECONDS, MOST_BYTES = 2.0, 500 << 20
JUNK = rb"""? -1 nan 1e999 9999999999999999999999999999999999999999 " ' \ { } [ ] , ; @data % # : | 0:1 inf -
null [[ 1,2 NaN @attribute <!ENTITY <label/> {0,1} PK""".split()
JUNK += [
    b"\t",
    b"\n",
    b"\r",
    b" ",
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\x93NUMPY",
    b"\xe9",
    b"@attribute a {0,1}\n",
]


def _npz(**arrays: object) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def _sparse(matrix: np.ndarray) -> bytes:
    file = io.BytesIO()
    sp.save_npz(file, sp.csr_matrix(matrix))
    return file.getvalue()


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _inputs() -> list[tuple[dict[str, bytes], dict[str, object]]]:
    """Return small folders of every format, with the options that they are read with."""
    rng = np.random.default_rng(0)
    n = 12
    X, Y = rng.normal(size=(n, 2)).round(2), (rng.random((n, 2)) < 0.5).astype(int)
    Y[:3] = [[1, 0], [0, 1], [1, 1]]
    rows = list(zip(X, Y, strict=True))
    csv = "a,b,L0,L1,g,s,t,w\n" + "".join(
        f"{x[0]},{x[1]},{y[0]},{y[1]},g{i // 2},{['train', 'test'][i % 2]},some words here,{'M' if i % 3 else 'F'}\n"
        for i, (x, y) in enumerate(rows)
    )
    tags = "a;tags\n" + "".join(f"{x[0]};{'|'.join(np.array(['p', 'q'])[y == 1])}\n".replace(".", ",") for x, y in rows)
    lines = "".join(
        json.dumps({"a": float(x[0]), "tags": [f"t{k}" for k in np.flatnonzero(y)]}) + "\n" for x, y in rows
    )
    head = "@relation 'r: -C 2'\n@attribute L0 {0,1}\n@attribute L1 {no,yes}\n"
    head += "@attribute a numeric\n@attribute n {u,v}\n@data\n"
    arff = head + "".join(f"{y[0]},{['no', 'yes'][y[1]]},{x[0]},{'uv'[i % 2]}\n" for i, (x, y) in enumerate(rows))
    sparse = head + "".join(f"{{0 {y[0]}, 2 {x[0]}}}\n" for x, y in rows)
    hmc = "@relation r\n@attribute a real [0,5]\n@attribute c hierarchical a,a/b,d\n@data\n"
    hmc += "".join(f"{x[0]}\t{['a/b', 'd', 'a@d'][i % 3]}\n" for i, (x, _) in enumerate(rows))
    keel = "@relation r\n@attribute a real\n@attribute L {0,1}\n@inputs a\n@outputs L\n@data\n"
    keel += "".join(f"{x[0]}, {y[0]}\n" for x, y in rows)
    xml = "<labels><label name='L0'/><label name='L1'/></labels>"
    svm = "".join(f"{','.join(map(str, np.flatnonzero(y)))} 0:{x[0]} 1:{x[1]}\n" for x, y in rows)
    qid = "".join(f"{y[0]} qid:{i // 2} 0:{x[0]}\n" for i, (x, y) in enumerate(rows))
    pair = f"{n} 2\n" + "".join(f"0:{x[0]} 1:{x[1]}\n" for x in X)
    labels = f"{n} 2\n" + "".join(" ".join(f"{k}:1" for k in np.flatnonzero(y)) + "\n" for y in Y)
    mask = rng.random(Y.shape) < 0.8
    text = [
        ({"d.csv": csv}, {"labels": ("L*",), "groups": "g", "split": "s", "text": ("t",)}),
        ({"d.csv": csv}, {"labels": ("L*",), "drop": ("g", "s", "t")}),
        ({"d.csv": tags}, {"labels": ("tags",), "label_separator": "|"}),
        ({"d.jsonl": lines}, {"labels": ("tags",)}),
        ({"d.arff": arff}, {}), ({"d.arff": sparse}, {}), ({"d.arff": hmc}, {}), ({"d.dat": keel}, {}),
        ({"d.arff": arff}, {"labels": ("L*",), "drop": ("n",), "unknown": ("-1",)}),
        ({"d.arff": arff, "d.xml": xml}, {}),
        ({"d.svm": svm}, {}), ({"d.svm": qid}, {}),
        ({"trn_X_Xf.txt": pair, "trn_X_Y.txt": labels}, {}),
    ]  # fmt: skip
    binary: list[tuple[dict[str, bytes], dict[str, object]]] = [
        ({"d.npz": _npz(X=X, Y=Y)}, {}),
        ({"d.npz": _npz(X=X, Y_true=Y * 0.9, Y_mask=mask)}, {}),
        ({"X.trn.npz": _sparse(X), "Y.trn.npz": _sparse(Y)}, {}),
        ({"X-train.npy": _npy(X), "Y-train.npy": _npy(Y)}, {}),
        ({"audio-train.npy": _npy(X.astype(np.float32)), "labels-train.npy": _npy(Y.astype(np.uint8))}, {}),
        ({"d.csv.gz": gzip.compress(csv.encode())}, {"labels": ("L*",), "drop": ("g", "s", "t")}),
        ({"d.arff.bz2": bz2.compress(arff.encode())}, {}),
    ]
    with contextlib.suppress(ImportError):
        import pandas as pd

        file = io.BytesIO()
        pd.DataFrame({"a": X[:, 0], "L0": Y[:, 0], "L1": Y[:, 1]}).to_parquet(file)
        binary.append(({"d.parquet": file.getvalue()}, {"labels": ("L*",)}))
    return [({name: content.encode() for name, content in files.items()}, o) for files, o in text] + binary


def _mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut, repeat, flip, replace or insert a few times."""
    for _ in range(int(rng.integers(1, 5))):
        a, b = sorted(rng.integers(0, len(content) + 1, 2).tolist())
        b = min(b, a + int(rng.integers(1, 30)))
        kind = rng.integers(6)
        junk = JUNK[int(rng.integers(len(JUNK)))]
        if kind == 0:
            content = content[:a] + content[b:]
        elif kind == 1:
            content = content[:a] + junk + content[a:]
        elif kind == 2:
            content = content[:a] + junk + content[b:]
        elif kind == 3:
            content = content[:b] + content[a:]
        elif kind == 4 and content:
            place = min(a, len(content) - 1)
            content = content[:place] + bytes([content[place] ^ (1 << int(rng.integers(8)))]) + content[place + 1 :]
        else:
            content = content[:a]
    return content


@pytest.mark.parametrize("number", range(len(_inputs())))
def test_mutants_are_refused_in_one_line_or_read(number: int, tmp_path: Path) -> None:
    """Whatever is in a file, reading it ends in a data set or in one line."""
    files, options = _inputs()[number]
    rng = np.random.default_rng(number)
    folder = tmp_path / "d"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = 0
    for mutant in range(-1, MUTANTS // len(_inputs())):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        chosen = list(files)[int(rng.integers(len(files)))]
        for name, content in files.items():
            (folder / name).write_bytes(_mutated(content, rng) if name == chosen and mutant >= 0 else content)
        start, lines = time.monotonic(), [""]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                complete(read_dataset(folder, ReadOptions(**options)))  # type: ignore[arg-type]
        except MlbenchError as error:
            assert mutant >= 0, error  # noqa: PT017 - the file itself is read
            refused += 1
            lines = str(error).splitlines()
        except BaseException as error:
            raise AssertionError(f"mutant {mutant} of {chosen}: {(folder / chosen).read_bytes()[:2000]!r}") from error
        assert len(lines) == 1, lines
        assert time.monotonic() - start < LONGEST_SECONDS, mutant
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    assert grown < MOST_BYTES
    assert refused
