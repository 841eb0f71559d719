"""Callbacks one by one, called as `fit` calls them, with a model that only notes what is done to it."""

import copy
import gc
import http.server
import json
import math
import pickle
import threading
import urllib.parse
import warnings
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tahr import callbacks

pytestmark = pytest.mark.once
NAN = float("nan")


class FakeModel:
    """Stands for a model: its weights are the number of times it was trained."""

    def __init__(self, rate: float = 0.5):
        self.optimizer = SimpleNamespace(learning_rate=rate)
        self.metrics: list[Any] = []
        self.stop_training = False
        self.weights = [np.zeros(1)]
        self.saved: list[str] = []
        self.history: Any = None

    def get_weights(self) -> list[np.ndarray]:
        return [np.array(w) for w in self.weights]

    def set_weights(self, weights: list[np.ndarray]) -> None:
        self.weights = weights

    def save(self, path: str, overwrite: bool) -> None:
        self.saved.append(Path(path).name)

    save_weights = save


def epochs(
    callback: Any, values: list[Any], model: FakeModel | None = None, name: str = "loss", start: int = 0
) -> FakeModel:
    """Train in pretence: epoch `i` sets the weights to `i` and ends with the metric `values[i]`."""
    model = model or FakeModel()
    listeners = callbacks.CallbackList(callback, model=model, epochs=len(values), steps=1, verbose=0)
    listeners.on_train_begin()
    logs = {}
    for epoch, value in enumerate(values, start):
        listeners.on_epoch_begin(epoch)
        model.weights = [np.full(1, float(epoch))]
        logs = {name: value}
        listeners.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    listeners.on_train_end(logs)
    return model


# ---- EarlyStopping: the traces are those of Keras 3.15 ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "values", "best", "waits", "stopped"),
    [
        ({}, [5, 6, 7], 5, [0, 1], True),
        ({"patience": 2}, [5, 5, 5, 5], 5, [0, 1, 2], True),
        ({"patience": 2, "min_delta": -1}, [5, 4.5, 4.1, 3.9], 5, [0, 1, 2], True),
        ({"patience": 3, "baseline": 1}, [5, 4, 3, 2, 2, 2], 2, [1, 2, 3, 4, 5], True),
        ({"patience": 2, "baseline": 1}, [5, 4, 3, 0.5, 2, 2, 2], 0.5, [1, 2, 3, 0, 1, 2], True),
        ({"patience": 2, "start_from_epoch": 2}, [5, 6, 7, 4, 8, 9, 10], 4, [0, 0, 0, 0, 1, 2], True),
        ({"patience": 1, "mode": "max", "min_delta": 0.1}, [1, 2, 3, 2.5], 3, [0, 0, 0, 1], True),
        ({"patience": 1}, [1.0, NAN, 0.5], 1.0, [0, 1], True),
        ({"patience": 2}, [NAN, 0.5, 0.25, 0.125], 0.125, [0, 0, 0, 0], False),
        ({"patience": 2}, [NAN, NAN, NAN, NAN], NAN, [0, 1, 2], True),
    ],
)
def test_early_stopping(options: dict, values: list, best: float, waits: list, stopped: bool) -> None:
    seen: list[int] = []
    stop = callbacks.EarlyStopping("loss", **options)
    note = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(stop.wait))
    model = epochs([stop, note], values)
    assert seen == waits
    assert stop.best == best or (math.isnan(best) and math.isnan(stop.best or 0))
    assert model.stop_training is stopped


@pytest.mark.parametrize(("values", "epoch"), [([5, 4, 6, 7], 1), ([5, 4, 3], 2), ([3, 4, 5], 0)])
def test_early_stopping_restores_the_best_weights(values: list, epoch: int, capsys: pytest.CaptureFixture[str]) -> None:
    stop = callbacks.EarlyStopping("loss", patience=2, restore_best_weights=True, verbose=1)
    assert epochs(stop, values).weights[0][0] == epoch
    out = capsys.readouterr().out.splitlines()
    assert out[-1] == f"Restoring model weights from the end of the best epoch: {epoch + 1}."
    assert len(out) == 1 + (stop.stopped_epoch > 0)


def test_a_second_training_starts_afresh() -> None:
    stop = callbacks.EarlyStopping("loss", patience=1)
    epochs(stop, [1, 2])
    model = epochs(stop, [9, 8, 7])
    assert (stop.best, stop.wait, stop.stopped_epoch, model.stop_training) == (7, 0, 0, False)


# ---- monitors --------------------------------------------------------------------------------------------------------


