"""One row a configuration: how the layer is made, what goes in, and what comes out by a formula in NumPy.

`oracle(weights, *inputs)` gets the layer's weights and inputs in double precision.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.layers import oracles as o


@dataclass
class Sample:
    name: str
    arguments: dict[str, Any]
    inputs: tuple[Any, ...]  # shapes, or arrays
    oracle: Callable[..., Any] | None
    call: dict[str, Any] = field(default_factory=dict)
    as_list: bool = False  # the inputs are one list, not several arguments
    positional: tuple[Any, ...] = ()

    @property
    def id(self) -> str:
        shown = ",".join(f"{k}={v}" for k, v in self.arguments.items() if isinstance(v, (int, float, str, bool, tuple)))
        return f"{self.name}({shown})"[:80]

    def arrays(self) -> list[Any]:
        generator = np.random.default_rng(0)
        return [x if isinstance(x, np.ndarray) else generator.standard_normal(x).astype("float32") for x in self.inputs]


IDS = np.array([[0, 2, 1], [3, 3, 0]], "int32")
QUARTER = {"class_name": "Constant", "config": {"value": 0.25}}
MASK = np.array([[True, True, False, False], [True, False, True, True]])


def sample(name: str, inputs: Any, oracle: Any, call: Any = None, as_list: bool = False, **arguments: Any) -> Sample:
    return Sample(name, arguments, inputs, oracle, call or {}, as_list)


def plain(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return an oracle without weights."""
    return lambda weights, *inputs: fn(*inputs)


