"""Whole models in one HDF5 file, as Keras 1 to 3 write `.h5`."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tahr import config as settings
from tahr.saving import registry
from tahr.saving.atomic import replacing
from tahr.saving.errors import UnreadableFileError
from tahr.saving.hdf5 import h5_reading, h5_writing, text
from tahr.saving.legacy.config import read_legacy_model, upgrade_object
from tahr.saving.legacy.weights import load_legacy_weights, names_at, put_names, write_legacy_weights
from tahr.saving.serialization import deserialize_keras_object, serialize_keras_object

__all__ = ["load_legacy_model", "save_legacy_model"]

ROOT_ONLY = ("module", "registered_name", "build_config", "compile_config")


# ---- reading --------------------------------------------------------------------------------------------------------


def load_legacy_model(path: Path, custom_objects: Any = None, compile: bool = True) -> Any:
    """Return the model in an `.h5` file of Keras 1, 2 or 3.

    Raises:
        UnreadableFileError: if the file is damaged, or holds weights only.
        TypeError: if it uses a class or function that is neither built in nor registered.
    """
    from tahr.models.model import Model
    from tahr.saving.model_file import check_described, parse_json

    with h5_reading(path, str(path)) as h5, registry.CustomObjectScope(custom_objects):
        if "model_config" not in h5.attrs:
            raise UnreadableFileError(
                f"{path}: holds no model, only weights. Build the model in Python and use model.load_weights(path)."
            )
        config = parse_json(text(h5.attrs["model_config"]), str(path))
        check_described(config, str(path))
        major = _major(h5)
        model = read_legacy_model(config, major=major)
        if not isinstance(model, Model):
            raise UnreadableFileError(f"{path}: holds a {type(model).__name__}, not a model.")
        load_legacy_weights(model, h5.get("model_weights", h5), str(path))
        if compile and "training_config" in h5.attrs:
            _compile(model, parse_json(text(h5.attrs["training_config"]), str(path)), major)
            if "optimizer_weights" in h5 and model.optimizer is not None:
                _load_optimizer(model, h5["optimizer_weights"], str(path))
    return model


def _major(h5: Any) -> int:
    version = text(h5.attrs["keras_version"]) if "keras_version" in h5.attrs else "1"
    digits = version.split(".")[0]
    return int(digits) if digits.isdigit() else 2


def _compile(model: Any, config: dict[str, Any], major: int) -> None:
    if major >= 3 and model.compiled:
        return
    optimizer = config.get("optimizer_config")
    arguments = {key: _upgrade_named(config.get(key)) for key in ("loss", "metrics", "weighted_metrics")}
    model.compile(
        optimizer=deserialize_keras_object(upgrade_object(optimizer, "optimizers", major)) if optimizer else "rmsprop",
        loss_weights=config.get("loss_weights"),
        **{key: deserialize_keras_object(value) for key, value in arguments.items()},
    )
    if model.optimizer is not None and model.built:
        model.optimizer.build(model.trainable_variables)


def _upgrade_named(value: Any) -> Any:
    """Return losses and metrics in today's form: wrappers of a listed function by its name, registered ones as such."""
    if isinstance(value, str):
        known = registry.get_registered_object(value)
        return value if known is None else {
            "module": "builtins", "class_name": "function", "config": value, "registered_name": "function",
        }  # fmt: skip
    if isinstance(value, list):
        return [_upgrade_named(member) for member in value]
    if isinstance(value, Mapping):
        if "class_name" not in value:
            return {key: _upgrade_named(member) for key, member in value.items()}
        inner = value.get("config") or {}
        if value["class_name"] in ("MeanMetricWrapper", "LossFunctionWrapper") and isinstance(inner.get("fn"), str):
            return inner["fn"]
        return upgrade_object(value, None, 2)
    return value


def _load_optimizer(model: Any, group: Any, where: str) -> None:
    values = [np.asarray(group[name][()]) for name in names_at(group, "weight_names")]
    mine = model.optimizer.variables
    for candidate in (values, *_older_orders(values, mine)):
        if [v.shape for v in candidate] == [tuple(v.shape) for v in mine]:
            for variable, value in zip(mine, candidate, strict=True):
                variable.assign(value)
            return
    warnings.warn(
        f"{where}: the state of the optimizer {type(model.optimizer).__name__} is left as it is: the file holds "
        f"{len(values)} arrays of other shapes than its {len(mine)}."
    )


def _older_orders(values: list[np.ndarray], mine: list[Any]) -> list[list[np.ndarray]]:
    """Return the values as Keras 2 ordered them: without the rate, slot by slot or variable by variable."""
    if not values or len(mine) < 2 or len(values) != len(mine) - 1:
        return []
    rate = mine[1].numpy()
    slots = values[1:]
    found = [[values[0], rate, *slots]]
    for kinds in (2, 3):
        if len(slots) % kinds == 0:
            count = len(slots) // kinds
            found.append([values[0], rate, *(slots[k * count + i] for i in range(count) for k in range(kinds))])
    return found


# ---- writing --------------------------------------------------------------------------------------------------------


def save_legacy_model(model: Any, path: Path, include_optimizer: bool = True) -> None:
    """Write a model to an `.h5` file as Keras 3 does."""
    from tahr.saving.model_file import KERAS_FORMAT

    written = serialize_keras_object(model)
    compile_config = written.get("compile_config") or {}
    config = json.dumps(_plain_model(written))
    with replacing(path) as file, h5_writing(file) as h5:
        h5.attrs["backend"], h5.attrs["keras_version"] = settings.backend(), KERAS_FORMAT
        h5.attrs["model_config"] = config
        if compile_config:
            training = {key: _plain_named(value) for key, value in compile_config.items() if key != "optimizer"}
            training["optimizer_config"] = _plain_object(compile_config["optimizer"])
            h5.attrs["training_config"] = json.dumps(training)
        write_legacy_weights(model, h5.create_group("model_weights"))
        if compile_config and include_optimizer and model.optimizer is not None:
            group = h5.create_group("optimizer_weights")
            put_names(group, "weight_names", [v.path for v in model.optimizer.variables])
            for v in model.optimizer.variables:
                group.create_dataset(v.path, data=v.numpy())


def _plain_object(written: Any) -> Any:
    if not isinstance(written, Mapping):
        return written
    return {"class_name": written.get("registered_name") or written["class_name"], "config": written["config"]}


def _plain_named(value: Any) -> Any:
    if isinstance(value, Mapping) and value.get("class_name") == "function":
        return value["config"]
    if isinstance(value, (list, tuple)):
        return [_plain_named(member) for member in value]
    if isinstance(value, Mapping) and "class_name" not in value:
        return {key: _plain_named(member) for key, member in value.items()}
    return value


def _plain_model(written: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's configuration with its layers in the short form, `class_name` and `config`."""
    kept = {key: value for key, value in written.items() if key not in ROOT_ONLY}
    kept["class_name"] = written.get("registered_name") or written["class_name"]
    inner = written["config"]
    if isinstance(inner, Mapping) and isinstance(inner.get("layers"), list):
        kept["config"] = {**inner, "layers": [_plain_model(layer) for layer in inner["layers"]]}
    return kept
