"""The state of a model as nested dicts, by the parts of the paths of its variables."""

from collections.abc import Iterator
from typing import Any

__all__ = ["assign_state_tree", "state_tree"]


def state_tree(model: Any, value_format: str) -> dict[str, Any]:
    """Return the state of a model in nested dicts, see `Model.get_state_tree`."""
    found: dict[str, Any] = {}
    for group, variables in _groups(model):
        inner = found[group] = {}
        for v in variables:
            *parts, last = v.path.split("/")
            place = inner
            for part in parts:
                place = place.setdefault(part, {})
            place[last] = v.value if value_format == "backend_tensor" else v.numpy()
    return found


def assign_state_tree(model: Any, state_tree: dict[str, Any]) -> None:
    """Assign state in that form, see `Model.set_state_tree`."""
    for group, variables in _groups(model):
        for v in variables:
            place: Any = state_tree.get(group)
            for part in v.path.split("/"):
                place = place.get(part) if isinstance(place, dict) else None
            if place is not None:
                v.assign(place)


def _groups(model: Any) -> Iterator[tuple[str, list[Any]]]:
    yield "trainable_variables", model.trainable_variables
    yield "non_trainable_variables", model.non_trainable_variables
    yield "optimizer_variables", model.optimizer.variables if model.optimizer is not None else []
    yield "metrics_variables", model.metrics_variables
