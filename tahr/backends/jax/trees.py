"""Structures as JAX knows them: containers of Python, those that libraries register with JAX, and layers."""

import weakref
from collections.abc import Callable
from typing import Any

import jax

_forms: "weakref.WeakKeyDictionary[Any, _Form]" = weakref.WeakKeyDictionary()
_known: set[type] = set()


def leaves_of(structure: Any) -> tuple[list[Any], Callable[[Any], Any]]:
    """Return the leaves of a structure, and a function that puts other leaves in their places."""
    leaves, shape = jax.tree_util.tree_flatten(structure)
    return leaves, shape.unflatten


class _Form:
    """What of a layer is not its values: a copy without any, to be filled."""

    def __init__(self, layer: Any, variables: list[Any]):
        self.marks = _marks(layer, variables)
        self.keys = [jax.tree_util.DictKey(v.path) for v in variables]
        empty = {id(v): jax.ShapeDtypeStruct(v.shape, v.dtype) for v in variables}
        self.layer = layer._rebuilt(empty)

    def filled(self, leaves: Any) -> Any:
        variables = self.layer.variables
        made = self.layer._rebuilt({id(v): x for v, x in zip(variables, leaves, strict=True)})
        _forms[made] = self
        return made


def _marks(layer: Any, variables: list[Any]) -> Any:
    """Return what a layer must still have in common with its form."""
    return tuple([(v.path, v.trainable) for v in variables]), len(layer._flatten_layers())


def _flatten(layer: Any) -> tuple[list[Any], _Form]:
    variables = layer.variables
    form = _forms.get(layer)
    if form is None or form.marks != _marks(layer, variables):
        form = _forms[layer] = _Form(layer, variables)
    return [v.value for v in variables], form


def _flatten_with_keys(layer: Any) -> tuple[list[Any], _Form]:
    leaves, form = _flatten(layer)
    return list(zip(form.keys, leaves, strict=True)), form


class LayerTree:
    """What makes a layer a pytree of JAX: its leaves are the values of its variables, in their order.

    What is made of other leaves is a layer of the same structure, with variables of its own. Two layers have the same
    structure only if one was made of the other's leaves.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        know(cls)


def know(kind: type) -> None:
    """Register a class of layers, and those derived from it."""
    if kind not in _known:
        _known.add(kind)
        jax.tree_util.register_pytree_with_keys(kind, _flatten_with_keys, _Form.filled, _flatten)
    for derived in kind.__subclasses__():
        know(derived)
