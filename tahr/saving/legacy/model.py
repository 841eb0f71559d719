"""Whole models in one HDF5 file, as Keras 1 to 3 write `.h5`."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tahr import config as settings
from tahr.saving import registry
from tahr.saving.atomic import replacing
from tahr.saving.errors import UnreadableFileError, UnsafeFileError
from tahr.saving.hdf5 import declared_size, h5_reading, h5_writing, read_array, text
from tahr.saving.legacy.config import read_legacy_model, upgrade_object
from tahr.saving.legacy.optimizer import load_optimizer_state
from tahr.saving.legacy.weights import Loaded, load_legacy_weights, names_at, write_group, write_legacy_weights
from tahr.saving.report import LoadReport
from tahr.saving.serialization import deserialize_keras_object, serialize_keras_object
from tahr.variables import LoadingScope

__all__ = ["compile_legacy", "load_legacy_model", "read_packed_model", "save_legacy_model"]

ROOT_ONLY = ("module", "registered_name", "build_config", "compile_config")


# ---- reading --------------------------------------------------------------------------------------------------------


def load_legacy_model(
    path: Path, custom_objects: Any = None, compile: bool = True, strict: bool = False
) -> tuple[Any, LoadReport]:
    """Return the model in an `.h5` file of Keras 1, 2 or 3, and a report of what was loaded.

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
        loading = LoadingScope(declared_size(h5), lambda problem: UnsafeFileError(f"{path}: {problem}."))
        with loading:
            model = read_legacy_model(config, major=major)
        if not isinstance(model, Model):
            raise UnreadableFileError(f"{path}: holds a {type(model).__name__}, not a model.")
        loaded = load_legacy_weights(model, h5.get("model_weights", h5), str(path), strict=strict)
        loading.finish()
        if compile and "training_config" in h5.attrs:
            compile_legacy(model, parse_json(text(h5.attrs["training_config"]), str(path)), major)
            if "optimizer_weights" in h5 and model.optimizer is not None:
                _load_optimizer(model, h5["optimizer_weights"], loaded)
    return model, loaded.report


def _major(h5: Any) -> int:
    version = text(h5.attrs["keras_version"]) if "keras_version" in h5.attrs else "1"
    digits = version.split(".")[0]
    return int(digits) if digits.isdigit() else 2


def read_packed_model(config: Mapping[str, Any], custom_objects: Any, compile: bool, major: int) -> Any:
    """Return the model in the configuration of a `.keras` file of Keras 2.12 to 2.15."""
    with registry.CustomObjectScope(custom_objects):
        model = read_legacy_model(config, major=major)
        compile_config = config.get("compile_config")
        if compile and compile_config and hasattr(model, "compile"):
            compile_legacy(model, compile_config, major)
    return model


def compile_legacy(model: Any, config: Mapping[str, Any], major: int) -> None:
    """Compile a model as an older file says."""
    if major >= 3 and model.compiled:
        return
    optimizer = config.get("optimizer_config") or config.get("optimizer")
    names: list[str] = list(getattr(model, "output_names", None) or ()) if major < 3 else []
    config = {**config, **{key: _by_output(config.get(key), names) for key in ("metrics", "weighted_metrics")}}
    arguments = {key: _upgrade_named(config.get(key)) for key in ("loss", "metrics", "weighted_metrics")}
    model.compile(
        optimizer=_optimizer(optimizer, major),
        loss_weights=config.get("loss_weights"),
        **{key: deserialize_keras_object(value) for key, value in arguments.items()},
    )
    if model.optimizer is not None and model.built:
        model.optimizer.build(model.trainable_variables)


def _by_output(metrics: Any, names: list[str]) -> Any:
    """Return metrics of a model with several outputs by output; one list without lists in it was for every output.

    In a list of lists the names of metrics begin with that of their output, which tells more than the order.
    """
    if len(names) < 2 or not isinstance(metrics, list) or not metrics:
        return metrics
    if not any(isinstance(member, (list, Mapping)) for member in metrics):
        return dict.fromkeys(names, metrics)
    if len(metrics) != len(names) or not all(isinstance(member, list) for member in metrics):
        return metrics
    found: dict[str, list[Any]] = {}
    for name, members in zip(names, metrics, strict=True):
        for member in members:
            inner = member.get("config") if isinstance(member, Mapping) else None
            written = str(inner.get("name")) if isinstance(inner, Mapping) else ""
            owner = max((n for n in names if written.startswith(f"{n}_")), key=len, default=name)
            if isinstance(inner, Mapping) and written.startswith(f"{owner}_"):
                member = {**member, "config": {**inner, "name": written.removeprefix(f"{owner}_")}}
            found.setdefault(owner, []).append(member)
    return found


def _optimizer(described: Any, major: int) -> Any:
    if not isinstance(described, Mapping):
        return described or "rmsprop"
    return deserialize_keras_object(upgrade_object(described, "optimizers", major))


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
        if isinstance(inner.get("fn"), str) and value["class_name"] in ("MeanMetricWrapper", "LossFunctionWrapper"):
            return (
                inner["fn"] if value["class_name"] == "LossFunctionWrapper" else _metric(inner["fn"], inner.get("name"))
            )
        return upgrade_object(value, None, 2)
    return value


def _metric(function: str, name: str | None) -> Any:
    """Return the metric of a listed function, under the name that the writer gave it."""
    from tahr import metrics

    found = metrics.get(function)
    return type(found)(name=name) if isinstance(found, metrics.Metric) else metrics.MeanMetricWrapper(found, name=name)


def _load_optimizer(model: Any, group: Any, loaded: Loaded) -> None:
    names = names_at(group, "weight_names")
    values = [read_array(group[name]) for name in names]
    problem = load_optimizer_state(model.optimizer, names, values, loaded.matches, loaded.writer)
    loaded.report.optimizer = problem or "loaded"
    if problem:
        name = type(model.optimizer).__name__
        warnings.warn(f"{loaded.report.path}: the state of the optimizer {name} is left as it is: {problem}.")


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
            write_group(h5.create_group("optimizer_weights"), model.optimizer.variables)


def _plain_object(written: Any) -> Any:
    if not isinstance(written, Mapping):
        return written
    return {"class_name": _short_name(written), "config": written["config"]}


def _short_name(written: Mapping[str, Any]) -> str:
    """Return the name of a class in the short form: that of the class itself, where it is listed under another one."""
    name = str(written.get("registered_name") or written["class_name"])
    return next((own for own, public in registry.PUBLIC.items() if public == name), name)


def _plain_named(value: Any) -> Any:
    if isinstance(value, Mapping) and value.get("class_name") == "function":
        return value["config"]
    if isinstance(value, (list, tuple)):
        return [_plain_named(member) for member in value]
    if isinstance(value, Mapping) and "class_name" not in value:
        return {key: _plain_named(member) for key, member in value.items()}
    return value


def _plain_model(written: Mapping[str, Any]) -> dict[str, Any]:
    """Return a layer's or model's configuration in the short form; so are the layers of models, but no others."""
    from tahr.models.model import Model

    kept = {key: value for key, value in written.items() if key not in ROOT_ONLY}
    kept["class_name"] = _short_name(written)
    inner, name = written["config"], written["class_name"]
    cls: Any = registry.get_registered_object(written.get("registered_name") or name)
    cls = cls or registry.builtin_class(written.get("module"), name)
    whole = cls is None or issubclass(cls, Model)
    if whole and isinstance(inner, Mapping) and isinstance(inner.get("layers"), list):
        kept["config"] = {**inner, "layers": [_plain_model(layer) for layer in inner["layers"]]}
    return kept
