"""Files are only data: whatever else a file holds, reading it raises an error that names it, and nothing happens."""

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import tahr as keras
from tahr import layers
from tahr.saving import UnreadableFileError, UnsafeFileError
from tahr.saving.archive import Archive
from tahr.saving.hdf5 import h5_reading
from tahr.saving.hdf5_headers import attribute_values, text_lengths


def small() -> Any:
    return keras.Sequential([keras.Input((2,)), layers.Dense(2, name="d")])


@pytest.fixture
def good(tmp_path: Path) -> Path:
    small().save(tmp_path / "good.keras")
    return tmp_path / "good.keras"


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, content: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


# ---- zip members ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up", "assets/../../up", "a\\b", "C:/x", "assets/..", "\\\\host\\x"]
)
def test_names_that_lead_outside(name: str, good: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "bad.keras", {**members(good), name: b"x"})
    with pytest.raises(UnsafeFileError, match=r"bad\.keras.*outside"):
        keras.saving.load_model(path)


def test_duplicate_members(good: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "bad.keras", members(good))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("config.json", b"{}")
    with pytest.raises(UnsafeFileError, match="twice"):
        keras.saving.load_model(path)


def test_links_as_members(good: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "bad.keras", members(good))
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("assets/link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(UnsafeFileError, match="link"):
        keras.saving.load_model(path)


def test_other_packings(good: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "bad.keras", members(good), zipfile.ZIP_LZMA)
    with pytest.raises(UnsafeFileError, match="method 14"):
        keras.saving.load_model(path)
    packed = write(tmp_path / "packed.keras", members(good), zipfile.ZIP_DEFLATED)
    assert keras.saving.load_model(packed).layers[0].name == "d"


def test_declared_sizes(good: Path, tmp_path: Path) -> None:
    bomb = write(tmp_path / "bomb.keras", {**members(good), "config.json": b" " * 70_000_000}, zipfile.ZIP_DEFLATED)
    with pytest.raises(UnsafeFileError, match="declares 70,000,000 bytes"):
        keras.saving.load_model(bomb)
    data = bytearray(write(tmp_path / "lie.keras", members(good)).read_bytes())
    start = data.index(b"PK\x01\x02")
    struct.pack_into("<L", data, start + 24, 1 << 30)
    (tmp_path / "lie.keras").write_bytes(data)
    with pytest.raises(UnsafeFileError, match="declares 1,073,741,824 bytes"):
        keras.saving.load_model(tmp_path / "lie.keras")


def test_overlapping_members(tmp_path: Path) -> None:
    first = write(tmp_path / "bad.keras", {"a": b"x" * 100, "b": b"y" * 100})
    data = bytearray(first.read_bytes())
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    struct.pack_into("<L", data, second + 42, 10)  # the second member starts inside the first
    first.write_bytes(data)
    with pytest.raises((UnsafeFileError, UnreadableFileError), match=r"bad\.keras"):
        Archive(first)


# ---- damage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("ending", ["keras", "weights.h5"])
def test_cut_off(share: float, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"model.{ending}"
    model = small()
    (model.save if ending == "keras" else model.save_weights)(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    before = model.get_weights()
    with pytest.raises(UnreadableFileError, match=f"model.{ending}"):
        keras.saving.load_model(path) if ending == "keras" else model.load_weights(path)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_flipped_bits(good: Path) -> None:
    """A changed byte is noticed wherever it makes a difference; it never crashes and never loads another model."""
    data, random = good.read_bytes(), np.random.default_rng(0)
    wanted = keras.saving.load_model(good).get_weights()
    noticed = 0
    for at in random.integers(0, len(data), 60):
        changed = bytearray(data)
        changed[at] ^= 1 << int(random.integers(8))
        good.write_bytes(changed)
        try:
            found = keras.saving.load_model(good).get_weights()
        except (UnreadableFileError, UnsafeFileError):
            noticed += 1
        else:
            assert all(np.array_equal(a, b) for a, b in zip(wanted, found, strict=True))
    assert noticed > 40


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"not a model", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n" + b"\0" * 90]
)
@pytest.mark.parametrize("ending", ["keras", "h5", "weights.h5"])
def test_other_content(content: bytes, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{ending}"
    path.write_bytes(content)
    read: Callable[[Any], Any] = small().load_weights if ending == "weights.h5" else keras.saving.load_model
    with pytest.raises(UnreadableFileError, match=rf"x\.{ending}"):
        read(path)


def test_missing(tmp_path: Path) -> None:
    for read in (keras.saving.load_model, small().load_weights):
        with pytest.raises(FileNotFoundError, match=r"none\.keras"):
            read(tmp_path / "none.keras")
        with pytest.raises(ValueError, match=r"none\.keras"):  # as scripts written for Keras expect
            read(tmp_path / "none.keras")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"class_name": 3}', "[" * 5000, '{"a":' * 2000])
def test_config_without_a_model(text: str, good: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "bad.keras", {**members(good), "config.json": text.encode()})
    with pytest.raises((UnreadableFileError, TypeError), match=r"bad\.keras|Unknown class"):
        keras.saving.load_model(path)


def test_missing_members(good: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.weights.h5"):
        path = write(tmp_path / "bad.keras", {k: v for k, v in members(good).items() if k != name})
        with pytest.raises(UnreadableFileError, match=name):
            keras.saving.load_model(path)


# ---- code -----------------------------------------------------------------------------------------------------------


def with_config(good: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    content = members(good)
    config = json.loads(content["config.json"])
    change(config)
    return write(tmp_path / "bad.keras", {**content, "config.json": json.dumps(config).encode()})


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"), ("builtins", "eval"), ("subprocess", "Popen"), ("keras.src.utils", "get_file"),
        ("tahr.saving.model_file", "load_model"), ("tahr.layers.layer", "importlib"), ("numpy", "save"),
        ("keras.layers", "importlib"), ("keras.layers.core", "Any"),
    ],
)  # fmt: skip
def test_nothing_is_imported(module: str, name: str, good: Path, tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        evil = {"module": module, "class_name": name, "config": {"command": "touch pwned"}, "registered_name": name}
        config["config"]["layers"].append(evil)

    with pytest.raises(TypeError, match=f"Unknown class {name!r}"):
        keras.saving.load_model(with_config(good, tmp_path, change))


@pytest.mark.parametrize("name", ["eval", "exec", "os.system", "__import__", "load_model", "print"])
def test_functions_are_listed_ones(name: str, good: Path, tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        function = {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
        config["config"]["layers"][1]["config"]["activation"] = function

    with pytest.raises((TypeError, ValueError), match=name.replace(".", r"\.")):
        keras.saving.load_model(with_config(good, tmp_path, change))


CODE = {"class_name": "__lambda__", "config": {"value": ["4wEAAAAAAAAA", None, None]}}


@pytest.mark.parametrize("function", [CODE, CODE["config"]["value"]], ids=["keras3", "keras2"])
@pytest.mark.parametrize("safe_mode", [True, False])
def test_lambda_is_refused(function: Any, safe_mode: bool, good: Path, tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        config["config"]["layers"][1] = {
            "module": "keras.layers", "class_name": "Lambda", "registered_name": None,
            "config": {"name": "l", "function": function, "function_type": "lambda"},
        }  # fmt: skip

    with pytest.raises((UnsafeFileError, TypeError), match="register_keras_serializable"):
        keras.saving.load_model(with_config(good, tmp_path, change), safe_mode=safe_mode)


def test_saving_a_lambda_says_what_to_do(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,)), layers.Lambda(lambda x: 2 * x)])
    with pytest.raises(TypeError, match="register_keras_serializable"):
        model.save(tmp_path / "model.keras")
    assert not list(tmp_path.iterdir())


# ---- HDF5 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["earliest", "latest"])
@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize("before", [0, 512])
def test_texts_in_all_forms_of_headers_are_read(form: str, tracked: bool, before: int, tmp_path: Path) -> None:
    """Their lengths are found in each; a header grows by further blocks when attributes come one after the other."""
    texts = {f"text {i}": "x" * 97 * (i + 1) for i in range(7)}
    with h5py.File(tmp_path / "a.h5", "w", libver=form, userblock_size=before) as h5:
        group = h5.create_group("layers/dense/vars", track_order=tracked)
        for at, name in enumerate(texts):
            group.attrs[name] = [texts[name], "y"] if at % 2 else texts[name]
            h5.create_group(f"between {at}")
        group.create_dataset("0", data=[*texts.values()], dtype=h5py.string_dtype())
    with h5_reading(str(tmp_path / "a.h5"), "a.h5") as h5:
        owner = h5["layers/dense/vars"]
        assert [np.ravel(owner.attrs[name])[0] for name in texts] == [*texts.values()]
        assert [text.decode() for text in owner["0"][()]] == [*texts.values()]
        address = h5py.h5o.get_info(owner.id).addr
        with open(tmp_path / "a.h5", "rb") as file:
            values = attribute_values(file, before, address, 8, 8)
    found = {name.decode(): [*text_lengths(value, 8)] for name, value in values.items()}
    assert found == {name: [len(text), 1] if i % 2 else [len(text)] for i, (name, text) in enumerate(texts.items())}


def external_link(h5: h5py.File) -> None:
    h5["layers/dense/vars/0"] = h5py.ExternalLink("/etc/passwd", "/x")


def soft_link(h5: h5py.File) -> None:
    h5["layers/dense/vars/0"] = h5py.SoftLink("/layers/dense/vars/1")


def dangling_link(h5: h5py.File) -> None:
    h5["layers/link"] = h5py.SoftLink("/nowhere")


def external_storage(h5: h5py.File) -> None:
    h5.create_dataset("layers/dense/vars/0", (2, 2), "f4", external=[("/etc/passwd", 0, 16)])


def virtual(h5: h5py.File) -> None:
    layout = h5py.VirtualLayout((2, 2), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (2, 2))
    h5.create_virtual_dataset("layers/dense/vars/0", layout)


def huge(h5: h5py.File) -> None:
    h5.create_dataset("layers/dense/vars/0", (1 << 40,), "f4")


def huge_chunks(h5: h5py.File) -> None:
    h5.create_dataset("layers/dense/vars/0", (1 << 20, 1 << 20), "f4", chunks=(1 << 14, 1 << 14), compression="gzip")


def references(h5: h5py.File) -> None:
    h5.create_dataset("layers/dense/vars/0", (2,), dtype=h5py.ref_dtype)


def endless(h5: h5py.File) -> None:
    group = h5
    for _ in range(400):
        group = group.create_group("g")


@pytest.mark.parametrize(
    "make",
    [external_link, soft_link, dangling_link, external_storage, virtual, huge, huge_chunks, references, endless],
)
@pytest.mark.parametrize("inside", [False, True], ids=["h5", "zip"])
def test_hdf5_is_plain(make: Callable[[h5py.File], None], inside: bool, good: Path, tmp_path: Path) -> None:
    model = small()
    path = tmp_path / "bad.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "a") as h5:
        if "layers/dense/vars/0" in h5:
            del h5["layers/dense/vars/0"]
        make(h5)
    before = model.get_weights()
    if inside:
        path = write(tmp_path / "bad.keras", {**members(good), "model.weights.h5": path.read_bytes()})
    with pytest.raises(UnsafeFileError, match=r"bad\.(weights\.h5|keras)"):
        keras.saving.load_model(path) if inside else model.load_weights(path)
    np.testing.assert_array_equal(before[0], model.get_weights()[0])


@pytest.mark.once
def test_hdf5_cycles_end(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "cycle.h5", "w") as h5:
        h5.create_group("a")["again"] = h5["/"]
    with h5_reading(tmp_path / "cycle.h5", "cycle.h5") as h5:
        assert list(h5) == ["a"]


@pytest.mark.parametrize("name", ["../w_00000.weights.h5", "/w.weights.h5", "a/b.weights.h5", "..", "", "a\\b.h5"])
def test_shards_are_beside_their_list(name: str, tmp_path: Path) -> None:
    model = small()
    model.save_weights(tmp_path / "w.weights.h5", max_shard_size=1.0)
    listed = tmp_path / "w.weights.json"
    content = json.loads(listed.read_text())
    content["weight_map"]["/layers/dense/vars"] = [name]
    listed.write_text(json.dumps(content))
    with pytest.raises(UnsafeFileError, match="not beside"):
        model.load_weights(listed)
    listed.write_text("[]")
    with pytest.raises(UnreadableFileError, match=r"w\.weights\.json"):
        model.load_weights(listed)


def test_reading_leaves_the_file_system_alone(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names inside a file are keys: they never reach `open`."""
    opened: list[str] = []
    real = io.open

    def note(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        opened.append(f"{mode} {file}")
        return real(file, mode, *args, **kwargs)

    monkeypatch.setattr("builtins.open", note)
    keras.saving.load_model(good)
    strange = [e for e in opened if os.fspath(tmp_path) not in e and "tmp" in e and "/compiled/" not in e]
    assert strange == []
    assert all(entry.startswith("r") for entry in opened)


@pytest.mark.parametrize("name", ["../../pwned", "/pwned", "..", "a/../../../pwned", "C:\\pwned", "link"])
def test_names_of_layers_are_no_paths(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2026-12479: what a layer with assets is called says nothing about where they are written."""
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(inside))
    lookup = layers.StringLookup(vocabulary=["x", "y"], name="words")
    model = keras.Sequential([keras.Input((1,), dtype="string"), lookup])
    model.save(inside / "good.keras")
    content = members(inside / "good.keras")
    content["config.json"] = content["config.json"].replace(b'"words"', json.dumps(name).encode())
    path = write(inside / "named.keras", {k: v for k, v in content.items() if not k.startswith("tahr/")})
    try:
        again = keras.saving.load_model(path)
    except ValueError as error:
        assert "name" in str(error)
    else:
        assert again.layers[0].name == name
        again.save(inside / "again.keras")
    written = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert written <= {f"a/b/{n}.keras" for n in ("good", "named", "again")}
