"""A last batch with fewer rows is filled up to those before it, so that the code compiled for these serves it, too.

It is done where it is exact: where an output depends on its own row alone, in models made of layers that are known for
that, and where losses and metrics leave out the rows that a mask says do not count.
"""

from typing import Any

import numpy as np

from tahr import backends, tree
from tahr.layers.layer import Layer
from tahr.losses.loss import Loss

__all__ = ["counts_rows_alone", "fill", "treats_rows_alone"]

# Layers that, outside of training, have nothing to do with other rows of a batch unless an `axis` says so.
_NAMES = """
    Activation ActivityRegularization Add AlphaDropout Average AveragePooling1D AveragePooling2D AveragePooling3D
    BatchNormalization Bidirectional Concatenate Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D
    Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Cropping1D Cropping2D Cropping3D Dense DepthwiseConv1D
    DepthwiseConv2D Dot Dropout ELU EinsumDense Embedding Flatten GRU GRUCell GaussianDropout GaussianNoise
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D
    GlobalMaxPooling3D GroupNormalization GroupQueryAttention InputLayer LSTM LSTMCell LayerNormalization LeakyReLU
    Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum MultiHeadAttention Multiply Normalization PReLU
    Permute RMSNormalization ReLU RepeatVector Rescaling Reshape SeparableConv1D SeparableConv2D SimpleRNN
    SimpleRNNCell Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D StackedRNNCells Subtract
    TimeDistributed UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D
    ZeroPadding3D"""
ALONE = frozenset(_NAMES.split())
_AXES = ("axis", "axes", "attention_axes")

# Attributes of layers that draw other numbers for more rows in training.
_DRAWING = ("dropout", "rate", "recurrent_dropout", "stddev")

# Losses that compare rows, and metrics that count what has no weight.
_COMPARING = frozenset({"Circle", "Dice", "Tversky", "circle", "dice", "tversky"})
_COUNTING = frozenset({"R2Score"})


def treats_rows_alone(model: Any) -> bool:
    """Return whether it is known that each row of what `predict` gives depends on the same row of its inputs alone."""
    from tahr.models import Functional, Model, Sequential

    if type(model) not in (Functional, Model, Sequential) or model._function is None:
        return False
    if any(len(x.shape) < 2 for x in model.inputs):  # whose last axis is that of the rows
        return False
    return all(
        treats_rows_alone(part) if isinstance(part, Model) else all(map(_is_alone, _with_inner(part)))
        for part in model._function.operations
    )


def counts_rows_alone(model: Any, training: bool) -> bool:
    """Return whether a step of a compiled model gives the same if rows are added that a mask says do not count."""
    compiled = model._compiled
    if not treats_rows_alone(model) or any(len(x.shape) < 2 for x in model.outputs):
        return False
    layers = model._flatten_layers()
    if any(map(_adds_losses, layers)) or (training and any(map(_mixes_rows, layers))):
        return False
    losses = (term.loss for term in compiled._terms)
    return all(map(_weighs_rows, losses)) and all(_weighs_rows(report.metric) for report in compiled._reports)


def _adds_losses(layer: Any) -> bool:
    return layer.activity_regularizer is not None or type(layer).__name__ == "ActivityRegularization"


def _mixes_rows(layer: Any) -> bool:
    return type(layer).__name__ == "BatchNormalization" or any(vars(layer).get(name) for name in _DRAWING)


def _weighs_rows(part: Any) -> bool:
    """Return whether a loss or a metric has one value for each row, which a weight of 0 leaves out."""
    kind, own = type(part), vars(part)
    if not kind.__module__.startswith(("tahr.losses.", "tahr.metrics.")) or kind.__name__ in _COUNTING:
        return False
    function = own.get("fn")
    if kind.__name__ in _COMPARING or getattr(function, "__name__", None) in _COMPARING:
        return False
    if isinstance(part, Loss):
        exact = part.dtype in ("float32", "float64") and part.reduction not in ("none", None)
    else:
        exact = own.get("ignore_class") is None  # which a metric counts in another way beside weights
    return exact and _keeps_rows_apart(own)


def _with_inner(part: Any) -> list[Any]:
    return part._flatten_layers() if isinstance(part, Layer) else [part]


def _is_alone(layer: Any) -> bool:
    kind = type(layer)
    if kind.__name__ not in ALONE or not kind.__module__.startswith("tahr.layers."):
        return False
    if getattr(layer, "stateful", False) or getattr(layer, "quantization_mode", None) is not None:
        return False
    if kind.__name__ == "EinsumDense" and not _keeps_first_axis(layer.equation):
        return False
    if kind.__name__ == "Reshape" and not layer.target_shape:
        return False
    return _keeps_rows_apart(vars(layer))


def _keeps_rows_apart(own: dict[str, Any]) -> bool:
    """Return whether no attribute is an axis of rows or a function of a user's own."""
    axes = (a for name in _AXES for a in tree.flatten(own.get(name)) if a is not None)
    functions = (value for value in own.values() if callable(value))
    return all(a == -1 or a > 0 for a in axes) and all(map(_is_ours, functions))


def _keeps_first_axis(equation: str) -> bool:
    left, _, result = equation.replace(" ", "").partition("->")
    given, _, kernel = left.partition(",")
    return given[:1] == result[:1] and given[:1] not in kernel


def _is_ours(function: Any) -> bool:
    """Return whether an activation or the like is one of tahr's, and no code of a user that may look at all rows."""
    return (getattr(function, "__module__", None) or "").startswith("tahr.")


def fill(batch: Any, rows: int) -> Any:
    """Return a nested structure of arrays (or None) on the host, with their last row repeated up to so many rows."""

    def longer(a: Any) -> Any:
        if a is None:
            return None
        host = a if isinstance(a, np.ndarray) else backends.current().to_numpy(a)
        return np.concatenate([host, np.repeat(host[-1:], rows - len(host), 0)])

    return tree.map_structure(longer, batch)
