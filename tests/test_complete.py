"""A data set with all three splits says what a careful reader has to know of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import random_dataset, random_split

from mlbench.data.complete import complete
from mlbench.data.dataset import Dataset, Split
from mlbench.errors import DataError


def test_three_given_splits_stay_as_they_are() -> None:
    """Nothing is moved, and there is nothing to say."""
    given = random_dataset()
    whole = complete(given)

    for (name, split), (_, before) in zip(whole.parts(), given.parts(), strict=True):
        np.testing.assert_array_equal(split.X, before.X, err_msg=name)
    assert whole.facts == ("labels with fewer than 10 positives in test: 3 of 3",)
    assert (whole.name, whole.base_name, whole.limit, whole.dropped_twins) == ("toy", "toy", None, False)
    assert whole.sha256 == given.fingerprint()


def test_what_is_changed_is_kept_beside_the_name() -> None:
    """The rows that were left are counted, and the name before the change is known."""
    whole = complete(random_dataset(), limit=10)

    assert [len(split) for _, split in whole.parts()] == [10, 10, 10]
    assert (whole.base_name, whole.limit) == ("toy", 10)
    assert whole.name != "toy"


def test_warnings_and_notes_are_lines() -> None:
    """A reader's text is a line of a board each, whatever it holds."""
    whole = complete(random_dataset(warnings=("made up\nby hand",), notes=("two\r\nlines",)))

    assert (whole.warnings, whole.facts[-1]) == (("made up by hand",), "two lines")


def test_a_validation_split_that_was_held_out_is_said() -> None:
    """It is mlbench's own choice, and the reader's notes come after it."""
    whole = complete(random_dataset(valid=None, notes=("from the file",)))

    assert len(whole.train), len(whole.valid) == (32, 8)
    assert "no validation split: 20 % of train is held out" in whole.facts[-2]
    assert whole.facts[-1] == "from the file"


def test_repeated_rows_shared_groups_and_dead_labels_are_counted() -> None:
    """Each makes test look easier, or smaller, than it is."""
    given = random_dataset()
    assert given.valid is not None
    assert given.test is not None
    groups = np.arange(20)
    Y = given.test.Y.copy()
    Y[:, 2] = 0
    test = Split(X=np.concatenate([given.train.X[:3], given.test.X[3:]]), Y=Y, groups=groups)
    valid = replace(given.valid, groups=groups + 15)
    train = replace(given.train, groups=np.arange(40) + 100)

    facts = complete(replace(given, train=train, valid=valid, test=test)).facts

    assert facts == (
        "labels without a positive: 1 in test",
        "labels with fewer than 10 positives in test: 2 of 3",
        "repeated rows: 3 rows of test also occur in train",
        "groups in two splits: 5 of test also occur in valid",
    )


@pytest.mark.parametrize(("positives", "rare"), [(9, 1), (10, 0)])
def test_labels_with_few_positives_in_test_are_counted(positives: int, rare: int) -> None:
    """Fewer than ten, but not those without any, which have no value at all."""
    given = random_dataset()
    Y = np.ones((20, 3), dtype=np.uint8)
    Y[positives:, 0] = 0
    Y[:, 1] = 0
    assert given.test is not None

    facts = complete(replace(given, test=Split(X=given.test.X, Y=Y))).facts

    assert [fact for fact in facts if "fewer" in fact] == [
        f"labels with fewer than 10 positives in test: {rare} of 3"
    ] * rare


@pytest.mark.parametrize("name", ["train", "valid", "test"])
def test_a_split_without_any_positive_is_an_error(name: str) -> None:
    """Nothing can be ranked there; the message names the data set and the split."""
    given: Dataset = random_dataset()
    split = random_split(5, 20)
    dead = Split(X=split.X, Y=np.zeros_like(split.Y))

    with pytest.raises(DataError, match=f"toy: the {name} split has no positive label"):
        complete(replace(given, **{name: dead}))
