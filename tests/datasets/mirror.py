"""A mirror of the data sets with tiny made files: what the loaders are tested on, and their examples."""

import gzip
import hashlib
import io
import json
import pickle
import tarfile
from pathlib import Path

import numpy as np

TEXTS = [[1, 17, 28], [20, 29, 2, 13], [4, 9, 22, 3, 7, 2, 4, 11, 28], [8], [26, 24]]


def make(folder: Path) -> Path:
    """Fill a folder with files under the names of the real ones, and return a listing of their SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.RandomState(7)
    texts = np.empty(25, "object")
    texts[:] = [TEXTS[i % 5] + [int(n) for n in random.randint(1, 30, i % 4)] for i in range(25)]
    images, labels = random.randint(0, 256, (12, 28, 28)).astype("uint8"), np.arange(12).astype("uint8") % 10
    np.savez(folder / "mnist.npz", x_train=images[:8], y_train=labels[:8], x_test=images[8:], y_test=labels[8:])
    np.savez(
        folder / "imdb.npz", x_train=texts[:15], y_train=np.arange(15) % 2, x_test=texts[15:], y_test=np.arange(10) % 2
    )
    np.savez(folder / "reuters.npz", x=texts, y=np.arange(25) % 46)
    np.savez(folder / "boston_housing.npz", x=np.arange(25 * 13.0).reshape(25, 13), y=np.arange(25.0))
    np.savez(folder / "california_housing.npz", x=np.arange(700 * 8.0).reshape(700, 8), y=np.arange(700.0))
    for name in ("imdb", "reuters"):
        (folder / f"{name}_word_index.json").write_text(json.dumps({"the": 1, "fawn": 34701}))
    for part, chosen in (("train", slice(0, 8)), ("t10k", slice(8, 12))):
        idx(folder / f"{part}-images-idx3-ubyte.gz", images[chosen])
        idx(folder / f"{part}-labels-idx1-ubyte.gz", labels[chosen])
    colours = random.randint(0, 256, (6, 3072)).astype("uint8")
    batches = {"test_batch": {b"data": colours, b"labels": [0, 1, 2, 3, 4, 5]}}
    for number in range(1, 6):
        batches[f"data_batch_{number}"] = {b"data": colours[:number], b"labels": [9] * number}
    pickles(folder / "cifar-10-python.tar.gz", "cifar-10-batches-py", batches)
    both = {b"data": colours, b"fine_labels": [99, 1, 2, 3, 4, 5], b"coarse_labels": [19, 1, 2, 3, 4, 5]}
    pickles(folder / "cifar-100-python.tar.gz", "cifar-100-python", {"train": both, "test": both})
    listing = folder / "SHA256SUMS"
    files = sorted(path for path in folder.iterdir() if path != listing)
    lines = (f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
    listing.write_text("".join(lines))
    return listing


def idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    path.write_bytes(gzip.compress(header + array.tobytes()))


def pickles(path: Path, folder: str, members: dict[str, object]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, value in members.items():
            data = pickle.dumps(value, protocol=4)
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
