"""Layers, and functions of the same names in lower case, that join several inputs into one."""

import functools
from collections.abc import Callable
from typing import Any

from tahr import ops, shapes
from tahr.layers.arguments import who
from tahr.layers.layer import Layer

__all__ = [
    "Add",
    "Average",
    "Concatenate",
    "Dot",
    "Maximum",
    "Minimum",
    "Multiply",
    "Subtract",
    "add",
    "average",
    "concatenate",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]


class _Merging(Layer):
    """Combine inputs of shapes that broadcast together; inputs with fewer axes get new ones after the batch."""

    supports_masking = True
    _count: int | None = None  # how many inputs there must be, if that is fixed

    def build(self, input_shape: Any) -> None:
        """Check that the shapes of the inputs fit."""
        self._check_count(input_shape)
        rank = max(map(len, input_shape))
        batches = {s[0] for s in input_shape if s and s[0] is not None} - {1}
        if len(batches) > 1:
            raise ValueError(
                f"{who(self)}: the inputs have different batch sizes; received shapes {_listed(input_shape)}."
            )
        try:
            shapes.broadcast(*(_padded(s, rank) for s in input_shape))
        except ValueError:
            raise ValueError(
                f"{who(self)}: expected inputs of shapes that broadcast together; received {_listed(input_shape)}."
            ) from None

    def _check_count(self, inputs: Any) -> None:
        many = isinstance(inputs, (list, tuple)) and all(isinstance(s, (list, tuple)) for s in inputs)
        wanted = f"exactly {self._count}" if self._count else "at least 1"
        if not many or (len(inputs) != self._count if self._count else not inputs):
            received = f"{len(inputs)}" if many else f"a single one, of shape {inputs}"
            raise ValueError(f"{who(self)}: expected a list of {wanted} inputs; received {received}.")

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        rank = max(len(x.shape) for x in inputs)
        return self.merge([_lift(x, rank) for x in inputs])

    def merge(self, inputs: list[Any]) -> Any:
        """Return the combination of inputs of equal rank."""
        raise NotImplementedError

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return where any input is kept, or None if an input carries no mask."""
        if mask is None or any(m is None for m in mask):
            return None
        rank = max(len(m.shape) for m in mask)
        return functools.reduce(ops.logical_or, [_lift(m, rank) for m in mask])


def _listed(given: Any) -> list[Any]:
    return [tuple(s) for s in given]


def _padded(shape: Any, rank: int) -> Any:
    return (*shape[:1], *(1,) * (rank - len(shape)), *shape[1:])


def _lift(x: Any, rank: int) -> Any:
    """Return `x` with new axes of size 1 after the batch, up to `rank`."""
    missing = rank - len(x.shape)
    return ops.expand_dims(x, tuple(range(1, missing + 1))) if missing else x


class Add(_Merging):
    """Return the sum of the inputs.

    >>> keras.layers.Add()([ops.array([1.0]), ops.array([2.0])])
    [3.0]
    """

    def merge(self, inputs: list[Any]) -> Any:
        """Return the sum."""
        return functools.reduce(ops.add, inputs)


class Subtract(_Merging):
    """Return the first of two inputs minus the second.

    >>> keras.layers.Subtract()([ops.array([1.0]), ops.array([2.0])])
    [-1.0]
    """

    _count = 2

    def merge(self, inputs: list[Any]) -> Any:
        """Return the difference."""
        return ops.subtract(inputs[0], inputs[1])


class Multiply(_Merging):
    """Return the product of the inputs, element by element.

    >>> keras.layers.Multiply()([ops.array([3.0]), ops.array([2.0])])
    [6.0]
    """

    def merge(self, inputs: list[Any]) -> Any:
        """Return the product."""
        return functools.reduce(ops.multiply, inputs)


class Average(_Merging):
    """Return the mean of the inputs, element by element.

    >>> keras.layers.Average()([ops.array([1.0]), ops.array([2.0])])
    [1.5]
    """

    def merge(self, inputs: list[Any]) -> Any:
        """Return the mean."""
        return functools.reduce(ops.add, inputs) / len(inputs)


class Maximum(_Merging):
    """Return the largest of the inputs, element by element.

    >>> keras.layers.Maximum()([ops.array([1.0]), ops.array([2.0])])
    [2.0]
    """

    def merge(self, inputs: list[Any]) -> Any:
        """Return the largest."""
        return functools.reduce(ops.maximum, inputs)


class Minimum(_Merging):
    """Return the smallest of the inputs, element by element.

    >>> keras.layers.Minimum()([ops.array([1.0]), ops.array([2.0])])
    [1.0]
    """

    def merge(self, inputs: list[Any]) -> Any:
        """Return the smallest."""
        return functools.reduce(ops.minimum, inputs)


class Concatenate(_Merging):
    """Return the inputs one after the other along an axis.

    Args:
        axis: the axis; the inputs agree in the sizes of all others.

    >>> keras.layers.Concatenate()([ops.array([[1.0]]), ops.array([[2.0, 3.0]])])
    [[1.0, 2.0, 3.0]]
    """

    def __init__(self, axis: int = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = axis

    def build(self, input_shape: Any) -> None:
        """Check that the inputs agree in all other sizes."""
        self._check_count(input_shape)
        ranks = {len(s) for s in input_shape}
        rank = max(ranks)
        if len(ranks) > 1 or not -rank <= self.axis < rank:
            raise ValueError(
                f"{who(self)}: expected inputs of one rank with an axis {self.axis}; received {_listed(input_shape)}."
            )
        for i in set(range(rank)) - {self.axis % rank}:
            if len({s[i] for s in input_shape} - {None}) > 1:
                raise ValueError(
                    f"{who(self)}: expected inputs of equal sizes in all axes but {self.axis}; received shapes "
                    f"{_listed(input_shape)}."
                )

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        return ops.concatenate(inputs, self.axis)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return the masks joined like the inputs; an input without one keeps everything."""
        if mask is None or all(m is None for m in mask):
            return None
        rank = len(inputs[0].shape)
        masks = [_lifted_mask(x, m, rank) for x, m in zip(inputs, mask, strict=True)]
        return ops.any(ops.concatenate(masks, self.axis), -1)


