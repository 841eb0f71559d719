"""A tahr model as a pytree in a program of JAX: jitted, differentiated, trained by optax, an ensemble by `jax.vmap`.

    TAHR_BACKEND=jax python examples/native_jax.py [--steps 300]

The exit code is 1 if a network of the ensemble does not learn the function.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("TAHR_BACKEND", "jax")

import jax
import jax.numpy as jnp
import optax

import tahr as keras
from tahr import layers


def network() -> Any:
    return keras.Sequential([keras.Input((2,)), layers.Dense(32, "tanh"), layers.Dense(16, "tanh"), layers.Dense(1)])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=300)
    steps = parser.parse_args(arguments).steps
    keras.utils.set_random_seed(0)
    x = jax.random.uniform(jax.random.key(0), (512, 2), minval=-2, maxval=2)
    y = jnp.sin(x[:, :1]) * x[:, 1:]
    first = network()
    others = [[v.value for v in network().variables] for _ in range(2)]
    leaves, form = jax.tree.flatten(first)
    ensemble = jax.tree.unflatten(form, [jnp.stack(values) for values in zip(leaves, *others, strict=True)])
    optimizer = optax.adam(0.01)
    state = jax.vmap(optimizer.init)(ensemble)

    def loss(model: Any) -> Any:
        return ((model(x) - y) ** 2).mean()

    def step(model: Any, state: Any) -> Any:
        value, gradients = jax.value_and_grad(loss)(model)
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(model, updates), state, value

    run = jax.jit(jax.vmap(step))
    losses = jnp.zeros(3)
    for i in range(steps):
        ensemble, state, losses = run(ensemble, state)
        if i % 100 == 99:
            print(f"step {i + 1}: {', '.join(f'{v:.4f}' for v in losses)}")
    best = jax.tree.map(lambda values: values[jnp.argmin(losses)], ensemble)
    print(f"the best network of three has a mean squared error of {float(loss(best)):.4f}")
    return 0 if float(losses.max()) < 0.1 * float(y.var()) else 1


if __name__ == "__main__":
    sys.exit(main())
