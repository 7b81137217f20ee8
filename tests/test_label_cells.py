"""What cells of label columns mean: nothing is guessed, and what is asked for names the option that answers it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import call

from mlbench.data.dataset import Dataset
from mlbench.data.formats import ReadOptions, read_dataset
from mlbench.errors import DataError, UsageError


def _read(folder: Path, cells: list[str], **options: object) -> Dataset:
    """A table of one feature and one label column, read with options."""
    lines = [f"{row},{cell}" for row, cell in enumerate(cells)]
    (folder / "d.csv").write_text("\n".join(["x,tags", *lines]) + "\n")
    read = ReadOptions(labels=("tags",), **options)  # type: ignore[arg-type]
    return read_dataset(folder / "d.csv", read)


JOINED = ["a|b", "b", "", "c|a", "c", "a|b|c"]
EXPECTED = [[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 1], [0, 0, 1], [1, 1, 1]]


@pytest.mark.parametrize("separator", ["|", ";", " ", "/", ", "])
def test_a_separator_that_is_given_splits_the_cells(tmp_path: Path, separator: str) -> None:
    """One label for each part, whatever separates them; an empty cell is a row without labels."""
    cells = [f'"{cell.replace("|", separator)}"' for cell in JOINED]

    found = _read(tmp_path, cells, label_separator=separator)

    assert found.label_names == ("a", "b", "c")
    np.testing.assert_array_equal(found.train.Y, EXPECTED)


def test_lists_of_json_need_no_option(tmp_path: Path) -> None:
    """They say themselves where a label ends; ``[]`` is a row without labels, and numbers are names."""
    cells = ['"[""a"", ""b""]"', "[]", '"[""b"", 7]"', '"[""a""]"']

    found = _read(tmp_path, cells)

    assert found.label_names == ("7", "a", "b")
    np.testing.assert_array_equal(found.train.Y, [[0, 1, 1], [0, 0, 0], [1, 0, 1], [0, 1, 0]])


@pytest.mark.parametrize("separator", ["|", ";", ",", " "])
@pytest.mark.parametrize("empty", [True, False])
def test_joined_labels_are_not_taken_for_classes(tmp_path: Path, separator: str, empty: bool) -> None:
    """Without the option, cells that are made of each other's parts are refused; the message has the option."""
    cells = [f'"{cell.replace("|", separator)}"' for cell in [*JOINED, "a", "b"] if cell or empty]

    with pytest.raises(UsageError, match=r"d\.csv: a cell of column 'tags' .*--label-separator .*, or --one-hot"):
        _read(tmp_path, cells)


@pytest.mark.parametrize(
    "cells",
    [
        ["Rock and Roll", "Hip Hop", "Rock and Pop", "Jazz", "Jazz", "Hip Hop", "Rock and Roll"],
        ["drum; bass", "jazz", "jazz", "rock", "rock", "pop", "pop"],
        ["x", "y", "z", "x", "y", "z"],
    ],
)
def test_texts_that_are_classes_stay_classes(tmp_path: Path, cells: list[str]) -> None:
    """Words of one name, or a single cell with a separator in it, are no joined labels: a row has one label."""
    found = _read(tmp_path, cells)

    assert len(found.label_names) == len(set(cells))
    assert (found.train.Y.sum(axis=1) == 1).all()


def test_one_hot_says_that_each_text_is_a_label(tmp_path: Path) -> None:
    """What looks like joined labels, or two words, is then a label each."""
    assert len(_read(tmp_path, [cell or "none" for cell in JOINED] * 2, one_hot=True).label_names) == 6
    assert _read(tmp_path, ["left", "right", "left"], one_hot=True).label_names == ("tags=left", "tags=right")


@pytest.mark.parametrize(("no", "yes"), [("negative", "positive"), ("absent", "present"), ("cat", "dog")])
def test_two_words_are_one_label_and_which_is_one_is_asked(tmp_path: Path, no: str, yes: str) -> None:
    """Never two columns that are each other's complement; the answer may be for all columns or for one."""
    cells = [no, yes, yes.upper(), no]

    asked = r"label 'tags' has two words, .* it is not known which one is 1: .*--positive"
    with pytest.raises(UsageError, match=asked):
        _read(tmp_path, cells)
    for said in (yes, f"tags={yes}", yes.upper()):
        found = _read(tmp_path, cells, positive=("other", "nothing=no", said))
        assert found.label_names == ("tags",)
        assert found.train.Y.ravel().tolist() == [0, 1, 1, 0]
    assert _read(tmp_path, cells, positive=(no,)).train.Y.ravel().tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize("words", [("no", "yes"), ("F", "T"), ("false", "True"), ("N", "y")])
def test_words_that_everybody_knows_are_not_asked(tmp_path: Path, words: tuple[str, str]) -> None:
    """Yes and no, true and false, in any case."""
    found = _read(tmp_path, [words[0], words[1], words[0]])

    assert found.train.Y.ravel().tolist() == [0, 1, 0]


def test_minus_one_and_one_are_zero_and_one(tmp_path: Path) -> None:
    """As many tools write them; a note says so."""
    found = _read(tmp_path, ["-1", "1", "-1"])

    assert found.train.Y.ravel().tolist() == [0, 1, 0]
    assert "label 'tags': -1 is read as 0" in found.notes


