"""Helpers under Keras's names: files, labels, progress, and other rooms' names that Keras offers here too."""

import importlib
from typing import TYPE_CHECKING, Any

# name -> the module that has it, with `:name` added where it is called otherwise there, or `:` if it is the module
_NAMES = {
    "BucketedSequences": "tahr.utils.bucketing",
    "Config": "tahr.utils.experiment",
    "CustomObjectScope": "tahr.saving",
    "FeatureSpace": "tahr.utils.feature_space",
    "Progbar": "tahr.utils.progbar",
    "PyDataset": "tahr.trainer.sources.py_dataset",
    "Sequence": "tahr.trainer.sources.py_dataset:PyDataset",
    "array_to_img": "tahr.utils.images",
    "audio_dataset_from_directory": "tahr.utils.audio_dataset",
    "bounding_boxes": "tahr.utils.bounding_boxes:",
    "clear_session": "tahr.backend",
    "custom_object_scope": "tahr.saving",
    "deserialize_keras_object": "tahr.saving",
    "disable_interactive_logging": "tahr.config",
    "enable_interactive_logging": "tahr.config",
    "first_place": "tahr.layers.decoding",
    "forced_kernels": "tahr.backends.choices:forced",
    "get_custom_objects": "tahr.saving",
    "get_file": "tahr.utils.download",
    "get_registered_name": "tahr.saving",
    "get_registered_object": "tahr.saving",
    "get_source_inputs": "tahr.utils.model_graph",
    "image_dataset_from_directory": "tahr.utils.image_dataset",
    "img_to_array": "tahr.utils.images",
    "is_interactive_logging_enabled": "tahr.config",
    "is_keras_tensor": "tahr.backend",
    "legacy": "tahr.legacy.saving:",
    "load_img": "tahr.utils.images",
    "model_to_dot": "tahr.utils.plotting",
    "normalize": "tahr.utils.numerical",
    "pack_x_y_sample_weight": "tahr.utils.batches",
    "pad_sequences": "tahr.utils.padding",
    "plot_model": "tahr.utils.plotting",
    "register_keras_serializable": "tahr.saving",
    "save_img": "tahr.utils.images",
    "serialize_keras_object": "tahr.saving",
    "set_random_seed": "tahr.random:set_seed",
    "split_dataset": "tahr.utils.splitting",
    "standardize_dtype": "tahr.backend",
    "text_dataset_from_directory": "tahr.utils.text_dataset",
    "timeseries_dataset_from_array": "tahr.utils.timeseries",
    "to_categorical": "tahr.utils.numerical",
    "unpack_x_y_sample_weight": "tahr.utils.batches",
}

if TYPE_CHECKING:
    from tahr.backend import clear_session, is_keras_tensor, standardize_dtype
    from tahr.config import disable_interactive_logging, enable_interactive_logging, is_interactive_logging_enabled
    from tahr.layers.decoding import first_place
    from tahr.random import set_seed as set_random_seed
    from tahr.saving import (
        CustomObjectScope,
        custom_object_scope,
        deserialize_keras_object,
        get_custom_objects,
        get_registered_name,
        get_registered_object,
        register_keras_serializable,
        serialize_keras_object,
    )
    from tahr.trainer.sources.py_dataset import PyDataset
    from tahr.trainer.sources.py_dataset import PyDataset as Sequence
    from tahr.utils import bounding_boxes
    from tahr.utils.audio_dataset import audio_dataset_from_directory
    from tahr.utils.batches import pack_x_y_sample_weight, unpack_x_y_sample_weight
    from tahr.utils.bucketing import BucketedSequences
    from tahr.utils.download import get_file
    from tahr.utils.experiment import Config
    from tahr.utils.feature_space import FeatureSpace
    from tahr.utils.image_dataset import image_dataset_from_directory
    from tahr.utils.images import array_to_img, img_to_array, load_img, save_img
    from tahr.utils.model_graph import get_source_inputs
    from tahr.utils.numerical import normalize, to_categorical
    from tahr.utils.padding import pad_sequences
    from tahr.utils.plotting import model_to_dot, plot_model
    from tahr.utils.progbar import Progbar
    from tahr.utils.splitting import split_dataset
    from tahr.utils.text_dataset import text_dataset_from_directory
    from tahr.utils.timeseries import timeseries_dataset_from_array

__all__ = list(_NAMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        from tahr.compat.names import old_name

        return old_name("utils", name)
    module, colon, original = _NAMES[name].partition(":")
    found = importlib.import_module(module)
    if original or not colon:
        found = getattr(found, original or name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
