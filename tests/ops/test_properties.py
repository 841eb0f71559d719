"""Properties that hold for all shapes, axes, indices and nestings, on examples that hypothesis finds."""

from typing import Any

import numpy as np
import optree
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tahr import KerasTensor, backends, ops, shapes, tree

# JAX compiles every shape anew
EXAMPLES = 8 if backends.current().name == "jax" else 25
settings.register_profile("tahr", max_examples=EXAMPLES, deadline=None, derandomize=True)
settings.load_profile("tahr")

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
FULL = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4)


def filled(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(int(np.prod(shape)), dtype="float32").reshape(shape) / 3 - 2


def host(x: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(x))


@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4, min_side=0), st.data())
def test_broadcasting(found: Any, data: Any) -> None:
    a, b = (filled(s) for s in found.input_shapes)
    np.testing.assert_allclose(host(ops.add(a, b)), a + b)
    hidden = [tuple(None if data.draw(st.booleans()) else n for n in s) for s in found.input_shapes]
    said = ops.add(*(KerasTensor(s, record_history=False) for s in hidden)).shape
    assert all(n is None or n == m for n, m in zip(said, found.result_shape, strict=True))


@given(FULL, st.data())
def test_axes(shape: tuple[int, ...], data: Any) -> None:
    x = filled(shape)
    rank = len(shape)
    axes = tuple(data.draw(st.lists(st.integers(-rank, rank - 1), unique_by=lambda i: i % rank, max_size=rank)))
    keep = data.draw(st.booleans())
    for name in ("sum", "mean", "max", "prod", "any", "var"):
        expected = getattr(np, name)(x, axis=axes, keepdims=keep)
        np.testing.assert_allclose(
            host(getattr(ops, name)(x, axis=axes, keepdims=keep)), expected, rtol=1e-4, atol=1e-5
        )


@given(SHAPES, st.data())
def test_reshape(shape: tuple[int, ...], data: Any) -> None:
    x = filled(shape)
    target = list(data.draw(st.permutations(shape)))
    if target and 0 not in shape and data.draw(st.booleans()):
        target[data.draw(st.integers(0, len(target) - 1))] = -1
    np.testing.assert_array_equal(host(ops.reshape(x, target)), x.reshape(target))
    assert ops.reshape(KerasTensor(shape, record_history=False), target).shape == x.reshape(target).shape


@given(FULL, st.data())
def test_basic_indexing(shape: tuple[int, ...], data: Any) -> None:
    x = filled(shape)
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    np.testing.assert_array_equal(host(ops.get_item(x, key)), x[key])
    assert ops.get_item(KerasTensor(shape, record_history=False), key).shape == x[key].shape


@given(FULL, st.data())
def test_advanced_indexing(shape: tuple[int, ...], data: Any) -> None:
    x = filled(shape)
    key = data.draw(hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=3)))
    key = tuple(k.astype("int32") for k in key)
    np.testing.assert_array_equal(host(ops.get_item(x, key)), x[key])
    assert ops.get_item(KerasTensor(shape, record_history=False), key).shape == x[key].shape


@given(FULL, st.data())
def test_pad(shape: tuple[int, ...], data: Any) -> None:
    x = filled(shape)
    mode = data.draw(st.sampled_from(["constant", "edge", "reflect", "symmetric", "wrap"]))
    widths = data.draw(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=len(shape), max_size=len(shape))
    )
    np.testing.assert_array_equal(host(ops.pad(x, widths, mode=mode)), np.pad(x, widths, mode=mode))


@given(FULL, st.data())
def test_moving_axes_and_back(shape: tuple[int, ...], data: Any) -> None:
    x = filled(shape)
    order = data.draw(st.permutations(range(len(shape))))
    np.testing.assert_array_equal(host(ops.transpose(ops.transpose(x, order), np.argsort(order).tolist())), x)
    source, target = (data.draw(st.permutations(range(len(shape)))) for _ in range(2))
    np.testing.assert_array_equal(host(ops.moveaxis(x, source, target)), np.moveaxis(x, source, target))


LETTERS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True)


@given(LETTERS, LETTERS, st.data())
def test_einsum(left: list[str], right: list[str], data: Any) -> None:
    sizes = {"a": 2, "b": 3, "c": 1, "d": 4}
    output = data.draw(st.lists(st.sampled_from(sorted({*left, *right})), unique=True, max_size=4))
    text = f"{''.join(left)},{''.join(right)}->{''.join(output)}"
    x, y = (filled(tuple(sizes[c] for c in term)) for term in (left, right))
    np.testing.assert_allclose(host(ops.einsum(text, x, y)), np.einsum(text, x, y), rtol=1e-4, atol=1e-4)
    said = ops.einsum(text, *(KerasTensor(v.shape, record_history=False) for v in (x, y)))
    assert said.shape == tuple(sizes[c] for c in output)


@given(hnp.arrays("float32", FULL, elements=st.floats(-10, 10, width=16)), st.floats(0, 1))
def test_quantiles(x: np.ndarray, q: float) -> None:
    np.testing.assert_allclose(host(ops.quantile(x, q)), np.quantile(x.astype("float64"), q), rtol=1e-3, atol=1e-3)
    ordered = host(ops.sort(x, axis=-1))
    assert (np.diff(ordered, axis=-1) >= 0).all()
    np.testing.assert_array_equal(host(ops.take_along_axis(x, ops.argsort(x), axis=-1)), ordered)


