"""Small tables from the field, each with what is right, and other members of its kind."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import call

from mlbench.data.dataset import Dataset
from mlbench.data.formats import ReadOptions, read_dataset
from mlbench.errors import DataError, MlbenchError, UnknownName, UsageError

N = 24
rng = np.random.default_rng(0)
X = rng.normal(size=(N, 3)).round(3)
Y = (rng.random((N, 3)) < 0.4).astype(int)
Y[:2] = [[1, 0, 1], [0, 1, 0]]
TAGS = ("Edema", "Mass", "Nodule")


def tags(separator: str, none: str = "") -> list[str]:
    return [separator.join(tag for tag, y in zip(TAGS, row, strict=True) if y) or none for row in Y]


def write(path: Path, columns: dict[str, Sequence[Any]], delimiter: str = ",", before: str = "") -> Path:
    """Write a table with x0, x1 and x2 before these columns."""
    table = {**{f"x{j}": X[:, j] for j in range(3)}, **columns}
    with path.open("w", newline="") as file:
        file.write(before)
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    return path


def labels() -> dict[str, Sequence[Any]]:
    return {f"L{j}": Y[:, j] for j in range(3)}


def read(path: Path, *labels: str, **options: Any) -> Dataset:
    return read_dataset(path, ReadOptions(labels=labels or ("L*",), **options))


def refusal(path: Path, *labels: str, **options: Any) -> str:
    with pytest.raises(MlbenchError) as caught:
        read(path, *labels, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ----------------------------------------------------------------------------------- csv_tags_in_one_cell
@pytest.mark.parametrize("separator", ["|", ";", ",", " ", " | "])
@pytest.mark.parametrize("none", ["", "Nothing"])
def test_csv_tags_in_one_cell(tmp_path: Path, separator: str, none: str) -> None:
    """Joined labels are asked for; with --label-separator there is a label for each tag, in no combination."""
    path = write(tmp_path / "d.csv", {"Finding": tags(separator, none)})

    assert f"--label-separator {separator.strip() or separator!r}".replace("'", "") in refusal(path, "Finding").replace(
        "'", ""
    )
    found = read(path, "Finding", label_separator=separator.strip() or separator)

    names = [name for name in found.label_names if name != "Nothing"]
    assert names == list(TAGS)
    assert found.train.Y[:, [found.label_names.index(name) for name in names]].tolist() == Y.tolist()


def test_csv_tags_as_lists(tmp_path: Path) -> None:
    """JSON lists, Python lists, lists in JSON lines and in Parquet are what they are."""
    import pandas as pd

    lists = [[tag for tag, y in zip(TAGS, row, strict=True) if y] for row in Y]
    paths = [
        write(tmp_path / "json.csv", {"tags": [json.dumps(row) for row in lists]}),
        write(tmp_path / "python.csv", {"tags": [repr(row) if row else "" for row in lists]}),
        tmp_path / "lines.jsonl",
        tmp_path / "lists.parquet",
    ]
    rows = [{**{f"x{j}": float(x) for j, x in enumerate(xs)}, "tags": row} for xs, row in zip(X, lists, strict=True)]
    paths[2].write_text("".join(json.dumps(row) + "\n" for row in rows))
    pd.DataFrame(rows).to_parquet(paths[3])

    for path in paths:
        found = read(path, "tags")
        assert found.label_names == TAGS, path.name
        assert found.train.Y.tolist() == Y.tolist()
        assert found.feature_names == ("x0", "x1", "x2")


def test_numbers_as_tags_are_sorted_as_numbers(tmp_path: Path) -> None:
    """Label 10 comes after label 9."""
    path = write(tmp_path / "d.csv", {"tags": ["9 10", "2", "10"] * (N // 3)})
    assert read(path, "tags", label_separator=" ").label_names == ("2", "9", "10")


# ------------------------------------------------------------------------------------------ csv_two_words
@pytest.mark.parametrize(("no", "yes"), [("negative", "positive"), ("absent", "present"), ("1", "2"), ("N", "P")])
def test_csv_two_words(tmp_path: Path, no: str, yes: str) -> None:
    """One label, and which word is 1 is asked for; never two columns that are each other's complement."""
    path = write(tmp_path / "d.csv", {"flu": np.where(Y[:, 0], yes, no), "cold": np.where(Y[:, 1], yes, no)})

    assert "--positive" in refusal(path, "flu", "cold")
    for said in [(yes,), (f"flu={yes}", f"cold={yes}")]:
        found = read(path, "flu", "cold", positive=said)
        assert found.label_names == ("flu", "cold")
        assert found.train.Y.tolist() == Y[:, :2].tolist()


