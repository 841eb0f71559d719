"""What models could do in Keras 1 and 2, by way of what they can do today."""

import functools
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tahr.compat.notices import notice
from tahr.masks import get_mask

__all__ = ["modern_call", "old_attribute"]

_EVERYWHERE = {"max_q_size": "max_queue_size", "nb_worker": "workers", "pickle_safe": "use_multiprocessing"}
_RENAMED = {
    "compile": {"experimental_steps_per_execution": "steps_per_execution"},
    "fit": {"nb_epoch": "epochs", "nb_val_samples": "validation_steps"},
    "evaluate": {},
    "predict": {},
    "fit_generator": {"nb_epoch": "epochs", "samples_per_epoch": "steps_per_epoch",
                      "nb_val_samples": "validation_steps"},
    "evaluate_generator": {"val_samples": "steps"},
    "predict_generator": {"val_samples": "steps"},
}  # fmt: skip
_DROPPED = {
    "class_mode", "distribute", "experimental_run_tf_function", "sample_weight_mode", "show_accuracy", "target_tensors",
    "wait_time",
}  # fmt: skip
_READING = ("workers", "use_multiprocessing", "max_queue_size")  # what a data set says itself today
_IN_SAMPLES = ("samples_per_epoch", "nb_val_samples", "val_samples")  # Keras 1 counted samples, not batches


def modern_call(model: Any, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments of a model's method with today's names.

    Args:
        model: the model.
        method: name of the method.
        args: positional arguments, of which the first may be a data set.
        kwargs: keyword arguments; those that nobody knows stay for the method to refuse.
    """
    found: dict[str, Any] = {}
    for key, value in kwargs.items():
        today = _EVERYWHERE.get(key) or _RENAMED[method].get(key)
        if today is not None:
            notice(f"{method}({key}=...)", f"write {today}=...")
            found[today] = value
        elif key in _DROPPED:
            notice(f"{method}({key}=...)", "leave it out: it changes nothing")
        else:
            found[key] = value
    data = args[0] if args else found.get("x")
    for key in _READING:
        if key in found:
            notice(f"{method}({key}=...)", "pass it to the PyDataset")
            value = found.pop(key)
            if hasattr(type(data), key):
                setattr(data, key, value)
    return found


def old_attribute(owner: Any, name: str) -> Any:
    """Return what an attribute, or a method, of layers and models was in Keras 1 or 2.

    Raises:
        AttributeError: if there never was one of that name, or the layer was not called on symbols.

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3, kernel_initializer="ones")])
    >>> model.layers[0].output_shape
    (None, 3)
    >>> model.predict_classes(np.ones((2, 1)), verbose=0)
    [0, 0]
    """
    if match := _OF_ONE_CALL.fullmatch(name):
        return functools.partial(_of_call, owner, name, *match.groups())
    if name in _OF_CALLS:
        return _of_all_calls(owner, name, *name.split("_"))
    if name in _METHODS and hasattr(owner, "fit"):
        return functools.partial(_METHODS[name], owner)
    raise AttributeError(f"{type(owner).__name__!r} object has no attribute {name!r}")


_OF_ONE_CALL = re.compile(r"get_(input|output)(?:_(shape|mask))?_at")
_OF_CALLS = ("input_shape", "output_shape", "input_mask", "output_mask")


def _calls(owner: Any) -> list[tuple[list[Any], list[Any]]]:
    """Return the symbols that went into each call of a layer that is part of a graph, and that came out."""
    nodes = [node for ref in owner.__dict__.get("_nodes", ()) if (node := ref()) is not None]
    own = []
    if hasattr(owner, "fit") and getattr(owner, "inputs", None):  # the first call of a model is its own graph
        own = [(owner.inputs, owner.outputs)]
    return own + [(node.inputs or node.outputs, node.outputs) for node in nodes]


def _of_all_calls(owner: Any, name: str, which: str, part: str) -> Any:
    """Return the shapes or masks that all calls of a layer have in common."""
    notice(f"layer.{name}", f"write layer.{which}.{part}" if part == "shape" else "take masks as an argument of call")
    found = [_of_call(owner, name, which, part, i) for i in range(len(_calls(owner)))]
    if not found:
        raise AttributeError(
            f"{type(owner).__name__!r} object has no attribute {name!r}: {owner.name!r} was not called on symbols. "
            "Make it part of a model that begins with keras.Input, or use layer.compute_output_shape(shape)."
        )
    if part == "shape" and any(shape != found[0] for shape in found):
        raise AttributeError(
            f"{name}: {owner.name!r} was called on inputs of several shapes, which gives {found}. Use "
            f"layer.get_{name}_at(i) for one of the calls."
        )
    return found[0]


def _of_call(owner: Any, name: str, which: str, part: str | None, node_index: int) -> Any:
    """Return the inputs or outputs of a call, their shapes or their masks: one, or a list of several."""
    calls = _calls(owner)
    if not -len(calls) <= node_index < len(calls):
        raise ValueError(f"{name}: {owner.name!r} was called {len(calls)} times; received node_index={node_index}.")
    symbols = calls[node_index][which == "output"]
    read = {None: lambda x: x, "shape": lambda x: x.shape, "mask": get_mask}[part]
    found = [None if x is None else read(x) for x in symbols]  # None: nothing uses that output
    return found[0] if len(found) == 1 else found


def _fit_generator(model: Any, generator: Any, *args: Any, **kwargs: Any) -> Any:
    """Train on a generator's batches."""
    notice("model.fit_generator(...)", "write model.fit(...)")
    names = ("steps_per_epoch", "epochs", "verbose", "callbacks", "validation_data", "validation_steps", "class_weight",
             "max_queue_size", "workers", "use_multiprocessing", "shuffle", "initial_epoch")  # fmt: skip
    kwargs = {**dict(zip(names, args, strict=False)), **kwargs}
    generator, kwargs = _counted_in_batches(generator, kwargs, "samples_per_epoch")
    validation = kwargs.get("validation_data")
    if validation is not None and not isinstance(validation, (tuple, list)):
        kwargs["validation_data"], kwargs = _counted_in_batches(validation, kwargs, "nb_val_samples")
    else:
        kwargs.pop("nb_val_samples", None)
    kwargs = modern_call(model, "fit_generator", (generator,), kwargs)
    for key in ("steps_per_epoch", "validation_steps"):
        if kwargs.get(key) is not None:
            kwargs[key] = _whole(kwargs[key])
    return model.fit(generator, **kwargs)


