"""What operations do with sparse arrays: which stay sparse, which become dense, and which refuse them."""

from typing import Any

from tahr.symbolic import KerasTensor

_ZERO_TO_ZERO = """
    abs absolute arcsin arcsinh arctan arctanh cast cbrt ceil celu conj conjugate copy deg2rad elu erf erfinv expm1 fabs
    floor gelu hard_shrink hard_tanh imag isinf isnan leaky_relu log1p nan_to_num negative rad2deg real relu relu6 round
    saturate_cast selu sign silu sin sinh soft_shrink softsign sqrt square stop_gradient swish tan tanh tanh_shrink
    trunc"""
_ZERO_TO_OTHERS = """
    _to_dense angle arccos arccosh cos cosh erfc exp exp2 hard_sigmoid isfinite isneginf isposinf log log10 log2
    log_sigmoid logical_not ones_like reciprocal rsqrt sigmoid signbit sinc softplus sparse_plus squareplus
    zeros_like"""
_MOVES = "concatenate expand_dims get_item mean reshape squeeze sum transpose"

# operation -> kind: "keep" (0 becomes 0, element by element), "move" (elements change places, or are summed), "any"
# (sparse if all arguments are), "product", "quotient", "matmul", "indices" (any argument but the first may be
# sparse), "dense" (comes out dense)
KINDS: dict[str, str] = {
    **dict.fromkeys(_ZERO_TO_ZERO.split(), "keep"),
    **dict.fromkeys(_ZERO_TO_OTHERS.split(), "dense"),
    **dict.fromkeys(_MOVES.split(), "move"),
    **dict.fromkeys(["add", "maximum", "minimum", "subtract"], "any"),
    "add_product": "matmul",
    "divide": "quotient",
    "matmul": "matmul",
    "multiply": "product",
    "take": "indices",
    "true_divide": "quotient",
}


def kind(name: str) -> str:
    """Return what an operation does with sparse arrays.

    Raises:
        TypeError: if it takes none.
    """
    if name not in KINDS:
        raise TypeError(
            f"{name.strip('_')}: expected dense arrays; received a sparse one, which this operation does not take. "
            "Make it dense first: ops.convert_to_tensor(x, sparse=False)."
        )
    return KINDS[name]


def stays_sparse(name: str, values: list[Any]) -> bool:
    """Return whether the result is sparse for arguments of which at least one is.

    Raises:
        TypeError: if the operation takes no sparse arrays.
    """
    how = kind(name)
    arrays = [x for v in values for x in (v if isinstance(v, (list, tuple)) else [v]) if x is not None]
    flags = [isinstance(x, KerasTensor) and x.sparse for x in arrays]
    if how in ("keep", "product"):
        return True
    if how == "move":
        return all(flags) if name == "concatenate" else flags[0]
    if how == "quotient":
        return flags[0] and not flags[1]
    return how in ("any", "matmul") and all(flags)
