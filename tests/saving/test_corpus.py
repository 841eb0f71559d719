"""Every hostile file of the corpus is refused by every way in, in little memory, and nothing happens."""

import base64
import io
import json
import os
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import tahr as keras
from tahr.saving import UnreadableFileError, UnsafeFileError
from tahr.saving.commands import scan
from tests.saving.hostile import (
    CALLS,
    CONFIGS,
    HDF5,
    SIZES,
    TARS,
    YAMLS,
    ZIPS,
    Change,
    changed_config,
    members_of,
    rezip,
    short,
    small,
)

pytestmark = pytest.mark.once
BYTES = 50 << 20
ENTRIES = sum(map(len, (CALLS, CONFIGS, SIZES, HDF5, ZIPS, TARS, YAMLS)))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    model = small()
    model.save(folder / "good.keras")
    model.save(folder / "good.h5")
    model.save_weights(folder / "good.weights.h5")
    for path in folder.iterdir():  # what is imported or compiled once is not the file's doing
        keras.saving.load_model(path) if "weights" not in path.name else model.load_weights(path)
    keras.layers.TFSMLayer, keras.layers.TorchModuleWrapper  # noqa: B018
    return folder


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[None]:
    """Let a block run with doors watched, and look at memory."""
    import builtins
    import importlib
    import os
    import socket
    import subprocess

    happened: list[str] = []

    def note(name: str, real: Any, matters: Callable[..., bool]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if matters(*args, **kwargs):
                happened.append(f"{name}{args!r:.80}")
            return real(*args, **kwargs)

        return call

    def outside(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> bool:
        name = str(file)
        return not isinstance(file, int) and (any(c in mode for c in "wax+") or not name.startswith(str(folder)))

    def always(*args: Any, **kwargs: Any) -> bool:
        return True

    def no_module(code: Any, *args: Any, **kwargs: Any) -> bool:
        return not Path(getattr(code, "co_filename", "")).is_file()  # a file of ours that is imported

    def foreign(name: str, *args: Any, **kwargs: Any) -> bool:
        return name.split(".")[0] in ("antigravity", "pickle", "marshal", "runpy", "joblib", "subprocess")

    real_open = builtins.open
    with monkeypatch.context() as patch:
        patch.setattr(builtins, "open", note("open", real_open, outside))
        patch.setattr(builtins, "exec", note("exec", exec, no_module))
        patch.setattr(builtins, "eval", note("eval", eval, always))
        patch.setattr(importlib, "import_module", note("import", importlib.import_module, foreign))
        patch.setattr(os, "system", note("system", os.system, always))
        patch.setattr(subprocess, "Popen", note("Popen", subprocess.Popen, always))
        patch.setattr(socket, "socket", note("socket", socket.socket, always))
        before = set(folder.parent.rglob("*"))
        tracemalloc.start()
        try:
            yield
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert happened == [] and set(folder.parent.rglob("*")) == before
    assert peak < BYTES, peak


def refuse(monkeypatch: pytest.MonkeyPatch, folder: Path, read: Callable[[], Any]) -> None:
    with watched(monkeypatch, folder), pytest.raises(UnsafeFileError):
        read()


def test_size_of_the_corpus() -> None:
    assert ENTRIES >= 60


@pytest.mark.parametrize("name", CONFIGS)
def test_configurations(name: str, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = members_of(good / "good.keras")
    config = changed_config(members, CONFIGS[name])
    packed = tmp_path / "bad.keras"
    packed.write_bytes(rezip({**members, "config.json": json.dumps(config).encode()}))
    folder = tmp_path / "bad"
    folder.mkdir()
    for member, content in {**members, "config.json": json.dumps(config).encode()}.items():
        (folder / member).write_bytes(content)
    legacy = tmp_path / "bad.h5"
    legacy.write_bytes((good / "good.h5").read_bytes())
    with h5py.File(legacy, "a") as h5:
        h5.attrs["model_config"] = json.dumps(short(config))
    ways: list[Callable[[], Any]] = [
        lambda: keras.saving.load_model(packed),
        lambda: keras.saving.load_model(packed, safe_mode=False),
        lambda: keras.saving.load_model(packed, on_unknown="placeholder"),
        lambda: keras.saving.load_model(folder),
        lambda: keras.saving.load_model(legacy),
        lambda: keras.models.model_from_json(json.dumps(config)),
        lambda: keras.Sequential.from_config(config["config"]),
        lambda: keras.saving.deserialize_keras_object(config),
        lambda: keras.saving.deserialize_keras_object(config, safe_mode=False),
        lambda: [keras.layers.deserialize(layer) for layer in config["config"]["layers"]],
    ]
    for way in ways:
        refuse(monkeypatch, tmp_path, way)
    assert scan([str(packed)]) == 1


@pytest.mark.parametrize("name", CALLS)
def test_calls(name: str, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call in a graph that its outputs do not even need."""
    x = keras.Input((2,))
    config = json.loads(keras.Model(x, keras.layers.Dense(2, name="d")(x)).to_json())
    call = CALLS[name]
    module = "keras.src.ops.core" if call["class_name"] == "Switch" else "keras.src.ops.numpy"
    config["config"]["layers"].append(
        {"module": module, "class_name": call["class_name"], "config": {"name": "dead", **call["config"]},
         "registered_name": None, "name": "dead", "inbound_nodes": [{"args": call["args"], "kwargs": {}}]}
    )  # fmt: skip
    bad = tmp_path / "bad.keras"
    bad.write_bytes(rezip({**members_of(good / "good.keras"), "config.json": json.dumps(config).encode()}))
    for way in (
        lambda: keras.saving.load_model(bad),
        lambda: keras.models.model_from_json(json.dumps(config)),
        lambda: keras.Model.from_config(config["config"]),
        lambda: keras.saving.deserialize_keras_object(config),
    ):
        refuse(monkeypatch, tmp_path, way)


@pytest.mark.parametrize(
    "make",
    [lambda x: keras.ops.linspace(x, x + 1, 10**9), lambda x: keras.ops.geomspace(x + 1, x + 2, 10**9, axis=-1),
     lambda x: keras.ops.logspace(x, 3, 10**9), keras.layers.MelSpectrogram(10**5, num_mel_bins=10**5)],
    ids=["linspace", "geomspace", "logspace", "MelSpectrogram"],
)  # fmt: skip
def test_graphs_of_large_results_compute_nothing(make: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = keras.Model(x := keras.Input((8,)), make(x))
    with watched(monkeypatch, tmp_path):
        assert keras.models.model_from_json(model.to_json()).output_shape == model.output_shape


@pytest.mark.parametrize("name", SIZES)
def test_declared_sizes(name: str, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = members_of(good / "good.keras")
    config = changed_config(members, SIZES[name])
    config.pop("build_config", None)
    (tmp_path / "bad.keras").write_bytes(rezip({**members, "config.json": json.dumps(config).encode()}))
    (tmp_path / "bad.h5").write_bytes((good / "good.h5").read_bytes())
    with h5py.File(tmp_path / "bad.h5", "a") as h5:
        h5.attrs["model_config"] = json.dumps(short(config))
    for path in ("bad.keras", "bad.h5"):
        refuse(monkeypatch, tmp_path, lambda path=path: keras.saving.load_model(tmp_path / path))


@pytest.mark.parametrize("name", HDF5)
def test_hdf5(name: str, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "bad.weights.h5"
    bad.write_bytes((good / "good.weights.h5").read_bytes())
    with h5py.File(bad, "a") as h5:
        del h5["layers/dense/vars/0"]
        HDF5[name](h5)
    (tmp_path / "bad.keras").write_bytes(
        rezip({**members_of(good / "good.keras"), "model.weights.h5": bad.read_bytes()})
    )
    legacy = tmp_path / "bad.h5"
    legacy.write_bytes((good / "good.h5").read_bytes())
    with h5py.File(legacy, "a") as h5:
        HDF5[name](h5)
    (tmp_path / "list.weights.json").write_text(
        json.dumps({"metadata": {}, "weight_map": {"/layers/dense/vars": ["bad.weights.h5"]}})
    )
    model = small()
    for way in (
        lambda: model.load_weights(bad),
        lambda: model.load_weights(tmp_path / "list.weights.json"),
        lambda: model.load_weights(tmp_path / "bad.keras"),
        lambda: keras.saving.load_model(tmp_path / "bad.keras"),
        lambda: keras.saving.load_model(tmp_path / "bad.keras", weights_only=True),
        lambda: keras.saving.load_model(legacy),
        lambda: keras.saving.KerasFileEditor(bad),
        lambda: keras.saving.KerasFileEditor(tmp_path / "bad.keras"),
    ):
        refuse(monkeypatch, tmp_path, way)
    for path in (bad, tmp_path / "bad.keras", legacy):
        assert scan([str(path)]) == 1


@pytest.mark.parametrize("name", ZIPS)
def test_zip(name: str, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tahr.saving.checkpoint import read_checkpoint

    bad = tmp_path / "bad.keras"
    bad.write_bytes(ZIPS[name](members_of(good / "good.keras")))
    for way in (
        lambda: keras.saving.load_model(bad),
        lambda: keras.saving.load_model(bad, weights_only=True),
        lambda: small().load_weights(bad),
        lambda: keras.saving.KerasFileEditor(bad),
        lambda: read_checkpoint(bad),
    ):
        refuse(monkeypatch, tmp_path, way)
    assert scan([str(bad)]) == 1


@pytest.mark.parametrize("name", TARS)
def test_tar(name: str, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tahr.utils.archives import extract

    bad = tmp_path / "bad.keras"
    bad.write_bytes(TARS[name])
    with pytest.raises(UnsafeFileError):
        extract(bad, tmp_path / "out" / "new", "tar")
    with pytest.raises(UnsafeFileError):
        keras.utils.get_file("bad.tar", bad.as_uri(), cache_dir=tmp_path / "cache", extract=True)
    written = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if not p.is_dir()}
    assert written <= {"bad.keras", "cache/datasets/bad.tar"}
    legacy = tmp_path / "bad.h5"
    legacy.write_bytes(TARS[name])
    for way in (
        lambda: keras.saving.load_model(bad),
        lambda: keras.saving.load_model(bad, on_unknown="placeholder"),
        lambda: small().load_weights(bad),
        lambda: small().load_weights(legacy),
    ):
        refuse(monkeypatch, tmp_path, way)
    assert scan([str(bad)]) == 1


@pytest.mark.parametrize("name", YAMLS)
def test_yaml(name: str, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(YAMLS[name])
    for way in (lambda: keras.saving.load_model(bad), lambda: small().load_weights(bad)):
        refuse(monkeypatch, tmp_path, way)
    assert scan([str(bad)]) == 1
    with watched(monkeypatch, tmp_path), pytest.raises((UnreadableFileError, UnsafeFileError)):
        keras.models.model_from_json(YAMLS[name])


def falsely_short(members: dict[str, bytes]) -> bytes:
    """Return a zip file whose first member unpacks to far more than both headers tell."""
    first = {"config.json": members["config.json"] + b" " * 100_000_000}
    data = bytearray(rezip({**first, **{k: v for k, v in members.items() if k not in first}}, zipfile.ZIP_DEFLATED))
    for at in (22, data.index(b"PK\x01\x02") + 24):
        struct.pack_into("<L", data, at, len(members["config.json"]))
    return bytes(data)


def falsely_named(members: dict[str, bytes]) -> bytes:
    """Return a zip file whose directory calls the member of weights otherwise than its own header."""
    data = bytearray(rezip(members))
    at = data.index(b"model.weights.h5")
    return bytes(data[:at] + b"MODEL" + data[at + 5 :])


def of_many_values(members: dict[str, bytes]) -> bytes:
    """Return a zip file with a text that takes twenty times its size as objects, which zip packs well."""
    text = b'["' + base64.b64encode(np.random.default_rng(0).bytes(30_000)) + b'"' + b",[]" * 8_000_000 + b"]"
    return rezip({**members, "config.json": text}, zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize(
    ("make", "error"),
    [(falsely_short, UnreadableFileError), (falsely_named, UnreadableFileError), (of_many_values, UnsafeFileError)],
    ids=["falsely short", "falsely named", "many values"],
)
def test_headers_that_lie(
    make: Any, error: type[Exception], good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad.keras").write_bytes(make(members_of(good / "good.keras")))
    with watched(monkeypatch, tmp_path), pytest.raises(error, match=r"bad\.keras"):
        keras.saving.load_model(tmp_path / "bad.keras")


@pytest.mark.parametrize(
    "names", [("assets/a", "assets/a/b"), ("assets/" + "a" * 300,)], ids=["file as folder", "long"]
)
def test_names_that_no_system_has(names: tuple[str, ...], good: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.keras").write_bytes(rezip({**members_of(good / "good.keras"), **dict.fromkeys(names, b"")}))
    with pytest.raises(UnreadableFileError, match=r"bad\.keras: .* cannot be unpacked"):
        keras.saving.load_model(tmp_path / "bad.keras")


def npy(dtype: str, shape: tuple[int, ...], content: bytes = b"") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue() + content


@pytest.mark.parametrize(
    "content",
    [npy("<f4", (1 << 28,)), npy("|O", (1,), b"\x80\x04K\x01."), npy("|V1000000000", (1,)), npy("<f4", (1 << 42,)),
     b"\x93NUMPY\x02\x00" + struct.pack("<L", 50_000_000) + b" " * 50_000_000],
    ids=["large", "objects", "type", "larger than memory", "header"],
)  # fmt: skip
def test_arrays_that_lie(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tahr.saving.checkpoint import read_checkpoint

    state = {"format": 1, "state": {"kind": "array", "index": 0, "dtype": "float32"}}
    members = {"state.json": json.dumps(state).encode(), "arrays/0.npy": content}
    (tmp_path / "bad.ckpt").write_bytes(rezip(members, zipfile.ZIP_DEFLATED))
    refuse(monkeypatch, tmp_path, lambda: read_checkpoint(tmp_path / "bad.ckpt"))
    assert scan([str(tmp_path / "bad.ckpt")]) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="the system has no such files")
@pytest.mark.parametrize("kind", ["pipe", "link"])
@pytest.mark.parametrize("place", ["", "config.json", "model.weights.h5", "assets/a"])
def test_folders_of_other_things(kind: str, place: str, good: Path, tmp_path: Path) -> None:
    """A pipe would never end to be read; what a link leads to is no part of the model."""
    folder = tmp_path / "bad"
    for name, content in {**members_of(good / "good.keras"), "assets/b": b""}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    odd = folder / place if place else tmp_path / "bad.keras"
    odd.unlink(missing_ok=True)
    os.mkfifo(odd) if kind == "pipe" else odd.symlink_to("/dev/zero")
    bad = folder if place else odd
    with pytest.raises(UnsafeFileError, match="a pipe"):
        keras.saving.load_model(bad)
    assert scan([str(bad)]) == 1


LINKS = {  # where the file of a snapshot may be a link to, by what is wrong with it
    "": "../../../blobs/{digest}",
    "an absolute path": "/etc/hostname",
    "another repository": "../../../../models--other--one/blobs/{digest}",
    "no digest": "../../../blobs/README.md",
    "not among the blobs": "../../../refs/{digest}",
    "another snapshot": "../../other/{digest}",
    "a link among the blobs": "../../../blobs/{link}",
    "endless": "./{own}",
}


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
@pytest.mark.parametrize("wrong", LINKS)
@pytest.mark.parametrize(
    "place", ["assets/a", "config.json", "model.weights.h5", "weights.safetensors", "s.weights.h5"]
)
def test_links_of_snapshots(place: str, wrong: str, good: Path, tmp_path: Path) -> None:
    """The cache of Hugging Face is made of links to `blobs` of the same repository; no others are followed."""
    repository, digest, link = tmp_path / "models--me--small", "5e" * 32, "0f" * 20
    folder = repository / "snapshots" / "1c" / "model"
    model = keras.saving.load_model(good / "good.keras")
    folder.mkdir(parents=True)
    keras.saving.save_safetensors(model, folder / "weights.safetensors")
    model.save_weights(folder / "s.weights.h5")
    index = {v.path: "weights.safetensors" for v in model.weights}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    (folder / "model.weights.json").write_text(json.dumps({"weight_map": {"/layers/dense/vars": "s.weights.h5"}}))
    for name, content in {**members_of(good / "good.keras"), "assets/a": b"text"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    content = (folder / place).read_bytes()
    (folder / place).unlink()
    up = "../" if "/" in place and LINKS[wrong].startswith("../") else ""
    (folder / place).symlink_to(up + LINKS[wrong].format(digest=digest, link=link, own=Path(place).name))
    for name in (repository / "blobs" / digest, repository / "blobs" / "README.md", repository / "refs" / digest,
                 folder.parents[1] / "other" / digest, tmp_path / "models--other--one" / "blobs" / digest,
                 tmp_path / "elsewhere"):  # fmt: skip
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_bytes(content)
    (repository / "blobs" / link).symlink_to(tmp_path / "elsewhere")

    def read() -> None:
        keras.saving.load_model(folder)
        model.load_weights(folder / "model.safetensors.index.json")
        model.load_weights(folder / "model.weights.json")

    if wrong:
        with pytest.raises(UnsafeFileError, match="is a link, which may lead"):
            read()
    else:
        read()
    assert scan([str(folder)]) == (1 if wrong else 0)


def test_models_in_models_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Forty models, each calling the one before twice, would call the first one 2 ** 40 times."""
    model = keras.Model(x := keras.Input((None, 2)), keras.layers.Dense(2)(x))
    for _ in range(40):
        model = keras.Model(x := keras.Input((None, 2)), model(model(x)))
    text = model.to_json()
    assert keras.models.model_from_json(text).output_shape == (None, None, 2)
    config = json.loads(text)
    whole = keras.Model(x := keras.Input((5, 2)), keras.layers.ReLU()(x))
    outer = json.loads(whole.to_json())
    relu = outer["config"]["layers"][1]
    outer["config"]["layers"][1] = {**config, "name": relu["name"], "inbound_nodes": relu["inbound_nodes"]}
    for way in (
        lambda: keras.models.model_from_json(json.dumps(outer)),
        lambda: keras.Model.from_config(outer["config"]),
    ):
        refuse(monkeypatch, tmp_path, way)


@pytest.mark.parametrize("name", ["CVE-2025-1550 subprocess", "CVE-2024-3660 lambda"])
def test_in_isolation(name: str, good: Path, tmp_path: Path) -> None:
    members = members_of(good / "good.keras")
    content = {**members, "config.json": json.dumps(changed_config(members, CONFIGS[name])).encode()}
    (tmp_path / "bad.keras").write_bytes(rezip(content))
    with pytest.raises(UnsafeFileError, match=r"bad\.keras"):
        keras.saving.load_model(tmp_path / "bad.keras", isolate=True)
    assert keras.saving.load_model(good / "good.keras", isolate=True).name == "small"


LIMITED = """
import os, pathlib, socket, subprocess, sys, tempfile
import numpy as np
from tahr.saving.isolation import _limit, _shut

def write():
    with open("large", "wb") as file:
        for _ in range(300):
            file.write(bytes(1 << 20))

_limit(200 << 20)
_shut()
held = []
for what in (
    lambda: np.ones(1 << 29, "u1"), write, lambda: held.extend(open(os.devnull) for _ in range(300)),
    lambda: socket.create_connection(("127.0.0.1", 9)), lambda: subprocess.run(["true"]), os.fork,
    lambda: os.system("true"),
):
    try:
        what()
        print("done")
    except Exception as error:
        print(type(error).__name__)
    held.clear()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the system sets no such limits")
def test_limits_of_isolation(tmp_path: Path) -> None:
    """Memory, written bytes, open files, network, and other processes."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stdout.split() == ["MemoryError", "OSError", "OSError", *["UnsafeFileError"] * 4]


BARRED = """
import ctypes, os
from tahr.saving.isolation import _bar

print(_bar())
library = ctypes.CDLL(None, use_errno=True)
for call, arguments in (("socket", (2, 1, 0)), ("fork", ()), ("execl", (b"/bin/true", b"true", None))):
    print(getattr(library, call)(*arguments), ctypes.get_errno())
print(os.path.isfile(os.devnull), len(os.listdir("/")) > 0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such filter")
def test_linux_itself_refuses_connections_and_processes() -> None:
    """Also to what goes past Python and its audit hooks, as a flaw in a C library would."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, "-c", BARRED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True, env=environment)
    barred, *calls, others = done.stdout.splitlines()
    if barred != "True":
        pytest.skip("this kernel or architecture has no filter of calls")
    assert calls == ["-1 1"] * 3 and others == "False True"


@pytest.mark.skipif(sys.platform == "win32", reason="the system has no signals")
def test_a_reader_that_breaks_breaks_its_process(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nkill -SEGV $$\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(UnreadableFileError, match="signal 11"):
        keras.saving.load_model(good / "good.keras", isolate=True)


def test_shapes_of_changes() -> None:
    for change in (*CONFIGS.values(), *SIZES.values()):
        config: dict[str, Any] = {"config": {"layers": [{}, {"config": {}}]}}
        applied: Change = change
        applied(config)
        assert len(config["config"]["layers"]) == 3 or config["config"]["layers"][1]["config"]
