"""Reading real data: every format gives the shapes, names and cells that its source states."""

from __future__ import annotations

import bz2
import gzip

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from mlbench.data.formats import FORMATS, ReadOptions, read_dataset

MULAN = {  # name: (train, test, d, k, labels a row over train and test, is sparse)
    "emotions": (391, 202, 72, 6, 1.868, False),
    "scene": (1211, 1196, 294, 6, 1.074, False),
    "yeast": (1500, 917, 103, 14, 4.237, False),
    "medical": (333, 645, 1449, 45, 1.245, True),
    "flags": (129, 65, 10 + 5 + 6 + 4 + 10 + 8, 7, 3.392, False),
    "genbase": (463, 199, 1185, 27, 1.252, False),
    "bibtex": (4880, 2515, 1836, 159, 2.402, True),
    "delicious": (12920, 3185, 500, 983, 19.020, True),
}


def dense(X):
    return X.toarray() if sp.issparse(X) else np.asarray(X)


def no_positive(split):
    return int((split.Y.sum(0) == 0).sum())


@pytest.fixture(scope="session")
def yeast(shared_data):
    return read_dataset(shared_data / "mulan" / "yeast")


@pytest.mark.parametrize("name", MULAN)
def test_mulan_folders_have_the_published_sizes(shared_data, name):
    """Rows, columns, labels, cardinality and sparseness are what the source of each data set states."""
    train, test, d, k, cardinality, sparse = MULAN[name]
    data = read_dataset(shared_data / "mulan" / name)
    assert data.name == name
    assert data.train.X.shape == (train, d)
    assert data.test.X.shape == (test, d)
    assert data.valid is None
    assert len(data.label_names) == k
    assert len(data.feature_names) == d
    assert np.vstack([data.train.Y, data.test.Y]).sum(1).mean() == pytest.approx(cardinality, abs=6e-4)
    assert sp.issparse(data.train.X) == sparse
    assert data.train.X.dtype == np.float32


def test_labels_without_a_positive_are_kept(shared_data):
    """Labels that never occur in a part are no reason to drop anything."""
    medical, genbase = (read_dataset(shared_data / "mulan" / name) for name in ("medical", "genbase"))
    assert [no_positive(s) for _, s in medical.parts()] == [7, 6]
    assert [no_positive(s) for _, s in genbase.parts()] == [2, 3]


def test_labels_stand_in_header_order(yeast):
    """Mulan's XML names the labels of yeast in another order than the header, which decides."""
    assert yeast.label_names == tuple(f"Class{i}" for i in range(1, 15))


def test_a_row_id_is_dropped_and_reported(shared_data):
    """The protein names of genbase are no feature; one of them is in train and in test."""
    data = read_dataset(shared_data / "mulan" / "genbase")
    assert not any("protein" in name for name in data.feature_names)
    assert data.notes == (
        "column 'protein' dropped: a row id, as all values differ; 1 of its values occur in more than one split",
    )


def test_yes_is_one(shared_data):
    """The two-valued columns of genbase list YES first; YES is 1 all the same, and rare."""
    X = read_dataset(shared_data / "mulan" / "genbase").train.X
    assert set(np.unique(X)) == {0, 1}
    assert X.mean() < 0.1


def test_nominal_columns_become_one_hot(shared_data):
    """Flags has six land masses: six columns, exactly one of them 1 in each row."""
    data = read_dataset(shared_data / "mulan" / "flags")
    columns = [i for i, name in enumerate(data.feature_names) if name.startswith("landmass=")]
    assert [data.feature_names[i] for i in columns] == [f"landmass={v}" for v in range(1, 7)]
    assert (data.train.X[:, columns].sum(1) == 1).all()
    assert data.train.X[0, columns].argmax() == 3  # its first row starts with 4


