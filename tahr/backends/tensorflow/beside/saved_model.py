"""SavedModels as functions of NumPy arrays, on the CPU."""

from collections.abc import Callable
from typing import Any

import numpy as np
import optree


class SavedModel:
    """A SavedModel that is loaded.

    Args:
        folder: where it is.

    Raises:
        ImportError: if TensorFlow is not installed.
        FileNotFoundError: if there is no SavedModel.
    """

    def __init__(self, folder: str):
        try:
            from tahr.backends.tensorflow.loading import tf
        except ImportError as error:
            raise ImportError(
                "A SavedModel needs TensorFlow. Install it with: pip install 'tahr[tensorflow]'"
            ) from error
        if not tf.saved_model.contains_saved_model(folder):
            raise FileNotFoundError(f"{folder}: there is no SavedModel (a folder with a file saved_model.pb).")
        self._tf = tf
        with tf.device("cpu"):
            self._loaded = tf.saved_model.load(folder)
        self._named = {
            name: value
            for name in dir(self._loaded)
            if not name.startswith("_") and name != "signatures" and callable(value := getattr(self._loaded, name))
        }
        self._named.update({k: v for k, v in self._loaded.signatures.items() if k not in self._named})

    @property
    def endpoints(self) -> list[str]:
        """The names of what can be called."""
        return sorted(self._named)

    def __call__(self, endpoint: str, inputs: Any) -> Any:
        """Return what an endpoint returns for NumPy arrays, as NumPy arrays."""
        tf, run = self._tf, self._named[endpoint]
        with tf.device("cpu"):
            tensors = tf.nest.map_structure(tf.constant, inputs)
            found = self._run(endpoint, run, tensors)
        return tf.nest.map_structure(lambda x: x.numpy(), found)

    def outputs_of(self, endpoint: str, inputs: Any) -> Any:
        """Return what an endpoint returns for (shape, dtype) pairs, as objects with `shape` and `dtype`."""
        tf, run = self._tf, self._named[endpoint]
        is_spec = lambda x: isinstance(x, tuple) and len(x) == 2 and isinstance(x[1], str)  # noqa: E731
        specs = [tf.TensorSpec(*x) for x in ([inputs] if is_spec(inputs) else tf.nest.flatten(inputs))]
        if not is_spec(inputs):
            specs = tf.nest.pack_sequence_as(inputs, specs)
        else:
            specs = specs[0]
        traced = tf.function(lambda x: self._run(endpoint, run, x)).get_concrete_function(specs)
        return tf.nest.map_structure(lambda x: Spec(tuple(x.shape.as_list()), x.dtype.name), traced.structured_outputs)

    def _run(self, endpoint: str, run: Any, tensors: Any) -> Any:
        if endpoint in self._loaded.signatures and run is self._loaded.signatures[endpoint]:
            names = list(run.structured_input_signature[1])
            if isinstance(tensors, dict):
                return run(**tensors)
            if len(names) != 1:
                raise ValueError(f"{endpoint}: expected a dict with {names}; received one array.")
            return run(**{names[0]: tensors})
        return run(tensors)


class Spec:
    """The shape and type of an array."""

    def __init__(self, shape: tuple[int | None, ...], dtype: str):
        self.shape, self.dtype = shape, np.dtype(dtype).name


def write(
    folder: str,
    exports: Any,
    convert: Callable[[Any], Callable[..., Any]] | None = None,
    collections: Any = None,
    options: Any = None,
) -> None:
    """Write a SavedModel, with endpoints that take any number of rows, and the signature `serving_default`.

    Args:
        folder: where to.
        exports: what is exported, by the name of the endpoint.
        convert: makes `function(values, *arguments)` of TensorFlow from an export; None takes its own.
        collections: lists of variables, by name.
        options: `tf.saved_model.SaveOptions`.
    """
    from tahr.backends.tensorflow.loading import tf

    archive = tf.__internal__.tracking.AutoTrackable()
    known: dict[int, Any] = {}

    def kept(variables: Any) -> list[Any]:
        for v in variables:
            if id(v) not in known:
                name = v.path.replace("/", "_")
                known[id(v)] = tf.Variable(v.numpy(), trainable=v.trainable and v.dtype.startswith("float"), name=name)
        return [known[id(v)] for v in variables]

    signatures = {}
    for name, export in exports.items():
        run = export.pure if convert is None else convert(export)
        function = _endpoint(tf, run, kept(export.variables), export.signature)
        setattr(archive, name, function)
        flat = function.get_concrete_function()
        _check_complete(name, flat)
        outputs = flat.structured_outputs
        if not isinstance(outputs, dict) or all(isinstance(x, tf.Tensor) for x in outputs.values()):
            signatures["serving_default" if not signatures else name] = flat
    archive.variables = list(known.values())
    archive.trainable_variables = [v for v in known.values() if v.trainable]
    archive.non_trainable_variables = [v for v in known.values() if not v.trainable]
    for name, variables in (collections or {}).items():
        setattr(archive, name, kept(variables))
    tf.saved_model.save(archive, folder, signatures=signatures, options=options)


def serving(model: Any) -> Any:
    """Return a model of the TensorFlow backend as a `tf.function` of any number of rows, None if it is not built.

    Raises:
        TypeError: if it has layers that compute on the host.
    """
    from tahr.backends.tensorflow.loading import tf
    from tahr.export.formats import Export
    from tahr.export.signature import signature_of

    if not model.built:
        return None
    export = Export(model, [], signature_of(model))
    found = _endpoint(tf, export.pure, [], export.signature)
    _check_complete("serve", found.get_concrete_function())
    return found


def _check_complete(name: str, function: Any) -> None:
    """Raise a TypeError if a function calls back into this process, which a file cannot do."""
    graph = function.graph.as_graph_def()
    nodes = [*graph.node, *(node for inner in graph.library.function for node in inner.node_def)]
    if any(node.op in ("PyFunc", "EagerPyFunc") for node in nodes):
        raise TypeError(
            f"{name}: the model has layers that compute on the host, such as those that read text, and a file cannot "
            "hold these. Export the part behind them, keras.Model(numbers, outputs), and apply them to the data."
        )


def _endpoint(tf: Any, run: Callable[..., Any], variables: list[Any], signature: Any) -> Any:
    names: set[str] = set()

    def spec(x: Any) -> Any:
        name = "".join(c if c.isalnum() or c == "_" else "_" for c in x.name)
        while name in names:
            name += "_1"
        names.add(name)
        return tf.TensorSpec(x.shape, x.dtype, name=name)

    def call(*arguments: Any) -> Any:
        return run([tf.convert_to_tensor(v) for v in variables], *arguments)

    return tf.function(call, input_signature=optree.tree_map(spec, signature), autograph=False)


def read(folder: str) -> Callable[..., Any]:
    """Return the endpoint `serve` of a SavedModel as a function of NumPy arrays."""
    model = SavedModel(folder)

    def call(*arguments: Any) -> Any:
        with model._tf.device("cpu"):
            found = model._loaded.serve(*[optree.tree_map(model._tf.constant, x) for x in arguments])
        return optree.tree_map(lambda x: x.numpy(), found)

    return call