def _lifted_mask(x: Any, mask: Any, rank: int) -> Any:
    """Return a mask of the shape of `x`."""
    if mask is None:
        return ops.ones_like(x, dtype="bool")
    for _ in range(rank - len(mask.shape)):
        mask = ops.expand_dims(mask, -1)
    return ops.logical_and(ops.ones_like(x, dtype="bool"), mask)


class Dot(_Merging):
    """Return the products of two inputs, summed along one axis of each.

    Args:
        axes: the axis, or one for each input; the batch axis 0 is none.
        normalize: whether the inputs are divided by their norms along that axis, which gives cosines.

    >>> keras.layers.Dot(axes=1)([ops.array([[1.0, 2.0]]), ops.array([[3.0, 4.0]])])
    [[11.0]]
    """

    _count = 2

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        given = axes if isinstance(axes, (list, tuple)) else (axes,)
        if len(given) not in (1, 2) or any(not isinstance(a, int) or a == 0 for a in given):
            raise ValueError(f"{who(self)}: expected `axes` to be one or two axes other than 0; received {axes!r}.")
        self.axes, self.normalize = axes, normalize

    def _both(self, one: int, two: int) -> tuple[int, int]:
        a, b = self.axes if isinstance(self.axes, (list, tuple)) else (self.axes, self.axes)
        return a % one, b % two

    def build(self, input_shape: Any) -> None:
        """Check that the sizes along the axes agree."""
        self._check_count(input_shape)
        one, two = input_shape
        a, b = self._both(len(one), len(two))
        if None not in (one[a], two[b]) and one[a] != two[b]:
            raise ValueError(
                f"{who(self)}: expected equal sizes in axes {a} and {b}; received {one[a]} and {two[b]}, shapes "
                f"{_listed(input_shape)}."
            )

    def call(self, inputs: Any) -> Any:
        """Compute the outputs, of at least two axes."""
        one, two = inputs
        a, b = self._both(len(one.shape), len(two.shape))
        if self.normalize:
            one, two = ops.normalize(one, axis=a), ops.normalize(two, axis=b)
        one, two = ops.moveaxis(one, a, -1), ops.moveaxis(two, b, 1)
        free = (one.shape[1:-1], two.shape[2:])
        size = one.shape[-1]
        flat = ops.matmul(
            _three(one, (one.shape[0], _product(free[0]), size)), _three(two, (two.shape[0], size, _product(free[1])))
        )
        joined = (*free[0], *free[1])
        return ops.reshape(flat, (flat.shape[0], *(joined or (1,))))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return None."""
        return None


def _three(x: Any, shape: tuple[Any, ...]) -> Any:
    return ops.reshape(x, shape)


def _product(sizes: Any) -> Any:
    return None if None in sizes else functools.reduce(lambda a, b: a * b, sizes, 1)


def _as_function(layer: Callable[..., Layer], name: str, example: str) -> Callable[..., Any]:
    def merge(inputs: Any, **kwargs: Any) -> Any:
        return layer(**kwargs)(inputs)

    merge.__name__ = merge.__qualname__ = name
    merge.__doc__ = f"Return what the layer `{layer.__name__}` gives for a list of inputs.\n\n    {example}\n    "
    return merge


_PAIR = "[ops.array([6.0]), ops.array([2.0])]"
add = _as_function(Add, "add", f">>> layers.add({_PAIR})\n    [8.0]")
subtract = _as_function(Subtract, "subtract", f">>> layers.subtract({_PAIR})\n    [4.0]")
multiply = _as_function(Multiply, "multiply", f">>> layers.multiply({_PAIR})\n    [12.0]")
average = _as_function(Average, "average", f">>> layers.average({_PAIR})\n    [4.0]")
maximum = _as_function(Maximum, "maximum", f">>> layers.maximum({_PAIR})\n    [6.0]")
minimum = _as_function(Minimum, "minimum", f">>> layers.minimum({_PAIR})\n    [2.0]")


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """Return what the layer `Concatenate` gives for a list of inputs.

    >>> layers.concatenate([ops.array([[1.0]]), ops.array([[2.0]])])
    [[1.0, 2.0]]
    """
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Any, axes: Any = -1, **kwargs: Any) -> Any:
    """Return what the layer `Dot` gives for two inputs.

    >>> layers.dot([ops.array([[1.0, 2.0]]), ops.array([[3.0, 4.0]])])
    [[11.0]]
    """
    return Dot(axes=axes, **kwargs)(inputs)
