"""Where `.keras` files of Keras 2 keep weights: layers numbered in the order of the configuration."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tahr import naming
from tahr.saving.state import walk_state

__all__ = ["places_of_keras_2"]


def places_of_keras_2(model: Any, config: Mapping[str, Any]) -> dict[str, str]:
    """Return where each part of a model is in its file, by the place that it has in today's files.

    Args:
        model: the model made from `config`.
        config: the configuration in the file.
    """
    today = {id(part): path for path, part in walk_state(model)}
    renamed: dict[str, str] = {}
    _visit(model, config, "", today, renamed)
    found = {}
    for path in today.values():
        start = max((p for p in renamed if path == p or path.startswith(p + "/")), key=len, default=None)
        found[path] = path if start is None else renamed[start] + path[len(start) :]
    return found


def _visit(model: Any, config: Any, prefix: str, today: dict[int, str], renamed: dict[str, str]) -> None:
    inner = config.get("config")
    listed = inner.get("layers") if isinstance(inner, Mapping) else None
    if not isinstance(listed, list):
        return
    layers = {layer.name: layer for layer in getattr(model, "layers", ())}
    used: Counter[str] = Counter()
    for described in listed:
        kind = naming.snake_case(str(described.get("class_name")))
        name = f"{kind}_{used[kind]}" if used[kind] else kind
        used[kind] += 1
        layer = layers.get(described.get("name") or described.get("config", {}).get("name"))
        if layer is not None and id(layer) in today:
            place = f"{prefix}layers/{name}"
            renamed[today[id(layer)]] = place
            _visit(layer, described, f"{place}/", today, renamed)
