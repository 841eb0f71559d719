"""The same training and prediction written by hand on JAX: Adam, shuffling, loss and accuracy included."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from workloads.base import LEARNING_RATE, Repeated, Task

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


def loss_and_hits(kind: str, logits: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the mean loss of a batch and how many of its rows are classified correctly; of texts, by their tokens."""
    if kind == "values":
        return jnp.mean((logits - labels) ** 2), jnp.float32(0)
    if kind == "binary":
        logits = logits[:, 0]
        loss = jnp.mean(jnp.logaddexp(0.0, logits) - labels * logits)
        return loss, jnp.sum((logits > 0) == (labels > 0.5), dtype="float32")
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], axis=-1)
    return -jnp.mean(chosen), jnp.mean(jnp.argmax(logits, axis=-1) == labels, dtype="float32") * len(labels)


def adam(params: Any, grads: Any, first: Any, second: Any, count: jax.Array) -> tuple[Any, Any, Any]:
    """Return updated parameters and moments (Kingma and Ba, 2015, with the bias correction in the rate)."""
    rate = LEARNING_RATE * jnp.sqrt(1 - BETA_2**count) / (1 - BETA_1**count)
    first = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, first, grads)
    second = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, second, grads)
    params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + EPSILON), params, first, second)
    return params, first, second


class Training(Repeated):
    """Epochs over data that lives on the device, permuted by index; the state is donated to every dispatch."""

    def __init__(self, task: Task, variant: str) -> None:
        self.task, self.variant = task, variant
        self.host = task.data()
        self.steps = len(self.host[0]) // task.batch_size
        self.per_dispatch = 1 if variant == "jax_loop" else task.steps_per_dispatch
        self.rng = np.random.default_rng(0)

    def build(self) -> None:
        task = self.task
        options = {"patches": True} if self.variant == "jax_patches" else {}
        params, network = task.jax_network(**options)

        def objective(params: Any, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
            return loss_and_hits(task.loss, network(params, x), y)

        def step(state: tuple, x: jax.Array, y: jax.Array) -> tuple:
            params, first, second, count, loss_sum, hits = state
            (loss, hit), grads = jax.value_and_grad(objective, has_aux=True)(params, x, y)
            params, first, second = adam(params, grads, first, second, count + 1)
            return params, first, second, count + 1, loss_sum + loss, hits + hit

        def one(state: tuple, x: jax.Array, y: jax.Array, index: jax.Array) -> tuple:
            return step(state, x[index], y[index])

        def several(state: tuple, x: jax.Array, y: jax.Array, indices: jax.Array) -> tuple:
            # One gather for all k batches: inside the loop it costs the tiny network 6 of 17 us a step.
            return lax.scan(lambda state, batch: (step(state, *batch), None), state, (x[indices], y[indices]))[0]

        self.dispatch = jax.jit(one if self.per_dispatch == 1 else several, donate_argnums=0)
        self.x, self.y = (jax.device_put(array) for array in self.host)
        params = jax.tree.map(jnp.asarray, params)
        self.parameters = sum(leaf.size for leaf in jax.tree.leaves(params))
        zeros = [jax.tree.map(jnp.zeros_like, params) for _ in range(2)]
        self.state = (params, *zeros, jnp.float32(0), jnp.float32(0), jnp.float32(0))

    def units(self, count: int) -> None:
        rows = self.steps * self.task.batch_size
        shape = (-1, self.task.batch_size) if self.per_dispatch == 1 else (-1, self.per_dispatch, self.task.batch_size)
        for _ in range(count):
            order = self.rng.permutation(len(self.x))[:rows].astype("int32").reshape(shape)
            state = (*self.state[:4], jnp.float32(0), jnp.float32(0))
            for indices in order:
                state = self.dispatch(state, self.x, self.y, indices)
            self.state = state
            self.logs = {"loss": float(state[4]) / self.steps, "accuracy": float(state[5]) / rows}

    def facts(self) -> dict[str, Any]:
        return {"parameters": self.parameters, **self.logs}


class Predict(Repeated):
    """Calls of the compiled network, from a NumPy array to a NumPy array, in batches or as one dispatch."""

    def __init__(self, task: Task, batch_size: int | None, rows: int, calls: int) -> None:
        self.task, self.steps = task, calls
        self.x = task.data()[0][:rows]
        self.batch_size = batch_size or rows

    def build(self) -> None:
        params, network = self.task.jax_network()
        final = jax.nn.sigmoid if self.task.loss == "binary" else jax.nn.softmax
        self.parameters = sum(leaf.size for leaf in jax.tree.leaves(params))
        self.params = jax.tree.map(jnp.asarray, params)
        self.call = jax.jit(lambda params, x: final(network(params, x)))

    def units(self, count: int) -> None:
        x, size = self.x, self.batch_size
        for _ in range(count * self.steps):
            if len(x) == size:
                self.output = np.asarray(self.call(self.params, x))
            else:
                parts = [self.call(self.params, x[at : at + size]) for at in range(0, len(x), size)]
                self.output = np.concatenate([np.asarray(part) for part in parts])

    def facts(self) -> dict[str, Any]:
        return {"parameters": self.parameters, "shape": list(self.output.shape)}
