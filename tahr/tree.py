"""Nested lists, tuples and dicts of things, and functions over their leaves; a thin view of optree."""

from collections.abc import Callable
from typing import Any

import optree

__all__ = [
    "MAP_TO_NONE",
    "assert_same_paths",
    "assert_same_structure",
    "flatten",
    "flatten_with_path",
    "is_nested",
    "lists_to_tuples",
    "map_shape_structure",
    "map_structure",
    "map_structure_up_to",
    "pack_sequence_as",
    "traverse",
]

_OPTIONS: dict[str, Any] = {"none_is_leaf": True, "namespace": "tahr"}


class MAP_TO_NONE:
    """What a function given to `traverse` returns to say that the result there is None.

    >>> tree.traverse(lambda x: tree.MAP_TO_NONE if x == 2 else None, [1, 2])
    [1, None]
    """


def is_nested(structure: Any) -> bool:
    """Return whether `structure` is a container rather than a leaf.

    >>> tree.is_nested([1]), tree.is_nested(1)
    (True, False)
    """
    return not optree.tree_is_leaf(structure, **_OPTIONS)


def flatten(structure: Any) -> list[Any]:
    """Return the leaves in order; dicts are walked in the order of their sorted keys.

    >>> tree.flatten({"b": [1, 2], "a": 3})
    [3, 1, 2]
    """
    return optree.tree_leaves(structure, **_OPTIONS)


def flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """Return a `(path, leaf)` pair for every leaf; a path is a tuple of keys and indices.

    >>> tree.flatten_with_path({"a": [5]})
    [(('a', 0), 5)]
    """
    paths, leaves, _ = optree.tree_flatten_with_path(structure, **_OPTIONS)
    return list(zip(paths, leaves, strict=True))


def map_structure(func: Callable[..., Any], *structures: Any, none_is_leaf: bool = True) -> Any:
    """Return a structure of `func(leaf, ...)` over the leaves of structures of one form.

    Raises:
        ValueError: if no structure is given, or their forms differ.

    >>> tree.map_structure(lambda a, b: a + b, {"x": 1}, {"x": 2})
    {'x': 3}
    """
    if not callable(func):
        raise TypeError(f"map_structure: expected a callable; received {func!r}.")
    if not structures:
        raise ValueError("map_structure: expected at least one structure; received none.")
    return optree.tree_map(func, *structures, none_is_leaf=none_is_leaf, namespace="tahr")


def map_structure_up_to(shallow_structure: Any, func: Callable[..., Any], *structures: Any) -> Any:
    """Return a structure of `func(part, ...)` for the parts of `structures` that stand at the leaves of the first.

    >>> tree.map_structure_up_to([0, 0], len, [[1, 2], [3]])
    [2, 1]
    """
    if not structures:
        raise ValueError("map_structure_up_to: expected at least one structure; received none.")
    treespec = optree.tree_structure(shallow_structure, **_OPTIONS)
    parts = [treespec.flatten_up_to(structure) for structure in structures]
    return treespec.unflatten([func(*leaves) for leaves in zip(*parts, strict=True)])


def pack_sequence_as(structure: Any, flat_sequence: Any) -> Any:
    """Return the leaves of `flat_sequence` arranged like `structure`.

    Raises:
        TypeError: if `flat_sequence` is no sequence.
        ValueError: if the numbers of leaves differ.

    >>> tree.pack_sequence_as({"a": 0, "b": [0, 0]}, [1, 2, 3])
    {'a': 1, 'b': [2, 3]}
    """
    if not isinstance(flat_sequence, (list, tuple)):
        raise TypeError(f"pack_sequence_as: expected a list or tuple; received {type(flat_sequence).__name__}.")
    treespec = optree.tree_structure(structure, **_OPTIONS)
    if treespec.num_leaves != len(flat_sequence):
        raise ValueError(
            f"pack_sequence_as: the structure has {treespec.num_leaves} leaves, but {len(flat_sequence)} were given."
        )
    return treespec.unflatten(flat_sequence)


def assert_same_structure(a: Any, b: Any, check_types: bool | None = None) -> None:
    """Check that two structures have the same containers, keys and lengths.

    Args:
        a, b: the structures.
        check_types: False takes lists and tuples for the same, as `assert_same_paths` does.

    Raises:
        ValueError: if they differ.

    >>> tree.assert_same_structure([1, {"a": 2}], [3, {"a": 4}])
    """
    if check_types is False:
        return assert_same_paths(a, b)
    one, two = optree.tree_structure(a, **_OPTIONS), optree.tree_structure(b, **_OPTIONS)
    if one != two:
        raise ValueError(f"The structures differ: {one} and {two}.")


def assert_same_paths(a: Any, b: Any) -> None:
    """Check that two structures have the same keys and indices, whatever kind of sequence holds them.

    Raises:
        ValueError: if they differ.

    >>> tree.assert_same_paths([1, 2], (3, 4))
    """
    one, two = ({path for path, _ in flatten_with_path(x)} for x in (a, b))
    if one != two:
        raise ValueError(f"The structures have different paths: {sorted(one ^ two, key=str)} are in only one of them.")


def traverse(func: Callable[[Any], Any], structure: Any, top_down: bool = True) -> Any:
    """Return `structure` with every node and leaf that `func` gives a value for replaced by that value.

    `func` sees a container before its content if `top_down`, else after it; it returns None to keep what it saw and
    `MAP_TO_NONE` to put None there.

    >>> tree.traverse(lambda x: sum(x) if isinstance(x, tuple) else None, [(1, 2), (3,)])
    [3, 3]
    """

    def shown(x: Any) -> tuple[bool, Any]:
        found = func(x)
        return found is not None, None if found is MAP_TO_NONE else found

    if top_down:
        replaced, value = shown(structure)
        if replaced:
            return value
    if is_nested(structure):
        treespec = optree.tree_structure(structure, is_leaf=lambda x: x is not structure, **_OPTIONS)
        children = treespec.flatten_up_to(structure)
        structure = treespec.unflatten([traverse(func, child, top_down) for child in children])
    elif top_down:
        return structure
    replaced, value = (False, None) if top_down else shown(structure)
    return value if replaced else structure


def lists_to_tuples(structure: Any) -> Any:
    """Return `structure` with every list turned into a tuple.

    >>> tree.lists_to_tuples([1, [2, 3]])
    (1, (2, 3))
    """

    def convert(x: Any) -> Any:
        return tuple(x) if isinstance(x, list) else None

    return traverse(convert, structure, top_down=False)


def is_shape(x: Any) -> bool:
    """Return whether `x` is a list or tuple of sizes and None: a shape rather than a structure of shapes."""
    return isinstance(x, (list, tuple)) and all(size is None or isinstance(size, int) for size in x)


def map_shape_structure(func: Callable[..., Any], structure: Any) -> Any:
    """Return a structure of `func(shape)` where lists and tuples of sizes count as leaves.

    >>> tree.map_shape_structure(len, {"a": (None, 3), "b": [2]})
    {'a': 2, 'b': 1}
    """
    return optree.tree_map(func, structure, is_leaf=is_shape, **_OPTIONS)