@pytest.mark.parametrize(
    "words", [("No", "YES"), ("F", "T"), ("false", "True"), ("-1", "1"), ("0.0", "1.0"), ("-1.0", "+1.0"), ("n", "Y")]
)
def test_words_for_0_and_1_are_known(tmp_path: Path, words: tuple[str, str]) -> None:
    """In whatever case; what they are read as is said."""
    path = write(tmp_path / "d.csv", {"flu": [words[y] for y in Y[:, 0]], "L": Y[:, 1]})

    found = read(path, "flu", "L")

    assert found.train.Y.tolist() == Y[:, :2].tolist()
    assert ("0.0" in words) or any("'flu'" in note for note in found.notes)


# ------------------------------------------------------------------------------------ more than two values
def test_one_column_of_classes_is_labels_that_exclude_each_other(tmp_path: Path) -> None:
    """Where it is all there is, and said in a note; of two such columns, --one-hot is asked for."""
    kinds = [("None", "NA", "rock")[i % 3] for i in range(N)]
    path = write(tmp_path / "d.csv", {"genre": kinds, "mood": [("a", "b", "c", "d")[i % 4] for i in range(N)]})

    found = read(path, "genre", drop=("mood",))
    assert found.label_names == ("genre=NA", "genre=None", "genre=rock")
    assert any("labels that exclude each other" in note for note in found.notes)
    assert "--one-hot" in refusal(path, "genre", "mood")
    assert len(read(path, "genre", "mood", one_hot=True).label_names) == 7