@given(st.integers(1, 30), st.integers(1, 30), st.data())
def test_windows_fit(size: int, width: int, data: Any) -> None:
    stride, dilation = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    before, after = shapes.same_padding(size, width, stride, dilation)
    assert shapes.window(size + before + after, width, stride, "valid", dilation) == shapes.window(
        size, width, stride, "same"
    )


NESTED = st.recursive(
    st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
)


@given(NESTED)
def test_trees(structure: Any) -> None:
    leaves = tree.flatten(structure)
    assert tree.pack_sequence_as(structure, leaves) == structure
    assert tree.flatten(tree.map_structure(lambda x: x + 1, structure)) == [x + 1 for x in leaves]
    assert [leaf for _, leaf in tree.flatten_with_path(structure)] == leaves


# ---- edges: nothing there, no axis, many axes, steps below zero, NaN and infinities ----------------------------------

EMPTY = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=3).filter(lambda shape: 0 in shape)
WILD = st.floats(width=32, allow_nan=True, allow_infinity=True, allow_subnormal=False)  # XLA takes these for 0


@given(EMPTY, st.data())
def test_nothing_there(shape: tuple[int, ...], data: Any) -> None:
    x = np.zeros(shape, "float32")
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    for name in ("sum", "prod", "any", "all", "cumsum", "flip", "sort"):
        expected = getattr(np, name)(x, axis=axis)
        found = host(getattr(ops, name)(x, axis=axis))
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found, expected)
    for name in ("exp", "square", "isnan", "transpose", "relu"):
        assert host(getattr(ops, name)(x)).shape == (shape[::-1] if name == "transpose" else shape)
    assert host(ops.concatenate([x, x], axis=axis)).shape == np.concatenate([x, x], axis=axis).shape
    assert host(ops.max(x, axis=axis, initial=1.0)).shape == np.max(x, axis=axis, initial=1.0).shape


@given(WILD)
def test_arrays_without_axes(value: float) -> None:
    x = np.array(value, "float32")
    with np.errstate(all="ignore"):
        for name in ("sum", "max", "mean", "square", "abs", "sign", "isnan", "ravel", "sort"):
            expected = getattr(np, name)(x) if name != "sort" else x
            found = host(getattr(ops, name)(x, axis=None) if name == "sort" else getattr(ops, name)(x))
            expected = np.asarray(expected)
            np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-6, atol=1e-37)  # denormals: 0
    assert host(ops.expand_dims(x, 0)).shape == (1,)
    assert host(ops.reshape(x, (1, 1))).shape == (1, 1)


@given(
    hnp.arrays("float32", hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=5), elements=WILD), st.data()
)
def test_nan_and_infinities(x: np.ndarray, data: Any) -> None:
    y = data.draw(hnp.arrays("float32", x.shape, elements=WILD))
    with np.errstate(all="ignore"):
        for name in ("maximum", "minimum", "fmax", "fmin", "add", "multiply", "equal", "less", "logaddexp"):
            expected = getattr(np, name)(x, y)
            np.testing.assert_allclose(host(getattr(ops, name)(x, y)), expected, rtol=1e-5)
        for name in (
            "max",
            "min",
            "argmax",
            "argmin",
            "sort",
            "isnan",
            "isinf",
            "isfinite",
            "sign",
            "nan_to_num",
            "tanh",
        ):
            np.testing.assert_allclose(host(getattr(ops, name)(x)), getattr(np, name)(x), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(host(ops.clip(x, -1, 1)), np.clip(x, -1, 1))


@given(FULL, st.data())
def test_steps_below_zero(shape: tuple[int, ...], data: Any) -> None:
    steps = [data.draw(st.sampled_from([-2, -1, 1, 2])) for _ in shape]
    view = filled(shape)[tuple(slice(None, None, step) for step in steps)]
    np.testing.assert_array_equal(host(ops.convert_to_tensor(view)), view)
    np.testing.assert_allclose(host(ops.multiply(view, view)), view * view)
    np.testing.assert_array_equal(host(ops.transpose(view)), view.T)


@given(st.integers(9, 16), st.data())
def test_many_axes(rank: int, data: Any) -> None:
    shape = data.draw(st.lists(st.integers(1, 2), min_size=rank, max_size=rank).filter(lambda s: np.prod(s) <= 512))
    x = filled(tuple(shape))
    order = data.draw(st.permutations(range(rank)))
    np.testing.assert_array_equal(host(ops.transpose(x, order)), x.transpose(order))
    axes = tuple(sorted(order[: rank // 2]))
    np.testing.assert_allclose(host(ops.sum(x, axis=axes)), x.sum(axis=axes), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(host(ops.flip(x, axis=order[0])), np.flip(x, order[0]))
    assert ops.expand_dims(KerasTensor(shape, record_history=False), -1).shape == (*shape, 1)


@given(NESTED, NESTED)
def test_trees_that_differ(a: Any, b: Any) -> None:
    same = optree.tree_structure(a, none_is_leaf=True) == optree.tree_structure(b, none_is_leaf=True)
    if same:
        tree.assert_same_structure(a, b)
    else:
        with pytest.raises(ValueError, match="differ"):
            tree.assert_same_structure(a, b)
    tree.assert_same_structure(a, tree.map_structure(str, a))
    assert tree.flatten(tree.lists_to_tuples(a)) == tree.flatten(a)