def _evaluate_generator(model: Any, generator: Any, *args: Any, **kwargs: Any) -> Any:
    """Measure on a generator's batches."""
    notice("model.evaluate_generator(...)", "write model.evaluate(...)")
    return _on_generator(model, "evaluate", generator, args, kwargs)


def _predict_generator(model: Any, generator: Any, *args: Any, **kwargs: Any) -> Any:
    """Return the outputs for a generator's batches."""
    notice("model.predict_generator(...)", "write model.predict(...)")
    return _on_generator(model, "predict", generator, args, kwargs)


def _on_generator(model: Any, method: str, generator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    names = ("steps", "callbacks", "max_queue_size", "workers", "use_multiprocessing", "verbose")
    kwargs = {"verbose": 0, **dict(zip(names, args, strict=False)), **kwargs}
    generator, kwargs = _counted_in_batches(generator, kwargs, "val_samples")
    kwargs = modern_call(model, f"{method}_generator", (generator,), kwargs)
    if kwargs.get("steps") is not None:
        kwargs["steps"] = _whole(kwargs["steps"])
    return getattr(model, method)(generator, **kwargs)


def _predict_classes(model: Any, x: Any, batch_size: int = 32, verbose: Any = 0) -> np.ndarray:
    """Return the class of each row: the largest output, or whether the only one is above a half."""
    notice("model.predict_classes(x)", "write model.predict(x).argmax(axis=-1), or > 0.5 for one output")
    outputs = model.predict(x, batch_size=batch_size, verbose=verbose)
    return outputs.argmax(axis=-1) if outputs.shape[-1] > 1 else (outputs > 0.5).astype("int32")


def _predict_proba(model: Any, x: Any, batch_size: int = 32, verbose: Any = 0) -> Any:
    """Return the outputs."""
    notice("model.predict_proba(x)", "write model.predict(x)")
    return model.predict(x, batch_size=batch_size, verbose=verbose)


_METHODS: dict[str, Callable[..., Any]] = {
    "evaluate_generator": _evaluate_generator,
    "fit_generator": _fit_generator,
    "predict_classes": _predict_classes,
    "predict_generator": _predict_generator,
    "predict_proba": _predict_proba,
}


def _whole(steps: float) -> int:
    """Return a number of steps that may come from a division, such as 100 rows / batches of 32."""
    return math.ceil(steps)


def _counted_in_batches(generator: Any, kwargs: dict[str, Any], key: str) -> tuple[Any, dict[str, Any]]:
    """Return the generator, and the arguments with a number of samples made one of batches."""
    if key not in kwargs:
        return generator, kwargs
    size = getattr(generator, "batch_size", None)
    if size is None:
        first = next(generator)
        size = len(first[0][0] if isinstance(first[0], (list, tuple)) else first[0])
        generator = _after(first, generator)
    return generator, {**kwargs, key: _whole(kwargs[key] / size)}


def _after(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest
