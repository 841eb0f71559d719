"""`Embedding`: a row of a table for each id, and its way back."""

from typing import Any

import numpy as np

from tahr import dtypes, initializers, ops
from tahr.layers.adaptable import product, product_back, rows
from tahr.layers.arguments import keep, weight, who, whole
from tahr.layers.quantizable import Quantizable
from tahr.ops.core import as_type

__all__ = ["Embedding", "ReversibleEmbedding"]


class Embedding(Quantizable):
    """Return the row of a trained table for each id.

    Args:
        input_dim: number of rows; ids go from 0 to `input_dim - 1`.
        output_dim: size of a row.
        embeddings_initializer: start of the table, of shape `(input_dim, output_dim)`.
        embeddings_regularizer: function of the table that is added to the loss.
        embeddings_constraint: function applied to the table after every update.
        mask_zero: whether the id 0 means "nothing here", so that the outputs carry a mask.
        weights: a list with the table to start from, or None.
        lora_rank: rank of a trainable low-rank addition to a frozen table, or None.
        lora_alpha: scale of that addition, `lora_alpha / lora_rank`.
        quantization_config: how the table is quantized, or None.

    Input shape: any. Output shape: that of the inputs, then `output_dim`.

    Raises:
        ValueError: if an id in a NumPy array is outside the table.

    >>> table = keras.layers.Embedding(3, 2, embeddings_initializer="ones")
    >>> table(np.array([[0, 2]]))
    [[[1.0, 1.0], [1.0, 1.0]]]
    """

    unrecorded = frozenset({"weights", "autocast"})
    _always_written = frozenset({"activity_regularizer"})
    adapted = "embeddings"
    quantization_modes = ("int8", "int4")
    embeddings: Any = None
    embeddings_initializer: Any

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ):
        kwargs.pop("input_length", None)  # of Keras 2, where it fixed the length of sequences
        super().__init__(**kwargs)
        self.input_dim, self.output_dim = whole(input_dim, "input_dim", self), whole(output_dim, "output_dim", self)
        keep(
            self,
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
        )
        self.autocast = False  # ids that come as floats keep their digits
        self.mask_zero = self.supports_masking = mask_zero
        self.quantization_config = quantization_config
        self.lora_rank, self.lora_alpha = lora_rank, lora_alpha
        if weights is not None:
            self.build(None)
            self.set_weights(weights if isinstance(weights, list) else [weights])

    def build(self, input_shape: Any = None) -> None:
        """Make the tables."""
        self._make_tables()
        self._adapt_as_told()

    def _make_tables(self) -> None:
        self.embeddings = weight(self, "embeddings", (self.input_dim, self.output_dim))
        self.embeddings.is_table = True

    def quantized_build(self, embeddings_shape: Any, mode: str, config: Any = None) -> None:
        """Make the variables of a quantized table of a shape, all zero; files of quantized layers fill them.

        Raises:
            ValueError: if the table has another shape, or `mode` is unknown.
        """
        super().quantized_build(embeddings_shape, mode, config)

    def _quantized_layouts(self) -> dict[str, Any]:
        from tahr.adapt.quantized import Layout

        return {"embeddings": Layout(self.embeddings.shape, summed=(1,), scale_axes=(0,), across=True)}

    def call(self, inputs: Any) -> Any:
        """Return the rows."""
        if not dtypes.is_int(dtypes.of(inputs)):
            inputs = ops.cast(inputs, "int32")
        return as_type(rows(self.embeddings, inputs), self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return where the id is not 0, if `mask_zero`."""
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def check_inputs(self, ids: Any) -> None:
        """Check that all ids on the host are rows of the table.

        Raises:
            ValueError: if one is not.
        """
        ids = np.asarray(ids)
        if ids.size and ids.dtype.kind in "iufb" and not (ids.min() >= 0 and ids.max() < self.input_dim):
            wrong = ids[(ids < 0) | (ids >= self.input_dim)].flat[0]
            raise ValueError(
                f"{who(self)}: expected ids from 0 to {self.input_dim - 1}; received {wrong}. Give the layer "
                f"input_dim={max(int(ids.max()), 0) + 1} or more, or map rare ids to one in range."
            )

    def _convert(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args and isinstance(args[0], np.ndarray) and not kwargs.get("reverse", False):
            self.check_inputs(args[0])
        return super()._convert(args, kwargs)


class ReversibleEmbedding(Embedding):
    """An `Embedding` that also turns vectors back into a score for each id.

    Args:
        input_dim: number of rows.
        output_dim: size of a row.
        tie_weights: whether the way back uses the same table.
        embeddings_initializer: start of the tables.
        embeddings_regularizer: function of the table that is added to the loss.
        embeddings_constraint: function applied to the table after every update.
        mask_zero: whether the id 0 means "nothing here".
        reverse_dtype: data type of the way back; None is the compute type.
        logit_soft_cap: bound that scores are squeezed into by `cap * tanh(score / cap)`, or None.

    Call arguments:
        inputs: ids, or vectors of size `output_dim` if `reverse`.
        reverse: whether to go back from vectors to scores.

    >>> table = keras.layers.ReversibleEmbedding(3, 2, embeddings_initializer="ones")
    >>> table(table(np.array([0])), reverse=True)
    [[2.0, 2.0, 2.0]]
    """

    quantization_modes = ("int8", "int4")
    reverse_embeddings: Any = None

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        reverse_dtype: Any = None,
        logit_soft_cap: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer,
            embeddings_regularizer,
            embeddings_constraint,
            mask_zero,
            **kwargs,
        )
        self.tie_weights, self.reverse_dtype, self.logit_soft_cap = tie_weights, reverse_dtype, logit_soft_cap

    def _make_tables(self) -> None:
        super()._make_tables()
        if not self.tie_weights:
            self.reverse_embeddings = self.add_weight(
                (self.output_dim, self.input_dim),
                initializers.get(self.embeddings_initializer),
                name="reverse_embeddings",
            )

    def _quantized_layouts(self) -> dict[str, Any]:
        found = super()._quantized_layouts()
        if not self.tie_weights:
            from tahr.adapt.quantized import Layout

            shape = self.reverse_embeddings.shape
            found["reverse_embeddings"] = Layout(shape, (0,), (1,), pack_axis=0, zero_dtype="float32")
        return found

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        """Return rows for ids, or scores for vectors."""
        if not reverse:
            return super().call(inputs)
        x = ops.cast(inputs, self.reverse_dtype or self.compute_dtype)
        scores = product_back(x, self.embeddings) if self.tie_weights else product(x, self.reverse_embeddings)
        cap = self.logit_soft_cap
        return scores if cap is None else ops.tanh(scores / cap) * cap

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return where the id is not 0, if `mask_zero`; vectors carry no mask."""
        return None if dtypes.is_float(ops.dtype(inputs)) else super().compute_mask(inputs, mask)
