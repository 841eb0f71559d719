"""Muon: steps along orthogonalised momentum for matrices, Adam for everything else."""

import re
from collections.abc import Sequence
from typing import Any, Unpack

from tahr import ops, shapes
from tahr.optimizers.optimizer import CommonArguments
from tahr.optimizers.slots import SlotOptimizer, Slots

__all__ = ["Muon"]


class Muon(SlotOptimizer):
    """Steps along the momentum with its singular values set to about 1, for matrices; `AdamW` for other variables.

    Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; the scale of steps:
    J. Liu et al., "Muon is Scalable for LLM Training", 2025.

    Args:
        learning_rate: a number, a schedule, or a function of no arguments.
        adam_beta_1, adam_beta_2, epsilon: see `Adam`.
        adam_weight_decay: weight decay of the variables that Adam moves.
        weight_decay: weight decay of the matrices.
        exclude_layers: regular expressions of the paths of further variables for Adam.
        exclude_embeddings: whether Adam moves variables with "embedding" in their path.
        muon_a, muon_b, muon_c: coefficients of the Newton-Schulz polynomial.
        adam_lr_ratio: learning rate of Adam over that of the matrices.
        momentum: share of the old momentum in the new one.
        ns_steps: number of Newton-Schulz steps.
        nesterov: whether the gradient counts as if taken after the movement.
        rms_rate: steps of an n x m matrix are scaled by this times the root of max(n, m); None scales nothing.
        kwargs: further arguments of `Optimizer`.

    >>> v = keras.Variable([[1.0, 0.0], [0.0, 1.0]])
    >>> optimizer = optimizers.Muon(0.1, ns_steps=0, rms_rate=None, weight_decay=None)
    >>> optimizer.apply([ops.array([[3.0, 0.0], [0.0, 4.0]])], [v])
    >>> v.numpy()
    [[0.94, 0.0], [0.0, 0.92]]
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        *,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.775,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **kwargs: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.adam_beta_1, self.adam_beta_2, self.epsilon = adam_beta_1, adam_beta_2, epsilon
        self.adam_weight_decay, self.adam_lr_ratio = adam_weight_decay, adam_lr_ratio
        self.exclude_layers, self.exclude_embeddings = list(exclude_layers or ()), exclude_embeddings
        self.muon_a, self.muon_b, self.muon_c = muon_a, muon_b, muon_c
        self.momentum, self.ns_steps, self.nesterov, self.rms_rate = momentum, ns_steps, nesterov, rms_rate

    def slots_of(self, variable: Any) -> tuple[tuple[str, ...], ...]:
        return (("momentum", "velocity"),) if self._is_for_adam(variable) else (("momentum",),)

    def _is_for_adam(self, variable: Any) -> bool:
        if len(variable.shape) != 2 or (self.exclude_embeddings and "embedding" in variable.path.lower()):
            return True
        return any(re.search(pattern, variable.path) for pattern in self.exclude_layers)

    def decay_of(self, variable: Any) -> float | None:
        return self.adam_weight_decay if self._is_for_adam(variable) else self.weight_decay

    def step(self, gradient: Any, value: Any, slots: Slots, rate: Any, t: Any) -> tuple[Any, Slots]:
        if len(slots) == 2:
            return self._adam_step(gradient, value, slots, rate * self.adam_lr_ratio, t)
        momentum = self.momentum * slots[0] + gradient
        direction = gradient + self.momentum * momentum if self.nesterov else momentum
        move = self.lr_adjust(self.zeropower_via_newtonschulz5(direction, self.ns_steps))
        return value - rate * move, (momentum,)

    def _adam_step(self, gradient: Any, value: Any, slots: Slots, rate: Any, t: Any) -> tuple[Any, Slots]:
        momentum, velocity = slots
        alpha = rate * ops.sqrt(1 - self.adam_beta_2**t) / (1 - self.adam_beta_1**t)
        momentum = momentum + (gradient - momentum) * (1 - self.adam_beta_1)
        velocity = velocity + (ops.square(gradient) - velocity) * (1 - self.adam_beta_2)
        return value - alpha * momentum / (ops.sqrt(velocity) + self.epsilon), (momentum, velocity)

    def lr_adjust(self, x: Any) -> Any:
        """Return a step scaled so that the root mean square of its elements does not depend on the matrix's shape."""
        if self.rms_rate is None:
            return x
        return x * (self.rms_rate * float(max(size or 1 for size in shapes.of(x)[:2])) ** 0.5)

    def transpose_last_axis(self, X: Any) -> Any:
        """Return an array with its last two axes swapped."""
        return ops.swapaxes(X, -1, -2)

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Any:
        """Return a matrix with the singular vectors of `x` and singular values near 1, by a quintic iteration."""
        rows, columns = shapes.of(x)[-2:]
        tall = (rows or 0) > (columns or 0)
        x = self.transpose_last_axis(x) if tall else x
        x = x / (ops.sqrt(ops.sum(ops.square(x), axis=(-2, -1), keepdims=True)) + 1e-7)
        for _ in range(steps):
            square = ops.matmul(x, self.transpose_last_axis(x))
            x = self.muon_a * x + ops.matmul(self.muon_b * square + self.muon_c * ops.matmul(square, square), x)
        return self.transpose_last_axis(x) if tall else x
