"""Attention of several heads, each with projections of its own.

Shape suffixes: B batch (and free axes), T queries, S keys, N query heads, G key heads, H size of a head.
"""

import math
from typing import Any

from tahr import config, ops
from tahr.layers.arguments import fraction, keep, who, whole
from tahr.layers.decoding import current_decoding
from tahr.layers.einsum_dense import EinsumDense
from tahr.layers.layer import Layer
from tahr.layers.regularization import Dropout
from tahr.ops.attention import causal_mask
from tahr.symbolic import KerasTensor

__all__ = ["GroupQueryAttention", "MultiHeadAttention"]


class _ProjectedAttention(Layer):
    """Project query, key and value to heads, attend, and project back."""

    supports_masking = True
    _always_written = frozenset({"activity_regularizer"})
    _query_dense: Any = None
    _key_dense: Any = None
    _gate_dense: Any = None
    _value_dense: Any = None
    _output_dense: Any = None
    _query_mask_counts = False  # whether the query's mask changes its own results, besides being passed on
    attention_axes: Any = (1,)
    output_shape: Any = None

    def _start(
        self,
        dropout: float,
        use_bias: bool,
        use_gate: bool,
        sliding_window: int | None,
        flash_attention: bool | None,
        seed: Any,
        **functions: Any,
    ) -> None:
        self.dropout, self.use_bias, self.use_gate = fraction(dropout, "dropout", self), use_bias, use_gate
        self.sliding_window = None if sliding_window is None else whole(sliding_window, "sliding_window", self)
        self.flash_attention = config.is_flash_attention_enabled() if flash_attention is None else flash_attention
        if flash_attention and dropout > 0:
            raise ValueError(f"{who(self)}: flash attention drops no weights; received dropout={dropout}.")
        self.seed = seed
        keep(self, **functions)

    def _head_sizes(self) -> tuple[int, int, int, int]:
        """Return the numbers of query and key heads, and the sizes of key and value heads."""
        raise NotImplementedError

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        """Make the projections."""
        if len(query_shape) < 3 or len(value_shape) != len(query_shape):
            raise ValueError(
                f"{who(self)}: expected query and value of one rank, at least 3; received shapes "
                f"{tuple(query_shape)} and {tuple(value_shape)}."
            )
        if query_shape[-1] is None or value_shape[-1] is None:
            raise ValueError(f"{who(self)}: the last axes of query and value must be known; received {query_shape}.")
        key_shape = key_shape or value_shape
        rank = len(query_shape)
        heads, key_heads, key_size, value_size = self._head_sizes()
        if self.attention_axes is None:
            self.attention_axes = tuple(range(1, rank - 1))
        self.attention_axes = tuple(a % rank for a in self.attention_axes)
        self._query_dense = self._projection("query", query_shape, heads, key_size)
        self._key_dense = self._projection("key", key_shape, key_heads, key_size)
        if self.use_gate:
            self._gate_dense = self._projection("gate", query_shape, heads, value_size)
        self._value_dense = self._projection("value", value_shape, key_heads, value_size)
        self._output_dense = self._way_back(query_shape, heads, value_size)
        self._dropout_layer = Dropout(self.dropout, seed=self.seed, dtype=self.dtype_policy)

    def _options(self, name: str) -> dict[str, Any]:
        names = [
            f"{part}_{kind}" for part in ("kernel", "bias") for kind in ("initializer", "regularizer", "constraint")
        ]
        return {n: _fresh(getattr(self, n)) for n in names} | {"dtype": self.dtype_policy, "name": name}

    def _projection(self, name: str, shape: Any, heads: int, size: int) -> EinsumDense:
        free = _LETTERS[: len(shape) - 1]
        equation = f"{free}x,xyz->{free}yz"
        made = EinsumDense(
            equation, (*shape[1:-1], heads, size), bias_axes="yz" if self.use_bias else None, **self._options(name)
        )
        made.build(shape)
        made.supports_masking = True  # masks are for the attention, so none gets lost here
        return made

    def _way_back(self, query_shape: Any, heads: int, size: int) -> EinsumDense:
        free = _LETTERS[: len(query_shape) - 1]
        sizes = self.output_shape or (query_shape[-1],)
        last = "pqrstuvw"[: len(sizes)]
        made = EinsumDense(
            f"{free}yz,yz{last}->{free}{last}",
            (*query_shape[1:-1], *sizes),
            bias_axes=last if self.use_bias else None,
            **self._options("attention_output"),
        )
        made.build((*query_shape[:-1], heads, size))
        return made

    def call(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
        cache: Any = None,
        cache_update_index: Any = None,
    ) -> Any:
        """Compute the outputs, and the weights and the cache if asked for."""
        key = value if key is None else key
        q = self._query_dense(query)
        first, reach = 0, None  # the place of the first query among the keys, and how many of these are there
        scope = current_decoding() if use_causal_mask and cache is None else None
        if scope is not None:
            k, v = scope.add(self, self._key_dense(key), self._value_dense(value))
            cache_update_index = scope.first
        elif cache is None:
            k, v, cache_update_index = self._key_dense(key), self._value_dense(value), None
        else:
            k, v, cache = self._with_cache(key, value, cache, cache_update_index)
        if cache_update_index is not None:
            first, reach = cache_update_index, cache_update_index + value.shape[1]
        masks = query_mask, value_mask, key_mask, attention_mask
        alone = (
            use_causal_mask
            and len(self.attention_axes) == 1
            and cache is None
            and scope is None
            and all(m is None for m in masks[1:])
            and not self._asks_more(query_mask)
        )
        lengths = ops.shape(q)[1], ops.shape(k)[1]
        mask = None if alone else self._joined_mask(lengths, *masks, use_causal_mask, first, reach)
        result, weights = self._attend(q, k, v, mask, alone, bool(training), return_attention_scores)
        if self.use_gate:
            result = result * ops.sigmoid(self._gate_dense(query))
        found = [self._output_dense(result)]
        found += [weights] if return_attention_scores else []
        found += [] if cache is None else [cache]
        return tuple(found) if len(found) > 1 else found[0]

    def _asks_more(self, query_mask: Any) -> bool:
        """Return whether more than a causal mask decides what is seen."""
        return self.sliding_window is not None or (query_mask is not None and self._query_mask_counts)

    def new_cache(self, batch_size: int, length: int) -> Any:
        """Return an empty cache: zeros of shape (batch, 2 for keys and values, length, heads, size).

        Args:
            batch_size: number of sequences.
            length: number of keys that there is room for.

        Raises:
            ValueError: if keys and values differ in size.
        """
        _, heads, key_size, value_size = self._head_sizes()
        if key_size != value_size:
            raise ValueError(
                f"{who(self)}: a cache needs value_dim equal to key_dim; received {value_size}, {key_size}."
            )
        return ops.zeros((batch_size, 2, length, heads, key_size), self.compute_dtype)

    def _with_cache(self, key: Any, value: Any, cache: Any, index: Any) -> tuple[Any, Any, Any]:
        """Return keys and values, those of before among them, and the cache with the new ones at `index`."""
        _, heads, size, value_size = self._head_sizes()
        if len(cache.shape) != 5 or tuple(cache.shape[1:2]) != (2,) or tuple(cache.shape[3:]) != (heads, value_size):
            raise ValueError(
                f"{who(self)}: expected a cache of shape (batch, 2, length, {heads}, {size}), as new_cache makes it; "
                f"received {tuple(cache.shape)}."
            )
        if index is None:
            return cache[:, 0], cache[:, 1], cache
        new = ops.stack([self._key_dense(key), self._value_dense(value)], axis=1)
        cache = ops.slice_update(cache, (0, 0, index, 0, 0), ops.cast(new, ops.dtype(cache)))
        return cache[:, 0], cache[:, 1], cache

    def _joined_mask(
        self,
        lengths: tuple[int, int],
        query_mask: Any,
        value_mask: Any,
        key_mask: Any,
        given: Any,
        causal: bool,
        first: Any,
        reach: Any,
    ) -> Any:
        """Return booleans of shape (batch, ..., queries, keys), or None where everything is seen.

        `first` is the place of the first query among the keys; keys from `reach` on are not there yet.
        """
        queries, keys = lengths
        for name, m in (("value_mask", value_mask), ("key_mask", key_mask)):
            if m is not None and isinstance(keys, int) and m.shape[-1] not in (keys, None):
                raise ValueError(f"{who(self)}: expected {name} to cover {keys} keys; received shape {tuple(m.shape)}.")
        parts = [] if given is None else [ops.cast(given, "bool")]
        if query_mask is not None and self._query_mask_counts:
            parts.append(ops.expand_dims(ops.cast(query_mask, "bool"), -1))
        parts += [ops.expand_dims(ops.cast(m, "bool"), -2) for m in (value_mask, key_mask) if m is not None]
        if causal or self.sliding_window is not None or reach is not None:
            place = ops.expand_dims(ops.arange(keys), 0)
            distance = ops.expand_dims(ops.arange(queries) + first, 1) - place
            if causal:
                parts.append(ops.expand_dims(distance >= 0, 0))
            elif reach is not None:
                parts.append(ops.expand_dims(ops.broadcast_to(place < reach, (queries, keys)), 0))
            if self.sliding_window is not None:
                parts.append(ops.expand_dims(ops.absolute(distance) < self.sliding_window, 0))
        joined = None
        for part in parts:
            joined = part if joined is None else ops.logical_and(joined, part)
        return joined

    def _attend(
        self, q: Any, k: Any, v: Any, mask: Any, causal: bool, training: bool, return_scores: bool
    ) -> tuple[Any, Any]:
        """Return the heads' results, shaped like the projected query, and the weights (None unless asked for)."""
        shape = ops.shape(q)
        axes, free = self.attention_axes, [a for a in range(1, len(shape) - 2) if a not in self.attention_axes]
        order = (0, *free, *axes, len(shape) - 2, len(shape) - 1)
        q_BTNH, k_BSGH, v_BSGH = (_together(x, order, len(free)) for x in (q, k, v))
        mask_BNTS = None
        if mask is not None:
            mask_BNTS = _mask_of_heads(mask, len(axes), q_BTNH, k_BSGH)
        plain = not return_scores and not (training and self.dropout > 0)
        if plain:
            flash = self.flash_attention
            result = ops.dot_product_attention(
                q_BTNH, k_BSGH, v_BSGH, mask=mask_BNTS, is_causal=causal, flash_attention=flash
            )
            weights = None
        else:
            if causal:
                earlier = causal_mask(ops.shape(q_BTNH)[1], ops.shape(k_BSGH)[1])
                mask_BNTS = _mask_of_heads(ops.expand_dims(earlier, 0), 1, q_BTNH, k_BSGH)
            result, weights = self._weigh(q_BTNH, k_BSGH, v_BSGH, mask_BNTS, training)
            q_sizes, k_sizes = [shape[a] for a in axes], [ops.shape(k)[a] for a in axes]
            weights = ops.reshape(weights, (shape[0], *(shape[a] for a in free), shape[-2], *q_sizes, *k_sizes))
        if order == tuple(range(len(shape))):
            return ops.reshape(result, (*shape[:-1], v.shape[-1])), weights
        result = ops.reshape(result, (*(shape[i] for i in order[:-1]), v.shape[-1]))
        return ops.transpose(result, sorted(range(len(order)), key=lambda i: order[i])), weights

    def _weigh(self, q_BTNH: Any, k_BSGH: Any, v_BSGH: Any, mask_BNTS: Any, training: bool) -> tuple[Any, Any]:
        """Return the results and the weights, some of them dropped in training."""
        repeats = q_BTNH.shape[2] // k_BSGH.shape[2]
        if repeats > 1:
            k_BSGH, v_BSGH = ops.repeat(k_BSGH, repeats, axis=2), ops.repeat(v_BSGH, repeats, axis=2)
        scores_BNTS = ops.einsum("btnh,bsnh->bnts", q_BTNH * (1 / math.sqrt(q_BTNH.shape[-1])), k_BSGH)
        if mask_BNTS is not None:
            lowest = -3e4 if ops.dtype(scores_BNTS) == "float16" else -1e9
            scores_BNTS = scores_BNTS + lowest * (1.0 - ops.cast(mask_BNTS, ops.dtype(scores_BNTS)))
        weights_BNTS = ops.softmax(scores_BNTS, -1)
        dropped_BNTS = self._dropout_layer(weights_BNTS, training=training)
        return ops.einsum("bnts,bsnh->btnh", dropped_BNTS, v_BSGH), weights_BNTS


