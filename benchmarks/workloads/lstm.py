"""Training an embedding and an LSTM on sequences of token ids."""

from typing import Any

import numpy as np

from workloads.base import API_PEERS, Task, Workload, glorot, training_runner

VOCABULARY, WIDTH, UNITS, LENGTH, BATCH_SIZE, STEPS = 20_000, 128, 128, 80, 64, 16


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return sequences drawn from either half of the vocabulary, three tokens in five, and which half it is."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, BATCH_SIZE * STEPS)
    upper = rng.random((len(labels), LENGTH)) < np.where(labels, 0.6, 0.4)[:, None]
    tokens = rng.integers(0, VOCABULARY // 2, upper.shape) + upper * (VOCABULARY // 2)
    return tokens.astype("int32"), labels.astype("float32")


def keras_model(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="int32"),
            layers.Embedding(VOCABULARY, WIDTH),
            layers.LSTM(UNITS),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def jax_network() -> tuple[Any, Any]:
    """Return the network with the input's projection as one product before the scan over time."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    rng = np.random.default_rng(2)
    params = {
        "table": rng.uniform(-0.05, 0.05, (VOCABULARY, WIDTH)).astype("float32"),
        "kernel": glorot(rng, WIDTH, 4 * UNITS),
        "recurrent": glorot(rng, UNITS, 4 * UNITS),
        "bias": np.zeros(4 * UNITS, "float32"),
        "out": (glorot(rng, UNITS, 1), np.zeros(1, "float32")),
    }

    def network(params: Any, tokens: jax.Array) -> jax.Array:
        projected = params["table"][tokens.T] @ params["kernel"] + params["bias"]

        def cell(carry: tuple, projection: jax.Array) -> tuple:
            hidden, memory = carry
            i, f, g, o = jnp.split(projection + hidden @ params["recurrent"], 4, axis=-1)
            memory = jax.nn.sigmoid(f) * memory + jax.nn.sigmoid(i) * jnp.tanh(g)
            return (jax.nn.sigmoid(o) * jnp.tanh(memory), memory), None

        zeros = jnp.zeros((len(tokens), UNITS))
        (hidden, _), _ = lax.scan(cell, (zeros, zeros), projected)
        kernel, bias = params["out"]
        return hidden @ kernel + bias

    return params, network


def torch_network() -> Any:
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(VOCABULARY, WIDTH)
            self.lstm = nn.LSTM(WIDTH, UNITS, batch_first=True)
            self.out = nn.Linear(UNITS, 1)

        def forward(self, tokens: Any) -> Any:
            _, (hidden, _) = self.lstm(self.table(tokens))
            return self.out(hidden[-1])

    return Network()


TASK = Task(data, BATCH_SIZE, "binary", keras_model, jax_network, torch_network, steps_per_dispatch=4)

WORKLOADS = (
    Workload(
        name="lstm",
        title="fit: Embedding 20,000 x 128 and LSTM 128, 80 time steps, batch 64",
        unit="ms a step",
        scale=1e3,
        peers=(
            *API_PEERS,
            *("jax_loop", "jax_scan", "torch", "torch_fused", "torch_compiled"),
        ),
        runner=training_runner(TASK),
        expected={
            "keras_jax": 74,
            "keras_torch": 133,
            "keras_tensorflow": 57,
            "torch": 53,
            "jax_loop": 91,
        },
    ),
)
