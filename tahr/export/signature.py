"""What an exported function takes: the shapes, types and names of its inputs."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tahr import dtypes, shapes, tree
from tahr.backends.backend import numpy_dtype
from tahr.layers import Layer
from tahr.layers.input_spec import InputSpec
from tahr.layers.signature import build_parameters
from tahr.symbolic import KerasTensor

__all__ = ["samples", "signature_of"]


def signature_of(fn: Any, given: Any = None) -> tuple[Any, ...]:
    """Return symbols for the arguments of a layer, model or function: a tuple, of nested structures.

    Args:
        fn: what is exported.
        given: one for each argument, or for the only one itself: `InputSpec`, symbol, array, or anything else with a
            shape and a type, also nested. None takes what the model was made for, or was built with.

    Raises:
        ValueError: if nothing says what the inputs are.
    """
    if given is not None:
        parts = given if isinstance(given, (list, tuple)) and not tree.is_shape(given) else [given]
        inputs = getattr(fn, "inputs", None)
        if inputs and len(inputs) == len(parts) > 1 and isinstance(getattr(fn, "input", None), (list, tuple)):
            parts = [list(parts)]  # one list of inputs, as the model takes them
        return tuple(tree.map_structure(_symbol, part) for part in parts)
    if getattr(fn, "_function", None) is not None:
        return (tree.map_structure(_symbol, fn.input),)
    if isinstance(fn, Layer) and fn.built:
        built = fn.get_build_config() or {}
        found = built.get("shapes_dict") or {"input_shape": built.get("input_shape")}
        order = build_parameters(type(fn)) or list(found)
        values = [found[name] for name in sorted(found, key=lambda n: order.index(n) if n in order else 0)]
        if values and all(value is not None for value in values):
            return tuple(tree.map_shape_structure(lambda s: _free(s, fn), value) for value in values)
    raise ValueError(
        f"export: nothing says what {getattr(fn, 'name', fn)!s} takes. Call the model on data first, or give "
        "input_signature=[keras.InputSpec(shape=(None, 3), dtype='float32')], one for each input."
    )


def _free(shape: Any, layer: Any) -> KerasTensor:
    """Return a symbol with any number of rows for a shape that a layer was built with."""
    return KerasTensor((None, *shape[1:]), layer.input_dtype or layer.dtype, record_history=False)


def _symbol(x: Any) -> KerasTensor:
    if isinstance(x, InputSpec) and x.shape is None:
        raise ValueError(f"export: expected input_signature to say shapes; received {x!r}.")
    if not hasattr(x, "shape"):
        raise ValueError(f"export: expected input_signature to hold InputSpec, symbols or arrays; received {x!r:.80}.")
    dtype = getattr(x, "dtype", None) or "float32"
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", None) or dtypes.of(x)
    symbol = KerasTensor(shapes.of(x), name, record_history=False)
    symbol.name = getattr(x, "name", None) or symbol.name
    return symbol


def samples(signature: Any) -> Iterator[tuple[Any, ...]]:
    """Yield arguments to compare on: NumPy arrays of two rows, of three, and of one, where the number may vary."""
    free = any(n is None for x in tree.flatten(signature) for n in x.shape)
    for rows in (2, 3, 1) if free else (1,):
        generator = np.random.default_rng(rows)

        def draw(x: Any, rows: int = rows, generator: Any = generator) -> np.ndarray:
            sizes = [(rows if axis == 0 else rows + 7) if n is None else n for axis, n in enumerate(x.shape)]
            if dtypes.is_float(x.dtype):
                return generator.normal(size=sizes).astype(numpy_dtype(x.dtype))
            return generator.integers(0, 2, sizes).astype(numpy_dtype(x.dtype))

        yield tuple(tree.map_structure(draw, part) for part in signature)