def metric(name: str, metric_class: str) -> Any:
    made = type(metric_class, (), {})()
    made.name = name
    return made


@pytest.mark.parametrize(
    ("monitor", "metrics", "mode"),
    [
        ("loss", [], "min"),
        ("val_loss", [], "min"),
        ("head_loss", [], "min"),
        ("val_accuracy", [], "max"),
        ("acc", [], "max"),
        ("head_sparse_categorical_accuracy", [], "max"),
        ("mae", [], "min"),
        ("val_my", [metric("my", "AUC")], "max"),
        ("my", [metric("my", "F1Score")], "max"),
        ("my", [metric("my", "MeanIoU")], "max"),
        ("my_accuracy", [metric("my_accuracy", "MeanSquaredError")], "min"),
        ("my", [metric("my", "RootMeanSquaredError")], "min"),
        ("my", [metric("my", "KLDivergence")], "min"),
        ("foo", [], None),
        ("lossless", [], None),
        ("true_positives", [metric("true_positives", "TruePositives")], None),
    ],
)
def test_direction_is_told_by_the_metric(monitor: str, metrics: list, mode: str | None) -> None:
    stop = callbacks.EarlyStopping(monitor)
    model = FakeModel()
    model.metrics = metrics
    stop.set_model(model)
    if mode is None:
        with pytest.raises(ValueError, match="mode='max' or mode='min'"):
            stop.check_logs([monitor])
        return
    stop.check_logs([monitor])
    assert stop.monitor_op is not None
    assert stop.monitor_op(1, 2) is (mode == "min")


KNOWN = ["loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]


@pytest.mark.parametrize(
    ("callback", "names", "message"),
    [
        (callbacks.EarlyStopping("val_los"), KNOWN, "Did you mean 'val_loss'"),
        (callbacks.EarlyStopping("val_loss"), ["loss"], "validation_data or validation_split"),
        (callbacks.ReduceLROnPlateau("val_acuracy"), KNOWN, "Did you mean 'val_accuracy'"),
        (callbacks.ModelCheckpoint("a.keras", "nothing", save_best_only=True), KNOWN, "loss, accuracy, val_loss"),
        (callbacks.ModelCheckpoint("a.keras", "val_loss", save_best_only=True, save_freq=9), KNOWN, "'val_loss'"),
        (callbacks.ModelCheckpoint("a-{val_los:.2f}.keras"), KNOWN, "Did you mean 'val_loss'"),
        (callbacks.ModelCheckpoint("a-{batch}.keras"), KNOWN, "batch"),
    ],
)
def test_unknown_logs_are_refused_before_training(callback: Any, names: list, message: str) -> None:
    listeners = callbacks.CallbackList([callbacks.History(), callback], model=FakeModel())
    with pytest.raises(ValueError, match=message):
        listeners.check_monitors(names)


class AddsLogs(callbacks.Callback):
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs["own"] = 1.0


@pytest.mark.parametrize(
    "listed",
    [
        [callbacks.EarlyStopping("val_loss")],
        [callbacks.ModelCheckpoint("a-{epoch}-{val_loss:.2f}.keras")],
        [callbacks.ModelCheckpoint("a-{epoch}-{batch}-{loss:.2f}.keras", save_freq=3)],
        [callbacks.ModelCheckpoint("a.keras", monitor="nothing")],
        [AddsLogs(), callbacks.EarlyStopping("own", mode="max")],
        [callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None), callbacks.EarlyStopping("own", mode="max")],
    ],
)
def test_what_may_exist_is_not_refused(listed: list) -> None:
    callbacks.CallbackList(listed, model=FakeModel()).check_monitors(KNOWN)


def test_a_missing_monitor_is_warned_about_once() -> None:
    with pytest.warns(UserWarning, match="Available metrics are: loss") as caught:
        epochs(callbacks.EarlyStopping("own", mode="min"), [1, 2, 3])
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stop = callbacks.EarlyStopping("val_loss")
        callbacks.CallbackList(stop, model=FakeModel()).check_monitors(KNOWN)
        epochs(stop, [1, 2, 3])  # as with validation_freq=5: the value comes, later


