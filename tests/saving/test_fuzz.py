"""Damaged files of every format: an error of files or the whole content, never a crash, a hang or a half load."""

import contextlib
import copy
import functools
import io
import json
import platform
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import tahr as keras
from tahr import layers
from tahr.saving import UnreadableFileError, UnsafeFileError
from tahr.saving.checkpoint import read_checkpoint, write_checkpoint
from tahr.saving.errors import _said as said
from tahr.saving.scan import scan_file
from tahr.saving.verify import verify_file
from tests.saving.old_models import packed

pytestmark = pytest.mark.once
ENDINGS = ("keras", "h5", "weights.h5", "weights.json", "safetensors", "safetensors.index.json", "ckpt")
# What the reader of a configuration may say of one that is JSON, but no longer of this model.
CONFIG_ERRORS = (TypeError, ValueError)


def small() -> Any:
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, name="a"), layers.BatchNormalization(name="b")], name="small"
    )


@functools.cache
def written() -> dict[str, bytes]:
    """Return the content of good files by name."""
    keras.utils.set_random_seed(1)
    model = small()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save(folder / "a.keras")
        model.save(folder / "a.h5")
        model.save_weights(folder / "w.weights.h5")
        model.save_weights(folder / "s.weights.h5", max_shard_size=5e-8)
        keras.saving.save_safetensors(model, folder / "a.safetensors")
        keras.saving.save_safetensors(model, folder / "t.safetensors", max_shard_size=5e-8)
        write_checkpoint(folder / "a.ckpt", {"a": np.ones(3), "b": [1, (2, "x")]})
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def target_of(ending: str) -> str:
    start = {"weights.h5": "w.", "weights.json": "s.", "safetensors.index.json": "t."}.get(ending, "a.")
    return start + ending


def read(path: Path, model: Any) -> Any:
    if path.suffix == ".ckpt":
        return read_checkpoint(path)
    if path.name in ("a.keras", "a.h5"):
        return keras.saving.load_model(path)
    return model.load_weights(path)


def attempt(ending: str, change: Callable[[bytes], bytes]) -> None:
    """Read a changed file: an error leaves the model as it was; without one, everything is there."""
    name = target_of(ending)
    with tempfile.TemporaryDirectory() as place:
        for other, content in written().items():
            (Path(place) / other).write_bytes(change(content) if other == name else content)
        model = small()
        before = model.get_weights()
        try:
            found = read(Path(place) / name, model)
        except (UnreadableFileError, UnsafeFileError, *CONFIG_ERRORS):
            for a, b in zip(before, model.get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)
        else:
            if hasattr(found, "layers"):
                assert [w.shape for w in found.get_weights()] == [w.shape for w in before]
        report = scan_file(Path(place) / name, read=True)
        assert isinstance(report["findings"], list)


fuzzed = settings(max_examples=60, deadline=5000, suppress_health_check=list(HealthCheck))


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
@fuzzed
@given(share=st.floats(0, 0.9999))
def test_truncated(ending: str, share: float) -> None:
    attempt(ending, lambda content: content[: int(share * len(content))])


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
@fuzzed
@given(flips=st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 7)), min_size=1, max_size=6))
@example(flips=[(0.3984375, 0)])  # an attribute that lies behind the end of the file
def test_flipped_bits(ending: str, flips: list[tuple[float, int]]) -> None:
    def change(content: bytes) -> bytes:
        data = bytearray(content)
        for share, bit in flips:
            data[int(share * len(data))] ^= 1 << bit
        return bytes(data)

    attempt(ending, change)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
@fuzzed
@given(share=st.floats(0, 0.9999), inserted=st.binary(min_size=1, max_size=40), drop=st.integers(0, 40))
def test_replaced_bytes(ending: str, share: float, inserted: bytes, drop: int) -> None:
    def change(content: bytes) -> bytes:
        at = int(share * len(content))
        return content[:at] + inserted + content[at + drop :]

    attempt(ending, change)


FORMATS = ("keras", "hdf5", "hdf5", "index", "safetensors", "index", "checkpoint")


