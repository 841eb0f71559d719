"""A training that is cut off and resumed ends as one that was not, to the last bit."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import callbacks
from tahr.trainer.session import Session, session_of

pytestmark = pytest.mark.trains

EPOCHS, STEPS, BATCH = 3, 8, 4
X = np.random.default_rng(0).normal(size=(STEPS * BATCH - 2, 4)).astype("float32")  # the last batch is a short one
Y = X.sum(axis=1, keepdims=True)
VALIDATION = X[:10], Y[:10] * 1.5


class Killed(Exception):
    """Stands for whatever ends a process."""


class Watch(callbacks.Callback):
    """Notes the weights that every epoch ended with."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: dict[int, Any] = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.weights[epoch] = self.model.get_weights()


class Best(callbacks.ModelCheckpoint):
    """Refuses to put a worse model in the place of a better one."""

    values: list[float] = []  # of a run and the one that resumes it

    def _path(self, epoch: int, batch: int | None, logs: Any) -> str:
        value = (logs or {})[self.monitor]
        assert not self.values or value <= min(self.values), (value, self.values)
        self.values.append(value)
        return super()._path(epoch, batch, logs)


class Bench:
    """One model, compiled once, set back to its first state for every run; steps are counted and may be cut off."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, model: Any = None):
        self.model = model or make()
        self.steps = 0
        self.at: int | None = None
        self.how: Any = None
        dispatch = Session.dispatch

        def counted(session: Session, kind: str, chunk: Any) -> Any:
            if kind == "train":
                if self.at is not None and self.steps + chunk.batches > self.at:
                    self.how()
                before = session.model.optimizer.iterations.numpy()
                found = dispatch(session, kind, chunk)
                self.steps += int(session.model.optimizer.iterations.numpy() - before)
                return found
            return dispatch(session, kind, chunk)

        monkeypatch.setattr(Session, "dispatch", counted)

    def set_back(self) -> None:
        """Give every variable its first value."""
        first = vars(self.model).get("_first_values")
        if first is None:
            self.model.train_on_batch(X[:4], Y[:4])
            fresh(self.model)
            self.steps = 0
            first = tuple(np.array(v.numpy()) for v in session_of(self.model).of["train"])
            object.__setattr__(self.model, "_first_values", first)
        for variable, value in zip(session_of(self.model).of["train"], first, strict=True):
            variable.assign(value)
        keras.utils.set_random_seed(7)

    def spoil(self) -> None:
        """Change everything that a new process would not know."""
        for variable in session_of(self.model).of["train"]:
            variable.assign(np.array(variable.numpy()) + np.ones((), variable.dtype))
        keras.utils.set_random_seed(8)

    def run(self, folder: Path, **options: Any) -> dict[str, Any]:
        """Train, and return all that is to be the same."""
        listed = listeners(folder)
        data = options.pop("data", None)
        given = {"epochs": EPOCHS, "verbose": 0, "validation_data": VALIDATION, **options}
        given = given if data is not None else {"x": X, "y": Y, "batch_size": BATCH, **given}
        own = [*listed, *given.pop("callbacks", [])]
        found = self.model.fit(*([] if data is None else [data()]), callbacks=own, **given)
        return {
            "history": found.history,
            "epoch": found.epoch,
            "variables": {v.path: np.array(v.numpy()) for v in session_of(self.model).of["predict"]},
            "slots": [np.array(v.numpy()) for v in self.model.optimizer.variables],
            "last": listed[0].weights[EPOCHS - 1],
            "callbacks": {type(c).__name__: c.state_dict() for c in listed[1:]},
            "best": keras.saving.load_model(folder / "best.keras").get_weights(),
            "log": (folder / "log.csv").read_text(),
        }

    def cut_off(self, folder: Path, at: int, how: Any, **options: Any) -> None:
        """Train until step `at`."""
        self.steps, self.at, self.how = 0, at, how
        try:
            self.run(folder, **options)
        except (Killed, SystemExit) as error:
            assert isinstance(error, Killed) or error.code == 0
        else:
            pytest.fail("nothing was cut off")
        finally:
            self.at = None


def make(policy: str = "float32") -> Any:
    keras.utils.set_random_seed(3)
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((4,)), layers.Dense(8, "relu", dtype=policy), layers.BatchNormalization(dtype=policy),
        layers.Dropout(0.3, dtype=policy), layers.Dense(1, dtype=policy),
    ])  # fmt: skip
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae", "r2_score"])
    return model


def fresh(model: Any) -> None:
    """Make the state of the optimizer that of a model before its first step."""
    for variable in model.optimizer.variables:
        if "learning_rate" not in variable.path and "scale" not in variable.path:
            variable.assign(np.zeros(variable.shape, variable.dtype))


def listeners(folder: Path) -> list[Any]:
    return [
        Watch(),
        callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        callbacks.ReduceLROnPlateau("val_loss", mode="max", patience=2),
        callbacks.EarlyStopping("val_loss", mode="max", patience=2, restore_best_weights=True),
        Best(folder / "best.keras", "val_loss", save_best_only=True),
        callbacks.CSVLogger(folder / "log.csv"),
    ]


def same(a: Any, b: Any) -> None:
    assert list(a) == list(b)
    for key in a:
        if isinstance(a[key], dict):
            same(a[key], b[key])
        elif isinstance(a[key], list):
            assert len(a[key]) == len(b[key]), key
            same(dict(enumerate(a[key])), dict(enumerate(b[key])))
        else:
            np.testing.assert_array_equal(a[key], b[key], err_msg=str(key))


@contextlib.contextmanager
def best_values() -> Iterator[list[float]]:
    Best.values.clear()
    yield Best.values
    Best.values.clear()


@pytest.fixture(scope="module")
def trained() -> Any:
    return make()


@pytest.fixture(autouse=True)
def sigterm_as_python_starts_with_it() -> Iterator[None]:
    """Undo what other tests in this process had libraries do with the signal."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    if before is not None:  # None: no handler of Python's, which cannot be given back
        signal.signal(signal.SIGTERM, before)


