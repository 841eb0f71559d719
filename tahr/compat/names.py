"""Where each name of Keras 1 and 2 is today, room by room, and what to use in place of what is gone."""

import importlib
from typing import Any

from tahr.compat.notices import notice

__all__ = ["old_name", "today_of_text"]

_CLASSES = "tahr.compat.layers"
_METRICS = {
    "MAE": "mean_absolute_error", "MAPE": "mean_absolute_percentage_error", "MSE": "mean_squared_error",
    "MSLE": "mean_squared_logarithmic_error", "KLD": "kl_divergence", "kld": "kl_divergence",
    "kullback_leibler_divergence": "kl_divergence", "logcosh": "log_cosh", "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error", "mse": "mean_squared_error", "msle": "mean_squared_logarithmic_error",
}  # fmt: skip
_COSINE = {"cosine": "tahr.losses:cosine_similarity", "cosine_proximity": "tahr.losses:cosine_similarity"}


def _at(module: str, **names: str) -> dict[str, str]:
    return {old: f"{module}:{today}" for old, today in names.items()}


# room -> old name -> "module:name", or "module" where the name is that of a module
NAMES: dict[str, dict[str, str]] = {
    "": {
        "engine": "tahr.compat.engine",
        "initializations": "tahr.initializers",
        "objectives": "tahr.losses",
    },
    "constraints": _at("tahr.constraints", maxnorm="MaxNorm", nonneg="NonNeg", unitnorm="UnitNorm"),
    "initializers": _at("tahr.initializers", normal="RandomNormal", one="Ones", uniform="RandomUniform", zero="Zeros"),
    "layers": {
        **{
            name: f"{_CLASSES}:{name}"
            for name in ("AtrousConvolution1D", "AtrousConvolution2D", "CuDNNGRU", "CuDNNLSTM", "Deconvolution2D",
                         "Highway", "LocallyConnected1D", "LocallyConnected2D", "MaxoutDense", "Merge",
                         "ThresholdedReLU", "TimeDistributedDense", "merge")
        },
        "experimental": "tahr.layers",
        "preprocessing": "tahr.layers",
    },
    "losses": {**_at("tahr.losses", **_METRICS), **_COSINE, **_at("tahr.compat.helpers", Reduction="Reduction")},
    "metrics": {**_at("tahr.losses", **_METRICS), **_COSINE},
    "mixed_precision": {"experimental": "tahr.mixed_precision"},
    "optimizers": {
        **_at("tahr.optimizers", adadelta="Adadelta", adagrad="Adagrad", adam="Adam", adamax="Adamax", nadam="Nadam",
              rmsprop="RMSprop", sgd="SGD"),
        "experimental": "tahr.optimizers",
    },
    "regularizers": {
        **_at("tahr.regularizers", WeightRegularizer="L1L2", activity_l1="L1", activity_l1l2="L1L2", activity_l2="L2",
              l1l2="L1L2"),
    },
    "utils": {
        **dict.fromkeys(("data_utils", "generic_utils", "io_utils", "layer_utils", "np_utils", "vis_utils",
                         "visualization", "visualize_util"), "tahr.utils"),
        **_at("tahr.utils", plot="plot_model"),
        **_at("tahr.compat.helpers", HDF5Matrix="HDF5Matrix", print_summary="print_summary"),
    },
    "wrappers": {"scikit_learn": "tahr.compat.scikit_learn"},
}  # fmt: skip

# What `compile` and constructors took as text.
_TEXTS = {"cosine_proximity": "cosine_similarity", "l1l2": "l1_l2", "maxnorm": "max_norm", "nonneg": "non_neg",
          "unitnorm": "unit_norm"}  # fmt: skip

GONE = {
    "layers.ParametricSoftplus": "use keras.layers.Activation('softplus') or PReLU",
    "layers.RandomHeight": "use keras.layers.RandomZoom(height_factor, 0.0)",
    "layers.RandomWidth": "use keras.layers.RandomZoom(0.0, width_factor)",
    "layers.SReLU": "use keras.layers.PReLU",
    "models.Graph": "make keras.Model(inputs, outputs) from symbols",
    "models.model_from_yaml": "YAML could run code when read; use to_json and keras.models.model_from_json",
    "optimizers.TFOptimizer": "use one of keras.optimizers",
    "utils.OrderedEnqueuer": "pass a PyDataset with workers=... to fit",
    "utils.GeneratorEnqueuer": "pass the generator, or a PyDataset with workers=..., to fit",
    "utils.multi_gpu_model": "a model needs no wrapper for several devices",
}


def today_of_text(identifier: Any) -> str | None:
    """Return today's name of a loss, regularizer or constraint that is given as text, or None.

    >>> from tahr.compat.names import today_of_text
    >>> today_of_text("maxnorm"), today_of_text("max_norm")
    ('max_norm', None)
    """
    today = _TEXTS.get(identifier) if isinstance(identifier, str) else None
    if today is not None:
        notice(repr(identifier), f"write {today!r}")
    return today


def old_name(room: str, name: str) -> Any:
    """Return what a room of Keras 1 or 2 had under a name that today's does not have.

    Args:
        room: name of the room, such as `layers`; empty for `keras` itself.
        name: the name asked for.

    Raises:
        AttributeError: if it had none; if it is gone for good, the message says what to use.

    >>> from tahr.compat.names import old_name
    >>> old_name("losses", "mse").__name__
    'mean_squared_error'
    """
    path = f"{room}.{name}" if room else name
    target = NAMES.get(room, {}).get(name)
    if target is None:
        if path in GONE:
            raise AttributeError(f"keras.{path} is gone: {GONE[path]}.")
        if room == "backend":
            from tahr.compat import backend

            return backend.find(name)
        raise AttributeError(f"module 'tahr{'.' if room else ''}{room}' has no attribute {name!r}")
    module, _, attribute = target.partition(":")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise AttributeError(f"keras.{path} needs {error.name}, which is not installed.") from error
    if attribute:
        found = getattr(found, attribute)
        own = module.removeprefix("tahr.")
        if not own.startswith("compat"):
            notice(f"{path}", f"write {own}.{attribute}")
    return found
