"""`InputSpec`: what a layer demands of its inputs, and the check that names the layer when they differ."""

from typing import Any

from tahr import dtypes, shapes, tree

__all__ = ["InputSpec", "check_input_spec"]


class InputSpec:
    """Demands on one input of a layer.

    Args:
        dtype: data type.
        shape: full shape with None for free sizes.
        ndim: number of dimensions.
        max_ndim: largest number of dimensions.
        min_ndim: smallest number of dimensions.
        axes: sizes by axis.
        allow_last_axis_squeeze: whether a missing last axis of size 1 is forgiven.
        name: key of the input where inputs come as a dict.
        optional: whether the input may be None.

    >>> keras.InputSpec(ndim=2, axes={-1: 4})
    InputSpec(ndim=2, axes={-1: 4})
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ):
        self.dtype = dtypes.standardize_dtype(dtype) if dtype is not None else None
        self.shape = shapes.standardize_shape(shape, "InputSpec shape") if shape is not None else None
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {int(k): v for k, v in (axes or {}).items()}
        self.allow_last_axis_squeeze, self.name, self.optional = allow_last_axis_squeeze, name, optional

    def __repr__(self) -> str:
        parts = [
            f"{key}={value}"
            for key in ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes")
            if (value := getattr(self, key)) not in (None, {}) and not (key == "ndim" and self.shape)
        ]
        return f"InputSpec({', '.join(parts)})"

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments."""
        return {key: getattr(self, key) for key in ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes")}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "InputSpec":
        """Return a spec made from what `get_config` gave."""
        return cls(**config)

    def complaint(self, x: Any) -> str | None:
        """Return what is wrong with the shape or type of `x`, or None."""
        shape = shapes.of(x)
        rank = len(shape)
        if self.ndim is not None and rank != self.ndim and not self.allow_last_axis_squeeze:
            return f"expected {self.ndim} dimensions; received {rank}, shape {shape}"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"expected at most {self.max_ndim} dimensions; received {rank}, shape {shape}"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"expected at least {self.min_ndim} dimensions; received {rank}, shape {shape}"
        for axis, size in self.axes.items():
            if size is not None and shape[axis] not in (size, None):
                return f"expected size {size} in axis {axis}; received {shape[axis]}, shape {shape}"
        if self.shape is not None:
            wanted = self.shape
            if self.allow_last_axis_squeeze and rank == len(wanted) - 1 and wanted[-1] == 1:
                wanted = wanted[:-1]
            elif self.allow_last_axis_squeeze and rank == len(wanted) + 1 and shape[-1] == 1:
                shape = shape[:-1]
            if len(shape) != len(wanted) or any(
                None not in (a, b) and a != b for a, b in zip(shape, wanted, strict=True)
            ):
                return f"expected shape {wanted}; received shape {shape}"
        return None


def check_input_spec(spec: Any, inputs: Any, layer: Any) -> None:
    """Check the inputs of `layer` against a spec or a structure of specs.

    Raises:
        ValueError: naming the layer's path, what was expected and what came.
    """
    if type(spec) is InputSpec and hasattr(inputs, "shape") and spec.complaint(inputs) is None:
        return
    where = f"Layer {layer.path!r} ({type(layer).__name__})"
    specs = [s for s in tree.flatten(spec) if s is not None]
    if isinstance(spec, dict) and isinstance(inputs, dict):
        missing = sorted(set(spec) - set(inputs))
        if missing:
            raise ValueError(f"{where}: the inputs lack {missing}; expected the keys {sorted(spec)}.")
        values = [inputs[name] for name in sorted(spec)]
    elif isinstance(inputs, dict) and {s.name for s in specs} <= set(inputs):  # by name, in whatever order
        values = [inputs[s.name] for s in specs]
    else:
        values = [inputs] if len(specs) == 1 and not isinstance(inputs, (list, tuple, dict)) else tree.flatten(inputs)
    if len(values) != len(specs):
        raise ValueError(f"{where}: expected {len(specs)} inputs; received {len(values)}.")
    for i, (one, x) in enumerate(zip(specs, values, strict=True)):
        if x is None:
            if not one.optional:
                raise ValueError(f"{where}: input {one.name or i} is None, but it is not optional.")
            continue
        if not hasattr(x, "shape"):
            raise TypeError(
                f"{where}: expected an array or a symbol; received {type(x).__name__}: {x!r:.60}. "
                "Convert it first, for example with np.array(...)."
            )
        if problem := one.complaint(x):
            which = f"input {one.name or i}: " if len(specs) > 1 else ""
            raise ValueError(f"{where}: {which}{problem}.")
