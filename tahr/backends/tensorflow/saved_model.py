"""SavedModels as functions of NumPy arrays, on the CPU."""

from typing import Any

import numpy as np


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
