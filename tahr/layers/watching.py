"""Looking at what layers give while a model runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tahr.layers.layer import Layer, _context

__all__ = ["watching"]


@contextmanager
def watching(look: Callable[[Layer, tuple[Any, ...], dict[str, Any], Any], None]) -> Iterator[None]:
    """Inside this scope, `look(layer, args, kwargs, outputs)` is called after every call of a layer in this thread.

    >>> from tahr.layers.watching import watching
    >>> layer = layers.Dense(2)
    >>> with watching(lambda layer, args, kwargs, outputs: print(type(layer).__name__, tuple(outputs.shape))):
    ...     _ = layer(np.ones((3, 4)))
    Dense (3, 2)
    """
    outer, _context.watch = _context.watch, look
    try:
        yield
    finally:
        _context.watch = outer
