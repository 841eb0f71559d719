"""What arguments of constructors and methods were called in Keras 1 and 2."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import constraints, initializers, layers, optimizers, regularizers
from tahr.compat import notices


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """Nothing has been told before, and what is told is gathered."""
    with notices.collected() as found:
        yield found


SAME: dict[str, tuple[Any, Any]] = {
    "Dense": (
        lambda: layers.Dense(output_dim=3, init="uniform", W_regularizer="l2", b_regularizer="l1",
                             W_constraint="nonneg", b_constraint="maxnorm", bias=False),
        lambda: layers.Dense(3, kernel_initializer="uniform", kernel_regularizer="l2", bias_regularizer="l1",
                             kernel_constraint="nonneg", bias_constraint="maxnorm", use_bias=False),
    ),
    "Convolution2D": (
        lambda: layers.Convolution2D(8, 3, 5, border_mode="same", subsample=(2, 1), dim_ordering="tf", init="zero"),
        lambda: layers.Conv2D(8, (3, 5), padding="same", strides=(2, 1), data_format="channels_last",
                              kernel_initializer="zero"),
    ),
    "Convolution2D by name": (
        lambda: layers.Convolution2D(nb_filter=8, nb_row=3, nb_col=5), lambda: layers.Conv2D(8, (3, 5)),
    ),
    "Convolution1D": (
        lambda: layers.Convolution1D(nb_filter=4, filter_length=3, subsample_length=2),
        lambda: layers.Conv1D(4, 3, strides=2),
    ),
    "Convolution3D": (
        lambda: layers.Convolution3D(2, 3, 4, 5, border_mode="valid"), lambda: layers.Conv3D(2, (3, 4, 5)),
    ),
    "AtrousConvolution2D": (
        lambda: layers.AtrousConvolution2D(4, 3, 3, atrous_rate=(2, 2)),
        lambda: layers.Conv2D(4, (3, 3), dilation_rate=(2, 2)),
    ),
    "MaxPooling1D": (
        lambda: layers.MaxPooling1D(pool_length=3, stride=2, border_mode="same"),
        lambda: layers.MaxPooling1D(3, strides=2, padding="same"),
    ),
    "MaxPooling2D": (
        lambda: layers.MaxPooling2D((2, 2), border_mode="same", dim_ordering="th"),
        lambda: layers.MaxPooling2D((2, 2), padding="same", data_format="channels_first"),
    ),
    "UpSampling1D": (lambda: layers.UpSampling1D(length=3), lambda: layers.UpSampling1D(3)),
    "Dropout": (lambda: layers.Dropout(p=0.25), lambda: layers.Dropout(0.25)),
    "GaussianNoise": (lambda: layers.GaussianNoise(sigma=0.5), lambda: layers.GaussianNoise(0.5)),
    "LSTM": (
        lambda: layers.LSTM(output_dim=3, inner_init="orthogonal", forget_bias_init="zero", inner_activation="sigmoid",
                            dropout_W=0.1, dropout_U=0.2, W_regularizer="l2", U_regularizer="l1", consume_less="gpu"),
        lambda: layers.LSTM(3, recurrent_initializer="orthogonal", unit_forget_bias=False,
                            recurrent_activation="sigmoid", dropout=0.1, recurrent_dropout=0.2,
                            kernel_regularizer="l2", recurrent_regularizer="l1"),
    ),
    "CuDNNGRU": (lambda: layers.CuDNNGRU(3), lambda: layers.GRU(3, reset_after=True)),
    "Embedding": (
        lambda: layers.Embedding(5, output_dim=3, init="uniform", W_regularizer="l2", dropout=0.0),
        lambda: layers.Embedding(5, 3, embeddings_initializer="uniform", embeddings_regularizer="l2"),
    ),
    "BatchNormalization": (
        lambda: layers.BatchNormalization(mode=0, beta_init="one", gamma_init="zero"),
        lambda: layers.BatchNormalization(beta_initializer="one", gamma_initializer="zero"),
    ),
    "LeakyReLU": (lambda: layers.LeakyReLU(alpha=0.1), lambda: layers.LeakyReLU(0.1)),
    "ThresholdedReLU": (lambda: layers.ThresholdedReLU(theta=2.0), lambda: layers.ReLU(threshold=2.0)),
    "merging": (lambda: layers.Merge(mode="concat", concat_axis=1), lambda: layers.Concatenate(axis=1)),
    "dot": (lambda: layers.Merge(mode="cos", dot_axes=1), lambda: layers.Dot(axes=1, normalize=True)),
    "TimeDistributedDense": (lambda: layers.TimeDistributedDense(output_dim=2), lambda: layers.Dense(2)),
    "MaxNorm": (lambda: constraints.maxnorm(m=3), lambda: constraints.MaxNorm(3)),
    "WeightRegularizer": (lambda: regularizers.l1l2(0.1, 0.2), lambda: regularizers.L1L2(0.1, 0.2)),
    "uniform": (lambda: initializers.uniform(-1, 1), lambda: initializers.RandomUniform(-1, 1)),
    "SGD": (
        lambda: optimizers.SGD(lr=0.5, momentum=0.9, decay=0.0, nesterov=False), lambda: optimizers.SGD(0.5, 0.9),
    ),
    "decay": (
        lambda: optimizers.SGD(0.5, decay=0.1, momentum=0.9),
        lambda: optimizers.SGD(optimizers.schedules.InverseTimeDecay(0.5, 1, 0.1), momentum=0.9),
    ),
    "RMSprop": (
        lambda: optimizers.RMSprop(lr=0.5, rho=0.8, epsilon=None, decay=0.0), lambda: optimizers.RMSprop(0.5, rho=0.8),
    ),
    "Adam": (lambda: optimizers.Adam(lr=0.5, epsilon=None, amsgrad=True), lambda: optimizers.Adam(0.5, amsgrad=True)),
    "Nadam": (lambda: optimizers.Nadam(lr=0.5, schedule_decay=0.004), lambda: optimizers.Nadam(0.5)),
    "Adadelta": (lambda: optimizers.Adadelta(lr=1.0, rho=0.9), lambda: optimizers.Adadelta(1.0, rho=0.9)),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_old_arguments(name: str, told: list[tuple[str, str]]) -> None:
    old, today = (make() for make in SAME[name])
    assert type(old) is type(today)
    configs = [made.get_config() for made in (old, today)]
    for config in configs:
        config.pop("name", None)
    assert configs[0] == configs[1]
    again = type(old).from_config(old.get_config())
    assert {k: v for k, v in again.get_config().items() if k != "name"} == configs[0]
    SAME[name][0]()
    assert len(told) == len(set(told))  # each once


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: layers.Dense(3, input_shape=(4,)), (None, 4)),
        (lambda: layers.Dense(3, input_dim=4), (None, 4)),
        (lambda: layers.Dense(3, batch_input_shape=(2, 4)), (2, 4)),
        (lambda: layers.Embedding(10, 2, input_length=5), (None, 5)),
        (lambda: layers.LSTM(3, input_dim=4, input_length=5), (None, 5, 4)),
        (lambda: layers.Conv1D(3, 2, input_dim=4, input_length=5), (None, 5, 4)),
    ],
)
def test_input_shapes(make: Any, shape: Any, told: list[tuple[str, str]]) -> None:
    model = keras.Sequential([make()])
    assert model.input_shape == shape
    assert len([old for old, _ in told if "input" in old]) == 1
    again = keras.Sequential.from_config(model.get_config())
    assert again.input_shape == shape


def _layers_of_a_graph() -> dict[str, Any]:
    """Return a layer called once, one called on two shapes, one of two inputs, a shared model and a layer in none."""
    a, b = keras.Input((4,)), keras.Input((4,))
    shared = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    relu, both, loose = layers.Activation("relu"), layers.Add(), layers.Dense(2)
    model = keras.Model([a, b], [both([shared(a), shared(b)]), relu(a), relu(shared(a))])
    loose(np.ones((1, 2)))
    return {"model": model, "shared": shared, "relu": relu, "both": both, "loose": loose, "dense": shared.layers[0]}


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "read", "wanted"),
    [
        ("dense", lambda x: (x.input_shape, x.output_shape), ((None, 4), (None, 3))),
        ("both", lambda x: (x.input_shape, x.output_shape), ([(None, 3), (None, 3)], (None, 3))),
        ("relu", lambda x: (x.get_input_shape_at(0), x.get_output_shape_at(-1)), ((None, 4), (None, 3))),
        ("relu", lambda x: x.output_shape, "several shapes.*get_output_shape_at"),
        ("relu", lambda x: x.get_input_at(2), "called 2 times.*node_index=2"),
        ("shared", lambda x: (x.output_shape, x.get_output_at(0) is x.output), ((None, 3), True)),
        ("shared", lambda x: (x.get_input_at(3).shape, x.get_input_mask_at(1)), ((None, 4), None)),
        ("model", lambda x: x.layers[0].output_shape, (None, 4)),
        ("loose", lambda x: x.input_shape, "not called on symbols.*compute_output_shape"),
        ("loose", lambda x: x.predict_classes, "no attribute 'predict_classes'"),
        ("loose", lambda x: hasattr(x, "output_shape") or hasattr(x, "unknown"), False),
    ],
)
def test_shapes_of_calls(name: str, read: Any, wanted: Any, told: list[tuple[str, str]]) -> None:
    made = _layers_of_a_graph()
    if not isinstance(wanted, str):
        assert read(made[name]) == wanted
    else:
        with pytest.raises((AttributeError, ValueError), match=wanted):
            read(made[name])


def test_start_weights(told: list[tuple[str, str]]) -> None:
    kernel, bias = np.arange(6.0).reshape(2, 3), np.ones(3)
    layer = layers.Dense(3, weights=[kernel, bias], input_dim=2)
    model = keras.Sequential([layer])
    np.testing.assert_array_equal(model.get_weights()[0], kernel)
    assert "weights" not in layer.get_config()
    with pytest.raises(ValueError, match="Dense|dense|weights"):
        keras.Sequential([layers.Dense(3, weights=[kernel], input_dim=2)])


def test_a_users_layer_passes_old_arguments_on(told: list[tuple[str, str]]) -> None:
    class Wide(layers.Dense):
        def __init__(self, output_dim: int, **kwargs: Any):
            super().__init__(output_dim * 2, **kwargs)

    made = Wide(2, init="zero", input_shape=(3,))
    assert made.units == 4 and keras.Sequential([made]).input_shape == (None, 3)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.Dense(3, foo=1), TypeError, "foo"),
        (lambda: optimizers.SGD(foo=1), ValueError, "foo"),
        (lambda: layers.Conv2D(3, 3, dim_ordering="xy"), ValueError, "dim_ordering"),
        (lambda: layers.Merge([layers.Dense(1)], mode="sum"), ValueError, "several inputs"),
        (lambda: layers.Merge(mode="nothing"), ValueError, "mode"),
        (lambda: layers.SReLU, AttributeError, "PReLU"),
        (lambda: keras.models.model_from_yaml, AttributeError, "to_json"),
        (lambda: keras.utils.multi_gpu_model, AttributeError, "devices"),
        (lambda: keras.nothing, AttributeError, "nothing"),
        (lambda: layers.nothing, AttributeError, "nothing"),
        (lambda: keras.Sequential().nothing, AttributeError, "nothing"),
        (lambda: keras.backend.get_session, AttributeError, "sessions"),
    ],
)
def test_refusals(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_notice_comes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, warnings.catch_warnings(record=True) as found:
        patch.setattr(notices, "_listeners", [])
        patch.setattr(notices, "_said", set())
        warnings.simplefilter("always")
        for _ in range(2):
            layers.Dense(output_dim=2)
            layers.LSTM(output_dim=2)
    assert len(found) == 1 and found[0].category is FutureWarning and found[0].filename == __file__
    assert "write units=..." in str(found[0].message)


# ---- methods ---------------------------------------------------------------------------------------------------------

X = np.random.default_rng(0).uniform(size=(48, 4)).astype("float32")
Y = (X.sum(axis=1) > 2).astype("int32")


def small(units: int = 2) -> Any:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(units, "softmax" if units > 1 else "sigmoid")])
    model.compile("sgd", "sparse_categorical_crossentropy" if units > 1 else "binary_crossentropy", metrics=["acc"])
    return model


def endless(size: int = 16) -> Iterator[Any]:
    while True:
        for i in range(0, len(X), size):
            yield X[i : i + size], Y[i : i + size]


@pytest.mark.trains
@pytest.mark.parametrize(
    "options",
    [
        {"steps_per_epoch": 3, "epochs": 2},
        {"samples_per_epoch": 48, "nb_epoch": 2},
        {"steps_per_epoch": 2.1, "epochs": 2, "max_q_size": 4, "pickle_safe": False},
        {"steps_per_epoch": 3, "epochs": 2, "validation_data": (X, Y)},
        {"samples_per_epoch": 48, "nb_epoch": 2, "validation_data": "generator", "nb_val_samples": 40},
    ],
)
def test_fit_generator(options: dict[str, Any], told: list[tuple[str, str]]) -> None:
    options = {**options}
    if options.get("validation_data") == "generator":
        options["validation_data"] = endless()
    found = small().fit_generator(endless(), verbose=0, **options)
    plain = small().fit(endless(), steps_per_epoch=3, epochs=2, verbose=0)
    assert found.history["loss"] == plain.history["loss"] and found.history["acc"] == plain.history["acc"]
    assert ("val_acc" in found.history) is ("validation_data" in options)
    assert ("model.fit_generator(...)", "write model.fit(...)") in told


@pytest.mark.trains
def test_other_methods(told: list[tuple[str, str]]) -> None:
    model = small()
    assert model.fit(X, Y, nb_epoch=2, verbose=0, workers=4).epoch == [0, 1]
    np.testing.assert_allclose(model.evaluate_generator(endless(), steps=3), model.evaluate(X, Y, verbose=0), rtol=1e-5)
    outputs = model.predict(X, verbose=0)
    np.testing.assert_allclose(model.predict_generator(endless(), 3), outputs, rtol=1e-5)
    np.testing.assert_array_equal(model.predict_classes(X), outputs.argmax(-1))
    np.testing.assert_array_equal(model.predict_proba(X), outputs)
    one = small(1)
    assert set(np.unique(one.predict_classes(X))) <= {0, 1} and one.predict_classes(X).shape == (48, 1)
    model.optimizer.lr = 0.25
    assert float(model.optimizer.learning_rate) == float(model.optimizer.lr) == 0.25


@pytest.mark.trains
def test_logs_under_old_names(told: list[tuple[str, str]]) -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = keras.callbacks.EarlyStopping("val_acc", patience=5)
    found = model.fit(X, Y, epochs=2, validation_split=0.25, callbacks=[stop], verbose=0)
    assert found.history["val_acc"] == found.history["val_accuracy"] and "val_acc" not in found.history
    assert stop.best == max(found.history["val_accuracy"])
    with pytest.raises(KeyError):
        found.history["val_precision"]


@pytest.mark.trains
def test_weights_of_keras_2(tmp_path: Any, told: list[tuple[str, str]]) -> None:
    model, other = small(), small()
    other.set_weights([w + 1 for w in other.get_weights()])
    model.save_weights(tmp_path / "weights.h5")
    other.load_weights(tmp_path / "weights.h5")
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    other.load_weights(tmp_path / "weights.h5", by_name=True)


@pytest.mark.trains
def test_scikit_learn(told: list[tuple[str, str]]) -> None:
    from sklearn.model_selection import cross_val_score

    from tahr.wrappers import scikit_learn  # pyright: ignore[reportAttributeAccessIssue]

    def build(width: int = 4) -> Any:
        model = keras.Sequential([keras.Input((4,)), layers.Dense(width, "relu"), layers.Dense(1, "sigmoid")])
        model.compile(optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
        return model

    classifier = scikit_learn.KerasClassifier(build_fn=build, width=6, epochs=30, verbose=0)
    labels = np.where(Y > 0, "yes", "no")
    history = classifier.fit(X, labels)
    assert history.epoch == list(range(30)) and classifier.model.layers[0].units == 6
    assert set(classifier.predict(X).reshape(-1)) <= {"yes", "no"} and classifier.predict_proba(X).shape == (48, 2)
    assert classifier.score(X, labels) > 0.7
    assert len(cross_val_score(scikit_learn.KerasClassifier(build, epochs=1, verbose=0), X, Y, cv=2)) == 2
    regressor = scikit_learn.KerasRegressor(build, epochs=1, verbose=0)
    regressor.fit(X, Y)
    assert regressor.predict(X).shape == (48,) and regressor.score(X, Y) < 0
    with pytest.raises(ValueError, match="nothing"):
        scikit_learn.KerasRegressor(build, nothing=1)


def test_a_period_of_epochs_is_refused_unless_it_says_nothing() -> None:
    assert keras.callbacks.ModelCheckpoint("model.keras", period=1).save_freq == "epoch"
    with pytest.raises(ValueError, match=r"save_freq=5 \* batches_per_epoch"):
        keras.callbacks.ModelCheckpoint("model.keras", period=5)
