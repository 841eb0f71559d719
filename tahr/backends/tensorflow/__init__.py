"""TensorFlow: eager outside of training, one `tf.function` for each kind of step."""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "backend":  # not at once: a SavedModel can run beside another backend
        from tahr.backends.tensorflow.engine import backend

        return backend
    raise AttributeError(f"tahr.backends.tensorflow has no {name!r}.")
