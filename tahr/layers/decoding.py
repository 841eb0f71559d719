"""Running a decoder on a few tokens at a time: attention layers keep the keys and values of those before."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tahr import ops

__all__ = ["Decoding", "current_decoding", "decoding", "first_place"]


class _Current(threading.local):
    scope: "Decoding | None" = None


_current = _Current()


class Decoding:
    """What attention layers that see only what came before keep from one call of a model to the next.

    Args:
        first: the place of the first token of this call in the whole text.
        length: the tokens that there is room for.
        caches: keys and values that the layers had after the call before, in the order in which they run; None for the
            first call.
    """

    def __init__(self, first: Any, length: int, caches: list[Any] | None = None):
        self.first, self.length = first, length
        self.before, self.after = caches, []

    def add(self, layer: Any, keys: Any, values: Any) -> list[Any]:
        """Return the keys and values of the layer that runs next, with these behind those of before.

        They are two arrays, not one as in a cache that users see, which compiled code would take apart at each token.
        """
        if self.before is None:
            cache = layer.new_cache(keys.shape[0], self.length)
            old = [cache[:, 0], cache[:, 1]]
        else:
            old = self.before[len(self.after) :][:2]
        new = zip(old, (keys, values), strict=True)
        found = [ops.slice_update(a, (0, self.first, 0, 0), ops.cast(b, ops.dtype(a))) for a, b in new]
        self.after += found
        return found


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
