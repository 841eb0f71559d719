"""Functions of the host inside of TensorFlow's graphs, above all those of `tf.data`, whatever the backend is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import optree

from tahr.backends.tensorflow.loading import tf

__all__ = ["is_needed", "on_host", "symbols_in"]


def symbols_in(structure: Any) -> list[Any]:
    """Return the tensors of a graph among the leaves, which have no values yet."""
    return [x for x in optree.tree_leaves(structure) if isinstance(x, tf.Tensor) and not hasattr(x, "numpy")]


def is_needed(needs_values: str | None, found: list[Any]) -> bool:
    """Return whether a function that needs values in such a case (see `InGraph`) does so for these tensors."""
    if needs_values == "unknown":
        return not all(x.shape.is_fully_defined() for x in found)
    if needs_values == "wide":
        return any(x.dtype in (tf.int64, tf.uint64) for x in found)
    return needs_values == "always"


def on_host(run: Callable[[Any], Any], infer: Callable[[Any], Any], symbol: Callable[..., Any], given: Any) -> Any:
    """Return tensors for what `run` makes of the arrays that those in `given` stand for.

    Args:
        run: function of a structure as `given`, to NumPy arrays in a structure.
        infer: the same function of symbols: its results have `shape` and `dtype`.
        symbol: makes a symbol of a shape and the name of a type.
        given: structure with tensors in it.

    Raises:
        ValueError: if it is unknown how many dimensions a tensor has.
    """
    leaves, structure = optree.tree_flatten(given)
    places = [i for i, x in enumerate(leaves) if isinstance(x, tf.Tensor)]
    if any(leaves[i].shape.rank is None for i in places):
        raise ValueError(
            "A tensor comes whose number of dimensions is unknown. Say it in the data pipeline before the layer, with "
            "tf.ensure_shape(x, shape)."
        )

    def filled(values: Any) -> Any:
        new = dict(zip(places, values, strict=True))
        return structure.unflatten([new.get(i, leaf) for i, leaf in enumerate(leaves)])

    specs, form = optree.tree_flatten(
        infer(filled([symbol(tuple(leaves[i].shape.as_list()), leaves[i].dtype.name) for i in places]))
    )

    def body(*arrays: Any) -> list[np.ndarray]:
        found = optree.tree_leaves(run(filled(arrays)))
        return [_as_sent(a, s.dtype) for a, s in zip(found, specs, strict=True)]

    kinds = [getattr(tf, s.dtype) for s in specs]
    found = tf.numpy_function(body, [leaves[i] for i in places], kinds)
    for x, spec in zip(found, specs, strict=True):
        x.set_shape(spec.shape)
    return form.unflatten(found)


def _as_sent(array: Any, dtype: str) -> np.ndarray:
    if dtype == "string":
        return array if array.dtype.kind == "O" else np.char.encode(np.asarray(array, str), "utf-8")
    return np.asarray(array).astype(getattr(tf, dtype).as_numpy_dtype, copy=False)
