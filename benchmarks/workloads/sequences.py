"""Training on sequences and ids: a GRU classifier, a transformer encoder, a GPT-like decoder, large embeddings."""

from collections.abc import Callable
from typing import Any

import numpy as np

from workloads import lstm
from workloads.base import Task, Workload, training_workload
from workloads.by_hand import by_hand

VOCABULARY, WIDTH, HEADS, DEPTH, CLASSES = 2_000, 256, 8, 4, 10

# ---- a classifier with a GRU ---


def gru_keras(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((lstm.LENGTH,), dtype="int32"),
            layers.Embedding(lstm.VOCABULARY, lstm.WIDTH),
            layers.GRU(lstm.UNITS),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def gru_jax() -> Any:
    import jax
    import jax.numpy as jnp
    from jax import lax

    units = lstm.UNITS

    def network(p: Any, tokens: Any) -> Any:
        projected = p.dense(p.table(lstm.VOCABULARY, lstm.WIDTH)[tokens.T], 3 * units)
        recurrent, bias = p.kernel(units, 3 * units), p.vector(3 * units)

        def cell(hidden: Any, given: Any) -> Any:
            own = hidden @ recurrent + bias
            gates = jax.nn.sigmoid(given[:, : 2 * units] + own[:, : 2 * units])
            update, reset = jnp.split(gates, 2, axis=-1)
            candidate = jnp.tanh(given[:, 2 * units :] + reset * own[:, 2 * units :])
            return update * hidden + (1 - update) * candidate, None

        return p.dense(lax.scan(cell, jnp.zeros((len(tokens), units)), projected)[0], 1)

    return by_hand(network, (2, lstm.LENGTH), "int32")


def gru_torch() -> Any:
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(lstm.VOCABULARY, lstm.WIDTH)
            self.gru = nn.GRU(lstm.WIDTH, lstm.UNITS, batch_first=True)
            self.out = nn.Linear(lstm.UNITS, 1)

        def forward(self, tokens: Any) -> Any:
            return self.out(self.gru(self.table(tokens))[1][-1])

    return Network()


# ---- transformers: attention and two dense layers, each with what came in, normalised (Vaswani et al. 2017) ---


def documents(count: int, length: int) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """Return a maker of texts whose class is the tenth of the vocabulary that half of their tokens come from."""

    def make() -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(1)
        labels = rng.integers(0, CLASSES, count).astype("int32")
        tokens = rng.integers(0, VOCABULARY, (count, length))
        marked = labels[:, None] * (VOCABULARY // CLASSES) + rng.integers(0, VOCABULARY // CLASSES, tokens.shape)
        return np.where(rng.random(tokens.shape) < 0.5, marked, tokens).astype("int32"), labels

    return make


def texts(count: int, length: int) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """Return a maker of texts that count upwards by steps of their own, and their continuations."""

    def make() -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(1)
        start, step = rng.integers(0, VOCABULARY, (count, 1)), rng.integers(1, 5, (count, 1))
        tokens = (start + step * np.arange(length + 1)) % VOCABULARY
        return tokens[:, :-1].astype("int32"), tokens[:, 1:].astype("int32")

    return make


def transformer_keras(keras: Any, length: int, causal: bool) -> Any:
    layers = keras.layers
    inputs = keras.Input((length,), dtype="int32")
    x = layers.Embedding(VOCABULARY, WIDTH)(inputs)
    for _ in range(DEPTH):
        attended = layers.MultiHeadAttention(HEADS, WIDTH // HEADS)(x, x, use_causal_mask=causal)
        x = layers.LayerNormalization(epsilon=1e-5)(layers.Add()([x, attended]))
        wide = layers.Dense(WIDTH)(layers.Dense(4 * WIDTH, activation="gelu")(x))
        x = layers.LayerNormalization(epsilon=1e-5)(layers.Add()([x, wide]))
    x = x if causal else layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, layers.Dense(VOCABULARY if causal else CLASSES, activation="softmax")(x))


def transformer_jax(length: int, causal: bool) -> Any:
    import jax

    def network(p: Any, tokens: Any) -> Any:
        x = p.table(VOCABULARY, WIDTH)[tokens]
        split = (len(tokens), length, HEADS, WIDTH // HEADS)
        for _ in range(DEPTH):
            q, k, v = (p.dense(x, WIDTH).reshape(split) for _ in range(3))
            attended = jax.nn.dot_product_attention(q, k, v, is_causal=causal).reshape(x.shape)
            x = p.layer_norm(x + p.dense(attended, WIDTH))
            x = p.layer_norm(x + p.dense(jax.nn.gelu(p.dense(x, 4 * WIDTH), approximate=False), WIDTH))
        return p.dense(x if causal else x.mean(1), VOCABULARY if causal else CLASSES)

    return by_hand(network, (2, length), "int32")


def transformer_torch(length: int, causal: bool) -> Any:
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(VOCABULARY, WIDTH)
            layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.0, "gelu", batch_first=True)
            self.body = nn.TransformerEncoder(layer, DEPTH)
            self.out = nn.Linear(WIDTH, VOCABULARY if causal else CLASSES)

        def forward(self, tokens: Any) -> Any:
            mask = nn.Transformer.generate_square_subsequent_mask(length) if causal else None
            x = self.body(self.table(tokens), mask, is_causal=causal)
            return self.out(x if causal else x.mean(1))

    return Network()


# ---- large tables: eight of them beside dense features (Naumov et al. 2019), and one of a million rows ---

TABLES, ROWS, SIZE = 8, 125_000, 64


def clicks(tables: int, rows: int, count: int) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """Return a maker of ids, one for each table, and of clicks on those with an odd sum."""

    def make() -> tuple[np.ndarray, np.ndarray]:
        ids = np.random.default_rng(1).integers(0, rows, (count, tables)).astype("int32")
        return ids, (ids.sum(1) % 2).astype("float32")

    return make


def tables_keras(keras: Any, tables: int, rows: int) -> Any:
    layers = keras.layers
    inputs = keras.Input((tables,), dtype="int32")
    found = [layers.Embedding(rows, SIZE)(inputs[:, i]) for i in range(tables)]
    x = layers.Concatenate()(found) if tables > 1 else found[0]
    for units in (64, 32):
        x = layers.Dense(units, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


def tables_jax(tables: int, rows: int) -> Any:
    import jax
    import jax.numpy as jnp

    def network(p: Any, ids: Any) -> Any:
        x = jnp.concatenate([p.table(rows, SIZE)[ids[:, i]] for i in range(tables)], -1)
        for units in (64, 32):
            x = jax.nn.relu(p.dense(x, units))
        return p.dense(x, 1)

    return by_hand(network, (2, tables), "int32")


def tables_torch(tables: int, rows: int) -> Any:
    import torch
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tables = nn.ModuleList([nn.Embedding(rows, SIZE) for _ in range(tables)])
            head = (nn.Linear(tables * SIZE, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
            self.head = nn.Sequential(*head)

        def forward(self, ids: Any) -> Any:
            return self.head(torch.cat([table(ids[:, i]) for i, table in enumerate(self.tables)], -1))

    return Network()


def workload(
    name: str, title: str, data: Any, batch: int, loss: str, networks: tuple[Any, Any, Any], *sizes: Any
) -> Workload:
    in_keras, in_jax, in_torch = networks
    task = Task(
        *(data, batch, loss, lambda keras: in_keras(keras, *sizes)),
        *(lambda: in_jax(*sizes), lambda: in_torch(*sizes)),
        steps_per_dispatch=1,
    )
    return training_workload(name, title, task)


TRANSFORMER = (transformer_keras, transformer_jax, transformer_torch)
LARGE = (tables_keras, tables_jax, tables_torch)

WORKLOADS = (
    workload(
        *("gru", "Embedding 20,000 x 128 and GRU 128, 80 time steps", lstm.data, lstm.BATCH_SIZE, "binary"),
        (gru_keras, gru_jax, gru_torch),
    ),
    workload(
        *("transformer", "transformer encoder, 4 layers of 256, 128 tokens", documents(128, 128), 32, "classes"),
        *(TRANSFORMER, 128, False),
    ),
    workload(
        *("gpt", "GPT-like decoder, 4 layers of 256, 256 tokens", texts(32, 256), 8, "classes"),
        *(TRANSFORMER, 256, True),
    ),
    workload(
        *("embeddings", "table of 1,000,000 x 64", clicks(1, 1_000_000, 8192), 1024, "binary"),
        *(LARGE, 1, 1_000_000),
    ),
    workload(
        *("dlrm", "eight tables of 125,000 x 64", clicks(TABLES, ROWS, 8192), 1024, "binary"),
        *(LARGE, TABLES, ROWS),
    ),
)