@pytest.mark.parametrize(("ending", "kind"), list(zip(ENDINGS, FORMATS, strict=True)))
def test_scan_knows_each_format(ending: str, kind: str, tmp_path: Path) -> None:
    for name, content in written().items():
        (tmp_path / name).write_bytes(content)
    report = scan_file(tmp_path / target_of(ending), read=True)
    assert report["format"] == kind and report["findings"] == []


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_cut_off(ending: str, share: float) -> None:
    attempt(ending, lambda content: content[: int(share * len(content))])


# ---- descriptions that are JSON, but not of a model -----------------------------------------------------------------

RETYPED: list[Any] = [
    None,
    True,
    -1,
    0.5,
    10**400,
    "",
    "x",
    "Dense",
    [],
    [[]],
    {},
    {"class_name": "Dense"},
    {"config": []},
]
DESCRIBED = [
    "k1_graph.h5", "k1_merge.h5", "k1_rnn.h5", "k1_conv_th.h5", "th_rnn.h5", "th_separable.h5", "tf_nested.h5",
    "tf_ops.h5", "tf_opt_schedule.h5", "frozen_k3.h5", "tf_dicts.keras", "tf_attention.keras", "a.keras", "a.h5",
]  # fmt: skip


@functools.cache
def described(name: str) -> dict[str, Any]:
    """Return the descriptions in a file by the names of its members or attributes."""
    content = io.BytesIO(written()[name] if name in written() else packed().read(name))
    if name.endswith(".keras"):
        with zipfile.ZipFile(content) as archive:
            return {part: json.loads(archive.read(part)) for part in ("config.json", "metadata.json")}
    with h5py.File(content) as h5:
        attributes: Any = h5.attrs
        found = {
            part: json.loads(attributes[part]) for part in ("model_config", "training_config") if part in attributes
        }
        return found | {"keras_version": attributes["keras_version"]}


def places_of(value: Any) -> Iterator[tuple[Any, ...]]:
    """Yield where each part of a description is: the keys that lead to it."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (key,)
        for place in places_of(inner):
            yield (key, *place)


def put_description(name: str, content: dict[str, Any], path: Path) -> None:
    """Write a file again with other descriptions."""
    old = written()[name] if name in written() else packed().read(name)
    if name.endswith(".keras"):
        with zipfile.ZipFile(io.BytesIO(old)) as archive, zipfile.ZipFile(path, "w") as target:
            for member in archive.namelist():
                data = json.dumps(content[member]) if member in content else archive.read(member)
                if member in content or not member.endswith(".json"):
                    target.writestr(member, data)
        return
    path.write_bytes(old)
    with h5py.File(path, "r+") as h5:
        for part in described(name):
            del h5.attrs[part]
            if part in content:
                h5.attrs[part] = content[part] if isinstance(content[part], str) else json.dumps(content[part])


def changed(content: Any, place: tuple[Any, ...], change: Any) -> Any:
    """Return a copy of a description in which one part is gone or something else."""
    content = copy.deepcopy(content)
    owner = functools.reduce(lambda inner, key: inner[key], place[:-1], content)
    if change is DELETED:
        del owner[place[-1]]
    else:
        owner[place[-1]] = change
    return content


def edited(path: Path, config: Any) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        keras.saving.KerasFileEditor(path.rename(path.with_suffix(".keras"))).summary()


def from_config(path: Path, config: Any) -> Any:
    cls = keras.Sequential if config["class_name"] == "Sequential" else keras.Model
    return cls.from_config(config["config"])


# Ways into descriptions, by a file that has one and by the description alone.
WAYS: dict[str, Callable[[Path, Any], Any]] = {
    "load_model": lambda path, config: keras.saving.load_model(path),
    "placeholders": lambda path, config: keras.saving.load_model(path, on_unknown="placeholder"),
    "weights_only": lambda path, config: keras.saving.load_model(path, weights_only=True),
    "load_weights": lambda path, config: small().load_weights(path),
    "editor": edited,
    "verify": lambda path, config: verify_file(path),
    "json": lambda path, config: keras.models.model_from_json(json.dumps(config)),
    "deserialize": lambda path, config: keras.saving.deserialize_keras_object(config),
    "layers.deserialize": lambda path, config: keras.layers.deserialize(config),
    "from_config": from_config,
}


def read_changed(way: str, name: str, content: dict[str, Any], path: Path) -> None:
    """Read changed descriptions; only errors of files, and of types and values that say what is wrong, are allowed."""
    put_description(name, content, path)
    config = content.get("config.json" if name.endswith(".keras") else "model_config")
    whole = isinstance(config, dict) and {"class_name", "config"} <= config.keys()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            WAYS[way](path, config if whole else {"class_name": "Sequential", "config": config})
    except (UnreadableFileError, UnsafeFileError):
        pass
    except CONFIG_ERRORS as error:
        assert said(error), repr(error)
    if path.exists():
        assert isinstance(scan_file(path)["findings"], list)


DELETED = object()


@pytest.mark.slow
@pytest.mark.parametrize("name", DESCRIBED)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_changed_descriptions(name: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Any part of a real file's descriptions may be missing or be something else, for any way in."""
    way = data.draw(st.sampled_from(["load_model", *WAYS]))
    place = data.draw(st.sampled_from(list(places_of(described(name)))))
    content = changed(described(name), place, data.draw(st.sampled_from([DELETED, *RETYPED])))
    read_changed(way, name, content, tmp_path_factory.mktemp("changed") / f"x{Path(name).suffix}")


