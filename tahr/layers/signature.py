"""What the signatures of a layer's `call` and `build` say, shapes of nested inputs, and calls run for shapes alone."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from tahr import backends, shapes, tree
from tahr.symbolic import KerasTensor


class CallInfo:
    """What the signature of a `call` method says: where training and masks go."""

    def __init__(self, cls: type):
        signature = inspect.signature(cls.call).parameters  # type: ignore[attr-defined]
        named = [p for p in signature.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)][1:]
        self.parameters = tuple(p.name for p in named)
        self.any_keyword = any(p.kind is p.VAR_KEYWORD for p in signature.values())
        never = len(named) + 1_000_000  # the place of what no positional argument can be
        place = {p.name: never if p.kind is p.KEYWORD_ONLY else i for i, p in enumerate(named)}
        self.training = place.get("training")
        default = signature["training"].default if self.training is not None else None
        self.training_default = None if default is inspect.Parameter.empty else default
        self.mask = place.get("mask", 0)
        self.masked_arguments = tuple(
            (i, f"{name}_mask") for i, name in enumerate(self.parameters) if f"{name}_mask" in self.parameters
        )
        self.computes_mask = cls.compute_mask is not _base().compute_mask  # type: ignore[attr-defined]


def _base() -> Any:
    from tahr.layers.layer import Layer

    return Layer


_infos: dict[type, CallInfo] = {}  # not `functools.cache`, into which torch.compile looks


def call_info(cls: type) -> CallInfo:
    found = _infos.get(cls)
    if found is None:
        found = _infos[cls] = CallInfo(cls)
    return found


def call_takes(cls: type, name: str) -> bool:
    """Return whether `call` of a class of layers takes an argument of that name."""
    info = call_info(cls)
    return name in info.parameters or info.any_keyword


@functools.cache
def build_parameters(cls: type) -> tuple[str, ...] | None:
    """Return the names of `build`'s parameters, or None if it takes any."""
    parameters = list(inspect.signature(cls.build).parameters.values())[1:]  # type: ignore[attr-defined]
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        return None
    return tuple(p.name for p in parameters)


def note_shapes(build: Callable[..., None], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
    names = [name for name in inspect.signature(build).parameters if name != "self"]
    given = dict(zip(names, args, strict=False)) | kwargs
    if not given:
        return None
    if len(given) == 1:
        return {"input_shape": next(iter(given.values()))}
    return {"shapes_dict": given}


def shapes_of(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [shapes_of(v) for v in value]
    if isinstance(value, dict):
        return {k: shapes_of(v) for k, v in value.items()}
    return shapes.of(value) if value is not None else None


def is_array_like(value: Any) -> bool:
    leaves = tree.flatten(value) if isinstance(value, (list, tuple, dict)) else [value]
    return (
        bool(leaves)
        and all(hasattr(x, "shape") for x in leaves if x is not None)
        and any(x is not None for x in leaves)
    )


def to_tuples(shape: Any) -> Any:
    return tree.map_shape_structure(tuple, shape)


def take_input_shape(where: str, kwargs: dict[str, Any]) -> Any:
    """Take Keras 2's ways to say the input shape out of `kwargs`; the shape includes the batch."""
    shape = None
    if "input_dim" in kwargs:
        shape = (None, kwargs.pop("input_dim"))
    if "input_shape" in kwargs:
        given = kwargs.pop("input_shape")
        shape = (kwargs.pop("batch_size", None), *((given,) if isinstance(given, int) else given))
    for name in ("batch_input_shape", "batch_shape"):
        if name in kwargs:
            shape = tuple(kwargs.pop(name))
    if kwargs:
        raise TypeError(f"{where}: unexpected arguments {sorted(kwargs)}.")
    return shape


def abstract_call(call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return symbols for what `call` gives, by the backend's abstract evaluation; unknown sizes are tried twice."""
    engine = backends.current()
    symbols = [x for x in tree.flatten([list(args), kwargs]) if isinstance(x, KerasTensor)]

    def evaluate(size: int) -> Any:
        specs = [(tuple(size if n is None else n for n in x.shape), x.dtype) for x in symbols]
        structure: list[Any] = []

        def run(*arrays: Any) -> Any:
            values = iter(arrays)

            def fill(x: Any) -> Any:
                return next(values) if isinstance(x, KerasTensor) else x

            new_args, new_kwargs = tree.map_structure(fill, [list(args), kwargs])
            out = call(*new_args, **new_kwargs)
            structure.append(tree.map_structure(lambda _: 0, out))
            return tree.flatten(out)

        return engine.abstract(run, specs), structure[-1]

    (one, structure), (two, _) = evaluate(2), evaluate(3)
    merged = [
        KerasTensor([m if m == n else None for m, n in zip(a[0], b[0], strict=True)], a[1], record_history=False)
        for a, b in zip(one, two, strict=True)
    ]
    return tree.pack_sequence_as(structure, merged)
