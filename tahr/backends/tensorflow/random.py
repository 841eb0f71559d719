"""Draws by TensorFlow's stateless generators, whose seed is the seed state."""

from typing import Any

from tahr.backends.tensorflow.loading import tf


def _seed(state: Any) -> Any:
    return tf.bitcast(state, tf.int32)


class Draws:
    """The random duties of the TensorFlow backend."""

    def split_seed(self, state: Any) -> tuple[Any, Any]:
        count = tf.bitcast(state, tf.int32) + tf.constant([0, 1])  # it has no sum of uint32
        return state, tf.bitcast(count, tf.uint32)

    def random_uniform(self, state: Any, shape: tuple[int, ...], dtype: str) -> Any:
        return tf.random.stateless_uniform(shape, _seed(state), dtype=dtype)

    def random_normal(self, state: Any, shape: tuple[int, ...], dtype: str) -> Any:
        return tf.random.stateless_normal(shape, _seed(state), dtype=dtype)

    def random_integers(self, state: Any, shape: tuple[int, ...], minval: Any, maxval: Any, dtype: str) -> Any:
        low, high = (tf.cast(bound, tf.int64) for bound in (minval, maxval))
        return tf.cast(tf.random.stateless_uniform(shape, _seed(state), low, high, tf.int64), dtype)

    def random_gamma(self, state: Any, alpha: Any) -> Any:
        return tf.random.stateless_gamma(alpha.shape, _seed(state), alpha, dtype=alpha.dtype)

    def random_binomial(self, state: Any, counts: Any, probabilities: Any) -> Any:
        return tf.random.stateless_binomial(counts.shape, _seed(state), counts, probabilities, counts.dtype)

    def random_permutation(self, state: Any, count: int) -> Any:
        return tf.random.experimental.stateless_shuffle(tf.range(count), _seed(state))

    def random_mask(self, state: Any, shape: tuple[int, ...], probability: Any) -> Any:
        return tf.random.stateless_uniform(shape, _seed(state)) < tf.cast(probability, tf.float32)
