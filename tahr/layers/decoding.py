"""Running a decoder on a few tokens at a time: attention layers keep the keys and values of those before."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Decoding", "current_decoding", "decoding", "first_place"]


class _Current(threading.local):
    scope: "Decoding | None" = None


_current = _Current()


class Decoding:
    """What attention layers that see only what came before keep from one call of a model to the next.

    Args:
        first: the place of the first token of this call in the whole text.
        length: the tokens that there is room for.
        caches: those of the call before, in the order in which the layers run; None for the first call.
    """

    def __init__(self, first: Any, length: int, caches: list[Any] | None = None):
        self.first, self.length = first, length
        self.before, self.after = caches, []

    def take(self, layer: Any, batch_size: int) -> Any:
        """Return the cache for the next call of a layer."""
        if self.before is None:
            return layer.new_cache(batch_size, self.length)
        return self.before[len(self.after)]


@contextmanager
def decoding(scope: Decoding) -> Iterator[Decoding]:
    """Inside this scope, causal attention of this thread looks into the caches and adds to them."""
    outer, _current.scope = _current.scope, scope
    try:
        yield scope
    finally:
        _current.scope = outer


def current_decoding() -> Decoding | None:
    """Return the scope that this thread is in, or None."""
    return _current.scope


def first_place() -> Any:
    """Return the place in the text of the first token that a layer is called with: 0 but inside of `Model.generate`.

    A layer that adds places to tokens has to ask for it, since `generate` calls it with one token at a time.

    >>> class Places(keras.layers.Layer):
    ...     def __init__(self, length, width, **kwargs):
    ...         super().__init__(**kwargs)
    ...         self.table = layers.Embedding(length, width)
    ...
    ...     def call(self, x):
    ...         return x + self.table(ops.arange(x.shape[1]) + keras.utils.first_place())
    >>> Places(16, 4)(ops.zeros((1, 3, 4))).shape
    (1, 3, 4)
    """
    return 0 if _current.scope is None else _current.scope.first
