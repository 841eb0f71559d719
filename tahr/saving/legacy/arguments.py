"""Names that Keras 1 and 2 had for classes and arguments, and what became of them."""

import inspect
from collections.abc import Mapping
from typing import Any

from tahr import ops
from tahr.saving.registry import register_keras_serializable

__all__ = ["legacy_hard_sigmoid", "upgrade_arguments", "upgrade_class", "upgrade_named"]

CLASSES = {
    "AtrousConv1D": "Conv1D", "AtrousConv2D": "Conv2D", "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D", "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization", "Convolution1D": "Conv1D", "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D", "CuDNNGRU": "GRU", "CuDNNLSTM": "LSTM", "Deconvolution2D": "Conv2DTranspose",
    "GRUV2": "GRU", "LSTMV2": "LSTM", "Policy": "DTypePolicy", "PolicyV1": "DTypePolicy",
    "SeparableConvolution1D": "SeparableConv1D", "SeparableConvolution2D": "SeparableConv2D",
    "SyncBatchNormalization": "BatchNormalization", "ThresholdedReLU": "ReLU", "TimeDistributedDense": "Dense",
}  # fmt: skip
MERGES = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum", "concat": "Concatenate", "dot": "Dot"}

RENAMED = {
    "W_constraint": "kernel_constraint", "W_regularizer": "kernel_regularizer", "U_constraint": "recurrent_constraint",
    "U_regularizer": "recurrent_regularizer", "b_constraint": "bias_constraint", "b_regularizer": "bias_regularizer",
    "atrous_rate": "dilation_rate", "batch_input_shape": "batch_shape", "beta_init": "beta_initializer",
    "bias": "use_bias", "border_mode": "padding", "depthwise_init": "depthwise_initializer",
    "dropout_U": "recurrent_dropout", "dropout_W": "dropout",
    "filter_length": "kernel_size", "gamma_init": "gamma_initializer", "init": "kernel_initializer",
    "inner_activation": "recurrent_activation", "inner_init": "recurrent_initializer", "length": "size",
    "lr": "learning_rate", "max_tokens": "num_tokens", "nb_filter": "filters", "output_dim": "units", "p": "rate",
    "pointwise_init": "pointwise_initializer", "pool_length": "pool_size",
    "sigma": "stddev", "stride": "strides", "subsample": "strides", "subsample_length": "strides",
    "theta": "threshold",
}  # fmt: skip
# Where a new name is another one than above.
BY_CLASS = {
    "Embedding": {
        "W_constraint": "embeddings_constraint", "W_regularizer": "embeddings_regularizer",
        "init": "embeddings_initializer", "output_dim": "output_dim",
    },
    "LocallyConnected1D": {"output_dim": "filters"},
    "PReLU": {"init": "alpha_initializer"},
}  # fmt: skip
REMOVED = {
    "arguments", "autocast", "concat_axis", "consume_less", "decay", "dot_axes", "dropout",
    "experimental_run_tf_function", "forget_bias_init", "fused", "input_dim", "groups", "implementation", "input_dtype",
    "input_length", "is_legacy_optimizer", "jit_compile", "kernel_constraint", "kernel_initializer",
    "kernel_regularizer", "key_shape", "kernel_dim1", "kernel_dim2", "kernel_dim3",
    "mode", "mode_type", "nb_col", "nb_row", "output_mask", "output_mask_type", "output_shape", "output_shape_type",
    "query_shape", "ragged", "renorm", "time_major", "transform_bias", "value_shape", "virtual_batch_size",
}  # fmt: skip


@register_keras_serializable("tahr", "hard_sigmoid_of_keras_2")
def legacy_hard_sigmoid(x: Any) -> Any:
    """Return `clip(0.2 x + 0.5, 0, 1)`, what `hard_sigmoid` was before Keras 3.

    >>> legacy_hard_sigmoid(ops.array([-3.0, 0.0, 1.0]))
    [0.0, 0.5, 0.7]
    """
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def upgrade_class(name: str, config: Any) -> str:
    """Return today's name of a class."""
    if name == "Merge" and isinstance(config, Mapping):
        return MERGES.get(str(config.get("mode")), name)
    return CLASSES.get(name, name)


