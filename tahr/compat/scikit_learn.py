"""`keras.wrappers.scikit_learn`: estimators made from a function that builds a compiled model."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tahr.compat.notices import notice

__all__ = ["KerasClassifier", "KerasRegressor"]

_FIT = ("batch_size", "callbacks", "class_weight", "epochs", "initial_epoch", "nb_epoch", "shuffle", "steps_per_epoch",
        "validation_data", "validation_split", "verbose")  # fmt: skip


class _Wrapper:
    """What both share: parameters that go to the building function, to `fit` or to `predict`, as their names say.

    Args:
        build_fn: function that returns a compiled model; None for the method `__call__` of a subclass.
        **sk_params: its arguments, and those of `fit` and `predict`.
    """

    model: Any

    def __init__(self, build_fn: Callable[..., Any] | None = None, **sk_params: Any):
        notice(f"wrappers.scikit_learn.{type(self).__name__}", f"use {self._today}")
        self.build_fn, self.sk_params = build_fn, sk_params
        known = {*_FIT, *inspect.signature(self._build).parameters}
        unknown = [name for name in sk_params if name not in known]
        takes_any = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(self._build).parameters.values())
        if unknown and not takes_any:
            raise ValueError(f"{type(self).__name__}: expected arguments of build_fn or fit; received {unknown}.")

    _today = ""

    @property
    def _build(self) -> Callable[..., Any]:
        return self.build_fn if self.build_fn is not None else self.__call__  # type: ignore[attr-defined]

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

        classifier = isinstance(self, KerasClassifier)
        return Tags(
            estimator_type="classifier" if classifier else "regressor",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags() if classifier else None,
            regressor_tags=None if classifier else RegressorTags(),
            input_tags=InputTags(),
        )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name."""
        return {**self.sk_params, "build_fn": self.build_fn}

    def set_params(self, **params: Any) -> "_Wrapper":
        """Set parameters, and return the estimator."""
        self.build_fn = params.pop("build_fn", self.build_fn)
        self.sk_params.update(params)
        return self

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """Build a new model, train it, and return the history."""
        takes = inspect.signature(self._build).parameters
        anything = any(p.kind is p.VAR_KEYWORD for p in takes.values())
        built = {k: v for k, v in self.sk_params.items() if k in takes or (anything and k not in _FIT)}
        self.model = self._build(**built)
        if self.model.loss == "categorical_crossentropy" and np.ndim(y) != 2:
            from tahr.utils import to_categorical

            y = to_categorical(y)
        given = {k: v for k, v in self.sk_params.items() if k in _FIT}
        return self.model.fit(x, y, **{**given, **kwargs})

    def _for_prediction(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        given = {k: v for k, v in self.sk_params.items() if k in ("batch_size", "verbose")}
        return {**given, **kwargs}


class KerasClassifier(_Wrapper):
    """A classifier for scikit-learn."""

    _today = "wrappers.SKLearnClassifier"
    classes_: Any

    def fit(self, x: Any, y: Any, sample_weight: Any = None, **kwargs: Any) -> Any:
        """Build a new model and train it on class numbers, names or one-hot rows."""
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] > 1:
            self.classes_ = np.arange(y.shape[1])
        else:
            self.classes_, found = np.unique(y.reshape(-1), return_inverse=True)
            y = found.reshape(y.shape)
        if sample_weight is not None:
            kwargs["sample_weight"] = sample_weight
        return super().fit(x, y, **kwargs)

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """Return the class of each row."""
        found = self.model.predict(x, **self._for_prediction(kwargs))
        picked = found.argmax(axis=-1) if found.shape[-1] > 1 else (found > 0.5).astype("int32")
        return self.classes_[picked]

    def predict_proba(self, x: Any, **kwargs: Any) -> np.ndarray:
        """Return the probability of each class, of shape (rows, classes)."""
        found = self.model.predict(x, **self._for_prediction(kwargs))
        return np.hstack([1 - found, found]) if found.shape[1] == 1 else found

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """Return the share of rows whose class is predicted."""
        y = np.asarray(y)
        y = self.classes_[y.argmax(axis=-1)] if y.ndim == 2 and y.shape[1] > 1 else y.reshape(-1)
        return float(np.mean(self.predict(x, **kwargs).reshape(-1) == y))


class KerasRegressor(_Wrapper):
    """A regressor for scikit-learn."""

    _today = "wrappers.SKLearnRegressor"

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """Return the outputs, without the last axis if it is of size 1."""
        return np.squeeze(self.model.predict(x, **self._for_prediction(kwargs)), -1)

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """Return minus the loss: more is better."""
        found = self.model.evaluate(x, y, **{"verbose": 0, **kwargs})
        return -(found[0] if isinstance(found, list) else found)
