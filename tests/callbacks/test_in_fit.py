"""Callbacks in `fit`, `evaluate` and `predict` of real models."""

import gc
import importlib
import os
import sys
import weakref
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import callbacks

pytestmark = pytest.mark.trains

X = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def make(optimizer: Any = "adam") -> Any:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)])
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


def train(listed: Any, model: Any = None, **options: Any) -> Any:
    model = model or make()
    given = {"batch_size": 5, "epochs": 3, "verbose": 0, "shuffle": False, **options}
    return model.fit(X, Y, callbacks=listed, **given)


class Recorder(callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []


def _noting(name: str) -> Any:
    def hook(self: Recorder, *args: Any) -> None:
        self.seen.append((name.removeprefix("on_"), *(a for a in args if isinstance(a, int))))

    return hook


for _name in dir(callbacks.Callback):
    if _name.startswith("on_") and _name not in ("on_batch_begin", "on_batch_end"):
        setattr(Recorder, _name, _noting(_name))


def batches(kind: str, count: int) -> list[Any]:
    return [(f"{kind}_batch_{when}", i) for i in range(count) for when in ("begin", "end")]


def test_order_of_hooks() -> None:
    note = Recorder()
    model = make()
    train(note, model, epochs=1, batch_size=10, validation_data=(X, Y))
    test = [("test_begin",), *batches("test", 2), ("test_end",)]
    expected = [("train_begin",), ("epoch_begin", 0), *batches("train", 2), *test, ("epoch_end", 0), ("train_end",)]
    assert _without_last_begin(note.seen) == expected
    assert note.params == {"verbose": 0, "epochs": 1, "steps": 2}
    note.seen.clear()
    model.predict(X, batch_size=10, verbose=0, callbacks=[note])
    assert _without_last_begin(note.seen) == [("predict_begin",), *batches("predict", 2), ("predict_end",)]


def _without_last_begin(seen: list[Any]) -> list[Any]:
    """Leave out a begin that the end of the data followed, which a source of unknown length cannot foresee."""
    return [
        a for a, b in zip(seen, [*seen[1:], ("",)], strict=True) if "batch_begin" not in a[0] or "batch_end" in b[0]
    ]


@pytest.mark.parametrize(
    ("listed", "train_batches", "test_batches"),
    [
        ([], False, False),
        ([callbacks.EarlyStopping("loss"), callbacks.LearningRateScheduler(lambda e: 0.1)], False, False),
        ([callbacks.ModelCheckpoint("a.keras"), callbacks.BackupAndRestore("a")], False, False),
        ([callbacks.ModelCheckpoint("a.keras", save_freq=2)], True, False),
        ([callbacks.BackupAndRestore("a", save_freq=2)], False, False),
        ([callbacks.TerminateOnNaN()], True, False),
        ([callbacks.LambdaCallback(on_train_batch_end=print)], True, False),
        ([callbacks.LambdaCallback(on_batch_begin=print)], True, False),
        ([callbacks.LambdaCallback(on_test_batch_end=print)], False, True),
        ([type("Own", (callbacks.ModelCheckpoint,), {"on_batch_end": lambda *a: None})("a.keras")], True, False),
        ([type("Own", (callbacks.Callback,), {"on_epoch_end": lambda *a: None})()], False, False),
    ],
)
def test_batches_go_one_by_one_only_for_those_who_look(listed: Any, train_batches: bool, test_batches: bool) -> None:
    listeners = callbacks.CallbackList(listed, add_history=True, add_progbar=True)
    assert (listeners.wants_batches, listeners.wants_test_batches) == (train_batches, test_batches)
    assert not listeners.wants_predict_batches


def test_a_callback_for_batches_changes_no_result() -> None:
    seen: list[Any] = []
    plain = train([])
    watched = train(callbacks.LambdaCallback(on_batch_end=lambda batch, logs: seen.append((batch, sorted(logs)))))
    assert seen == [(i, ["loss", "mae"]) for _ in range(3) for i in range(4)]
    for name, values in plain.history.items():
        np.testing.assert_allclose(watched.history[name], values, rtol=1e-5)


def test_misspelt_monitor_stops_fit_before_the_first_step() -> None:
    model = make()
    before = model.get_weights()
    with pytest.raises(ValueError, match="Did you mean 'val_loss'"):
        train(callbacks.EarlyStopping("val_los"), model, validation_split=0.2)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_schedules_are_refused_before_the_first_step() -> None:
    decay = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    for callback in (callbacks.ReduceLROnPlateau("loss"), callbacks.LearningRateScheduler(lambda epoch: 0.1)):
        model = make(keras.optimizers.SGD(decay))
        with pytest.raises(TypeError, match="learning_rate"):
            train(callback, model)
        assert int(model.optimizer.iterations) == 0


@pytest.mark.parametrize("weights_only", [False, True])
def test_best_checkpoint_holds_the_best_weights(weights_only: bool, tmp_path: Path) -> None:
    path = tmp_path / ("best.weights.h5" if weights_only else "best.keras")
    kept: list[Any] = []
    model = make()
    save = callbacks.ModelCheckpoint(path, "loss", save_best_only=True, mode="max", save_weights_only=weights_only)
    note = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(model.get_weights()))
    history = train([save, note], model)
    best = int(np.argmax(history.history["loss"]))
    if weights_only:
        found = make()
        found.load_weights(path)
    else:
        found = keras.saving.load_model(path)
    for a, b in zip(found.get_weights(), kept[best], strict=True):
        np.testing.assert_array_equal(a, b)


