"""A record's data set is found by its fingerprint, whatever it is called and whatever was done to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import catalog, random_dataset, random_split

from mlbench.data.complete import complete
from mlbench.data.dataset import Dataset
from mlbench.evaluation.dataset_finder import DatasetFinder, Missing
from mlbench.evaluation.evaluate import describe
from mlbench.plugins.datasets import DatasetRequest
from mlbench.plugins.specs import DatasetSpec


def _with_twins() -> Dataset:
    """20 groups of two rows in each part; two groups of valid are versions of groups in train."""
    parts = {
        part: random_split(seed, 40, groups=np.arange(40) // 2 + 20 * seed)
        for seed, part in enumerate(("train", "valid", "test"))
    }
    return random_dataset(**parts, twins=frozenset({20, 21}))


@pytest.mark.parametrize("given", ["whole", "dropped"])
def test_data_are_found_whole_and_as_they_were_run(given: str) -> None:
    """The user may name the data before something was done to them, or what became of them, under any name."""
    whole = _with_twins()
    info = describe(complete(whole, drop_twins=True))
    mine = replace(whole if given == "whole" else whole.without_twins(), name="mine")
    known = catalog(datasets=[DatasetSpec(name="mine", summary="s", load=lambda: mine)])

    found = DatasetFinder(known, [DatasetRequest(name="mine")]).find(info)

    assert not isinstance(found, Missing)
    assert found.sha256 == info.sha256


def test_other_data_of_the_name_are_missing() -> None:
    """A data set with another fingerprint is never taken for that of a record."""
    info = describe(complete(random_dataset()))
    other = catalog(datasets=[DatasetSpec(name="toy", summary="s", load=lambda: random_dataset(seed=7))])

    found = DatasetFinder(other).find(info)

    assert isinstance(found, Missing)
    assert found.reason.startswith("not the data of the installed toy (fingerprint ")