_LETTERS = "abcdefghijklmno"


def _fresh(function: Any) -> Any:
    """Return a copy of an initializer, so that weights of one shape do not start equal; other functions as they are."""
    clone = getattr(function, "clone", None)
    return clone() if clone is not None else function


def _together(x: Any, order: tuple[int, ...], free: int) -> Any:
    """Return an array of axes (batch and free, attended, heads, size)."""
    if order == tuple(range(4)) and len(x.shape) == 4:
        return x
    x = ops.transpose(x, order)
    sizes = ops.shape(x)
    groups = sizes[: 1 + free], sizes[1 + free : -2]
    return ops.reshape(x, (*(None if any(n is None for n in g) else math.prod(g) for g in groups), *sizes[-2:]))


def _mask_of_heads(mask: Any, axes: int, q_BTNH: Any, k_BSGH: Any) -> Any:
    """Return a mask of shape (batch, [free], queries, keys), or with heads, so that it broadcasts to (B, N, T, S)."""
    has_heads = len(mask.shape) == 2 * axes + 2 and axes == 1
    if not has_heads and len(mask.shape) <= 2 * axes + 1:
        sizes = ops.shape(mask)
        lead = sizes[:1] if len(sizes) == 2 * axes + 1 else (1,)
        mask = ops.reshape(mask, (*lead, 1, *sizes[len(sizes) - 2 * axes :]))
    if axes > 1:
        mask = ops.reshape(mask, (ops.shape(mask)[0], 1, ops.shape(q_BTNH)[1], ops.shape(k_BSGH)[1]))
    return mask


