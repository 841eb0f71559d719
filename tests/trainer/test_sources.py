"""Data of every kind lead to the same training; workers that fail end in an error that says where."""

import importlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr.preprocessing.image import ImageDataGenerator
from tahr.trainer.sources import rows as rows_module
from tahr.trainer.sources import workers as workers_module
from tahr.trainer.sources.make import make_source
from tahr.utils.samples import Samples

ROWS, BATCH = 22, 4
X = np.random.default_rng(0).normal(size=(ROWS, 6)).astype("float32")
X[X < 0] = 0
Y = X.sum(axis=1, keepdims=True)


class ByIndex(keras.utils.PyDataset):
    """The batches of X and Y in order."""

    def __len__(self) -> int:
        return -(-ROWS // BATCH)

    def __getitem__(self, index: int) -> Any:
        part = slice(index * BATCH, (index + 1) * BATCH)
        return X[part], Y[part]


def batches() -> Iterator[Any]:
    for i in range(len(ByIndex())):
        yield ByIndex()[i]


def endless() -> Iterator[Any]:
    while True:
        yield from batches()


class Again:
    """Something to go through that begins anew each time."""

    def __iter__(self) -> Iterator[Any]:
        return batches()


def h5(folder: Path) -> Any:
    import h5py

    file = h5py.File(folder / "data.h5", "w")
    file["x"], file["y"] = X, Y
    return file["x"], file["y"]


def memmap(folder: Path) -> Any:
    np.save(folder / "x.npy", X)
    return np.load(folder / "x.npy", mmap_mode="r"), Y


def zarr(folder: Path) -> Any:
    import zarr

    made = zarr.create_array(store=str(folder / "x.zarr"), shape=X.shape, dtype=X.dtype, chunks=(5, 6))
    made[:] = X
    return made, Y


def sparse(folder: Path) -> Any:
    import scipy.sparse

    return scipy.sparse.coo_array(X), Y


def pandas(folder: Path) -> Any:
    import pandas as pd

    return pd.DataFrame(X, columns=list("abcdef")), pd.Series(Y[:, 0], name="y")


def polars(folder: Path) -> Any:
    import polars as pl

    return pl.DataFrame(X), pl.Series(Y[:, 0])


def arrow(folder: Path) -> Any:
    import pyarrow as pa

    return pa.table({f"x{i}": X[:, i] for i in range(6)}), pa.chunked_array([Y[:10, 0], Y[10:, 0]])


def parquet(folder: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    lists = pa.FixedSizeListArray.from_arrays(pa.array(X.reshape(-1)), 6)
    pq.write_table(pa.table({"x": lists, "y": Y[:, 0]}), folder / "data.parquet")
    table = pq.read_table(folder / "data.parquet")
    return table.select(["x"]), table["y"]


def hugging_face(folder: Path) -> Any:
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_dict({"x": X, "y": Y[:, 0]})
    return data.with_format("numpy")["x"], data["y"]


def torch_tensors(folder: Path) -> Any:
    torch = importlib.import_module("torch")
    return torch.tensor(X), torch.tensor(Y)


def loader(folder: Path) -> Any:
    torch_data = importlib.import_module("torch.utils.data")
    tensors = torch_data.TensorDataset(*torch_tensors(folder))
    return torch_data.DataLoader(tensors, batch_size=BATCH)


def grain(folder: Path) -> Any:
    pytest.importorskip("grain")
    grain = importlib.import_module("grain.python")
    rows = [(X[i], Y[i]) for i in range(ROWS)]
    return grain.MapDataset.source(rows).batch(BATCH)


def tf_data(folder: Path) -> Any:
    pytest.importorskip("tensorflow")
    tf: Any = importlib.import_module("tensorflow")
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(BATCH)


ARRAYS: dict[str, Callable[[Path], Any]] = {
    "h5py": h5, "memmap": memmap, "zarr": zarr, "sparse": sparse, "pandas": pandas, "polars": polars, "arrow": arrow,
    "parquet": parquet, "hugging face": hugging_face, "torch": torch_tensors,
    "lists": lambda folder: (X.tolist(), Y.tolist()),
}  # fmt: skip
STREAMS: dict[str, Callable[[Path], Any]] = {
    "dataset": lambda folder: ByIndex(), "threads": lambda folder: ByIndex(workers=3),
    "processes": lambda folder: ByIndex(workers=2, use_multiprocessing=True),
    "one process": lambda folder: ByIndex(workers=1, use_multiprocessing=True),
    "iterable": lambda folder: Again(), "DataLoader": loader, "grain": grain,
    "grain iterable": lambda folder: grain(folder).to_iter_dataset(), "tf.data": tf_data,
    "tf.data of unknown length": lambda folder: tf_data(folder).filter(lambda x, y: True),
}  # fmt: skip


def trained(*data: Any, epochs: int = 3, **options: Any) -> tuple[Any, Any]:
    """Return the losses and the last weights of a training."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, "tanh"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.05), "mse")
    history = model.fit(*data, epochs=epochs, verbose=0, **options)
    return history.history["loss"], model.get_weights()


def same(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a[0], b[0], rtol=1e-4)
    for one, other in zip(a[1], b[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def in_order() -> Any:
    return trained(X, Y, batch_size=BATCH, shuffle=False)


@pytest.fixture(scope="module")
def shuffled() -> Any:
    return trained(X, Y, batch_size=BATCH)


@pytest.mark.trains
@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays(kind: str, later: bool, shuffled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if later:  # whatever can be read row by row is, as it is when it is large
        monkeypatch.setattr(rows_module, "READ_AT_ONCE", 0)
        monkeypatch.setattr(rows_module, "DENSE_AT_ONCE", 0)
    x, y = ARRAYS[kind](tmp_path)
    same(trained(x, y, batch_size=BATCH), shuffled)


@pytest.mark.trains
@pytest.mark.parametrize("kind", STREAMS)
def test_streams(kind: str, in_order: Any, tmp_path: Path) -> None:
    same(trained(STREAMS[kind](tmp_path), shuffle=False), in_order)


@pytest.mark.trains
@pytest.mark.parametrize("kind", STREAMS)
def test_streams_by_steps(kind: str, tmp_path: Path) -> None:
    """Epochs of a number of steps go on where the last one ended."""
    wanted = trained(endless(), steps_per_epoch=4)
    same(trained(STREAMS[kind](tmp_path), shuffle=False, steps_per_epoch=4), wanted)


@pytest.mark.trains
def test_grain_without_end(tmp_path: Path) -> None:
    same(trained(grain(tmp_path).repeat(), steps_per_epoch=4), trained(endless(), steps_per_epoch=4))
    with pytest.raises(ValueError, match="steps_per_epoch"):
        trained(grain(tmp_path).repeat())


@pytest.mark.parametrize("kind", [*ARRAYS, *STREAMS])
def test_evaluate_and_predict(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "READ_AT_ONCE", 0)
    monkeypatch.setattr(rows_module, "DENSE_AT_ONCE", 0)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile("sgd" if keras.backend.backend() != "numpy" else None, "mae")
    if kind in ARRAYS:
        x, y = ARRAYS[kind](tmp_path)
        loss, found = model.evaluate(x, y, verbose=0), model.predict(x, batch_size=5, verbose=0)
    else:
        data = STREAMS[kind](tmp_path)
        loss, found = model.evaluate(data, verbose=0), model.predict(data, verbose=0)
    assert loss < 1e-5
    np.testing.assert_allclose(found, Y, rtol=1e-5)


@pytest.mark.trains
@pytest.mark.parametrize("kind", ["h5py", "sparse", "memmap"])
def test_validation_split_reads_nothing(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "READ_AT_ONCE", 0)
    monkeypatch.setattr(rows_module, "DENSE_AT_ONCE", 0)
    x, y = ARRAYS[kind](tmp_path)
    same(trained(x, y, batch_size=BATCH, validation_split=0.25), trained(X, Y, batch_size=BATCH, validation_split=0.25))


@pytest.mark.once
@pytest.mark.parametrize("kind", ["h5py", "zarr", "sparse", "memmap"])
def test_rows_are_read_when_asked_for(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "READ_AT_ONCE", 0)
    monkeypatch.setattr(rows_module, "DENSE_AT_ONCE", 0)
    found = rows_module.rows_of(ARRAYS[kind](tmp_path)[0])
    assert isinstance(found, rows_module.Rows) and found.shape == X.shape and found.dtype == X.dtype
    part = found.part(slice(3, 20)).part(slice(2, None))
    assert len(part) == 15
    np.testing.assert_array_equal(part[2:6], X[7:11])
    np.testing.assert_array_equal(part[np.array([0, 3, 9])], X[[5, 8, 14]])


@pytest.mark.trains
@pytest.mark.parametrize("kind", ["h5py", "zarr", "sparse", "memmap", "processes", "DataLoader", "grain"])
def test_exact_resume(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "READ_AT_ONCE", 0)
    monkeypatch.setattr(rows_module, "DENSE_AT_ONCE", 0)
    made = {**ARRAYS, **STREAMS}[kind](tmp_path)
    data, options = (made, {"batch_size": BATCH}) if kind in ARRAYS else ((made,), {"shuffle": False})

    class Stop(keras.callbacks.Callback):
        steps = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.steps += 1
            if self.steps == 8:
                raise KeyboardInterrupt

    whole = trained(*data, **options)
    with pytest.raises(KeyboardInterrupt):
        trained(*data, **options, callbacks=[Stop()], resume=tmp_path / "state", save_every=1)
    found = trained(*data, **options, resume=tmp_path / "state")
    assert found[0] == whole[0]
    for one, other in zip(found[1], whole[1], strict=True):
        np.testing.assert_array_equal(one, other)


# ---- workers ---------------------------------------------------------------------------------------------------------


class Failing(ByIndex):
    """Raises, or ends its process, at one batch."""

    def __init__(self, how: str, at: int = 3, **options: Any):
        super().__init__(**options)
        self.how, self.at, self.home = how, at, os.getpid()

    def __getitem__(self, index: int) -> Any:
        if index == self.at:
            if self.how == "raise":
                raise KeyError("no such word")
            if self.how == "wrong":
                return 1, 2, 3, 4
            if self.how == "kill" and os.getpid() != self.home:
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "exit" and os.getpid() != self.home:
                os._exit(3)
        return super().__getitem__(index)


@pytest.mark.trains
@pytest.mark.parametrize("options", [{}, {"workers": 2}, {"workers": 2, "use_multiprocessing": True}])
@pytest.mark.parametrize(("how", "error"), [("raise", KeyError), ("wrong", ValueError)])
def test_errors_name_the_batch(options: dict[str, Any], how: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        trained(Failing(how, **options), shuffle=False, epochs=1)
    assert "Failing[3]" in str(caught.value) + "".join(getattr(caught.value, "__notes__", []))


@pytest.mark.trains
@pytest.mark.parametrize("how", ["kill", "exit"])
def test_a_dead_worker_is_an_error(how: str) -> None:
    trained(ByIndex(), shuffle=False, epochs=1)  # nothing else takes time
    began = time.monotonic()
    with pytest.raises(RuntimeError, match=r"worker process of Failing came to a sudden end while batch \d"):
        trained(Failing(how, workers=2, use_multiprocessing=True), shuffle=False, epochs=1)
    assert time.monotonic() - began < 60  # not for ever; see benchmarks for how fast


@pytest.mark.once
def test_a_dead_worker_is_noticed_at_once() -> None:
    pool = workers_module.Workers(Failing("kill", at=0), 2, processes=True)
    future = pool.submit(0, 0)
    assert isinstance(future.exception(timeout=10), Exception)
    with pytest.raises(RuntimeError, match="batch 0"):
        pool.result(future, 0)
    with pytest.raises(RuntimeError, match="batch 1"):
        pool.submit(0, 1)
    pool.close()


class Large:
    """Batches that go through shared memory."""

    def __getitem__(self, index: int) -> Any:
        return {"a": np.full((256, 256), index, "float32"), "b": [np.arange(3), None]}, np.zeros(0)


@pytest.mark.once
def test_arrays_in_shared_memory() -> None:
    before = set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()
    pool = workers_module.Workers(Large(), 2, processes=True)
    futures = [pool.submit(0, i) for i in range(6)]
    for i in (0, 1, 2):
        x, y = pool.result(futures[i], i)
        assert (x["a"] == i).all() and x["a"].flags.writeable and x["b"][1] is None and y.shape == (0,)
    pool.close()  # the rest is thrown away
    pool.pool.shutdown(wait=True)
    assert not before or {n for n in os.listdir("/dev/shm") if n.startswith("psm_")} <= before


# ---- buckets, and waiting --------------------------------------------------------------------------------------------

LENGTHS = np.random.default_rng(1).integers(1, 24, size=50)  # up to 23
TEXTS = [np.arange(n) % 7 + 1 for n in LENGTHS]


@pytest.mark.once
def test_buckets() -> None:
    labels = np.arange(50)
    data = keras.utils.BucketedSequences(TEXTS, labels, [6, 12, 24], batch_size=8, seed=3)
    assert data.number_of_shapes == 3
    for epoch in (0, 1):
        seen = []
        for index in range(len(data)):
            x, y, weight = data.batch_at(epoch, index)
            assert x.shape[0] == 8 and x.shape[1] in (6, 12, 24) and weight.shape == (8,)
            for row, label, w in zip(x, y, weight, strict=True):
                text = TEXTS[label]
                assert (row[: len(text)] == text).all() and (row[len(text) :] == 0).all()
                assert x.shape[1] == next(n for n in (6, 12, 24) if n >= len(text))
                seen += [label] * int(w)
        assert sorted(seen) == labels.tolist()
    assert not np.array_equal(data.batch_at(0, 0)[1], data.batch_at(1, 0)[1])


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((TEXTS, np.zeros(49), [24]), "expected y for 50 sequences; received 49"),
        ((TEXTS, np.zeros(50), [12]), "more than the last boundary, 12"),
        ((TEXTS, np.zeros(50), [24, 12]), "ascending"),
        ((TEXTS, np.zeros(50), []), "ascending"),
    ],
)
def test_buckets_that_do_not_fit(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        keras.utils.BucketedSequences(*arguments)


@pytest.mark.trains
def test_as_many_programs_as_buckets(backend: str) -> None:
    traces: list[int] = []

    class Counting(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            if x.shape[0] is not None:
                traces.append(x.shape[1])
            return x

    model = keras.Sequential([
        keras.Input((None,), dtype="int32"), keras.layers.Embedding(9, 4), Counting(),
        keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(1),
    ])  # fmt: skip
    model.compile("sgd", "mse")
    counts = []
    for boundaries in ([24], [6, 12, 23]):
        traces.clear()
        model.fit(keras.utils.BucketedSequences(TEXTS, LENGTHS, boundaries, batch_size=8), epochs=4, verbose=0)
        assert set(traces) == set(boundaries)
        counts.append(len(traces))
    if backend == "jax":  # where it is only run when a program is made
        assert counts[1] == 3 * counts[0]


@pytest.mark.trains
def test_waiting_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    class Slow(ByIndex):
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> Any:
            time.sleep(0.4)
            return super().__getitem__(index)

    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)  # else programs are compiled meanwhile
    quick = model.fit(X, Y, epochs=3, verbose=0)
    assert len(quick.waiting) == 3 and all(0 <= share <= 1 for share in quick.waiting)
    assert capsys.readouterr().err == ""
    slow = model.fit(Slow(), epochs=3, verbose=2)
    assert slow.waiting[-1] > 0.5
    assert "fit waited for data in" in capsys.readouterr().err


class Numbers(Samples):
    """Samples of which one cannot be had."""

    def sample(self, index: int) -> Any:
        return 1 // (7 - index)


def transformed() -> Any:
    def refuse(image: np.ndarray) -> np.ndarray:
        if image[0, 0, 0] == 7:
            raise ZeroDivisionError("no such image")
        return image

    images = np.arange(20.0)[:, None, None, None] + np.zeros((20, 2, 2, 1))
    return ImageDataGenerator(preprocessing_function=refuse).flow(images, batch_size=4, shuffle=False)


@pytest.mark.once
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    ("made", "sample"), [(lambda: Numbers(20, 4), "sample 7"), (transformed, "the image of row 7")]
)
@pytest.mark.parametrize("processes", [False, True])
def test_errors_name_the_sample(made: Any, sample: str, processes: bool) -> None:
    data = made()
    data.workers, data.use_multiprocessing = 2, processes
    with pytest.raises(ZeroDivisionError) as caught:
        list(make_source(data).batches())
    assert caught.value.__notes__ == [f"Raised by {sample}.", f"Raised by {type(data).__name__}[1]."]


@pytest.mark.trains
def test_tf_data(tmp_path: Path) -> None:
    data = tf_data(tmp_path)
    with pytest.raises(ValueError, match="has no end.*steps_per_epoch"):
        trained(data.repeat())
    same(trained(data.repeat(), steps_per_epoch=6), trained(data))
    words, labels = np.array([["good film"], ["bad film"]] * 6), np.array([1.0, 0.0] * 6, "float32")
    vectorize = keras.layers.TextVectorization(output_mode="multi_hot", vocabulary=["good", "bad", "film"])
    x = keras.Input((1,), dtype="string")
    model = keras.Model(x, keras.layers.Dense(1, activation="sigmoid")(vectorize(x)))
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy")
    kind: Any = type(data).from_tensor_slices
    losses = model.fit(kind((words, labels)).batch(4), epochs=5, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
