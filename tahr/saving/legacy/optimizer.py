"""The state of optimizers as Keras 1 and 2 kept it: without the rate, mostly all first slots before all second ones."""

from typing import Any

import numpy as np

from tahr.saving.legacy.conversion import Writer, convert_weights, stored_count
from tahr.saving.legacy.weights import Match, Top

__all__ = ["catch_up", "load_optimizer_state", "slots_in_todays_form"]


def load_optimizer_state(
    optimizer: Any, names: list[str], values: list[np.ndarray], matches: list[Match], writer: Writer
) -> str | None:
    """Load an optimizer's state from the arrays of an older file.

    Args:
        optimizer: a built optimizer.
        names: the names of the arrays in the file.
        values: the arrays.
        matches: the weights of the model in the file's order and layout.
        writer: who wrote the file.

    Returns:
        Why the optimizer was left as it is, or None.
    """
    mine = optimizer.variables
    if writer.major > 2 and [v.shape for v in values] == [tuple(v.shape) for v in mine]:
        for variable, value in zip(mine, values, strict=True):
            variable.assign(value)
        return None
    trained = [v for match in matches for v in match.variables if v.trainable and v in _Trained(optimizer)]
    slots = _own_slots(optimizer, trained)
    steps, stored = _stored_slots(names, values, matches, writer)
    if len(stored) < len(slots):
        return f"the file holds {len(stored)} arrays for each weight, the optimizer has {len(slots)}"
    plan = []
    for variables, arrays in zip(slots, stored, strict=False):
        converted = _in_todays_layout(arrays, matches, writer)
        if [a.shape for a in converted] != [tuple(v.shape) for v in variables]:
            return "the arrays in the file have other shapes"
        plan += zip(variables, converted, strict=True)
    for variable, value in plan:
        variable.assign(value)
    if steps is not None:
        optimizer.iterations.assign(int(steps))
        catch_up(optimizer, int(steps))
    return None


class _Trained:
    """The variables that an optimizer trains, looked up by identity."""

    def __init__(self, optimizer: Any):
        self._found = {id(v) for v in optimizer._trainable_variables}

    def __contains__(self, variable: Any) -> bool:
        return id(variable) in self._found


def _own_slots(optimizer: Any, trained: list[Any]) -> list[list[Any]]:
    """Return an optimizer's slots kind by kind, each in the order of `trained`."""
    found: dict[str, dict[int, Any]] = {}
    prefixes = {id(v): f"{v.path.replace('/', '_')}_" for v in trained}
    for slot in optimizer.variables:
        name = slot.path.split("/", 1)[-1]
        owner = max((v for v in trained if name.startswith(prefixes[id(v)])), key=lambda v: len(v.path), default=None)
        if owner is not None:
            found.setdefault(name.removeprefix(prefixes[id(owner)]), {})[id(owner)] = slot
    return [[kind[id(v)] for v in trained if id(v) in kind] for kind in found.values()]


def _stored_slots(
    names: list[str], values: list[np.ndarray], matches: list[Match], writer: Writer
) -> tuple[int | None, list[list[np.ndarray]]]:
    """Return the number of steps, and the arrays kind by kind, each in the order of the trained weights."""
    steps = None
    if values and values[0].ndim == 0:
        steps = int(values[0])
    placed = [(name, value) for name, value in zip(names, values, strict=True) if value.ndim]
    count = sum(len(_trained_names(match, writer)) for match in matches)
    kinds: dict[str, list[np.ndarray]] = {}
    for name, value in placed:
        if (kind := _kind(name, matches)) is None:
            break
        kinds.setdefault(kind, []).append(value)
    else:
        return steps, list(kinds.values())
    if count == 0:
        return steps, []
    arrays = [value for _, value in placed]
    return steps, [arrays[i : i + count] for i in range(0, len(arrays) - count + 1, count)]


def _kind(name: str, matches: list[Match]) -> str | None:
    """Return what a slot is called beside the weight's name, as `m` in `Adam/dense/kernel/m:0`, if it is named so."""
    plain = name.split(":")[0]
    for match in matches:
        for weight in match.names:
            inside = weight.split(":")[0]
            if f"/{inside}/" in f"/{plain}/":
                rest = f"/{plain}/".replace(f"/{inside}/", "/").strip("/").split("/")
                return rest[-1] if rest[-1] else None
    return None


def _trained_names(match: Match, writer: Writer) -> list[str]:
    """Return the names of a layer's trained weights in the file."""
    if isinstance(match.layer, Top):
        return match.names[: sum(v.trainable for v in match.variables)]
    if not match.layer.trainable:
        return []
    trained = [v for v in match.layer.trainable_weights if any(v is mine for mine in match.variables)]
    return match.names[: stored_count(match.layer, trained, writer)]


def _in_todays_layout(arrays: list[np.ndarray], matches: list[Match], writer: Writer) -> list[np.ndarray]:
    """Return arrays, one for each trained weight of the file, turned as the weights themselves are."""
    names = [name for match in matches for name in _trained_names(match, writer)]
    if len(names) != len(arrays):
        return arrays
    order = sorted(names) if writer.major < 2 else names  # Keras 1 sorted its weights by name
    by_name = dict(zip(order, arrays, strict=True))
    found: list[np.ndarray] = []
    for match in matches:
        mine = [by_name[name] for name in _trained_names(match, writer)]
        if isinstance(match.layer, Top):
            found += mine
        else:
            trained = [v for v in match.variables if v.trainable and match.layer.trainable]
            found += convert_weights(match.layer, trained, mine, writer)
    return found


def slots_in_todays_form(model: Any, optimizer: Any, values: list[np.ndarray]) -> list[np.ndarray]:
    """Return an optimizer's state, in its own order, with slots turned as the weights that they belong to are."""
    found, places = list(values), {id(v): i for i, v in enumerate(optimizer.variables)}
    trained = list(optimizer._trainable_variables)
    for slots in _own_slots(optimizer, trained):
        converted = convert_weights(model, trained, [values[places[id(slot)]] for slot in slots], Writer())
        for slot, value in zip(slots, converted, strict=True):
            found[places[id(slot)]] = value
    return found


def catch_up(optimizer: Any, steps: int) -> None:
    """Set what follows from the number of steps: the product of all momenta of `Nadam`."""
    from tahr.optimizers import Nadam

    if isinstance(optimizer, Nadam):
        factors = optimizer.beta_1 * (1.0 - 0.5 * 0.96 ** np.arange(1.0, steps + 1))
        optimizer._product.assign(np.prod(factors))
