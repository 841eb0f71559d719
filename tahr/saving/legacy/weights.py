"""Weights by layer in HDF5, as Keras 1 to 3 write `.h5`: a group for each layer with the names of its arrays."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from tahr.saving.errors import UnreadableFileError
from tahr.saving.hdf5 import read_array, text, text_list, write_array
from tahr.saving.legacy.conversion import (
    Writer,
    channels_come_first,
    convert_weights,
    flattened_shapes,
    is_channels_first,
)
from tahr.saving.report import LoadReport

__all__ = ["Loaded", "Match", "load_legacy_weights", "names_at", "write_group", "write_legacy_weights"]

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
    """Return a layer's weights in the order of these files: what is trained first, so it depends on what is frozen."""
    if isinstance(layer, Top):
        return layer.variables
    return [*layer.trainable_weights, *layer.non_trainable_weights]


@dataclass
class Match:
    """A layer with the arrays that a file holds for it, in the layout of its writer."""

    name: str
    layer: Any
    variables: list[Any]  # in the order of the file
    names: list[str]
    values: list[np.ndarray]


@dataclass
class Loaded:
    """What loading found out about a file."""

    matches: list[Match]
    writer: Writer
    report: LoadReport


class Top:
    """The weights that a model has beside those of its layers, as if they were those of a layer."""

    def __init__(self, model: Any):
        self.name, self.variables = model.name, model._own_variables()


# ---- writing --------------------------------------------------------------------------------------------------------


def write_legacy_weights(model: Any, group: Any) -> None:
    """Write the weights of each layer of a model into its own group."""
    from tahr import config
    from tahr.saving.model_file import KERAS_FORMAT

    put_names(group, "layer_names", [layer.name for layer in model.layers])
    group.attrs["backend"], group.attrs["keras_version"] = config.backend(), KERAS_FORMAT
    for layer in sorted(model.layers, key=lambda layer: layer.name):
        write_group(group.create_group(layer.name), _weights_of(layer))
    write_group(group.create_group(TOP), Top(model).variables)


def write_group(group: Any, variables: list[Any]) -> None:
    """Write variables by their paths, numbered where several have the same one, and the list of them in order."""
    names: list[str] = []
    for v in variables:
        name, count = v.path, 0
        while name in names:
            count += 1
            name = f"{v.path}_{count}"
        names.append(name)
    put_names(group, "weight_names", names)
    for name, v in zip(names, variables, strict=True):
        write_array(group, name, v.numpy())


# ---- reading --------------------------------------------------------------------------------------------------------


def load_legacy_weights(
    model: Any, group: Any, where: str, by_name: bool = False, skip_mismatch: bool = False, strict: bool = False
) -> "Loaded":
    """Load weights into a model's layers, matched by order or by name; all are compared before any changes.

    Args:
        model: a built model.
        group: HDF5 group with the list of layers.
        where: name of the file for errors.
        by_name: whether layers are matched by name.
        skip_mismatch: whether layers that do not fit stay as they are.
        strict: whether layers of the file that the model lacks are an error.

    Returns:
        What belongs together, who wrote it, and a report.

    Raises:
        ValueError: if number or shapes differ.
        UnreadableFileError: if the file lacks an array that it lists.
    """
    from tahr.saving.weights import _report, _require_built, require_used

    _require_built(model, "load_weights")
    stored = {name: _arrays(group, name, where) for name in names_at(group, "layer_names")}
    pairs = _by_name(model, stored) if by_name else _by_order(model, stored, where)
    matches = [Match(layer.name, layer, _file_order(layer, names), names, values) for layer, (names, values) in pairs]
    if TOP in group and (top := Top(model)).variables:
        names, values = _arrays(group, TOP, where)
        matches.append(Match(model.name, top, top.variables, names, values))
    writer = _writer_of(group, matches)
    report = LoadReport(where)
    matched = {id(match.names) for match in matches}
    report.unused = [name for name, (names, values) in stored.items() if values and id(names) not in matched]
    if strict:
        require_used(report)
    plan, problems = [], []
    flattened = flattened_shapes(model) if writer.channels_first else {}
    for match in matches:
        values = match.values
        if not isinstance(match.layer, Top):
            values = convert_weights(match.layer, match.variables, values, writer, flattened)
        problem = _misfit(match.variables, values)
        if problem:
            problems.append(f"{match.name}: {problem}")
            report.mismatched[match.name] = problem
        else:
            report.loaded.append(match.name)
            plan.append((match.variables, values))
    if problems and not skip_mismatch:
        raise ValueError(_report(where, problems, len(plan)))
    for variables, values in plan:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    if problems:
        warnings.warn(_report(where, problems, len(plan)))
    return Loaded(matches, writer, report)


