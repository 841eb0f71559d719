"""LSTM and GRU as scans with gradients of their own.

The gradient of a scan that JAX derives keeps what each operation needs; here a step keeps its states and gates alone.
On CPU the products with the inputs are part of the loop, where everything stays in the processor's cache; elsewhere
they are one product of all steps before the loop. Backwards, only the product that the step before waits for is in the
loop: each product there wakes threads, so those of the kernels and the inputs are made of all steps after it.

Axes: T steps, B batch, F features, U units.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from tahr.backends.forward import is_forward
from tahr.backends.jax.windows import on_cpu


class Recurrent:
    """The recurrent duties of the JAX backend."""

    def lstm(self, x: Any, kernel: Any, recurrent: Any, bias: Any, states: Any, mask: Any) -> Any:
        if is_forward():
            return None
        h, c = states
        bias = jnp.zeros(kernel.shape[1:], kernel.dtype) if bias is None else bias
        outputs, h, c = _run(_lstm, on_cpu(), jnp.swapaxes(x, 0, 1), kernel, recurrent, bias, h, c, _kept(mask))
        return jnp.swapaxes(outputs, 0, 1), [h, c]

    def gru(self, x: Any, kernel: Any, recurrent: Any, bias: Any, states: Any, mask: Any) -> Any:
        if is_forward():
            return None
        bias = jnp.zeros((2, *kernel.shape[1:]), kernel.dtype) if bias is None else bias
        outputs, h = _run(_gru, on_cpu(), jnp.swapaxes(x, 0, 1), kernel, recurrent, bias, states[0], _kept(mask))
        return jnp.swapaxes(outputs, 0, 1), [h]


@partial(jax.jit, static_argnums=(0, 1))
def _run(fn: Any, *args: Any) -> Any:
    return fn(*args)  # compiled once also for calls outside of compiled code


def _kept(mask: Any) -> Any:
    return None if mask is None else jnp.swapaxes(mask, 0, 1).astype(bool)[..., None]


def _keep(kept: Any, new: Any, old: Any) -> Any:
    return new if kept is None else jnp.where(kept, new, old)


def _before(first: Any, all_TBU: Any) -> Any:
    """Return the states that each step started from."""
    return jnp.concatenate([first[None], all_TBU[:-1]], axis=0)


def _sigmoid(a: Any) -> Any:
    return 0.5 + 0.5 * jnp.tanh(0.5 * a)  # one vectorised function for every gate


def _from_inputs(inside: bool, x_TBF: Any, kernel: Any, bias: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return what a scan goes along, and the function that makes sums for the gates of it."""
    if inside:
        return x_TBF, lambda x: x @ kernel + bias
    flat = x_TBF.reshape(-1, x_TBF.shape[-1]) @ kernel + bias
    return flat.reshape(*x_TBF.shape[:2], -1), lambda sums: sums


def _from_both(inside: bool, x_TBF: Any, kernel: Any, recurrent: Any, bias: Any) -> tuple[Any, Callable[..., Any]]:
    """Return what a scan goes along, and the function that adds the state's part: on CPU, both by one product."""
    if inside:
        both = jnp.concatenate([kernel, recurrent])
        return x_TBF, lambda x, h: jnp.concatenate([x, h], axis=-1) @ both + bias
    steps, sums_of = _from_inputs(inside, x_TBF, kernel, bias)
    return steps, lambda sums, h: sums_of(sums) + h @ recurrent


def _backwards(core: Any, carry: Any, steps: Any, x_TBF: Any, h_TBU: Any, kernel: Any, recurrent: Any) -> Any:
    """Go through the steps from the last to the first.

    `core(carry, step)` gives the gradients of the sums from the inputs and of those from the state, which may be one,
    and a function that makes the new carry of the gradient of the state. Returned are the last carry and the gradients
    of the inputs, of both kernels and of both sums of biases.
    """
    recurrent_t = recurrent.T

    def step(carry: Any, now: Any) -> Any:
        d_x, d_h, finish = core(carry, now)
        return finish(d_h @ recurrent_t), (d_x, None if d_h is d_x else d_h)

    carry, (d_x, d_h) = lax.scan(step, carry, steps, reverse=True)
    x, h, d_x = (array.reshape(-1, array.shape[-1]) for array in (x_TBF, h_TBU, d_x))
    d_h = d_x if d_h is None else d_h.reshape(-1, d_h.shape[-1])
    return carry, (d_x @ kernel.T).reshape(x_TBF.shape), x.T @ d_x, h.T @ d_h, d_x.sum(0), d_h.sum(0)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _lstm(inside: bool, x: Any, kernel: Any, recurrent: Any, bias: Any, h: Any, c: Any, kept: Any) -> Any:
    return _lstm_forward(inside, x, kernel, recurrent, bias, h, c, kept)[0]


