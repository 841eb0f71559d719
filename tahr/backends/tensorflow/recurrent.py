"""LSTM with one product for the inputs of all steps, and a gradient of its own that keeps the gates.

In the gradient, too, all that does not wait for a later step is done for all of them at once. Training compiles what is
left, two loops, with XLA where sizes are known; the products of all steps are oneDNN's, which are faster than XLA's.
TensorFlow's fused kernel (BlockLSTM) takes twice as long.

Axes: T steps, B batch, F features, U units, G the four gates of U.
"""

from collections.abc import Callable
from typing import Any

from tahr.backends.forward import is_forward
from tahr.backends.tensorflow.autodiff import is_differentiated
from tahr.backends.tensorflow.loading import tf
from tahr.backends.tensorflow.stateful import function, one_kernel


class Recurrent:
    """The recurrent duty of the TensorFlow backend."""

    def lstm(self, x: Any, kernel: Any, recurrent: Any, bias: Any, states: Any, mask: Any) -> Any:
        if mask is not None or is_forward() or x.dtype != kernel.dtype:
            return None
        h, c = (tf.cast(s, x.dtype) for s in states)
        bias = tf.zeros(kernel.shape[1:], x.dtype) if bias is None else bias
        given = tf.transpose(x, (1, 0, 2)), kernel, recurrent, bias, h, c
        hs, c = _form(given)(*given)
        return tf.transpose(hs, (1, 0, 2)), [hs[-1], c]


def _form(arrays: Any) -> Callable[..., Any]:
    """Return what runs these arrays; what runs without training may be exported, and not every server has XLA."""
    if tf.executing_eagerly():
        return _at_once
    return _fused if is_differentiated() and all(a.shape.is_fully_defined() for a in arrays) else _plain


def _lstm(forwards: Callable[..., Any], backwards: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that gives the outputs of all steps and the last memory, made of these two loops."""

    @tf.custom_gradient
    def run(x_TBF: Any, kernel_FG: Any, recurrent_UG: Any, bias_G: Any, h_BU: Any, c_BU: Any) -> Any:
        c_last, *kept = forwards(tf.tensordot(x_TBF, kernel_FG, 1) + bias_G, recurrent_UG, h_BU, c_BU)

        def back(d_hs: Any, d_c: Any) -> Any:
            d_sums, d_h, d_c = backwards(recurrent_UG, h_BU, c_BU, *kept, d_hs, d_c)
            return (
                tf.tensordot(d_sums, kernel_FG, [[2], [1]]),
                tf.tensordot(x_TBF, d_sums, [[0, 1], [0, 1]]),
                tf.tensordot(_before(h_BU, kept[0]), d_sums, [[0, 1], [0, 1]]),
                tf.reduce_sum(d_sums, [0, 1]),
                *(d_h, d_c),
            )

        return (kept[0], c_last), back

    return run


def _forwards(sums: Any, recurrent: Any, h: Any, c: Any) -> list[Any]:
    """Return the last memory, and of all steps: outputs, memories, three gates, candidates, tanh of the memories.

    The gates are input, forget, candidate, output.
    """
    units = recurrent.shape[0]

    def step(states: Any, given: Any) -> Any:
        h, c = states
        i, f, candidate, o = tf.split(given[0] + h @ recurrent, 4, -1)
        three, candidate = tf.sigmoid(tf.concat([i, f, o], -1)), tf.tanh(candidate)
        i, f, o = tf.split(three, 3, -1)
        c = f * c + i * candidate
        seen = tf.tanh(c)
        return [o * seen, c], [o * seen, c, three, candidate, seen]

    (_, c), kept = _loop(step, [h, c], [sums], [units, units, 3 * units, units, units])
    return [c, *kept]


def _backwards(
    recurrent: Any, h: Any, c: Any, hs: Any, cs: Any, three: Any, candidate: Any, seen: Any, d_hs: Any, d_c: Any
) -> Any:
    """Return the gradients of the sums and of the first states."""
    i, f, o = tf.split(three, 3, -1)
    into_sums = tf.concat(
        [candidate * i * (1 - i), _before(c, cs) * f * (1 - f), i * (1 - candidate * candidate), seen * o * (1 - o)], -1
    )
    into_memory = o * (1 - seen * seen)

    def step(slopes: Any, given: Any) -> Any:
        d_h, d_c = slopes
        into_sums, into_memory, f, d = given
        d_h += d
        d_c += d_h * into_memory
        d_sums = tf.concat([d_c, d_c, d_c, d_h], -1) * into_sums
        return [tf.matmul(d_sums, recurrent, transpose_b=True), d_c * f], [d_sums]

    along = [into_sums, into_memory, f, d_hs]
    (d_h, d_c), (d_sums,) = _loop(step, [tf.zeros_like(h), d_c], along, [recurrent.shape[1]], reverse=True)
    return d_sums, d_h, d_c


_plain, _fused = _lstm(_forwards, _backwards), _lstm(one_kernel(_forwards), one_kernel(_backwards))
_at_once = function(_plain)


def _before(first: Any, kept: Any) -> Any:
    """Return what each step began with."""
    return tf.concat([first[None], kept[:-1]], 0)


def _loop(
    step: Callable[[Any, Any], Any], carry: list[Any], along: list[Any], widths: list[int], reverse: bool = False
) -> Any:
    """Return the last carry and, for each width, what the steps along the first axis gave, one behind the other."""
    batch, most = carry[0].shape[0], along[0].shape[0]
    count = tf.shape(along[0])[0] if most is None else most
    made = [tf.TensorArray(carry[0].dtype, count, element_shape=(batch, width)) for width in widths]
    return scan_from(0, step, carry, along, made, count, reverse)


def scan_from(
    first: int, step: Callable[..., Any], carry: Any, along: list[Any], made: list[Any], count: Any, reverse: bool
) -> Any:
    """Return the last carry, and what steps gave, one behind the other.

    Elements are read from and written to lists, whose gradients are lists as well, not whole arrays at each step.

    Args:
        first: how many of the `count` steps have been made.
        step: function of the carry and of elements, to the next carry, what it gives, and what is of no interest here.
        made: a `tf.TensorArray` for each array that steps give an element of.
    """
    sources = [tf.TensorArray(a.dtype, count, element_shape=a.shape[1:]).unstack(a) for a in along]

    def body(n: Any, carry: Any, made: Any) -> Any:
        i = count - 1 - n if reverse else n
        carry, found, *_ = step(carry, [source.read(i) for source in sources])
        return n + 1, carry, [array.write(i, y) for array, y in zip(made, found, strict=True)]

    start = (tf.constant(first), carry, made)
    _, carry, made = tf.while_loop(lambda n, *_: n < count, body, start, maximum_iterations=count - first)
    return carry, [array.stack() for array in made]
