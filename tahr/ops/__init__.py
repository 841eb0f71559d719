"""Every operation, by family. Names are found when first used; `ops.numpy`, `ops.nn`... are views of the same names."""

import importlib
import types
from typing import Any

# family (a file beside this one) -> the names it offers
FAMILIES: dict[str, str] = {
    "core": """array cast convert_to_numpy convert_to_tensor copy dtype is_tensor ndim saturate_cast shape size
        stop_gradient""",
    "elementwise": """abs absolute add angle arccos arccosh arcsin arcsinh arctan arctan2 arctanh cbrt ceil clip conj
        conjugate cos cosh deg2rad divide divide_no_nan erf erfc erfinv exp exp2 expm1 fabs floor
        floor_divide fmax fmin fmod gcd heaviside hypot i0 imag lcm ldexp log log10 log1p log2 logaddexp
        logaddexp2 maximum minimum mod multiply nan_to_num negative nextafter power rad2deg real
        reciprocal round rsqrt sign sin sinc sinh sqrt square subtract tan tanh true_divide trunc""",
    "comparison": """allclose bitwise_and bitwise_invert bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift
        bitwise_xor equal greater greater_equal isclose isfinite isin isinf isnan isneginf isposinf isreal
        left_shift less less_equal logical_and logical_not logical_or logical_xor not_equal right_shift select
        signbit where""",
    "reduction": """all amax amin any argmax argmin average count_nonzero cumprod cumsum logsumexp max mean min
        nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmin nanprod nanstd nansum nanvar prod
        ptp std sum var""",
    "shaping": """append array_split broadcast_to concatenate dsplit dstack expand_dims flip fliplr flipud hsplit
        hstack meshgrid moveaxis pad ravel repeat reshape roll rot90 split squeeze stack swapaxes tile
        transpose unstack vsplit vstack""",
    "creation": """arange bartlett blackman diag diagflat diagonal empty empty_like eye full full_like geomspace
        hamming hanning identity kaiser linspace logspace ones ones_like trace tri tril triu vander zeros
        zeros_like""",
    "indexing": """argpartition argsort digitize get_item in_top_k nonzero scatter scatter_update searchsorted slice
        slice_update sort take take_along_axis top_k unique unravel_index""",
    "products": "cdist cross dot einsum inner kron matmul outer tensordot vdot",
    "statistics": """bincount corrcoef correlate diff histogram median nanmedian nanpercentile nanquantile percentile
        quantile trapezoid""",
    "linalg": """cholesky cholesky_inverse det eig eigh inv logdet lstsq lu_factor matrix_rank norm pinv qr slogdet
        solve solve_triangular svd""",
    "segment": "segment_max segment_min segment_prod segment_sum",
    "views": "rearrange view view_as_complex view_as_real",
    "control": """associative_scan cond custom_gradient fori_loop jvp map rematerialization scan switch vectorize
        vectorized_map while_loop""",
    "activation": """celu elu gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu log_sigmoid
        log_softmax relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid
        sparsemax squareplus swish tanh_shrink threshold""",
    "convolution": "conv conv_transpose depthwise_conv separable_conv",
    "pooling": "adaptive_average_pool adaptive_max_pool average_pool max_pool",
    "normalization": "batch_normalization layer_normalization moments normalize psnr rms_normalization",
    "attention": "dot_product_attention",
    "crossentropy": "binary_crossentropy categorical_crossentropy sparse_categorical_crossentropy",
    "ctc": "ctc_decode ctc_loss",
    "encoding": "depth_to_space multi_hot one_hot polar space_to_depth",
    "patches": "fold unfold",
    "signal": "extract_sequences fft fft2 ifft2 irfft istft rfft stft",
}
_HOME = {name: family for family, names in FAMILIES.items() for name in names.split()}
_NUMPY = "elementwise comparison reduction shaping creation indexing products statistics core views linalg control"
_NN = "activation convolution pooling normalization attention crossentropy ctc encoding patches"
_VIEWS = {"numpy": _NUMPY, "nn": _NN}  # `ops.linalg`, `ops.image` and `ops.core` are the files of these names

__all__ = sorted([*_HOME, *_VIEWS])


class _View(types.ModuleType):
    """Some families under one name, such as `ops.numpy`."""

    def __init__(self, name: str, families: str):
        super().__init__(f"{__name__}.{name}", f"The operations of {families}.")
        self._families = families.split()

    def __getattr__(self, name: str) -> Any:
        if _HOME.get(name) not in self._families:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        found = _find(name)
        setattr(self, name, found)
        return found

    def __dir__(self) -> list[str]:
        return sorted(name for name, family in _HOME.items() if family in self._families)


def _find(name: str) -> Any:
    family = importlib.import_module(f"{__name__}.{_HOME[name]}")
    return getattr(family, f"{name}_", None) or getattr(family, name)  # slice_ and map_ hide no built-in function


def __getattr__(name: str) -> Any:
    if name in _HOME:
        found = _find(name)
    elif name in _VIEWS:
        found = _View(name, _VIEWS[name])
    elif name in ("core", "image", "linalg"):
        found = importlib.import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return list(__all__)
