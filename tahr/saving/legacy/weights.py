"""Weights by layer in HDF5, as Keras 1 to 3 write `.h5`: a group for each layer with the names of its arrays."""

import warnings
from typing import Any

import numpy as np

from tahr.saving.errors import UnreadableFileError
from tahr.saving.hdf5 import text_list

__all__ = ["load_legacy_weights", "names_at", "put_names", "write_legacy_weights"]

CHUNK = 2000  # an attribute holds 64 KB, and a name takes 16 bytes of it
TOP = "top_level_model_weights"


def names_at(group: Any, key: str) -> list[str]:
    """Return a list of names from an attribute, or from several of them where one was too small."""
    if key in group.attrs:
        return text_list(group.attrs[key])
    found: list[str] = []
    count = 0
    while f"{key}{count}" in group.attrs:
        found += text_list(group.attrs[f"{key}{count}"])
        count += 1
    return found


def put_names(group: Any, key: str, names: list[str]) -> None:
    """Write a list of names into an attribute, or into several numbered ones."""
    if len(names) <= CHUNK:
        group.attrs[key] = names
        return
    for count, start in enumerate(range(0, len(names), CHUNK)):
        group.attrs[f"{key}{count}"] = names[start : start + CHUNK]


def _weights_of(layer: Any) -> list[Any]:
    """Return a layer's weights in the order of these files: what can learn first."""
    weights = layer.weights
    return [v for v in weights if v.learnable] + [v for v in weights if not v.learnable]


# ---- writing --------------------------------------------------------------------------------------------------------


def write_legacy_weights(model: Any, group: Any) -> None:
    """Write the weights of each layer of a model into its own group."""
    from tahr import config
    from tahr.saving.model_file import KERAS_FORMAT

    put_names(group, "layer_names", [layer.name for layer in model.layers])
    group.attrs["backend"], group.attrs["keras_version"] = config.backend(), KERAS_FORMAT
    for layer in sorted(model.layers, key=lambda layer: layer.name):
        _write_group(group.create_group(layer.name), _weights_of(layer))
    _write_group(group.create_group(TOP), _top_level(model))


def _top_level(model: Any) -> list[Any]:
    return model._own_variables()


def _write_group(group: Any, variables: list[Any]) -> None:
    names: list[str] = []
    for v in variables:
        name, count = v.path, 0
        while name in names:
            count += 1
            name = f"{v.path}_{count}"
        names.append(name)
    put_names(group, "weight_names", names)
    for name, v in zip(names, variables, strict=True):
        group.create_dataset(name, data=v.numpy())


# ---- reading --------------------------------------------------------------------------------------------------------


def load_legacy_weights(model: Any, group: Any, where: str, by_name: bool = False, skip_mismatch: bool = False) -> None:
    """Load weights into a model's layers, matched by order or by name; all are compared before any changes.

    Raises:
        ValueError: if number or shapes differ.
        UnreadableFileError: if the file lacks an array that it lists.
    """
    from tahr.saving.weights import _report, _require_built

    _require_built(model, "load_weights")
    stored = {name: _arrays(group, name, where) for name in names_at(group, "layer_names")}
    pairs = _by_name(model, stored) if by_name else _by_order(model, stored, where)
    if TOP in group and (own := _top_level(model)):
        pairs.append((model.name, own, _arrays(group, TOP, where)))
    plan, problems = [], []
    for name, variables, values in pairs:
        problem = _misfit(variables, values)
        if problem:
            problems.append(f"{name}: {problem}")
        else:
            plan.append((variables, values))
    if problems and not skip_mismatch:
        raise ValueError(_report(where, problems, len(plan)))
    for variables, values in plan:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    if problems:
        warnings.warn(_report(where, problems, len(plan)))


def _arrays(group: Any, name: str, where: str) -> list[np.ndarray]:
    if name not in group:
        raise UnreadableFileError(f"{where}: lists the layer {name!r}, but holds no group of that name.")
    layer = group[name]
    missing = [n for n in names_at(layer, "weight_names") if n not in layer]
    if missing:
        raise UnreadableFileError(
            f"{where}: the layer {name!r} lists the arrays {missing[:5]}, but does not hold them."
        )
    return [np.asarray(layer[n][()]) for n in names_at(layer, "weight_names")]


def _by_order(model: Any, stored: dict[str, list[np.ndarray]], where: str) -> list[tuple[str, list[Any], list[Any]]]:
    layers = [layer for layer in model.layers if layer.weights]
    filled = {name: values for name, values in stored.items() if values}
    if len(layers) != len(filled):
        raise ValueError(
            f"{where}: holds weights for {len(filled)} layers {list(filled)[:8]}; {model.name!r} has {len(layers)} "
            f"layers with weights {[layer.name for layer in layers][:8]}. Use by_name=True to load those of equal name."
        )
    return [(layer.name, _weights_of(layer), v) for layer, v in zip(layers, filled.values(), strict=True)]


def _by_name(model: Any, stored: dict[str, list[np.ndarray]]) -> list[tuple[str, list[Any], list[Any]]]:
    found = [(layer.name, _weights_of(layer), stored.get(layer.name)) for layer in model.layers]
    return [(name, variables, values) for name, variables, values in found if values and variables]


def _misfit(variables: list[Any], values: list[np.ndarray]) -> str | None:
    if len(variables) != len(values):
        return f"has {len(variables)} weights; the file holds {len(values)}"
    for variable, value in zip(variables, values, strict=True):
        if tuple(variable.shape) != value.shape:
            return f"weight {variable.path} has shape {tuple(variable.shape)}; the file holds {value.shape}"
    return None