def _file_order(layer: Any, names: list[str]) -> list[Any]:
    """Return a layer's weights in the order in which a file lists them: by name where names tell, else by rule."""
    variables = _weights_of(layer)
    tails = ["/".join(name.split(":")[0].split("/")[-2:]) for name in names]
    mine = {"/".join(v.path.split("/")[-2:]): v for v in variables}
    if len(mine) == len(variables) == len(names) and set(mine) == set(tails):
        return [mine[tail] for tail in tails]
    return variables


def _writer_of(group: Any, matches: list[Match]) -> Writer:
    """Return who wrote a file: from its attributes, else from how it names and lays out arrays."""
    root = group.file.attrs
    attributes = {key: text(at[key]) for at in (root, group.attrs) for key in ("keras_version", "backend") if key in at}
    version = attributes.get("keras_version", "")
    names = [name for match in matches for name in match.names]
    of_keras_1 = not version and any(name.split(":")[0].endswith(("_W", "_U_f", "_running_std")) for name in names)
    major = int(version.split(".")[0]) if version.split(".")[0].isdigit() else 1 if of_keras_1 else 2
    backend = attributes.get("backend")
    if backend is None and major < 2 and names:  # Theano gives its variables no number after a colon
        backend = "tensorflow" if any(":" in name for name in names) else "theano"
    if "model_config" in root:
        first = channels_come_first(text(root["model_config"]))
    else:
        first = major < 2 and any(_kernels_last(match) for match in matches)
    return Writer(major, backend, first)


def _kernels_last(match: Match) -> bool:
    """Return whether Keras 1 wrote a layer with channels first; where shapes do not tell, the layer itself does."""
    shapes = [(value, tuple(v.shape)) for v, value in zip(match.variables, match.values, strict=False)]
    told = [value.shape != shape for value, shape in shapes if is_channels_first(value, shape)]
    return any(told) or (bool(told) and getattr(match.layer, "data_format", None) == "channels_first")


def _arrays(group: Any, name: str, where: str) -> tuple[list[str], list[np.ndarray]]:
    if name not in group:
        raise UnreadableFileError(f"{where}: lists the layer {name!r}, but holds no group of that name.")
    layer = group[name]
    names = names_at(layer, "weight_names")
    missing = [n for n in names if n not in layer]
    if missing:
        raise UnreadableFileError(
            f"{where}: the layer {name!r} lists the arrays {missing[:5]}, but does not hold them."
        )
    return names, [read_array(layer[n]) for n in names]


Listed = dict[str, tuple[list[str], list[np.ndarray]]]


def _by_order(model: Any, stored: Listed, where: str) -> list[tuple[Any, tuple[list[str], list[np.ndarray]]]]:
    layers = [layer for layer in model.layers if layer.weights]
    filled = {name: listed for name, listed in stored.items() if listed[1]}
    if len(layers) != len(filled):
        raise ValueError(
            f"{where}: holds weights for {len(filled)} layers {list(filled)[:8]}; {model.name!r} has {len(layers)} "
            f"layers with weights {[layer.name for layer in layers][:8]}. Use by_name=True to load those of equal name."
        )
    return list(zip(layers, filled.values(), strict=True))


def _by_name(model: Any, stored: Listed) -> list[tuple[Any, tuple[list[str], list[np.ndarray]]]]:
    return [(la, stored[la.name]) for la in model.layers if la.weights and stored.get(la.name, ([], []))[1]]


def _misfit(variables: list[Any], values: list[np.ndarray]) -> str | None:
    if len(variables) != len(values):
        return f"has {len(variables)} weights; the file holds {len(values)}"
    for variable, value in zip(variables, values, strict=True):
        if tuple(variable.shape) != value.shape:
            return f"weight {variable.path} has shape {tuple(variable.shape)}; the file holds {value.shape}"
    return None
