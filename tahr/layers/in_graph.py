"""Layers for the data pipelines of another framework: a node of its graph that runs the layer on the host."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tahr import backends, dtypes, ops, tree
from tahr.layers.layer import Layer
from tahr.symbolic import KerasTensor

__all__ = ["InGraph", "in_graph"]


def in_graph(
    given: Any,
    needs_values: str | None,
    run: Callable[[Any], Any],
    infer: Callable[[Any], Any] | None = None,
    layer: Layer | None = None,
) -> Any:
    """Return tensors for a call of a layer inside of a graph that runs it on the host, or None anywhere else.

    Args:
        given: all arguments, in a structure.
        needs_values: whether also in a graph of the backend in use, see `InGraph`.
        run: the call, as a function of such a structure.
        infer: the call on symbols, if that is another function.
        layer: the layer or model that is called; a model must have nothing to train.

    Raises:
        ValueError: if the model has weights to train, which may change, or be overwritten, while a pipeline runs.
    """
    graph = backends.graph_of(given, needs_values)
    if graph is None:
        return None
    if layer is not None:
        run = layer.in_context(run)  # it runs later, and elsewhere
    if layer is not None and not isinstance(layer, InGraph) and (weights := layer.trainable_variables):
        raise ValueError(
            f"Model {layer.name!r} is called in the graph of another framework, such as that of a data pipeline, by a "
            f"process that computes on {backends.loaded()}. There, models prepare data; this one has weights to train "
            f"({weights[0].path}, {len(weights)} in all). Call it on the batches that come out of the pipeline, or use "
            "model.predict(data); or set model.trainable = False, if it only computes features."
        )

    def values(arguments: Any) -> Any:
        found = run(arguments)
        return tree.map_structure(lambda x: x if isinstance(x, np.ndarray) else ops.convert_to_numpy(x), found)

    def symbol(shape: tuple[int | None, ...], dtype: str) -> KerasTensor:
        return KerasTensor(shape, dtype if dtype == "string" else dtypes.canonical(dtype), record_history=False)

    return graph.on_host(values, infer or run, symbol, given)


class InGraph(Layer):
    """A layer that prepares data, and may be called on tensors inside of `tf.data` on every backend.

    Attributes:
        _needs_values: whether it runs on the host also where the backend in use could trace it: `"always"`, where sizes
            are `"unknown"`, where there are `"wide"` whole numbers, of 64 bits, or None.
    """

    _needs_values: str | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the outputs for inputs: arrays, symbols, or tensors inside of a data pipeline."""
        call = super().__call__
        found = in_graph((args, kwargs), self._needs_values, lambda given: call(*given[0], **given[1]), layer=self)
        return call(*args, **kwargs) if found is None else found
