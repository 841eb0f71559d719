"""What training and evaluation report: weighted and not, for targets without a last axis, under which names."""

from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers, losses, metrics, ops
from tahr.losses.loss import FunctionLoss

pytestmark = pytest.mark.trains

RNG = np.random.default_rng(0)
X = RNG.random((12, 4)).astype("float32")
Y = (X.sum(axis=1) > 2).astype("float32")
WEIGHTS = np.linspace(0, 1, 12).astype("float32")


def regressor(**options: Any) -> Any:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1, "sigmoid", kernel_initializer="ones")])
    model.compile(keras.optimizers.SGD(0.0), "binary_crossentropy", **options)
    return model


LOSSES = [
    "mse",
    "mae",
    "hinge",
    "poisson",
    "kl_divergence",
    "cosine_similarity",
    "huber",
    "log_cosh",
    "binary_crossentropy",
]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("y", "p"), [((12,), (12, 1)), ((12, 1), (12,))])
def test_a_missing_last_axis_changes_nothing(name: str, y: Any, p: Any) -> None:
    guess = RNG.uniform(0.1, 0.9, (12, 1)).astype("float32")
    function = losses.get(name)
    for weights in (None, WEIGHTS):
        loss = FunctionLoss(function)
        found = loss(Y.reshape(y), guess.reshape(p), sample_weight=weights)
        assert float(found) == pytest.approx(float(loss(Y[:, None], guess, sample_weight=weights)), rel=1e-6)
        one, other = (metrics.MeanMetricWrapper(function) for _ in range(2))
        one.update_state(Y.reshape(y), guess.reshape(p), sample_weight=weights)
        other.update_state(Y[:, None], guess, sample_weight=weights)
        assert float(one.result()) == pytest.approx(float(other.result()), rel=1e-6)


def test_weights_count_for_targets_without_a_last_axis() -> None:
    given = {"metrics": ["mae"], "weighted_metrics": ["mae"]}
    flat = regressor(**given).evaluate(X, Y, sample_weight=WEIGHTS, verbose=0, return_dict=True)
    full = regressor(**given).evaluate(X, Y[:, None], sample_weight=WEIGHTS, verbose=0, return_dict=True)
    assert flat == pytest.approx(full, rel=1e-6)
    errors = np.abs(Y - regressor().predict(X, verbose=0)[:, 0])
    assert full["mae"] == pytest.approx(errors.mean(), rel=1e-5)
    assert full["weighted_mae"] == pytest.approx((errors * WEIGHTS).sum() / WEIGHTS.sum(), rel=1e-5)
    history = regressor().fit(X, Y, sample_weight=WEIGHTS, batch_size=12, verbose=0).history
    assert history["loss"][0] == pytest.approx(full["loss"], rel=1e-5)


@pytest.mark.parametrize("eager", [True, False])
def test_metrics_that_wait_for_shapes(eager: bool) -> None:
    """The variables of some are made with the first batch, which may be one of `evaluate`."""
    model = regressor(metrics=[metrics.R2Score(), metrics.F1Score(threshold=0.5)], run_eagerly=eager)
    found = model.evaluate(X, Y[:, None], batch_size=5, verbose=0, return_dict=True)
    direct = metrics.R2Score()
    direct.update_state(Y[:, None], model.predict(X, verbose=0))
    assert found["r2_score"] == pytest.approx(float(direct.result()), rel=1e-4)
    assert found["f1_score"][0] > 0


def two_outputs() -> Any:
    x = keras.Input((4,))
    return keras.Model(x, [layers.Dense(1, name="a")(x), layers.Dense(1, name="b")(x)])


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"weighted_metrics": ["mae"]}, {"loss", "mae"}),
        (
            {"metrics": ["mae", "mae"], "weighted_metrics": ["mae", "mse"]},
            {"loss", "mae", "mae_1", "weighted_mae", "mse"},
        ),
        ({"metrics": [lambda y, y_pred: ops.mean(y)]}, {"loss", "lambda"}),
        ({"metrics": ["mae", "MAE", "MAE", "AUC", "BinaryIoU"]}, {"loss", "mae", "MAE", "MAE_1", "AUC", "BinaryIoU"}),
        ({"metrics": [losses.MeanSquaredError()]}, {"loss", "mean_squared_error"}),
        (
            {
                "metrics": [metrics.MeanSquaredError(name="z")],
                "weighted_metrics": [metrics.MeanAbsoluteError(name="z")],
            },
            {"loss", "z", "weighted_z"},
        ),
    ],
    ids=["alone", "both", "lambda", "as written", "a loss", "objects"],
)
def test_names(given: Any, names: set[str]) -> None:
    assert set(regressor(**given).fit(X, Y, verbose=0).history) == names


