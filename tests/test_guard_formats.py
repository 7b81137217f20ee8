"""Details of ARFF, MEKA, Mulan and tables that decide what a cell means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from mlbench.data.dataset import Dataset
from mlbench.data.formats import read_dataset
from mlbench.data.formats.arff import SUFFIXES, read_arff
from mlbench.data.formats.arff_text import (
    lines_of,
    name_and_type,
    split_cells,
    split_pairs,
    unescape,
    without_comment,
    without_weight,
)
from mlbench.data.formats.base import ReadOptions, dataset_name, dense_if_full, files_in, listed, read_text
from mlbench.data.formats.parts import parts_in
from mlbench.errors import DataError, UsageError


def _meka(folder: Path, relation: str, *lines: str, rows: tuple[str, ...]) -> Dataset:
    path = folder / "toy.arff"
    path.write_text("\n".join([f"@relation {relation}", *lines, "@data", *rows]) + "\n")
    return read_dataset(path)


def _table(folder: Path, text: str, *labels: str, groups: str | None = None, split: str | None = None) -> Dataset:
    path = folder / "toy.csv"
    path.write_text(text)
    return read_dataset(path, ReadOptions(labels=labels, groups=groups, split=split))


# ---------------------------------------------------------------------------------------------- text
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_byte_order_mark_is_no_text(tmp_path: Path, newline: str) -> None:
    """UTF-8 with a byte order mark reads like UTF-8 without one, with any newline."""
    path = tmp_path / "x.txt"
    path.write_bytes(b"\xef\xbb\xbf" + f"é{newline}b".encode())

    assert read_text(path) == "é\nb"


def test_an_arff_file_may_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    """The first line is known whatever editor wrote the file."""
    path = tmp_path / "x.arff"
    path.write_bytes(b"\xef\xbb\xbf@relation r\n@attribute a numeric\n@data\n1\n")

    assert (read_arff(path).relation, read_arff(path).cells.tolist()) == ("r", [[1.0]])


def test_a_table_may_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    """The name of the first column has no invisible character."""
    (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbfy,a\n1,2\n0,3\n")

    dataset = read_dataset(tmp_path / "x.csv", ReadOptions(labels=("y",)))

    assert dataset.label_names == ("y",)


@pytest.mark.parametrize(
    ("text", "plain"),
    [(r"50\%", "50%"), (r"a\\b", r"a\b"), (r"it\'s", "it's"), (r"\"x\"", '"x"'), (r"\n\t", r"\n\t"), (r"\\\\", r"\\")],
)
def test_a_backslash_escapes_quotes_percent_signs_and_backslashes_only(text: str, plain: str) -> None:
    """Other backslashes stay as they are; each escape counts once."""
    assert unescape(text) == plain
    assert split_cells(f"1,{text},'{text}'", "here") == ["1", plain, plain]
    assert split_pairs(f"0 {text}, 3 '{text}'", "here") == [(0, plain), (3, plain)]
    assert name_and_type(f" '{text}' real", "here") == (plain, "real")


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("1,2 % note", "1,2"), ("1,2,% note", "1,2,"), ("1,50%", "1,50%"), ("1,'a % b' % c", "1,'a % b'"),
        (r"1,a\%b % c", r"1,a\%b"), ("1,50% % note", "1,50%"), ('"%",1', '"%",1'),
    ],
)  # fmt: skip
def test_a_comment_starts_where_a_value_could(line: str, kept: str) -> None:
    """A percent sign inside of a value or of quotes is no comment."""
    assert without_comment(line).rstrip() == kept


@pytest.mark.parametrize(
    ("line", "bare"),
    [
        ("1,2,{5}", "1,2"), ("1,2, {5}", "1,2"), ("{0 1}, {2}", "{0 1}"), ("{0 1}", "{0 1}"), ("1,2", "1,2"),
        ("{0 1, 1 2}", "{0 1, 1 2}"),
    ],
)  # fmt: skip
def test_the_weight_of_a_row_is_what_follows_the_last_comma(line: str, bare: str) -> None:
    """A weight in braces is cut off, a sparse row is not."""
    assert without_weight(line) == bare


def test_lines_are_counted_from_one_with_blank_lines_and_comments(tmp_path: Path) -> None:
    """The number of a line is the one that an editor shows."""
    (tmp_path / "x.arff").write_text("% a\n\n  one  \n%\ntwo % b\n")

    assert list(lines_of(tmp_path / "x.arff")) == [(3, "one"), (5, "two")]


def test_names_of_lists_are_cut_with_their_number() -> None:
    """A list shows its first names, and how many there are if not all are shown."""
    assert listed("ab") == "a, b"
    assert listed("abc", most=2).startswith("a, b, ")
    assert "(3 in all)" in listed("abc", most=2)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("yeast.csv.gz", "yeast"), ("Yeast.ARFF.bz2", "Yeast"), ("a b!c.csv", "a-b-c"), ("...csv", "data"),
        ("v1.2.tsv", "v1.2"), ("x" * 80 + ".csv", "x" * 64),
    ],
)  # fmt: skip
def test_a_name_comes_from_the_path(file: str, name: str) -> None:
    """The suffixes of packing and format are dropped, and what no file name should have is replaced."""
    assert dataset_name(Path(file)) == name


def test_hidden_files_are_no_data(tmp_path: Path) -> None:
    """Files are listed by name, without hidden ones and folders, whatever the case of their suffix."""
    for name in ("b.csv", "A.CSV", ".c.csv", "d.txt"):
        (tmp_path / name).touch()
    (tmp_path / "e.csv").mkdir()

    assert [path.name for path in files_in(tmp_path, (".csv",))] == ["A.CSV", "b.csv"]
    assert files_in(tmp_path / "b.csv", (".csv",)) == []


@pytest.mark.parametrize(("filled", "dense"), [(2, False), (3, True)])
def test_matrices_become_dense_when_more_than_half_is_filled(filled: int, dense: bool) -> None:
    """Exactly half of the cells filled stays sparse; all matrices together decide; float32 in either case."""
    cells = np.zeros((2, 2))
    cells.ravel()[:filled] = 1.5
    made = dense_if_full([sp.csr_matrix(cells)])

    assert isinstance(made[0], np.ndarray) is dense
    assert made[0].dtype == np.float32
    assert sp.issparse(dense_if_full([sp.csr_matrix(cells), sp.csr_matrix((2, 6))])[0])


# ------------------------------------------------------------------------------------- ARFF and MEKA
@pytest.mark.parametrize("values", ["yes,no", "no,yes", "NO,Yes", "y,n", "t,f", "true,false", "1,0", "yes"])
def test_yes_is_one_wherever_the_header_lists_it(tmp_path: Path, values: str) -> None:
    """The meaning of a label's value is that of the word, not its place in the header."""
    words = values.split(",")
    yes = next(word for word in words if word.lower() in ("yes", "y", "t", "true", "1"))
    rows = tuple(f"{word},3,{n}" for n, word in enumerate(words * 3))

    dataset = _meka(
        tmp_path, "'toy: -C 1'", f"@attribute l {{{values}}}", f"@attribute f {{{values},x}}",
        "@attribute g numeric", rows=tuple(row.replace(",3,", f",{words[0]},") for row in rows),
    )  # fmt: skip

    assert dataset.train.Y[:, 0].tolist() == [int(word == yes) for word in words * 3]


