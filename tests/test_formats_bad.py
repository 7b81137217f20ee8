"""Bad data: one clear line that says what is wrong, where, and never anything but an expected error."""

from __future__ import annotations

import io
import pickle
import re
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlbench.data.formats import ReadOptions, read_dataset
from mlbench.errors import DataError, MlbenchError, UnknownName, UsageError

HEAD = (
    "@relation 'r: -C 2'\n@attribute a {0,1}\n@attribute b {0,1}\n@attribute x numeric\n@attribute n {u,v,w}\n@data\n"
)
ENTITIES = (
    '<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>\n<labels><label name="&b;"/></labels>'
)


def npy(array, **how):
    stream = io.BytesIO()
    np.save(stream, array, **how)
    return stream.getvalue()


def lying_npy(shape):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return stream.getvalue() + b"\0" * 64


NO_OPTIONS = ReadOptions()


def refusal(path, options=NO_OPTIONS):
    """What the error says, or nothing when the data are read; any unexpected error passes through."""
    try:
        read_dataset(path, options)
    except MlbenchError as error:
        return str(error)
    return ""


GOOD_Y = npy(np.eye(2))
BAD_ARFF = {
    "not a number": ("0,1,one,u\n", "line 7, column 'x' holds 'one', expected a number"),
    "label 2": ("0,2,1,u\n", "line 7, column 'b' holds '2', expected one of 0, 1"),
    "not listed": ("0,1,1,U\n", "line 7, column 'n' holds 'U', expected one of u, v, w"),
    "too few cells": ("0,1,1,u\n0,1,1\n", "line 8: 3 cells, but the header declares 4 columns"),
    "too many cells": ("0,1,1,u,7\n", "line 7: 5 cells"),
    "unclosed quote": ("0,1,1,'u\n", "line 7: expected a value with closed quotes"),
    "too large": ("0,1,1e39,u\n1,0,1,v\n", "row 0, column 'x' is infinite or too large"),
    "sparse index too large": ("{0 1, 4 1}\n", "line 7: no column 4: the header declares columns 0 to 3"),
    "sparse index negative": ("{-1 1}\n", "line 7: no column -1"),
    "sparse index twice": ("{0 1, 0 1}\n", "line 7: the sparse row gives the same column twice"),
    "sparse without a value": ("{0}\n", "line 7: expected a value"),
    "sparse not closed": ("{0 1\n", "line 7: dense row in a file of sparse rows"),
    "sparse among dense": ("0,1,1,u\n{0 1}\n", "line 8: sparse row in a file of dense rows"),
    "dense among sparse": ("{0 1}\n0,1,1,u\n", "line 8: dense row in a file of sparse rows"),
    "no rows": ("", "no rows"),
}


@pytest.mark.parametrize("case", BAD_ARFF)
def test_bad_arff_rows(tmp_path, case):
    """The error names the file and the line or row, and the column."""
    rows, message = BAD_ARFF[case]
    (tmp_path / "t.arff").write_text(HEAD + rows)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_dataset(tmp_path / "t.arff")
    assert str(caught.value).startswith("t")


