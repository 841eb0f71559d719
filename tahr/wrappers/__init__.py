"""Models as estimators of scikit-learn, for its pipelines, searches and scores; with the extra `sklearn`."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tahr.wrappers.estimators import SKLearnClassifier, SKLearnRegressor, SKLearnTransformer

__all__ = ["SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        from tahr.compat.names import old_name

        return old_name("wrappers", name)
    try:
        found = getattr(importlib.import_module("tahr.wrappers.estimators"), name)
    except ModuleNotFoundError as error:
        raise ImportError(f"{name} needs scikit-learn. Install it with: pip install 'tahr[sklearn]'") from error
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
