"""On JAX, windows made of slices (on CPU) give the values and gradients of XLA's own operations, and likewise loops."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")

from tahr.backends.jax import convolution, recurrent, windows  # noqa: E402
from tahr.backends.jax.convolution import Convolution  # noqa: E402
from tahr.backends.jax.windows import Windows  # noqa: E402

pytestmark = pytest.mark.once
RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype("float32")


def both_ways(monkeypatch: Any, run: Callable[..., Any], *arrays: Any) -> None:
    """Compare values and gradients of `run` as on a CPU and as elsewhere."""
    found = []
    for cpu in (True, False):
        for module in (convolution, recurrent, windows):
            monkeypatch.setattr(module, "on_cpu", lambda cpu=cpu: cpu)
        outputs, back = jax.vjp(run, *arrays)
        leaves = jax.tree.leaves(outputs)
        seed = np.random.default_rng(1)
        weights = jax.tree.unflatten(
            jax.tree.structure(outputs), [seed.normal(size=x.shape).astype(x.dtype) for x in leaves]
        )
        found.append([*leaves, *jax.tree.leaves(back(weights))])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-4)


ONE, TWO, THREE, MANY = (2, 9, 4), (2, 7, 6, 4), (1, 4, 5, 4, 4), (2, 7, 6, 9)
CONVOLUTIONS = [
    # inputs, kernel, strides, edges, dilation, groups
    (ONE, (3, 4, 6), (1,), ((0, 0),), (1,), 1),
    (ONE, (3, 4, 6), (2,), ((1, 1),), (1,), 1),
    (ONE, (3, 4, 6), (1,), ((2, 2),), (2,), 1),
    (ONE, (1, 4, 6), (3,), ((0, 0),), (1,), 1),
    (TWO, (3, 2, 4, 6), (1, 1), ((1, 1), (0, 1)), (1, 1), 1),
    (TWO, (3, 2, 4, 6), (2, 3), ((0, 1), (0, 0)), (1, 1), 1),
    (TWO, (3, 2, 2, 6), (1, 2), ((1, 1), (0, 1)), (1, 1), 2),
    (TWO, (3, 3, 1, 8), (1, 1), ((1, 1), (1, 1)), (1, 1), 4),
    (TWO, (3, 3, 4, 40), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    (TWO, (3, 3, 4, 40), (2, 1), ((1, 1), (1, 1)), (1, 2), 1),
    (TWO, (3, 3, 4, 32), (1, 2), ((0, 1), (1, 1)), (1, 1), 1),
    (TWO, (2, 5, 4, 16), (1, 1), ((0, 1), (2, 2)), (1, 1), 1),
    (TWO, (1, 1, 4, 5), (2, 2), ((0, 0), (0, 0)), (1, 1), 1),
    (THREE, (2, 3, 2, 4, 3), (1, 2, 1), ((0, 1), (1, 1), (0, 0)), (1, 1, 1), 1),
    (MANY, (3, 2, 9, 3), (1, 1), ((1, 1), (0, 1)), (1, 1), 1),
    (MANY, (3, 2, 9, 3), (2, 3), ((0, 1), (0, 0)), (1, 1), 1),
    (MANY, (2, 2, 9, 3), (3, 2), ((0, 0), (0, 0)), (1, 1), 1),
    (MANY, (2, 3, 9, 3), (1, 1), ((1, 2), (2, 2)), (3, 2), 1),
    (MANY, (2, 3, 9, 3), (2, 1), ((2, 1), (1, 2)), (1, 2), 1),
    ((2, 11, 9), (4, 9, 3), (3,), ((2, 1),), (1,), 1),
    (MANY, (3, 2, 1, 9), (1, 1), ((1, 1), (0, 1)), (1, 1), 9),
    (MANY, (2, 3, 1, 9), (2, 3), ((1, 1), (0, 2)), (1, 1), 9),
    (MANY, (3, 2, 1, 9), (1, 1), ((1, 1), (0, 1)), (2, 3), 9),
    ((2, 12, 12, 3), (11, 11, 3, 2), (1, 1), ((5, 5), (5, 5)), (1, 1), 1),
]


@pytest.mark.parametrize("last", [True, False], ids=["channels_last", "channels_first"])
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_conv(case: Any, last: bool, monkeypatch: Any) -> None:
    inputs, kernel, strides, edges, dilation, groups = case
    x = normal(*inputs) if last else np.moveaxis(normal(*inputs), -1, 1)
    both_ways(
        monkeypatch, lambda x, k: Convolution().conv(x, k, strides, edges, last, dilation, groups), x, normal(*kernel)
    )


TRANSPOSED = [
    # inputs, kernel, strides, starts, sizes, dilation
    (ONE, (3, 6, 4), (1,), (0,), (11,), (1,)),
    (ONE, (3, 6, 4), (2,), (1,), (18,), (1,)),
    (ONE, (2, 6, 4), (3,), (0,), (29,), (1,)),
    (ONE, (3, 6, 4), (1,), (2,), (9,), (2,)),
    (TWO, (3, 2, 5, 4), (2, 1), (0, 0), (14, 7), (1, 1)),
    (MANY, (2, 2, 5, 9), (2, 2), (0, 0), (14, 12), (1, 1)),
    (MANY, (3, 4, 9, 9), (2, 3), (1, 2), (13, 17), (1, 1)),
    (MANY, (3, 2, 9, 9), (3, 3), (0, 0), (22, 18), (1, 1)),
    (MANY, (3, 2, 9, 9), (2, 1), (1, 1), (15, 8), (2, 3)),
    (THREE, (2, 2, 3, 2, 4), (2, 2, 1), (0, 1, 0), (8, 9, 6), (1, 1, 1)),
]


@pytest.mark.parametrize("last", [True, False], ids=["channels_last", "channels_first"])
@pytest.mark.parametrize("case", TRANSPOSED, ids=str)
def test_conv_transpose(case: Any, last: bool, monkeypatch: Any) -> None:
    inputs, kernel, strides, starts, sizes, dilation = case
    x = normal(*inputs) if last else np.moveaxis(normal(*inputs), -1, 1)
    run = Convolution().conv_transpose
    both_ways(monkeypatch, lambda x, k: run(x, k, strides, starts, sizes, last, dilation), x, normal(*kernel))


@pytest.fixture(params=[0, 1 << 30], ids=["gradient_by_convolution", "gradient_by_products"])
def gradient_of_kernels(request: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(convolution, "_CACHED_PATCH_BYTES", request.param)
    monkeypatch.setattr(convolution, "_CACHED_SAMPLE_BYTES", request.param)
    jax.clear_caches()


@pytest.mark.usefixtures("gradient_of_kernels")
@pytest.mark.parametrize("case", CONVOLUTIONS[-10:], ids=str)
def test_conv_of_the_fast_form(case: Any, monkeypatch: Any) -> None:
    """Second derivatives, derivatives forward, and what is mapped, are those of XLA's own, by the same program."""
    inputs, kernel, strides, edges, dilation, groups = case
    x, k, turn = normal(3, *inputs), normal(3, *kernel), normal(*kernel)

    def run(x: Any, k: Any) -> Any:
        return Convolution().conv(x, k, strides, edges, True, dilation, groups)

    def uses(x: Any, k: Any, turn: Any) -> Any:
        curved = jax.grad(lambda x, k: jax.numpy.sum(run(x, k) ** 3), argnums=(0, 1))
        forward = jax.jvp(partial(run, x[0]), (k[0],), (turn,))[1]
        second = jax.grad(lambda x, k: sum(jax.numpy.sum(g**2) for g in curved(x, k)), argnums=(0, 1))(x[0], k[0])
        each = jax.vmap(curved)(x, k)
        of_samples = jax.vmap(run, (0, None))(x, k[0]), jax.vmap(curved, (1, None))(x.swapaxes(0, 1), k[0])
        return forward, second, each, of_samples

    found = []
    for cpu in (True, False):
        for module in (convolution, windows):
            monkeypatch.setattr(module, "on_cpu", lambda cpu=cpu: cpu)
        found.append(jax.tree.leaves(jax.jit(lambda *arrays: uses(*arrays))(x, k, turn)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3 * np.abs(other).max())


def test_a_program_over_a_mesh_leaves_convolutions_to_jax() -> None:
    """What differs from device to device is known for JAX's own operations only."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("d",))
    x, k = normal(2, 7, 6, 9), normal(3, 3, 9, 4)

    def loss(x: Any, k: Any) -> Any:
        found = Convolution().conv(x, k, (1, 1), ((1, 1), (1, 1)), True, (1, 1), 1)
        return jax.lax.pmean(jax.numpy.sum(found**2), "d")

    spec = jax.sharding.PartitionSpec
    divided = jax.shard_map(jax.grad(loss, argnums=1), mesh=mesh, in_specs=(spec("d"), spec()), out_specs=spec())
    order = ("NHWC", "HWIO", "NHWC")

    def plain(k: Any) -> Any:
        return jax.numpy.sum(jax.lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=order) ** 2)

    alone = jax.grad(plain)
    np.testing.assert_allclose(divided(x, k), alone(k), rtol=1e-3, atol=1e-3)


def test_a_gradient_is_no_convolution_that_is_slow_in_loops() -> None:
    """XLA computes only those fast in loops whose axes need no transposing."""

    def loss(x: Any, k: Any) -> Any:
        return jax.numpy.sum(Convolution().conv(x, k, (1, 1), ((1, 1), (1, 1)), True, (1, 1), 1))

    program = jax.jit(jax.grad(loss, argnums=(0, 1))).lower(normal(64, 32, 32, 16), normal(3, 3, 16, 16)).as_text()
    orders = re.findall(r"dim_numbers = (\[.*?\])x(\[.*?\])->(\[.*?\])", program)
    assert len(orders) >= 2  # of the array and of the kernel
    assert set(orders) == {("[b, 0, 1, f]", "[0, 1, i, o]", "[b, 0, 1, f]")}


POOLS = [
    (ONE, (3,), (2,), ((0, 0),)),
    (ONE, (2,), (1,), ((0, 1),)),
    (TWO, (2, 2), (2, 2), ((0, 0), (0, 0))),
    (TWO, (3, 2), (1, 2), ((1, 1), (0, 0))),
    (THREE, (2, 3, 2), (2, 1, 2), ((0, 0), (1, 1), (0, 0))),
]


@pytest.mark.parametrize("duty", ["max_pool", "sum_pool"])
@pytest.mark.parametrize("last", [True, False], ids=["channels_last", "channels_first"])
@pytest.mark.parametrize("case", POOLS, ids=str)
def test_pool(case: Any, last: bool, duty: str, monkeypatch: Any) -> None:
    inputs, widths, strides, edges = case
    x = normal(*inputs) if last else np.moveaxis(normal(*inputs), -1, 1)
    both_ways(monkeypatch, lambda x: getattr(Windows(), duty)(x, widths, strides, edges, last), x)


def test_first_of_equals_gets_the_gradient(monkeypatch: Any) -> None:
    x = np.repeat(np.repeat(normal(2, 3, 3, 2), 2, axis=1), 2, axis=2)
    both_ways(monkeypatch, lambda x: Windows().max_pool(x, (2, 2), (2, 2), ((0, 0), (0, 0)), True), x)


def test_largest_keeps_nan_and_integers() -> None:
    x = np.array([1.0, np.nan, 0.0, np.nan, 2.0, 3.0], "float32").reshape(1, 6, 1)
    found = Windows().max_pool(jax.numpy.asarray(x), (2,), (2,), ((0, 0),), True)
    np.testing.assert_array_equal(np.isnan(found).ravel(), [True, True, False])
    whole = Windows().max_pool(jax.numpy.asarray([[[-5], [-7], [-9]]]), (2,), (1,), ((0, 1),), True)
    np.testing.assert_array_equal(whole.ravel(), [-5, -7, -9])


MASK = np.array([[1, 1, 0, 1, 1], [0, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)


@pytest.mark.parametrize("mask", [None, MASK], ids=["plain", "masked"])
@pytest.mark.parametrize("duty", ["lstm", "gru"])
def test_loops_inside_and_outside(duty: str, mask: Any, monkeypatch: Any) -> None:
    gates, count = (4, 2) if duty == "lstm" else (3, 1)
    bias = normal(4 * 6) if duty == "lstm" else normal(2, 3 * 6)
    states = [normal(3, 6) for _ in range(count)]

    def run(x: Any, kernel: Any, recurrent: Any, bias: Any, states: Any) -> Any:
        return getattr(recurrent_duties, duty)(x, kernel, recurrent, bias, states, mask)

    recurrent_duties = recurrent.Recurrent()
    both_ways(monkeypatch, run, normal(3, 5, 4), normal(4, gates * 6), normal(6, gates * 6), bias, states)
