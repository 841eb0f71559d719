"""Which type comes out: one promotion table, and the named rules that operations are declared with.

Types are names (`"float32"`). Promotion is JAX's, which Keras follows: Python scalars are weak, integers never widen
floats, and 64-bit types count as 32-bit ones unless `floatx` is `"float64"`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from tahr import config

BOOLEANS = ("bool",)
INTEGERS = ("uint8", "uint16", "uint32", "uint64", "int4", "int8", "int16", "int32", "int64")
FLOATS = ("float8_e4m3fn", "float8_e5m2", "float16", "bfloat16", "float32", "float64")
COMPLEXES = ("complex64", "complex128")
DTYPES = (*BOOLEANS, *INTEGERS, *FLOATS, *COMPLEXES, "string")

_PYTHON = {bool: "bool", int: "int32", float: None, complex: "complex64", str: "string"}
_NARROW = {
    "int64": "int32",
    "uint64": "uint32",
    "float64": "float32",
    "complex128": "complex64",
}
LASTING = frozenset(("bool", "int8", "int16", "int32", "uint8"))  # which no policy and no `floatx` changes
_SHORT = {
    "int": "int32",
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "long": "int64",
    "str": "string",
    "object": "string",
}
KIND = {name: kind for kind, names in enumerate((BOOLEANS, INTEGERS, FLOATS, COMPLEXES)) for name in names}
_BITS = {name: int("".join(c for c in name.split("_")[0] if c.isdigit()) or 1) for name in KIND}
_BITS["bfloat16"] = 16
# the distance from 1 to the next number, also of the parts of a complex one
EPSILON = {
    "float8_e4m3fn": 2.0**-3,
    "float8_e5m2": 2.0**-2,
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
    **dict.fromkeys(("float32", "complex64"), 2.0**-23),
    **dict.fromkeys(("float64", "complex128"), 2.0**-52),
}
_LARGEST = {
    "float8_e4m3fn": 448.0,
    "float8_e5m2": 57344.0,
    "float16": 65504.0,
    "bfloat16": (2 - 2.0**-7) * 2.0**127,
    "float32": (2 - 2.0**-23) * 2.0**127,
    "float64": (2 - 2.0**-52) * 2.0**1023,
}


def limits(name: str) -> tuple[float, float]:
    """Return the smallest and the largest number of a type that is not complex.

    >>> from tahr import dtypes
    >>> dtypes.limits("int8"), dtypes.limits("bool"), dtypes.limits("float16")
    ((-128, 127), (0, 1), (-65504.0, 65504.0))
    """
    if name in _LARGEST:
        return -_LARGEST[name], _LARGEST[name]
    if name == "bool" or name[0] == "u":
        return 0, 2 ** _BITS[name] - 1
    return -(2 ** (_BITS[name] - 1)), 2 ** (_BITS[name] - 1) - 1


def standardize_dtype(dtype: Any) -> str:
    """Return the name of a data type given as a name, a Python type, or a type object of any framework.

    Raises:
        ValueError: if it is none of the known types.

    >>> backend.standardize_dtype(int), backend.standardize_dtype(None)
    ('int32', 'float32')
    """
    if dtype is None:
        return config.floatx()
    if isinstance(dtype, type) and dtype in _PYTHON:
        return _PYTHON[dtype] or config.floatx()
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", None) or getattr(dtype, "__name__", None)
    if not isinstance(name, str):
        name = str(dtype).rsplit(".", 1)[-1]
    if name not in DTYPES:
        name = _SHORT.get(name, name)
        if name.startswith("str") and name[3:].isdigit():
            name = "string"
    if name not in DTYPES:
        raise ValueError(f"Unknown data type: expected one of {', '.join(DTYPES)}; received {dtype!r}.")
    return name


def canonical(name: str) -> str:
    """Return the type that computations use for `name`: its 32-bit form unless `floatx` is `"float64"`."""
    if name in _NARROW and config.floatx() != "float64":
        return _NARROW[name]
    return name


_NAMES: dict[Any, str] = {}


def of(x: Any) -> str:
    """Return the name of the data type of an array, variable or symbol of any framework."""
    dtype = x.dtype
    found = _NAMES.get(dtype)
    if found is None:
        found = _NAMES[dtype] = standardize_dtype(dtype)
    return found


def is_float(name: str) -> bool:
    """Return whether `name` is a floating-point type."""
    return KIND.get(name) == 2


def is_int(name: str) -> bool:
    """Return whether `name` is an integer type (booleans are not)."""
    return KIND.get(name) == 1


def is_inexact(name: str) -> bool:
    """Return whether `name` is a floating-point or complex type."""
    return KIND.get(name, 0) >= 2


def _join(a: str, b: str) -> str:
    if a == b:
        return a
    low, high = sorted((a, b), key=lambda name: (KIND[name], _BITS[name]))
    if KIND[low] < KIND[high]:
        if KIND[high] == 3 and low == "float64":
            return "complex128"
        return high
    if KIND[high] == 1:
        return _join_integers(low, high)
    if KIND[high] == 2 and _BITS[low] == _BITS[high]:  # float16 with bfloat16, or the two float8 types
        return {16: "float32", 8: "float16"}[_BITS[low]]
    return high


def _join_integers(low: str, high: str) -> str:
    unsigned = [name for name in (low, high) if name[0] == "u"]
    if len(unsigned) != 1 or (unsigned[0] == low and _BITS[low] < _BITS[high]):
        return high
    wider = 2 * _BITS[unsigned[0]]
    return f"int{wider}" if wider <= 64 else "float32"


TABLE = {(a, b): _join(a, b) for a in KIND for b in KIND}


def result_type(*dtypes: Any) -> str:
    """Return the type that values of the given types have in common; `float` and `int` themselves are weak.

    >>> backend.result_type("int32", "float16"), backend.result_type("bfloat16", float)
    ('float16', 'bfloat16')
    """
    if not dtypes:
        raise ValueError("result_type: expected at least one data type; received none.")
    strong = [standardize_dtype(d) for d in dtypes if d not in (bool, int, float, complex)]
    weak = [d for d in dtypes if d in (bool, int, float, complex)]
    return canonical(_promote(strong, weak))


def _promote(strong: Iterable[str], weak: Iterable[type]) -> str:
    found: str | None = None
    for name in strong:
        found = name if found is None else TABLE[found, name]
    for kind in weak:
        level = (bool, int, float, complex).index(kind)
        if found is None or level > KIND[found]:
            found = "complex128" if level == 3 and found == "float64" else standardize_dtype(kind)
    if found is None:
        raise ValueError("Expected at least one array or number to take a data type from; received none.")
    return found


def common(values: Sequence[Any]) -> str:
    """Return the type that arrays and Python numbers have in common."""
    strong, weak = [], []
    for value in values:
        kind = type(value)
        if kind in (bool, int, float, complex):
            weak.append(kind)
        elif hasattr(value, "dtype"):
            strong.append(of(value))
        else:
            strong.append(_of_python(value))
    if "string" in strong:
        raise TypeError("Expected numbers; received text. Turn text into numbers first, for example with StringLookup.")
    return canonical(_promote(strong, weak))


def _of_python(value: Any) -> str:
    """Return the type of a number of another class or of nested lists of numbers and arrays."""
    if isinstance(value, (list, tuple)):
        flat = [_of_python(v) for v in value] or [config.floatx()]
        return _promote(flat, ())
    if hasattr(value, "dtype"):
        return of(value)
    for kind in (bool, int, float, complex):
        if isinstance(value, kind):
            return standardize_dtype(kind)
    if isinstance(value, (str, bytes)):
        return "string"
    if hasattr(value, "__array__"):
        return standardize_dtype(value.__array__().dtype)
    raise TypeError(
        f"Expected a number, an array or nested lists of these; received {type(value).__name__}: {value!r}."
    )


class Rule:
    """What the array arguments of an operation become (`enter`), and what type comes out (`leave`).

    Without names, all required parameters are arrays that get one type in common; `rule("x1", "x2")` names them.
    """

    def __init__(self, name: str, enter: Any, leave: Any, only: tuple[str, ...] | None = None):
        self.name, self.enter, self.leave, self.only = name, enter, leave, only

    def __call__(self, *names: str) -> "Rule":
        return Rule(self.name, self.enter, self.leave, names)

    @property
    def real_only(self) -> "Rule":
        """The same rule for operations that have no meaning for complex numbers."""

        def enter(name: str) -> str:
            if KIND[name] == 3:
                raise TypeError(f"expected real numbers; received {name}. Use ops.real(x) or ops.imag(x) first.")
            return str(self.enter(name))

        return Rule(self.name, enter, self.leave, self.only)

    def __repr__(self) -> str:
        return f"{self.name}{self.only or ''}"


def _keep(name: str) -> str:
    return name


def _to_number(name: str) -> str:
    return "int32" if name == "bool" else name


def _to_float(name: str) -> str:
    return name if KIND[name] >= 2 else config.floatx()


def _to_real(name: str) -> str:
    return {"complex64": "float32", "complex128": "float64"}.get(name, name)


def _to_complex(name: str) -> str:
    return "complex128" if name in ("float64", "complex128") else "complex64"


def _whole(name: str) -> str:
    if KIND[name] >= 2:
        raise TypeError(f"expected whole numbers or booleans; received {name}. Use ops.cast(x, 'int32') first.")
    return name


def _no_truth(name: str) -> str:
    if name == "bool":
        raise TypeError("expected numbers; received bool. Use ops.logical_xor or ops.logical_not, or cast it first.")
    return name


def _widen(name: str) -> str:
    if name == "bool" or (KIND[name] == 1 and _BITS[name] < 32):
        return "uint32" if name[0] == "u" else "int32"
    return name


def _always(name: str) -> Any:
    return lambda _: name


same = Rule("same", _keep, _keep)
moved = Rule("moved", _keep, _keep)  # as same, for operations that only move elements and compute nothing
whole = Rule("whole", _whole, _whole)
arithmetic = Rule("arithmetic", _no_truth, _keep)
number = Rule("number", _to_number, _to_number)
floating = Rule("floating", _to_float, _to_float)
real_floating = Rule("real_floating", _to_float, lambda name: _to_real(_to_float(name)))
real = Rule("real", _keep, _to_real)
complex_ = Rule("complex", _to_complex, _to_complex)
boolean = Rule("boolean", _keep, _always("bool"))
logical = Rule("logical", _always("bool"), _always("bool"))
index = Rule("index", _keep, _always("int32"))
accumulate = Rule("accumulate", _widen, _widen)
free = Rule("free", None, None)  # arrays become tensors of their own types; the operation decides what comes out
