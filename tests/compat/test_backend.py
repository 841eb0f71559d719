"""`keras.backend` of Keras 1 and 2, against NumPy."""

from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr.compat import backend as old
from tahr.compat.optimizers import Optimizer

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
K: Any = keras.backend
A = np.array([[1.0, -2.0, 3.0], [4.0, 0.5, -6.0]], "float32")
I = np.array([2, 0])  # noqa: E741
B = np.arange(12, dtype="float32").reshape(2, 3, 2)

CASES: dict[str, tuple[Any, Any]] = {
    "mean": (lambda: K.mean(A, axis=-1), A.mean(-1)),
    "sum": (lambda: K.sum(A, axis=[0, 1], keepdims=True), A.sum(keepdims=True)),
    "max": (lambda: K.max(A, axis=0), A.max(0)),
    "std": (lambda: K.std(A), A.std()),
    "any": (lambda: K.any(K.greater(A, 3.5), axis=1), [False, True]),
    "clip": (lambda: K.clip(A, -1, 2), A.clip(-1, 2)),
    "dot": (lambda: K.dot(A, A.T), A @ A.T),
    "dot of many axes": (lambda: K.dot(B, np.ones((2, 4), "float32")), B @ np.ones((2, 4))),
    "batch_dot": (lambda: K.batch_dot(A, A, axes=1), (A * A).sum(1, keepdims=True)),
    "batch_dot of matrices": (lambda: K.batch_dot(B, B.transpose(0, 2, 1)), B @ B.transpose(0, 2, 1)),
    "concatenate": (lambda: K.concatenate([A, A]), np.concatenate([A, A], -1)),
    "expand_dims": (lambda: K.expand_dims(A), A[..., None]),
    "argmax": (lambda: K.argmax(A), A.argmax(-1)),
    "cumsum": (lambda: K.cumsum(A), A.cumsum(0)),
    "flatten": (lambda: K.flatten(A), A.reshape(-1)),
    "batch_flatten": (lambda: K.batch_flatten(B), B.reshape(2, -1)),
    "gather": (lambda: K.gather(A.T, I), A.T[I]),
    "one_hot": (lambda: K.one_hot(I, 3), np.eye(3)[I]),
    "permute_dimensions": (lambda: K.permute_dimensions(B, (0, 2, 1)), B.transpose(0, 2, 1)),
    "repeat": (lambda: K.repeat(A, 2), np.repeat(A[:, None], 2, 1)),
    "repeat_elements": (lambda: K.repeat_elements(A, 2, 1), np.repeat(A, 2, 1)),
    "reverse": (lambda: K.reverse(A, 1), A[:, ::-1]),
    "l2_normalize": (lambda: K.l2_normalize(A, 1), A / np.linalg.norm(A, axis=1, keepdims=True)),
    "switch": (lambda: K.switch(K.greater(A, 0), A, -A), np.abs(A)),
    "switch on rows": (lambda: K.switch(np.array([True, False]), lambda: A, lambda: 0 * A), [[1, -2, 3], [0, 0, 0]]),
    "pow": (lambda: K.pow(A, 2), A**2),
    "relu": (lambda: K.relu(A, alpha=0.5, max_value=2.0), np.where(A > 0, np.minimum(A, 2), 0.5 * A)),
    "hard_sigmoid": (lambda: K.hard_sigmoid(A), np.clip(0.2 * A + 0.5, 0, 1)),
    "bias_add": (lambda: K.bias_add(A, np.ones(3, "float32")), A + 1),
    "foldl": (lambda: K.foldl(lambda a, b: a + b, A), A.sum(0)),
    "map_fn": (lambda: K.map_fn(lambda row: row * 2, A), A * 2),
    "temporal_padding": (lambda: K.temporal_padding(B, (1, 2)), np.pad(B, [(0, 0), (1, 2), (0, 0)])),
    "arange": (lambda: K.arange(2, 8, 3), [2, 5]),
    "constant": (lambda: K.constant(2.0, shape=(2,)), [2, 2]),
    "cast_to_floatx": (lambda: K.cast_to_floatx([1, 2]), [1, 2]),
    "in_train_phase": (lambda: K.in_train_phase(A, -A, training=True), A),
    "in_test_phase": (lambda: K.in_test_phase(lambda: A, -A), A),
    "categorical_crossentropy": (
        lambda: K.categorical_crossentropy(np.array([[0.0, 1.0]]), np.array([[0.25, 0.75]])), [-np.log(0.75)],
    ),
    "conv1d": (lambda: K.conv1d(B, np.ones((2, 2, 1), "float32")), (B[:, :-1] + B[:, 1:]).sum(-1, keepdims=True)),
    "pool2d": (lambda: K.pool2d(B[..., None], (3, 2), pool_mode="avg"), B.mean((1, 2))[:, None, None, None]),
    "int_shape": (lambda: K.int_shape(keras.Input((4,)))[1:], (4,)),
    "count_params": (lambda: K.count_params(A), 6),
    "epsilon": (lambda: K.epsilon(), 1e-7),
    "ctc_batch_cost": (
        lambda: K.ctc_batch_cost(np.array([[0]]), np.full((1, 2, 2), 0.5), np.array([[2]]), np.array([[1]])),
        [[-np.log(0.75)]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values(name: str) -> None:
    make, wanted = CASES[name]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(make()), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.once
def test_every_name_is_there() -> None:
    assert all(old.find(name) is not None for name in old.listed()) and len(old.listed()) > 120


def test_variables() -> None:
    x = K.variable([[1.0, 2.0]], name="x")
    K.set_value(x, [[3.0, 4.0]])
    K.update_add(x, 1.0)
    np.testing.assert_array_equal(K.get_value(x), [[4, 5]])
    K.update(K.zeros((2,)), [1.0, 2.0])
    K.batch_set_value([(x, [[0.0, 0.0]])])
    assert K.batch_get_value([x])[0].tolist() == [[0, 0]] and K.eval(x + 1).tolist() == [[1, 1]]
    assert K.dtype(K.ones((2,), dtype="int32")) == "int32"
    with pytest.raises(TypeError, match="expected a variable"):
        K.set_value(1.0, 2.0)


def test_functions_of_a_graph() -> None:
    x = keras.Input((3,))
    y = keras.layers.Dropout(0.5)(keras.layers.Dense(4, kernel_initializer="ones")(x))
    run = K.function([x, K.learning_phase()], [y])
    np.testing.assert_allclose(run([A, 0])[0], np.repeat(A.sum(1, keepdims=True), 4, 1), rtol=1e-5)
    assert (run([np.ones((50, 3)), 1])[0] == 0).any() and isinstance(run([A, 0])[0], np.ndarray)
    single = K.function([x], y)
    assert single([A]).shape == (2, 4)


@pytest.mark.trains
def test_gradients_of_a_graph() -> None:
    x = keras.Input((3,))
    hidden = keras.layers.Dense(2, kernel_initializer="ones", name="hidden")(x)
    y = keras.ops.sum(keras.ops.square(hidden), axis=-1)
    to_input, to_hidden = K.gradients(K.mean(y) * 2.0, x)[0], K.gradients(y, [hidden])[0]
    found = K.function([x], [to_input, to_hidden])([A])
    s = A.sum(1, keepdims=True)
    np.testing.assert_allclose(found[0], np.repeat(4 * s, 3, 1), rtol=1e-4)
    np.testing.assert_allclose(found[1], np.repeat(2 * s, 2, 1), rtol=1e-4)
    with pytest.raises(TypeError, match="expected the variable to be a symbol"):
        K.gradients(y, K.variable(1.0))


class Momentum(Optimizer):
    """As Keras 2 wrote optimizers, with a decay that depends on the number of updates."""

    def __init__(self, lr: float = 0.1, momentum: float = 0.9, decay: float = 0.1, **kwargs: Any):
        super().__init__(**kwargs)
        self.iterations = K.variable(0, dtype="int64", name="iterations")
        self.lr = K.variable(lr, name="lr")
        self.momentum, self.initial_decay = momentum, decay

    def get_updates(self, loss: Any, params: Any) -> Any:
        grads = self.get_gradients(loss, params)
        self.updates = [K.update_add(self.iterations, 1)]
        rate = self.lr * (1.0 / (1.0 + self.initial_decay * K.cast(self.iterations, "float32")))
        moments = [K.zeros(K.int_shape(p)) for p in params]
        for p, g, m in zip(params, grads, moments, strict=True):
            v = self.momentum * m - rate * g
            self.updates += [K.update(m, v), (p, p + v)]
        return self.updates


@pytest.mark.trains
@pytest.mark.parametrize("eager", [False, True])
def test_custom_optimizers(eager: bool) -> None:
    x = np.random.default_rng(0).uniform(size=(32, 4)).astype("float32")
    found = []
    schedule = keras.optimizers.schedules.InverseTimeDecay(0.1, 1, 0.1)
    for optimizer in (Momentum(), keras.optimizers.SGD(schedule, momentum=0.9)):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "tanh"), keras.layers.Dense(1)])
        model.compile(optimizer, "mse", run_eagerly=eager)
        history = model.fit(x, x[:, :1], batch_size=8, epochs=3, shuffle=False, verbose=0).history["loss"]
        found.append([*history, *(float(w.sum()) for w in model.get_weights())])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)