@pytest.fixture(autouse=True)
def no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test cuts off the power."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def fail() -> None:
    raise Killed


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


WAYS = {
    "exception": (fail, {"save_every": 1}),
    "SIGTERM": (terminate, {}),
    "SIGTERM within an epoch": (terminate, {"save_every": 3}),
    "batch by batch": (fail, {"save_every": 1, "callbacks": [callbacks.TerminateOnNaN()]}),
}


@pytest.mark.parametrize(
    "way",
    [
        "exception",
        "SIGTERM",
        pytest.param("SIGTERM within an epoch", marks=pytest.mark.slow),
        pytest.param("batch by batch", marks=pytest.mark.slow),
    ],
)
def test_cut_off_at_any_step(way: str, trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, trained)
    how, options = WAYS[way]
    whole_folder = tmp_path / "whole"
    whole_folder.mkdir()
    bench.set_back()
    with best_values():
        whole = bench.run(whole_folder)
    assert bench.steps == EPOCHS * STEPS
    assert whole["callbacks"]["EarlyStopping"]["stopped_epoch"] == EPOCHS - 1
    handler = signal.getsignal(signal.SIGTERM)
    for at in range(EPOCHS * STEPS):
        folder = tmp_path / str(at)
        folder.mkdir()
        with best_values():
            bench.set_back()
            bench.cut_off(folder, at, how, resume=folder / "state", **options)
            assert signal.getsignal(signal.SIGTERM) is handler
            bench.spoil() if os.listdir(folder / "state") else bench.set_back()
            found = bench.run(folder, resume=folder / "state", **options)
        same(found, whole)
        assert bench.steps == EPOCHS * STEPS, at
        assert len(os.listdir(folder / "state")) == 2


