"""LSTM and GRU: one product for the inputs of all steps, a scan, and gradients of their own.

The gradient of a scan that JAX derives adds up the gradient of the recurrent kernel step by step; here the scans give
the gradients of the sums before the gates, and one product of all steps gives the rest.

Axes: T steps, B batch, U units.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


class Recurrent:
    """The recurrent duties of the JAX backend."""

    def lstm(self, x: Any, kernel: Any, recurrent: Any, bias: Any, states: Any, mask: Any) -> Any:
        h, c = states
        sums = _project(x, kernel, bias)
        outputs, h, c = _lstm(sums, recurrent, h, c, _kept(mask))
        return jnp.swapaxes(outputs, 0, 1), [h, c]

    def gru(self, x: Any, kernel: Any, recurrent: Any, bias: Any, states: Any, mask: Any) -> Any:
        inner, outer = (None, None) if bias is None else (bias[0], bias[1])
        sums = _project(x, kernel, inner)
        outer = jnp.zeros(recurrent.shape[1:], recurrent.dtype) if outer is None else outer
        outputs, h = _gru(sums, recurrent, outer, states[0], _kept(mask))
        return jnp.swapaxes(outputs, 0, 1), [h]


def _project(x: Any, kernel: Any, bias: Any) -> Any:
    """Return `x @ kernel + bias` with steps as the first axis."""
    sums = jnp.swapaxes(x, 0, 1) @ kernel
    return sums if bias is None else sums + bias


def _kept(mask: Any) -> Any:
    return None if mask is None else jnp.swapaxes(mask, 0, 1).astype(bool)[..., None]


def _keep(kept: Any, new: Any, old: Any) -> Any:
    return new if kept is None else jnp.where(kept, new, old)


def _before(first: Any, all_TBU: Any) -> Any:
    """Return the states that each step started from."""
    return jnp.concatenate([first[None], all_TBU[:-1]], axis=0)


def _one_product(left_TBU: Any, right_TBV: Any) -> Any:
    return left_TBU.reshape(-1, left_TBU.shape[-1]).T @ right_TBV.reshape(-1, right_TBV.shape[-1])


@jax.custom_vjp
def _lstm(sums: Any, recurrent: Any, h: Any, c: Any, kept: Any) -> Any:
    return _lstm_forward(sums, recurrent, h, c, kept)[0]


def _lstm_forward(sums: Any, recurrent: Any, h: Any, c: Any, kept: Any) -> Any:
    units = h.shape[-1]

    def step(carry: Any, now: Any) -> Any:
        (h, c), (s, keep) = carry, now
        a = s + h @ recurrent
        squashed = jax.nn.sigmoid(a)
        g = jnp.tanh(a[:, 2 * units : 3 * units])
        i, f, o = squashed[:, :units], squashed[:, units : 2 * units], squashed[:, 3 * units :]
        new_c = f * c + i * g
        new_h = o * jnp.tanh(new_c)
        new_h, new_c = _keep(keep, new_h, h), _keep(keep, new_c, c)
        return (new_h, new_c), (new_h, new_c, jnp.concatenate([i, f, g, o], axis=-1))

    (last_h, last_c), (hs, cs, gates) = lax.scan(step, (h, c), (sums, kept))
    return (hs, last_h, last_c), (recurrent, h, c, kept, hs, cs, gates)


def _lstm_backward(saved: Any, given: Any) -> Any:
    recurrent, h, c, kept, hs, cs, gates = saved
    d_hs, d_h, d_c = given
    transposed = recurrent.T

    def step(carry: Any, now: Any) -> Any:
        (d_h, d_c), (d_out, gate, new_c, old_c, keep) = carry, now
        d_h = d_h + d_out
        i, f, g, o = jnp.split(gate, 4, axis=-1)
        bent = jnp.tanh(new_c)
        through = d_c + d_h * o * (1 - bent * bent)
        d_i, d_f, d_g, d_o = through * g, through * old_c, through * i, d_h * bent
        d_a = jnp.concatenate([d_i * i * (1 - i), d_f * f * (1 - f), d_g * (1 - g * g), d_o * o * (1 - o)], axis=-1)
        if keep is not None:
            d_a = jnp.where(keep, d_a, 0)
        back_h = d_a @ transposed
        return (_keep(keep, back_h, d_h), _keep(keep, through * f, d_c)), d_a

    steps = (d_hs, gates, cs, _before(c, cs), kept)
    (d_h, d_c), d_sums = lax.scan(step, (d_h, d_c), steps, reverse=True)
    return d_sums, _one_product(_before(h, hs), d_sums), d_h, d_c, None


_lstm.defvjp(_lstm_forward, _lstm_backward)


@jax.custom_vjp
def _gru(sums: Any, recurrent: Any, bias: Any, h: Any, kept: Any) -> Any:
    return _gru_forward(sums, recurrent, bias, h, kept)[0]


def _gru_forward(sums: Any, recurrent: Any, bias: Any, h: Any, kept: Any) -> Any:
    units = h.shape[-1]

    def step(h: Any, now: Any) -> Any:
        s, keep = now
        of_state = h @ recurrent + bias
        squashed = jax.nn.sigmoid(s[:, : 2 * units] + of_state[:, : 2 * units])
        z, r = squashed[:, :units], squashed[:, units:]
        inner = of_state[:, 2 * units :]
        candidate = jnp.tanh(s[:, 2 * units :] + r * inner)
        new = _keep(keep, z * h + (1 - z) * candidate, h)
        return new, (new, jnp.concatenate([z, r, candidate, inner], axis=-1))

    last, (hs, parts) = lax.scan(step, h, (sums, kept))
    return (hs, last), (recurrent, h, kept, hs, parts)


def _gru_backward(saved: Any, given: Any) -> Any:
    recurrent, h, kept, hs, parts = saved
    d_hs, d_h = given
    transposed = recurrent.T

    def step(d_h: Any, now: Any) -> Any:
        d_out, part, old, keep = now
        d_h = d_h + d_out
        z, r, candidate, inner = jnp.split(part, 4, axis=-1)
        d_candidate = d_h * (1 - z) * (1 - candidate * candidate)
        d_z = d_h * (old - candidate) * z * (1 - z)
        d_r = d_candidate * inner * r * (1 - r)
        d_gates = jnp.concatenate([d_z, d_r], axis=-1)
        d_inner = d_candidate * r
        if keep is not None:
            d_gates, d_candidate, d_inner = (jnp.where(keep, d, 0) for d in (d_gates, d_candidate, d_inner))
        d_state = jnp.concatenate([d_gates, d_inner], axis=-1)
        back = d_h * z + d_state @ transposed
        return _keep(keep, back, d_h), (jnp.concatenate([d_gates, d_candidate], axis=-1), d_state)

    d_h, (d_sums, d_state) = lax.scan(step, d_h, (d_hs, parts, _before(h, hs), kept), reverse=True)
    return d_sums, _one_product(_before(h, hs), d_state), d_state.sum((0, 1)), d_h, None


_gru.defvjp(_gru_forward, _gru_backward)
