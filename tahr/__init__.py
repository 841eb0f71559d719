"""tahr: Keras, from the first layer to production. `import tahr as keras` runs Keras programs.

Everything is resolved when first used, so importing tahr loads no framework.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_ROOMS = (
    "activations",
    "adapt",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "dtype_policies",
    "export",
    "initializers",
    "layers",
    "legacy",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "naming",
    "ops",
    "optimizers",
    "quantizers",
    "preprocessing",
    "random",
    "regularizers",
    "saving",
    "tree",
    "utils",
    "visualization",
    "wrappers",
)
_NAMES = {
    "DTypePolicy": "dtype_policies",
    "FloatDTypePolicy": "dtype_policies",
    "Function": "models",
    "Initializer": "initializers",
    "Input": "layers",
    "InputSpec": "layers",
    "KerasTensor": "symbolic",
    "Layer": "layers",
    "Loss": "losses",
    "Metric": "metrics",
    "Model": "models",
    "Operation": "symbolic",
    "Optimizer": "optimizers",
    "Quantizer": "quantizers",
    "Regularizer": "regularizers",
    "RematScope": "rematerialization",
    "Sequential": "models",
    "StatelessScope": "variables",
    "SymbolicScope": "variables",
    "Variable": "variables",
    "compare": "comparison",
    "device": "autodiff",
    "grad": "autodiff",
    "hessian": "autodiff",
    "jacobian": "autodiff",
    "jvp": "ops",
    "name_scope": "naming",
    "remat": "rematerialization",
    "value_and_grad": "autodiff",
    "vjp": "autodiff",
    "vmap": "autodiff",
}

if TYPE_CHECKING:
    from tahr.autodiff import device, grad, hessian, jacobian, value_and_grad, vjp, vmap
    from tahr.comparison import compare
    from tahr.dtype_policies import DTypePolicy, FloatDTypePolicy
    from tahr.initializers import Initializer
    from tahr.layers import Input, InputSpec, Layer
    from tahr.losses import Loss
    from tahr.metrics import Metric
    from tahr.models import Function, Model, Sequential
    from tahr.naming import name_scope
    from tahr.ops import jvp
    from tahr.optimizers import Optimizer
    from tahr.quantizers import Quantizer
    from tahr.regularizers import Regularizer
    from tahr.rematerialization import RematScope, remat
    from tahr.symbolic import KerasTensor, Operation
    from tahr.variables import StatelessScope, SymbolicScope, Variable

__all__ = [*_ROOMS, *_NAMES, "version"]  # pyright: ignore[reportUnsupportedDunderAll]


def version() -> str:
    """Return tahr's version.

    >>> keras.version() == keras.__version__
    True
    """
    return __version__


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        found = getattr(importlib.import_module(f"tahr.{_NAMES[name]}"), name)
    elif name in _ROOMS:
        found = importlib.import_module(f"tahr.{name}")
    else:
        from tahr.compat.names import old_name

        return old_name("", name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