BAD_HEADERS = {
    "binary junk": (bytes(range(256)) * 4, "not ARFF"),
    "empty": (b"", "no @data line"),
    "no data": (b"@relation r\n@attribute a numeric\n", "no @data line"),
    "no columns": (b"@relation r\n@data\n1\n", "without an @attribute line"),
    "date": (
        b"@relation 'r: -C 1'\n@attribute l {0,1}\n@attribute a date 'yyyy'\n@data\n0,2020\n",
        "column 'a' has type",
    ),
    "no type": (
        b"@relation 'r: -C 1'\n@attribute l {0,1}\n@attribute a\n@data\n0,?\n",
        "column 'a' has type 'no type'",
    ),
    "bags": (b"@relation r\n@attribute a relational\n@data\n", "line 2: column 'a' holds bags of rows"),
    "a name twice": (b"@relation r\n@attribute a {0,1}\n@attribute a real\n@data\n", "two columns are named 'a'"),
    "no name": (b"@relation r\n@attribute\n@data\n", "line 2: @attribute needs a name"),
    "unclosed quote": (b"@relation r\n@attribute 'a {0,1}\n@data\n", "line 2: @attribute needs a name"),
    "unclosed list": (b"@relation r\n@attribute a {0,1\n@data\n", "line 2: the values of column 'a'"),
    "value twice": (b"@relation r\n@attribute a {0,1,0}\n@data\n", "line 2: column 'a' lists the same value twice"),
    "no labels": (b"@relation r\n@attribute a {0,1}\n@data\n0\n", "it is not known which columns are labels"),
    "too many labels": (
        b"@relation 'r: -C 7'\n@attribute a {0,1}\n@data\n0\n",
        "-C 7 in @relation, but the number of columns is 1",
    ),
    "text": (
        b"@relation 'r: -C 1'\n@attribute a {0,1}\n@attribute t string\n@data\n0,x\n1,x\n",
        "column 't' holds text: give --text 't'",
    ),
    "numeric label 2": (
        b"@relation 'r: -C 1'\n@attribute a numeric\n@attribute x real\n@data\n0,1\n2,1\n1,1\n",
        "row 1 (from 0), column 'a' holds 2",
    ),
    "words for labels": (
        b"@relation 'r: -C 1'\n@attribute a {cat,dog,cow}\n@attribute x real\n@data\ncat,1\ndog,1\ncow,1\n",
        "label 'a' has the values cat, dog, cow: give --one-hot",
    ),
    "only labels": (
        b"@relation 'r: -C 1'\n@attribute a {0,1}\n@attribute t string\n@data\n0,x\n1,y\n1,z\n",
        "no feature",
    ),
}


@pytest.mark.parametrize("case", BAD_HEADERS)
def test_bad_arff_files(tmp_path, case):
    """The error says what is missing, and on which line where there is one."""
    content, message = BAD_HEADERS[case]
    (tmp_path / "t.arff").write_bytes(content)
    with pytest.raises((DataError, UsageError), match=re.escape(message)):
        read_dataset(tmp_path / "t.arff")


def test_multi_class_targets_are_refused(shared_data):
    """MEKA's solar flares have five classes: the reason and the option are given."""
    with pytest.raises(UsageError, match="label 'c-class' has the values 0, 1, 2, 3, 4: give --one-hot"):
        read_dataset(shared_data / "meka" / "solar_flare.arff")


def test_several_data_sets_in_one_folder(shared_data):
    """A folder that could mean several data sets is not guessed at."""
    with pytest.raises(DataError, match=r"several data sets.*Music\.arff, solar_flare\.arff"):
        read_dataset(shared_data / "meka")


BAD_XML = {
    "billion laughs": (ENTITIES, "the XML declares entities, which are refused"),
    "not XML": ("<labels><label name='a'>", "not valid XML"),
    "empty": ("", "not valid XML"),
    "strange encoding": ('<?xml version="1.0" encoding="nonesuch"?><labels/>', "not valid XML"),
    "no labels": ("<labels/>", "no label names"),
    "a label without a name": ("<labels><label/></labels>", "no label names"),
    "not in the header": (
        "<labels><label name='a'/><label name='c'/></labels>",
        "1 of 2 labels of t.xml are not columns of t.arff, the first is 'c'",
    ),
}


@pytest.mark.parametrize("case", BAD_XML)
def test_bad_mulan_xml(tmp_path, case):
    """The error names the XML file."""
    content, message = BAD_XML[case]
    (tmp_path / "t.arff").write_text(HEAD + "0,1,1,u\n1,0,2,v\n")
    (tmp_path / "t.xml").write_text(content)
    with pytest.raises(DataError, match=re.escape(message)):
        read_dataset(tmp_path)


