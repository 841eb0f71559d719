"""Turning the weights of a layer into few bits, and what files hold of such a layer."""

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tahr import dtype_policies, quantizers
from tahr.adapt.float8 import ROLES, Float8Weight
from tahr.adapt.lora import LowRank
from tahr.adapt.quantized import Layout, QuantizedWeight
from tahr.dtype_policies.quantized import MODES
from tahr.layers.arguments import who
from tahr.layers.quantizable import Quantizable
from tahr.layers.structure import note_swap
from tahr.quantizers.config import usual_activations

__all__ = ["make_parts", "names_stored", "quantize", "quantize_model", "stored"]

_CONFIGS = {
    "int8": quantizers.Int8QuantizationConfig,
    "int4": quantizers.Int4QuantizationConfig,
    "float8": quantizers.Float8QuantizationConfig,
}
_HISTORY = 1024  # steps that a scale of 8-bit floats looks back


def check_mode(mode: Any, config: Any, where: str) -> tuple[str, Any]:
    """Return the mode, perhaps with the size of a block, and its config, from what a user said of either.

    Raises:
        ValueError: if nothing was said, or something unknown, or two things that differ.
    """
    if isinstance(mode, quantizers.QuantizationConfig):
        mode, config = None, mode
    if config is not None and not isinstance(config, quantizers.QuantizationConfig):
        raise ValueError(f"{where}: expected config to be a QuantizationConfig; received {config!r}.")
    if mode is None and config is None:
        raise ValueError(f"{where}: expected a mode, such as 'int8', or a config; received neither.")
    kind = mode if mode is not None else config and config.mode
    if not isinstance(kind, str) or kind.split("/")[0] not in MODES:
        raise ValueError(f"{where}: expected a mode of {', '.join(map(repr, MODES))}; received {kind!r}.")
    if config is not None and config.mode != kind.split("/")[0]:
        raise ValueError(f"{where}: mode={mode!r} and config.mode={config.mode!r} are not the same; give one of them.")
    return kind, config


def quantize(layer: Any, mode: Any, type_check: bool, config: Any) -> None:
    """Keep the weights of a layer in few bits; see `Layer.quantize`."""
    kind, config = check_mode(mode, config, who(layer))
    if type_check and "quantization_modes" not in type(layer).__dict__:
        raise NotImplementedError(
            f"{who(layer)}: a class derived from {type(layer).__mro__[1].__name__} may compute something else than its "
            "kernel's product, so it is not quantized; type_check=False says that it may be."
        )
    base = kind.split("/")[0]
    if base not in layer.quantization_modes:
        hint = " GPTQ and AWQ need examples to look at, which tahr does not do." if base in ("gptq", "awq") else ""
        raise NotImplementedError(
            f"{who(layer)}: expected a mode of {', '.join(map(repr, layer.quantization_modes))}; received {kind!r}."
            f"{hint}"
        )
    if layer.quantization_mode is not None:
        raise ValueError(f"{who(layer)}: is quantized already, with the policy {layer.dtype_policy.name!r}.")
    if not layer.built and getattr(layer, layer.adapted) is None:
        raise ValueError(
            f"{who(layer)}: is not built. Call it on data, or `build(input_shape)`, before it is quantized."
        )
    if config is None and "/" not in kind:
        config = _CONFIGS[base]() if layer.built else None
    size = _block_size(kind, config)
    name = f"int4/{size}" if base == "int4" and ("/" in kind or config is not None) else base
    policy = dtype_policies.get(f"{name}_from_{layer.dtype_policy.name}")  # refuses what cannot be combined
    for attribute in list(layer._quantized_layouts()):
        held = getattr(layer, attribute)
        value = np.asarray(held.base if isinstance(held, LowRank) else held)
        _replace(layer, attribute, base, config, size)
        if base != "float8":
            held = getattr(layer, attribute)
            (held.base if isinstance(held, LowRank) else held).assign(value)
    layer.dtype_policy = policy
    note_swap()
    layer.quantization_config = config if config is not None else layer.quantization_config


def _block_size(kind: str, config: Any) -> int:
    """Return how many weights share a scale, -1 for all."""
    if "/" in kind:
        return int(kind.split("/")[1])
    size = getattr(config, "block_size", None)
    return -1 if size is None else size


def make_parts(layer: Any, mode: str, config: Any = None) -> None:
    """Put variables for quantized weights in the place of a layer's weights."""
    kind, config = check_mode(mode, config, who(layer))
    for attribute in list(layer._quantized_layouts()):
        _replace(layer, attribute, kind.split("/")[0], config, _block_size(kind, config))


def _replace(layer: Any, attribute: str, base: str, config: Any, size: int) -> None:
    held = getattr(layer, attribute)
    variable = held.base if isinstance(held, LowRank) else held
    if base == "float8":
        made: Any = Float8Weight(variable, _float8_states(layer))
    else:
        layer._own.remove(variable)
        made = _whole(layer, attribute, layer._quantized_layouts()[attribute], base, config, size)
    if isinstance(held, LowRank):
        held.base = made
    else:
        setattr(layer, attribute, made)


