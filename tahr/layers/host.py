"""Layers that compute in NumPy on the host: text has no place on a device, and whole 64-bit numbers mostly none."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from tahr import backends, dtypes, ops
from tahr.layers.arguments import who
from tahr.layers.in_graph import InGraph
from tahr.symbolic import KerasTensor
from tahr.variables import Variable

__all__ = ["HostLayer", "batches_of", "host_array", "host_vectors", "row_vectors", "texts_of", "vector_shape"]

CHUNK = 1 << 20  # values looked at together while adapting


class HostLayer(InGraph):
    """A layer whose `call` maps NumPy arrays to NumPy arrays, so that it runs in a data pipeline and its processes.

    Called as a layer it takes arrays, lists, pandas columns or single values and gives tensors; `call` itself gives
    NumPy arrays and touches no framework.
    """

    _takes_text, _needs_values = True, "always"
    _takes_native = False  # whether `call` also takes the backend's own tensors

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return tensors (arrays of text for text) for arrays, lists or single values; symbols for symbols."""
        found = super().__call__(*args, **kwargs)
        if not isinstance(found, np.ndarray) or found.dtype.kind in "OSU":
            return found
        return ops.convert_to_tensor(found, dtypes.canonical(found.dtype.name))

    def _convert(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return tuple(self._to_host(a) for a in args), kwargs

    def _to_host(self, x: Any) -> Any:
        if isinstance(x, (KerasTensor, np.ndarray)) or x is None:
            return x
        x = x.value if isinstance(x, Variable) else x
        if not is_native(x):
            return host_array(x, self)
        return x if self._takes_native else self._fetched(x)

    def _fetched(self, x: Any) -> np.ndarray:
        """Return a tensor's values, which are not there yet while a model is being compiled."""
        try:
            return np.asarray(backends.current().to_numpy(x))
        except Exception as error:
            raise TypeError(
                f"{who(self)}: computes on the host, so it cannot be part of a compiled step. Apply it to the data "
                "before `fit` or `predict`, or inside the data pipeline."
            ) from error


def is_native(x: Any) -> bool:
    """Return whether `x` is a tensor of the backend, without loading one to find out."""
    return backends.loaded() not in (None, "numpy") and backends.current().is_tensor(x)


def host_array(x: Any, layer: Any) -> np.ndarray:
    """Return values of any kind as a NumPy array.

    Raises:
        ValueError: if nested lists differ in length.
    """
    if is_native(x):
        return np.asarray(backends.current().to_numpy(x))
    try:
        return np.asarray(x)
    except ValueError as error:
        raise ValueError(
            f"{who(layer)}: expected lists of equal lengths, one array; received lists that differ in length. Pad "
            "them first."
        ) from error


def texts_of(x: np.ndarray, layer: Any, encoding: str = "utf-8", fix: str = "") -> list[str]:
    """Return the values of an array of text, one after the other, as `str`.

    Raises:
        TypeError: if one is no text.
        ValueError: if one is missing (None or NaN), or its bytes are no text in the encoding.
    """
    values = x.ravel().tolist()
    if x.dtype.kind == "U" or not values:
        return values
    if x.dtype.kind not in "OST":
        raise TypeError(f"{who(layer)}: expected text; received numbers of type {x.dtype.name}. {fix}".rstrip())
    for i, value in enumerate(values):
        if type(value) is not str:
            values[i] = _text_of(value, layer, encoding, i, fix)
    return values


def _text_of(value: Any, layer: Any, encoding: str, place: int, fix: str) -> str:
    if isinstance(value, (bytes, bytearray)):
        try:
            return value.decode(encoding)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{who(layer)}: expected bytes of text in {encoding}; received {bytes(value)!r:.60} at place {place}. "
                "Say what the text is written in with `encoding=`."
            ) from error
    if isinstance(value, str):
        return str(value)
    if value is None or type(value).__name__ == "NAType" or value != value:
        raise ValueError(
            f"{who(layer)}: the value at place {place} is missing ({value!r}). Put a text in its place first, such as "
            "`column.fillna('')`, and give the layer that text as a token of its own (`mask_token=''`, for one)."
        )
    raise TypeError(f"{who(layer)}: expected text; received {value!r:.60} at place {place}. {fix}".rstrip())


def host_vectors(ids: np.ndarray, output_mode: str, depth: int, dtype: str, weights: Any = None) -> np.ndarray:
    """Return ids as vectors, as `tabular.encode` does for tensors; `weights` holds a factor for each id."""
    shape = vector_shape(ids.shape, output_mode, depth)
    number, width = int(np.prod(shape[:-1])), ids.shape[-1] if ids.ndim and output_mode != "one_hot" else 1
    rows = np.arange(ids.size) // max(width, 1)
    return row_vectors(ids.ravel(), rows, number, output_mode, depth, dtype, weights).reshape(shape)


def row_vectors(
    ids: np.ndarray, rows: np.ndarray, number: int, output_mode: str, depth: int, dtype: str, weights: Any = None
) -> np.ndarray:
    """Return a vector for each of `number` rows; `rows` says which row each id is of. Ids out of range do not count."""
    found = np.zeros((number, depth), np.dtype(dtype) if dtype != "bfloat16" else _bfloat16())
    there = (ids >= 0) & (ids < depth)
    if output_mode in ("one_hot", "multi_hot"):
        found[rows[there], ids[there]] = 1
    else:
        np.add.at(found, (rows[there], ids[there]), 1)
    if weights is not None:
        found *= np.asarray(weights, found.dtype)
    return found


def _bfloat16() -> Any:
    import ml_dtypes

    return np.dtype(ml_dtypes.bfloat16)


def vector_shape(shape: Any, output_mode: str, depth: int | None) -> tuple[Any, ...]:
    """Return the shape of `host_vectors` for ids of a shape."""
    shape = tuple(shape)
    if output_mode == "one_hot":
        return (*(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape or (1,)), depth)
    return (*shape[:-1], depth)


def batches_of(data: Any, layer: Any, steps: int | None = None, whole: bool = False) -> Iterator[np.ndarray]:
    """Yield the data to adapt to as NumPy arrays, at most about a million values at a time.

    Args:
        data: array, list or pandas column, taken as a whole, or any other iterable of batches, of which those that
            are tuples count by their first member.
        layer: the layer that adapts, for errors.
        steps: how many batches of an iterable to take.
        whole: whether each batch is given as one.
    """
    pieces = (lambda x: iter([x])) if whole else _pieces
    if hasattr(data, "shape") or isinstance(data, (list, tuple, str)) or not isinstance(data, Iterable):
        yield from pieces(host_array(data, layer))
        return
    for i, batch in enumerate(data):
        if steps is not None and i >= steps:
            return
        yield from pieces(host_array(batch[0] if isinstance(batch, tuple) else batch, layer))


def _pieces(x: np.ndarray) -> Iterator[np.ndarray]:
    if x.size <= CHUNK or not x.ndim:
        yield x
        return
    rows = max(1, CHUNK // max(1, x.size // len(x)))
    for i in range(0, len(x), rows):
        yield x[i : i + rows]