def test_names_of_several_outputs() -> None:
    model = two_outputs()
    model.compile("sgd", ["mse", "mse"], metrics=[["mae"], ["mae"]], weighted_metrics=[["mae"], ["mse"]])
    found = model.evaluate(X, [Y, Y], verbose=0, return_dict=True)
    assert set(found) == {"loss", "a_loss", "b_loss", "a_mae", "a_weighted_mae", "b_mae", "b_mse"}


@pytest.mark.parametrize("loss", [["mse", None], {"b": "mse"}, {"a": None, "b": "mse"}])
def test_a_single_loss_of_several_outputs_is_reported_once(loss: Any) -> None:
    """As in Keras 3.15.1: its own figure would only repeat the loss, and `evaluate` gives one number."""
    model = two_outputs()
    model.compile("sgd", loss)
    assert set(model.fit(X, [Y, Y], verbose=0).history) == {"loss"}
    assert isinstance(model.evaluate(X, [Y, Y], verbose=0), float)


NESTED = {  # outputs, with the names of the losses that Keras 3.15.1 reports
    "a list in a dict": (lambda a, b, c: {"z": a, "q": [b, c]}, {"z_loss", "q/b_loss", "q/c_loss"}),
    "a list in a list": (lambda a, b, c: [a, [b, c]], {"a_loss", "1/b_loss", "1/c_loss"}),
    "a dict in a dict": (lambda a, b, c: {"z": {"u": a, "v": b}, "q": c}, {"z/u_loss", "z/v_loss", "q_loss"}),
    "a dict in a tuple": (lambda a, b, c: (a, {"p": b, "r": c}), {"a_loss", "1/p_loss", "1/r_loss"}),
}


@pytest.mark.parametrize("name", NESTED)
def test_losses_and_metrics_nested_as_the_outputs(name: str) -> None:
    """Each finds its own output, also where some have none."""
    nested, names = NESTED[name]
    x = keras.Input((2,))
    outputs = [layers.Dense(1, name=n, kernel_initializer="ones")(size * x) for size, n in enumerate("abc", 1)]
    model = keras.Model(x, nested(*outputs))
    entries = nested(["mae"], None, [metrics.MeanSquaredError(name="own"), "mae"])
    model.compile("sgd", nested("mse", "mae", "mse"), nested(1.0, 0.5, 2.0), metrics=entries)
    values, zeros = np.ones((3, 2), "float32"), np.zeros((3, 1))
    found = model.evaluate(values, nested(zeros, zeros, zeros), verbose=0, return_dict=True)
    of = {name.split("/")[-1][0]: name for name in names}
    a, b, c = (next(of[key] for key in keys if key in of) for keys in ("azu", "bpv", "crq"))
    wanted = {"loss": 4 + 2 + 72, a: 4, b: 4, c: 36, "a_mae": 2, "c_own": 36, "c_mae": 6}
    assert found == pytest.approx(wanted)
    model.compile("sgd", nested("mse", None, "mse"))
    assert set(model.evaluate(values, nested(zeros, zeros, zeros), verbose=0, return_dict=True)) == {"loss", a, c}


def test_columns_for_inputs_of_one_number() -> None:
    inputs = {name: keras.Input((1,), name=name) for name in "ab"}
    model = keras.Model(inputs, layers.Dense(1)(layers.Concatenate()(list(inputs.values()))))
    model.compile("sgd", "mse")
    model.fit({"a": X[:, 0], "b": X[:, 1]}, Y, verbose=0)
    columns = model.predict({"a": X[:, 0], "b": X[:, 1]}, verbose=0)
    np.testing.assert_allclose(columns, model.predict({"a": X[:, :1], "b": X[:, 1:2]}, verbose=0))


def test_batches_begin_only_if_there_are_any() -> None:
    seen: list[str] = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: seen.append(f"begin {batch}"),
        on_train_batch_end=lambda batch, logs: seen.append(f"end {batch}"),
    )
    regressor().fit(X, Y, batch_size=6, verbose=0, callbacks=[note])
    assert seen == ["begin 0", "end 0", "begin 1", "end 1"]


def test_a_stack_on_a_stack_knows_its_shapes() -> None:
    base = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    model = keras.Sequential([base, layers.Dense(2)])
    model.pop()
    model.add(layers.Dense(5))
    assert model.output_shape == (None, 5) and model.predict(X, verbose=0).shape == (12, 5)
    with pytest.raises(AttributeError, match="not built yet"):
        _ = keras.Sequential([layers.Dense(2)]).output_shape
