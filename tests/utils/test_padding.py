"""Sequences of different lengths as rows."""

from typing import Any

import numpy as np
import pytest

from tahr import preprocessing, utils

pytestmark = pytest.mark.once

SEQUENCES = [[1, 2, 3], [4, 5], [], [6]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [[1, 2, 3], [0, 4, 5], [0, 0, 0], [0, 0, 6]]),
        ({"padding": "post"}, [[1, 2, 3], [4, 5, 0], [0, 0, 0], [6, 0, 0]]),
        ({"maxlen": 2}, [[2, 3], [4, 5], [0, 0], [0, 6]]),
        ({"maxlen": 2, "truncating": "post"}, [[1, 2], [4, 5], [0, 0], [0, 6]]),
        ({"maxlen": 0}, [[], [], [], []]),
        ({"value": -1, "dtype": "float32"}, [[1, 2, 3], [-1, 4, 5], [-1, -1, -1], [-1, -1, 6]]),
    ],
)
def test_rows(options: dict[str, Any], expected: Any) -> None:
    found = utils.pad_sequences(SEQUENCES, **options)
    assert found.tolist() == expected and found.dtype == options.get("dtype", "int32")


def test_elements_of_a_shape_and_texts() -> None:
    found = utils.pad_sequences([np.ones((2, 3)), np.full((1, 3), 2.0)], dtype="float32")
    np.testing.assert_array_equal(found[1], [[0, 0, 0], [2, 2, 2]])
    assert utils.pad_sequences([["a"], []], dtype=object, value="?").tolist() == [["a"], ["?"]]
    assert utils.pad_sequences([]).shape == (0, 0)
    assert preprocessing.sequence.pad_sequences is utils.pad_sequences


@pytest.mark.parametrize(
    ("sequences", "options", "message"),
    [
        (3, {}, "list of sequences; received int"),
        ("abc", {}, "received str"),
        ([[1], 2], {}, "received 2 at place 1"),
        ([[1]], {"padding": "left"}, "padding to be 'pre' or 'post'; received 'left'"),
        ([[1]], {"truncating": "left"}, "truncating"),
        ([[1]], {"value": "x"}, "dtype=object"),
        ([np.ones((1, 2)), np.ones((1, 3))], {}, r"\(2,\), as in the first sequence; received \(3,\) in sequence 1"),
    ],
)  # fmt: skip
def test_refusals(sequences: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        utils.pad_sequences(sequences, **options)