def test_a_monitor_of_several_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="single number"):
        epochs(callbacks.EarlyStopping("f1_score"), [np.array([0.1, 0.2])], name="f1_score")


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: callbacks.EarlyStopping(mode="lower"), ValueError),
        (lambda: callbacks.EarlyStopping(monitor=3), TypeError),
        (lambda: callbacks.ReduceLROnPlateau(factor=1.0), ValueError),
        (lambda: callbacks.ReduceLROnPlateau(foo=1), TypeError),
        (lambda: callbacks.ModelCheckpoint("a"), ValueError),
        (lambda: callbacks.ModelCheckpoint("a.keras", save_weights_only=True), ValueError),
        (lambda: callbacks.ModelCheckpoint("a.keras", save_freq="batch"), ValueError),
        (lambda: callbacks.ModelCheckpoint("a.keras", save_freq=0), ValueError),
        (lambda: callbacks.ModelCheckpoint(3), TypeError),
        (lambda: callbacks.BackupAndRestore(""), ValueError),
        (lambda: callbacks.BackupAndRestore("a", save_freq="batch"), ValueError),
        (lambda: callbacks.LearningRateScheduler(0.5), TypeError),
        (lambda: callbacks.LambdaCallback(on_epoch_ends=print), TypeError),
        (lambda: callbacks.LambdaCallback(on_epoch_end=3), TypeError),
        (lambda: callbacks.CallbackList([3]), TypeError),
        (lambda: callbacks.CallbackList([callbacks.History]), TypeError),
    ],
)
def test_bad_arguments_are_refused(make: Any, error: Any) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        make()
    assert isinstance(caught.value, error)


# ---- learning rates --------------------------------------------------------------------------------------------------


def rates(callback: Any, values: list, rate: float = 1.0) -> list[float]:
    found: list[float] = []
    model = FakeModel(rate)
    note = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: found.append(model.optimizer.learning_rate))
    epochs([callback, note], values, model)
    return found


@pytest.mark.parametrize(
    ("options", "values", "found"),
    [
        ({"patience": 2, "cooldown": 3}, [1] * 9, [1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]),
        ({"patience": 0, "min_lr": 0.4}, [1] * 5, [1, 0.5, 0.4, 0.4, 0.4]),
        ({"patience": 2}, [1, NAN, 0.9, 0.9, 0.9], [1, 1, 1, 1, 0.5]),
        ({"patience": 1, "min_delta": 0.5}, [1, 0.8, 0.4, 0.2], [1, 0.5, 0.5, 0.25]),
        ({"patience": 1, "epsilon": 0.5}, [1, 0.8, 0.4, 0.2], [1, 0.5, 0.5, 0.25]),
        ({"patience": 1, "mode": "max"}, [1, 2, 1, 3], [1, 1, 0.5, 0.5]),
    ],
)
def test_reduce_on_plateau(options: dict, values: list, found: list) -> None:
    assert rates(callbacks.ReduceLROnPlateau("loss", factor=0.5, **options), values) == found


@pytest.mark.parametrize(
    ("schedule", "found"),
    [
        (lambda epoch: 0.5**epoch, [1.0, 0.5, 0.25]),
        (lambda epoch, lr: lr / 2, [0.5, 0.25, 0.125]),
        (lambda epoch, lr=9: lr / 2, [0.5, 0.25, 0.125]),
        (lambda epoch: np.float32(0.5), [0.5, 0.5, 0.5]),
        (lambda epoch: 2, [2, 2, 2]),
    ],
)
def test_scheduler(schedule: Any, found: list) -> None:
    assert rates(callbacks.LearningRateScheduler(schedule), [1, 1, 1]) == found


@pytest.mark.parametrize("value", ["a", None, [0.1], np.ones(2), True])
def test_scheduler_refuses_what_is_no_number(value: Any) -> None:
    with pytest.raises(ValueError, match="number for epoch 0"):
        epochs(callbacks.LearningRateScheduler(lambda epoch: value), [1])


def test_learning_rate_joins_the_logs(capsys: pytest.CaptureFixture[str]) -> None:
    history = callbacks.History()
    epochs([callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1), verbose=1), history], [1.0, 2.0])
    assert history.history == {"loss": [1.0, 2.0], "learning_rate": [0.1, 0.05]}
    assert capsys.readouterr().out.splitlines()[1] == "Epoch 2: LearningRateScheduler setting learning rate to 0.05."


# ---- files -----------------------------------------------------------------------------------------------------------


