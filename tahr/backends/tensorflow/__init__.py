"""TensorFlow: SavedModels can be run; operations cannot yet."""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "backend":
        raise ImportError(
            "There is no tensorflow backend yet. Choose jax, torch or numpy with the environment variable TAHR_BACKEND."
        )
    raise AttributeError(f"tahr.backends.tensorflow has no {name!r}.")
