"""Operations in a model's graph as Keras writes them: `ops.mean` is class `Mean` of module `keras.src.ops.numpy`."""

import inspect
from collections.abc import Callable
from typing import Any

from tahr import ops, tree
from tahr.ops.declare import Op, OpCall
from tahr.symbolic import Node

__all__ = ["OpNode", "find_operation", "make_operation", "write_operation"]

PREFIX = "keras.src.ops."
# Most classes are the operation's name in capitals (`expand_dims` is `ExpandDims`) in the module of its public view;
# these are the others.
CLASSES = {
    "abs": "Absolute", "allclose": "AllClose", "batch_normalization": "BatchNorm", "cdist": "CDist",
    "conj": "Conjugate", "ctc_decode": "CTCDecode", "ctc_loss": "CTCLoss", "extract_patches_3d": "ExtractPatches",
    "fft": "FFT", "fft2": "FFT2", "hard_swish": "HardSilu", "hsv_to_rgb": "HSVToRGB", "ifft2": "IFFT2",
    "irfft": "IRFFT", "isin": "IsIn", "istft": "ISTFT", "jvp": "JVP", "layer_normalization": "LayerNorm",
    "psnr": "PSNR", "rfft": "RFFT", "rgb_to_grayscale": "RGBToGrayscale", "rgb_to_hsv": "RGBToHSV",
    "rms_normalization": "RMSNorm", "searchsorted": "SearchSorted", "ssim": "SSIM", "stft": "STFT", "svd": "SVD",
    "swish": "Silu",
}  # fmt: skip
_SECOND_NAMES = ("abs", "conj", "extract_patches_3d", "hard_swish", "swish")
NAMES = {cls: name for name, cls in CLASSES.items() if name not in _SECOND_NAMES}
MODULES = {
    "math": """cdist erf erfc erfinv extract_sequences fft fft2 ifft2 in_top_k irfft istft logdet logsumexp rfft rsqrt
        segment_max segment_min segment_prod segment_sum stft top_k view_as_complex view_as_real""",
    "core": """associative_scan cast map saturate_cast scan scatter scatter_update slice slice_update stop_gradient
        switch unstack""",
    "einops": "rearrange",
    "linalg": "jvp",
    "numpy": "slogdet",
}
_MODULE_OF = {name: module for module, names in MODULES.items() for name in names.split()}
# Parameters that Keras passes with the arrays although they are none.
WITH_ARRAYS = {
    "full_like": ("fill_value",), "get_item": ("key",), "isclose": ("rtol", "atol"),
    "scale_and_translate": ("output_shape",), "size": ("x",), "slice": ("start_indices",),
    "slice_update": ("start_indices",),
}  # fmt: skip
BY_KEYWORD = {
    "average": ("weights",), "dot_product_attention": ("bias", "mask", "scale"), "pad": ("constant_values",),
    "rms_normalization": ("scale",),
}  # fmt: skip
# Arrays that Keras keeps with the settings.
WITH_SETTINGS = {"bincount": ("weights",), "clip": ("x_min", "x_max"), "trapezoid": ("x",)}
OpNode = tuple[dict[str, Any], list[Any], dict[str, Any]]