def test_a_mulan_folder_without_its_xml(tmp_path, shared_data):
    """The error says that the XML is what is missing."""
    for part in ("train", "test"):
        (tmp_path / f"yeast-{part}.arff").symlink_to(shared_data / "mulan" / "yeast" / f"yeast-{part}.arff")
    with pytest.raises(UsageError, match=r"yeast-train\.arff: it is not known which columns are labels.*Mulan XML"):
        read_dataset(tmp_path)


def test_several_xml_files(tmp_path):
    """With several XML files the one with the name of the data set counts; without it nothing is guessed."""
    (tmp_path / "t.arff").write_text(HEAD + "0,1,1,u\n1,0,0,v\n")
    for name in ("a.xml", "b.xml"):
        (tmp_path / name).write_text("<labels><label name='a'/></labels>")
    with pytest.raises(DataError, match=r"2 XML files, none of them t\.xml"):
        read_dataset(tmp_path)
    (tmp_path / "t.xml").write_text("<labels><label name='b'/><label name='x'/></labels>")
    assert read_dataset(tmp_path).label_names == ("b", "x")


def test_parts_of_two_data_sets(tmp_path):
    """Parts with other columns are refused, and the first difference is named."""
    (tmp_path / "t-train.arff").write_text(HEAD + "0,1,1,u\n")
    (tmp_path / "t-test.arff").write_text(HEAD.replace("x numeric", "y numeric") + "0,1,1,u\n")
    with pytest.raises(DataError, match=r"column 2 is 'x'.* in t-train\.arff, but 'y'.* in t-test\.arff"):
        read_dataset(tmp_path)
    (tmp_path / "t-train.arff").unlink()
    with pytest.raises(DataError, match="no train split"):
        read_dataset(tmp_path)


def test_broken_bzip2(tmp_path):
    """A packed file that is cut short is an error, not an empty data set."""
    (tmp_path / "t.arff.bz2").write_bytes(b"BZh91AY&SY")
    with pytest.raises(DataError, match=r"corrupt or incomplete \.bz2 file"):
        read_dataset(tmp_path / "t.arff.bz2")


BAD_NPY = {
    "labels 0 and 2": (npy(np.ones((2, 3))), npy(np.array([[0, 1], [1, 2]])), "row 1, column 'note-1' holds 2"),
    "NaN": (npy(np.array([[1, 2], [np.nan, 1]])), GOOD_Y, "audio-train.npy: row 1, column 0 is NaN"),
    "row counts": (npy(np.ones((3, 3))), GOOD_Y, "3 rows of features, but 2 rows of labels"),
    "three dimensions": (npy(np.ones((2, 3, 3))), GOOD_Y, "features have shape (2, 3, 3)"),
    "one dimension": (npy(np.ones((2, 3))), npy(np.ones(2)), "labels have shape (2,)"),
    "no dimension": (npy(np.float32(1)), GOOD_Y, "features have shape ()"),
    "no rows": (npy(np.ones((0, 3))), npy(np.ones((0, 2))), "no rows"),
    "text": (npy(np.array([["a"], ["b"]])), GOOD_Y, "expected numbers"),
    "cut short": (npy(np.ones((2, 300)))[:-9], GOOD_Y, "audio-train.npy: truncated"),
    "header alone": (npy(np.ones((2, 3)))[:20], GOOD_Y, "audio-train.npy: not a .npy file"),
    "lying header": (lying_npy((2**40, 2**40)), GOOD_Y, "audio-train.npy: truncated"),
    "negative shape": (lying_npy((-2, 3)), GOOD_Y, "audio-train.npy: truncated"),
    "Python objects": (npy(np.array([[{}], [{}]]), allow_pickle=True), GOOD_Y, "never loaded"),
    "a pickle": (pickle.dumps([[1.0]]), GOOD_Y, "pickled files are never loaded"),
    "empty": (b"", GOOD_Y, "not a .npy file"),
}


@pytest.mark.parametrize("case", BAD_NPY)
def test_bad_npy(tmp_path, case):
    """The error names the file; nothing is unpickled, nothing huge is allocated."""
    audio, labels, message = BAD_NPY[case]
    (tmp_path / "audio-train.npy").write_bytes(audio)
    (tmp_path / "labels-train.npy").write_bytes(labels)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_dataset(tmp_path)
    assert "-train.npy" in str(caught.value) or case == "no rows"


