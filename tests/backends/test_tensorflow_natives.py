"""Models among what TensorFlow has of its own: tapes, functions, modules, checkpoints."""

import importlib
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import config, layers

pytestmark = [pytest.mark.trains, pytest.mark.skipif(config.backend() != "tensorflow", reason="is about TensorFlow")]
if config.backend() == "tensorflow":
    tf: Any = importlib.import_module("tensorflow")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 4)).astype("float32")
Y = (X @ np.array([[1.0], [-2.0], [0.5], [0.1]], "float32") + 0.3).astype("float32")


def make(seed: int = 0) -> Any:
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(6, "tanh"), layers.BatchNormalization(), layers.Dropout(0.1), layers.Dense(1)]
    )


def train(model: Any, optimizer: Any, wrap: Any, steps: int = 20) -> list[float]:
    """Train by a loop in TensorFlow's words, whose step goes through `wrap`, and return the losses."""
    metric = keras.metrics.Mean()

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        metric.update_state(loss)
        return loss

    run = wrap(step)
    losses = [float(run(X, Y)) for _ in range(steps)]
    assert float(metric.result()) == pytest.approx(np.mean(losses), rel=1e-5)
    return losses


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=1.0),
    "adam": lambda: keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.05, 5, 0.9), use_ema=True),
    "accumulating": lambda: keras.optimizers.RMSprop(0.01, gradient_accumulation_steps=2),
    "scaled": lambda: keras.mixed_precision.LossScaleOptimizer(keras.optimizers.Adam(0.02)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_in_a_function_is_the_step_run_at_once(name: str) -> None:
    found = []
    for wrap in (lambda step: step, tf.function):
        model, optimizer = make(), OPTIMIZERS[name]()
        losses = train(model, optimizer, wrap)
        found.append((losses, model.get_weights(), [v.numpy() for v in optimizer.variables]))
    assert found[0][0][-1] < found[0][0][0]
    for a, b in zip(*map(keras.tree.flatten, found), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_assignments_in_a_function_last() -> None:
    v = keras.Variable([1.0, 2.0])

    @tf.function
    def double() -> Any:
        v.assign(v * 2)
        v.assign_add([1.0, 1.0])
        return v.value

    double()
    np.testing.assert_array_equal(double(), [7.0, 11.0])
    np.testing.assert_array_equal(v.numpy(), [7.0, 11.0])


@pytest.mark.parametrize("frozen", [False, True])
def test_tapes_watch_what_is_trained(frozen: bool) -> None:
    model = make()
    model.layers[0].trainable = not frozen
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(X, training=True))
    assert len(tape.watched_variables()) == (4 if frozen else 6)
    gradients = tape.gradient(loss, model.trainable_variables)
    assert [g.shape for g in gradients] == [v.shape for v in model.trainable_variables]


class Tape(keras.Model):
    """A training step in the words of TensorFlow, with two updates and an inner loop."""

    def train_step(self, data: Any) -> dict[str, Any]:
        x, y = data
        for _ in range(2):
            with tf.GradientTape() as tape:
                loss = self.compute_loss(y=y, y_pred=self(x, training=True))
            self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        for metric in self.metrics:
            metric.update_state(loss) if metric.name == "loss" else metric.update_state(y, self(x))
        return {metric.name: metric.result() for metric in self.metrics}


@pytest.mark.parametrize("eagerly", [False, True])
def test_a_step_of_ones_own_with_a_tape(eagerly: bool) -> None:
    keras.utils.set_random_seed(0)
    x = keras.Input((4,))
    model = Tape(x, layers.Dense(1)(layers.BatchNormalization()(x)))
    model.compile(
        keras.optimizers.SGD(0.05), "mse", metrics=[keras.metrics.MeanAbsoluteError(name="mae")], run_eagerly=eagerly
    )
    history = model.fit(X, Y, batch_size=8, epochs=6, verbose=0).history
    assert list(history) == ["loss", "mae"] and history["loss"][-1] < 0.5 * history["loss"][0]
    assert int(model.optimizer.iterations) == 48


def checkpoint(folder: Any, seed: int, steps: int) -> Any:
    """Return a model, its optimizer and a checkpoint of both after some steps."""
    model, optimizer = make(seed), keras.optimizers.Adam(0.01)
    if steps:
        train(model, optimizer, tf.function, steps)
    return model, optimizer, tf.train.Checkpoint(model=model, optimizer=optimizer, epoch=keras.Variable(steps))


@pytest.mark.parametrize("steps", [0, 1])
def test_checkpoints_bring_everything_back(tmp_path: Any, steps: int) -> None:
    model, optimizer, first = checkpoint(tmp_path, 0, 3)
    path = first.save(str(tmp_path / "at"))
    other, restored, second = checkpoint(
        tmp_path, 1, steps
    )  # with no steps, slots take their values once there are any
    status = second.restore(path)
    if not steps:
        restored.build(other.trainable_variables)
    status.assert_consumed()
    assert int(second.epoch) == 3 and int(restored.iterations) == 3
    for ours, theirs in ((model.variables, other.variables), (optimizer.variables, restored.variables)):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


class Nested(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.rest = layers.Dense(3), [layers.Dense(2), layers.LSTM(2)]

    def call(self, x: Any) -> Any:
        return self.rest[1](self.rest[0](self.first(x))[:, None])


def test_checkpoints_of_models_without_weights_wait_for_them(tmp_path: Any) -> None:
    model = Nested()
    expected = model(X)
    path = tf.train.Checkpoint(model=model).write(str(tmp_path / "at"))
    other = Nested()
    status = tf.train.Checkpoint(model=other).read(path)
    found = other(X)
    status.assert_consumed()
    np.testing.assert_array_equal(expected, found)


def test_modules_keep_layers(tmp_path: Any) -> None:
    class Module(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.scale, self.own = layers.Dense(2), tf.Variable(2.0), keras.Variable(3.0)

        @tf.function
        def __call__(self, x: Any) -> Any:
            return self.layer(x) * self.scale + self.own

    module, other = Module(), Module()
    expected = module(X)
    other(X)
    path = tf.train.Checkpoint(module).save(str(tmp_path / "at"))
    tf.train.Checkpoint(other).restore(path).assert_consumed()
    np.testing.assert_array_equal(expected, other(X))


def test_steps_by_xla_are_the_same_steps() -> None:
    found = []
    for fused in (True, "auto"):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4, 1)), layers.LSTM(3), layers.BatchNormalization(), layers.Dense(1)])
        model.compile("adam", "mse", jit_compile=fused)
        losses = model.fit(X[..., None], Y, batch_size=8, epochs=2, verbose=0).history["loss"]
        found.append([losses, model.predict(X[:3, :, None], verbose=0), *model.get_weights()])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_programs_see_tensorflow_itself_with_our_keras(tmp_path: Any, capsys: Any) -> None:
    """`tahr run` answers for Keras alone where TensorFlow computes: tapes, data sets and functions are its own."""
    from tahr.compat.run import run_script

    (tmp_path / "program.py").write_text(
        "import tensorflow as tf\n"
        "from tensorflow.keras import layers\n"
        "model = tf.keras.Sequential([tf.keras.Input((2,)), layers.Dense(1, kernel_initializer='ones')])\n"
        "x = next(iter(tf.data.Dataset.from_tensors([[1.0, 2.0]])))\n"
        "with tf.GradientTape() as tape:\n"
        "    y = tf.reduce_sum(model(x))\n"
        "print(float(y), tape.gradient(y, model.trainable_variables)[0].numpy().ravel().tolist(), layers.__name__)\n"
        "print(type(model).__module__)\n"
    )
    before = vars(tf).get("keras", "nothing")
    assert run_script(str(tmp_path / "program.py"), []) == 0
    assert capsys.readouterr().out == "3.0 [1.0, 2.0] tensorflow.keras.layers\ntahr.models.sequential\n"
    assert vars(tf).get("keras", "nothing") is before


