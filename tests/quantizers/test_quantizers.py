"""Quantizers against plain NumPy formulas, and there and back again."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tahr import backends, ops, quantizers

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(6, 4)).astype("float32")


def host(x: Any) -> Any:
    return ops.convert_to_numpy(x)


@pytest.mark.parametrize("to_numpy", [False, True])
@pytest.mark.parametrize(("axis", "high"), [(0, 127), (-1, 7), ((0, 1), 127), (None, 127)])
def test_largest_size_becomes_the_largest_number(axis: Any, high: int, to_numpy: bool) -> None:
    numbers, scale = quantizers.abs_max_quantize(X, axis, value_range=(-high, high), to_numpy=to_numpy)
    expected = high / (np.abs(X).max(axis=axis, keepdims=True) + 1e-7)
    assert isinstance(numbers, np.ndarray) == (to_numpy or backends.current().name == "numpy")
    np.testing.assert_allclose(host(scale), expected, rtol=1e-5)
    np.testing.assert_array_equal(host(numbers), np.round(X * expected).astype("int8"))
    assert np.abs(host(numbers) / host(scale) - X).max() <= 0.5 / expected.min() + 1e-6


@pytest.mark.parametrize("to_numpy", [False, True])
@pytest.mark.parametrize("size", [1, 2, 4, 6, 8])
def test_blocks_come_back_within_half_a_step(size: int, to_numpy: bool) -> None:
    x = np.abs(X) + np.sign(X[:, :1])  # blocks on one side of 0, too
    numbers, scale, zero = map(host, quantizers.abs_max_quantize_grouped_with_zero_point(x, size, to_numpy=to_numpy))
    blocks = -(-len(x) // size)
    assert numbers.shape == x.shape and scale.shape == zero.shape == (blocks, 4) and numbers.dtype == np.int8
    padded = np.pad(x, ((0, blocks * size - len(x)), (0, 0))).reshape(blocks, size, 4)
    inside = (padded.min(1) <= 0) & (padded.max(1) >= 0)  # else the zero point is cut
    back = (np.pad(numbers, ((0, blocks * size - len(x)), (0, 0))).reshape(blocks, size, 4) - zero[:, None]) * scale[
        :, None
    ]
    wrong = np.abs(back - padded).max(1)
    rows = np.minimum(size, len(x) - np.arange(blocks) * size) == size
    assert (wrong <= scale * 1.01 + 1e-6)[inside & rows[:, None]].all()


@pytest.mark.parametrize("shape", [(4, 6), (5, 3), (1,), (2, 3, 5)])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_packed_numbers_come_back(shape: tuple[int, ...], dtype: str) -> None:
    low = -8 if dtype == "int8" else 0
    x = RANDOM.integers(low, low + 16, shape).astype(dtype)
    for axis in range(-1, len(shape)):
        packed, sizes, size = quantizers.pack_int4(x, axis, dtype)
        assert tuple(packed.shape) == sizes and sizes[axis] == -(-x.shape[axis] // 2) and size == x.shape[axis]
        np.testing.assert_array_equal(host(quantizers.unpack_int4(packed, size, axis, dtype)), x)


@pytest.mark.parametrize(("bits", "narrow"), [(2, False), (4, True), (8, False)])
@pytest.mark.parametrize("axis", [None, 1])
def test_values_are_steps_apart_and_hold_zero(bits: int, narrow: bool, axis: int | None) -> None:
    low, high = (
        (-1.0, 1.5) if axis is None else (np.array([-1, -2, -0.5, -1], "float32"), np.array([1, 0.5, 2, 3], "float32"))
    )
    found = host(quantizers.fake_quant_with_min_max_vars(X, low, high, bits, narrow, axis))
    step = (np.asarray(high) - low) / (2**bits - 1 - narrow)
    np.testing.assert_allclose(found / step, np.round(found / step), atol=1e-4)
    inside = (np.asarray(low) + step < X) & (np.asarray(high) - step > X)
    assert (np.abs(found - X) <= 0.5001 * step)[inside].all()


@pytest.mark.trains
def test_gradients_pass_inside_and_go_to_the_bounds_outside() -> None:
    x = np.array([-3, -0.5, 0.2, 2, 5], "float32")

    def loss(arrays: list[Any]) -> Any:
        return ops.sum(
            ops.multiply(quantizers.fake_quant_with_min_max_vars(*arrays), np.array([1, 2, 3, 4, 5], "float32"))
        ), None

    arrays = [ops.convert_to_tensor(np.float32(a)) for a in (x, -1, 1)]
    _, gradients = backends.current().value_and_grad(loss)(arrays)
    for got, expected in zip(gradients, ([0, 2, 3, 0, 0], 1, 9), strict=True):
        np.testing.assert_allclose(host(got), expected)


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2"])
def test_eight_bit_floats(dtype: str) -> None:
    found = host(quantizers.quantize_and_dequantize(X * 1000, 0.5, dtype, "float32"))
    largest = float(ml_dtypes.finfo(dtype).max)
    expected = np.clip(X * 2000, -largest, largest).astype(getattr(ml_dtypes, dtype)).astype("float32") / 2
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_scales_of_no_use_keep_the_one_before() -> None:
    found = quantizers.compute_float8_scale(
        np.array([0, np.inf, 2], "float32"), np.array([3, 4, 5], "float32"), 448.0, margin=1
    )
    np.testing.assert_allclose(host(found), [3, 4, 4 / 448], rtol=1e-6)


@pytest.mark.parametrize("options", [{"axis": 0}, {"axis": (0, 1), "value_range": (-7, 7)}, {}])
def test_objects_come_back_from_their_config(options: dict[str, Any]) -> None:
    one = quantizers.AbsMaxQuantizer(**options)
    other = quantizers.get(quantizers.serialize(one))
    for a, b in zip(one(X), other(X), strict=True):
        np.testing.assert_array_equal(host(a), host(b))
    assert quantizers.get(one) is one and quantizers.get(None) is None


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: quantizers.get("bogus"), ValueError, "bogus"),
        (lambda: quantizers.pack_int4(X), TypeError, "int8"),
        (lambda: quantizers.pack_int4(np.array([1], "int8"), dtype="int32"), ValueError, "int32"),
        (lambda: quantizers.fake_quant_with_min_max_vars(X, -1.0, 1.0, num_bits=1), ValueError, "from 2 to 16"),
        (lambda: quantizers.abs_max_quantize_grouped_with_zero_point(X, 0), ValueError, "block_size"),
        (lambda: quantizers.abs_max_quantize_grouped_with_zero_point(X[0], 2), ValueError, "matrix"),
        (lambda: quantizers.quantize_and_dequantize(X, 1.0, "int8", "float32"), ValueError, "float8_e5m2"),
    ],
)
def test_errors_say_what_was_expected(act: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        act()
