"""Nested data in a checkpoint file come back as they were."""

import math
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tahr import backends, ops
from tahr.saving import UnsafeFileError
from tahr.saving.checkpoint import read_checkpoint, write_checkpoint

VALUES: list[Any] = [
    None,
    True,
    -3,
    2**70,
    0.1,
    "text \N{SNOWMAN}",
    [],
    [1, [2.5, None]],
    (1, ("a", [2])),
    {"a": {"b": [1]}, 3: "whole numbers as keys", (1, 2): None},
    {"kind": "dict", "items": "no mark of the file's own"},
    math.inf,
]
ARRAYS = [
    np.arange(6, dtype="float32").reshape(2, 3).T,
    np.float32(0.1),
    np.array(True),
    np.zeros((0, 3), "uint8"),
    np.array([1 + 2j]),
    np.array(["a", "bcd"]),
    np.array([1.5, -0.0, np.nan], ml_dtypes.bfloat16),
    np.ones((2, 2), ml_dtypes.float8_e4m3fn),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_data(value: Any, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "a.ckpt", value)
    assert read_checkpoint(tmp_path / "a.ckpt") == value


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype.name} {a.shape}")
def test_arrays(array: Any, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "a.ckpt", {"inside": [array]})
    found = read_checkpoint(tmp_path / "a.ckpt")["inside"][0]
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == np.ascontiguousarray(array).tobytes()


def test_tensors_come_back_as_arrays(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "a.ckpt", [ops.array([1.0, 2.0])])
    found = read_checkpoint(tmp_path / "a.ckpt")[0]
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, backends.current().to_numpy(ops.array([1.0, 2.0])))


@pytest.mark.parametrize(
    "value", [object(), {"a": [print]}, np.array([None]), {1, 2}], ids=["object", "function", "objects", "set"]
)
def test_anything_else_is_refused_and_leaves_the_old_file(value: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    write_checkpoint(path, 1)
    with pytest.raises(TypeError, match="A checkpoint holds numbers"):
        write_checkpoint(path, {"x": value})
    assert read_checkpoint(path) == 1


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": 2, "state": 1}', '{"format": 1, "state": {}}', '{"format": 1, "state": {"kind": "x"}}',
     '{"format": 1, "state": {"kind": "array", "index": 0, "dtype": "float32"}}'],
)  # fmt: skip
def test_other_content_is_unreadable(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("state.json", text)
    with pytest.raises(OSError, match=r"a\.ckpt"):
        read_checkpoint(path)


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("state.json", '{"format": 1, "state": {"kind": "array", "index": 0, "dtype": "object"}}')
        with archive.open("arrays/0.npy", "w") as file:
            np.lib.format.write_array(file, np.array([None]), allow_pickle=True)
    with pytest.raises(UnsafeFileError, match="Python objects"):
        read_checkpoint(path)