@pytest.mark.parametrize("in_graph", [False, True])
def test_tapes_go_through_rematerialized_layers(in_graph: bool) -> None:
    layer = layers.Dense(3)
    layer.build((None, 4))

    def slopes(call: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(call(tf.constant(X)) ** 2)
        return tape.gradient(loss, layer.trainable_variables)

    run = tf.function(slopes, autograph=False) if in_graph else slopes
    for a, b in zip(run(keras.remat(layer)), slopes(layer), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def several() -> Any:
    a, b = keras.Input((4,), name="a"), keras.Input((2,), name="b")
    h = layers.BatchNormalization()(layers.Concatenate()([a, b]))
    return keras.Model({"a": a, "b": b}, {"p": layers.Dense(1)(h), "q": layers.Dense(2)(layers.Dropout(0.5)(h))})


def test_saved_models_of_tensorflow_itself_serve(tmp_path: Any) -> None:
    model, b = several(), X[:, :2]
    tf.saved_model.save(model, str(tmp_path / "model"))
    expected = model({"a": X, "b": b})
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    for found in (loaded.signatures["serving_default"](a=X, b=b), loaded.serve({"a": X, "b": b})):
        for name in ("p", "q"):
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)
    plain = make()
    plain.compile("adam", "mse")
    plain.fit(X, Y, verbose=0)
    tf.saved_model.save(plain, str(tmp_path / "plain"))
    (found,) = tf.saved_model.load(str(tmp_path / "plain")).signatures["serving_default"](tf.constant(X[:5])).values()
    np.testing.assert_allclose(found, plain(X[:5]), rtol=1e-5)


def test_saved_models_without_weights_hold_no_signature_and_with_text_none_that_lies(tmp_path: Any) -> None:
    tf.saved_model.save(Nested(), str(tmp_path / "model"))
    assert not tf.saved_model.load(str(tmp_path / "model")).signatures
    x = keras.Input((1,), dtype="string")
    text = keras.Model(x, layers.Dense(1)(layers.TextVectorization(output_mode="multi_hot", vocabulary=["a"])(x)))
    with pytest.raises(TypeError, match="compute on the host"):
        tf.saved_model.save(text, str(tmp_path / "text"))


OPEN: dict[str, Any] = {
    "rnn": lambda: layers.SimpleRNN(3),
    "gru backwards": lambda: layers.GRU(3, return_sequences=True, go_backwards=True),
    "bidirectional": lambda: layers.Bidirectional(layers.GRU(3, return_sequences=True)),
    "lstm": lambda: layers.LSTM(3, return_sequences=True),
    "same": lambda: layers.Conv1D(3, 3, padding="same"),
    "grouped": lambda: layers.Conv1D(4, 3, padding="same", groups=2),
    "depthwise": lambda: layers.DepthwiseConv1D(3, strides=2),
    "dilated": lambda: layers.SeparableConv1D(3, 3, dilation_rate=2),
    "pooled": lambda: layers.MaxPooling1D(2),
    "transposed": lambda: layers.Conv1DTranspose(3, 3, strides=2),
    "transposed, same": lambda: layers.Conv1DTranspose(3, 3, strides=2, padding="same"),
    "transposed, narrow": lambda: layers.Conv1DTranspose(3, 1, strides=3),
    "transposed, with more": lambda: layers.Conv1DTranspose(3, 4, strides=3, padding="same", output_padding=2),
    "each step": lambda: layers.TimeDistributed(layers.Dense(3)),
    "flat": lambda: layers.Flatten(),
    "another shape": lambda: layers.Reshape((-1, 2)),
    "attention": lambda: lambda x: layers.MultiHeadAttention(2, 3)(x, x),
    "causal attention": lambda: lambda x: layers.MultiHeadAttention(2, 3, dropout=0.5)(x, x, use_causal_mask=True),
    "attention in a window": lambda: lambda x: layers.MultiHeadAttention(2, 3, sliding_window=2)(x, x),
    "grouped heads": lambda: lambda x: layers.GroupQueryAttention(3, 4, 2)(x, x, use_causal_mask=True),
    "plain attention": lambda: lambda x: layers.Attention()([x, x], use_causal_mask=True),
}


@pytest.mark.parametrize("name", OPEN)
def test_functions_of_open_lengths(name: str, tmp_path: Any) -> None:
    x = keras.Input((None, 4))
    model = keras.Model(x, OPEN[name]()(x))

    @tf.function(input_signature=[tf.TensorSpec((None, None, 4))])
    def slopes(x: Any) -> Any:
        with tf.GradientTape() as tape:
            outputs = model(x)
            loss = tf.reduce_sum(outputs**2)
        return outputs, tape.gradient(loss, model.trainable_variables)

    model.export(tmp_path / "model", format="tf_saved_model", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    for sizes in ((2, 7), (3, 9)):
        x = RNG.normal(size=(*sizes, 4)).astype("float32")
        with tf.GradientTape() as tape:
            expected = model(x)
            loss = tf.reduce_sum(expected**2)
        found, gradients = slopes(x)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(loaded.serve(x), expected, rtol=1e-4, atol=1e-5)
        for a, b in zip(gradients, tape.gradient(loss, model.trainable_variables), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_open_sizes_that_must_be_known_are_named() -> None:
    layer = layers.Conv1D(3, 3, strides=2, padding="same")
    with pytest.raises(ValueError, match="depends on the size of the inputs, which is open"):
        tf.function(layer, input_signature=[tf.TensorSpec((None, None, 4))]).get_concrete_function()


@pytest.mark.parametrize("approximate", [False, True])
def test_gelu_is_one_kernel_in_training(approximate: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from tahr import backends
    from tahr.backends.tensorflow import nn

    taken, (plain, alone) = [], nn._GELU[approximate]
    both = list(nn._GELU)
    both[approximate] = plain, lambda x: taken.append(x.shape) or alone(x)  # type: ignore[func-returns-value]
    monkeypatch.setattr(nn, "_GELU", both)
    x = keras.ops.array(RNG.normal(size=(8, 16)).astype("float32"))

    def loss(x: Any) -> Any:
        return keras.ops.sum(keras.ops.gelu(x, approximate) ** 3)

    def slopes(x: Any) -> Any:
        return keras.grad(loss)(x)

    def bends(x: Any) -> Any:
        return keras.grad(lambda x: keras.ops.sum(slopes(x) ** 2))(x)

    for run in (slopes, bends):
        found = backends.current().compile(run)(x)
        assert taken, "nothing went by the kernel"
        taken.clear()
        np.testing.assert_allclose(found, run(x), rtol=1e-4, atol=1e-5)  # at once, as operations
        assert not taken
    np.testing.assert_allclose(backends.current().compile(loss)(x), loss(x), rtol=1e-5)
    assert not taken
