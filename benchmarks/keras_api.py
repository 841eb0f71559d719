"""The workloads in the Keras API, written once: the module is `keras` or `tahr`."""

import importlib
from typing import Any

import numpy as np
from workloads.base import LEARNING_RATE, Repeated, Task

LOSSES = {"binary": "binary_crossentropy", "classes": "sparse_categorical_crossentropy", "values": "mse"}


class Fit(Repeated):
    """Epochs of `fit` on NumPy arrays with verbose=0, everything else left at its default."""

    verbose = 0

    def __init__(self, task: Task, module: str) -> None:
        self.task, self.module = task, module
        self.x, self.y = task.data()
        self.steps = len(self.x) // task.batch_size
        self.keras = importlib.import_module(module)

    def build(self) -> None:
        optimizer = self.keras.optimizers.Adam(LEARNING_RATE)
        self.model = self.task.keras_model(self.keras)
        metrics = ["accuracy"] if self.task.loss != "values" else None
        self.model.compile(optimizer=optimizer, loss=LOSSES[self.task.loss], metrics=metrics)

    def units(self, count: int) -> None:
        history = self.model.fit(self.x, self.y, batch_size=self.task.batch_size, epochs=count, verbose=self.verbose)
        self.logs = {name: float(values[-1]) for name, values in history.history.items()}

    def facts(self) -> dict[str, Any]:
        trained = sum(int(np.prod(w.shape)) for w in self.model.trainable_weights)
        return {"parameters": trained, **self.logs, **work_of_a_step(self.model, self.task.batch_size)}


def work_of_a_step(model: Any, batch_size: int) -> dict[str, float]:
    """Return the least work of a training step as far as tahr can tell, nothing for models of Keras.

    A forward pass, and twice that for gradients; and weights, gradients and the two slots of Adam, each read and
    written once. Tables are left out, of which a step needs only some rows.
    """
    flops = model.summary_data().totals["flops"] if hasattr(model, "summary_data") else None
    if not flops:
        return {}
    tables = [layer for layer in model.layers if type(layer).__name__ == "Embedding"]
    weights = sum(w.size for w in model.trainable_weights) - sum(layer.count_params() for layer in tables)
    return {"flops of a step": 3.0 * flops * batch_size, "bytes of a step": 8.0 * 4 * weights}


class Evaluate(Fit):
    """Calls of `evaluate` on NumPy arrays with verbose=0, at the default batch size."""

    def __init__(self, task: Task, module: str) -> None:
        super().__init__(task, module)
        self.steps = 1

    def units(self, count: int) -> None:
        for _ in range(count):
            loss, accuracy = self.model.evaluate(self.x, self.y, verbose=0)
        self.logs = {"loss": float(loss), "accuracy": float(accuracy)}

    def facts(self) -> dict[str, Any]:
        return {"parameters": self.model.count_params(), **self.logs}


class Predict(Repeated):
    """Bundles of `predict(x, verbose=0)` calls."""

    def __init__(self, task: Task, module: str, rows: int, calls: int) -> None:
        self.task, self.module, self.steps = task, module, calls
        self.x = task.data()[0][:rows]
        self.keras = importlib.import_module(module)

    def build(self) -> None:
        self.model = self.task.keras_model(self.keras)

    def units(self, count: int) -> None:
        predict, x = self.model.predict, self.x
        for _ in range(count * self.steps):
            self.output = predict(x, verbose=0)

    def facts(self) -> dict[str, Any]:
        return {"parameters": self.model.count_params(), "shape": list(np.shape(self.output))}
