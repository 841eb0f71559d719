"""Axes in another order."""

from typing import Any

from tahr.backends.tensorflow.loading import tf


def moved(x: Any, source: int, target: int) -> Any:
    """Return `x` with one of its axes in another place."""
    rank = len(x.shape)
    order = [i for i in range(rank) if i != source % rank]
    order.insert(target % rank, source % rank)
    return tf.transpose(x, order) if order != sorted(order) else x
