"""Arrays as Keras 1, CuDNN layers and Theano laid them out, turned into the arrays of today's layers."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tahr import layers
from tahr.layers.conv_lstm import ConvLSTMCell
from tahr.layers.layer import Layer
from tahr.models.model import Model

__all__ = [
    "Writer",
    "channels_come_first",
    "convert_weights",
    "flattened_shapes",
    "has_other_forms",
    "is_channels_first",
    "stored_count",
]

Flattened = dict[int, tuple[int, ...]]

CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)  # depthwise ones are the same with Theano
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
# Where Keras 1 kept the arrays of each gate, in today's order of gates: three arrays (W, U, b) for each.
KERAS_1_GATES = {"ConvLSTMCell": (0, 6, 3, 9), "LSTMCell": (0, 6, 3, 9), "GRUCell": (0, 3, 6)}
CUDNN_GATES = {"LSTMCell": 4, "GRUCell": 3}


@dataclass(frozen=True)
class Writer:
    """Who wrote a file: the version and backend of Keras, and where that model's images had their channels."""

    major: int = 2
    backend: str | None = None
    channels_first: bool = False


def convert_weights(
    layer: Layer, variables: list[Any], values: list[np.ndarray], writer: Writer, flattened: Flattened | None = None
) -> list[np.ndarray]:
    """Return stored arrays of a layer, or of all layers inside of it, in today's layout.

    Args:
        layer: a layer, wrapper or model.
        variables: its weights in the order of the file.
        values: the stored arrays; if their number does not fit, they are returned as they are.
        writer: who wrote them.
        flattened: what `flattened_shapes` gave, if the writer had channels first and the layer has them last.
    """
    groups = list(_groups(layer, variables))
    counts = [_stored_count(owner, mine, writer) for owner, mine in groups]
    if sum(counts) != len(values):
        return values
    found: list[np.ndarray] = []
    start = 0
    for (owner, mine), count in zip(groups, counts, strict=True):
        part = values[start : start + count]
        if flattened and id(owner) in flattened and part:
            part = [_move_channels(part[0], flattened[id(owner)]), *part[1:]]
        found += _convert(owner, mine, part, writer)
        start += count
    return found


def _groups(layer: Layer, variables: list[Any]) -> Iterator[tuple[Layer, list[Any]]]:
    """Yield the neighbours in `variables` that belong to one layer, with it."""
    owners = {id(v): inner for inner in layer._flatten_layers() for v in inner._own_variables()}
    start = 0
    for end in range(1, len(variables) + 1):
        if end == len(variables) or owners.get(id(variables[end])) is not owners.get(id(variables[start])):
            yield owners.get(id(variables[start]), layer), variables[start:end]
            start = end


def stored_count(layer: Layer, variables: list[Any], writer: Writer) -> int:
    """Return how many arrays a writer kept for some weights of a layer."""
    return sum(_stored_count(owner, mine, writer) for owner, mine in _groups(layer, variables))


def _stored_count(owner: Layer, mine: list[Any], writer: Writer) -> int:
    gates = KERAS_1_GATES.get(_kind(owner)) if writer.major < 2 else None
    return 3 * len(gates) if gates else len(mine)


def _kind(owner: Layer) -> str:
    """Return the name of the built-in class that decides on a layer's arrays, or nothing."""
    kinds = (layers.LSTMCell, layers.GRUCell, ConvLSTMCell)
    return next((kind.__name__ for kind in kinds if isinstance(owner, kind)), "")


def has_other_forms(owner: Layer) -> bool:
    """Return whether Keras 2 kept the arrays of a layer in several forms, told apart by their shapes."""
    return _kind(owner) in CUDNN_GATES or _is_local(owner)


def _is_local(owner: Layer) -> bool:
    from tahr.compat.layers import LocallyConnected1D, LocallyConnected2D

    return isinstance(owner, (LocallyConnected1D, LocallyConnected2D))