def _whole(layer: Any, name: str, layout: Layout, base: str, config: Any, size: int) -> QuantizedWeight:
    """Return a weight of whole numbers, all zero."""

    def add(shape: Any, suffix: str = "", dtype: str = "float32", start: str = "zeros") -> Any:
        kind = {"dtype": dtype, "trainable": False, "autocast": False}
        return layer.add_weight(shape, start, name=suffix if suffix == "g_idx" else name + suffix, **kind)

    weights = quantizers.QuantizationConfig.weight_quantizer_or_default(config, None)
    usual = usual_activations() if base == "int8" else None
    activations = quantizers.QuantizationConfig.activation_quantizer_or_default(config, usual)
    if base == "int8":
        shape = [1 if a is None else layout.shape[a] for a in layout.scale_axes]
        parts = [add(layout.shape, dtype="int8"), add(shape, "_scale", start="ones")]
        return QuantizedWeight(layout, *parts, weights=weights, activations=activations)
    rows, columns = layout.matrix_shape
    packed = (rows, -(-columns // 2)) if layout.pack_axis == -1 else (-(-rows // 2), columns)
    numbers = add(packed, dtype="int8")
    summed, free = (columns, rows) if layout.across else (rows, columns)
    if size == -1:
        scale = add((free,), "_scale", start="ones")
        return QuantizedWeight(layout, numbers, scale, weights=weights, activations=activations)
    blocks = -(-summed // size)
    shape = (free, blocks) if layout.across else (blocks, free)
    scale, zero = add(shape, "_scale", start="ones"), add(shape, "_zero", layout.zero_dtype)
    shared = [v for v in layer._own if v.name == "g_idx"]
    block_of = shared[0] if shared else add((summed,), "g_idx")
    block_of.assign(np.arange(summed) // size)
    return QuantizedWeight(layout, numbers, scale, zero, block_of, size, weights, activations)


def _float8_states(layer: Any) -> dict[str, tuple[Any, Any]]:
    found = {}
    for role in ROLES:
        scale, history = (
            layer.add_weight(shape, start, name=f"{role}_{what}", autocast=False, overwrite_with_gradient=True)
            for what, shape, start in (("scale", (), "ones"), ("amax_history", (_HISTORY,), "zeros"))
        )
        found[role] = scale, history
    return found


# ---- files -----------------------------------------------------------------------------------------------------------


def names_stored(layer: Any, mode: str | None) -> list[str]:
    """Return the names of what files hold of a layer that is quantized in a way, in order."""
    names = [*layer._quantized_layouts()]
    first, others = names[0], [*names[1:]]
    plain = ["bias"] if hasattr(type(layer), "bias") else []
    if mode is None:
        return [first, *plain, *others]
    if mode == "float8":
        return [first, *plain, *(f"{role}_{what}" for role in ROLES for what in ("scale", "amax_history"))]
    parts = ["_scale"] if mode == "int8" else ["_scale", "_zero"]
    shared = [] if mode == "int8" else ["g_idx"]
    more = [other + part for other in others for part in ("", *parts)]
    return [first, *plain, *(first + part for part in parts), *shared, *more]


class _Merged:
    """One stored part of a quantized weight with a low-rank addition: it reads as a part of their rounded sum."""

    def __init__(self, adapted: LowRank, base: QuantizedWeight, index: int):
        self.adapted, self.base, self.index = adapted, base, index
        self.variable = base.variables[index]

    @property
    def path(self) -> str:
        return self.variable.path

    @property
    def shape(self) -> tuple[int, ...]:
        return self.variable.shape

    def numpy(self) -> np.ndarray:
        return np.asarray(self.base.parts_of(self.adapted.value)[self.index], self.variable.dtype)

    def assign(self, value: Any) -> None:
        self.variable.assign(value)
        self.adapted.b.assign(np.zeros(self.adapted.b.shape, "float32"))


def stored(layer: Any) -> list[Any]:
    """Return what files hold of a quantized layer, in order: variables, or what reads and assigns like one."""
    known = {v.name: v for v in layer._own_variables()}
    for attribute in layer._quantized_layouts():
        held = getattr(layer, attribute)
        if isinstance(held, LowRank) and isinstance(held.base, QuantizedWeight):
            known.update({v.name: _Merged(held, held.base, i) for i, v in enumerate(held.base.variables)})
    return [known[name] for name in names_stored(layer, layer.quantization_mode) if name in known]


# ---- models ----------------------------------------------------------------------------------------------------------


def quantize_model(model: Any, mode: Any, config: Any, filters: Any, type_check: bool) -> None:
    """Quantize the layers of a model that can be, and that `filters` choose; see `Model.quantize`."""
    where = f"{model.name}.quantize"
    kind, config = check_mode(mode, config, where)
    chosen = _chooser(filters, where)
    if not model.built:
        raise ValueError(f"{where}: the model is not built. Call it on data, or `build(input_shape)`, before.")
    for layer in model._flatten_layers():
        if isinstance(layer, Quantizable) and chosen(layer):
            try:
                quantize(layer, kind if config is None else None, type_check, config)
            except NotImplementedError as error:
                warnings.warn(f"{where}: a layer stays as it is. {error}", stacklevel=3)


def _chooser(filters: Any, where: str) -> Callable[[Any], bool]:
    if filters is None:
        return lambda layer: True
    if callable(filters):
        return lambda layer: bool(filters(layer))
    patterns = [filters] if isinstance(filters, str) else filters
    if not isinstance(patterns, (list, tuple)) or not all(isinstance(p, str) for p in patterns):
        raise ValueError(
            f"{where}: expected filters to be a regular expression for layers' names, a list of them, or a function of "
            f"a layer; received {filters!r}."
        )
    return lambda layer: any(re.search(pattern, layer.name) for pattern in patterns)
