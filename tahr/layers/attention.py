"""Attention of queries to values with scores without projections: Luong's and Bahdanau's."""

from typing import Any

from tahr import ops, random
from tahr.layers.arguments import check_mask, choice, fraction, who
from tahr.layers.layer import Layer
from tahr.ops.attention import causal_mask

__all__ = ["AdditiveAttention", "Attention"]


class Attention(Layer):
    """Return means of the values, weighted by how well each key fits the query.

    Scores are the products of query and key (`"dot"`), or `weight * sum(tanh(scale * (query + key)))` (`"concat"`);
    their softmax weights the values.

    Args:
        use_scale: whether the scores have a trained factor.
        score_mode: `"dot"` or `"concat"`.
        dropout: fraction of the weights to drop while training.
        seed: whole number that makes the dropout repeatable.

    Call arguments:
        inputs: list of query `(batch, queries, size)`, value `(batch, keys, size)` and perhaps key.
        mask: list of a mask for queries and one for values, either may be None.
        training: whether weights are dropped.
        return_attention_scores: whether the weights are returned as well.
        use_causal_mask: whether a query sees only keys up to its own position.

    Source: Luong et al., Effective Approaches to Attention-based Neural Machine Translation, 2015.

    >>> keras.layers.Attention()([ops.zeros((2, 3, 4)), ops.zeros((2, 5, 4))]).shape
    (2, 3, 4)
    """

    supports_masking = True
    scale: Any = None
    concat_score_weight: Any = None

    def __init__(
        self, use_scale: bool = False, score_mode: str = "dot", dropout: float = 0.0, seed: Any = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.use_scale, self.seed = use_scale, seed
        self.score_mode = choice(score_mode, ("dot", "concat"), "score_mode", self)
        self.dropout = fraction(dropout, "dropout", self)
        self.seed_generator = random.SeedGenerator(seed) if dropout > 0 else None

    def build(self, input_shape: Any) -> None:
        """Make the factors of the scores."""
        if not isinstance(input_shape, list) or len(input_shape) not in (2, 3):
            raise ValueError(
                f"{who(self)}: expected a list [query, value] or [query, value, key]; received {input_shape}."
            )
        self.make_scale(input_shape)
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight((), "ones", name="concat_score_weight")

    def make_scale(self, input_shape: Any) -> None:
        """Make the factor of the scores."""
        if self.use_scale:
            self.scale = self.add_weight((), "ones", name="scale")

    def scores(self, query: Any, key: Any) -> Any:
        """Return how well each key fits each query, of shape (batch, queries, keys)."""
        if self.score_mode == "dot":
            products = ops.matmul(query, ops.transpose(key, (0, 2, 1)))
            return products if self.scale is None else products * self.scale
        both = ops.expand_dims(query, 2) + ops.expand_dims(key, 1)
        both = both if self.scale is None else both * self.scale
        return self.concat_score_weight * ops.sum(ops.tanh(both), -1)

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """Compute the outputs, and the weights if asked for."""
        query, value = inputs[:2]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask, value_mask = (*mask, None, None)[:2] if isinstance(mask, (list, tuple)) else (mask, None)
        check_mask(query_mask, query.shape[:2], self, "mask of the query")
        check_mask(value_mask, value.shape[:2], self, "mask of the value")
        scores = self.scores(query, key)
        seen = None if value_mask is None else ops.expand_dims(ops.cast(value_mask, "bool"), 1)
        if use_causal_mask:
            earlier = ops.expand_dims(causal_mask(ops.shape(query)[1], ops.shape(key)[1]), 0)
            seen = earlier if seen is None else ops.logical_and(seen, earlier)
        if seen is not None:
            lowest = 65504.0 if ops.dtype(scores) == "float16" else 1e9
            scores = scores - lowest * (1.0 - ops.cast(seen, ops.dtype(scores)))
        weights = ops.softmax(scores, -1)
        if training and self.dropout > 0:
            weights = random.dropout(weights, self.dropout, seed=self.seed_generator)
        result = ops.matmul(weights, value)
        if query_mask is not None:
            result = result * ops.expand_dims(ops.cast(query_mask, ops.dtype(result)), -1)
        return (result, weights) if return_attention_scores else result

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return the mask of the query."""
        return mask[0] if isinstance(mask, (list, tuple)) else mask


class AdditiveAttention(Attention):
    """Return means of the values, weighted by the softmax of `sum(scale * tanh(query + key))`.

    Args:
        use_scale: whether each feature has a trained factor.
        dropout: fraction of the weights to drop while training.

    Call arguments: those of `Attention`.

    Source: Bahdanau et al., Neural Machine Translation by Jointly Learning to Align and Translate, 2014.

    >>> keras.layers.AdditiveAttention()([ops.zeros((2, 3, 4)), ops.zeros((2, 5, 4))]).shape
    (2, 3, 4)
    """

    unrecorded = frozenset({"score_mode"})

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **kwargs: Any):
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def make_scale(self, input_shape: Any) -> None:
        """Make a factor for each feature."""
        if self.use_scale:
            self.scale = self.add_weight((input_shape[0][-1],), "glorot_uniform", name="scale")

    def scores(self, query: Any, key: Any) -> Any:
        """Return how well each key fits each query, of shape (batch, queries, keys)."""
        both = ops.tanh(ops.expand_dims(query, 2) + ops.expand_dims(key, 1))
        return ops.sum(both if self.scale is None else both * self.scale, -1)
