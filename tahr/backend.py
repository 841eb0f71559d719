"""Keras's `keras.backend` names: a view over `config`, `dtypes`, `naming` and `symbolic`."""

from typing import Any

from tahr import dtypes, naming
from tahr.config import (
    backend,
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from tahr.dtypes import result_type, standardize_dtype
from tahr.naming import get_uid
from tahr.symbolic import is_keras_tensor

__all__ = [
    "backend",
    "clear_session",
    "epsilon",
    "floatx",
    "get_uid",
    "image_data_format",
    "is_float_dtype",
    "is_int_dtype",
    "is_keras_tensor",
    "result_type",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "standardize_dtype",
]


def is_float_dtype(dtype: Any) -> bool:
    """Return whether `dtype` is a floating-point type.

    >>> backend.is_float_dtype("bfloat16")
    True
    """
    return dtypes.is_float(dtypes.standardize_dtype(dtype))


def is_int_dtype(dtype: Any) -> bool:
    """Return whether `dtype` is an integer type.

    >>> backend.is_int_dtype("bool")
    False
    """
    return dtypes.is_int(dtypes.standardize_dtype(dtype))


def clear_session(free_memory: bool = True) -> None:
    """Forget automatic names and, if `free_memory`, collect unreachable objects now.

    >>> backend.clear_session()
    """
    naming.reset_uids()
    if free_memory:
        import gc

        gc.collect()


def __getattr__(name: str) -> Any:
    from tahr.compat.names import old_name

    return old_name("backend", name)