def test_half_a_part(tmp_path):
    """Audio without labels, and a folder without train, are refused by name."""
    np.save(tmp_path / "audio-test.npy", np.ones((2, 3)))
    with pytest.raises(DataError, match=r"audio-train\.npy is missing"):
        read_dataset(tmp_path)
    np.save(tmp_path / "audio-train.npy", np.ones((2, 3)))
    np.save(tmp_path / "labels-train.npy", np.eye(2))
    with pytest.raises(DataError, match=r"labels-test\.npy is missing"):
        read_dataset(tmp_path)
    (tmp_path / "audio-test.npy").unlink()
    np.save(tmp_path / "groups-train.npy", np.ones(3, dtype=int))
    with pytest.raises(DataError, match="2 rows, but groups have shape"):
        read_dataset(tmp_path)
    np.save(tmp_path / "groups-train.npy", np.ones((2, 2)))
    with pytest.raises(DataError, match=r"groups-train\.npy: groups have shape \(2, 2\)"):
        read_dataset(tmp_path)


BAD_XMC = {
    "words": ("0 0:1\nread me\n", "line 2: expected 'label,label index:value …', found 'read me'"),
    "no value": ("0 0:\n", "line 1: expected"),
    "two colons": ("0 0:1:2\n", "line 1: expected"),
    "a query without a number": ("0 qid:a 0:1\n", "line 1: expected"),
    "a query among features": ("0 0:1 qid:1\n", "line 1: expected"),
    "a query of too many digits": (f"0 qid:{'9' * 30} 0:1\n", "line 1: expected"),
    "a row without a query": ("0 qid:1 0:1\n1 0:1\n", "1 of 2 rows have a qid, which is their group"),
    "half label": ("0.5 0:1\n", "line 1: expected"),
    "empty label": ("0, 0:1\n", "line 1: expected"),
    "negative label": ("-1 0:1\n", "line 1: label -1 is out of range"),
    "feature beyond the header": ("1 3 2\n0 3:1\n", "line 2: feature 3 is out of range: features are numbered 0 to 2"),
    "label beyond the header": ("1 3 2\n0,2 1:1\n", "line 2: label 2 is out of range: labels are numbered 0 to 1"),
    "feature twice": ("0 1:1 1:2\n", "line 1: the same feature occurs twice"),
    "label twice": ("0,0 1:1\n", "line 1: the same label occurs twice"),
    "rows missing": ("3 3 2\n0 1:1\n", "states 3 rows, but there are 1"),
    "too many digits": (f"0 {'9' * 5000}:1\n", "line 1: expected"),
    "huge feature": ("0 99999999999:1\n", "line 1: feature 99999999999 is out of range"),
    "too many labels": ("2000000000 1:1\n" * 9, "too many"),
    "a huge label": ("99999999 1:1\n", "too many"),
    "huge header": ("1 3 99999999999999999999\n0 1:1\n", "too many"),
    "infinite": ("0 0:inf 1:1\n1 0:2\n", "row 0, column 0 is infinite"),
    "two values, one none": ("0 0:1:2 3\n", "line 1: expected"),
    "no labels": ("1:1\n", "0 label"),
    "no features": ("1\n0\n", "no feature columns"),
    "empty": ("", "0 label"),
}


@pytest.mark.parametrize("case", BAD_XMC)
def test_bad_xmc(tmp_path, case):
    """The error names the file and the line."""
    content, message = BAD_XMC[case]
    (tmp_path / "t.svm").write_text(content)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_dataset(tmp_path / "t.svm")
    assert str(caught.value).startswith("t")


