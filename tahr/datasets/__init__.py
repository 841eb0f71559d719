"""Small data sets, each a module with `load_data`: digits comes with tahr, the others are downloaded once."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tahr.datasets import (
        boston_housing,
        california_housing,
        cifar10,
        cifar100,
        digits,
        fashion_mnist,
        imdb,
        mnist,
        reuters,
    )

__all__ = [
    "boston_housing",
    "california_housing",
    "cifar10",
    "cifar100",
    "digits",
    "fashion_mnist",
    "imdb",
    "mnist",
    "reuters",
]


def __getattr__(name: str) -> ModuleType:
    if name not in __all__:
        raise AttributeError(f"module 'tahr.datasets' has no attribute {name!r}")
    return importlib.import_module(f"tahr.datasets.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
