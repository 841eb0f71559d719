"""Python's operators for tahr's own array-like objects: symbols and variables."""

import importlib
from typing import TYPE_CHECKING, Any


class _Operations(dict[str, Any]):
    """Operations by name; each family of the ops room adds its own when imported, at the latest when asked for."""

    def __missing__(self, name: str) -> Any:
        found = getattr(importlib.import_module("tahr.ops"), name)
        return self.setdefault(name, found)


OPERATIONS = _Operations()

_BINARY = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "true_divide",
    "floordiv": "floor_divide",
    "mod": "mod",
    "pow": "power",
    "matmul": "matmul",
    "and": "logical_and",
    "or": "logical_or",
    "xor": "logical_xor",
    "lshift": "left_shift",
    "rshift": "right_shift",
}
_COMPARISONS = {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}
_UNARY = {"neg": "negative", "abs": "absolute", "invert": "logical_not"}


class Arithmetic:
    """Gives a class with `shape` and `dtype` the arithmetic, comparison and indexing operators of an array."""

    __array_priority__ = 100  # NumPy arrays on the left hand side leave the work to us

    if TYPE_CHECKING:  # made below, from the tables

        def __add__(self, other: Any) -> Any: ...
        def __radd__(self, other: Any) -> Any: ...
        def __sub__(self, other: Any) -> Any: ...
        def __rsub__(self, other: Any) -> Any: ...
        def __mul__(self, other: Any) -> Any: ...
        def __rmul__(self, other: Any) -> Any: ...
        def __truediv__(self, other: Any) -> Any: ...
        def __rtruediv__(self, other: Any) -> Any: ...
        def __floordiv__(self, other: Any) -> Any: ...
        def __mod__(self, other: Any) -> Any: ...
        def __pow__(self, other: Any) -> Any: ...
        def __matmul__(self, other: Any) -> Any: ...
        def __lt__(self, other: Any) -> Any: ...
        def __le__(self, other: Any) -> Any: ...
        def __gt__(self, other: Any) -> Any: ...
        def __ge__(self, other: Any) -> Any: ...
        def __neg__(self) -> Any: ...

    def __getitem__(self, key: Any) -> Any:
        return OPERATIONS["get_item"](self, key)

    def __round__(self, ndigits: int | None = None) -> Any:
        return OPERATIONS["round"](self, decimals=ndigits or 0)


def _bits(x: Any) -> bool:
    return str(getattr(x, "dtype", "")).startswith(("int", "uint"))


def _binary(name: str, swap: bool) -> Any:
    bitwise = {"logical_and": "bitwise_and", "logical_or": "bitwise_or", "logical_xor": "bitwise_xor"}.get(name)

    def method(self: Any, other: Any) -> Any:
        if not (hasattr(other, "shape") or isinstance(other, (bool, int, float, complex, list, tuple))):
            return NotImplemented
        run = OPERATIONS[bitwise if bitwise and _bits(self) else name]
        return run(other, self) if swap else run(self, other)

    return method


def _unary(name: str) -> Any:
    def method(self: Any) -> Any:
        return OPERATIONS["bitwise_not" if name == "logical_not" and _bits(self) else name](self)

    return method


for _dunder, _name in _BINARY.items():
    setattr(Arithmetic, f"__{_dunder}__", _binary(_name, swap=False))
    setattr(Arithmetic, f"__r{_dunder}__", _binary(_name, swap=True))
for _dunder, _name in _COMPARISONS.items():
    setattr(Arithmetic, f"__{_dunder}__", _binary(_name, swap=False))
for _dunder, _name in _UNARY.items():
    setattr(Arithmetic, f"__{_dunder}__", _unary(_name))
Arithmetic.__hash__ = object.__hash__  # == builds an array, so identity is the only hash