def _convert(owner: Layer, mine: list[Any], values: list[np.ndarray], writer: Writer) -> list[np.ndarray]:
    kind = _kind(owner)
    if kind == "ConvLSTMCell":
        return _of_conv_lstm(owner, mine, values, writer)
    if kind:
        return _from_cudnn(kind, mine, _join_gates(kind, values))
    if isinstance(owner, (*CONVOLUTIONS, *TRANSPOSED)) and values and len(mine[0].shape) > 2:
        return [_kernel(owner, tuple(mine[0].shape), values[0], writer), *values[1:]]
    if _is_local(owner) and values:
        return [_of_places(owner, tuple(mine[0].shape), values[0]), *(b.reshape(mine[1].shape) for b in values[1:])]
    return values


# ---- recurrent layers -----------------------------------------------------------------------------------------------


def _join_gates(kind: str, values: list[np.ndarray]) -> list[np.ndarray]:
    """Return kernel, recurrent kernel and bias of all gates from those of each gate, as Keras 1 kept them."""
    gates = KERAS_1_GATES[kind]
    if len(values) != 3 * len(gates):
        return values
    return [np.concatenate([values[gate + part] for gate in gates], axis=-1) for part in range(3)]


def _of_conv_lstm(owner: Any, mine: list[Any], values: list[np.ndarray], writer: Writer) -> list[np.ndarray]:
    if len(values) == 3 * len(KERAS_1_GATES["ConvLSTMCell"]):
        shapes = [(*v.shape[:-1], v.shape[-1] // 4) for v in mine[:2]]
        values = [v if i % 3 == 2 else _kernel(owner, shapes[i % 3], v, writer) for i, v in enumerate(values)]
        return _join_gates("ConvLSTMCell", values)
    kernels = [_kernel(owner, tuple(v.shape), w, writer) for v, w in zip(mine[:2], values[:2], strict=False)]
    return [*kernels, *values[2:]]


def _from_cudnn(kind: str, mine: list[Any], values: list[np.ndarray]) -> list[np.ndarray]:
    """Return the arrays of a CuDNN layer, told by its two biases in one row, as those of a plain one.

    CuDNN keeps the kernel of each gate as (units, inputs) row by row, whatever the shape in the file says.
    """
    if len(values) != 3 or values[2].ndim != 1:
        return values
    kernel, recurrent, bias = values
    gates, units = CUDNN_GATES[kind], recurrent.shape[0]
    if bias.shape != (2 * gates * units,) or kernel.ndim != 2 or kernel.shape[1] != gates * units:
        return values
    inputs = np.concatenate([gate.reshape(units, -1).T for gate in np.split(kernel, gates, axis=1)], axis=1)
    states = np.concatenate([gate.T for gate in np.split(recurrent, gates, axis=1)], axis=1)
    two = bias.reshape(2, -1)
    return [inputs, states, two.sum(axis=0) if kind == "LSTMCell" else two]


# ---- convolutions ---------------------------------------------------------------------------------------------------


def _kernel(owner: Any, shape: tuple[int, ...], value: np.ndarray, writer: Writer) -> np.ndarray:
    """Return a kernel as (sizes, inputs, outputs); Theano's are turned by 180 degrees, as it convolves by the book."""
    sizes = len(shape) - 2
    if writer.major < 2:
        value = _kernel_of_keras_1(owner, shape, value, writer)
    if writer.backend == "theano" and value.ndim == len(shape):
        value = np.flip(value, axis=tuple(range(sizes)))
    return value


def _kernel_of_keras_1(owner: Any, shape: tuple[int, ...], value: np.ndarray, writer: Writer) -> np.ndarray:
    sizes = len(shape) - 2
    transposed = isinstance(owner, TRANSPOSED)
    if sizes == 1 and value.ndim == 4:  # a convolution over one axis was one over two, the second of size 1
        if value.shape[1] == 1 and value[:, 0].shape == shape:
            return value[:, 0]
        return np.transpose(value, (2, 3, 1, 0))[:, 0] if value.shape[3] == 1 else value
    if value.ndim != len(shape):
        return value
    if writer.channels_first or (value.shape != shape and is_channels_first(value, shape)):
        order = (*range(2, len(shape)), 0, 1) if transposed else (*range(2, len(shape)), 1, 0)
        return np.transpose(value, order)
    return np.swapaxes(value, -1, -2) if transposed and value.shape != shape else value


def _of_places(owner: Any, shape: tuple[int, ...], value: np.ndarray) -> np.ndarray:
    """Return a kernel for each place of a convolution without shared weights, as (places, what each sees, filters).

    Keras 2 has two more forms, each of all inputs by all outputs: a table that is zero where a place sees nothing
    (`implementation=2`), and the rest of that table output by output (3).
    """
    if value.shape == shape:
        return value
    inputs = tuple(owner.get_build_config()["input_shape"])[1:]
    size, (count, _, filters) = math.prod(inputs), shape
    seen = np.stack([part.ravel() for part in owner.windows(np.arange(size).reshape(1, *inputs))])[:, :, None]
    out = np.arange(count * filters)
    out = (out.reshape(filters, count).T if owner.channels_first else out.reshape(count, filters))[:, None]
    if value.ndim == 1 and value.size == math.prod(shape):
        return value[np.argsort(np.argsort((out * size + seen).ravel()))].reshape(shape)
    return value.ravel()[seen * count * filters + out] if value.size == size * count * filters else value


def is_channels_first(value: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Return whether a kernel is stored with its sizes last, as Keras 1 did for channels that come first."""
    sizes, channels = shape[:-2], shape[-2:]
    return value.ndim == len(shape) > 2 and value.shape in ((*channels, *sizes), (*channels[::-1], *sizes))


# ---- the layer after images -----------------------------------------------------------------------------------------


def channels_come_first(model_config: str) -> bool:
    """Return whether a model's images had channels first, and were flattened so, by its configuration as JSON."""
    orders = re.findall(r'"(?:dim_ordering|data_format)": "(th|tf|channels_first|channels_last)"', model_config)
    flattens = re.findall(r'"class_name": "Flatten", "config": \{[^{}]*"data_format": "channels_first"', model_config)
    return not flattens and any(order in ("th", "channels_first") for order in orders)


def flattened_shapes(model: Any) -> Flattened:
    """Return, by the id of each Dense layer that follows a Flatten, the shape (sizes, channels) that was flattened.

    Layers between the two that leave the order of values alone are passed over. Models with channels first have none.
    """
    found: dict[int, tuple[int, ...]] = {}
    if any(getattr(layer, "data_format", None) == "channels_first" for layer in model._flatten_layers()):
        return found
    shapes: dict[int, tuple[int, ...]] = {}  # by the symbol that holds the flattened values
    for node in _calls(model):
        if isinstance(node.operation, layers.Flatten):
            shape = tuple(node.inputs[0].shape[1:])
            flattened = shape if len(shape) > 1 and None not in shape else None
        else:
            flattened = next((shapes[id(x)] for x in node.inputs if id(x) in shapes), None)
        if flattened is None:
            continue
        if isinstance(node.operation, layers.Dense):
            found[id(node.operation)] = flattened
        elif isinstance(node.operation, (layers.Activation, layers.Dropout, layers.Flatten, layers.ReLU)):
            shapes |= {id(x): flattened for x in node.outputs if x is not None}
    return found


def _move_channels(value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the kernel of a layer for (channels, sizes) laid out in a row as one for (sizes, channels)."""
    if value.shape[0] != np.prod(shape):
        return value
    return np.moveaxis(value.reshape(shape[-1], *shape[:-1], -1), 0, -2).reshape(value.shape)


def _calls(model: Any) -> Iterator[Any]:
    """Yield the calls in the graphs of a model and of all models inside of it, in order."""
    for inner in model._flatten_layers():
        if isinstance(inner, Model):
            yield from getattr(getattr(inner, "_function", None), "_plan", ())
