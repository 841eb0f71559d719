"""Files of weights under the names, and in the layout, that Keras 1 and 2 gave them."""

from pathlib import Path
from typing import Any

from tahr.compat.notices import notice
from tahr.saving.atomic import may_write, replacing
from tahr.saving.hdf5 import h5_writing
from tahr.saving.legacy.weights import write_legacy_weights

__all__ = ["save_old_weights"]


def save_old_weights(model: Any, path: Path, overwrite: bool) -> None:
    """Write the weights of a model's layers to an HDF5 file as Keras 2 wrote it; `load_weights` reads it."""
    notice(f"save_weights({path.name!r})", "give the file a name that ends in .weights.h5", "save_weights")
    if may_write(path, overwrite):
        with replacing(path) as file, h5_writing(file) as h5:
            write_legacy_weights(model, h5)
