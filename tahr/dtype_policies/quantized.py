"""Policies of layers whose weights are kept in few bits."""

from typing import Any

from tahr.dtype_policies.policy import DTypePolicy, _parse, dtype_policy

__all__ = [
    "AWQDTypePolicy",
    "GPTQDTypePolicy",
    "Int4DTypePolicy",
    "QuantizedDTypePolicy",
    "QuantizedFloat8DTypePolicy",
    "named",
]

MODES = ("int8", "float8", "int4", "gptq", "awq")


class QuantizedDTypePolicy(DTypePolicy):
    """Weights quantized in a given way, computations as under another policy.

    Args:
        mode: `"int8"`, `"int4"`, `"float8"`, `"gptq/BITS/GROUP"` or `"awq/BITS/GROUP"`.
        source_name: the policy of everything else; None takes the global one.

    Raises:
        ValueError: if `mode` is none of these, or int8 is combined with computations in float16.

    >>> keras.dtype_policies.QuantizedDTypePolicy("int8", "mixed_bfloat16").name
    'int8_from_mixed_bfloat16'
    """

    def __init__(self, mode: str, source_name: str | None = None):
        source_name = dtype_policy().name if source_name is None else source_name
        self._mode = self._check_mode(mode)
        self._source_name = source_name
        self._name = f"{mode}_from_{source_name}"
        self._compute_dtype, self._variable_dtype = _parse(source_name)
        if self._mode == "int8" and self._compute_dtype == "float16":
            raise ValueError("QuantizedDTypePolicy: int8 products overflow in float16; use float32 or mixed_bfloat16.")

    def _check_mode(self, mode: Any) -> Any:
        if not isinstance(mode, str) or mode.split("/")[0] not in MODES:
            raise ValueError(
                f"{type(self).__name__}: expected mode to be one of {', '.join(MODES)}; received {mode!r}."
            )
        return mode

    @property
    def quantization_mode(self) -> str:
        return self._mode.split("/")[0]

    def get_config(self) -> dict[str, Any]:
        return {"mode": self._mode, "source_name": self._source_name}


class QuantizedFloat8DTypePolicy(QuantizedDTypePolicy):
    """Products in float8, scaled by the largest values of the last `amax_history_length` steps.

    Raises:
        ValueError: if `mode` is not `"float8"` or `amax_history_length` is no whole number.

    >>> keras.dtype_policies.QuantizedFloat8DTypePolicy("float8", "float32").amax_history_length
    1024
    """

    default_amax_history_length = 1024

    def __init__(self, mode: str, source_name: str | None = None, amax_history_length: int = 1024):
        if mode != "float8":
            raise ValueError(f"QuantizedFloat8DTypePolicy: expected mode 'float8'; received {mode!r}.")
        if not isinstance(amax_history_length, int):
            raise TypeError(
                f"QuantizedFloat8DTypePolicy: expected amax_history_length to be a whole number; "
                f"received {amax_history_length!r}."
            )
        super().__init__(mode, source_name)
        self._amax_history_length = amax_history_length

    @property
    def amax_history_length(self) -> int:
        return self._amax_history_length

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "amax_history_length": self._amax_history_length}


def _block_size(policy: Any, text: str) -> int:
    """Return the size of a group that has a scale of its own; -1 means everything in one."""
    try:
        size = int(text)
    except ValueError:
        size = 0
    if size < -1 or size == 0:
        raise ValueError(f"{type(policy).__name__}: expected a group size of at least 1, or -1; received {text!r}.")
    return size


class Int4DTypePolicy(QuantizedDTypePolicy):
    """Weights of 4 bits, each group of `block_size` with a scale of its own: mode `"int4/BLOCK"`.

    Raises:
        ValueError: if `mode` is something else.

    >>> keras.dtype_policies.Int4DTypePolicy("int4/128", "float32").block_size
    128
    """

    def __init__(self, mode: str, source_name: str | None = None):
        super().__init__(mode, source_name)
        parts = mode.split("/")
        if parts[0] != "int4" or len(parts) != 2:
            raise ValueError(f"Int4DTypePolicy: expected a mode such as 'int4/128'; received {mode!r}.")
        self.block_size = _block_size(self, parts[1])


class _Grouped(QuantizedDTypePolicy):
    """A mode `"KIND/BITS/GROUP"`."""

    kind = ""
    bits: tuple[int, ...] = ()

    def __init__(self, mode: str, source_name: str | None = None):
        super().__init__(mode, source_name)
        parts = mode.split("/")
        if parts[0] != self.kind or len(parts) != 3 or parts[1] not in map(str, self.bits):
            raise ValueError(
                f"{type(self).__name__}: expected a mode '{self.kind}/BITS/GROUP' with BITS of {self.bits}, such as "
                f"'{self.kind}/4/128'; received {mode!r}."
            )
        self.weight_bits = int(parts[1])
        self.group_size = _block_size(self, parts[2])


class GPTQDTypePolicy(_Grouped):
    """Weights quantized with GPTQ (Frantar et al. 2022): mode `"gptq/BITS/GROUP"`, GROUP -1 for whole columns.

    Raises:
        ValueError: if `mode` is something else.

    >>> keras.dtype_policies.GPTQDTypePolicy("gptq/4/128", "float32").weight_bits
    4
    """

    kind, bits = "gptq", (2, 3, 4, 8)


class AWQDTypePolicy(_Grouped):
    """Weights quantized with AWQ (Lin et al. 2023): mode `"awq/4/GROUP"`, GROUP -1 for whole columns.

    Raises:
        ValueError: if `mode` is something else.

    >>> keras.dtype_policies.AWQDTypePolicy("awq/4/128", "float32").group_size
    128
    """

    kind, bits = "awq", (4,)


def named(name: str) -> DTypePolicy:
    """Return the policy called `name`, such as `"float32"` or `"int8_from_float32"`."""
    mode, separator, source = name.partition("_from_")
    kind = mode.split("/")[0]
    if not separator and kind not in ("gptq", "awq") and "/" not in mode:
        return DTypePolicy(name)
    if not separator:
        raise ValueError(f"dtype policy: expected a name such as '{mode}_from_float32'; received {name!r}.")
    if kind == "float8":
        return QuantizedFloat8DTypePolicy(mode, source)
    if kind == "int4" and "/" in mode:
        return Int4DTypePolicy(mode, source)
    if kind in ("gptq", "awq"):
        return {"gptq": GPTQDTypePolicy, "awq": AWQDTypePolicy}[kind](mode, source)
    return QuantizedDTypePolicy(mode, source)
