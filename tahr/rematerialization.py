"""Rematerialization: inner values computed again for the gradient instead of kept, which trades time for memory."""

import copy
import functools
import math
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from tahr import backends, shapes, symbolic, tree
from tahr.autodiff import scope_inside
from tahr.variables import AutocastScope, StatelessScope, Variable, autocast_dtype

__all__ = ["RematScope", "remat"]

_MODES = ("full", "activations", "larger_than", "list_of_layers")


class _Open(threading.local):
    scope: "RematScope | None" = None


_open = _Open()


class RematScope:
    """Layers made or called inside this scope keep less for the gradient, and compute it again.

    Args:
        mode: `"full"` for every layer; `"activations"` for activation layers and the `activation` of others;
            `"larger_than"` for layers whose outputs have more than `output_size_threshold` elements;
            `"list_of_layers"` for those named in `layer_names`; None for none.
        output_size_threshold: number of elements, for `"larger_than"`.
        layer_names: names of layers, for `"list_of_layers"`.

    Raises:
        ValueError: if the mode is unknown.

    >>> with keras.RematScope(mode="full"):
    ...     layer = layers.Dense(2, kernel_initializer="ones")
    >>> layer(ops.ones((1, 3)))
    [[3.0, 3.0]]
    """

    def __init__(
        self,
        mode: str | None = "full",
        output_size_threshold: int = 1024,
        layer_names: Sequence[str] | None = None,
    ):
        if mode is not None and mode not in _MODES:
            raise ValueError(f"RematScope: expected mode to be None or one of {', '.join(_MODES)}; received {mode!r}.")
        self.mode, self.output_size_threshold = mode, output_size_threshold
        self.layer_names = list(layer_names or ())

    def __enter__(self) -> "RematScope":
        self._outer, _open.scope = _open.scope, self
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _open.scope = self._outer

    def call_of(self, layer: Any, args: Any, kwargs: Any) -> Callable[..., Any]:
        """Return the function to run in place of `layer.call`, which keeps less if the mode says so."""
        activation = layer.__dict__.get("activation")
        if self.mode == "activations" and callable(activation):
            view = copy.copy(layer)  # the layer itself, which other threads may be calling, stays as it is
            view.__dict__["activation"] = _remat(activation, layer.add_loss)
            return view.call
        return (
            _remat(layer.in_context(layer.call), layer.add_loss) if self._applies(layer, args, kwargs) else layer.call
        )

    def _applies(self, layer: Any, args: Any, kwargs: Any) -> bool:
        from tahr.models import Model

        if self.mode == "list_of_layers":
            return layer.name in self.layer_names
        if self.mode == "activations":
            return type(layer).__module__ == "tahr.layers.activation"
        if isinstance(layer, Model):  # computing a whole model again at once saves nothing; its layers do
            return False
        if self.mode == "larger_than":
            described = layer.compute_output_spec(*_described(args), **_described(kwargs))
            sizes = [math.prod(n or 1 for n in shapes.of(x)) for x in tree.flatten(described)]
            return sum(sizes) > self.output_size_threshold
        return self.mode == "full"


def _described(structure: Any) -> Any:
    """Return symbols for the arrays of a structure."""
    from tahr import dtypes

    def describe(x: Any) -> Any:
        if isinstance(x, Variable) or not hasattr(x, "shape") or not hasattr(x, "dtype"):
            return x
        return symbolic.KerasTensor(shapes.of(x), dtypes.canonical(dtypes.of(x)), record_history=False)

    return tree.map_structure(describe, structure)


def current_remat_scope() -> RematScope | None:
    """Return the innermost open `RematScope` of this thread, or None."""
    return _open.scope


def remat(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return `f` made to compute inner values again for the gradient instead of keeping them: less memory, more time.

    Backends that compute no gradients (NumPy) just run it.

    Args:
        f: function or layer. What it assigns to variables is kept once.

    Raises:
        TypeError: if `f` cannot be called.

    >>> keras.remat(lambda x: x * x)(ops.array(3.0))
    9.0
    """
    if not callable(f):
        raise TypeError(f"remat: expected a function; received {f!r}.")
    return _remat(f)


def _remat(f: Callable[..., Any], add_loss: Callable[[Any], None] | None = None) -> Callable[..., Any]:
    @functools.wraps(f, assigned=("__name__", "__qualname__", "__doc__"), updated=())
    def run(*args: Any, **kwargs: Any) -> Any:
        if symbolic.any_symbolic(args) or symbolic.any_symbolic(kwargs.values()):
            return f(*args, **kwargs)
        call = _Call(f, args, kwargs)
        results, values, losses = backends.current().rematerialize(call)(*call.arrays)
        found, updated = call.take()
        for variable, new in zip(updated, values, strict=True):
            variable.assign(new)
        if add_loss is not None:
            for loss in losses:
                add_loss(loss)
        return tree.pack_sequence_as(found, _merge(tree.flatten(found), results))

    return run


class _Call:
    """A call of `f` as a function of its arrays alone: it may run twice, the second time when its scopes are closed."""

    def __init__(self, f: Callable[..., Any], args: Any, kwargs: Any):
        engine = backends.current()
        self.f, self.given, self.autocast = f, [args, kwargs], autocast_dtype()
        self.parts = [x.value if isinstance(x, Variable) else x for x in tree.flatten(self.given)]
        self.arrays = [x for x in self.parts if engine.is_tensor(x)]
        self.outside = scope_inside()
        self.ran, self.found = False, None
        self.updated: list[Variable] = []

    def __call__(self, *arrays: Any) -> Any:
        engine = backends.current()
        inner = StatelessScope(collect_losses=True)
        inner.values.update(self.outside.values)
        args, kwargs = tree.pack_sequence_as(self.given, _merge(self.parts, arrays))
        with inner, AutocastScope(self.autocast), RematScope(None):
            found = self.f(*args, **kwargs)
        if not self.ran:
            self.ran, self.found, self.updated = True, found, list(inner.updated.values())
        results = [x for x in tree.flatten(found) if engine.is_tensor(x)]
        return results, [inner.values[key] for key in inner.updated], inner.losses

    def take(self) -> tuple[Any, list[Variable]]:
        """Return what the first run found, and let go of it: what waits for the gradient must not hold its results."""
        found, updated = self.found, self.updated
        self.found, self.updated = None, []
        return found, updated


def _merge(leaves: list[Any], arrays: Any) -> list[Any]:
    """Return leaves with their arrays replaced by the given ones, in order."""
    engine, found = backends.current(), iter(arrays)
    return [next(found) if engine.is_tensor(x) else x for x in leaves]