@pytest.mark.parametrize(
    ("values", "name", "ones"),
    [
        ("yes,no", "f=yes", [1, 0, 1]), ("no,yes", "f=yes", [0, 1, 0]), ("red,blue", "f=blue", [0, 1, 0]),
        ("1,0", "f", [1, 0, 1]), ("0,1", "f", [0, 1, 0]),
    ],
)  # fmt: skip
def test_a_feature_of_two_values_is_one_column(tmp_path: Path, values: str, name: str, ones: list[int]) -> None:
    """The column is 1 for yes, else for the value listed last, and its name tells which."""
    first, last = values.split(",")
    rows = tuple(f"{label},{word}" for label, word in zip((0, 1, 0), (first, last, first), strict=True))

    dataset = _meka(tmp_path, "'toy: -C 1'", "@attribute l {0,1}", f"@attribute f {{{values}}}", rows=rows)

    assert dataset.feature_names == (name,)
    assert np.asarray(dataset.train.X)[:, 0].tolist() == ones


@pytest.mark.parametrize(
    ("count", "labels", "features"),
    [("-C 2", ("a", "b"), ("c", "d", "e")), ("-C -2", ("d", "e"), ("a", "b", "c")), ("-c -1", ("e",), tuple("abcd"))],
)
def test_labels_are_first_or_last(
    tmp_path: Path, count: str, labels: tuple[str, ...], features: tuple[str, ...]
) -> None:
    """A positive count means the first columns, a negative one the last."""
    dataset = _meka(
        tmp_path,
        f"'toy: {count}'",
        *(f"@attribute {name} numeric" for name in "abcde"),
        rows=("0,1,0,1,0", "1,0,1,0,1"),
    )

    assert (dataset.label_names, dataset.feature_names) == (labels, features)
    assert dataset.train.Y[0].tolist() == ["abcde".index(name) % 2 for name in labels]


