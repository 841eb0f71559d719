"""TensorFlow's fused kernels behind operations of neural networks."""

from collections.abc import Callable
from typing import Any

from tahr.backends.tensorflow.autodiff import is_differentiated
from tahr.backends.tensorflow.axes import moved
from tahr.backends.tensorflow.engine import backend
from tahr.backends.tensorflow.loading import tf
from tahr.backends.tensorflow.stateful import one_kernel, slopes_of

implements = backend.implements


def _gelu(approximate: bool) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return the function, and it with its gradient as one kernel each: as operations they take three times as long."""

    def plain(x: Any) -> Any:
        return tf.nn.gelu(x, approximate=approximate)

    slope = one_kernel(lambda x, upstream: slopes_of(plain, [x], upstream)[0])
    return plain, one_kernel(plain, lambda given, upstream: slope(*given, upstream))


_GELU = [_gelu(False), _gelu(True)]


@implements
def gelu(x: Any, approximate: bool = True) -> Any:
    alone = x.shape.num_elements() and is_differentiated() and not tf.executing_eagerly()  # of known sizes
    return _GELU[bool(approximate)][bool(alone)](x)


@implements
def normalize_batch(x: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3) -> Any:
    """TensorFlow's fused form, which takes channels last and float32."""
    kind, rank, size = x.dtype, len(x.shape), x.shape[axis]
    x = moved(x, axis, -1)
    scale = tf.ones(size, kind) if scale is None else tf.cast(scale, kind)
    offset = tf.zeros(size, kind) if offset is None else tf.cast(offset, kind)
    if kind == tf.float64:
        mean, variance = tf.nn.moments(x, list(range(rank - 1)))
        found = tf.nn.batch_normalization(x, mean, variance, offset, scale, epsilon)
    else:
        four = tf.cast(x if rank == 4 else tf.reshape(x, (-1, 1, 1, size)), tf.float32)
        count = tf.cast(tf.size(four) // size, tf.float32)
        scale, offset = tf.cast(scale, tf.float32), tf.cast(offset, tf.float32)
        found, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=four, scale=scale, offset=offset, mean=[], variance=[], epsilon=epsilon, is_training=True
        )
        found, mean, variance = (tf.cast(v, kind) for v in (found, mean, variance * ((count - 1) / count)))
        found = tf.reshape(found, tf.shape(x))
    return moved(found, -1, axis), mean, variance