@pytest.mark.trains
def test_custom_optimizers_of_todays_form() -> None:
    class Plain(Optimizer):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            self.assign_sub(variable, learning_rate * gradient)

    v = keras.Variable([1.0, 2.0])
    Plain(learning_rate=0.5).apply([keras.ops.array([1.0, 1.0])], [v])
    assert v.numpy().tolist() == [0.5, 1.5]

    class Wrong(Optimizer):
        def get_updates(self, loss: Any, params: Any) -> Any:
            return [1]

    with pytest.raises(TypeError, match="pairs of a variable"):
        Wrong().apply([keras.ops.array([1.0, 1.0])], [v])


OLD_LAYERS = ("Highway", "MaxoutDense", "LocallyConnected1D", "LocallyConnected2D")


@pytest.mark.parametrize("name", OLD_LAYERS)
def test_layers_that_are_gone(name: str) -> None:
    make: Any = getattr(keras.layers, name)
    shape = {"LocallyConnected1D": (5, 3), "LocallyConnected2D": (5, 4, 3)}.get(name, (6,))
    layer = make(**{"Highway": {"activation": "tanh"}, "MaxoutDense": {"output_dim": 2, "nb_feature": 3}}.get(
        name, {"filters": 2, "kernel_size": 2, "strides": 2}))  # fmt: skip
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    found = keras.ops.convert_to_numpy(layer(x))
    assert tuple(layer.compute_output_shape((2, *shape))) == found.shape
    again = make.from_config(layer.get_config())
    again.build((2, *shape))
    again.set_weights(layer.get_weights())
    np.testing.assert_allclose(keras.ops.convert_to_numpy(again(x)), found, rtol=1e-5)
    weights = layer.get_weights()
    if name == "Highway":
        gate = 1 / (1 + np.exp(-(x @ weights[1] + weights[3])))
        wanted = gate * np.tanh(x @ weights[0] + weights[2]) + (1 - gate) * x
    elif name == "MaxoutDense":
        wanted = (np.einsum("bi,fio->bfo", x, weights[0]) + weights[1]).max(1)
    else:
        kernel, bias = weights
        places = list(np.ndindex(*bias.shape[:-1]))
        wanted = np.stack([
            x[(slice(None), *(slice(2 * i, 2 * i + 2) for i in place))].reshape(2, -1) @ kernel[n] + bias[place]
            for n, place in enumerate(places)
        ], 1).reshape(2, *bias.shape)  # fmt: skip
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.once
def test_rows_of_an_hdf5_file(tmp_path: Any) -> None:
    import h5py

    from tahr.compat.helpers import HDF5Matrix

    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.arange(20).reshape(10, 2)
    rows = HDF5Matrix(tmp_path / "x.h5", "x", start=2, end=8, normalizer=lambda x: x / 2)
    assert len(rows) == 6 and rows.shape == (6, 2)
    np.testing.assert_array_equal(rows[[4, 0, 0]], np.arange(20).reshape(10, 2)[[6, 2, 2]] / 2)
    np.testing.assert_array_equal(np.asarray(rows), np.arange(4, 16).reshape(6, 2) / 2)