def test_spelling_of_the_header_does_not_matter(shared_data):
    """The full file of flags has tabs and spaces where its parts have none, and reads the same."""
    whole, parts = (read_dataset(shared_data / "mulan" / "flags" / name) for name in ("flags.arff", ""))
    assert whole.feature_names == parts.feature_names
    assert whole.label_names == parts.label_names
    rows = np.hstack([whole.train.X, whole.train.Y])
    other = np.vstack([np.hstack([split.X, split.Y]) for _, split in parts.parts()])
    np.testing.assert_array_equal(rows[np.lexsort(rows.T)], other[np.lexsort(other.T)])


def test_escaped_names_match(shared_data):
    """Delicious has a label with an escaped quote in its name."""
    assert "TAG_m'usica" in read_dataset(shared_data / "mulan" / "delicious").label_names


def test_one_part_by_its_own_path(shared_data, yeast):
    """The path of one file reads that file alone, with the XML of the whole."""
    data = read_dataset(shared_data / "mulan" / "yeast" / "yeast-test.arff")
    assert data.name == "yeast-test"
    assert [part for part, _ in data.parts()] == ["train"]
    np.testing.assert_array_equal(data.train.X, yeast.test.X)


def test_xmc_equals_mulan(shared_data, yeast):
    """Yeast in svmlight text has the same cells, and says what was assumed of its numbers."""
    data = read_dataset(shared_data / "libsvm" / "yeast")
    for (_, ours), (_, theirs) in zip(data.parts(), yeast.parts(), strict=True):
        np.testing.assert_array_equal(ours.X, theirs.X)
        np.testing.assert_array_equal(ours.Y, theirs.Y)
    assert data.label_names[0] == "label-0"
    assert data.notes == ("no header line: features are assumed to be numbered from 1, labels from 0",)


def test_csv_equals_mulan(shared_data):
    """Yeast as a table has the same cells and names as the full ARFF file."""
    table = read_dataset(shared_data / "csv" / "yeast", ReadOptions(labels=("Class*",)))
    arff = read_dataset(shared_data / "mulan" / "yeast" / "yeast.arff")
    np.testing.assert_array_equal(table.train.X, arff.train.X)
    np.testing.assert_array_equal(table.train.Y, arff.train.Y)
    assert table.label_names == arff.label_names
    assert table.feature_names == arff.feature_names


def test_equal_content_has_an_equal_fingerprint(shared_data):
    """The fingerprint does not depend on the format."""
    table = read_dataset(shared_data / "csv" / "yeast" / "yeast.csv.gz", ReadOptions(labels=("Class*",)))
    arff = read_dataset(shared_data / "mulan" / "yeast" / "yeast.arff")
    assert table.fingerprint() == arff.fingerprint()


def test_meka_labels_first_and_last(shared_data, tmp_path):
    """``-C 6`` takes the first six columns, ``-C -6`` the last six; bzip2 is unpacked."""
    first = read_dataset(shared_data / "meka" / "Music.arff")
    assert first.train.X.shape == (592, 71)
    assert first.train.Y.sum(1).mean() == pytest.approx(1.870, abs=6e-4)
    last = read_dataset(shared_data / "meka" / "Music-train.arff")
    assert last.label_names == first.label_names
    assert last.feature_names == first.feature_names
    packed = tmp_path / "Music.arff.bz2"
    packed.write_bytes(bz2.compress((shared_data / "meka" / "Music.arff").read_bytes()))
    assert read_dataset(packed).fingerprint() == first.fingerprint()
    assert read_dataset(packed).name == "Music"


def test_gtzan_words_become_one_hot_labels(shared_data):
    """Ten genres in one text column are ten labels; the file names are dropped and reported."""
    data = read_dataset(shared_data / "csv" / "gtzan", ReadOptions(labels=("label",)))
    assert data.name == "gtzan"
    assert data.train.X.shape == (1000, 58)
    assert data.label_names[:2] == ("label=blues", "label=classical")
    np.testing.assert_array_equal(data.train.Y.sum(0), [100] * 10)
    np.testing.assert_array_equal(data.train.Y.sum(1), [1] * 1000)
    assert data.notes == (
        "column 'label': its 10 values are labels that exclude each other",
        "column 'filename' dropped: a row id, as all values differ",
    )