def test_killed_at_any_step(trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What SIGKILL leaves of a process is what is on the disk: that of each step is kept, and trained on from."""
    bench = Bench(monkeypatch, trained)
    options: dict[str, Any] = {"data": lambda: Dataset(workers=2), "shuffle": True}
    best: list[list[float]] = []

    def keep() -> None:
        shutil.copytree(tmp_path / "whole", tmp_path / str(bench.steps))
        best.append(list(Best.values))

    (tmp_path / "whole").mkdir()
    bench.set_back()
    with best_values():
        bench.steps, bench.at, bench.how = 0, -1, keep
        whole = bench.run(tmp_path / "whole", resume=tmp_path / "whole" / "state", save_every=1, **options)
        bench.at = None
    assert len(best) == bench.steps == EPOCHS * STEPS
    for at, values in enumerate(best):
        folder = tmp_path / str(at)
        with best_values():
            Best.values.extend(values)
            bench.spoil() if at else bench.set_back()
            bench.steps = at
            same(bench.run(folder, resume=folder / "state", save_every=1, **options), whole)
        assert bench.steps == EPOCHS * STEPS, at


@pytest.mark.parametrize("at", [3, 8, 13])
@pytest.mark.parametrize("save_every", [None, 3])
def test_steps_since_the_last_file_come_again(
    at: int, save_every: int | None, trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(monkeypatch, trained)
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    bench.set_back()
    with best_values():
        whole = bench.run(tmp_path / "whole")
    with best_values():
        bench.set_back()
        options = {"resume": tmp_path / "state", "save_every": save_every, "callbacks": [callbacks.TerminateOnNaN()]}
        bench.cut_off(tmp_path / "cut", at, fail, **options)
        bench.spoil() if at >= (save_every or STEPS) else bench.set_back()
        same(bench.run(tmp_path / "cut", **options), whole)
    every = STEPS if save_every is None else save_every
    kept = max(at // every * every, at // STEPS * STEPS)
    assert bench.steps == EPOCHS * STEPS + at - kept


# ---- data ------------------------------------------------------------------------------------------------------------


class Dataset(keras.utils.PyDataset):
    """Batches that change from epoch to epoch."""

    shift = 0.0

    def __len__(self) -> int:
        return STEPS

    def __getitem__(self, index: int) -> Any:
        part = slice(index * BATCH, (index + 1) * BATCH)
        return X[part] + np.float32(self.shift), Y[part]

    def on_epoch_begin(self) -> None:
        self.shift += 0.125

    def state_dict(self) -> dict[str, Any]:
        return {"shift": self.shift}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.shift = state["shift"]


def generator() -> Iterator[Any]:
    random = np.random.default_rng(5)
    while True:
        x = random.normal(size=(BATCH, 4)).astype("float32")
        yield x, x[:, :1]


def batches() -> list[Any]:
    class Batches:
        def __iter__(self) -> Iterator[Any]:
            for i in range(STEPS):
                yield X[i * BATCH : (i + 1) * BATCH], Y[i * BATCH : (i + 1) * BATCH]

    return Batches()  # type: ignore[return-value]


DATA: dict[str, dict[str, Any]] = {
    "steps an epoch": {"steps_per_epoch": 5},
    "dataset": {"data": lambda: Dataset()},
    "dataset with workers": {"data": lambda: Dataset(workers=2)},
    "dataset and steps": {"data": lambda: Dataset(), "steps_per_epoch": 5},
    "generator": {"data": generator, "steps_per_epoch": 6},
    "iterable": {"data": batches},
    "no shuffle": {"shuffle": False},
    "validation that goes on": {"validation_steps": 1, "validation_batch_size": 3},
    "class weights": {"sample_weight": np.linspace(0.5, 1, len(X)).astype("float32")},
}


@pytest.mark.parametrize("name", DATA)
def test_data_go_on_at_their_place(name: str, trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = DATA[name]
    bench = Bench(monkeypatch, trained)
    (tmp_path / "whole").mkdir()
    bench.set_back()
    with best_values():
        whole = bench.run(tmp_path / "whole", **options)
    for at in (2, 12):
        folder = tmp_path / str(at)
        folder.mkdir()
        with best_values():
            bench.set_back()
            bench.cut_off(folder, at, fail, resume=folder / "state", save_every=1, **options)
            bench.spoil()
            same(bench.run(folder, resume=folder / "state", save_every=1, **options), whole)


def test_other_data_in_the_middle_are_refused(trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, trained)
    bench.set_back()
    with best_values():
        bench.cut_off(tmp_path, 3, fail, resume=tmp_path / "state", save_every=1)
        with pytest.raises(ValueError, match="batch_size 4.*batch_size 5"):
            bench.run(tmp_path, resume=tmp_path / "state", batch_size=5)


# ---- stops outside of steps ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [0, 1])
@pytest.mark.parametrize("hook", ["on_test_batch_begin", "on_epoch_begin", "on_epoch_end", "on_test_end"])
def test_sigterm_between_steps(
    hook: str, epoch: int, trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(monkeypatch, trained)
    seen: list[int] = []

    def stop(*args: Any) -> None:
        seen.append(1)
        if len(seen) == epoch + 1:
            terminate()

    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    once = {"validation_batch_size": 10}
    bench.set_back()
    with best_values():
        whole = bench.run(tmp_path / "whole", **once)
    with best_values():
        bench.set_back()
        options = {"resume": tmp_path / "state", **once}
        bench.steps = 0
        with pytest.raises(SystemExit) as info:
            bench.run(tmp_path / "cut", callbacks=[callbacks.LambdaCallback(**{hook: stop})], **options)
        assert info.value.code == 0
        bench.spoil()
        same(bench.run(tmp_path / "cut", **options), whole)
    assert bench.steps == EPOCHS * STEPS


def test_a_handler_of_the_users_own_is_called(trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, trained)
    bench.set_back()
    called: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: called.append(number))
    try:
        stop = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: terminate() if epoch == 1 else None)
        with best_values():
            found = bench.run(tmp_path, resume=tmp_path / "state", callbacks=[stop])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert called == [signal.SIGTERM]
    assert found["epoch"] == [0, 1, 2]


def test_other_threads_leave_signals_alone(trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, trained)
    bench.set_back()
    handler = signal.getsignal(signal.SIGTERM)
    found: list[Any] = []

    def train() -> None:
        found.append(bench.run(tmp_path, resume=tmp_path / "state"))
        found.append(signal.getsignal(signal.SIGTERM))

    with best_values():
        thread = threading.Thread(target=train)
        thread.start()
        thread.join()
    assert found[0]["epoch"] == [0, 1, 2]
    assert found[1] is handler


# ---- files -----------------------------------------------------------------------------------------------------------


def spoil_bytes(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


@pytest.mark.parametrize(
    "harm", [lambda path: path.write_bytes(path.read_bytes()[:-100]), lambda path: path.write_bytes(b""), spoil_bytes]
)
def test_a_corrupt_file_falls_back_to_the_one_before(
    harm: Any, trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(monkeypatch, trained)
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    bench.set_back()
    with best_values():
        whole = bench.run(tmp_path / "whole")
    with best_values():
        bench.set_back()
        options = {"resume": tmp_path / "state", "save_every": 2}
        bench.cut_off(tmp_path / "cut", 14, fail, **options)
        harm(tmp_path / "state" / "step-00000014.ckpt")
        bench.spoil()
        same(bench.run(tmp_path / "cut", **options), whole)
    said = capsys.readouterr().out
    assert "step-00000014.ckpt cannot be used" in said
    assert "going back to the one before it" in said
    assert bench.steps == EPOCHS * STEPS + 2


def test_nothing_but_corrupt_files_is_an_error(trained: Any, tmp_path: Path) -> None:
    (tmp_path / "step-00000003.ckpt").write_bytes(b"nothing")
    with pytest.raises(OSError, match="not a readable"):
        trained.fit(X, Y, verbose=0, resume=tmp_path)


def test_another_model_is_refused_and_keeps_its_weights(trained: Any, tmp_path: Path) -> None:
    trained.fit(X, Y, verbose=0, resume=tmp_path)
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(1)])
    other.compile("adam", "mse")
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"state of another training: .* model.*\(4, 8\).*\(4, 3\)"):
        other.fit(X, Y, verbose=0, resume=tmp_path)
    same(dict(enumerate(before)), dict(enumerate(other.get_weights())))


def test_a_failed_write_leaves_the_last_file(trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained.fit(X, Y, verbose=0, resume=tmp_path)
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(OSError, match="no space"):
        trained.fit(X, Y, epochs=2, verbose=0, resume=tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == kept


def test_written_in_a_thread(trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, trained)
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    bench.set_back()
    with best_values():
        whole = bench.run(tmp_path / "whole")

    def backup() -> list[Any]:
        return [callbacks.BackupAndRestore(tmp_path / "state", 1, delete_checkpoint=False, asynchronous=True)]

    with best_values():
        bench.set_back()
        bench.cut_off(tmp_path / "cut", 13, fail, callbacks=backup())
        bench.spoil()
        same(bench.run(tmp_path / "cut", callbacks=backup()), whole)
    assert bench.steps == EPOCHS * STEPS
    assert os.listdir(tmp_path / "state") == ["step-00000024.ckpt"]


def test_an_error_of_the_writing_thread_is_raised(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(OSError, match="no space"):
        trained.fit(X, Y, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path, asynchronous=True)])


def test_a_complete_training_is_not_done_again(trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, trained)
    bench.set_back()
    with best_values():
        first = bench.run(tmp_path, resume=tmp_path / "state")
    last = first.pop("last")
    assert last
    bench.steps = 0
    bench.spoil()
    found = trained.fit(X, Y, BATCH, EPOCHS, 0, listeners(tmp_path), validation_data=VALIDATION,
                        resume=tmp_path / "state")  # fmt: skip
    assert (bench.steps, found.epoch) == (0, [0, 1, 2])
    same(found.history, first["history"])
    same({v.path: np.array(v.numpy()) for v in session_of(trained).of["predict"]}, first["variables"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"save_every": 3}, "resume='folder'"),
        ({"resume": "x", "save_every": 0.5}, "10min"),
        ({"resume": "x", "save_every": "often"}, "10min"),
        ({"resume": "x", "callbacks": [callbacks.BackupAndRestore("y")]}, "received both"),
    ],
)
def test_wrong_arguments(given: dict[str, Any], message: str, trained: Any) -> None:
    with pytest.raises(ValueError, match=message):
        trained.fit(X, Y, verbose=0, **given)


def test_a_list_of_ones_own_stays_as_it_is(trained: Any, tmp_path: Path) -> None:
    own = callbacks.CallbackList([Watch()], add_history=True, model=trained, epochs=2, steps=STEPS, verbose=0)
    for epochs in (1, 2):
        trained.fit(X, Y, BATCH, epochs, 0, own, resume=tmp_path)
        assert len(own.callbacks) == 2
    assert trained.history.epoch == [0, 1]


def test_saving_after_some_batches_does_not_make_batches_go_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: Any
) -> None:
    counts: list[int] = []
    dispatch = Session.dispatch

    def noted(session: Session, kind: str, chunk: Any) -> Any:
        counts.append(chunk.batches)
        return dispatch(session, kind, chunk)

    monkeypatch.setattr(Session, "dispatch", noted)
    x, y = np.tile(X, (20, 1)), np.tile(Y, (20, 1))
    trained.fit(x, y, BATCH, verbose=0)  # the pace is known from now on
    counts.clear()
    trained.fit(x, y, BATCH, verbose=0, resume=tmp_path, save_every=50)
    assert max(counts) > 1
    assert {50, 100, 150} <= set(np.cumsum(counts).tolist())


# ---- states --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy", ["mixed_float16", "mixed_bfloat16", pytest.param("averages", id="moving averages swapped in")]
)
def test_other_states(policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    averages = policy == "averages"
    model = make("float32" if averages else policy)
    if averages:
        model.compile(keras.optimizers.SGD(0.01, momentum=0.9, use_ema=True, ema_momentum=0.5), "mse")
    options: dict[str, Any] = {"validation_data": VALIDATION, "epochs": EPOCHS, "verbose": 0, "batch_size": BATCH}

    def train(**more: Any) -> list[Any]:
        swap = [callbacks.SwapEMAWeights(swap_on_epoch=True)] if averages else []
        history = model.fit(X, Y, callbacks=swap, **options, **more).history
        return [history["loss"], history["val_loss"], *(np.array(v.numpy()) for v in model.variables),
                *(np.array(v.numpy()) for v in model.optimizer.variables)]  # fmt: skip

    bench = Bench(monkeypatch, model)
    bench.set_back()
    whole = train()
    for at in (5, 8, 18):
        bench.set_back()
        bench.steps, bench.at, bench.how = 0, at, fail
        with pytest.raises(Killed):
            train(resume=tmp_path / str(at), save_every=1)
        bench.at = None
        bench.spoil()
        same(dict(enumerate(train(resume=tmp_path / str(at), save_every=1))), dict(enumerate(whole)))
        assert bench.steps == EPOCHS * STEPS


def test_a_step_of_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.dense(x)

        def train_step(self, data: Any) -> Any:
            return {**super().train_step(data), "norm": keras.ops.sum(self.dense.kernel**2)}

    keras.utils.set_random_seed(2)
    model = Own()
    model.compile("adam", "mse")
    bench = Bench(monkeypatch, model)
    bench.set_back()
    whole = model.fit(X, Y, BATCH, EPOCHS, 0).history
    assert set(whole) == {"loss", "norm"}
    bench.steps = 0
    bench.set_back()
    with pytest.raises(SystemExit):
        stop = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: terminate())
        model.fit(X, Y, BATCH, EPOCHS, 0, [stop], resume=tmp_path)
    bench.spoil()
    same(model.fit(X, Y, BATCH, EPOCHS, 0, resume=tmp_path).history, whole)


# ---- real processes --------------------------------------------------------------------------------------------------


class Kill(callbacks.Callback):
    """Sends its process a signal as the step `at` begins."""

    def __init__(self, at: int, number: int) -> None:
        super().__init__()
        self.at, self.number = at, number

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if int(self.model.optimizer.iterations) == self.at:
            os.kill(os.getpid(), self.number)


def train(folder: Path, *kill: int) -> None:
    folder.mkdir(exist_ok=True)
    model = make()
    own = [*listeners(folder), *([Kill(*kill)] if kill else [])]
    found = model.fit(X, Y, BATCH, EPOCHS, 0, own, validation_data=VALIDATION, resume=folder / "state", save_every=1)
    variables = [v.numpy() for v in (*model.variables, *model.optimizer.variables)]
    np.savez(folder / "end.npz", *variables, **{name: np.array(values) for name, values in found.history.items()})


SCRIPT = """
import pathlib, sys
from tests.trainer.test_resume import train

train(pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:]))
"""
KILLS = ((2, signal.SIGTERM), (5, signal.SIGKILL), (8, signal.SIGTERM), (16, signal.SIGKILL), (19, signal.SIGTERM))


@pytest.mark.slow
def test_processes(tmp_path: Path) -> None:
    """A training whose process is killed again and again ends as one that was left alone."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for kill in (*KILLS, ()):
        assert not (cut / "end.npz").exists()
        command = [sys.executable, "-c", SCRIPT, str(cut), *(str(int(n)) for n in kill)]
        code = subprocess.run(command, timeout=300, check=False).returncode
        assert code == (-signal.SIGKILL if kill[1:] == (signal.SIGKILL,) else 0), kill
    with best_values():
        train(whole)
    with np.load(whole / "end.npz") as expected, np.load(cut / "end.npz") as found:
        same(dict(found), dict(expected))
    same(*({"w": keras.saving.load_model(folder / "best.keras").get_weights()} for folder in (whole, cut)))
