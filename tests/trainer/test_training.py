"""fit, evaluate, predict and custom steps: against hand-written loops, on every backend that trains."""

import gc
import threading
import weakref

import numpy as np
import pytest

import tahr as keras
from tahr import backends, layers, ops

pytestmark = pytest.mark.trains

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 4)).astype("float32")
Y = (X[:, :1] - 2 * X[:, 1:2] + 0.5).astype("float32")
LABELS = (X[:, 0] > 0).astype("int32") + (X[:, 1] > 0)


def mlp(units=1, activation=None, hidden=8):
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(hidden, activation="tanh"), layers.Dense(units, activation)]
    )


def value(x):
    return np.asarray(ops.convert_to_numpy(x))


def by_hand(model, x, y, batch_size, epochs, rate):
    """Plain SGD on the mean squared error of a two-layer tanh network, in NumPy."""
    w1, b1, w2, b2 = (w.astype("float64") for w in model.get_weights())
    losses = []
    for _ in range(epochs):
        total = 0.0
        for start in range(0, len(x), batch_size):
            a, t = x[start : start + batch_size], y[start : start + batch_size]
            h = np.tanh(a @ w1 + b1)
            error = h @ w2 + b2 - t
            total += float((error**2).mean()) * len(a)
            g = 2 * error / error.size
            gh = (g @ w2.T) * (1 - h * h)
            w2, b2 = w2 - rate * h.T @ g, b2 - rate * g.sum(0)
            w1, b1 = w1 - rate * a.T @ gh, b1 - rate * gh.sum(0)
        losses.append(total / len(x))
    return losses, [w1, b1, w2, b2]


