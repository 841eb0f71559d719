"""The same training and prediction written by hand on torch, eager or compiled, as its tutorials do it."""

from typing import Any

import numpy as np
import torch
from torch.nn import functional
from workloads.base import LEARNING_RATE, Repeated, Task


class Training(Repeated):
    """Epochs over data held as tensors, shuffled by index; metrics are summed on the device, read once an epoch."""

    def __init__(self, task: Task, fused: bool, compiled: bool) -> None:
        self.task, self.fused, self.compiled = task, fused, compiled
        x, y = task.data()
        self.steps = len(x) // task.batch_size
        self.x, self.y = torch.from_numpy(np.ascontiguousarray(task.torch_layout(x))), torch.from_numpy(y)
        self.y = self.y.long() if task.loss == "classes" else self.y
        if task.loss == "values":
            self.y = torch.from_numpy(np.ascontiguousarray(task.torch_layout(y)))

    def build(self) -> None:
        self.network: Any = self.task.torch_network()
        # fused=None leaves the choice to torch, which is what most scripts do.
        options = {"fused": True} if self.fused else {}
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=LEARNING_RATE, **options)
        self.both: Any = torch.compile(self._loss_and_hits) if self.compiled else self._loss_and_hits

    def units(self, count: int) -> None:
        size, rows = self.task.batch_size, self.steps * self.task.batch_size
        for _ in range(count):
            loss_sum, hits = torch.zeros(()), torch.zeros(())
            for index in torch.randperm(len(self.x))[:rows].split(size):
                self.optimizer.zero_grad()
                loss, hit = self.both(self.x[index], self.y[index])
                loss.backward()
                self.optimizer.step()
                loss_sum += loss.detach()
                hits += hit
            self.logs = {"loss": loss_sum.item() / self.steps, "accuracy": hits.item() / rows}

    def _loss_and_hits(self, x: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.network(x)
        if self.task.loss == "binary":
            logits = logits[:, 0]
            loss = functional.binary_cross_entropy_with_logits(logits, labels)
            return loss, ((logits.detach() > 0) == (labels > 0.5)).sum()
        if self.task.loss == "values":
            return functional.mse_loss(logits, labels), torch.zeros(())
        hits = (logits.detach().argmax(-1) == labels).float().mean() * len(labels)
        return functional.cross_entropy(logits.flatten(0, -2), labels.flatten()), hits

    def facts(self) -> dict[str, Any]:
        return {"parameters": sum(p.numel() for p in self.network.parameters()), **self.logs}


class Predict(Repeated):
    """Calls of the network in inference mode, from a NumPy array to a NumPy array, in batches."""

    def __init__(self, task: Task, batch_size: int | None, rows: int, calls: int) -> None:
        self.task, self.steps = task, calls
        self.x = np.ascontiguousarray(task.torch_layout(task.data()[0][:rows]))
        self.batch_size = batch_size or rows

    def build(self) -> None:
        self.network = self.task.torch_network().eval()
        self.final = torch.sigmoid if self.task.loss == "binary" else lambda logits: functional.softmax(logits, dim=-1)

    def units(self, count: int) -> None:
        with torch.inference_mode():
            for _ in range(count * self.steps):
                batches = torch.from_numpy(self.x).split(self.batch_size)
                parts = [self.final(self.network(batch)) for batch in batches]
                self.output = (parts[0] if len(parts) == 1 else torch.cat(parts)).numpy()

    def facts(self) -> dict[str, Any]:
        # As `count_params` of Keras does: with the means and variances that batch normalization keeps.
        weights = [*self.network.parameters(), *(b for b in self.network.buffers() if b.is_floating_point())]
        return {"parameters": sum(w.numel() for w in weights), "shape": list(self.output.shape)}
