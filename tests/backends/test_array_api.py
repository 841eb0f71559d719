"""array_api_strict, the pedantic library, as a backend: compositions must do without anything behind their back."""

from collections.abc import Iterator
from typing import Any

import array_api_strict
import numpy as np
import pytest

from tahr import backends, ops
from tests.ops.samples import SAMPLES, Sample
from tests.ops.test_samples import agree, to_backend, wide

pytestmark = [pytest.mark.once, pytest.mark.filterwarnings("ignore")]

# The standard has no function for these, and no composition says them.
LACKING = {
    "angle",
    "heaviside",
    "nextafter",
    "ldexp",
    "gcd",
    "lcm",
    "i0",
    "erf",
    "erfc",
    "erfinv",
    "fmod",
    "bincount",
    "unique",
    "diagonal",
    "diag",
    "diagflat",
    "trace",
    "repeat",
    "scatter",
    "scatter_update",
    "segment_sum",
    "segment_prod",
    "segment_max",
    "segment_min",
    "slice",
    "slice_update",
    "top_k",
    "in_top_k",
    "einsum",
    "corrcoef",
    "correlate",
    "view",
    "view_as_complex",
    "cholesky",
    "cholesky_inverse",
    "det",
    "inv",
    "slogdet",
    "logdet",
    "solve",
    "solve_triangular",
    "lu_factor",
    "svd",
    "pinv",
    "matrix_rank",
    "lstsq",
    "isposinf",
    "isneginf",
    "isreal",
    "nan_to_num",
    "histogram",
}


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    made = backends.wrap(array_api_strict)
    monkeypatch.setattr(backends, "_current", made)
    yield made


def possible(sample: Sample) -> bool:
    if sample.name in LACKING or (
        sample.name == "norm" and sample.kwargs["ord"] in ("nuc", 2, -2) and sample.kwargs["axis"] != 1
    ):
        return False
    arrays = [np.asarray(a) for a in sample.args if isinstance(a, np.ndarray)]
    by_list = any(isinstance(part, list) for a in sample.args if isinstance(a, tuple) for part in a)
    return not by_list and not (sample.name == "matmul" and arrays[0].dtype == bool)


@pytest.mark.parametrize("sample", filter(possible, SAMPLES), ids=lambda s: s.name)
def test_rows(sample: Sample, strict: Any) -> None:
    with np.errstate(all="ignore"):
        expected = sample.oracle(*wide(list(sample.args)))
        found = getattr(ops, sample.name)(*to_backend(list(sample.args)), **sample.kwargs)
    agree(found, expected, sample.rtol)


def test_it_says_what_it_lacks(strict: Any) -> None:
    with pytest.raises(NotImplementedError, match="has no erf"):
        ops.erf(ops.ones((2,)))
    with pytest.raises(NotImplementedError, match="cannot compute gradients"):
        strict.value_and_grad(lambda x: x)


def test_other_namespaces_are_refused() -> None:
    with pytest.raises(TypeError, match="array-API standard"):
        backends.wrap("numpy")