def test_mini_musicnet_is_mapped_not_loaded(shared_data):
    """Three parts with groups; the audio stays on the disk until it is used."""
    data = read_dataset(shared_data / "mini-musicnet-standin")
    assert [(part, s.X.shape, s.Y.shape[1], len(np.unique(s.groups))) for part, s in data.parts()] == [
        ("train", (2250, 4096), 128, 250),
        ("valid", (500, 4096), 128, 50),
        ("test", (500, 4096), 128, 50),
    ]
    assert data.features == ("rfft",)
    assert data.label_names[60] == "note-60"
    base = data.train.X
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)


def test_mini_musicnet_without_valid_test_and_groups(shared_data, tmp_path):
    """Only train is needed."""
    for name in ("audio-test.npy", "labels-test.npy"):
        (tmp_path / name.replace("test", "train")).symlink_to(shared_data / "mini-musicnet-standin" / name)
    data = read_dataset(tmp_path)
    assert data.valid is None
    assert data.test is None
    assert data.train.groups is None


def test_group_names_hold_across_parts(tmp_path):
    """One recording that stands in two parts has one key."""
    for part, groups in {"train": ["b", "a"], "test": ["c", "b"]}.items():
        np.save(tmp_path / f"audio-{part}.npy", np.zeros((2, 3)))
        np.save(tmp_path / f"labels-{part}.npy", np.eye(2))
        np.save(tmp_path / f"groups-{part}.npy", np.array(groups))
    data = read_dataset(tmp_path)
    assert data.train.groups[0] == data.test.groups[1]
    assert len(set(data.train.groups) | set(data.test.groups)) == 3


ARFF = r"""
% a comment
@RELATION 'odd things: -C 2'
@Attribute 'Swainson\'s Thrush' {0,1}   % a label
@attribute "big bird"	{No, Yes}
@attribute - REAL
@attribute 1 {a, 'b, c', "d%"}
@attribute sign {pos,neg}
@attribute share {50%,1}
@DATA
% another
0, Yes, 1.5, 'b, c', neg, 50%
1,No,-2e3,"d%",pos,1,{5}

1,No,3,a,pos,1 % the last
"""


def test_arff_spelling(tmp_path):
    """Quotes, escapes, comments, tabs, keywords in any case, odd names and row weights."""
    (tmp_path / "odd.arff").write_text(ARFF)
    data = read_dataset(tmp_path / "odd.arff")
    assert data.label_names == ("Swainson's Thrush", "big bird")
    assert data.feature_names == ("-", "1=a", "1=b, c", "1=d%", "sign=neg", "share=1")
    np.testing.assert_array_equal(data.train.Y, [[0, 1], [1, 0], [1, 0]])
    np.testing.assert_array_equal(data.train.X, [[1.5, 0, 1, 0, 1, 0], [-2000, 0, 0, 1, 0, 1], [3, 1, 0, 0, 0, 1]])
    assert data.notes[-1] == "odd.arff: row weights are ignored"


SPARSE = """@relation x
@attribute a numeric
@attribute b {YES,NO}
@attribute c {u,v,w}
@attribute 'l 1' {0,1}
@attribute d numeric
@attribute e numeric
@attribute 'l 2' {0,1}
@data
{0 2.5, 3 1}
{1 NO,2 w , 6 1},{2.0}
{}
{ 2 'v',4 1e-2 }
"""
XML = '<labels xmlns="http://mulan.sourceforge.net/labels"><label name="l 2"><label name="l 1"/></label></labels>'


