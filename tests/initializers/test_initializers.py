"""Every initializer: an array of the backend with the shape, type and numbers of its formula, the same everywhere."""

import zlib
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import initializers, ops

SHAPE = (40, 60)


def host(x: Any) -> np.ndarray:
    return ops.convert_to_numpy(x)


# fan in 40, fan out 60; name: (limit of the uniform one, deviation)
SCALED: dict[str, tuple[float | None, float]] = {
    "GlorotUniform": ((6 / 100) ** 0.5, (2 / 100) ** 0.5),
    "GlorotNormal": (None, (2 / 100) ** 0.5),
    "HeUniform": ((6 / 40) ** 0.5, (2 / 40) ** 0.5),
    "HeNormal": (None, (2 / 40) ** 0.5),
    "LecunUniform": ((3 / 40) ** 0.5, (1 / 40) ** 0.5),
    "LecunNormal": (None, (1 / 40) ** 0.5),
    "RandomUniform": (0.05, 0.05 / 3**0.5),
    "RandomNormal": (None, 0.05),
    "TruncatedNormal": (0.1, 0.05 * 0.8796),
}
# what the bytes of `name(seed=7)(SHAPE)` add up to, whatever computes afterwards
SUMS = {
    "GlorotUniform": 191295821,
    "GlorotNormal": 3701614700,
    "HeUniform": 2951752931,
    "HeNormal": 1104996662,
    "LecunUniform": 3482268504,
    "LecunNormal": 3049852512,
    "RandomUniform": 274216035,
    "RandomNormal": 4061506107,
    "TruncatedNormal": 286215594,
}
CONSTANTS: dict[str, tuple[Any, np.ndarray]] = {
    "Zeros": (initializers.Zeros(), np.zeros((3, 3))),
    "Ones": (initializers.Ones(), np.ones((3, 3))),
    "Constant": (initializers.Constant(2.5), np.full((3, 3), 2.5)),
    "Constant of an array": (initializers.Constant(np.arange(3.0)), np.tile(np.arange(3.0), (3, 1))),
    "Identity": (initializers.Identity(gain=2), 2 * np.eye(3)),
}


@pytest.mark.parametrize("name", CONSTANTS)
@pytest.mark.parametrize("dtype", ["float32", "float16", "int32"])
def test_constants(name: str, dtype: str) -> None:
    made, wanted = CONSTANTS[name]
    found = made((3, 3), dtype=dtype)
    assert ops.is_tensor(found) and ops.dtype(found) == dtype
    np.testing.assert_array_equal(host(found), wanted.astype(dtype))


@pytest.mark.parametrize("name", SCALED)
def test_spread(name: str) -> None:
    limit, deviation = SCALED[name]
    found = getattr(initializers, name)(seed=7)(SHAPE)
    assert ops.is_tensor(found) and ops.dtype(found) == "float32" and tuple(found.shape) == SHAPE
    values = host(found)
    assert abs(values.mean()) < 4 * deviation / values.size**0.5
    np.testing.assert_allclose(values.std(), deviation, rtol=0.05)
    if limit is not None:
        assert np.abs(values).max() <= limit
        assert np.abs(values).max() > 0.9 * limit


@pytest.mark.parametrize("name", SUMS)
def test_a_seed_gives_the_same_bits_on_every_backend(name: str) -> None:
    make = getattr(initializers, name)
    one, other = host(make(seed=7)(SHAPE)), host(make(seed=7)(SHAPE))
    assert one.tobytes() == other.tobytes() != host(make(seed=8)(SHAPE)).tobytes()
    assert zlib.crc32(one.tobytes()) == SUMS[name]


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (2, 3, 4)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    values = host(initializers.Orthogonal(gain=3, seed=1)(shape)).reshape(-1, shape[-1])
    small = values if values.shape[0] <= values.shape[1] else values.T
    np.testing.assert_allclose(small @ small.T, 9 * np.eye(len(small)), atol=1e-5)


@pytest.mark.parametrize("given", ["he_normal", "HeNormal", initializers.HeNormal, {"class_name": "HeNormal"}], ids=str)
def test_get(given: Any) -> None:
    assert isinstance(initializers.get(given), initializers.HeNormal)


@pytest.mark.parametrize("name", [*SCALED, "Orthogonal", "Identity", "VarianceScaling"])
def test_config(name: str) -> None:
    made = getattr(initializers, name)() if name == "Identity" else getattr(initializers, name)(seed=3)
    config = initializers.serialize(made)
    again = initializers.deserialize(config)
    assert type(again) is type(made) and again.get_config() == made.get_config()
    np.testing.assert_array_equal(host(made((4, 4))), host(again((4, 4))))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: initializers.Identity()((2, 3, 4)), "Identity"),
        (lambda: initializers.Orthogonal()((3,)), "Orthogonal"),
        (lambda: initializers.VarianceScaling(scale=-1), "scale"),
        (lambda: initializers.VarianceScaling(mode="fan_inn"), "fan_inn"),
        (lambda: initializers.get("glorot_unifrom"), "Did you mean 'glorot_uniform'"),
    ],
    ids=["identity", "orthogonal", "scale", "mode", "name"],
)
def test_errors(call: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        call()


def test_one_of_your_own_in_a_layer() -> None:
    class Sevens(keras.Initializer):
        def __call__(self, shape: Any, dtype: Any = None) -> Any:
            return ops.full(shape, 7, dtype)

    layer = keras.layers.Dense(2, kernel_initializer=Sevens())
    layer.build((None, 3))
    assert layer.kernel.numpy().tolist() == [[7, 7]] * 3


@pytest.mark.parametrize("size", [3, 20_000])
def test_variables_take_what_initializers_draw(size: int) -> None:
    for initializer in (initializers.RandomUniform(seed=1), initializers.Zeros(), initializers.Constant(2.0)):
        for dtype in ("float32", "bfloat16", "int32"):
            variable = keras.Variable(initializer, shape=(size, 2), dtype=dtype)
            assert variable.dtype == dtype
            np.testing.assert_array_equal(host(variable.value), host(initializer((size, 2), dtype)))


@pytest.mark.parametrize("shape", [(90, 120), (120, 90), (3, 5, 30, 40)])
def test_variables_take_orthogonal_matrices_wherever_these_begin(shape: tuple[int, ...]) -> None:
    for seed in range(12):  # some begin where a framework can take them over, some do not
        initializer = initializers.Orthogonal(seed=seed)
        drawn = initializer.on_host(shape, "float32")
        assert drawn is not None and drawn.flags.c_contiguous
        initializer = initializers.Orthogonal(seed=seed)
        np.testing.assert_array_equal(host(keras.Variable(initializer, shape=shape).value), drawn)


def test_variables_of_one_initializer_share_no_memory() -> None:
    value = np.ones((20_000, 2), "float32")
    first, second = (keras.Variable(initializers.Constant(value), shape=value.shape) for _ in range(2))
    first.assign_add(ops.ones((20_000, 2)))
    assert host(second.value).max() == value.max() == 1


def test_an_initializer_that_changes_what_another_draws() -> None:
    class Positive(initializers.RandomUniform):
        def __call__(self, shape: Any, dtype: Any = None) -> Any:
            return ops.abs(super().__call__(shape, dtype)) + 1

    assert host(keras.Variable(Positive(), shape=(20_000,)).value).min() >= 1
