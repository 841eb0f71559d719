"""What a layer is called with, as arrays of the backend in the type that the layer computes in."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tahr import backends, dtypes, tree
from tahr.masks import get_mask, set_mask
from tahr.symbolic import KerasTensor
from tahr.variables import Variable

__all__ = ["convert_inputs"]


def convert_inputs(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a call with all arrays, also in lists, tuples and dicts, as arrays of the backend.

    Floating-point ones come in the layer's compute type if it casts; masks stay with their arrays.
    """
    engine = backends.current()
    to = layer._input_dtype if layer.autocast else None
    if _plain((*args, *kwargs.values()), to or "float32", engine.is_plain):
        return args, kwargs

    def convert(x: Any) -> Any:
        if x is None or isinstance(x, (bool, int, float, str)):
            return x
        if isinstance(x, KerasTensor):
            return _cast(x, to) if to is not None and x.dtype != to and dtypes.is_float(x.dtype) else x
        if isinstance(x, np.ndarray):
            if x.dtype.kind in "OSU" and layer._takes_text:
                return x
        elif not engine.is_tensor(x):
            return x.value if isinstance(x, Variable) and not layer._takes_variables else x
        mask = get_mask(x)
        name = dtypes.canonical(dtypes.of(x)) if x.dtype != "object" else None
        new = engine.tensor(x, to if to is not None and dtypes.is_float(name or "") else None)
        if mask is not None and new is not x:
            set_mask(new, mask)
        return new

    def deep(x: Any) -> Any:
        return tree.map_structure(convert, x) if isinstance(x, (list, tuple, dict)) else convert(x)

    return tuple([deep(a) for a in args]), {k: deep(v) for k, v in kwargs.items()} if kwargs else kwargs


def _plain(values: Iterable[Any], dtype: str, is_plain: Callable[[Any, str], bool]) -> bool:
    """Return whether all values, also in lists and tuples, are None, truth values or arrays to be taken as they are."""
    for x in values:
        if type(x) in (list, tuple):
            if not _plain(x, dtype, is_plain):
                return False
        elif x is not None and type(x) is not bool and not is_plain(x, dtype):
            return False
    return True


def _cast(x: KerasTensor, dtype: str) -> Any:
    from tahr.arithmetic import OPERATIONS

    mask = get_mask(x)
    made = OPERATIONS["cast"](x, dtype)
    if mask is not None:
        set_mask(made, mask)
    return made
