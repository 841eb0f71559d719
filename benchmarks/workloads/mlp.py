"""Training multilayer perceptrons: a tiny one, where only overhead counts, and one where products do."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from workloads.base import API_PEERS, Bar, Repeated, Runner, Task, Workload, glorot, training_runner

PEERS = (
    *API_PEERS,
    *("jax_loop", "jax_scan", "torch", "torch_fused", "torch_compiled", "sklearn"),
)


def task(sizes: tuple[int, ...], rows: int, batch_size: int, steps_per_dispatch: int) -> Task:
    """Return the task of training dense layers of the given sizes, relu between them, to imitate a linear teacher."""
    loss = "binary" if sizes[-1] == 1 else "classes"

    def data() -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(1)
        x = rng.standard_normal((rows, sizes[0]), "float32")
        score = x @ rng.standard_normal((sizes[0], sizes[-1]), "float32")
        return x, (score[:, 0] > 0).astype("float32") if loss == "binary" else score.argmax(-1).astype("int32")

    def keras_model(keras: Any) -> Any:
        hidden = [keras.layers.Dense(units, activation="relu") for units in sizes[1:-1]]
        final = keras.layers.Dense(sizes[-1], activation="sigmoid" if loss == "binary" else "softmax")
        return keras.Sequential([keras.Input((sizes[0],)), *hidden, final])

    def jax_network() -> tuple[Any, Any]:
        import jax

        rng = np.random.default_rng(2)
        pairs = zip(sizes[:-1], sizes[1:], strict=True)
        params = [(glorot(rng, fan_in, fan_out), np.zeros(fan_out, "float32")) for fan_in, fan_out in pairs]

        def network(params: Any, x: jax.Array) -> jax.Array:
            for kernel, bias in params[:-1]:
                x = jax.nn.relu(x @ kernel + bias)
            kernel, bias = params[-1]
            return x @ kernel + bias

        return params, network

    def torch_network() -> Any:
        from torch import nn

        hidden = [nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in zip(sizes[:-2], sizes[1:-1], strict=True)]
        return nn.Sequential(*hidden, nn.Linear(sizes[-2], sizes[-1]))

    return Task(data, batch_size, loss, keras_model, jax_network, torch_network, steps_per_dispatch)


class ScikitLearn(Repeated):
    """`MLPClassifier.fit`, which learns anew each time: its Adam, shuffled batches, the loss but no accuracy."""

    def __init__(self, task: Task, hidden: tuple[int, ...]) -> None:
        self.task, self.hidden = task, hidden
        self.x, self.y = task.data()
        self.steps = len(self.x) // task.batch_size

    def build(self) -> None:
        warnings.filterwarnings("ignore", "Stochastic Optimizer: Maximum iterations")

    def units(self, count: int) -> None:
        from sklearn.neural_network import MLPClassifier

        size: Any = self.task.batch_size
        self.model = MLPClassifier(self.hidden, batch_size=size, max_iter=count, tol=0.0, n_iter_no_change=count + 1)
        self.model.fit(self.x, self.y)

    def facts(self) -> dict[str, Any]:
        weights = [*self.model.coefs_, *self.model.intercepts_]
        return {"parameters": sum(w.size for w in weights), "loss": float(self.model.loss_)}


def runner(task: Task, hidden: tuple[int, ...]) -> Callable[[Any], Runner]:
    """Return the function that makes a runner for a peer, scikit-learn among them."""
    others = training_runner(task)
    return lambda peer: ScikitLearn(task, hidden) if peer.name == "sklearn" else others(peer)


TINY = task((20, 32, 1), rows=32 * 500, batch_size=32, steps_per_dispatch=250)
MEDIUM = task((784, 512, 512, 10), rows=128 * 80, batch_size=128, steps_per_dispatch=10)

WORKLOADS = (
    Workload(
        name="tiny_mlp",
        title="fit: MLP 20-32-1, batch 32",
        unit="ms a step",
        scale=1e3,
        peers=PEERS,
        runner=runner(TINY, (32,)),
        expected={
            "keras_jax": 0.317,
            "keras_torch": 2.42,
            "keras_tensorflow": 1.20,
            "torch": 0.447,
            "jax_loop": 0.040,
            "jax_scan": 0.0095,
        },
        bars=(
            Bar("at least 10 x faster than Keras on JAX", "tahr_jax", 0.1, "keras_jax"),
            Bar("within 1.5 x of the hand-written k-step loop", "tahr_jax", 1.5, "jax_scan"),
        ),
    ),
    Workload(
        name="mlp",
        title="fit: MLP 784-512-512-10, batch 128",
        unit="ms a step",
        scale=1e3,
        peers=PEERS,
        runner=runner(MEDIUM, (512, 512)),
        expected={
            "keras_jax": 3.79,
            "keras_torch": 11.3,
            "keras_tensorflow": 7.58,
            "torch": 6.50,
            "jax_loop": 3.48,
            "jax_scan": 2.92,
        },
        bars=(Bar("within 1.15 x of the hand-written k-step loop", "tahr_jax", 1.15, "jax_scan"),),
    ),
)