def test_xmc_parts_must_agree(tmp_path):
    """Two training files, or headers that state other sizes, are refused."""
    (tmp_path / "train.txt").write_text("1 3 2\n0 1:1\n")
    (tmp_path / "test.txt").write_text("1 4 2\n0 1:1\n")
    with pytest.raises(DataError, match=r"train\.txt and test\.txt state different numbers"):
        read_dataset(tmp_path)
    (tmp_path / "test.txt").write_text("1 3 2\n0 1:1\n")
    (tmp_path / "trn.txt").write_text("1 3 2\n0 1:1\n")
    with pytest.raises(DataError, match=r"train\.txt and trn\.txt are both the train split: keep one"):
        read_dataset(tmp_path)


BAD_CSV = {
    "labels 0, 1 and 2": ("x,y\n1,0\n2,2\n1,1\n", {}, "labels must be 0 or 1: row 1 (from 0), column 'y' holds 2"),
    "missing group": ("x,y,g\n1,1,\n2,1,p\n", {"groups": "g"}, "row 0 (from 0), column 'g' is missing"),
    "infinite": ("x,y\n1,0\ninf,1\n", {}, "row 1, column 'x' is infinite"),
    "too large": ("x,y\n1,0\n1e99,1\n", {}, "row 1, column 'x' is infinite"),
    "text": ("x,y\na b c,0\na b d,1\na c d,0\n", {}, "column 'x' holds text, such as 'a b c'"),
    "a stray word": ("x,y\n1,0\n2,1\none,1\n", {}, "row 2 (from 0), column 'x' holds 'one', expected a number"),
    "a stray word in labels": ("x,y\n1,0\n2,1\n3,o\n", {}, "row 2 (from 0), column 'y' holds 'o', expected a number"),
    "two columns of one name": ("x,x,y\n1,2,0\n", {}, "two columns are named 'x'"),
    "too many cells": ("x,y\n1,0\n1,2,3\n", {}, "line 3"),
    "too many cells in every row": ("x,y\n1,0,7\n1,2,3\n", {}, "more cells than the header has names (2)"),
    "too few cells": ("x,y\n1,0\n1\n", {}, "row 1 (from 0) has 1 cells, but the header has 2 names"),
    "unclosed quote": ('x,y\n1,0\n"1,0\n', {}, "not a readable table"),
    "empty": ("", {}, "no rows"),
    "no rows": ("x,y\n", {}, "no rows"),
    "no features": ("y\n1\n0\n", {}, "no feature columns"),
    "a label for each row": ("x,y\n1,a\n2,b\n3,c\n", {}, "label 'y' has a different value in every row"),
    "a strange part": ("x,y,s\n1,1,train\n2,0,later\n", {"split": "s"}, "row 1 (from 0), column 's' holds 'later'"),
    "no train": ("x,y,s\n1,1,test\n2,0,test\n", {"split": "s"}, "no row has train in column 's'"),
}


@pytest.mark.parametrize("case", BAD_CSV)
def test_bad_csv(tmp_path, case):
    """The error names the file, the row and the column."""
    content, options, message = BAD_CSV[case]
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(DataError, match=re.escape(message)):
        read_dataset(tmp_path / "t.csv", ReadOptions(labels=("y",), **options))


@pytest.mark.parametrize("file", ["t.csv", "t.csv.gz", "t.parquet", "t.tsv"])
def test_junk_by_the_name_of_a_table(tmp_path, file):
    """Bytes that are no table are refused in one line."""
    (tmp_path / file).write_bytes(bytes(range(255, -1, -1)) * 8)
    with pytest.raises(DataError) as caught:
        read_dataset(tmp_path / file, ReadOptions(labels=("y",)))
    assert "\n" not in str(caught.value)


