"""What one eager op and one call of a layer cost beyond the framework's own functions."""

from collections.abc import Callable
from typing import Any

from workloads.base import Bar, Repeated, Workload


class Additions(Repeated):
    """Bundles of `add(a, b)` on two float32 tensors of eight elements."""

    steps = 2000

    def __init__(self, peer: Any) -> None:
        self.peer = peer

    def build(self) -> None:
        import torch

        self.a, self.b = torch.ones(8), torch.ones(8)
        if self.peer.module == "keras":
            import keras

            self.add = keras.ops.add
        elif self.peer.module == "tahr":
            import tahr

            self.add = tahr.ops.add
        else:
            self.add = torch.add

    def units(self, count: int) -> None:
        add, a, b = self.add, self.a, self.b
        for _ in range(count * self.steps):
            add(a, b)

    def facts(self) -> dict[str, Any]:
        return {"sum": float(self.add(self.a, self.b).sum())}


class LayerCalls(Repeated):
    """Bundles of calls of a dense layer with ReLU on one row, without gradients; raw torch calls its two functions."""

    steps = 1000

    def __init__(self, peer: Any) -> None:
        self.peer = peer

    def build(self) -> None:
        import torch

        self.x = torch.ones(1, 20)
        if self.peer.module:
            import importlib

            keras: Any = importlib.import_module(self.peer.module)
            self.call: Callable[[Any], Any] = keras.layers.Dense(32, activation="relu", kernel_initializer="ones")
        else:
            weight, bias = torch.ones(20, 32), torch.zeros(32)
            functional = torch.nn.functional
            self.call = lambda x: functional.relu(functional.linear(x, weight.mT, bias))
        self.call(self.x)

    def units(self, count: int) -> None:
        import torch

        call, x = self.call, self.x
        with torch.no_grad():
            for _ in range(count * self.steps):
                call(x)

    def facts(self) -> dict[str, Any]:
        return {"sum": float(self.call(self.x).sum())}


WORKLOADS = (
    Workload(
        name="eager_add",
        title="one eager ops.add on torch tensors of 8 elements",
        unit="us a call",
        scale=1e6,
        peers=("tahr_torch", "keras_torch", "torch"),
        runner=Additions,
        bars=(Bar("at most 2 us over raw torch", "tahr_torch", 1.0, "torch", offset=2.0),),
    ),
    Workload(
        name="eager_layer",
        title="one eager call of Dense(32, relu) on a torch tensor of one row of 20",
        unit="us a call",
        scale=1e6,
        peers=("tahr_torch", "keras_torch", "torch"),
        runner=LayerCalls,
        bars=(Bar("at most 10 us over the functional calls", "tahr_torch", 1.0, "torch", offset=10.0),),
    ),
)