def upgrade_arguments(name: str, old_name: str, config: dict[str, Any], major: int) -> dict[str, Any]:
    """Return the arguments of a built-in class, or of a class derived from one, with today's names."""
    from tahr.recording import parameters_of
    from tahr.saving import registry

    cls = registry.get_registered_object(old_name)
    for room in ("layers", "optimizers"):
        cls = cls or registry.builtin_class(f"keras.{room}", name)
    if not inspect.isclass(cls):
        return config
    accepted = {parameter for parameter, _, _ in parameters_of(cls)}
    config = _convolution_sizes(config)
    found: dict[str, Any] = {}
    for key, value in config.items():
        new = BY_CLASS.get(name, {}).get(key) or (RENAMED.get(key, key) if key not in accepted else key)
        if (new not in accepted and {key, new} & REMOVED) or (key == "batch_input_shape" and name != "InputLayer"):
            continue
        found[new if new in accepted else key] = value
    if "dim_ordering" in found:
        order = found.pop("dim_ordering")
        if "data_format" in accepted and order != "default":
            found["data_format"] = {"th": "channels_first", "tf": "channels_last"}[order]
    if name == "BatchNormalization" and isinstance(found.get("axis"), list) and len(found["axis"]) == 1:
        found["axis"] = found["axis"][0]
    if old_name == "Merge":
        found.pop("layers", None)
        if name == "Concatenate":
            found["axis"] = config.get("concat_axis", -1)
        if name == "Dot":
            found["axes"] = config.get("dot_axes", -1)
    if name == "Flatten" and major < 3:
        found.setdefault("data_format", "channels_last")  # older files mean the order in which values lie
    sides = config.get("padding")
    if old_name == "ZeroPadding2D" and isinstance(sides, (list, Mapping)) and len(sides) == 4:
        names = ("top_pad", "bottom_pad", "left_pad", "right_pad")
        top, bottom, left, right = (sides[n] for n in names) if isinstance(sides, Mapping) else sides
        found["padding"] = [[top, bottom], [left, right]]
    if "forget_bias_init" in config:
        found["unit_forget_bias"] = config["forget_bias_init"] == "one"
    if major < 3:
        _meanings_before_3(name, old_name, found, config)
    return found


def _convolution_sizes(config: dict[str, Any]) -> dict[str, Any]:
    for sizes in (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3")):
        if all(size in config for size in sizes):
            return {**config, "kernel_size": [config[size] for size in sizes]}
    return config


def upgrade_named(value: dict[str, Any]) -> dict[str, Any] | None:
    """Return a regularizer or constraint that Keras 1 wrote as its name and arguments in today's form, or None."""
    arguments = {key: item for key, item in value.items() if key != "name"}
    name = value.get("name")
    if name in ("L1L2Regularizer", "WeightRegularizer", "ActivityRegularizer"):
        return {"module": "keras.regularizers", "class_name": "L1L2", "config": arguments, "registered_name": None}
    if name in ("MaxNorm", "NonNeg", "UnitNorm"):
        if "m" in arguments:
            arguments["max_value"] = arguments.pop("m")
        return {"module": "keras.constraints", "class_name": name, "config": arguments, "registered_name": None}
    return None


def _meanings_before_3(name: str, old_name: str, found: dict[str, Any], config: dict[str, Any]) -> None:
    """Change what had another default or formula."""
    for key in ("activation", "recurrent_activation"):
        if found.get(key) == "hard_sigmoid":
            found[key] = {
                "module": "builtins", "class_name": "function", "registered_name": "function",
                "config": "tahr>hard_sigmoid_of_keras_2",
            }  # fmt: skip
    if found.get("output_mode") == "binary":
        found["output_mode"] = "multi_hot"
    if old_name == "SyncBatchNormalization":
        found["synchronized"] = True
    if name == "GRU":
        found.setdefault("reset_after", old_name == "CuDNNGRU")
    if old_name in ("CuDNNGRU", "CuDNNLSTM"):
        found["recurrent_activation"] = "sigmoid"
    if config.get("decay"):
        found["learning_rate"] = {
            "module": "keras.optimizers.schedules", "class_name": "InverseTimeDecay", "registered_name": None,
            "config": {
                "initial_learning_rate": found.get("learning_rate"), "decay_steps": 1, "decay_rate": config["decay"],
            },
        }  # fmt: skip
    if name == "Lambda" and isinstance(found.get("function"), str):
        found["function"] = {
            "module": "builtins", "class_name": "function", "config": found["function"], "registered_name": "function",
        }  # fmt: skip
        for key in ("function_type", "module", "output_shape_module"):
            found.pop(key, None)
