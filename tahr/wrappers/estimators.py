"""Models as classifiers, regressors and transformers of scikit-learn."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from tahr.models import Model, clone_model

__all__ = ["SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer"]


class _Wrapper:
    """What the wrappers share: making the model, training it, predicting."""

    model_: Any
    history_: dict[str, list[float]]
    __metadata_request__fit = {"sample_weight": None}  # makes `set_fit_request(sample_weight=...)`

    def __init__(
        self,
        model: Any,
        warm_start: bool = False,
        model_kwargs: dict[str, Any] | None = None,
        fit_kwargs: dict[str, Any] | None = None,
    ):
        self.model = model
        self.warm_start = warm_start
        self.model_kwargs = model_kwargs
        self.fit_kwargs = fit_kwargs

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.non_deterministic = True  # first weights and orders are drawn, and so is how well a model learns
        if tags.classifier_tags is not None:
            tags.classifier_tags.poor_score = True
        if tags.regressor_tags is not None:
            tags.regressor_tags.poor_score = tags.target_tags.multi_output = True
        if tags.transformer_tags is not None:
            tags.transformer_tags.preserves_dtype = []  # a model computes in its own type
        return tags

    @property
    def epoch_(self) -> int:
        """Number of epochs that the model has been trained for."""
        return len(getattr(self, "history_", {}).get("loss", []))

    def _goes_on(self) -> bool:
        return bool(self.warm_start) and hasattr(self, "model_")

    def _make(self, X: Any, y: Any) -> Any:
        """Return a new compiled model: a copy of the given one with fresh weights, or what the given function makes.

        Raises:
            TypeError: if `model` is neither a model nor a function that returns one.
            ValueError: if the model is not compiled.
        """
        name = type(self).__name__
        if isinstance(self.model, Model):
            if self.model_kwargs:
                raise ValueError(
                    f"{name}: model_kwargs goes to a function that makes a model; received a model itself."
                )
            if not self.model.compiled:
                raise ValueError(f"{name}: the model is not compiled. Call `model.compile(...)` before.")
            made = clone_model(self.model)
            made.compile_from_config(self.model.get_compile_config())
            return made
        if not callable(self.model):
            raise TypeError(
                f"{name}: expected a compiled model, or a function of (X, y) that makes one; received "
                f"{self.model!r:.80}."
            )
        made: Any = self.model(X=X, y=y, **(self.model_kwargs or {}))
        if not isinstance(made, Model) or not made.compiled:
            raise TypeError(f"{name}: expected the function to return a compiled model; received {made!r:.80}.")
        return made

    def _train(self, X: Any, target: Any, kwargs: dict[str, Any]) -> None:
        before = self.history_ if self.warm_start and hasattr(self, "history_") else {}
        found = self.model_.fit(X, target, **{**(self.fit_kwargs or {}), **kwargs}).history
        self.history_ = {key: [*before.get(key, []), *values] for key, values in found.items()}

    def _outputs(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "model_")
        X = validate_data(self, X, reset=False, allow_nd=True)
        return self.model_.predict(X, verbose=0)


class SKLearnClassifier(_Wrapper, ClassifierMixin, BaseEstimator):
    """A model as a classifier of scikit-learn.

    Args:
        model: compiled model, of which each `fit` trains a copy with fresh weights; or function of `(X, y)` and
            `model_kwargs` that makes a compiled model, where `y` is one-hot.
        warm_start: whether `fit` goes on with the model that was trained before.
        model_kwargs: further arguments of the function.
        fit_kwargs: arguments of `Model.fit`.

    The model gets what its loss asks for: numbers of classes for a sparse loss, 0.0 and 1.0 for a single output of two
    classes, else one-hot rows.

    Attributes:
        model_: the trained model.
        history_: dict of the metrics of all epochs.
        classes_: the classes, in the order of the outputs.

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "softmax")])
    >>> model.compile("adam", "categorical_crossentropy")
    >>> classifier = keras.wrappers.SKLearnClassifier(model, fit_kwargs={"verbose": 0, "epochs": 2})
    >>> classifier = classifier.fit(np.array([[0.0, 1.0], [1.0, 0.0]]), ["a", "b"])
    >>> classifier.predict(np.array([[0.0, 1.0]])).shape, classifier.epoch_
    ((1,), 2)
    """

    def fit(self, X: Any, y: Any, **kwargs: Any) -> "SKLearnClassifier":
        """Train on rows and their classes; further arguments are those of `Model.fit`.

        Raises:
            ValueError: if there is nothing to train on, or, with `warm_start`, a class is new.
        """
        X, y = validate_data(self, X, y, allow_nd=True)
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        if self._goes_on():
            codes = self._codes(y)
        else:
            self.classes_, codes = np.unique(y, return_inverse=True)
        rows = np.eye(len(self.classes_), dtype="float32")[codes]
        if not self._goes_on():
            self.model_ = self._make(X, rows)
        self._train(X, self._target(codes, rows), kwargs)
        return self

    def _codes(self, y: np.ndarray) -> np.ndarray:
        new = np.setdiff1d(y, self.classes_)
        if len(new):
            raise ValueError(
                f"The classes {new.tolist()} are new; with warm_start they must be {self.classes_.tolist()}."
            )
        return np.searchsorted(self.classes_, y)

    def _target(self, codes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        loss = self.model_.loss
        name = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
        if "sparse" in name.lower():
            return codes.astype("int32")
        shape = getattr(self.model_, "output_shape", None) if self.model_.built else None
        if len(self.classes_) == 2 and shape is not None and shape[-1] == 1:
            return codes.astype("float32")[:, None]
        return rows

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the outputs of the model: a column for each class, or for two classes how much the second is ahead."""
        found = self._outputs(X)
        if len(self.classes_) != 2:
            return found
        return found[:, 0] - 0.5 if found.shape[-1] == 1 else found[:, 1] - found[:, 0]

    def predict(self, X: Any) -> np.ndarray:
        """Return the most likely class of each row."""
        found = self.decision_function(X)
        return self.classes_[(found > 0).astype(int) if found.ndim == 1 else found.argmax(axis=-1)]