def test_wrong_options(tmp_path, shared_data):
    """Options that do not fit are the caller's mistake, and the near name is offered."""
    (tmp_path / "t.csv").write_text("x,happy,p\n1,0,1\n2,1,2\n")
    with pytest.raises(UsageError, match="name the label columns with --labels; available: x, happy, p"):
        read_dataset(tmp_path)
    for options in ({"labels": ("hapy",)}, {"labels": ("happy",), "groups": "hapy"}, {"labels": ("x,hapy",)}):
        with pytest.raises(UnknownName, match="no column 'hapy': did you mean 'happy'"):
            read_dataset(tmp_path, ReadOptions(**options))
    for options in ({"groups": "happy"}, {"groups": "p", "split": "p"}):
        with pytest.raises(UsageError, match="can only be one of"):
            read_dataset(tmp_path, ReadOptions(labels=("happy",), **options))
    with pytest.raises(DataError, match=r"flags\.xml says that 7 columns are labels .*, but --labels names 1 \(red\)"):
        read_dataset(shared_data / "mulan" / "flags", ReadOptions(labels=("red",)))


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    """The error says what to install."""
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UsageError, match=r"pip install 'mlbench-suite\[parquet\]'"):
        read_dataset(tmp_path, ReadOptions(labels=("y",)))


def test_unknown_places(tmp_path):
    """A missing path, an empty folder and an unknown file each say what is known."""
    with pytest.raises(UsageError, match="no such file or folder"):
        read_dataset(tmp_path / "nowhere")
    (tmp_path / "picture.png").write_bytes(b"png")
    for path in (tmp_path, tmp_path / "picture.png"):
        with pytest.raises(DataError, match=r"unknown data format\. Supported formats: mini-MusicNet .*; table .*"):
            read_dataset(path)


FILES = {
    "t.arff": HEAD + "0,1,1.5,u\n1,0,-2,'v'\n1,1,3e-2,w\n{5}\n",
    "s.arff": HEAD + "{0 1,2 1.5}\n{1 1, 3 'w'}\n{}\n{2 7},{2}\n",
    "h.txt": "3 9 4\n0,3 0:1.5 8:2\n 1:1\n2:1 3:-1e-3\n",
    "t.svm": "1,2 1:1.5 8:2\n 1:1\n2:1 3:-1e-3\n",
    "t.csv": "id,x,b,y\np,1,True,0\nq,2.5,False,1\nr,-3,True,1\n",
}
TOKENS = [
    b"?",
    b"'",
    b'"',
    b"\\",
    b"{",
    b"}",
    b",",
    b"\n",
    b"%",
    b":",
    b"-",
    b"0",
    b"9",
    b" ",
    b"\0",
    b"\xff",
    b"nan",
    b"@",
]


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from(sorted(FILES)),
    edits=st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 4), st.one_of(st.sampled_from(TOKENS), st.binary(max_size=3))),
        min_size=1,
        max_size=4,
    ),
)
def test_changed_bytes_raise_nothing_else(tmp_path, file, edits):
    """A file with changed bytes is read, or refused in one line; no other error ever comes out."""
    content = FILES[file].encode()
    for place, length, new in edits:
        start = int(place * len(content))
        content = content[:start] + new + content[start + length :]
    (tmp_path / file).write_bytes(content)
    options = ReadOptions(labels=("y",)) if file.endswith(".csv") else NO_OPTIONS
    assert "\n" not in refusal(tmp_path / file, options)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 200), length=st.integers(0, 3), new=st.binary(max_size=3))
@example(place=60, length=1, new=b"\xff")
def test_changed_bytes_of_npy_raise_nothing_else(tmp_path, place, length, new):
    """The same for a .npy file, header and numbers."""
    content = npy(np.ones((2, 3), dtype=np.float32))
    (tmp_path / "audio-train.npy").write_bytes(content[:place] + new + content[place + length :])
    (tmp_path / "labels-train.npy").write_bytes(GOOD_Y)
    assert "\n" not in refusal(tmp_path)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "line", ["0,1,1," + " " * 100_000 + "'u", "{0 " + " " * 100_000 + "'}", "'" * 100_001, " %" * 50_000]
)
def test_long_odd_lines_take_no_longer_than_others(tmp_path, line):
    """A hostile line is refused in time that grows with its length, not with its square."""
    (tmp_path / "t.arff").write_text(HEAD + "x" + line + "\n" + line + "\n")
    assert refusal(tmp_path / "t.arff")