@pytest.mark.parametrize("cells", [[0, 1, 2], [1, 2, 3], ["2", "x", "y"]])
def test_classes_as_numbers_are_classes(tmp_path: Path, cells: list[Any]) -> None:
    """And a label of measurements is an error that names the row."""
    path = write(tmp_path / "d.csv", {"kind": cells * (N // 3)})
    assert read(path, "kind").label_names == tuple(f"kind={cell}" for cell in cells)
    path = write(tmp_path / "e.csv", {"kind": [0, 1, 0.37] * (N // 3)})
    assert "row 2 (from 0), column 'kind' holds 0.37" in refusal(path, "kind")


# ------------------------------------------------------------------------------------- csv_uncertain_label
def test_csv_uncertain_label(tmp_path: Path) -> None:
    """A blank is unknown; -1 beside 0 and 1 is asked for."""
    cells = np.where(rng.random(N) < 0.3, "", Y[:, 0].astype(str))
    found = read(write(tmp_path / "blank.csv", {"L0": cells, "L1": Y[:, 1]}))
    assert found.train.labels[:, 0].tolist() == [-1 if cell == "" else int(cell) for cell in cells]

    path = write(tmp_path / "minus.csv", {"L0": np.where(cells == "", "-1.0", cells), "L1": Y[:, 1]})
    assert "--unknown -1" in refusal(path)
    assert read(path, unknown=("-1",)).train.labels.tolist() == found.train.labels.tolist()


# ------------------------------------------------------------------------- csv_text_only, csv_text_feature
def test_csv_text_only(tmp_path: Path) -> None:
    """Sentences are no row ids: --text keeps them, --drop leaves them out, and without either they are asked for."""
    sentences = [f"some words number {i}" for i in range(N)]
    path = write(tmp_path / "d.csv", {"id": [f"k{i}f" for i in range(N)], "comment": sentences, **labels()})

    assert "--text 'comment'" in refusal(path)
    found = read(path, text=("comment",))
    assert found.train.texts is not None
    assert found.train.texts.tolist() == sentences
    assert found.features == ("tfidf", "raw")
    assert read(path, drop=("comment",)).train.texts is None
    assert read(path, text=("comment",), drop=("x*",)).features == ("tfidf",)


def test_csv_text_feature(tmp_path: Path) -> None:
    """A column of few words is one-hot, and says so; many words are asked for."""
    sexes, views = ["M", "F"] * (N // 2), ["AP", "PA", "LL"] * (N // 3)
    path = write(tmp_path / "d.csv", {"sex": sexes, "view": views, **labels()})

    found = read(path)

    assert found.feature_names[3:] == ("sex=M", "view=AP", "view=LL", "view=PA")
    assert found.train.X[:3, 3:].tolist() == [[1, 1, 0, 0], [0, 0, 0, 1], [1, 0, 1, 0]]
    assert sum("holds words" in note for note in found.notes) == 2
    path = write(tmp_path / "e.csv", {"patient": [f"p{i // 2}" for i in range(N)], **labels()})
    assert any("--groups 'patient'" in hint for hint in read(path).hints)
    assert len(np.unique(read(path, groups="patient").train.groups)) == N // 2


# ----------------------------------------------------------------------------------- numbers in other dress
@pytest.mark.parametrize("cell", ["1,037 kg", "{}%", "{} kg", "$ {}", "2024-03-{:02d}", "{:02d}:30"])
def test_numbers_in_another_form_are_errors(tmp_path: Path, cell: str) -> None:
    """Never 'dropped: a row id': the column and the first cell are named."""
    path = write(tmp_path / "d.csv", {"weight": [cell.format(i + 1) for i in range(N)], **labels()})

    message = refusal(path)

    assert "row 0 (from 0), column 'weight'" in message
    assert "--drop" in message


def test_tsv_decimal_comma(tmp_path: Path) -> None:
    """Decimal commas are asked for, or said; the features are then those with points."""
    with (tmp_path / "d.tsv").open("w") as file:
        file.write("x0\tx1\tA\n")
        rows = (f"{a}\t{b}\t{y}\n" for (a, b, _), y in zip(X, Y[:, 0], strict=True))
        file.writelines(row.replace(".", ",") for row in rows)

    assert "--decimal ," in refusal(tmp_path / "d.tsv", "A")
    assert np.array_equal(read(tmp_path / "d.tsv", "A", decimal=",").train.X, X[:, :2].astype(np.float32))


# --------------------------------------------------------------------------------------- csv_semicolon
@pytest.mark.parametrize("delimiter", [";", "\t", "|", ","])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_csv_semicolon(tmp_path: Path, delimiter: str, encoding: str) -> None:
    """Delimiter and encoding are found; or said."""
    path = write(tmp_path / "d.csv", {"größe": X[:, 0], **labels()}, delimiter)
    path.write_bytes(path.read_text().encode(encoding))

    for options in ({}, {"delimiter": "tab" if delimiter == "\t" else delimiter, "encoding": encoding}):
        found = read(path, **options)
        assert found.feature_names == ("x0", "x1", "x2", "größe")
        assert found.train.Y.tolist() == Y.tolist()


def test_csv_headers(tmp_path: Path) -> None:
    """Comment lines, two header lines, names in a comment, and lines that end in a delimiter."""
    plain = write(tmp_path / "plain.csv", labels())
    rows = plain.read_text().splitlines()
    texts = {
        "comment": ["# made by hand", "#", *rows],
        "two": ["Integer,Integer,Integer,Label 1,Label 2,Label 3", *rows],
        "numpy": ["# " + rows[0], *rows[1:]],
        "trailing": [row + "," for row in rows],
        "blank": [rows[0], "", *rows[1:], ""],
    }

    for name, lines in texts.items():
        (tmp_path / f"{name}.csv").write_text("\r\n".join(lines))
        assert read(tmp_path / f"{name}.csv").fingerprint() == read(plain).fingerprint(), name


def test_csv_semicolon_with_decimal_commas(tmp_path: Path) -> None:
    """As spreadsheets write them in half of Europe, and a note says so."""
    plain = write(tmp_path / "plain.csv", labels())
    (tmp_path / "d.csv").write_text(plain.read_text().replace(",", ";").replace(".", ","))

    found = read(tmp_path / "d.csv")

    assert found.fingerprint() == read(plain).fingerprint()
    assert any("decimal comma" in note for note in found.notes)


# ------------------------------------------------------------------------------- csv_parts, csv_split_words
@pytest.mark.parametrize(
    "names", [("train", "test"), ("training", "testing"), ("d_trn", "d_tst"), ("x-train", "x-test")]
)
def test_csv_parts(tmp_path: Path, names: tuple[str, str]) -> None:
    """Files named after splits are one data set; a pair can be named by hand, and must agree."""
    for name in names:
        write(tmp_path / f"{name}.csv", labels())
    write(tmp_path / "other.tsv", {f"L{j}": Y[:, j] for j in range(2)}, "\t")
    one, two = (str(tmp_path / f"{name}.csv") for name in names)

    by_hand = read(Path(one), test=two)

    assert by_hand.test is not None
    assert "has column 'L2'" in refusal(Path(one), test=str(tmp_path / "other.tsv"))
    (tmp_path / "other.tsv").unlink()
    assert read(tmp_path).fingerprint() == by_hand.fingerprint()
    assert call("data", "inspect", "--train", one, "--test", two, "--labels", "L*")[0] == 0
    assert call("data", "inspect", one, "--train", one, "--labels", "L*")[0] == 2


@pytest.mark.parametrize(
    "words", [("Training", "validation", "TESTING"), ("trn", "val", "tst"), ("train", "dev", "test")]
)
def test_csv_split_words(tmp_path: Path, words: tuple[str, str, str]) -> None:
    """The same words as in the names of files, in any case."""
    path = write(tmp_path / "d.csv", {"part": [words[i % 3] for i in range(N)], **labels()})

    found = read(path, split="part")

    assert [len(split) for _, split in found.parts()] == [N // 3] * 3


def test_csv_folds(tmp_path: Path) -> None:
    """A column of folds: one is test, the others are train; which one is asked for."""
    path = write(tmp_path / "d.csv", {"fold": [i % 4 for i in range(N)], **labels()})

    assert "--fold" in refusal(path, split="fold")
    found = read(path, split="fold", fold=2)
    assert found.test is not None
    assert np.array_equal(found.test.X, X[2::4].astype(np.float32))
    assert len(found.train) == 3 * N // 4
    assert "available: 0, 1, 2, 3" in refusal(path, split="fold", fold=7)


# ------------------------------------------------------------------------------------------------- joins
def test_two_tables_are_joined_by_a_key(tmp_path: Path) -> None:
    """In the order of the first, whatever the order of the second; rows without partner are left out and counted."""
    order = rng.permutation(N)
    write(tmp_path / "features.csv", {"id": [f"k{i}" for i in range(N)]})
    with (tmp_path / "labels.csv").open("w") as file:
        file.write("id,L0,L1,L2\n")
        file.writelines(f"k{i},{','.join(map(str, Y[i]))}\n" for i in order if i != 5)

    for path, options in [
        (tmp_path, {}),
        (tmp_path / "features.csv", {"join": str(tmp_path / "labels.csv")}),
    ]:
        found = read(path, key="id", **options)
        assert np.array_equal(found.train.Y, np.delete(Y, 5, axis=0))
        assert found.feature_names == ("x0", "x1", "x2")
        assert any("1 rows left out" in note for note in found.notes)
    assert "needs --key" in refusal(tmp_path / "features.csv", join=str(tmp_path / "labels.csv"))
    with (tmp_path / "labels.csv").open("a") as file:
        file.write("k3,0,0,0\n")
    assert "'k3' occurs twice" in refusal(tmp_path, key="id")


# ------------------------------------------------------------------------------------------ csv_numeric_id
def test_csv_numeric_id(tmp_path: Path) -> None:
    """A column that counts the rows, or is named id and all different, is pointed out by inspect and audit."""
    path = write(tmp_path / "d.csv", {"ID": np.arange(1000, 1000 + N), "extra": Y[:, 2], **labels()})
    options = (str(path), "--labels", "L*")

    for command in ("inspect", "audit"):
        code, out, _ = call("data", command, *options)
        assert code == 0
        assert "column 'ID' may be a row id" in out
        assert "a column of 0 and 1 is a feature: extra" in out
    assert not read(path, drop=("ID",)).notes


# ---------------------------------------------------------------------------------- missing feature values
def test_missing_values_of_a_table_are_kept(tmp_path: Path) -> None:
    """However they are written; a column without any value is dropped, and a stray word is an error."""
    for missing in ("", "?", "NA", "nan", "NULL"):
        cells = [missing if i % 5 == 0 else i * 0.5 for i in range(N)]
        found = read(
            write(tmp_path / "d.csv", {"w": cells, "sex": ["", "M", "F"] * (N // 3), "e": [""] * N, **labels()})
        )
        assert np.isnan(found.train.X[:, 3]).tolist() == [i % 5 == 0 for i in range(N)]
        assert np.isnan(found.train.X[:, 4]).tolist() == [i % 3 == 0 for i in range(N)]
        assert found.feature_names == ("x0", "x1", "x2", "w", "sex=M")
    path = write(tmp_path / "d.csv", {"w": ["oops" if i == 3 else i for i in range(N)], **labels()})
    assert "row 3 (from 0), column 'w' holds 'oops', expected a number" in refusal(path)


# ------------------------------------------------------------------------------------------------- others
def test_git_lfs_pointer(tmp_path: Path) -> None:
    """A pointer is called one, whatever it points to."""
    for name in ("d.csv", "d.tsv", "d.jsonl", "d.parquet"):
        (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n")
        assert "Git LFS pointer" in refusal(tmp_path / name)


def test_packed_tables_are_read_like_plain_ones(tmp_path: Path) -> None:
    """Compression by gzip, bzip2 and xz."""
    import bz2
    import lzma

    plain = write(tmp_path / "d.csv", labels())
    for suffix, pack in ((".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)):
        (tmp_path / f"d.csv{suffix}").write_bytes(pack(plain.read_bytes()))
        assert read(tmp_path / f"d.csv{suffix}").fingerprint() == read(plain).fingerprint()
        (tmp_path / f"d.csv{suffix}").write_bytes(pack(plain.read_bytes())[:-9])
        assert "\n" not in refusal(tmp_path / f"d.csv{suffix}")


def test_contradictions_and_misspellings(tmp_path: Path) -> None:
    """A column has one role, and a name that stands twice, or nowhere, is an error."""
    path = write(tmp_path / "d.csv", labels())
    for options in ({"drop": ("L0",)}, {"groups": "L1"}, {"text": ("L*",)}):
        with pytest.raises(UsageError, match="can only be one of"):
            read(path, **options)
    with pytest.raises(UnknownName, match="did you mean 'x1'"):
        read(path, drop=("x11",))
    path.write_text(path.read_text().replace("x1", "x0", 1))
    with pytest.raises(DataError, match="two columns are named 'x0'"):
        read(path)