class SKLearnRegressor(_Wrapper, RegressorMixin, BaseEstimator):
    """A model as a regressor of scikit-learn.

    Args:
        model: compiled model, of which each `fit` trains a copy with fresh weights; or function of `(X, y)` and
            `model_kwargs` that makes a compiled model, where `y` has two axes.
        warm_start: whether `fit` goes on with the model that was trained before.
        model_kwargs: further arguments of the function.
        fit_kwargs: arguments of `Model.fit`.

    Attributes:
        model_: the trained model.
        history_: dict of the metrics of all epochs.

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> regressor = keras.wrappers.SKLearnRegressor(model, fit_kwargs={"verbose": 0, "epochs": 50})
    >>> regressor = regressor.fit(np.array([[0.0], [1.0]]), [0.0, 2.0])
    >>> regressor.predict(np.array([[0.5]])).shape
    (1,)
    """

    def fit(self, X: Any, y: Any, **kwargs: Any) -> "SKLearnRegressor":
        """Train on rows and their values; further arguments are those of `Model.fit`."""
        X, y = validate_data(self, X, y, allow_nd=True, multi_output=True, y_numeric=True)
        self._flat = np.ndim(y) == 1
        target = np.asarray(y)[:, None] if self._flat else y
        if not self._goes_on():
            self.model_ = self._make(X, target)
        self._train(X, target, kwargs)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the values for each row, in the number of axes that `y` had in `fit`."""
        found = self._outputs(X)
        return found[:, 0] if self._flat and found.ndim == 2 and found.shape[1] == 1 else found


class SKLearnTransformer(_Wrapper, TransformerMixin, BaseEstimator):
    """A model as a transformer of scikit-learn: its outputs are new features.

    Args:
        model: compiled model, of which each `fit` trains a copy with fresh weights; or function of `(X, y)` and
            `model_kwargs` that makes a compiled model.
        warm_start: whether `fit` goes on with the model that was trained before.
        model_kwargs: further arguments of the function.
        fit_kwargs: arguments of `Model.fit`.

    Attributes:
        model_: the trained model.
        history_: dict of the metrics of all epochs.

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(3)])
    >>> model.compile("adam", "mse")
    >>> transformer = keras.wrappers.SKLearnTransformer(model, fit_kwargs={"verbose": 0})
    >>> transformer.fit_transform(np.ones((4, 3))).shape
    (4, 3)
    """

    def fit(self, X: Any, y: Any = None, **kwargs: Any) -> "SKLearnTransformer":
        """Train on rows and targets, or to give back the rows; further arguments are those of `Model.fit`."""
        if y is None:
            X = target = validate_data(self, X, allow_nd=True)
        else:
            X, y = validate_data(self, X, y, allow_nd=True, multi_output=True)
            target = np.asarray(y)[:, None] if np.ndim(y) == 1 else y
        if not self._goes_on():
            self.model_ = self._make(X, target)
        self._train(X, target, kwargs)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the outputs of the model."""
        return self._outputs(X)

    def transform(self, X: Any) -> np.ndarray:
        """Return the outputs of the model."""
        return self._outputs(X)