# ---- BackupAndRestore ------------------------------------------------------------------------------------------------


class Crash(callbacks.Callback):
    def __init__(self, epoch: int):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.epoch:
            raise RuntimeError("crash")


def crash(folder: Path, at: int, **options: Any) -> None:
    with pytest.raises(RuntimeError, match="crash"):
        train([callbacks.BackupAndRestore(folder, **options), Crash(at)], epochs=4)


def same_end(folder: Path, **options: Any) -> None:
    """Train on from a backup; the end is that of a training nobody cut off."""
    whole, cut = make(), make()
    train([], whole, epochs=4)
    history = train(callbacks.BackupAndRestore(folder, **options), cut, epochs=4)
    assert history.epoch == [0, 1, 2, 3]
    assert history.history == whole.history.history
    for a, b in zip(whole.variables + whole.optimizer.variables, cut.variables + cut.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("options", [{}, {"double_checkpoint": True}, {"save_freq": 3}])
@pytest.mark.parametrize("at", [1, 3])
def test_training_goes_on_where_it_was(options: dict, at: int, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    crash(folder, at, **options)
    same_end(folder, **options)
    assert not folder.exists()


def test_files_stay_on_demand(tmp_path: Path) -> None:
    train(callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False))
    assert os.listdir(tmp_path) == ["step-00000012.ckpt"]
    again = callbacks.BackupAndRestore(tmp_path, double_checkpoint=True, delete_checkpoint=False)
    assert train(again, epochs=4).epoch == [0, 1, 2, 3]
    assert again.restored_epoch == 3
    assert sorted(os.listdir(tmp_path)) == ["step-00000012.ckpt", "step-00000016.ckpt"]


def test_files_of_others_stay(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    train(callbacks.BackupAndRestore(tmp_path))
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_an_unreadable_file_falls_back_to_the_one_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "backup"
    crash(folder, 3, double_checkpoint=True)
    latest = folder / "step-00000012.ckpt"
    latest.write_bytes(latest.read_bytes()[:100])
    same_end(folder, double_checkpoint=True)
    assert "going back to the one before" in capsys.readouterr().out


def test_backup_in_a_loop_of_ones_own(tmp_path: Path) -> None:
    def loop(model: Any, stop_at: int) -> int:
        backup = callbacks.BackupAndRestore(tmp_path, save_freq=3)
        listeners = callbacks.CallbackList([backup], model=model, epochs=3)
        listeners.on_train_begin()
        for epoch in range(listeners.first_epoch(0), 3):
            listeners.on_epoch_begin(epoch)
            for batch in range(backup.restored_step if epoch == backup.restored_epoch else 0, 4):
                if int(model.optimizer.iterations) == stop_at:
                    return stop_at
                part = slice(5 * batch, 5 * batch + 5)
                model.train_on_batch(X[part], Y[part])
                listeners.on_train_batch_end(batch, {})
            listeners.on_epoch_end(epoch, {})
        listeners.on_train_end()
        return int(model.optimizer.iterations)

    whole, cut = make(), make()
    assert loop(whole, -1) == 12
    assert loop(make(), 10) == 10
    assert loop(cut, -1) == 12
    for a, b in zip(whole.get_weights(), cut.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_csv_lines_of_epochs_that_come_again_are_taken_away(tmp_path: Path) -> None:
    def log(stop: Any, name: str) -> None:
        listed = [callbacks.CSVLogger(tmp_path / name), callbacks.BackupAndRestore(tmp_path / "backup"), *stop]
        train(listed, epochs=4)

    class Late(callbacks.BackupAndRestore):
        """Crashes after the line of an epoch is written, and before the epoch is saved."""

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            raise RuntimeError("crash")

    log([], "whole.csv")
    crash_at_3 = Late(tmp_path / "other")
    with pytest.raises(RuntimeError, match="crash"):
        train([callbacks.CSVLogger(tmp_path / "cut.csv"), callbacks.BackupAndRestore(tmp_path / "backup"), Crash(2)],
              epochs=4)  # fmt: skip
    with pytest.raises(RuntimeError, match="crash"):
        train([callbacks.CSVLogger(tmp_path / "cut.csv"), crash_at_3, callbacks.BackupAndRestore(tmp_path / "backup")],
              epochs=4)  # fmt: skip
    assert len((tmp_path / "cut.csv").read_text().splitlines()) == 4
    log([], "cut.csv")
    assert (tmp_path / "cut.csv").read_text() == (tmp_path / "whole.csv").read_text()


# ---- SwapEMAWeights --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("swap_on_epoch", [False, True])
@pytest.mark.parametrize("stop_at", [None, 1])
def test_ema_weights_are_swapped(swap_on_epoch: bool, stop_at: int | None) -> None:
    def averages(swapped: bool) -> dict[str, Any]:
        model = make(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
        seen: dict[str, Any] = {}

        def note(name: str) -> Any:
            def hook(*args: Any) -> None:
                seen.setdefault(name, []).append(float(model.get_weights()[0][0, 0]))
                if name == "epoch_end" and len(seen[name]) - 1 == stop_at:
                    model.stop_training = True

            return hook

        hooks = {f"on_{name}": note(name) for name in ("epoch_begin", "epoch_end", "test_begin", "test_end")}
        own = [callbacks.SwapEMAWeights(swap_on_epoch)] if swapped else []
        train([*own, callbacks.LambdaCallback(**hooks)], model, validation_data=(X, Y))
        seen["weights"] = model.get_weights()
        inner = [v for v in model.optimizer.variables if v.path.endswith("average")]
        seen["averages"] = [v.numpy() for v in inner]
        return seen

    with_swap, without = averages(True), averages(False)
    # training itself is the same
    np.testing.assert_allclose(with_swap["epoch_begin"], without["epoch_begin"], rtol=1e-5)
    np.testing.assert_allclose(with_swap["test_end"], without["test_end"], rtol=1e-5)
    for found in (with_swap, without):  # and so is its end: the averages
        for a, b in zip(found["weights"], found["averages"], strict=True):
            np.testing.assert_array_equal(a, b)
    for a, b in zip(with_swap["weights"], without["weights"], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    # evaluation saw the averages, and so did what comes after an epoch, if asked for
    assert all(a != b for a, b in zip(with_swap["test_begin"], with_swap["test_end"], strict=True))
    np.testing.assert_allclose(with_swap["test_begin"][-1], with_swap["averages"][0][0, 0], rtol=1e-6)
    ends = with_swap["test_begin"] if swap_on_epoch else with_swap["test_end"]
    np.testing.assert_allclose(with_swap["epoch_end"], ends, rtol=1e-6)


def test_ema_needs_averages() -> None:
    with pytest.raises(ValueError, match="use_ema=True"):
        train(callbacks.SwapEMAWeights())


# ---- output ----------------------------------------------------------------------------------------------------------


def test_messages_come_after_the_line_of_their_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    stop = callbacks.EarlyStopping("loss", min_delta=9e9, verbose=1, restore_best_weights=True)
    lower = callbacks.ReduceLROnPlateau("loss", min_delta=9e9, patience=1, verbose=1)
    train([lower, stop], verbose=1, epochs=5)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" - ")[0].split(" to ")[0] for line in lines] == [
        "Epoch 1/5",
        "Epoch 2/5",
        "Epoch 2: ReduceLROnPlateau reducing learning rate",
        "Epoch 2: early stopping",
        "Restoring model weights from the end of the best epoch: 1.",
    ]
    assert "4/4" in lines[0]
    assert "learning_rate: 0.0010" in lines[1]


def test_verbose_0_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    train([], verbose=0)
    assert capsys.readouterr() == ("", "")


def test_nan_ends_training_at_its_batch() -> None:
    model = make("sgd")
    seen: list[int] = []

    def spoil(batch: int, logs: Any) -> None:
        if batch == 2:
            model.set_weights([weights * np.nan for weights in model.get_weights()])

    hooks = callbacks.LambdaCallback(on_batch_begin=spoil, on_batch_end=lambda batch, logs: seen.append(batch))
    train([hooks, callbacks.TerminateOnNaN()], model)
    assert seen == [0, 1, 2]


def test_callbacks_and_history_do_not_keep_the_model() -> None:
    model = make()
    listed = [callbacks.EarlyStopping("loss", patience=9), callbacks.LearningRateScheduler(lambda epoch: 0.1)]
    history = train(listed, model)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert (len(history.epoch), history.model, listed[0].model) == (3, None, None)


@pytest.mark.filterwarnings("ignore:.*weights.h5:FutureWarning")
@pytest.mark.parametrize(
    ("name", "weights_only"), [("w.h5", True), ("w.hdf5", True), ("m.h5", False), ("m.hdf5", False)]
)
def test_checkpoints_by_old_names(name: str, weights_only: bool, tmp_path: Path) -> None:
    model, path = make(), tmp_path / name
    train(callbacks.ModelCheckpoint(path, save_weights_only=weights_only), model)
    again = make() if weights_only else keras.models.load_model(path)
    if weights_only:
        again.load_weights(path)
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))


# ---- TensorBoard -----------------------------------------------------------------------------------------------------


def read(folder: Path) -> Any:
    """Return what TensorBoard itself finds in a folder."""
    sys.modules.setdefault("tensorboard.compat.notf", ModuleType("notf"))  # so that it does not load TensorFlow
    accumulator: Any = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    return accumulator.EventAccumulator(str(folder), size_guidance={"images": 0, "histograms": 0}).Reload()


def test_tensorboard(tmp_path: Path) -> None:
    board = callbacks.TensorBoard(
        tmp_path, histogram_freq=2, write_images=True, update_freq=2, write_steps_per_second=True
    )
    model = make()
    history = train(board, model, validation_data=(X, Y))
    found = {folder: read(tmp_path / folder) for folder in ("train", "validation")}
    for folder, prefix in (("train", ""), ("validation", "val_")):
        for name in ("loss", "mae"):
            scalars = found[folder].Scalars(f"epoch_{name}")
            assert [s.step for s in scalars] == [0, 1, 2]
            np.testing.assert_allclose([s.value for s in scalars], history.history[prefix + name], rtol=1e-5)
    assert [s.step for s in found["train"].Scalars("batch_loss")] == [2, 4, 6, 8, 10, 12]
    assert [s.step for s in found["validation"].Scalars("evaluation_loss_vs_iterations")] == [4, 8, 12]
    for name in ("steps_per_second", "learning_rate"):
        assert len(found["train"].Scalars(f"epoch_{name}")) == 3
    kernel = model.weights[0]
    histograms = found["train"].Histograms(f"{kernel.path}/histogram")
    assert [h.step for h in histograms] == [0, 2]
    assert histograms[1].histogram_value.num == kernel.size
    assert [(i.step, i.width) for i in found["train"].Images(f"{kernel.path}/image")] == [(0, 4), (2, 4)]
    nodes = found["train"].Graph().node
    assert [node.op for node in nodes] == ["InputLayer", "Dense", "Dense"]
    assert list(nodes[2].input) == [nodes[1].name]


@pytest.mark.parametrize(("batches", "epochs"), [((2, 6), 3), ("3,3", 1), (12, 3), ((10, 99), 3)])
def test_tensorboard_profiles(batches: Any, epochs: int, tmp_path: Path) -> None:
    board = callbacks.TensorBoard(tmp_path, profile_batch=batches)
    train(board, epochs=epochs)
    written = [path for path in (tmp_path / "plugins" / "profile").rglob("*.*") if path.is_file()]
    assert any(path.name.endswith((".xplane.pb", ".pt.trace.json")) and path.stat().st_size > 0 for path in written)


def test_tensorboard_profile_is_ended_by_an_error(tmp_path: Path) -> None:
    def fail(batch: int, logs: Any) -> None:
        raise KeyError("enough")

    board = callbacks.TensorBoard(tmp_path, profile_batch=(1, 4))
    with pytest.raises(KeyError):
        train([board, callbacks.LambdaCallback(on_train_batch_end=fail)])
    train(callbacks.TensorBoard(tmp_path / "again", profile_batch=1), epochs=1)
    assert (tmp_path / "plugins").exists() and (tmp_path / "again" / "plugins").exists()


@pytest.mark.parametrize("batches", [-1, (3, 2), (1, 2, 3), "first", None, (0, 3)])
def test_tensorboard_refuses(batches: Any) -> None:
    with pytest.raises(ValueError, match="profile_batch"):
        callbacks.TensorBoard(profile_batch=batches)


def test_tensorboard_names_the_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'tahr\[tensorboard\]'"):
        callbacks.TensorBoard()


def test_tensorboard_embeddings(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,), dtype="int32"), keras.layers.Embedding(5, 3, name="words"),
                              keras.layers.Flatten(), keras.layers.Dense(1)])  # fmt: skip
    model.compile("sgd", "mse")
    board = callbacks.TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"words": "labels.tsv"})
    model.fit(np.ones((4, 2), "int32"), np.ones((4, 1)), verbose=0, callbacks=[board])
    settings = (tmp_path / "projector_config.pbtxt").read_text()
    assert 'tensor_path: "words_embedding.tsv"' in settings
    assert 'metadata_path: "labels.tsv"' in settings
    np.testing.assert_allclose(np.loadtxt(tmp_path / "words_embedding.tsv"), model.get_weights()[0], rtol=1e-6)
