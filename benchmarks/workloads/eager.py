"""What one eager op costs beyond the framework's own function."""

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
)
