"""LSTM by TensorFlow's fused kernel for all steps, which XLA does not know.

Its gates are in the order input, candidate, forget, output. (The kernel's second version has Keras's order, but a
gradient that has not.) The gradient of its gradient is that of plain steps.

Axes: T steps, B batch, F features, U units.
"""

from typing import Any

from tahr.backends.forward import is_forward
from tahr.backends.tensorflow.loading import tf


class Recurrent:
    """The recurrent duty of the TensorFlow backend."""

    def lstm(self, x: Any, kernel: Any, recurrent: Any, bias: Any, states: Any, mask: Any) -> Any:
        if mask is not None or is_forward() or x.dtype not in (tf.float32, tf.float16) or x.dtype != kernel.dtype:
            return None
        h, c = (tf.cast(s, x.dtype) for s in states)
        bias = tf.zeros(kernel.shape[1:], x.dtype) if bias is None else bias
        weights = _reordered(tf.concat([kernel, recurrent], 0))
        hs, cs = _lstm(tf.transpose(x, (1, 0, 2)), weights, _reordered(bias), h, c)
        return tf.transpose(hs, (1, 0, 2)), [hs[-1], cs[-1]]


def _reordered(weight: Any) -> Any:
    i, f, g, o = tf.split(weight, 4, -1)
    return tf.concat([i, g, f, o], -1)


def _shared(x_TBF: Any, w: Any, b: Any, h: Any, c: Any) -> dict[str, Any]:
    """Return the arguments that the kernel and that of its gradient have in common; there are no peepholes."""
    none = tf.zeros(h.shape[-1:], x_TBF.dtype)
    steps = tf.cast(tf.shape(x_TBF)[0], tf.int64)
    given = {"seq_len_max": steps, "x": x_TBF, "cs_prev": c, "h_prev": h, "w": w, "b": b, "use_peephole": False}
    return {**given, **dict.fromkeys(("wci", "wcf", "wco"), none)}


@tf.custom_gradient
def _lstm(*given: Any) -> Any:
    """Return the outputs and memories of all steps."""
    made = tf.raw_ops.BlockLSTM(**_shared(*given), forget_bias=0.0, cell_clip=-1.0)
    return (made.h, made.cs), lambda d_hs, d_cs: _gradient(made, *given, d_hs, d_cs)


def _gradient(made: Any, *arrays: Any) -> Any:
    @tf.custom_gradient
    def run(*arrays: Any) -> Any:
        *given, d_hs, d_cs = arrays
        d = tf.raw_ops.BlockLSTMGrad(**_shared(*given), **made._asdict(), cs_grad=d_cs, h_grad=d_hs)

        def back(*upstream: Any) -> Any:
            with tf.GradientTape() as outer:
                outer.watch(arrays)
                with tf.GradientTape() as inner:
                    inner.watch(given)
                    found = _by_steps(*given)
                slopes = inner.gradient(found, given, [d_hs, d_cs])
            return outer.gradient(slopes, arrays, upstream)

        return (d.x_grad, d.w_grad, d.b_grad, d.h_prev_grad, d.cs_prev_grad), back

    return run(*arrays)


def _by_steps(x_TBF: Any, w: Any, b: Any, h: Any, c: Any) -> Any:
    kernel, recurrent = w[: x_TBF.shape[-1]], w[x_TBF.shape[-1] :]

    def step(states: Any, sums: Any) -> Any:
        i, g, f, o = tf.split(sums + states[0] @ recurrent, 4, -1)
        c = tf.sigmoid(f) * states[1] + tf.sigmoid(i) * tf.tanh(g)
        return tf.sigmoid(o) * tf.tanh(c), c

    return tf.scan(step, tf.tensordot(x_TBF, kernel, 1) + b, (h, c))
