"""What layers share whose weight an object from `adapt` can stand in for."""

from typing import Any, ClassVar

from tahr import backends, ops
from tahr.layers.layer import Layer
from tahr.ops.products import add_product
from tahr.variables import AutocastScope, Variable

__all__ = ["Adaptable", "einsum", "product", "product_back", "rows"]


class Adaptable(Layer):
    """A layer with one weight, named by `adapted`, that low-rank adaptation can freeze and add to."""

    adapted: ClassVar[str] = "kernel"
    lora_rank: int | None = None
    lora_alpha: float | None = None

    @property
    def lora_enabled(self) -> bool:
        """Whether a low-rank addition to a frozen weight is trained."""
        return self._adaptation() is not None

    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: Any = "he_uniform",
        b_initializer: Any = "zeros",
    ) -> None:
        """Freeze the weight and train a low-rank addition to it; a compiled model is to be compiled again.

        The addition is the product of a factor of shape `(..., rank)` and one of shape `(rank, outputs)`, times
        `lora_alpha / rank`. Files hold the sum in the place of the weight.

        Raises:
            ValueError: if the layer is not built, or adapted already, or `rank` is no positive whole number.
        """
        from tahr.adapt.lora import enable_lora

        enable_lora(self, self.adapted, rank, lora_alpha, a_initializer, b_initializer)

    def _adapt_as_told(self) -> None:
        """Enable what the constructor was told, once the weights exist."""
        if self.lora_rank is not None:
            self.enable_lora(self.lora_rank, self.lora_alpha)

    def _adaptation(self) -> Any:
        weight = getattr(self, self.adapted, None)
        return weight if hasattr(weight, "base") else None

    @property
    def trainable(self) -> bool:
        """Whether the layer's weights are trained; an adapted weight stays as it is."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        Layer.trainable.fset(self, value)  # pyright: ignore[reportOptionalCall]
        if (found := self._adaptation()) is not None:
            found.base.trainable = False

    def _stored_variables(self) -> list[Any]:
        found = self._adaptation()
        if found is None:
            return super()._stored_variables()
        return [found if v is found.base else v for v in self._own_variables() if v is not found.a and v is not found.b]


def product(x: Any, weight: Any, bias: Any = None) -> Any:
    """Return the matrix product with a weight, in the weight's own way if it has one, plus a bias."""
    own = getattr(weight, "product", None)
    if own is None and bias is not None:
        return add_product(x, weight, bias)
    found = ops.matmul(x, weight) if own is None else own(x)
    return found if bias is None else ops.add(found, bias)


def product_back(x: Any, weight: Any) -> Any:
    """Return the matrix product with a transposed weight, in the type of `x`."""
    own = getattr(weight, "product_back", None)
    return ops.matmul(x, ops.transpose(ops.cast(weight, x.dtype))) if own is None else own(x)


def einsum(equation: str, x: Any, weight: Any) -> Any:
    """Return the product with a weight that an equation says, in the weight's own way if it has one."""
    own = getattr(weight, "einsum", None)
    return ops.einsum(equation, x, weight) if own is None else own(equation, x)


def rows(table: Any, ids: Any) -> Any:
    """Return rows of a table, in the table's own way if it has one."""
    own = getattr(table, "rows", None)
    if own is not None:
        return own(ids)
    with AutocastScope(None):  # rows are cast after they have been taken, not the whole table
        found = backends.current().look_up(table.value, ids) if isinstance(table, Variable) else None
        return ops.take(table, ids, 0) if found is None else found