@pytest.mark.parametrize("way", [way for way in WAYS if way not in ("weights_only", "load_weights", "editor")])
def test_each_way_into_descriptions(way: str, tmp_path: Path) -> None:
    """What Python stumbles over in a description is told as damage; the class of the error is the same everywhere."""
    place = ("config.json", "config", "layers", 1, "config", "kernel_initializer")
    for change in ({"module": 1, "class_name": "Zeros", "config": {}}, {"module": "keras", "class_name": []}):
        content = changed(described("a.keras"), place, {"registered_name": None, **change})
        put_description("a.keras", content, tmp_path / "a.keras")
        if way == "verify":
            manifest(tmp_path / "a.keras", {"example": None})
            assert verify_file(tmp_path / "a.keras")["status"] == "changed"
            manifest(tmp_path / "a.keras", {"example": {"inputs": 1.0, "outputs": 1.0}})
            assert verify_file(tmp_path / "a.keras")["status"] == "damaged"
            continue
        with pytest.raises(UnreadableFileError, match="is damaged, or not what a model is saved as"):
            WAYS[way](tmp_path / "a.keras", content["config.json"])


def manifest(path: Path, content: dict[str, Any]) -> None:
    """Put a manifest into a file."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if not name.startswith("tahr/")}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, "tahr/manifest.json": json.dumps({"members": {}, **content}).encode()}.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    ("change", "status"),
    [({"members": []}, "damaged"), ({"members": {"config.json": 1}}, "damaged"), ({"example": 1}, "damaged"),
     ({"example": {"inputs": [], "outputs": []}}, "changed"), ({"example": {"inputs": "x", "outputs": 0.0}}, "changed"),
     ({"example": {"inputs": 1.0, "outputs": 10**400}}, "damaged"), ({"example": {"inputs": 1.0}}, "damaged"),
     ({"example": {"inputs": {"kind": "array", "index": -1, "dtype": "f4"}, "outputs": 0.0}}, "damaged")],
    ids=str,
)  # fmt: skip
def test_damaged_manifests(change: dict[str, Any], status: str, tmp_path: Path) -> None:
    (tmp_path / "a.keras").write_bytes(written()["a.keras"])
    manifest(tmp_path / "a.keras", change)
    found = verify_file(tmp_path / "a.keras")
    assert found["status"] == status and found["problems"]


@pytest.mark.parametrize(
    "places", [("vars",), ("layers/dense/vars/0", "layers/vars/dense"), ("layers/x", "layers/vars/x/y")], ids=str
)
def test_editor_and_arrays_in_odd_places(places: tuple[str, ...], tmp_path: Path) -> None:
    """Two arrays never become one, nor an array what holds another."""
    with h5py.File(tmp_path / "a.weights.h5", "w") as h5:
        for place in places:
            h5[place] = np.ones(2)
    with pytest.raises(UnreadableFileError, match=r"a\.weights\.h5: .*is not where"):
        keras.saving.KerasFileEditor(tmp_path / "a.weights.h5")


@pytest.mark.parametrize("member", ["config.json", "metadata.json"])
def test_editor_and_odd_descriptions(member: str, tmp_path: Path) -> None:
    put_description("a.keras", {**described("a.keras"), member: [1]}, tmp_path / "a.keras")
    with pytest.raises(UnreadableFileError, match=f"{member} is damaged"):
        keras.saving.KerasFileEditor(tmp_path / "a.keras")


def no_text(of: str) -> Callable[[Any], None]:
    """Return what gives a file an attribute or a group whose name is no UTF-8."""
    scalar = h5py.h5s.create(h5py.h5s.SCALAR)
    if of == "group":
        return lambda h5: h5py.h5g.create(h5.id, b"\xff")
    return lambda h5: h5py.h5a.create(h5["model_weights"].id, b"\xff", h5py.h5t.STD_I8LE, scalar)


def no_address(h5: Any) -> None:
    """Let the first group begin where no file ends."""
    name = h5.filename
    h5.close()
    content = bytearray(Path(name).read_bytes())
    content[152] = 58
    Path(name).write_bytes(content)


def no_class(h5: Any) -> None:
    h5.attrs["model_config"] = h5.attrs["model_config"].replace('"class_name": "Dense"', '"class-name": "Dense"')


@pytest.mark.parametrize(
    ("change", "problem"),
    [(no_text("attribute"), "not a text"), (no_text("group"), "not a text"), (no_address, "damaged"),
     (no_class, "'class_name' is missing")],
    ids=["name of an attribute", "name of a group", "address", "class"],
)  # fmt: skip
def test_what_fuzzing_found(change: Callable[[Any], None], problem: str, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(written()["a.h5"])
    with h5py.File(path, "r+") as h5:
        change(h5)
    with pytest.raises(UnreadableFileError, match=problem) as caught:
        keras.saving.load_model(path)
    assert str(path) in str(caught.value)


class Picky(layers.Layer):
    sizes = {"a": 1}

    def __init__(self, kind: str = "a", **kwargs: Any):
        super().__init__(**kwargs)
        self.size = self.sizes[kind]


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_errors_of_own_classes_stay(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a registered class raises is no damage of the file."""
    path = tmp_path / f"model.{ending}"
    layer = Picky()
    keras.Sequential([keras.Input((2,)), layer]).save(path)
    monkeypatch.setattr(Picky, "sizes", {})
    with pytest.raises(KeyError, match="a") as caught:
        keras.saving.load_model(path, custom_objects={"Picky": Picky})
    assert any(str(path) in note for note in caught.value.__notes__)
    with pytest.raises(KeyError, match="a"):
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer), {"Picky": Picky})
    with pytest.raises(KeyError, match="a"):
        Picky.from_config({"name": "x"})


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64" or sys.version_info >= (3, 14),
    reason="there is no atheris for this system",
)
def test_guided_by_what_is_reached(tmp_path: Path) -> None:
    """A fuzzer that sees which lines of the readers run finds no file that they answer in another way."""
    kinds = ("keras", "weights.h5", "safetensors", "ckpt", "h5")  # in the order of fuzz_readers.py
    for name, content in written().items():
        kind = next((i for i, ending in enumerate(kinds) if name.endswith(ending)), None)
        if kind is not None:
            (tmp_path / name).write_bytes(bytes([kind]) + content)
    script = Path(__file__).with_name("fuzz_readers.py")
    options = ["-runs=600", "-max_total_time=60", "-seed=5", "-rss_limit_mb=0", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), *options], capture_output=True, text=True, timeout=300, check=False
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told[max(0, told.find("Uncaught Python exception")) :][:3000]