def checkpoint(values: list, **options: Any) -> list[str]:
    """Train in pretence for three epochs of four batches and return the names of the files."""
    model = FakeModel()
    save = callbacks.ModelCheckpoint(**options)
    listeners = callbacks.CallbackList(save, model=model, epochs=3, steps=4)
    assert listeners.wants_batches is (save.save_freq != "epoch")
    listeners.on_train_begin()
    places = iter(values)
    for epoch in range(3):
        listeners.on_epoch_begin(epoch)
        for batch in range(4):
            listeners.on_train_batch_begin(batch)
            listeners.on_train_batch_end(batch, {"loss": next(places) if save.save_freq != "epoch" else 0.0})
        listeners.on_epoch_end(epoch, {"loss": next(places) if save.save_freq == "epoch" else 0.0})
    listeners.on_train_end()
    return model.saved


@pytest.mark.parametrize(
    ("options", "values", "files"),
    [
        ({}, [3, 2, 1], ["1", "2", "3"]),
        ({"save_best_only": True}, [3, 4, 2], ["1", "3"]),
        ({"save_best_only": True, "mode": "max"}, [3, 4, 2], ["1", "2"]),
        ({"save_best_only": True, "initial_value_threshold": 2.5}, [3, 4, 2], ["3"]),
        ({"save_best_only": True}, [NAN, 4, 5], ["1", "2"]),
        ({"save_freq": 3}, range(12), ["1-3", "2-2", "3-1", "3-4"]),
        ({"save_freq": 3, "save_best_only": True}, [9, 9, 5, 9, 9, 6, 9, 9, 4, 9, 9, 9], ["1-3", "3-1"]),
        ({"save_freq": 5}, range(12), ["2-1", "3-2"]),
    ],
)
@pytest.mark.parametrize("weights_only", [False, True])
def test_checkpoint_files(options: dict, values: Any, files: list, weights_only: bool, tmp_path: Path) -> None:
    ending = ".weights.h5" if weights_only else ".keras"
    name = ("{epoch}-{batch}" if "save_freq" in options else "{epoch}") + ending
    path = tmp_path / "new" / name
    found = checkpoint(list(values), filepath=path, monitor="loss", save_weights_only=weights_only, **options)
    assert found == [file + ending for file in files]
    assert path.parent.is_dir()


def test_checkpoint_says_what_it_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "a.keras")
    checkpoint([3, 4, 2], filepath=path, monitor="loss", save_best_only=True, verbose=1)
    assert capsys.readouterr().out.splitlines() == [
        f"Epoch 1: loss improved from None to 3.00000, saving model to {path}",
        "Epoch 2: loss did not improve from 3.00000",
        f"Epoch 3: loss improved from 3.00000 to 2.00000, saving model to {path}",
    ]


def test_a_failed_save_leaves_the_best_value(tmp_path: Path) -> None:
    model = FakeModel()
    model.save = lambda path, overwrite: (_ for _ in ()).throw(OSError("disk full"))  # type: ignore[method-assign]
    save = callbacks.ModelCheckpoint(tmp_path / "a.keras", monitor="loss", save_best_only=True)
    with pytest.raises(OSError, match="disk full"):
        epochs(save, [1.0], model)
    assert save.best is None


def test_checkpoint_names_the_missing_log(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="own"):
        epochs(callbacks.ModelCheckpoint(tmp_path / "{own:.2f}.keras"), [1.0])


def csv_lines(path: Path, rows: list[dict], **options: Any) -> list[str]:
    log = callbacks.CSVLogger(path, **options)
    log.on_train_begin()
    for epoch, row in enumerate(rows):
        log.on_epoch_end(epoch, row)
        assert path.read_text().splitlines()[-1].startswith(str(epoch)), "a line is on disk at once"
    log.on_train_end()
    return path.read_text().splitlines()


@pytest.mark.parametrize(
    ("rows", "options", "lines"),
    [
        ([{"val_loss": 2.0, "loss": 1.0}], {}, ["epoch,loss,val_loss", "0,1.0,2.0"]),
        ([{"loss": 1.0}, {"loss": 3.0, "val_loss": 2.0}], {}, ["epoch,loss,val_loss", "0,1.0,NA", "1,3.0,2.0"]),
        ([{"loss": 1.0}], {"separator": ";"}, ["epoch;loss;val_loss", "0;1.0;NA"]),
        (
            [{"loss": 1.0, "learning_rate": 0.5}],
            {},
            ["epoch,learning_rate,loss,val_loss", "0,0.5,1.0,NA"],
        ),
        ([{"f": np.array([1.0, 2.0]), "val_f": np.float32(3)}], {}, ["epoch,f,val_f", '0,"[1.0, 2.0]",3.0']),
    ],
)
def test_csv(rows: list, options: dict, lines: list, tmp_path: Path) -> None:
    assert csv_lines(tmp_path / "log.csv", rows, **options) == lines


