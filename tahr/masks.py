"""Masks that travel with arrays: which time steps count. An array carries its mask as `_keras_mask`."""

import weakref
from typing import Any

from tahr import tree

_beside: dict[int, tuple[weakref.ref[Any], Any]] = {}  # for arrays that take no attributes, such as traced ones


def get_mask(x: Any) -> Any:
    """Return the mask that `x` carries, or None."""
    mask = getattr(x, "_keras_mask", None)
    if mask is None and _beside:
        found = _beside.get(id(x))
        if found is not None and found[0]() is x:
            return found[1]
    return mask


def set_mask(x: Any, mask: Any) -> None:
    """Let `x` carry `mask`."""
    try:
        x._keras_mask = mask
    except AttributeError:
        key = id(x)
        _beside[key] = weakref.ref(x, lambda _: _beside.pop(key, None)), mask


def masks_of(structure: Any) -> Any:
    """Return the mask of an array, or a structure of masks (None where there is none) like a structure of arrays."""
    if not isinstance(structure, (list, tuple, dict)):
        return get_mask(structure)
    if all(get_mask(x) is None for x in tree.flatten(structure)):
        return None
    return tree.map_structure(get_mask, structure)