def test_sparse_arff(tmp_path):
    """A cell that is left out is 0, or the value listed first; nested labels of the XML are found."""
    (tmp_path / "x.arff").write_text(SPARSE)
    (tmp_path / "x.xml").write_text(XML)
    data = read_dataset(tmp_path)
    assert data.label_names == ("l 1", "l 2")
    assert data.feature_names == ("a", "b=YES", "c=u", "c=v", "c=w", "d", "e")
    np.testing.assert_array_equal(data.train.Y, [[1, 0], [0, 1], [0, 0], [0, 0]])
    assert sp.issparse(data.train.X)
    np.testing.assert_array_equal(
        data.train.X.toarray(),
        np.float32([[2.5, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0], [0, 1, 1, 0, 0, 0, 0], [0, 1, 0, 1, 0, 0.01, 0]]),
    )


def test_full_sparse_files_become_dense(tmp_path):
    """More than half of the cells are there, so that zeros need no saving."""
    rows = SPARSE.split("@data")[0] + "@data\n{0 1,4 2,5 3,3 1}\n{0 1,2 v,5 3}\n"
    (tmp_path / "x.arff").write_text(rows)
    (tmp_path / "x.xml").write_text(XML)
    assert isinstance(read_dataset(tmp_path).train.X, np.ndarray)