@pytest.mark.parametrize("count", ["-C 0", "-C 2", "-C -2", "-C 3", "-X 1", "a-C 1", "-C 1x", ""])
def test_a_count_of_labels_that_makes_no_sense_is_refused(tmp_path: Path, count: str) -> None:
    """There must be at least one label and one feature, and the option must be a word of its own."""
    with pytest.raises((DataError, UsageError)):
        _meka(tmp_path, f"'toy: {count}'", "@attribute a numeric", "@attribute b numeric", rows=("0,1",))


def test_a_sparse_row_leaves_out_the_first_value(tmp_path: Path) -> None:
    """What a sparse row omits is 0, and for a nominal column the value listed first, be it a yes."""
    dataset = _meka(
        tmp_path, "'toy: -C 1'", "@attribute l {yes,no}", "@attribute f {no,yes}", "@attribute g numeric",
        rows=("{}", "{0 no, 2 2.5}", "{1 yes}"),
    )  # fmt: skip

    assert dataset.train.Y[:, 0].tolist() == [1, 0, 1]
    X = dataset.train.X.toarray() if sp.issparse(dataset.train.X) else dataset.train.X
    assert np.asarray(X).tolist() == [[0, 0], [0, 2.5], [1, 0]]


def test_columns_keep_their_order_around_nominal_ones(tmp_path: Path) -> None:
    """One-hot columns stand where their column stood, in the order of its values."""
    dataset = _meka(
        tmp_path, "'toy: -C 1'", "@attribute l {0,1}", "@attribute a numeric", "@attribute b {z,y,x}",
        "@attribute c numeric", rows=("0,1,y,2", "1,3,z,4"),
    )  # fmt: skip

    assert dataset.feature_names == ("a", "b=z", "b=y", "b=x", "c")
    assert np.asarray(dataset.train.X).tolist() == [[1, 0, 1, 0, 2], [3, 1, 0, 0, 4]]


def test_parts_with_values_in_another_order_mean_the_same(tmp_path: Path) -> None:
    """The code of a nominal value refers to the header of its own file."""
    head = "@relation 'toy: -C 1'\n@attribute l {{{0}}}\n@attribute f {{{1}}}\n@data\n"
    (tmp_path / "toy-train.arff").write_text(head.format("no,yes", "r,g,b") + "no,r\nyes,g\n")
    (tmp_path / "toy-test.arff").write_text(head.format("yes,no", "b,r,g") + "yes,g\nno,b\n")

    dataset = read_dataset(tmp_path)

    assert dataset.test is not None
    assert dataset.test.Y[:, 0].tolist() == [1, 0]
    assert dataset.feature_names == ("f=r", "f=g", "f=b")
    assert np.asarray(dataset.test.X).tolist() == [[0, 1, 0], [0, 0, 1]]


def test_row_weights_are_noted(tmp_path: Path) -> None:
    """Weights of rows are ignored, and the data set says so."""
    weighted = _meka(tmp_path, "'toy: -C 1'", "@attribute a numeric", "@attribute b numeric", rows=("0,1,{2}", "1,2"))
    bare = _meka(tmp_path, "'toy: -C 1'", "@attribute a numeric", "@attribute b numeric", rows=("0,1", "1,2"))

    assert (len(weighted.notes), len(bare.notes)) == (1, 0)
    assert weighted.fingerprint() == bare.fingerprint()


@pytest.mark.parametrize(("n", "dropped"), [(9, False), (10, True)])
def test_few_values_are_no_row_id(tmp_path: Path, n: int, dropped: bool) -> None:
    """A nominal column whose values all differ is a row id from ten values on."""
    values = [f"v{i}" for i in range(n)]
    rows = tuple(f"{i % 2},{value},{i}" for i, value in enumerate(values))

    dataset = _meka(
        tmp_path, "'toy: -C 1'", "@attribute l {0,1}", f"@attribute f {{{','.join(values)}}}", "@attribute g numeric",
        rows=rows,
    )  # fmt: skip

    assert len(dataset.feature_names) == (1 if dropped else 1 + n)
    assert sum("dropped" in note for note in dataset.notes) == dropped


