"""Losses of sequences without alignment (CTC) and of embeddings without classes (circle)."""

from typing import Any

from tahr import dtypes, ops, shapes
from tahr.losses.loss import FunctionLoss, Loss

__all__ = ["CTC", "Circle", "circle", "ctc"]


def ctc(y_true: Any, y_pred: Any) -> Any:
    """Return minus the log-probability that the frames `y_pred` spell `y_true`, over all alignments.

    Source: Graves et al., "Connectionist Temporal Classification", 2006.

    Args:
        y_true: class numbers, shape (batch, labels); 0 is the blank and pads shorter labels at the end.
        y_pred: logits, shape (batch, frames, classes).

    Raises:
        ValueError: if the ranks are not 2 and 3.

    >>> losses.ctc([[1]], [[[0.0, 0.0], [0.0, 0.0]]])
    [0.2876821]
    """
    y_true, y_pred = ops.cast(ops.convert_to_tensor(y_true), "int32"), ops.convert_to_tensor(y_pred)
    a, b = shapes.of(y_true), shapes.of(y_pred)
    if len(a) != 2 or len(b) != 3:
        raise ValueError(
            f"ctc: expected y_true of shape (batch, labels) and y_pred of shape (batch, frames, classes); received "
            f"shapes {a} and {b}."
        )
    lengths = ops.sum(ops.cast(ops.not_equal(y_true, 0), "int32"), axis=-1)
    frames = ops.ones_like(lengths) * ops.shape(y_pred)[1]
    return ops.ctc_loss(y_true, y_pred, lengths, frames, mask_index=0)


def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: float = 80,
    margin: float = 0.4,
) -> Any:
    """Return the circle loss: the cosine of two embeddings shall be near 1 within a class and near 0 between classes.

    Source: Sun et al., "Circle Loss: A Unified Perspective of Pair Similarity Optimization", 2020.

    Args:
        y_true: class numbers, shape (batch,).
        y_pred: embeddings of length 1, shape (batch, features).
        ref_labels: class numbers of the embeddings to compare with, shape (references,); None means `y_true`.
        ref_embeddings: embeddings to compare with, shape (references, features); None means `y_pred`.
        remove_diagonal: whether an embedding is not compared with itself; for references of their own, use False.
        gamma: scale of the similarities.
        margin: how far from perfect is good enough.

    >>> losses.circle([0, 0], [[1.0, 0.0], [1.0, 0.0]])
    [0.0, 0.0]
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.reshape(ops.convert_to_tensor(y_true), (-1,))
    ref_labels = y_true if ref_labels is None else ops.reshape(ops.convert_to_tensor(ref_labels), (-1,))
    others = y_pred if ref_embeddings is None else ops.convert_to_tensor(ref_embeddings, dtype=dtypes.of(y_pred))
    similarity = ops.matmul(y_pred, ops.transpose(others))
    alike = ops.equal(ops.expand_dims(y_true, 1), ops.expand_dims(ref_labels, 0))
    unlike = ops.logical_not(alike)
    if remove_diagonal:
        rows, columns = ops.shape(similarity)
        itself = ops.equal(ops.expand_dims(ops.arange(rows), 1), ops.expand_dims(ops.arange(columns), 0))
        alike = ops.logical_and(alike, ops.logical_not(itself))
    pull = ops.stop_gradient(ops.relu(1.0 + margin - similarity)) * (similarity - (1.0 - margin))
    push = ops.stop_gradient(ops.relu(similarity + margin)) * (similarity - margin)
    return ops.softplus(_masked_logsumexp(-gamma * pull, alike) + _masked_logsumexp(gamma * push, unlike))


def _masked_logsumexp(x: Any, mask: Any) -> Any:
    """Return log(sum(exp(x))) over each row where `mask` holds; far below 0 for a row where it never does."""
    low = -6e4 if dtypes.of(x) == "float16" else -1e9  # finite: an infinite one has a gradient of NaN
    return ops.logsumexp(ops.where(mask, x, low), axis=1)


class CTC(FunctionLoss):
    """`ctc`, reduced to one number.

    >>> losses.CTC()([[1]], [[[0.0, 0.0], [0.0, 0.0]]])
    0.2876821
    """

    integer_targets = True

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "ctc", dtype: Any = None):
        super().__init__(ctc, reduction, name, dtype)


class Circle(Loss):
    """`circle` within a batch, reduced to one number: for embeddings scaled to length 1.

    Args:
        gamma, margin, remove_diagonal: see `circle`.
        reduction, name, dtype: see `Loss`.

    >>> losses.Circle()([0, 0], [[1.0, 0.0], [1.0, 0.0]])
    0.0
    """

    integer_targets = True

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "circle",
        dtype: Any = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.gamma, self.margin, self.remove_diagonal = gamma, margin, remove_diagonal

    def counted(self, y_true: Any, y_pred: Any) -> Any:
        """Return which embeddings have another one of their class to be compared with; the mean is over these."""
        labels = ops.reshape(y_true, (-1,))
        alike = ops.equal(ops.expand_dims(labels, 1), ops.expand_dims(labels, 0))
        return ops.sum(ops.cast(alike, "int32"), axis=1) > (1 if self.remove_diagonal else 0)

    def call(self, y_true: Any, y_pred: Any, ref_labels: Any = None, ref_embeddings: Any = None) -> Any:
        return circle(y_true, y_pred, ref_labels, ref_embeddings, self.remove_diagonal, self.gamma, self.margin)
