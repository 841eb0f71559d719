"""Low-rank adaptation: a frozen weight, plus the product of two small trained ones.

Formula: W + (alpha / rank) A B (Hu et al., 2021, "LoRA: Low-Rank Adaptation of Large Language Models").
"""

from typing import Any

from tahr import initializers, ops
from tahr.adapt.stand_in import StandIn
from tahr.layers.adaptable import einsum, product, rows
from tahr.layers.arguments import who, whole
from tahr.layers.structure import note_swap
from tahr.variables import Variable

__all__ = ["LowRank", "enable_lora"]


class LowRank(StandIn):
    """What stands in the place of an adapted weight: it reads as the sum and knows cheaper ways to use it.

    Args:
        base: the frozen weight, of shape `(..., outputs)`: a variable, or a quantized weight.
        a: the first factor, of shape `(..., rank)`.
        b: the second factor, of shape `(rank, outputs)`.
        scale: factor of the addition.

    >>> layer = layers.Dense(2, kernel_initializer="ones")
    >>> layer.build((None, 3))
    >>> layer.enable_lora(1, b_initializer="ones", a_initializer="ones")
    >>> layer.kernel.shape, layer.kernel.numpy()[0]
    ((3, 2), [2.0, 2.0])
    """

    def __init__(self, base: Any, a: Variable, b: Variable, scale: float):
        super().__init__(base)
        self.base, self.a, self.b, self.scale = base, a, b, scale

    @property
    def value(self) -> Any:
        """The sum, as the backend's array in the compute type of the layer."""
        return ops.convert_to_tensor(self.base) + ops.matmul(self.a, self.b) * self.scale

    def product(self, x: Any) -> Any:
        """Return the matrix product of `x` and the sum, without making the sum."""
        return product(x, self.base) + ops.matmul(ops.matmul(x, self.a), self.b) * self.scale

    def einsum(self, equation: str, x: Any) -> Any:
        """Return the product of `x` and the sum that an equation says."""
        if not hasattr(self.base, "einsum"):
            return ops.einsum(equation, x, self.value)
        return einsum(equation, x, self.base) + ops.einsum(equation, x, ops.matmul(self.a, self.b) * self.scale)

    def rows(self, ids: Any) -> Any:
        """Return rows of the sum, without making the other ones."""
        return rows(self.base, ids) + ops.matmul(ops.take(self.a, ids, axis=0), self.b) * self.scale

    def assign(self, value: Any) -> None:
        """Take `value` as the frozen weight, with an addition of zero."""
        self.base.assign(value)
        self.b.assign(ops.zeros_like(self.b))

    def __repr__(self) -> str:
        return f"<LowRank of rank {self.a.shape[-1]} on {self.base.path}, shape={self.shape}, dtype={self.dtype}>"


def enable_lora(
    layer: Any,
    name: str,
    rank: int,
    lora_alpha: float | None = None,
    a_initializer: Any = "he_uniform",
    b_initializer: Any = "zeros",
) -> None:
    """Freeze the weight `name` of a layer and train a low-rank addition to it from now on.

    Args:
        layer: a built layer that can be adapted.
        name: the attribute that holds the weight, of shape `(..., outputs)`.
        rank: inner size of the two factors.
        lora_alpha: the addition is scaled by `lora_alpha / rank`; None takes `rank`.
        a_initializer: start of the factor of shape `(..., rank)`.
        b_initializer: start of the factor of shape `(rank, outputs)`; zeros leave the outputs as they were.

    Raises:
        ValueError: if the layer is not built, or adapted already, or `rank` is no positive whole number.

    >>> layer = layers.Dense(3)
    >>> layer.build((None, 8))
    >>> layer.enable_lora(2)
    >>> [(w.name, w.trainable) for w in layer.weights]
    [('kernel', False), ('bias', True), ('lora_kernel_a', True), ('lora_kernel_b', True)]
    """
    base = getattr(layer, name)
    if isinstance(base, LowRank):
        raise ValueError(f"{who(layer)}: low-rank adaptation is enabled already; it can be done once.")
    if base is None:
        raise ValueError(
            f"{who(layer)}: there is no {name} to adapt: the layer is not built. Call it on data, or "
            "`layer.build(input_shape)`, then enable_lora."
        )
    rank = whole(rank, "rank", layer)
    a, b = (
        layer.add_weight(shape, initializers.get(start), name=f"lora_{name}_{which}")
        for shape, start, which in (
            ((*base.shape[:-1], rank), a_initializer, "a"),
            ((rank, base.shape[-1]), b_initializer, "b"),
        )
    )
    base.trainable = False
    layer.lora_rank, layer.lora_alpha = rank, rank if lora_alpha is None else lora_alpha
    setattr(layer, name, LowRank(base, a, b, layer.lora_alpha / rank))
    note_swap()
