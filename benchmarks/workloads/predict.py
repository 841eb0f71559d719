"""Prediction with NumPy in and out: one row, where only overhead counts, and many rows at the default batch size."""

from collections.abc import Callable
from typing import Any

from workloads.base import API_PEERS, Bar, Runner, Task, Workload
from workloads.images import RESNET20
from workloads.mlp import MEDIUM, TINY, task

PEERS = (
    *API_PEERS,
    *("tahr_numpy", "jax_loop", "torch"),
)
ROWS = 20_000
DEFAULT_BATCH_SIZE = 32
WIDE = task((784, 512, 512, 10), rows=ROWS, batch_size=128, steps_per_dispatch=1)


def predict_runner(task: Task, rows: int, calls: int) -> Callable[[Any], Runner]:
    """Return the function that makes the runner of `calls` predictions of `rows` rows for a peer."""

    def runner(peer: Any) -> Runner:
        if peer.module:
            from keras_api import Predict

            return Predict(task, peer.module, rows, calls)
        batch_size = None if peer.name == "jax_scan" or rows == 1 else DEFAULT_BATCH_SIZE
        if peer.backend == "jax":
            from raw_jax import Predict

            return Predict(task, batch_size, rows, calls)
        from raw_torch import Predict

        return Predict(task, batch_size, rows, calls)

    return runner


def evaluate_runner(peer: Any) -> Runner:
    from keras_api import Evaluate

    return Evaluate(WIDE, peer.module)


WORKLOADS = (
    Workload(
        name="predict_one_tiny",
        title="predict: one row, MLP 20-32-1",
        unit="ms a call",
        scale=1e3,
        peers=PEERS,
        runner=predict_runner(TINY, rows=1, calls=20),
        expected={
            "keras_jax": 0.88,
            "keras_torch": 2.6,
            "keras_tensorflow": 61,
            "torch": 0.13,
            "jax_loop": 0.18,
        },
        bars=(Bar("at most 2 x the raw compiled call with host copy", "tahr_jax", 2.0, "jax_loop"),),
    ),
    Workload(
        name="predict_one",
        title="predict: one row, MLP 784-512-512-10",
        unit="ms a call",
        scale=1e3,
        peers=PEERS,
        runner=predict_runner(MEDIUM, rows=1, calls=20),
        bars=(Bar("at most 2 x the raw compiled call with host copy", "tahr_jax", 2.0, "jax_loop"),),
    ),
    Workload(
        name="predict_many",
        title="predict: 20,000 rows, MLP 784-512-512-10, batch 32 (k steps a dispatch: all rows at once)",
        unit="ms a call",
        scale=1e3,
        peers=(*PEERS, "jax_scan"),
        runner=predict_runner(WIDE, rows=ROWS, calls=1),
    ),
    Workload(
        name="predict_images",
        title="predict: 512 images, ResNet-20 on 32 x 32 x 3, batch 32",
        unit="ms a call",
        scale=1e3,
        peers=(*API_PEERS, "torch"),
        runner=predict_runner(RESNET20, rows=512, calls=1),
    ),
    Workload(
        name="evaluate",
        title="evaluate: 20,000 rows, MLP 784-512-512-10, batch 32, loss and accuracy",
        unit="ms a call",
        scale=1e3,
        peers=(*API_PEERS, "tahr_numpy"),
        runner=evaluate_runner,
    ),
)