@pytest.mark.parametrize("cell", ["-0,8019", "1.037,5", "1,037 kg", "12.3%", "$ 5"])
def test_numbers_in_another_form_are_no_row_ids(tmp_path: Path, cell: str) -> None:
    """A column of them is an error that names row and column, not dropped."""
    cells = [cell.replace("3", str(digit)).replace("5", str(digit)).replace("8", str(digit)) for digit in range(1, 9)]
    rows = [f'{row % 2},"{text}",{row}' for row, text in enumerate(cells)]
    (tmp_path / "d.csv").write_text("\n".join(["A,x,y", *rows]) + "\n")

    with pytest.raises(DataError, match=r"d\.csv: row 0 \(from 0\), column 'x' holds .*, a number in another form"):
        read_dataset(tmp_path / "d.csv", ReadOptions(labels=("A",)))


def test_a_decimal_comma_is_read_on_request(tmp_path: Path) -> None:
    """The same numbers as with points, from the command line, too."""
    (tmp_path / "d.tsv").write_text("A\tx\n" + "".join(f"{row % 2}\t{row},25\n" for row in range(20)))

    found = read_dataset(tmp_path / "d.tsv", ReadOptions(labels=("A",), decimal=","))

    assert found.train.X.ravel().tolist() == [row + 0.25 for row in range(20)]
    code, out, _ = call("data", "inspect", tmp_path / "d.tsv", "--labels", "A", "--decimal", ",")
    assert code == 0
    assert "1 features" in out or "1 feature" in out


def test_sentences_are_no_row_ids(tmp_path: Path) -> None:
    """Text that differs in every row is not dropped in silence; a name for each row still is, and says so."""
    rows = [f"{row % 2},a sentence about the number {row},id-{row},{row}" for row in range(9)]
    (tmp_path / "d.csv").write_text("\n".join(["A,text,name,y", *rows]) + "\n")
    with pytest.raises(DataError, match="column 'text' holds text, such as 'a sentence about the number 0'"):
        read_dataset(tmp_path / "d.csv", ReadOptions(labels=("A",)))

    (tmp_path / "e.csv").write_text("\n".join(["A,name,y", *(f"{n % 2},id-{n},{n}" for n in range(9))]) + "\n")
    found = read_dataset(tmp_path / "e.csv", ReadOptions(labels=("A",)))
    assert found.notes[0].startswith("column 'name' dropped: a row id")


ARFF = """@relation 'd{option}'
@attribute x numeric
@attribute A {{{zero},{one}}}
@attribute B {{{zero},{one}}}
@data
1,{one},{zero}
2,{zero},{one}
3,{one},{one}
"""


@pytest.mark.parametrize(("zero", "one"), [("0.0", "1.0"), ("-1", "1"), ("1", "0")])
def test_arff_headers_that_write_numbers_in_another_way(tmp_path: Path, zero: str, one: str) -> None:
    """0.0 and 1.0, or -1 and 1, are 0 and 1, in whichever order the header lists them."""
    (tmp_path / "d.arff").write_text(ARFF.format(option=": -C -2", zero=zero, one=one))
    found = read_dataset(tmp_path / "d.arff")

    positive = [[1, 0], [0, 1], [1, 1]]
    expected = positive if one != "0" else (1 - np.array(positive)).tolist()
    assert found.train.Y.tolist() == expected


@pytest.mark.parametrize(
    ("names", "option", "words"),
    [
        ("AA", "", "label 'A' stands twice"),
        ("A", ": -C -2", "d.xml names 1 labels, but -C -2 in the @relation of d.arff counts 2"),
    ],
)
def test_an_xml_that_contradicts_is_an_error(tmp_path: Path, names: str, option: str, words: str) -> None:
    """A label that it names twice, or leaves out although the header counts it, would become a feature."""
    (tmp_path / "d.arff").write_text(ARFF.format(option=option, zero="0", one="1"))
    labels = "".join(f'<label name="{name}"></label>' for name in names)
    (tmp_path / "d.xml").write_text(f'<labels xmlns="http://mulan.sourceforge.net/labels">{labels}</labels>')

    with pytest.raises(DataError, match=words):
        read_dataset(tmp_path / "d.arff")


def test_the_command_takes_the_roles(tmp_path: Path) -> None:
    """From a table with all labels in one cell to a board, in one command."""
    tags = ["a|b", "b", "", "c|a", "c", "a|b|c"]
    rows = [f"{row * 0.37 % 1:.3f},{row * 0.71 % 1:.3f},{tags[row % 6]}" for row in range(60)]
    (tmp_path / "d.csv").write_text("\n".join(["x,y,tags", *rows]) + "\n")
    words = ["--runs", tmp_path / "runs", "--leaderboards", tmp_path / "boards"]

    code, _, err = call("run", tmp_path / "d.csv", "--labels", "tags", "--label-separator", "|", "-m", "prior", *words)

    assert code == 0, err
    assert "3 labels" in (tmp_path / "boards" / "d.md").read_text()