def test_a_pair_of_files_is_preferred_to_one_with_all_rows(tmp_path: Path) -> None:
    """Train and test are read where both are there, else the file with all rows; the order is train, valid, test."""
    for name in ("toy.arff", "toy-train.arff"):
        (tmp_path / name).touch()

    def split_files(folder: Path) -> dict[str, Path]:
        return parts_in(folder, SUFFIXES, "ARFF files")

    assert split_files(tmp_path) == {"train": tmp_path / "toy.arff"}

    (tmp_path / "toy-test.arff").touch()
    (tmp_path / "toy-valid.arff").touch()
    assert list(split_files(tmp_path)) == ["train", "valid", "test"]
    assert split_files(tmp_path)["train"].name == "toy-train.arff"

    (tmp_path / "toy_train.arff").touch()
    with pytest.raises(DataError):
        split_files(tmp_path)


def test_errors_name_the_line_and_the_column(tmp_path: Path) -> None:
    """The first bad cell of a block of rows is named by its own line, not by that of the block."""
    rows = ["0,1"] * 1500
    rows[1200] = "0,x"
    with pytest.raises(DataError, match=r"line 1205, column 'b'"):
        _meka(tmp_path, "'toy: -C 1'", "@attribute a numeric", "@attribute b numeric", rows=tuple(rows))
    with pytest.raises(DataError, match=r"line 6"):
        _meka(tmp_path, "'toy: -C 1'", "@attribute a numeric", "@attribute b numeric", rows=("{0 1}", "{0 1, 0 1}"))


def test_rows_beyond_the_first_block_are_read(tmp_path: Path) -> None:
    """All rows come back in their order."""
    rows = tuple(f"{i % 2},{i}" for i in range(2500))
    dataset = _meka(tmp_path, "'toy: -C 1'", "@attribute a numeric", "@attribute b numeric", rows=rows)

    assert np.asarray(dataset.train.X)[:, 0].tolist() == list(range(2500))


def test_mulan_labels_stand_in_header_order_and_match_escaped_names(tmp_path: Path) -> None:
    """The XML names the labels in any order, with or without the backslashes of the ARFF file."""
    (tmp_path / "toy.arff").write_text(
        "@relation r\n@attribute z {0,1}\n@attribute f numeric\n@attribute 'it\\'s' {0,1}\n@data\n1,5,0\n0,6,1\n"
    )
    (tmp_path / "toy.xml").write_text('<labels><label name="it\\\'s"><label name="z"/></label></labels>')

    dataset = read_dataset(tmp_path / "toy.arff")

    assert dataset.label_names == ("z", "it's")
    assert dataset.train.Y.tolist() == [[1, 0], [0, 1]]


# -------------------------------------------------------------------------------------------- tables
@pytest.mark.parametrize("labels", [("z", "a"), ("a", "z"), ("a,z",), ("[az]",), ("a", "*z")])
def test_labels_of_a_table_stand_in_the_order_of_the_file(tmp_path: Path, labels: tuple[str, ...]) -> None:
    """Neither the alphabet nor the option decides in which order labels stand."""
    dataset = _table(tmp_path, "f,z,g,a\n1,0,2,1\n3,1,4,0\n", *labels)

    assert (dataset.label_names, dataset.feature_names) == (("z", "a"), ("f", "g"))
    assert dataset.train.Y.tolist() == [[0, 1], [1, 0]]


def test_text_labels_become_one_column_for_each_value_in_order(tmp_path: Path) -> None:
    """One-hot labels of a column are sorted by value, and a yes/no column is one label."""
    (tmp_path / "toy.csv").write_text("f,kind,ok\n1,rock,No\n2,jazz,Yes\n3,rock,no\n4,folk,no\n")
    dataset = read_dataset(tmp_path / "toy.csv", ReadOptions(labels=("kind",), drop=("ok",), one_hot=True))

    assert dataset.label_names == ("kind=folk", "kind=jazz", "kind=rock")
    assert dataset.train.Y.tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 1], [1, 0, 0]]


