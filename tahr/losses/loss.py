"""`Loss`: from targets and predictions to one number, with reductions, masks and sample weights."""

from collections.abc import Callable
from typing import Any

from tahr import config, dtype_policies, dtypes, naming, ops, shapes, tree
from tahr.masks import get_mask
from tahr.ops.core import as_type
from tahr.recording import Recorded

__all__ = [
    "FunctionLoss",
    "Loss",
    "by_sample",
    "match_ranks",
    "multiply_weights",
    "pair",
    "reduce_losses",
    "same_shape",
    "weigh",
]

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


class Loss(Recorded):
    """A number that training makes small: `call` gives one value a sample, and `reduction` makes them one number.

    Args:
        name: name shown to people.
        reduction: `"sum_over_batch_size"` or `"mean"` (the weighted sum over the number of values), `"sum"`,
            `"mean_with_sample_weight"` (the weighted sum over the sum of the weights), or `"none"`.
        dtype: type of the computation, a name or a `DTypePolicy`; None means `floatx`.

    >>> class Distance(losses.Loss):
    ...     def call(self, y_true, y_pred):
    ...         return ops.mean(ops.abs(y_true - y_pred), axis=-1)
    >>> Distance()([[0.0, 1.0]], [[1.0, 1.0]])
    0.5
    """

    unrecorded = frozenset({"dtype"})  # Keras's configs of losses hold none: a loaded loss computes in `floatx`
    integer_targets = False  # whether `call` wants whole-number targets as they came, and not cast to `dtype`

    def __init__(self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None):
        if reduction not in REDUCTIONS:
            raise ValueError(f"Loss: expected reduction to be one of {REDUCTIONS}; received {reduction!r}.")
        self.name = name or naming.auto_name(naming.snake_case(type(self).__name__))
        self.reduction = reduction
        self._dtype = dtype_policies.get(dtype or config.floatx()).compute_dtype

    @property
    def dtype(self) -> str:
        """The type of the computation and of the result."""
        return self._dtype

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        mask = get_mask(y_pred)
        y_pred = _each(lambda x: ops.convert_to_tensor(x, dtype=self._dtype), y_pred)
        y_true = _each(self._target, y_true)
        if sample_weight is not None and not self.integer_targets:
            y_true, y_pred = by_sample(y_true, y_pred)
        found = self.call(y_true, y_pred)
        mask = both_masks(mask, self.counted(y_true, y_pred))
        return reduce_losses(found, sample_weight, mask, self.reduction, self._dtype)

    def _target(self, y_true: Any) -> Any:
        if self.integer_targets:
            y_true = ops.convert_to_tensor(y_true)
            if dtypes.is_int(dtypes.of(y_true)):
                return y_true
        return ops.convert_to_tensor(y_true, dtype=self._dtype)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each sample, shape `(batch, ...)`."""
        raise NotImplementedError(f"{type(self).__name__} defines no `call(self, y_true, y_pred)`.")

    def counted(self, y_true: Any, y_pred: Any) -> Any:
        """Return where the values of `call` count, True or False, or None if all do."""
        return None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


class FunctionLoss(Loss):
    """A loss that a function of `(y_true, y_pred)` gives.

    >>> losses.MeanSquaredError()([[0.0, 1.0]], [[1.0, 1.0]])
    0.5
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(name=name or getattr(fn, "__name__", None), reduction=reduction, dtype=dtype)
        self.fn, self._arguments = fn, kwargs
        self.__dict__.update(kwargs)  # read by `get_config` under the constructor's names

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true, y_pred = match_ranks(y_true, y_pred)
        return self.fn(y_true, y_pred, **self._arguments)


def _each(convert: Callable[[Any], Any], structure: Any) -> Any:
    """Return a structure with every array converted, where nested lists of numbers are one array."""
    if all(isinstance(leaf, (bool, int, float)) for leaf in tree.flatten(structure)) and not isinstance(
        structure, dict
    ):
        return convert(structure)
    return tree.map_structure(convert, structure)


def both_masks(a: Any, b: Any) -> Any:
    """Return where two masks hold, each of which may be None."""
    if a is None or b is None:
        return b if a is None else a
    return multiply_weights(ops.cast(a, "int32"), ops.cast(b, "int32")) > 0


def multiply_weights(a: Any, b: Any) -> Any:
    """Return the product of two arrays of weights, one of which may lack axes at the end."""
    if len(shapes.of(a)) < len(shapes.of(b)):
        a, b = b, a
    a, b = weigh(a, b)
    return a * b