class MultiHeadAttention(_ProjectedAttention):
    """Attend with several heads: each projects query, key and value, and the joined results are projected back.

    Args:
        num_heads: number of heads.
        key_dim: size of query and key in each head.
        value_dim: size of the value in each head; None is `key_dim`.
        dropout: fraction of the weights to drop while training.
        use_bias: whether the projections have biases.
        output_shape: sizes of the output's last axes; None is that of the query.
        attention_axes: axes to attend over; None is all but the batch and the last.
        sliding_window: how far from a query a key may be, that position included; None is any distance.
        flash_attention: whether to use a fused kernel; None lets the backend choose.
        kernel_initializer: start of the kernels.
        bias_initializer: start of the biases.
        kernel_regularizer: function of each kernel that is added to the loss.
        bias_regularizer: function of each bias that is added to the loss.
        activity_regularizer: function of the outputs that is added to the loss.
        kernel_constraint: function applied to each kernel after every update.
        bias_constraint: function applied to each bias after every update.
        use_gate: whether the heads' results are multiplied by the sigmoid of a projection of the query.
        seed: whole number that makes the dropout repeatable.

    Call arguments:
        query: array of shape `(batch, queries, features)`.
        value: array of shape `(batch, keys, features)`.
        key: array of shape `(batch, keys, features)`; None is `value`.
        query_mask, value_mask, key_mask: booleans of shape `(batch, queries)` or `(batch, keys)`.
        attention_mask: booleans of shape `(batch, queries, keys)`.
        return_attention_scores: whether the weights, of shape `(batch, heads, queries, keys)`, are returned as well.
        training: whether weights are dropped.
        use_causal_mask: whether a query sees only keys up to its own position.
        cache: keys and values of earlier calls, of shape `(batch, 2, length, heads, size)`; `new_cache` makes an empty
            one. The outputs are then followed by the new cache.
        cache_update_index: where the keys and values of this call go in the cache: the place of its first token. None
            attends to the cache as it is.

    Source: Vaswani et al., Attention Is All You Need, 2017.

    >>> x = ops.zeros((2, 5, 8))
    >>> keras.layers.MultiHeadAttention(num_heads=2, key_dim=4)(x, x).shape
    (2, 5, 8)
    """

    num_heads: Any = None
    key_dim: Any = None
    value_dim: Any = None
    dropout: Any = 0.0
    use_bias: Any = True

    query_dense = property(lambda self: self._query_dense, doc="The projection of the query.")
    key_dense = property(lambda self: self._key_dense, doc="The projection of the key.")
    value_dense = property(lambda self: self._value_dense, doc="The projection of the value.")
    output_dense = property(lambda self: self._output_dense, doc="The projection of the heads' results.")

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: Any = None,
        **kwargs: Any,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.num_heads, self.key_dim = whole(num_heads, "num_heads", self), whole(key_dim, "key_dim", self)
        self.value_dim = whole(value_dim or key_dim, "value_dim", self)
        self.output_shape = (output_shape,) if isinstance(output_shape, int) else output_shape and tuple(output_shape)
        self.attention_axes = (attention_axes,) if isinstance(attention_axes, int) else attention_axes
        self._start(
            dropout,
            use_bias,
            use_gate,
            sliding_window,
            flash_attention,
            seed,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )

    def _head_sizes(self) -> tuple[int, int, int, int]:
        return self.num_heads, self.num_heads, self.key_dim, self.value_dim

    def compute_output_spec(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        """Return symbols for the outputs; the scores are described as Keras does, with as many keys as queries."""
        found = super().compute_output_spec(query, *args, **kwargs)
        if not kwargs.get("return_attention_scores"):
            return found
        result, scores, *cache = found
        queries = query.shape[1]
        shape = (scores.shape[0], self.num_heads, queries, queries)
        return result, KerasTensor(shape, scores.dtype, record_history=False), *cache


class GroupedQueryAttention(_ProjectedAttention):
    """Attend with several query heads that share fewer key and value heads.

    Args:
        head_dim: size of query, key and value in each head.
        num_query_heads: number of query heads.
        num_key_value_heads: number of key and value heads, which divides that of query heads.
        dropout: fraction of the weights to drop while training.
        use_bias: whether the projections have biases.
        sliding_window: how far from a query a key may be, that position included; None is any distance.
        flash_attention: whether to use a fused kernel; None lets the backend choose.
        kernel_initializer: start of the kernels.
        bias_initializer: start of the biases.
        kernel_regularizer: function of each kernel that is added to the loss.
        bias_regularizer: function of each bias that is added to the loss.
        activity_regularizer: function of the outputs that is added to the loss.
        kernel_constraint: function applied to each kernel after every update.
        bias_constraint: function applied to each bias after every update.
        use_gate: whether the heads' results are multiplied by the sigmoid of a projection of the query.
        seed: whole number that makes the dropout repeatable.

    Call arguments: those of `MultiHeadAttention`.

    Source: Ainslie et al., GQA: Training Generalized Multi-Query Transformer Models, 2023.

    >>> x = ops.zeros((2, 5, 8))
    >>> keras.layers.GroupQueryAttention(head_dim=4, num_query_heads=4, num_key_value_heads=2)(x, x).shape
    (2, 5, 8)
    """

    _query_mask_counts = True

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: Any = None,
        **kwargs: Any,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.head_dim = whole(head_dim, "head_dim", self)
        self.num_query_heads = whole(num_query_heads, "num_query_heads", self)
        self.num_key_value_heads = whole(num_key_value_heads, "num_key_value_heads", self)
        if num_query_heads % num_key_value_heads:
            raise ValueError(
                f"{who(self)}: expected `num_query_heads` to be a multiple of "
                f"num_key_value_heads={num_key_value_heads}; received {num_query_heads}."
            )
        self._start(
            dropout,
            use_bias,
            use_gate,
            sliding_window,
            flash_attention,
            seed,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )

    def _head_sizes(self) -> tuple[int, int, int, int]:
        return self.num_query_heads, self.num_key_value_heads, self.head_dim, self.head_dim


GroupQueryAttention = GroupedQueryAttention  # the public name; Keras names layers and files by the other
