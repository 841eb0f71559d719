"""Copies of layers around other values: the structure is new, all that is no part of it is shared."""

import copy
import types
from collections.abc import Mapping
from typing import Any

from tahr import dtypes
from tahr.symbolic import KerasTensor, Node, Operation

__all__ = ["rebuilt"]

# what belongs to training with the variables of the one that is copied
_OF_TRAINING = {"_compiled": None, "_session": None, "optimizer": None, "history": None, "_losses": []}
_NUMBERS = (*dtypes.BOOLEANS, *dtypes.INTEGERS, *dtypes.FLOATS, *dtypes.COMPLEXES)
_PLAIN = (str, int, float, bool, bytes, type(None), type, types.FunctionType, types.BuiltinFunctionType)


def rebuilt(layer: Any, values: Mapping[int, Any]) -> Any:
    """Return a copy of a layer whose variables hold other values, as they are: arrays, or what stands for them.

    Args:
        values: what a variable of the copy holds, by the `id` of the layer's own variable. Others hold what they held.

    A model is not compiled then, since its optimizer and metrics are for the variables of the first one.
    """
    return _Copies(values).of(layer)


class _Copies:
    """What has been copied, each once, by the `id` of the first one."""

    def __init__(self, values: Mapping[int, Any]):
        self.values = values
        self.made: dict[int, Any] = {}
        self.kept: list[Any] = []  # so that no `id` is given twice

    def of(self, x: Any) -> Any:
        """Return the copy of an object, or the object itself if nothing of the structure is in it."""
        if isinstance(x, _PLAIN):
            return x
        if id(x) in self.made:
            return self.made[id(x)]
        self.kept.append(x)
        kind = type(x)
        if hasattr(kind, "overwrite_with_gradient"):
            return self._variable(x)
        if isinstance(x, KerasTensor):
            return self._symbol(x)
        if isinstance(x, Operation):
            return self._filled(x, copy.copy(vars(x)) if not hasattr(x, "__getstate__") else x.__getstate__())
        if kind in (list, set, tuple, frozenset):
            items = [self.of(item) for item in x]
            return self._same(x, items, x, lambda: kind(items))
        if isinstance(x, dict):
            items = [self.of(item) for item in x.values()]
            return self._same(x, items, x.values(), lambda: kind(zip(x, items, strict=True)))
        if kind is types.MethodType:
            return self._same(x, [self.of(x.__self__)], [x.__self__], lambda: kind(x.__func__, self.of(x.__self__)))
        return self._other(x)

    def _same(self, x: Any, new: Any, old: Any, make: Any) -> Any:
        """Return `x` itself if its parts are their own copies, else what `make` makes."""
        found = x if all(a is b for a, b in zip(new, old, strict=True)) else make()
        return self.made.setdefault(id(x), found)

    def _filled(self, x: Any, state: dict[str, Any]) -> Any:
        made = self.made[id(x)] = object.__new__(type(x))
        state = {name: _OF_TRAINING[name] if name in _OF_TRAINING else self.of(v) for name, v in state.items()}
        made.__setstate__(state) if hasattr(made, "__setstate__") else vars(made).update(state)
        return made

    def _variable(self, x: Any) -> Any:
        made = self.made[id(x)] = object.__new__(type(x))
        vars(made).update(vars(x))
        value = made._value = self.values.get(id(x), x._value)
        if hasattr(value, "shape") and hasattr(value, "dtype"):
            made._shape = tuple(value.shape)
            if str(value.dtype) in _NUMBERS:
                made._dtype = str(value.dtype)
        return made

    def _symbol(self, x: Any) -> Any:
        made = self.made[id(x)] = copy.copy(x)
        if made.history is not None and not made.history[0].inputs:  # of an input layer
            made.history = None
            Node(self.of(x.history[0].operation), (), {}, [made])
        return made

    def _other(self, x: Any) -> Any:
        held = getattr(x, "__dict__", None)
        if not held or isinstance(x, types.ModuleType) or type(x).__module__.split(".")[0] == "numpy":
            return x
        self.made[id(x)] = x  # while its parts are looked at, which may hold it
        parts = {name: self.of(value) for name, value in held.items()}
        if all(parts[name] is value for name, value in held.items()):
            return x
        made = self.made[id(x)] = object.__new__(type(x))
        vars(made).update(parts)
        return made