def test_csv_appends_under_the_old_header(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    csv_lines(path, [{"b": 1, "a": 2, "val_a": 3}])
    with pytest.warns(UserWarning, match="no column for c"):
        lines = csv_lines(path, [{"c": 1, "a": 4}, {"c": 1}], append=True)
    assert lines == ["epoch,a,b,val_a", "0,2,1,3", "0,4,NA,NA", "1,NA,NA,NA"]
    assert csv_lines(path, [{"loss": 1, "val_loss": 1}])[0] == "epoch,loss,val_loss", "without append it starts anew"


# ---- the rest --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "stops"), [(NAN, True), (float("inf"), True), (np.float32("nan"), True), (1e30, False)]
)
def test_terminate_on_nan(loss: Any, stops: bool, capsys: pytest.CaptureFixture[str]) -> None:
    model = FakeModel()
    listeners = callbacks.CallbackList(callbacks.TerminateOnNaN(), model=model)
    assert listeners.wants_batches
    listeners.on_train_batch_end(4, {"loss": loss})
    listeners.on_train_batch_end(5, {})
    assert model.stop_training is stops
    assert ("Batch 4: Invalid loss" in capsys.readouterr().out) is stops


@pytest.mark.parametrize("as_json", [True, False])
def test_remote_monitor(as_json: bool) -> None:
    received: list[tuple[str, Any, bytes]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, self.headers, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}"
        monitor = callbacks.RemoteMonitor(root=root, path="/here", headers={"X-Key": "1"}, send_as_json=as_json)
        monitor.on_epoch_end(3, {"loss": 0.5, "f": np.array([1.0, 2.0]), "n": np.float32(2)})
        server.shutdown()
    [(path, headers, body)] = received
    text = body.decode() if as_json else urllib.parse.parse_qs(body.decode())["data"][0]
    assert (path, headers["X-Key"]) == ("/here", "1")
    assert json.loads(text) == {"epoch": 3, "loss": 0.5, "f": [1.0, 2.0], "n": 2.0}


def test_remote_monitor_goes_on_without_a_server() -> None:
    with pytest.warns(UserWarning, match="could not send epoch 0"):
        callbacks.RemoteMonitor(root="http://127.0.0.1:9").on_epoch_end(0, {"loss": 0.5})


def test_callbacks_do_not_keep_the_model() -> None:
    model = FakeModel()
    listeners = callbacks.CallbackList(
        [callbacks.EarlyStopping("loss")], add_history=True, add_progbar=True, model=model
    )
    assert all(callback.model is model for callback in listeners.callbacks)
    assert model.history.model is model
    gone = weakref.ref(model)
    gc.disable()
    try:
        del model
        assert gone() is None
    finally:
        gc.enable()
    assert listeners.model is None
    assert listeners.callbacks[0].model is None


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda callback: pickle.loads(pickle.dumps(callback))])
def test_callbacks_can_be_copied(copied: Any) -> None:
    model = FakeModel()
    stop = callbacks.EarlyStopping("loss", patience=3)
    epochs([stop], [3, 1, 2], model)
    other = copied(stop)
    assert (other.best, other.wait, other.model, stop.model) == (1, 1, None, model)


@pytest.mark.parametrize(
    "callback",
    [
        callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True),
        callbacks.ReduceLROnPlateau("loss", patience=9),
        callbacks.History(),
        callbacks.Callback(),
    ],
    ids=lambda callback: type(callback).__name__,
)
def test_state_goes_from_one_to_another(callback: Any) -> None:
    epochs(callback, [3, 1, 2])
    state = callback.state_dict()
    other = copy.deepcopy(callback)
    other.on_train_begin()
    other.load_state_dict(state)
    assert other.state_dict() == state
    other.on_epoch_end(3, {"loss": 0.5, "learning_rate": 1.0}) if isinstance(other, callbacks.History) else None
    assert callback.state_dict() == state, "a state is no window into the callback"
    with pytest.raises(ValueError, match="expected the entries"):
        other.load_state_dict({"nothing": 1})


@pytest.mark.parametrize("name", ["CallbackList", "Callback"])
def test_hooks_exist(name: str) -> None:
    hooks = {f"on_{k}_{w}" for k in ("train", "test", "predict", "epoch", "batch") for w in ("begin", "end")}
    hooks |= {f"on_{k}_batch_{w}" for k in ("train", "test", "predict") for w in ("begin", "end")}
    assert hooks <= set(vars(getattr(callbacks, name)))