def test_parts_may_list_other_values(tmp_path):
    """Each file has its own list of values: a column means the same in both."""
    head = "@relation 'r: -C 1'\n@attribute l {0,1}\n@attribute f {%s}\n@attribute g numeric\n@data\n"
    (tmp_path / "n-train.arff").write_text(head % "x,y" + "0,x,1\n1,y,2\n0,x,3\n")
    (tmp_path / "n-test.arff").write_text(head % "z,y" + "0,z,1\n1,y,2\n0,z,3\n")
    data = read_dataset(tmp_path)
    assert data.feature_names == ("f=x", "f=y", "f=z", "g")
    np.testing.assert_array_equal(data.train.X[:2, :3], [[1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(data.test.X[:2, :3], [[0, 0, 1], [0, 1, 0]])


def test_xmc_with_a_header(tmp_path):
    """The repository's header states the sizes and numbers from 0; rows without labels are kept."""
    (tmp_path / "train.txt").write_text("3 9 4\n0,3 0:1.5 8:2\n 1:1\n2:1 3:-1e-3 # no labels either\n")
    data = read_dataset(tmp_path)
    assert data.train.X.shape == (3, 9)
    np.testing.assert_array_equal(data.train.Y, [[1, 0, 0, 1], [0] * 4, [0] * 4])
    assert data.train.X[2, 3] == np.float32(-1e-3)


def test_xmc_numbers_are_judged_over_all_parts(tmp_path):
    """A label 0 in test alone says that labels start from 0 in train, too."""
    (tmp_path / "x_train.svm").write_text("1 1:1 9:2\n2 2:1\n")
    (tmp_path / "x_test.svm").write_text("0 1:1\n")
    data = read_dataset(tmp_path)
    np.testing.assert_array_equal(data.train.Y, [[0, 1, 0], [0, 0, 1]])
    assert data.train.X.shape == (2, 9)


def frame():
    return pd.DataFrame(
        {
            "id": list("abcdef"),
            "x": [1, 2, 3, 4, 5, 6],
            "loud": [True, False] * 3,
            "patient": ["p", "p", "q", "q", "r", "r"],
            "when": ["Train", "train", "VAL", "dev", "test", "train"],
            "happy": [0, 1, 0, 1, 1, 0],
            "sad, or so": [1.0, 0, 0, 0, 1, 1],
        }
    )


TABLE = {
    "t.csv": lambda f, path: f.to_csv(path, index=False),
    "t.csv.gz": lambda f, path: f.to_csv(path, index=False),
    "t.tsv": lambda f, path: f.to_csv(path, index=False, sep="\t"),
    "t.parquet": lambda f, path: f.to_parquet(path),
}


@pytest.mark.parametrize("file", TABLE)
def test_tables(tmp_path, file):
    """Labels by name and by list, groups, split, booleans and a row id, in every kind of table."""
    TABLE[file](frame(), tmp_path / file)
    options = ReadOptions(labels=("sad, or so", "happy"), groups="patient", split="when")
    data = read_dataset(tmp_path / file, options)
    assert data.name == "t"
    assert data.label_names == ("happy", "sad, or so")
    assert data.feature_names == ("x", "loud")
    assert {part: s.X[:, 0].tolist() for part, s in data.parts()} == {"train": [1, 2, 6], "valid": [3, 4], "test": [5]}
    np.testing.assert_array_equal(data.train.X[:, 1], [1, 0, 0])
    np.testing.assert_array_equal(data.train.Y, [[0, 1], [1, 0], [0, 1]])
    assert data.train.groups[0] == data.train.groups[1] != data.train.groups[2] == data.test.groups[0]
    assert data.notes == ("column 'id' dropped: a row id, as all values differ",)


@pytest.mark.parametrize("labels", [("happy,b*",), ("bored", "happy"), ("b* , happy",)])
def test_labels_stand_in_file_order(tmp_path, labels):
    """However the label columns are asked for."""
    (tmp_path / "t.csv").write_text("bored,x,happy\n0,1,1\n1,2,0\n")
    assert read_dataset(tmp_path, ReadOptions(labels=labels)).label_names == ("bored", "happy")


def test_yes_and_no_are_one_label(tmp_path):
    """A label column of yes and no is one label, not two."""
    (tmp_path / "t.csv").write_text("x,happy\n1,yes\n2,no\n3,Yes\n")
    data = read_dataset(tmp_path, ReadOptions(labels=("happy",)))
    assert data.label_names == ("happy",)
    np.testing.assert_array_equal(data.train.Y, [[1], [0], [1]])


def test_ids_of_digits_are_ids(tmp_path):
    """Text that happens to be digits, as in Parquet, is a row id like any other text."""
    pd.DataFrame({"id": ["001", "002", "003"], "x": [1, 2, 3], "y": [0, 1, 1]}).to_parquet(tmp_path / "t.parquet")
    data = read_dataset(tmp_path, ReadOptions(labels=("y",)))
    assert data.feature_names == ("x",)
    assert data.notes == ("column 'id' dropped: a row id, as all values differ",)


def test_a_saved_index_is_no_feature(tmp_path):
    """The column without a name that pandas writes by default counts the rows, so it is dropped."""
    frame().drop(columns=["id", "patient", "when"]).to_csv(tmp_path / "t.csv")
    data = read_dataset(tmp_path, ReadOptions(labels=("happy", "sad, or so")))
    assert data.feature_names == ("x", "loud")
    assert data.notes == ("unnamed column dropped: it only numbers the rows",)


def test_names_are_made_safe(tmp_path):
    """A data set's name is a file name anywhere."""
    folder = tmp_path / ("Über uns & co. " + "x" * 80)
    folder.mkdir()
    (folder / "t.csv").write_text("x,y\n1,0\n2,1\n")
    name = read_dataset(folder, ReadOptions(labels=("y",))).name
    assert name.startswith("ber-uns-co.-xxx")
    assert len(name) == 64


def test_old_files_are_latin_1(tmp_path):
    """A file that is not UTF-8 is read as Latin-1."""
    text = "@relation 'r: -C 1'\r\n@attribute señal {0,1}\r\n@attribute x numeric\r\n@data\r\n0,1\r\n1,2\r\n"
    (tmp_path / "t.arff").write_bytes(text.encode("latin-1"))
    assert read_dataset(tmp_path / "t.arff").label_names == ("señal",)


def test_every_format_says_what_it_is():
    """Names differ and descriptions are there, for help texts and errors."""
    assert len({format.name for format in FORMATS}) == len(FORMATS) == 5
    assert all(format.describe for format in FORMATS)


def test_gzip_table_is_the_table(tmp_path):
    """``.csv.gz`` is ``.csv``, packed."""
    text = "x,y\n1,0\n2,1\n"
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(text.encode()))
    a, b = (read_dataset(tmp_path / f, ReadOptions(labels=("y",))) for f in ("a.csv", "b.csv.gz"))
    assert a.fingerprint() == b.fingerprint()