def _lstm_forward(inside: bool, x: Any, kernel: Any, recurrent: Any, bias: Any, h: Any, c: Any, kept: Any) -> Any:
    steps, sums_of = _from_both(inside, x, kernel, recurrent, bias)
    units = h.shape[-1]

    def step(carry: Any, now: Any) -> Any:
        (h, c), (s, keep) = carry, now
        a = sums_of(s, h)
        i, f, o = (_sigmoid(a[:, n * units : (n + 1) * units]) for n in (0, 1, 3))
        g = jnp.tanh(a[:, 2 * units : 3 * units])
        new_c = f * c + i * g
        new_h = o * jnp.tanh(new_c)
        new_h, new_c = _keep(keep, new_h, h), _keep(keep, new_c, c)
        return (new_h, new_c), (new_h, c, (i, f, g, o))  # apart, since joining them would be a pass of its own

    (last_h, last_c), (hs, olds, gates) = lax.scan(step, (h, c), (steps, kept))
    return (hs, last_h, last_c), (x, kernel, recurrent, h, kept, hs, olds, gates)


def _lstm_backward(inside: bool, saved: Any, given: Any) -> Any:
    x, kernel, recurrent, h, kept, hs, olds, gates = saved
    d_hs, d_h, d_c = given

    def core(carry: Any, now: Any) -> Any:
        (d_h, d_c), (d_out, (i, f, g, o), old, keep) = carry, now
        d_h = d_h + d_out
        bent = jnp.tanh(f * old + i * g)
        through = d_c + d_h * o * (1 - bent * bent)
        d_i, d_f = through * g * (i * (1 - i)), through * old * (f * (1 - f))
        d_g, d_o = through * i * (1 - g * g), d_h * bent * (o * (1 - o))
        d_a = jnp.concatenate([d_i, d_f, d_g, d_o], axis=-1)
        d_a = d_a if keep is None else jnp.where(keep, d_a, 0)
        return d_a, d_a, lambda back: (_keep(keep, back, d_h), _keep(keep, through * f, d_c))

    steps = (d_hs, gates, olds, kept)
    found = _backwards(core, (d_h, d_c), steps, x, _before(h, hs), kernel, recurrent)
    (d_h, d_c), d_x, d_kernel, d_recurrent, d_bias, _ = found
    return d_x, d_kernel, d_recurrent, d_bias, d_h, d_c, None


_lstm.defvjp(_lstm_forward, _lstm_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _gru(inside: bool, x: Any, kernel: Any, recurrent: Any, bias: Any, h: Any, kept: Any) -> Any:
    return _gru_forward(inside, x, kernel, recurrent, bias, h, kept)[0]


def _gru_forward(inside: bool, x: Any, kernel: Any, recurrent: Any, bias: Any, h: Any, kept: Any) -> Any:
    steps, sums_of = _from_inputs(inside, x, kernel, bias[0])
    units = h.shape[-1]

    def step(h: Any, now: Any) -> Any:
        s, keep = now
        of_input, of_state = sums_of(s), h @ recurrent + bias[1]
        z, r = (_sigmoid((of_input + of_state)[:, n * units : (n + 1) * units]) for n in (0, 1))
        inner = of_state[:, 2 * units :]
        candidate = jnp.tanh(of_input[:, 2 * units :] + r * inner)
        new = _keep(keep, z * h + (1 - z) * candidate, h)
        return new, (new, (z, r, candidate, inner))

    last, (hs, parts) = lax.scan(step, h, (steps, kept))
    return (hs, last), (x, kernel, recurrent, h, kept, hs, parts)


def _gru_backward(inside: bool, saved: Any, given: Any) -> Any:
    x, kernel, recurrent, h, kept, hs, parts = saved
    d_hs, d_h = given

    def core(d_h: Any, now: Any) -> Any:
        d_out, (z, r, candidate, inner), old, keep = now
        d_h = d_h + d_out
        d_candidate = d_h * (1 - z) * (1 - candidate * candidate)
        d_z = d_h * (old - candidate) * (z * (1 - z))
        d_r = d_candidate * inner * (r * (1 - r))
        d_input = jnp.concatenate([d_z, d_r, d_candidate], axis=-1)
        d_state = jnp.concatenate([d_z, d_r, d_candidate * r], axis=-1)
        if keep is not None:
            d_input, d_state = jnp.where(keep, d_input, 0), jnp.where(keep, d_state, 0)
        return d_input, d_state, lambda back: _keep(keep, d_h * z + back, d_h)

    before = _before(h, hs)
    found = _backwards(core, d_h, (d_hs, parts, before, kept), x, before, kernel, recurrent)
    d_h, d_x, d_kernel, d_recurrent, d_b, d_c = found
    return d_x, d_kernel, d_recurrent, jnp.stack([d_b, d_c]), d_h, None


_gru.defvjp(_gru_forward, _gru_backward)
