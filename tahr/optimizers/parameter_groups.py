"""Settings of an optimizer that hold for some variables only."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from tahr import ops
from tahr.optimizers.schedules.schedule import LearningRateSchedule
from tahr.variables import Variable

if TYPE_CHECKING:
    from tahr.optimizers.arrays import Arrays
    from tahr.optimizers.optimizer import Optimizer

__all__ = ["checked", "group_of", "update"]

SETTINGS = ("learning_rate", "weight_decay")
Groups = dict[str, dict[str, Any]]


def checked(owner: str, groups: Any) -> Groups | None:
    """Return groups with their schedules as objects.

    Raises:
        ValueError: for anything but a dict of dicts with known settings.
    """
    from tahr.optimizers import schedules

    if not groups:
        return None
    if not isinstance(groups, Mapping) or not all(isinstance(group, Mapping) for group in groups.values()):
        raise ValueError(
            f"{owner}: expected groups as {{'backbone/*': {{'learning_rate': 1e-5}}}}; received {groups!r:.100}."
        )
    found: Groups = {}
    for pattern, group in groups.items():
        unknown = [name for name in group if name not in SETTINGS]
        if unknown:
            raise ValueError(f"{owner}: groups[{pattern!r}] may set {' and '.join(SETTINGS)}; received {unknown}.")
        rate = group.get("learning_rate")
        made = schedules.deserialize(rate) if isinstance(rate, Mapping) else rate
        found[pattern] = {**group, **({"learning_rate": made} if "learning_rate" in group else {})}
    return found


def group_of(groups: Groups | None, variable: Variable) -> dict[str, Any] | None:
    """Return the settings of the first pattern that matches the path of a variable, None if none does."""
    if groups is None:  # as nearly always, and asked for each variable at each step
        return None
    return next((group for pattern, group in groups.items() if fnmatchcase(variable.path, pattern)), None)


def update(optimizer: "Optimizer", grads: list[Any], arrays: "Arrays", rate: Any, step: Any, t: Any) -> None:
    """Make one update with the settings of each group: those without one have the rate `rate`."""
    parts: dict[int, tuple[dict[str, Any], list[int]]] = {}
    for place, variable in enumerate(arrays.variables):
        group = group_of(optimizer.groups, variable) or {}
        parts.setdefault(id(group) if group else 0, (group, []))[1].append(place)
    before = dict(arrays.state)
    for group, places in parts.values():
        part = arrays.part(places)
        part.state = dict(before)  # what variables share moves once, not once a group
        own = _rate(group["learning_rate"], step) if "learning_rate" in group else rate
        optimizer._decay(part, own)
        optimizer.update([grads[i] for i in places], part, own, t)
        arrays.take(places, part)
        arrays.state.update({key: value for key, value in part.state.items() if value is not before[key]})


def _rate(rate: Any, step: Any) -> Any:
    return ops.convert_to_tensor(rate(step) if isinstance(rate, LearningRateSchedule) else rate, dtype="float32")