def _place(name: str) -> tuple[str, str]:
    """Return module and class name of an operation."""
    module = _MODULE_OF.get(name)
    if module is None:
        family = "image" if name in ops.image.__all__ else ops._HOME[name]
        module = family if family in ("linalg", "image") else "nn" if name in dir(ops.nn) else "numpy"
    return PREFIX + module, CLASSES.get(name) or "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def write_operation(call: OpCall, node: Node) -> OpNode:
    """Return an operation without its inputs as data, and the positional and keyword inputs of one call."""
    op = call.op
    values = dict(zip(op.parameters, op.bind(tuple(node.args), {**call.arguments, **node.kwargs}), strict=True))
    arrays = {op.parameters[i] for i in (*op.promoted, *op.tensors)} | set(WITH_ARRAYS.get(op.name, ()))
    arrays -= set(WITH_SETTINGS.get(op.name, ()))
    public, name = op, op.name
    if name == "_pad_constant":
        values = {
            "x": values["x"],
            "pad_width": values["pad_width"],
            "mode": "constant",
            "constant_values": values["value"],
        }
    if name.startswith("_"):
        name = {"_pad_constant": "pad"}.get(name, name[1:])
        public = _public(name)
    signature = inspect.signature(public)
    by_keyword = BY_KEYWORD.get(name, ())
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    config: dict[str, Any] = {"name": call.name}
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:  # the operation inside takes them as a list
            args += next(value for key, value in values.items() if key in arrays)
        elif parameter.kind is parameter.VAR_KEYWORD:
            continue
        elif parameter.name in by_keyword:
            kwargs[parameter.name] = values.get(parameter.name, parameter.default)
        elif parameter.name in arrays:
            args.append(values[parameter.name])
        else:
            config[parameter.name] = values.get(parameter.name, parameter.default)
    module, cls = _place(name)
    return {"module": module, "class_name": cls, "config": config, "registered_name": cls}, args, kwargs


def find_operation(module: str | None, class_name: str) -> Callable[..., Any] | None:
    """Return the public operation that a file calls `module`, `class_name`, or None."""
    if module == "tahr.saving.legacy.tf_operations":
        from tahr.saving.legacy.tf_operations import find_tf_function

        return find_tf_function(class_name)
    if not module or not module.startswith((PREFIX, "keras.ops", "tahr.ops", "keras.src.activations")):
        return None
    if module.startswith("keras.src.activations"):
        from tahr import activations

        name = class_name.lower()
        return getattr(activations, name) if name in activations.__all__ else None
    if class_name == "ExtractPatches":
        return _extract_patches
    name = NAMES.get(class_name) or _SQUEEZED.get(class_name.lower())
    found = _public(name) if name else None
    return found if callable(found) else None


def _extract_patches(images: Any, size: Any, **settings: Any) -> Any:
    """Return blocks of images or volumes, for which Keras has one class."""
    volumes = len(size) == 3 if isinstance(size, (list, tuple)) else len(images.shape) == 5
    return (ops.image.extract_patches_3d if volumes else ops.image.extract_patches)(images, size, **settings)


def _public(name: str) -> Any:
    """Return an operation by name; those of images are in `ops.image` alone."""
    return getattr(ops.image if name in ops.image.__all__ else ops, name)


_SQUEEZED = {name.replace("_", ""): name for name in (*ops.__all__, *ops.image.__all__)}


def make_operation(found: Callable[..., Any], config: dict[str, Any]) -> Callable[..., Any]:
    """Return what to call on the array arguments: an operation of the name that the file gives, or a function."""
    settings = {key: value for key, value in config.items() if key != "name"}
    if isinstance(found, Op) and found.name == "get_item":
        return _GetItem(found, config.get("name"))
    if isinstance(found, Op):
        return OpCall(found, config.get("name"), **settings)
    signature = inspect.signature(found)

    def call(*args: Any, **kwargs: Any) -> Any:
        rest, given = list(args), []
        keywords = {**settings, **kwargs}
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.VAR_POSITIONAL:
                given += rest
                rest = []
            elif parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name in keywords:
                given.append(keywords.pop(parameter.name))
            elif parameter.kind is parameter.POSITIONAL_OR_KEYWORD and rest:
                given.append(rest.pop(0))
        outputs = found(*given, **keywords)
        made = {id(node): node for x in tree.flatten(outputs) if (node := x.history and x.history[0]) is not None}
        if len(made) == 1 and "name" in config:
            next(iter(made.values())).operation.name = config["name"]
        return outputs

    return call


class _GetItem(OpCall):
    """Indexing whose key was a tuple and has become a list in JSON."""

    def symbolic_call(self, x: Any, key: Any) -> Any:
        return super().symbolic_call(x, tuple(key) if isinstance(key, list) else key)
