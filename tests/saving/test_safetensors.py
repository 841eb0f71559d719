"""Weights in safetensors files: as others write and read them, whole or in shards, and nothing else gets in."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers
from tahr.saving import UnreadableFileError, UnsafeFileError
from tests.saving.models import MODELS, inputs_of, outputs_of, scramble


@pytest.mark.parametrize("name", ["sequential", "nested", "batch_normalization", "lstm", "mixed"])
def test_round_trip(name: str, tmp_path: Path) -> None:
    keras.utils.clear_session()
    model, x = scramble(MODELS[name]()), inputs_of(name)
    keras.saving.save_safetensors(model, tmp_path / "a.safetensors")
    keras.utils.clear_session()
    again = MODELS[name]()
    report = again.load_weights(tmp_path / "a.safetensors", strict=True)
    assert report.complete and len(report.loaded) == len(model.weights)
    for a, b in zip(outputs_of(model, x), outputs_of(again, x), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def small(units: int = 3) -> Any:
    return keras.Sequential([keras.Input((2,)), layers.Dense(units, name="d"), layers.Dense(1, name="e")], name="m")


def test_shards(tmp_path: Path) -> None:
    model = scramble(small())
    keras.saving.save_safetensors(model, tmp_path / "a.safetensors", max_shard_size=3e-8)
    index = json.loads((tmp_path / "a.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(4 * v.size for v in model.weights)
    files = set(index["weight_map"].values())
    assert len(files) > 1 and all(f"-of-{len(files):05d}.safetensors" in name for name in files)
    again = small()
    again.load_weights(tmp_path / "a.safetensors.index.json")
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])
    for name in ("../a.safetensors", "/etc/passwd", "b/a.safetensors", "..", "a.pkl"):
        index["weight_map"]["m/d/kernel"] = name
        (tmp_path / "a.safetensors.index.json").write_text(json.dumps(index))
        with pytest.raises(UnsafeFileError, match="beside"):
            again.load_weights(tmp_path / "a.safetensors.index.json")


def test_names_and_mismatches(tmp_path: Path) -> None:
    model, path = scramble(small()), tmp_path / "a.safetensors"
    names = {v.path: v.path.replace("/", ".") for v in model.weights}
    keras.saving.save_safetensors(model, path, names=names, metadata={"license": "mine"})
    assert sorted(keras.saving.read_safetensors(path)) == sorted(names.values())
    again = small()
    with pytest.raises(ValueError, match="no array of that name"):
        again.load_weights(path)
    assert keras.saving.load_safetensors(again, path, names=names).complete
    np.testing.assert_array_equal(again.get_weights()[2], model.get_weights()[2])
    wide, before = small(4), small(4).get_weights()
    with pytest.raises(ValueError, match=r"shape \(2, 4\)"):
        keras.saving.load_safetensors(wide, path, names=names)
    with pytest.warns(UserWarning, match="shape"):
        report = keras.saving.load_safetensors(wide, path, names=names, skip_mismatch=True)
    assert len(report.mismatched) == 3 and len(before) == 4
    with pytest.raises(ValueError, match="no place for"):
        keras.saving.load_safetensors(again, path, names=dict(list(names.items())[:0]), skip_mismatch=True, strict=True)
    with pytest.raises(ValueError, match=r"\.safetensors"):
        keras.saving.save_safetensors(model, tmp_path / "a.bin")


def header(entries: Any, data: bytes = b"\0" * 16) -> bytes:
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text + data


F32 = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
BAD: dict[str, bytes] = {
    "empty": b"",
    "short": b"\x01\0\0",
    "header longer than the file": (1 << 40).to_bytes(8, "little") + b"{}",
    "no JSON": header(b"nope"),
    "deep JSON": header(b"[" * 100_000),
    "a list": header([1]),
    "unknown type": header({"a": {**F32, "dtype": "PY"}}),
    "negative size": header({"a": {**F32, "shape": [-2, -2]}}),
    "fractional size": header({"a": {**F32, "shape": [2.0, 2]}}),
    "huge size": header({"a": {**F32, "shape": [1 << 40, 1 << 40]}}),
    "size of another": header({"a": {**F32, "shape": [2, 3]}}),
    "before the data": header({"a": {**F32, "data_offsets": [-16, 0]}}),
    "beyond the data": header({"a": {**F32, "data_offsets": [16, 32]}}),
    "overlap": header({"a": F32, "b": {**F32, "data_offsets": [8, 24]}}, b"\0" * 24),
    "gap": header({"a": F32, "b": {**F32, "data_offsets": [20, 36]}}, b"\0" * 36),
    "more than listed": header({"a": F32}, b"\0" * 20),
    "less than listed": header({"a": F32}, b"\0" * 12),
    "a name twice": header(b'{"a":' + json.dumps(F32).encode() + b',"a":' + json.dumps(F32).encode() + b"}"),
}


@pytest.mark.once
@pytest.mark.parametrize("name", BAD)
def test_bad_files(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(BAD[name])
    with pytest.raises(UnreadableFileError, match=r"bad\.safetensors"):
        keras.saving.read_safetensors(path)


@pytest.mark.once
def test_all_types(tmp_path: Path) -> None:
    import ml_dtypes

    from tahr.saving.safetensors import TYPES, write_safetensors

    arrays = {n: np.arange(6).reshape(2, 3).astype(getattr(ml_dtypes, n, n)) for n in TYPES.values()}
    arrays["scalar"], arrays["none"] = np.float32(3), np.zeros((0, 2), "float32")
    write_safetensors(tmp_path / "a.safetensors", {k: np.asarray(v) for k, v in arrays.items()})
    for mapped in (False, True):
        found = keras.saving.read_safetensors(tmp_path / "a.safetensors", mapped=mapped)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype
    with pytest.raises(ValueError, match="lacks"):
        write_safetensors(tmp_path / "b.safetensors", {"a": np.array(["text"])})
    assert not (tmp_path / "b.safetensors").exists()