SAMPLES = [
    # ---- core
    sample("Dense", ((2, 3),), lambda w, x: x @ w[0] + w[1], units=4),
    sample("Dense", ((2, 5, 3),), lambda w, x: np.maximum(x @ w[0], 0), units=4, activation="relu", use_bias=False),
    sample("EinsumDense", ((2, 3, 4),), lambda w, x: np.einsum("abc,cde->abde", x, w[0]) + w[1],
           equation="abc,cde->abde", output_shape=(3, 5, 2), bias_axes="de"),
    sample("EinsumDense", ((2, 3, 4),), lambda w, x: x @ w[0] + w[1],
           equation="...c,cd->...d", output_shape=(5,), bias_axes="d"),
    sample("Embedding", (IDS,), lambda w, ids: w[0][ids.astype(int)], input_dim=4, output_dim=3),
    sample("Identity", ((2, 3),), plain(lambda x: x)),
    sample("Masking", (np.array([[[1.0, 0.0], [0.0, 0.0]]], "float32"),), plain(lambda x: x)),
    sample("Rescaling", ((2, 3),), plain(lambda x: x * 0.5 - 1), scale=0.5, offset=-1.0),
    # ---- tables
    sample("Normalization", ((4, 3),), plain(lambda x: (x - 1) / 2), mean=1.0, variance=4.0),
    sample("Normalization", ((4, 2),), plain(lambda x: x * np.sqrt([1.0, 4.0]) + [0.0, 3.0]), mean=[0.0, 3.0],
           variance=[1.0, 4.0], invert=True),
    sample("CategoryEncoding", (IDS,), plain(lambda ids: np.eye(5)[ids.astype(int)].max(1)), num_tokens=5),
    sample("CategoryEncoding", (IDS,), plain(lambda ids: np.eye(5)[ids.astype(int)].sum(1)), num_tokens=5,
           output_mode="count"),
    sample("CategoryEncoding", (IDS,), plain(lambda ids: np.eye(5)[ids.astype(int)]), num_tokens=5,
           output_mode="one_hot"),
    # ---- activations
    sample("Activation", ((2, 3),), plain(np.tanh), activation="tanh"),
    sample("ReLU", ((4, 5),), plain(lambda x: np.where(x > 0.2, np.minimum(x, 1.0), 0.1 * (x - 0.2))),
           max_value=1.0, negative_slope=0.1, threshold=0.2),
    sample("LeakyReLU", ((4, 5),), plain(lambda x: np.where(x > 0, x, 0.3 * x))),
    sample("ELU", ((4, 5),), plain(lambda x: np.where(x > 0, x, 0.5 * np.expm1(x))), alpha=0.5),
    sample("PReLU", ((4, 2, 5),), lambda w, x: np.where(x > 0, x, 0.25 * x), alpha_initializer=QUARTER,
           shared_axes=(1,)),
    sample("Softmax", ((4, 5),), plain(o.softmax)),
    sample("Softmax", ((4, 5),), plain(lambda x: o.softmax(x, 0)), axis=0),
    # ---- shapes
    sample("Flatten", ((2, 3, 4),), plain(lambda x: x.reshape(2, 12))),
    sample("Flatten", ((2, 3, 4, 5),), plain(lambda x: np.moveaxis(x, 1, -1).reshape(2, 60)),
           data_format="channels_first"),
    sample("Reshape", ((2, 3, 4),), plain(lambda x: x.reshape(2, 6, 2)), target_shape=(-1, 2)),
    sample("Permute", ((2, 3, 4),), plain(lambda x: x.transpose(0, 2, 1)), dims=(2, 1)),
    sample("RepeatVector", ((2, 3),), plain(lambda x: np.stack([x, x, x], 1)), n=3),
    sample("Cropping1D", ((2, 6, 3),), plain(lambda x: x[:, 1:-2]), cropping=(1, 2)),
    sample("Cropping2D", ((2, 5, 6, 3),), plain(lambda x: x[:, 1:, :-2]), cropping=((1, 0), (0, 2))),
    sample("Cropping3D", ((1, 5, 4, 6, 2),), plain(lambda x: x[:, 1:-1, 1:-1, 1:-1]), cropping=1),
    sample("ZeroPadding1D", ((2, 3, 4),), plain(lambda x: np.pad(x, ((0, 0), (1, 1), (0, 0)))), padding=1),
    sample("ZeroPadding2D", ((2, 3, 4, 2),), plain(lambda x: np.pad(x, ((0, 0), (1, 0), (0, 2), (0, 0)))),
           padding=((1, 0), (0, 2))),
    sample("ZeroPadding3D", ((1, 2, 3, 2, 2),), plain(lambda x: np.pad(x, ((0, 0), (1, 1), (1, 1), (1, 1), (0, 0))))),
    sample("UpSampling1D", ((2, 3, 4),), plain(lambda x: x.repeat(2, 1)), size=2),
    sample("UpSampling2D", ((2, 3, 2, 4),), plain(lambda x: x.repeat(2, 1).repeat(3, 2)), size=(2, 3)),
    sample("UpSampling3D", ((1, 2, 3, 2, 1),), plain(lambda x: x.repeat(2, 1).repeat(2, 2).repeat(2, 3))),
    # ---- convolution
    sample("Conv1D", ((2, 9, 4),), o.conv(1, padding="causal", dilation=2), filters=3, kernel_size=3, padding="causal",
           dilation_rate=2),
    sample("Conv2D", ((2, 7, 6, 3),), o.conv(2, strides=2, padding="same"), filters=4, kernel_size=3, strides=2,
           padding="same"),
    sample("Conv2D", ((2, 7, 6, 4),), o.conv(2, groups=2), filters=4, kernel_size=(2, 3), groups=2),
    sample("Conv2D", ((2, 3, 7, 6),), o.conv(2, first=True), filters=4, kernel_size=2, data_format="channels_first"),
    sample("Conv3D", ((1, 4, 5, 3, 2),), o.conv(3), filters=3, kernel_size=2),
    sample("DepthwiseConv1D", ((2, 9, 4),), o.depthwise(1), kernel_size=3),
    sample("DepthwiseConv2D", ((2, 6, 7, 3),), o.depthwise(2, strides=2, padding="same"), kernel_size=3, strides=2,
           padding="same", depth_multiplier=2),
    sample("SeparableConv1D", ((2, 9, 4),), lambda w, x: o.depthwise(1)([w[0]], x) @ w[1][0] + w[2], filters=3,
           kernel_size=2),
    sample("SeparableConv2D", ((2, 6, 7, 3),), lambda w, x: o.depthwise(2)([w[0]], x) @ w[1][0, 0] + w[2], filters=5,
           kernel_size=3, depth_multiplier=2),
    sample("Conv1DTranspose", ((2, 5, 3),), o.transposed(1, 2), filters=4, kernel_size=3, strides=2),
    sample("Conv2DTranspose", ((2, 3, 4, 3),), o.transposed(2, 2), filters=4, kernel_size=(3, 2), strides=2),
    sample("Conv3DTranspose", ((1, 2, 3, 2, 2),), o.transposed(3), filters=2, kernel_size=2),
    # ---- pooling
    sample("MaxPooling1D", ((2, 9, 4),), o.pool(1, np.nanmax, 3, 2), pool_size=3, strides=2),
    sample("MaxPooling2D", ((2, 7, 8, 3),), o.pool(2, np.nanmax, 3, 2, "same"), pool_size=3, strides=2, padding="same"),
    sample("MaxPooling3D", ((1, 4, 5, 4, 2),), o.pool(3, np.nanmax, 2, 2), pool_size=2),
    sample("AveragePooling1D", ((2, 9, 4),), o.pool(1, np.nanmean, 2, 2), pool_size=2),
    sample("AveragePooling2D", ((2, 7, 8, 3),), o.pool(2, np.nanmean, 3, 1, "same"), pool_size=3, strides=1,
           padding="same"),
    sample("AveragePooling3D", ((1, 4, 5, 4, 2),), o.pool(3, np.nanmean, 2, 1), pool_size=2, strides=1),
    sample("GlobalMaxPooling1D", ((2, 5, 3),), plain(lambda x: x.max(1))),
    sample("GlobalMaxPooling2D", ((2, 5, 4, 3),), plain(lambda x: x.max((1, 2), keepdims=True)), keepdims=True),
    sample("GlobalMaxPooling3D", ((2, 2, 3, 4, 3),), plain(lambda x: x.max((1, 2, 3)))),
    sample("GlobalAveragePooling1D", ((2, 4, 3),), plain(lambda x: (x * MASK[..., None]).sum(1) / MASK.sum(1)[:, None]),
           call={"mask": MASK}),
    sample("GlobalAveragePooling2D", ((2, 3, 5, 4),), plain(lambda x: x.mean((2, 3))), data_format="channels_first"),
    sample("GlobalAveragePooling3D", ((2, 2, 3, 4, 3),), plain(lambda x: x.mean((1, 2, 3)))),
    sample("AdaptiveAveragePooling2D", ((2, 4, 6, 3),), o.pool(2, np.mean, (2, 2), (2, 2)), output_size=(2, 3)),
    sample("AdaptiveMaxPooling1D", ((2, 6, 3),), o.pool(1, np.max, 2, 2), output_size=3),
    # ---- normalisation
    sample("BatchNormalization", ((4, 3),), lambda w, x: o.normalized(x, 0), call={"training": True}),
    sample("BatchNormalization", ((4, 3),), lambda w, x: x / np.sqrt(1.001)),
    sample("LayerNormalization", ((2, 3, 4),), lambda w, x: o.normalized(x, -1)),
    sample("LayerNormalization", ((2, 3, 4),), lambda w, x: o.normalized(x, (1, 2)), axis=(1, 2)),
    sample("RMSNormalization", ((2, 4),), lambda w, x: x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6)),
    sample("GroupNormalization", ((2, 3, 6),), o.group_norm(3), groups=3),
    sample("UnitNormalization", ((2, 4),), plain(lambda x: x / np.sqrt((x**2).sum(-1, keepdims=True)))),
    # ---- recurrence
    sample("SimpleRNN", ((2, 4, 3),), o.simple_rnn, units=5),
    sample("LSTM", ((2, 4, 3),), o.lstm, units=5),
    sample("LSTM", ((2, 4, 3),), lambda w, x: o.lstm(w, x, MASK, sequences=True), call={"mask": MASK}, units=5,
           return_sequences=True),
    sample("LSTM", ((2, 4, 3),), lambda w, x: o.lstm(w, x, backwards=True), units=5, go_backwards=True, unroll=True),
    sample("GRU", ((2, 4, 3),), o.gru, units=5),
    sample("GRU", ((2, 4, 3),), lambda w, x: o.gru(w, x, reset_after=False), units=5, reset_after=False),
    # ---- attention
    sample("Attention", ((2, 3, 4), (2, 5, 4)), plain(lambda q, v: o.softmax(q @ v.transpose(0, 2, 1)) @ v),
           as_list=True),
    sample("AdditiveAttention", ((2, 3, 4), (2, 5, 4)), lambda w, q, v: o.softmax(
        (w[0] * np.tanh(q[:, :, None] + v[:, None])).sum(-1)) @ v, as_list=True),
    sample("MultiHeadAttention", ((2, 3, 4), (2, 5, 4)), o.multi_head, num_heads=2, key_dim=3),
    sample("MultiHeadAttention", ((2, 5, 4), (2, 5, 4)), lambda w, q, v: o.multi_head(w, q, v, causal=True),
           call={"use_causal_mask": True}, num_heads=2, key_dim=3),
    # ---- merging
    sample("Add", ((2, 3), (2, 3), (2, 3)), plain(lambda a, b, c: a + b + c), as_list=True),
    sample("Subtract", ((2, 3), (2, 3)), plain(np.subtract), as_list=True),
    sample("Multiply", ((2, 4, 3), (2, 3)), plain(lambda a, b: a * b[:, None]), as_list=True),
    sample("Average", ((2, 3), (2, 3)), plain(lambda a, b: (a + b) / 2), as_list=True),
    sample("Maximum", ((2, 3), (2, 1)), plain(np.maximum), as_list=True),
    sample("Minimum", ((2, 3), (2, 3)), plain(np.minimum), as_list=True),
    sample("Concatenate", ((2, 3, 4), (2, 2, 4)), plain(lambda a, b: np.concatenate([a, b], 1)), as_list=True, axis=1),
    sample("Dot", ((2, 3, 4), (2, 5, 4)), plain(lambda a, b: a @ b.transpose(0, 2, 1)), as_list=True, axes=2),
]  # fmt: skip
