"""Graphs that have each layer there is as a branch, by what goes in; together they leave out no layer."""

from typing import Any

import numpy as np

import tahr as keras
from tahr import layers as L

# Not here: bases, what is part of every graph, and what needs one framework (tests/layers/test_foreign.py).
ELSEWHERE = {"FlaxLayer", "Input", "InputLayer", "InputSpec", "JaxLayer", "Layer", "TFSMLayer", "TorchModuleWrapper",
             "Wrapper"}  # fmt: skip
RANDOM = np.random.default_rng(9)
TABLE = [[0.0, 0.5, 1.0, 1.5, 2.0, 2.5]]

# By the group: the shapes and types of the inputs, and the arguments of each layer; `None` stands for no argument.
GROUPS: dict[str, tuple[Any, dict[str, Any]]] = {
    "rows": ((6,), {
        "Activation": {"activation": "gelu"}, "ActivityRegularization": {"l2": 0.1}, "AlphaDropout": {"rate": 0.2},
        "BatchNormalization": {"scale": False}, "Dense": {"units": 3, "kernel_regularizer": "l2"},
        "Discretization": {"bin_boundaries": [-1.0, 0.0, 1.0], "output_mode": "one_hot"}, "Dropout": {"rate": 0.5},
        "ELU": {"alpha": 0.5}, "GaussianDropout": {"rate": 0.3}, "GaussianNoise": {"stddev": 0.1}, "Identity": {},
        "Lambda": {"function": keras.activations.silu}, "LayerNormalization": {"epsilon": 1e-4}, "LeakyReLU": {},
        "Normalization": {"mean": TABLE, "variance": 2.0}, "PReLU": {}, "RMSNormalization": {}, "ReLU": {},
        "RepeatVector": {"n": 2}, "Rescaling": {"scale": 0.5, "offset": 0.1}, "Reshape": {"target_shape": (2, -1)},
        "Softmax": {}, "SpectralNormalization": {"layer": L.Dense(2)}, "UnitNormalization": {},
        "Pipeline": {"layers": [L.Rescaling(2.0), L.Normalization(mean=1.0, variance=4.0)]},
    }),
    "sequences": ((8, 4), {
        "AdaptiveAveragePooling1D": {"output_size": 3}, "AdaptiveMaxPooling1D": {"output_size": 3},
        "AveragePooling1D": {}, "Bidirectional": {"layer": L.LSTM(2)}, "Conv1D": {"filters": 2, "kernel_size": 3},
        "Conv1DTranspose": {"filters": 2, "kernel_size": 2, "strides": 2}, "Cropping1D": {},
        "DepthwiseConv1D": {"kernel_size": 2}, "Flatten": {}, "GRU": {"units": 2, "reset_after": False},
        "EinsumDense": {"equation": "abc,cd->abd", "output_shape": (None, 3)}, "GlobalAveragePooling1D": {},
        "GlobalMaxPooling1D": {}, "GroupNormalization": {"groups": 2}, "LSTM": {"units": 2, "go_backwards": True},
        "Masking": {}, "MaxPooling1D": {}, "Permute": {"dims": (2, 1)}, "RNN": {"cell": [L.LSTMCell(2), L.GRUCell(3)]},
        "SeparableConv1D": {"filters": 2, "kernel_size": 2}, "SimpleRNN": {"units": 2},
        "SpatialDropout1D": {"rate": 0.2}, "TimeDistributed": {"layer": L.Dense(2)}, "UpSampling1D": {},
        "ZeroPadding1D": {},
    }),
    "images": ((8, 8, 3), {
        "AdaptiveAveragePooling2D": {"output_size": 3}, "AdaptiveMaxPooling2D": {"output_size": 3}, "AugMix": {},
        "AutoContrast": {}, "AveragePooling2D": {}, "CenterCrop": {"height": 4, "width": 4},
        "ContrastLimitedAdaptiveHistogramEqualization": {"tile_grid_size": (2, 2)},
        "Conv2D": {"filters": 2, "kernel_size": 3}, "Conv2DTranspose": {"filters": 2, "kernel_size": 2},
        "ConvLSTM1D": {"filters": 2, "kernel_size": 2}, "Cropping2D": {}, "CutMix": {},
        "DepthwiseConv2D": {"kernel_size": 2}, "Equalization": {}, "GlobalAveragePooling2D": {},
        "GlobalMaxPooling2D": {}, "MaxPooling2D": {}, "MixUp": {}, "RandAugment": {},
        "RandomBrightness": {"factor": 0.2}, "RandomColorDegeneration": {"factor": 0.2}, "RandomColorJitter": {},
        "RandomContrast": {"factor": 0.2}, "RandomCrop": {"height": 4, "width": 4}, "RandomElasticTransform": {},
        "RandomErasing": {}, "RandomFlip": {}, "RandomGaussianBlur": {}, "RandomGrayscale": {},
        "RandomHue": {"factor": 0.2}, "RandomInvert": {}, "RandomPerspective": {}, "RandomPosterization": {"factor": 3},
        "RandomRotation": {"factor": 0.2}, "RandomSaturation": {"factor": 0.2}, "RandomSharpness": {"factor": 0.2},
        "RandomShear": {"x_factor": 0.2}, "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
        "RandomZoom": {"height_factor": 0.1}, "Resizing": {"height": 5, "width": 6},
        "SeparableConv2D": {"filters": 2, "kernel_size": 2}, "Solarization": {"threshold_factor": 0.5},
        "SpatialDropout2D": {"rate": 0.2}, "UpSampling2D": {"interpolation": "bilinear"}, "ZeroPadding2D": {},
    }),
    "volumes": ((4, 4, 4, 2), {
        "AdaptiveAveragePooling3D": {"output_size": 2}, "AdaptiveMaxPooling3D": {"output_size": 2},
        "AveragePooling3D": {}, "Conv3D": {"filters": 2, "kernel_size": 2}, "SpatialDropout3D": {"rate": 0.2},
        "Conv3DTranspose": {"filters": 2, "kernel_size": 2}, "ConvLSTM2D": {"filters": 2, "kernel_size": 2},
        "Cropping3D": {}, "GlobalAveragePooling3D": {}, "GlobalMaxPooling3D": {}, "MaxPooling3D": {},
        "UpSampling3D": {}, "ZeroPadding3D": {},
    }),
    "films": ((2, 3, 3, 3, 2), {"ConvLSTM3D": {"filters": 2, "kernel_size": 2}}),
    "sound": ((64,), {"MelSpectrogram": {"fft_length": 16, "sequence_stride": 8, "num_mel_bins": 4}}),
    "sound of a channel": ((64, 1), {"STFTSpectrogram": {"frame_length": 8, "frame_step": 4, "fft_length": 8}}),
    "pairs": ([(4, 6), (4, 6)], {
        "Add": {}, "AdditiveAttention": {}, "Attention": {"use_scale": True}, "Average": {}, "Concatenate": {},
        "Dot": {"axes": 2}, "Maximum": {}, "Minimum": {}, "Multiply": {}, "Subtract": {},
        "GroupQueryAttention": {"head_dim": 2, "num_query_heads": 4, "num_key_value_heads": 2},
        "MultiHeadAttention": {"num_heads": 2, "key_dim": 3},
    }),
    "ids": ("int32", {
        "CategoryEncoding": {"num_tokens": 6}, "Embedding": {"input_dim": 6, "output_dim": 3, "mask_zero": True},
        "Hashing": {"num_bins": 5}, "IntegerLookup": {"vocabulary": [3, 1, 4]},
        "ReversibleEmbedding": {"input_dim": 6, "output_dim": 3},
    }),
    "pairs of ids": (["int32", "int32"], {"HashedCrossing": {"num_bins": 7}}),
    "text": ("string", {
        "StringLookup": {"vocabulary": ["a", "b"], "output_mode": "multi_hot"},
        "TextVectorization": {"vocabulary": ["a", "c"], "output_sequence_length": 4},
    }),
}  # fmt: skip
CELLS = {"LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells", "MaxNumBoundingBoxes"}  # inside others, or of dicts
WITHOUT_LIST = ("GroupQueryAttention", "MultiHeadAttention")


def graph(group: str) -> tuple[Any, Any]:
    """Return a model with all layers of a group as branches, and inputs for it."""
    keras.utils.set_random_seed(4)
    described, arguments = GROUPS[group]
    many = isinstance(described, list)
    symbols, values = zip(*(_input(one) for one in (described if many else [described])), strict=True)
    outputs = {}
    for name, given in arguments.items():
        layer = getattr(L, name)(**given, name=f"own_{name.lower()}")
        outputs[name] = layer(*symbols) if not many or name in WITHOUT_LIST else layer(list(symbols))
    model = keras.Model(list(symbols) if many else symbols[0], outputs)
    return model, list(values) if many else values[0]


def _input(described: Any) -> tuple[Any, Any]:
    if described == "string":
        return keras.Input((1,), dtype="string"), np.array([["a c"], ["b"], ["a"]])
    if isinstance(described, str):
        shape = (1,) if described == "int32" else ()
        return keras.Input(shape, dtype=described), RANDOM.integers(0, 6, (3, *shape)).astype(described)
    return keras.Input(described), RANDOM.uniform(0, 255, (3, *described)).astype("float32") / 100
