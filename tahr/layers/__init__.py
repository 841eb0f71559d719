"""The layers: one family a file. Names are resolved when first used."""

import importlib
from typing import Any

_FAMILIES = {
    "activation": ("Activation", "ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax"),
    "attention": ("AdditiveAttention", "Attention"),
    "batch_normalization": ("BatchNormalization",),
    "bidirectional": ("Bidirectional",),
    "conv_lstm": ("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"),
    "convolution": (
        "Conv1D",
        "Conv1DTranspose",
        "Conv2D",
        "Conv2DTranspose",
        "Conv3D",
        "Conv3DTranspose",
        "DepthwiseConv1D",
        "DepthwiseConv2D",
        "SeparableConv1D",
        "SeparableConv2D",
    ),
    "core": ("Identity", "Lambda", "Masking"),
    "dense": ("Dense",),
    "einsum_dense": ("EinsumDense",),
    "embedding": ("Embedding", "ReversibleEmbedding"),
    "foreign": ("FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper"),
    "gru": ("GRU", "GRUCell"),
    "hashing": ("HashedCrossing", "Hashing"),
    "image.boxes": ("MaxNumBoundingBoxes",),
    "image.colour": (
        "RandomBrightness",
        "RandomColorDegeneration",
        "RandomColorJitter",
        "RandomContrast",
        "RandomGrayscale",
        "RandomHue",
        "RandomInvert",
        "RandomPosterization",
        "RandomSaturation",
        "Solarization",
    ),
    "image.contrast": ("AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization", "Equalization"),
    "image.filters": ("RandomGaussianBlur", "RandomSharpness"),
    "image.geometry": (
        "RandomElasticTransform",
        "RandomFlip",
        "RandomPerspective",
        "RandomRotation",
        "RandomShear",
        "RandomTranslation",
        "RandomZoom",
    ),
    "image.mixing": ("CutMix", "MixUp", "RandomErasing"),
    "image.policies": ("AugMix", "RandAugment"),
    "image.sizes": ("CenterCrop", "RandomCrop", "Resizing"),
    "input_layer": ("Input", "InputLayer"),
    "input_spec": ("InputSpec",),
    "layer": ("Layer",),
    "lookup": ("IntegerLookup", "StringLookup"),
    "lstm": ("LSTM", "LSTMCell"),
    "merging": (
        "Add",
        "Average",
        "Concatenate",
        "Dot",
        "Maximum",
        "Minimum",
        "Multiply",
        "Subtract",
        "add",
        "average",
        "concatenate",
        "dot",
        "maximum",
        "minimum",
        "multiply",
        "subtract",
    ),
    "multi_head_attention": ("GroupQueryAttention", "MultiHeadAttention"),
    "normalization": ("GroupNormalization", "LayerNormalization", "RMSNormalization", "UnitNormalization"),
    "pipeline": ("Pipeline",),
    "pooling": (
        "AdaptiveAveragePooling1D",
        "AdaptiveAveragePooling2D",
        "AdaptiveAveragePooling3D",
        "AdaptiveMaxPooling1D",
        "AdaptiveMaxPooling2D",
        "AdaptiveMaxPooling3D",
        "AveragePooling1D",
        "AveragePooling2D",
        "AveragePooling3D",
        "GlobalAveragePooling1D",
        "GlobalAveragePooling2D",
        "GlobalAveragePooling3D",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
        "GlobalMaxPooling3D",
        "MaxPooling1D",
        "MaxPooling2D",
        "MaxPooling3D",
    ),
    "regularization": (
        "ActivityRegularization",
        "AlphaDropout",
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
    ),
    "rescaling": ("Rescaling",),
    "reshaping": (
        "Cropping1D",
        "Cropping2D",
        "Cropping3D",
        "Flatten",
        "Permute",
        "RepeatVector",
        "Reshape",
        "UpSampling1D",
        "UpSampling2D",
        "UpSampling3D",
        "ZeroPadding1D",
        "ZeroPadding2D",
        "ZeroPadding3D",
    ),
    "rnn": ("RNN", "StackedRNNCells"),
    "serialization": ("deserialize", "serialize"),
    "simple_rnn": ("SimpleRNN", "SimpleRNNCell"),
    "spectrograms": ("MelSpectrogram", "STFTSpectrogram"),
    "tabular": ("CategoryEncoding", "Discretization", "Normalization"),
    "text_vectorization": ("TextVectorization",),
    "wrapper": ("SpectralNormalization", "TimeDistributed", "Wrapper"),
}
# Second names: (the name in tahr, how many axes) for each of Keras's older spellings.
_ALIASES = {
    **{f"Convolution{n}": f"Conv{n}" for n in ("1D", "2D", "3D", "1DTranspose", "2DTranspose", "3DTranspose")},
    **{f"SeparableConvolution{n}D": f"SeparableConv{n}D" for n in (1, 2)},
    **{f"{place}MaxPool{n}D": f"{place}MaxPooling{n}D" for place in ("", "Global") for n in (1, 2, 3)},
    **{f"{place}AvgPool{n}D": f"{place}AveragePooling{n}D" for place in ("", "Global") for n in (1, 2, 3)},
}
_FILES = {name: family for family, names in _FAMILIES.items() for name in names}

__all__ = sorted([*_FILES, *_ALIASES])


def __getattr__(name: str) -> Any:
    target = _ALIASES.get(name, name)
    if target not in _FILES:
        from tahr.compat.names import old_name

        return old_name("layers", name)
    found = getattr(importlib.import_module(f"tahr.layers.{_FILES[target]}"), target)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