@pytest.mark.parametrize("batch_size", [16, 7, 70, 100])
def test_fit_equals_a_loop_by_hand(batch_size):
    model = mlp()
    losses, weights = by_hand(model, X, Y, batch_size, 3, 0.05)
    model.compile(keras.optimizers.SGD(0.05), "mse")
    history = model.fit(X, Y, batch_size=batch_size, epochs=3, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], losses, rtol=1e-4)
    for found, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    assert model.optimizer.iterations.numpy() == 3 * -(-70 // batch_size)


def generator(x, y, size):
    while True:
        for start in range(0, len(x), size):
            yield x[start : start + size], y[start : start + size]


class Slices(keras.utils.PyDataset):
    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def __len__(self):
        return -(-len(X) // self.size)

    def __getitem__(self, index):
        part = slice(index * self.size, (index + 1) * self.size)
        return X[part], Y[part]


class Plain:
    """An iterable with neither length nor indices."""

    def __iter__(self):
        return (batch for _, batch in zip(range(5), generator(X, Y, 16), strict=False))


SOURCES = {
    "list of rows": lambda: ((X.tolist(), Y.tolist()), {"batch_size": 16}),
    "tensors": lambda: ((ops.convert_to_tensor(X), ops.convert_to_tensor(Y)), {"batch_size": 16}),
    "float64": lambda: ((X.astype("float64"), Y.astype("float64")), {"batch_size": 16}),
    "fortran order": lambda: ((np.asfortranarray(X), Y[::-1][::-1]), {"batch_size": 16}),
    "generator": lambda: ((generator(X, Y, 16),), {"steps_per_epoch": 5}),
    "iterable": lambda: ((Plain(),), {}),
    "PyDataset": lambda: ((Slices(16),), {}),
    "PyDataset with threads": lambda: ((Slices(16, workers=3),), {}),
}


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_gives_the_same_training(name):
    reference = mlp()
    reference.compile("sgd", "mse")
    expected = reference.fit(X, Y, batch_size=16, epochs=3, shuffle=False, verbose=0).history["loss"]
    model = mlp()
    model.compile("sgd", "mse")
    data, options = SOURCES[name]()
    found = model.fit(*data, epochs=3, shuffle=False, verbose=0, **options).history["loss"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_pandas_frames_and_series():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    model = mlp()
    model.compile("sgd", "mse")
    model.fit(frame, pandas.Series(Y[:, 0]), epochs=1, verbose=0)
    assert model.predict(frame, verbose=0).shape == (70, 1)


def test_data_too_large_for_the_device_are_streamed(monkeypatch):
    from tahr.trainer.sources import arrays

    losses = []
    for limit in (2**30, 10):
        monkeypatch.setattr(arrays, "RESIDENT_BYTES", limit)
        model = mlp()
        model.compile("sgd", "mse")
        losses.append(model.fit(X, Y, batch_size=16, epochs=2, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_shuffle_is_a_function_of_the_seed():
    def run(seed):
        keras.utils.set_random_seed(seed)
        model = keras.Sequential([keras.Input((4,)), layers.Dropout(0.3), layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(X, Y, batch_size=16, epochs=2, verbose=0)
        return model.get_weights()[0]

    np.testing.assert_array_equal(run(1), run(1))
    assert not np.array_equal(run(1), run(2))


def test_validation_split_takes_the_last_rows_and_frequency_counts_epochs():
    model = mlp()
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(X, Y, epochs=4, validation_split=0.2, validation_freq=2, verbose=0, shuffle=False).history
    assert len(history["val_loss"]) == 2 and len(history["loss"]) == 4
    expected = model.evaluate(X[56:], Y[56:], verbose=0, return_dict=True)
    np.testing.assert_allclose(history["val_loss"][-1], expected["loss"], rtol=1e-5)
    np.testing.assert_allclose(history["val_mae"][-1], expected["mae"], rtol=1e-5)


def test_class_weight_is_sample_weight_by_class():
    table = {0: 1.0, 1: 3.0, 2: 0.5}
    results = []
    for options in ({"class_weight": table}, {"sample_weight": np.array([table[int(c)] for c in LABELS], "float32")}):
        model = mlp(3, "softmax")
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        results.append(model.fit(X, LABELS, epochs=2, shuffle=False, verbose=0, **options).history["loss"])
    np.testing.assert_allclose(*results, rtol=1e-6)


@pytest.mark.parametrize(
    ("units", "activation", "loss", "target"),
    [
        (1, "sigmoid", "binary_crossentropy", (LABELS > 0).astype("float32")),
        (3, "softmax", "sparse_categorical_crossentropy", LABELS),
        (3, "softmax", "categorical_crossentropy", np.eye(3, dtype="float32")[LABELS]),
    ],
)
def test_accuracy_is_chosen_by_shapes(units, activation, loss, target):
    model = mlp(units, activation)
    model.compile("adam", loss, metrics=["accuracy"])
    model.fit(X, target, epochs=1, verbose=0)
    found = model.evaluate(X, target, verbose=0, return_dict=True)["accuracy"]
    scores = model.predict(X, verbose=0)
    predicted = (scores[:, 0] > 0.5).astype(int) if units == 1 else scores.argmax(-1)
    truth = target if target.ndim == 1 else target.argmax(-1)
    np.testing.assert_allclose(found, (predicted == truth).mean(), rtol=1e-6)


def two_heads():
    keras.utils.set_random_seed(0)
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    h = layers.Dense(5, activation="relu")(layers.Concatenate()([a, b]))
    return keras.Model(
        {"a": a, "b": b}, {"cls": layers.Dense(1, "sigmoid", name="cls")(h), "reg": layers.Dense(1, name="reg")(h)}
    )


def test_losses_and_metrics_are_matched_by_name():
    model = two_heads()
    model.compile(
        "adam",
        {"reg": "mse", "cls": "binary_crossentropy"},
        {"cls": 2.0, "reg": 0.5},
        {"reg": ["mae"], "cls": "accuracy"},
    )
    target = {"reg": Y, "cls": (LABELS[:, None] > 0).astype("float32")}
    history = model.fit({"a": X, "b": X}, target, epochs=2, verbose=0).history
    assert set(history) == {"loss", "cls_loss", "reg_loss", "cls_accuracy", "reg_mae"}
    logs = model.evaluate({"a": X, "b": X}, target, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["loss"], 2 * logs["cls_loss"] + 0.5 * logs["reg_loss"], rtol=1e-5)


class Own(keras.Model):
    """A step of its own, written once for every backend."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)
        self.seen = keras.metrics.Mean(name="seen")

    def call(self, x, training=None):
        return self.dense(x)

    def train_step(self, data):
        x, y = data

        def loss():
            return ops.mean(ops.square(self(x, training=True) - y))

        found, gradients = keras.value_and_grad(loss, self.trainable_variables)()
        self.optimizer.apply(gradients, self.trainable_variables)
        self.seen.update_state(found)
        return {"seen": self.seen.result(), "double": 2 * found}


def test_metrics_that_make_their_state_with_the_first_batch_begin_anew_each_epoch():
    x, y = np.ones((8, 2), "float32"), np.arange(8, dtype="float32")[:, None]
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse", metrics=["r2_score"])
    model.fit(x, y, batch_size=4, epochs=3, verbose=0)
    [count] = [v for metric in model.metrics for v in metric.variables if v.path.endswith("r2_score/count")]
    np.testing.assert_array_equal(count.numpy(), [8.0])


def test_a_train_step_of_ones_own():
    keras.utils.set_random_seed(0)
    model = Own()
    model.compile(keras.optimizers.SGD(0.1))
    history = model.fit(X, Y, epochs=30, verbose=0).history
    assert set(history) == {"seen", "double"} and history["seen"][-1] < 0.05 * history["seen"][0]


def test_train_on_batch_and_test_on_batch():
    model = mlp()
    model.compile("sgd", "mse", metrics=["mae"])
    first = model.test_on_batch(X, Y, return_dict=True)
    model.reset_metrics()
    losses = [model.train_on_batch(X, Y, return_dict=True)["loss"] for _ in range(3)]
    np.testing.assert_allclose(losses[0], first["loss"], rtol=1e-5)
    assert losses[-1] < losses[0] and len(model.test_on_batch(X, Y)) == 2


def test_predict_keeps_order_and_structure():
    model = mlp(2)
    expected = value(model(X))
    for size in (1, 7, 32, 70, 1000):
        np.testing.assert_allclose(model.predict(X, batch_size=size, verbose=0), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.predict(generator(X, Y, 35), steps=2, verbose=0), expected, rtol=1e-5, atol=1e-6)
    assert set(two_heads().predict({"a": X, "b": X}, verbose=0)) == {"cls", "reg"}


def run_threads(count, work):
    errors: list[BaseException] = []

    def guarded(i):
        try:
            work(i)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors, errors[0]


def test_eight_threads_predict_what_one_does():
    model = mlp(2)
    sizes = [1, 2, 3, 5, 8, 13, 21, 34]
    expected = {n: value(model(X[:n])) for n in sizes}

    def work(i):
        for k in range(50):
            n = sizes[(i + k) % len(sizes)]
            np.testing.assert_allclose(model.predict(X[:n], verbose=0), expected[n], rtol=1e-4, atol=1e-5)

    run_threads(8, work)


def test_predict_while_fit_runs():
    model = mlp(2)
    frozen = mlp(2)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    target = np.zeros((70, 2), "float32")
    model.fit(X, target, epochs=1, verbose=0)
    expected = frozen.predict(X, verbose=0)
    done = threading.Event()

    def work(i):
        if i == 0:
            model.fit(X, target, batch_size=1, epochs=10, verbose=0)
            done.set()
        else:
            while not done.is_set():
                np.testing.assert_allclose(model.predict(X, verbose=0), expected, rtol=1e-4, atol=1e-5)

    run_threads(3, work)


def test_models_go_when_deleted():
    gone = []
    for _ in range(3):
        model = mlp()
        model.compile("adam", "mse")
        model.fit(X, Y, epochs=1, verbose=0)
        model.predict(X, verbose=0)
        gone.append(weakref.ref(model.layers[0]))
        del model
    gc.collect()
    assert [ref() for ref in gone] == [None] * 3


def test_values_read_before_fit_stay_valid():
    model = mlp()
    model.compile("sgd", "mse")
    before = model.weights[0].value
    copy = value(before).copy()
    model.fit(X, Y, epochs=2, verbose=0)
    if backends.current().name != "torch":  # where a variable's tensor is the same one for life, as in nn.Module
        np.testing.assert_array_equal(value(before), copy)
    assert not np.allclose(model.get_weights()[0], copy)


def test_steps_per_epoch_goes_on_through_the_data():
    model = mlp()
    model.compile("sgd", "mse")
    model.fit(X, Y, batch_size=16, steps_per_epoch=2, epochs=3, verbose=0, shuffle=False)
    reference = mlp()
    reference.compile("sgd", "mse")
    reference.fit(X, Y, batch_size=16, epochs=1, verbose=0, shuffle=False)
    reference.train_on_batch(X[:16], Y[:16])
    for a, b in zip(model.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_run_eagerly_and_uncompiled_give_the_same():
    losses = []
    for options in ({}, {"run_eagerly": True}, {"jit_compile": False}):
        model = mlp()
        model.compile("adam", "mse", **options)
        losses.append(model.fit(X, Y, epochs=2, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    np.testing.assert_allclose(losses[2], losses[0], rtol=1e-4)


def test_frozen_layers_stay_and_thawed_ones_move():
    model = mlp()
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(X, Y, epochs=1, verbose=0)
    after = model.get_weights()
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[2], after[2])
    model.layers[0].trainable = True
    model.compile("sgd", "mse")
    model.fit(X, Y, epochs=1, verbose=0)
    assert not np.array_equal(before[0], model.get_weights()[0])


@pytest.mark.parametrize("loss", [None, "mse"])
def test_a_loss_of_the_models_own_leaves_the_metrics(loss):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = keras.layers.Dense(1)

        def call(self, x):
            return self.inner(x)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.mean(keras.ops.abs(y - y_pred))

    x = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
    model = Own()
    model.compile("sgd", loss, metrics=["mae"])
    history = model.fit(x, x[:, :1], batch_size=16, epochs=2, verbose=0).history
    assert list(history) == ["loss", "mae"]
    np.testing.assert_allclose(history["loss"], history["mae"], rtol=1e-5)
    np.testing.assert_allclose(*model.evaluate(x, x[:, :1], verbose=0), rtol=1e-5)


def test_a_graph_with_a_fixed_batch_fits():
    model = keras.Sequential([keras.Input(batch_shape=(4, 5, 2)), layers.LSTM(3, stateful=True), layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((8, 5, 2), "float32"), np.ones((8, 1), "float32")
    assert len(model.fit(x, y, batch_size=4, shuffle=False, epochs=2, verbose=0).history["loss"]) == 2
    model.layers[0].reset_state()
    assert model.evaluate(x, y, batch_size=4, verbose=0) > 0
    assert model.predict(x, batch_size=4, verbose=0).shape == (8, 1)
