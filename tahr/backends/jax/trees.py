"""Structures as JAX knows them: containers of Python and those that libraries register with JAX."""

from collections.abc import Callable
from typing import Any

import jax


def leaves_of(structure: Any) -> tuple[list[Any], Callable[[Any], Any]]:
    """Return the leaves of a structure, and a function that puts other leaves in their places."""
    leaves, shape = jax.tree_util.tree_flatten(structure)
    return leaves, shape.unflatten
