"""Data sets: the digits that come with tahr, and the loaders of the others on a mirror that the test serves."""

import functools
import hashlib
import http.server
import importlib
import io
import json
import os
import pickle
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tahr import config, datasets
from tahr.datasets import source

pytestmark = pytest.mark.once


# ---- digits ----------------------------------------------------------------------------------------------------------


def test_digits() -> None:
    (x_train, y_train), (x_test, y_test) = datasets.digits.load_data()
    assert [a.shape for a in (x_train, y_train, x_test, y_test)] == [(1442, 8, 8), (1442,), (355, 8, 8), (355,)]
    assert {a.dtype.name for a in (x_train, y_train, x_test, y_test)} == {"uint8"}
    assert x_train.min() == 0 and x_train.max() == 16
    counts = np.bincount(np.concatenate([y_train, y_test]))
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # as the source tells
    assert np.bincount(y_test).tolist() == (counts // 5).tolist()
    assert np.array_equal(x_train[0].ravel()[:16], [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0])


def test_digits_are_the_ones_that_were_packed() -> None:
    parts = datasets.digits.load_data()
    everything = hashlib.sha256(b"".join(array.tobytes() for part in parts for array in part)).hexdigest()
    assert everything == "eb16a5b9fcc31197ecd8be8456b687084ffc10eb4cc2efbd406de3cc793713c8"


def test_digits_split_shares_no_image() -> None:
    (x_train, _), (x_test, _) = datasets.digits.load_data()
    assert not {x.tobytes() for x in x_train} & {x.tobytes() for x in x_test}


# ---- loaders ---------------------------------------------------------------------------------------------------------

SHAPES: dict[str, list[tuple[tuple[int, ...], str]]] = {
    "mnist": [((8, 28, 28), "uint8"), ((8,), "uint8"), ((4, 28, 28), "uint8"), ((4,), "uint8")],
    "fashion_mnist": [((8, 28, 28), "uint8"), ((8,), "uint8"), ((4, 28, 28), "uint8"), ((4,), "uint8")],
    "cifar10": [((15, 32, 32, 3), "uint8"), ((15, 1), "uint8"), ((6, 32, 32, 3), "uint8"), ((6, 1), "uint8")],
    "cifar100": [((6, 32, 32, 3), "uint8"), ((6, 1), "int64"), ((6, 32, 32, 3), "uint8"), ((6, 1), "int64")],
    "imdb": [((15,), "object"), ((15,), "int64"), ((10,), "object"), ((10,), "int64")],
    "reuters": [((20,), "object"), ((20,), "int64"), ((5,), "object"), ((5,), "int64")],
    "boston_housing": [((20, 13), "float64"), ((20,), "float64"), ((5, 13), "float64"), ((5,), "float64")],
    "california_housing": [((560, 8), "float64"), ((560,), "float64"), ((140, 8), "float64"), ((140,), "float64")],
}
CACHED = {
    "mnist": ["mnist.npz"],
    "fashion_mnist": [
        "fashion-mnist/t10k-images-idx3-ubyte.gz",
        "fashion-mnist/t10k-labels-idx1-ubyte.gz",
        "fashion-mnist/train-images-idx3-ubyte.gz",
        "fashion-mnist/train-labels-idx1-ubyte.gz",
    ],
    "cifar10": ["cifar-10-batches-py-target", "cifar-10-batches-py-target_archive"],
    "cifar100": ["cifar-100-python-target", "cifar-100-python-target_archive"],
    "imdb": ["imdb.npz"],
    "reuters": ["reuters.npz"],
    "boston_housing": ["boston_housing.npz"],
    "california_housing": ["california_housing.npz"],
}


def load(name: str, **arguments: Any) -> list[np.ndarray]:
    parts = getattr(datasets, name).load_data(**arguments)
    return [array for part in parts for array in part]


@pytest.fixture
def server(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Serve the mirror over HTTP; gives the list of the paths that were asked for."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(mirror))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as http_server:
        threading.Thread(target=http_server.serve_forever, daemon=True).start()
        monkeypatch.setenv("TAHR_DATASETS_URL", f"http://127.0.0.1:{http_server.server_port}/")
        yield asked
        http_server.shutdown()


@pytest.mark.parametrize("name", SHAPES)
def test_load(server: list[str], name: str) -> None:
    first = load(name)
    assert [(array.shape, array.dtype.name) for array in first] == SHAPES[name]
    requests = len(server)
    assert requests == (4 if name == "fashion_mnist" else 1)
    again = load(name)
    assert len(server) == requests, "the second time comes from the cache"
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    cache = Path(os.environ["KERAS_HOME"]) / "datasets"
    nested = [p.relative_to(cache).as_posix() for p in cache.glob("fashion-mnist/*")]
    assert sorted(nested or [p.name for p in cache.iterdir()]) == CACHED[name]


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_images_are_those_of_the_mirror(mirror: Path, name: str) -> None:
    with np.load(mirror / "mnist.npz") as file:
        for found, key in zip(load(name), ("x_train", "y_train", "x_test", "y_test"), strict=True):
            assert np.array_equal(found, file[key])
            assert found.flags.writeable


@pytest.mark.parametrize(
    ("name", "arguments", "digest"),
    [  # recorded from Keras 3.15.1 on these files: the first 16 digits of the SHA-256 of `summary` as JSON
        ("imdb", {}, "8bf1c1fb300dd906"),
        ("imdb", {"num_words": 15}, "8581e6d7211c097b"),
        ("imdb", {"num_words": 20, "skip_top": 5}, "db740a802e93e3e4"),
        ("imdb", {"maxlen": 5, "seed": 1}, "5e5b4ddcce1a6ccb"),
        ("imdb", {"num_words": 15, "oov_char": None}, "fc345551707e8967"),
        ("imdb", {"start_char": None, "index_from": 0}, "2c3c66b7d7bc9e27"),
        ("reuters", {}, "17d982eccbfce607"),
        ("reuters", {"num_words": 15, "maxlen": 8, "test_split": 0.3, "oov_char": None}, "4a2b1c6d62e21faa"),
        ("reuters", {"skip_top": 6, "test_split": 0.0, "seed": 3}, "cc86f0f0a4b7050e"),
        ("boston_housing", {}, "4f5493ade57db145"),
        ("boston_housing", {"test_split": 0.37, "seed": 3}, "4f7c2c0d51c35598"),
        ("california_housing", {"version": "small"}, "1ab48b2766b49695"),
    ],
)
def test_same_samples_as_keras(mirror: Path, name: str, arguments: dict[str, Any], digest: str) -> None:
    found = json.dumps([summary(array) for array in load(name, **arguments)])
    assert hashlib.sha256(found.encode()).hexdigest()[:16] == digest


def summary(array: np.ndarray) -> list[Any]:
    if array.dtype == object:
        return [[int(word) for word in text] for text in array]
    return array.tolist() if array.ndim == 1 else array[:, 0].tolist()


def test_imdb_by_hand(mirror: Path) -> None:
    x_train, y_train, x_test, _ = load("imdb", num_words=15)
    assert x_train[0] == [1, 11] and x_train[2] == [1, 2, 2, 5, 2, 14, 2, 12] and x_test[0] == [1, 11, 2, 2]
    assert y_train.tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0, 1]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_cifar_images(mirror: Path, monkeypatch: pytest.MonkeyPatch, data_format: str) -> None:
    before = config.image_data_format()
    config.set_image_data_format(data_format)
    try:
        x_test, y_test = load("cifar10")[2:]
    finally:
        config.set_image_data_format(before)
    assert y_test.ravel().tolist() == [0, 1, 2, 3, 4, 5]
    folder = Path(os.environ["KERAS_HOME"]) / "datasets/cifar-10-batches-py-target/cifar-10-batches-py"
    flat = pickle.loads((folder / "test_batch").read_bytes())[b"data"]
    pixel = x_test[2, 3, 4] if data_format == "channels_last" else x_test[2, :, 3, 4]
    assert pixel.tolist() == [flat[2, channel * 1024 + 3 * 32 + 4] for channel in range(3)]


def test_cifar100_labels(mirror: Path) -> None:
    assert load("cifar100")[1].ravel().tolist() == [99, 1, 2, 3, 4, 5]
    assert load("cifar100", label_mode="coarse")[1].ravel().tolist() == [19, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", ["imdb", "reuters"])
def test_word_index(mirror: Path, name: str) -> None:
    assert getattr(datasets, name).get_word_index() == {"the": 1, "fawn": 34701}


def test_reuters_topics() -> None:
    names = datasets.reuters.get_label_names()
    assert len(names) == len(set(names)) == 46 and names[:4] == ("cocoa", "grain", "veg-oil", "earn")


# ---- where files come from, and which are right ----------------------------------------------------------------------


def test_a_mirror_does_not_change_the_hash(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAHR_DATASETS_SHA256SUMS")
    with pytest.raises(ValueError, match="not the expected file: sha256 expected 731c5ac602752760"):
        datasets.mnist.load_data()


def test_listing_covers_only_the_names_in_it(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = tmp_path / "SHA256SUMS"
    lines = (mirror / "SHA256SUMS").read_text().splitlines(keepends=True)
    listing.write_text("".join(line for line in lines if "mnist.npz" not in line))
    monkeypatch.setenv("TAHR_DATASETS_SHA256SUMS", str(listing))
    datasets.boston_housing.load_data()
    with pytest.raises(ValueError, match="not the expected file"):
        datasets.mnist.load_data()


def test_changed_file_of_the_mirror_is_refused(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAHR_DATASETS_URL", tmp_path.as_uri())
    (tmp_path / "mnist.npz").write_bytes((mirror / "mnist.npz").read_bytes() + b" ")
    with pytest.raises(ValueError, match="not the expected file"):
        datasets.mnist.load_data()


def test_bad_listing(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "SHA256SUMS").write_text("mnist.npz\n")
    monkeypatch.setenv("TAHR_DATASETS_SHA256SUMS", str(tmp_path / "SHA256SUMS"))
    with pytest.raises(ValueError, match="each line of .* must be a SHA-256 and a file name"):
        datasets.mnist.load_data()


def test_failed_download_says_what_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("TAHR_DATASETS_URL", "http://127.0.0.1:9")
    place = tmp_path / "datasets" / "mnist.npz"
    with pytest.raises(OSError, match=f"put it at {place} .its sha256 must be 731c5ac602752760"):
        datasets.mnist.load_data()


@pytest.mark.parametrize("name", [name for name in datasets.__all__ if name != "digits"])
def test_addresses_are_public_by_default(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def record(fname: str, origin: str, file_hash: str, **_: Any) -> str:
        asked.append((origin, file_hash))
        raise LookupError

    monkeypatch.delenv("TAHR_DATASETS_URL", raising=False)
    monkeypatch.setattr(source, "get_file", record)
    with pytest.raises(LookupError):
        importlib.import_module(f"tahr.datasets.{name}").load_data()
    (origin, file_hash) = asked[0]
    assert origin.startswith(source.TORONTO if name.startswith("cifar") else source.STORAGE)
    assert len(file_hash) in (32, 64)


# ---- bad arguments and bad files -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "error", "message"),
    [
        ("imdb", {"maxlen": 1}, ValueError, "shorter than maxlen=1"),
        ("imdb", {"nb_words": 10}, TypeError, "nb_words is called num_words now"),
        ("imdb", {"words": 10}, TypeError, "no argument 'words'"),
        ("reuters", {"maxlen": 1}, ValueError, "shorter than maxlen=1"),
        ("boston_housing", {"test_split": 1.0}, ValueError, "test_split must be at least 0 and less than 1"),
        ("california_housing", {"test_split": -0.1}, ValueError, "test_split must be at least 0 and less than 1"),
        ("california_housing", {"version": "medium"}, ValueError, "version must be 'large' or 'small'"),
        ("cifar100", {"label_mode": "rough"}, ValueError, "label_mode must be 'fine'"),
        ("mnist", {"path": "folder/mnist.npz"}, ValueError, "without any folder"),
    ],
)
def test_bad_arguments(
    mirror: Path, name: str, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        load(name, **arguments)


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_pickles_run_no_code(tmp_path: Path, protocol: int) -> None:
    trap = tmp_path / "sprung"
    (tmp_path / "batch").write_bytes(pickle.dumps({b"data": Evil(trap)}, protocol=protocol))
    with pytest.raises(pickle.UnpicklingError, match="Refusing to load"):
        source.read_pickle(tmp_path / "batch")
    array = np.empty(1, "object")
    array[0] = Evil(trap)
    np.savez(tmp_path / "evil.npz", x=array)
    with pytest.raises(pickle.UnpicklingError, match="Refusing to load"):
        source.read_npz(tmp_path / "evil.npz")
    assert not trap.exists()


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_pickles_of_arrays_and_lists_are_read(tmp_path: Path, protocol: int) -> None:
    value = {"x": np.arange(6.0).reshape(2, 3), "y": [1, 2], "z": np.array([[1, 2], [3, 4]], "uint8", order="F")}
    data = pickle.dumps(value, protocol=protocol)
    (tmp_path / "batch").write_bytes(data)
    if b"_codecs" in data:  # how Python 3 writes bytes for Python 2, which no data set needs
        with pytest.raises(pickle.UnpicklingError, match="Refusing to load _codecs.encode"):
            source.read_pickle(tmp_path / "batch")
        return
    found = source.read_pickle(tmp_path / "batch")
    assert found["y"] == [1, 2] and np.array_equal(found["x"], value["x"]) and np.array_equal(found["z"], value["z"])


def test_pickled_array_cannot_ask_for_memory(tmp_path: Path) -> None:
    data = pickle.dumps(np.arange(3), protocol=4)
    huge = data.replace(b"K\x00\x85", b"J\xff\xff\xff\x7f\x85", 1)
    assert huge != data
    (tmp_path / "batch").write_bytes(huge)
    with pytest.raises(pickle.UnpicklingError, match="did not write|truncated|data|load"):
        source.read_pickle(tmp_path / "batch")


def test_object_array_must_be_what_it_declares(tmp_path: Path) -> None:
    array = np.empty(2, "object")
    array[:] = [[1], [2]]
    header = io.BytesIO()
    np.save(header, array)
    path = tmp_path / "odd.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header.getvalue()[:128] + pickle.dumps([1, 2]))
    with pytest.raises(ValueError, match="does not hold the array that it declares"):
        source.read_npz(path)
