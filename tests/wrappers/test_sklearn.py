"""Models among scikit-learn's estimators."""

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import tahr as keras
from tahr.wrappers import SKLearnClassifier, SKLearnRegressor, SKLearnTransformer

pytestmark = pytest.mark.trains

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))
CLASSES = np.where(X[:, 0] + X[:, 1] > 0, "up", "down")
VALUES = X @ [2.0, -1.0] + 0.5


class Network:
    """A function of data that makes a model; its name is the same in every process, as test workers ask for."""

    def __call__(
        self, X: Any, y: Any, loss: str, units: int = 8, last: str | None = None, rate: float = 0.05
    ) -> keras.Model:
        keras.utils.set_random_seed(0)  # so that equal calls of `fit` give equal models, as some checks ask for
        outputs = y.shape[1] if np.ndim(y) > 1 else 1
        model = keras.Sequential(
            [keras.Input(X.shape[1:]), keras.layers.Dense(units, "relu"), keras.layers.Dense(outputs, last)]
        )
        model.compile(keras.optimizers.Adam(rate), loss, run_eagerly=True)
        return model

    def __repr__(self) -> str:
        return "network"


network = Network()


class Classifier(SKLearnClassifier):
    """One that says it learns, so that the checks ask for an accuracy of 0.83 and more, where else they do not."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        assert tags.classifier_tags is not None
        tags.classifier_tags.poor_score = False
        return tags


QUIET = {"verbose": 0}
CHECKED = [
    Classifier(
        network,
        model_kwargs={"loss": "categorical_crossentropy", "last": "softmax", "rate": 0.2},
        fit_kwargs={**QUIET, "epochs": 12, "batch_size": 512},  # few steps, as each runs operation by operation
    ),
    SKLearnRegressor(network, model_kwargs={"loss": "mse"}, fit_kwargs=QUIET),
    SKLearnTransformer(network, model_kwargs={"loss": "mse"}, fit_kwargs=QUIET),
]


def not_fulfilled(estimator: Any) -> dict[str, str]:
    if isinstance(estimator, SKLearnRegressor):
        return {"check_regressor_multioutput": "asks for float64, and models compute in float32"}
    return {}


# about 150 small trainings, for each of which JAX compiles anew
quick_enough = pytest.mark.slow if keras.config.backend() == "jax" else lambda test: test


@quick_enough
@parametrize_with_checks(CHECKED, expected_failed_checks=not_fulfilled)
def test_estimators_pass_the_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


def compiled(units: int, last: str | None, loss: str) -> keras.Model:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(units, last)])
    model.compile(keras.optimizers.Adam(0.05), loss)
    return model


@pytest.mark.parametrize(
    ("units", "last", "loss"),
    [
        (2, "softmax", "categorical_crossentropy"),
        (2, "softmax", "sparse_categorical_crossentropy"),
        (1, "sigmoid", "binary_crossentropy"),
    ],
)
def test_classifiers_learn_with_each_loss(units: int, last: str, loss: str) -> None:
    keras.utils.set_random_seed(0)
    model = compiled(units, last, loss)
    before = model.get_weights()
    classifier = SKLearnClassifier(model, fit_kwargs={"epochs": 20, "verbose": 0}).fit(X, CLASSES)
    assert classifier.score(X, CLASSES) > 0.9
    assert classifier.classes_.tolist() == ["down", "up"] and classifier.epoch_ == 20
    assert classifier.decision_function(X).shape == (60,)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_three_classes_have_three_columns() -> None:
    keras.utils.set_random_seed(0)
    y = np.digitize(X[:, 0], [-0.5, 0.5]) * 10
    model = SKLearnClassifier(network, model_kwargs={"loss": "categorical_crossentropy", "last": "softmax"},
                              fit_kwargs={"epochs": 30, "verbose": 0}).fit(X, y)  # fmt: skip
    assert model.decision_function(X).shape == (60, 3) and model.score(X, y) > 0.8
    assert set(model.predict(X)) <= {0, 10, 20}


def test_warm_start_goes_on() -> None:
    keras.utils.set_random_seed(0)
    regressor = SKLearnRegressor(compiled(1, None, "mse"), warm_start=True, fit_kwargs={"epochs": 3, "verbose": 0})
    regressor.fit(X, VALUES)
    first = regressor.model_
    regressor.fit(X, VALUES)
    assert regressor.model_ is first and regressor.epoch_ == 6
    assert regressor.history_["loss"][-1] < regressor.history_["loss"][0]
    other = clone(regressor).set_params(warm_start=False).fit(X, VALUES).fit(X, VALUES)
    assert other.epoch_ == 3
    classifier = SKLearnClassifier(compiled(2, "softmax", "categorical_crossentropy"), True, None, {"verbose": 0})
    classifier.fit(X, CLASSES).fit(X[:3], CLASSES[:3])
    with pytest.raises(ValueError, match="classes \\['new'\\] are new"):
        classifier.fit(X[:2], ["new", "up"])


def test_pipelines_searches_and_pickles() -> None:
    keras.utils.set_random_seed(0)
    regressor = SKLearnRegressor(network, model_kwargs={"loss": "mse"}, fit_kwargs={"epochs": 30, "verbose": 0})
    pipeline = make_pipeline(StandardScaler(), regressor)
    assert cross_val_score(pipeline, X, VALUES, cv=2).mean() > 0.7
    search = GridSearchCV(regressor, {"model_kwargs": [{"loss": "mse", "rate": r} for r in (1e-6, 0.05)]}, cv=2)
    search.fit(X, VALUES)
    assert search.best_params_["model_kwargs"]["rate"] == 0.05
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_allclose(again.predict(X), search.predict(X), rtol=1e-6)


def test_fit_takes_weights_and_data_of_more_axes() -> None:
    images = RNG.normal(size=(20, 4, 4))

    def make(X: Any, y: Any) -> keras.Model:
        model = keras.Sequential([keras.Input(X.shape[1:]), keras.layers.Flatten(), keras.layers.Dense(y.shape[1])])
        model.compile("sgd", "mse")
        return model

    regressor = SKLearnRegressor(make, fit_kwargs={"verbose": 0})
    regressor.fit(images, np.ones((20, 2)), sample_weight=np.zeros(20))
    assert regressor.history_["loss"] == [0.0] and regressor.predict(images).shape == (20, 2)
    with config_context(enable_metadata_routing=True):
        assert regressor.set_fit_request(sample_weight=True) is regressor


def test_a_transformer_without_targets_learns_its_inputs() -> None:
    keras.utils.set_random_seed(0)
    transformer = SKLearnTransformer(compiled(2, None, "mse"), fit_kwargs={"epochs": 100, "verbose": 0})
    assert np.abs(transformer.fit_transform(X) - X).mean() < 0.3
    assert transformer.predict(X).shape == (60, 2)


@pytest.mark.parametrize(
    ("model", "options", "error", "message"),
    [
        (3, {}, TypeError, "expected a compiled model, or a function"),
        (lambda X, y: None, {}, TypeError, "return a compiled model; received None"),
        (keras.Sequential([keras.layers.Dense(1)]), {}, ValueError, "not compiled"),
        (compiled(1, None, "mse"), {"model_kwargs": {"a": 1}}, ValueError, "model_kwargs goes to a function"),
    ],
)
def test_refusals(model: Any, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SKLearnRegressor(model, **options).fit(X, VALUES)
