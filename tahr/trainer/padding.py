"""A last batch with fewer rows is filled up to those before it, so that the code compiled for these serves it, too.

It is done where an output depends on its own row alone, so that it is exact: in models made of layers that are known
for that.
"""

from typing import Any

import numpy as np

from tahr import tree
from tahr.layers.layer import Layer

__all__ = ["fill", "treats_rows_alone"]

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
    own = vars(layer)
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
    """Return a nested structure of arrays with their last row repeated up to so many rows."""
    return tree.map_structure(lambda a: np.concatenate([a, np.repeat(a[-1:], rows - len(a), 0)]), batch)
