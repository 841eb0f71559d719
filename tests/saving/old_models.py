"""The files of older Keras in `tests/data`, the inputs that their recorded outputs belong to, and custom classes."""

import functools
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tahr import layers, ops

DATA = Path(__file__).resolve().parents[1] / "data"
MODELS = DATA / "models"


@functools.cache
def packed() -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO((DATA / "legacy_files.zip").read_bytes()))


@functools.cache
def expected() -> dict[str, Any]:
    return json.loads(packed().read("expected.json"))


def put(name: str, folder: Path) -> Path:
    (folder / name).write_bytes(packed().read(name))
    return folder / name


def waves(*shape: int, step: float = 0.1) -> np.ndarray:
    return np.sin(step * np.arange(np.prod(shape))).reshape(shape).astype("float32")


def onehot(*shape: int) -> np.ndarray:
    k = np.arange(np.prod(shape[:-1]))
    return np.eye(4)[(7 * k + k // 3) % 4].reshape(shape).astype("float32")


def inputs_of(case: str) -> Any:
    """Return the inputs that the outputs of a case in `legacy_files.zip` were recorded for."""
    if "shape" in expected()[case]:
        shape, count = expected()[case]["shape"], expected()[case]["ints"]
        return (np.arange(np.prod(shape)) % count).reshape(shape).astype("float32") if count else waves(*shape)
    kind, _, name = case.partition("_")
    second = np.cos(0.1 * np.arange(10)).reshape(2, 5).astype("float32")
    if kind == "frozen":
        return np.ones((2, 4), "float32")
    return {
        "ops": waves(3, 6), "rnn": (np.arange(15) % 9).reshape(3, 5).astype("float32"), "frozen": waves(3, 6, 6, 2),
        "nested": waves(3, 6, 6, 2), "attention": waves(2, 4, 3), "dicts": {"a": waves(2, 4), "b": waves(2, 3)},
        "cudnn_lstm": waves(2, 5, 3), "cudnn_gru": waves(2, 5, 3), "cudnn_bilstm": waves(2, 5, 3),
        "graph": [waves(2, 5), second], "merge": [waves(2, 4), second],
    }.get(name, waves(3, 4))  # fmt: skip


class ConvDNA(layers.Conv1D):
    """A convolution whose config has an argument of its own, as MMSplice has it."""

    def __init__(self, filters: int, kernel_size: Any, seq_length: Any = None, **kwargs: Any):
        super().__init__(filters, kernel_size, **kwargs)
        self.seq_length = seq_length


class AttentionWeightedAverage(layers.Layer):
    """The mean of steps weighted by a softmax over them."""

    def build(self, input_shape: Any) -> None:
        self.W = self.add_weight((input_shape[-1], 1), "uniform", name=f"{self.name}_W")

    def call(self, x: Any) -> Any:
        return ops.sum(x * ops.softmax(ops.matmul(x, self.W), axis=1), axis=1)