def by_sample(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Return targets and predictions of shape (n,) as (n, 1), so that a mean over the last axis is one of a sample."""
    if len(shapes.of(y_pred)) == 1 and len(shapes.of(y_true)) == 1:
        return ops.expand_dims(y_true, -1), ops.expand_dims(y_pred, -1)
    return y_true, y_pred


def match_ranks(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Return both with equal ranks where they differ by one last axis of size 1; (n,) becomes (n, 1) beside it."""
    a, b = shapes.of(y_true), shapes.of(y_pred)
    if len(a) == len(b) + 1 and a[-1] == 1:
        return (y_true, ops.expand_dims(y_pred, -1)) if len(b) == 1 else (ops.squeeze(y_true, axis=-1), y_pred)
    if len(b) == len(a) + 1 and b[-1] == 1:
        return (ops.expand_dims(y_true, -1), y_pred) if len(a) == 1 else (y_true, ops.squeeze(y_pred, axis=-1))
    return y_true, y_pred


def same_shape(y_true: Any, y_pred: Any, what: str) -> None:
    """Refuse targets and predictions whose shapes differ, but for a target that is one number.

    Raises:
        ValueError: if they do.
    """
    a, b = shapes.of(y_true), shapes.of(y_pred)
    if a and (len(a) != len(b) or any(x is not None and y is not None and x != y for x, y in zip(a, b, strict=True))):
        raise ValueError(
            f"{what}: expected y_true and y_pred of one shape; received y_true of shape {a} and y_pred of shape {b}. "
            "Reshape the targets, or change the units of the last layer."
        )


def pair(y_true: Any, y_pred: Any, what: str) -> tuple[Any, Any]:
    """Return targets and predictions as arrays of one floating type and of equal shape.

    Raises:
        ValueError: if the shapes differ by more than a last axis of size 1.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    if not dtypes.is_float(dtypes.of(y_pred)):
        y_pred = ops.cast(y_pred, config.floatx())
    y_true = ops.convert_to_tensor(y_true, dtype=dtypes.of(y_pred))
    y_true, y_pred = match_ranks(y_true, y_pred)
    same_shape(y_true, y_pred, what)
    return y_true, y_pred


def weigh(values: Any, weights: Any) -> tuple[Any, Any]:
    """Return values and weights with axes of size 1 added at the end, so that weights of (batch,) meet (batch, time).

    Raises:
        ValueError: if the shapes do not fit then.
    """
    rank, given = len(shapes.of(values)), shapes.of(weights)
    if rank == 1 and len(shapes.of(weights)) > 1 and shapes.of(weights)[0] == 1 != shapes.of(values)[0]:
        weights = ops.squeeze(weights, axis=0)
    while len(shapes.of(weights)) > (2 if rank == 1 else rank) and shapes.of(weights)[-1] == 1:
        weights = ops.squeeze(weights, axis=-1)
    while len(shapes.of(weights)) > rank:
        values, rank = ops.expand_dims(values, -1), rank + 1
    while 0 < len(shapes.of(weights)) < rank:
        weights = ops.expand_dims(weights, -1)
    a, b = shapes.of(values), shapes.of(weights)
    if b and any(x is not None and y is not None and x != y and 1 not in (x, y) for x, y in zip(a, b, strict=True)):
        raise ValueError(
            f"sample_weight: expected a weight for each value of shape {a}, or for each sample; received shape {given}."
        )
    return values, weights


def reduce_losses(
    losses: Any, sample_weight: Any = None, mask: Any = None, reduction: str | None = "mean", dtype: Any = None
) -> Any:
    """Return the values of single samples as one number, weighted, with what `mask` leaves out not counted."""
    dtype = dtype or dtypes.of(losses)
    losses = as_type(losses, dtype)
    weights = None if sample_weight is None else ops.cast(ops.convert_to_tensor(sample_weight), dtype)
    if mask is not None:
        mask = ops.cast(ops.convert_to_tensor(mask), dtype)
        if reduction in ("mean", "sum_over_batch_size"):  # the mean is over what counts
            size = ops.cast(ops.size(mask), dtype)
            mask = mask * ops.divide_no_nan(size, ops.sum(mask))
        weights = mask if weights is None else multiply_weights(weights, mask)
    if weights is not None:
        losses, weights = weigh(losses, weights)
        losses = losses * weights
    if reduction in ("none", None):
        return losses
    if reduction == "sum":
        return ops.sum(losses)
    if reduction == "mean_with_sample_weight" and weights is not None:
        return ops.divide_no_nan(ops.sum(losses), ops.sum(weights))
    return ops.mean(losses)