def test_splits_and_groups_of_a_table(tmp_path: Path) -> None:
    """Words for the parts may differ in case and kind; groups of any type keep rows together; neither is a feature."""
    text = "f,y,who,part\n1,0,x,Train\n2,1,y,dev\n3,1,x,train\n4,0,z,TEST\n5,0,y,val\n6,1,y,validation\n"

    dataset = _table(tmp_path, text, "y", groups="who", split="part")

    assert dataset.feature_names == ("f",)
    assert {part: np.asarray(s.X)[:, 0].tolist() for part, s in dataset.parts()} == {
        "train": [1, 3], "valid": [2, 5, 6], "test": [4],
    }  # fmt: skip
    assert dataset.train.groups is not None
    assert dataset.valid is not None
    assert dataset.valid.groups is not None
    assert len(set(dataset.train.groups)) == len(set(dataset.valid.groups)) == 1
    assert set(dataset.train.groups).isdisjoint(dataset.valid.groups)


@pytest.mark.parametrize(
    "text",
    [
        "f,f,y\n1,2,0\n", "f,y\n", "f,y\n1,0,3\n", "f,y\n1\n1,1\n", "f,y\n1,2\n1,0\n2,1\n", "f,y\nx,0\nx,1\n",
        "f,y\n1,a\n2,b\n3,c\n",
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_meant_is_refused(tmp_path: Path, text: str) -> None:
    """Names twice, no rows, too many cells, too few, a label of 2, no feature and ids for labels are errors."""
    with pytest.raises(DataError):
        _table(tmp_path, text, "y")


@pytest.mark.parametrize("words", [{"groups": "y"}, {"split": "y"}, {"groups": "f", "split": "f"}])
def test_a_column_has_one_role(tmp_path: Path, words: dict[str, str]) -> None:
    """A column is not both a label and a group or split."""
    with pytest.raises(UsageError):
        _table(tmp_path, "f,g,y\n1,1,0\n2,2,1\n", "y", **words)


@pytest.mark.parametrize(("first", "kept"), [("0", False), ("7", False), ("x", True)])
def test_an_unnamed_column_that_numbers_the_rows_is_dropped(tmp_path: Path, first: str, kept: bool) -> None:
    """Row numbers from any start are no feature; an unnamed column with other numbers is one."""
    numbers = [0, 5, 6] if kept else [int(first) + i for i in range(3)]
    dataset = _table(tmp_path, ",f,y\n" + "".join(f"{n},{n * n},{n % 2}\n" for n in numbers), "y")

    assert dataset.feature_names == (("", "f") if kept else ("f",))
    assert len(dataset.notes) == (not kept)


# ----------------------------------------------------------------------------------------------- XMC
@pytest.mark.parametrize(
    ("text", "n_features", "n_labels", "ones"),
    [
        ("0,2 0:1 2:5\n1 1:2\n", 3, 3, [[1, 0, 1], [0, 1, 0]]),
        ("1,3 1:1 3:5\n2 2:2\n", 3, 3, [[1, 0, 1], [0, 1, 0]]),
        ("2 4 5\n0 0:1\n 1:2\n", 4, 5, [[1, 0, 0, 0, 0], [0, 0, 0, 0, 0]]),
        ("3 4:5\n4 3:2\n", 4, 4, [[0, 0, 1, 0], [0, 0, 0, 1]]),
        ("1 0:1 # 5:5\n0:3 1:2\n2 1:1\n", 2, 2, [[1, 0], [0, 0], [0, 1]]),
    ],
)
def test_numbers_of_labels_and_features_start_where_the_data_do(
    tmp_path: Path, text: str, n_features: int, n_labels: int, ones: list[list[int]]
) -> None:
    """Numbers start at 0 with a header or where a 0 occurs, else at 1; labels and features are told apart."""
    (tmp_path / "x.txt").write_text(text)

    dataset = read_dataset(tmp_path / "x.txt")

    assert dataset.train.Y.tolist() == ones
    assert (dataset.train.X.shape[1], dataset.train.Y.shape[1]) == (n_features, n_labels)


@pytest.mark.parametrize(
    "text", ["3 2 2\n0 0:1\n", "1 2 2\n2 0:1\n", "1 2 2\n0 2:1\n", "0,0 0:1\n", "0 0:1 0:2\n", "a 0:1\n", "-1 0:1\n"]
)
def test_xmc_rows_that_contradict_themselves_are_refused(tmp_path: Path, text: str) -> None:
    """A wrong number of rows, numbers out of range and numbers given twice are errors."""
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(DataError):
        read_dataset(tmp_path / "x.txt")
