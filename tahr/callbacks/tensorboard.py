"""`TensorBoard`: event files for TensorBoard, written without TensorFlow."""

import importlib
import os
import struct
import time
import zlib
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from tahr import backends
from tahr.callbacks.callback import Callback, Logs
from tahr.callbacks.model_checkpoint import listens_if

__all__ = ["TensorBoard"]

HISTOGRAM_BINS = 30
INSTALL = "TensorBoard needs the package tensorboardX: pip install 'tahr[tensorboard]'"


class TensorBoard(Callback):
    """Writes metrics, the graph of layers, histograms and images of weights, and embeddings for TensorBoard.

    Look at them with `tensorboard --logdir logs`. Metrics of training go into the folder `train`, those of evaluation
    into `validation`.

    Args:
        log_dir: folder of the files.
        histogram_freq: number of epochs between histograms of the weights; 0 for none.
        write_graph: whether the layers and their connections are written.
        write_images: whether weights are written as images, too, when histograms are.
        write_steps_per_second: whether the number of steps a second is written.
        update_freq: "epoch"; or "batch", or a number of batches, which then go one by one.
        profile_batch: number of the batch, counted from 1 over all epochs, that the backend writes a profile of, or
            those of the first and the last; 0 for none. Batches up to the last one go one by one.
        embeddings_freq: number of epochs between copies of the weights of `Embedding` layers for the projector; 0 for
            none.
        embeddings_metadata: file with a label a row, in `log_dir`, or a dict of such files by name of the layer.

    Raises:
        ModuleNotFoundError: if the package tensorboardX is not installed.
        ValueError: for a wrong `update_freq` or `profile_batch`.

    >>> import os, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> board = callbacks.TensorBoard(folder.name, histogram_freq=1)
    >>> _ = model.fit(np.ones((4, 1)), np.zeros((4, 1)), verbose=0, callbacks=[board])
    >>> os.listdir(folder.name)
    ['train']
    >>> folder.cleanup()
    """

    def __init__(
        self,
        log_dir: Any = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        super().__init__()
        if update_freq not in ("epoch", "batch") and (not isinstance(update_freq, int) or update_freq < 1):
            raise ValueError(
                f"TensorBoard: expected update_freq to be 'epoch', 'batch' or a number of batches; received "
                f"{update_freq!r}."
            )
        _tensorboardx()
        self.log_dir, self.update_freq = os.fspath(log_dir), 1 if update_freq == "batch" else update_freq
        self.histogram_freq, self.write_images, self.write_graph = histogram_freq, write_images, write_graph
        self.write_steps_per_second = write_steps_per_second
        self.embeddings_freq, self.embeddings_metadata = embeddings_freq, embeddings_metadata
        self.profile_batch = _span(profile_batch)
        self._profile: Any = None
        self._writers: dict[str, Any] = {}
        self._in_fit = False
        self._step = 0
        self._clock = (0.0, 0)
        self._batch_clock = 0.0

    state_names: ClassVar[tuple[str, ...]] = ("_step",)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_writers": {}, "_profile": None}

    def listens_to_batches(self, kind: str) -> bool:
        """Return whether it writes after a number of batches, or a batch to profile is still to come."""
        needed = self.update_freq != "epoch" or self._step < self.profile_batch[1]
        return listens_if(self, kind, needed, TensorBoard)

    @property
    def summary(self) -> Any:
        """The writer of the files of training."""
        return self._writer("train")

    # ---- hooks --------------------------------------------------------------------------------------------------

    def on_train_begin(self, logs: Logs = None) -> None:
        """Write the graph."""
        self._in_fit, self._step = True, 0
        if self.write_graph:
            self._write_graph()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Start the clock."""
        self._clock = (time.perf_counter(), self._iterations())

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Start the clock, and the profile if this is the batch."""
        if self._profile is None and self.profile_batch[0] <= self._step + 1 <= self.profile_batch[1]:
            self._profile = backends.current().profiling(self.log_dir)
            self._profile.__enter__()
        self._batch_clock = time.perf_counter()
        super().on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Write metrics if `update_freq` batches have gone by, and the profile after its last batch."""
        self._step += 1
        if self._step >= self.profile_batch[1]:
            self._end_profile()
        if self.update_freq != "epoch":
            values = dict(logs or {}) if self._step % int(self.update_freq) == 0 else {}
            if self.write_steps_per_second:
                values["steps_per_second"] = 1 / (time.perf_counter() - self._batch_clock)
            self._write_scalars("train", {f"batch_{name}": value for name, value in values.items()}, self._step)
        super().on_train_batch_end(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write the metrics, and what else it is time for."""
        logs = dict(logs or {})
        if hasattr(getattr(self.model, "optimizer", None), "learning_rate"):
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        if self.write_steps_per_second:
            seconds = time.perf_counter() - self._clock[0]
            logs["steps_per_second"] = (self._iterations() - self._clock[1]) / seconds
        for name, value in logs.items():
            folder = "validation" if name.startswith("val_") else "train"
            self._write_scalars(folder, {f"epoch_{name.removeprefix('val_')}": value}, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._write_embeddings(epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: Logs = None) -> None:
        """Close the files."""
        self._in_fit = False
        self._end_profile()
        self._close()

    def leave(self) -> None:
        """End a profile that an error cut off."""
        self._end_profile()

    def on_test_end(self, logs: Logs = None) -> None:
        """Write the metrics of an evaluation over the number of steps of training so far."""
        values = {f"evaluation_{name}_vs_iterations": value for name, value in (logs or {}).items()}
        self._write_scalars("validation", values, self._iterations())
        if not self._in_fit:
            self._close()

    # ---- writing ------------------------------------------------------------------------------------------------

    def _writer(self, folder: str) -> Any:
        if folder not in self._writers:
            self._writers[folder] = _tensorboardx().FileWriter(os.path.join(self.log_dir, folder))
        return self._writers[folder]

    def _close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _end_profile(self) -> None:
        profile, self._profile = self._profile, None
        if profile is not None:
            profile.__exit__(None, None, None)

    def _iterations(self) -> int:
        return int(getattr(getattr(self.model, "optimizer", None), "iterations", 0))

    def _write_scalars(self, folder: str, values: Mapping[str, Any], step: int) -> None:
        from tensorboardX.summary import scalar

        for name, value in values.items():
            if np.ndim(value) == 0:
                self._writer(folder).add_summary(scalar(name, float(value)), step)

    def _write_weights(self, epoch: int) -> None:
        from tensorboardX.summary import histogram

        message: Any = importlib.import_module("tensorboardX.proto.summary_pb2").Summary
        writer = self._writer("train")
        for variable in self.model.weights:
            values = variable.numpy().astype("float64")
            finite = values[np.isfinite(values)]
            if finite.size:
                writer.add_summary(histogram(f"{variable.path}/histogram", finite, HISTOGRAM_BINS), epoch)
            if self.write_images and finite.size == values.size > 0 and values.ndim > 1:
                picture = _grey(values)
                height, width = picture.shape
                image = message.Image(height=height, width=width, colorspace=1, encoded_image_string=_png(picture))
                writer.add_summary(message(value=[message.Value(tag=f"{variable.path}/image", image=image)]), epoch)

    def _write_graph(self) -> None:
        """Write a node for each call of a layer, with the nodes that its inputs come from."""
        event: Any = importlib.import_module("tensorboardX.proto.event_pb2").Event
        graph: Any = importlib.import_module("tensorboardX.proto.graph_pb2").GraphDef()
        for name, kind, inputs in _layer_graph(self.model):
            graph.node.add(name=name, op=kind, input=inputs)
        self._writer("train").add_event(event(graph_def=graph.SerializeToString()))

    def _write_embeddings(self, epoch: int) -> None:
        """Write the weights of embeddings as text, and the settings of the projector that point to it."""
        from tahr.layers import Embedding

        entries = []
        for layer in self.model._flatten_layers():
            if not isinstance(layer, Embedding) or not layer.built:
                continue
            name = f"{layer.name}_embedding.tsv"
            os.makedirs(self.log_dir, exist_ok=True)
            np.savetxt(os.path.join(self.log_dir, name), layer.embeddings.numpy(), "%.8g", delimiter="\t")
            labels = self.embeddings_metadata
            labels = labels.get(layer.name) if isinstance(labels, Mapping) else labels
            more = f'  metadata_path: "{os.fspath(labels)}"\n' if labels else ""
            entries.append(f'embeddings {{\n  tensor_name: "{layer.name}"\n  tensor_path: "{name}"\n{more}}}\n')
        if entries:
            with open(os.path.join(self.log_dir, "projector_config.pbtxt"), "w", encoding="utf-8") as file:
                file.writelines(entries)


def _span(profile_batch: Any) -> tuple[int, int]:
    """Return the numbers of the first and the last batch to profile, (0, 0) for none."""
    given: Any = profile_batch.split(",") if isinstance(profile_batch, str) else profile_batch
    found = [given, given] if np.ndim(given) == 0 else list(given)
    try:
        first, last = (int(number) for number in found)
        if 0 < first <= last or first == last == 0:
            return first, last
    except (TypeError, ValueError):
        pass
    raise ValueError(
        "TensorBoard: expected profile_batch to be the number of a batch, counted from 1, or those of the first and "
        f"the last, or 0; received {profile_batch!r}."
    )


def _tensorboardx() -> Any:
    try:
        import tensorboardX
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(INSTALL) from error
    return tensorboardX


def _layer_graph(model: Any) -> list[tuple[str, str, list[str]]]:
    """Return name, class and inputs of each call of a layer; only the layers where the model is no graph of layers."""
    function = getattr(model, "_function", None)
    if function is None:
        return [(layer.path, type(layer).__name__, []) for layer in model.layers]
    makers = {id(symbol): f"{model.name}/{symbol.name}" for symbol in function.inputs}
    found: list[tuple[str, str, list[str]]] = [(name, "InputLayer", []) for name in makers.values()]
    for node in function._plan:
        name = f"{model.name}/{node.operation.name}" + (f"_{node.index}" if node.index else "")
        inputs = [makers[id(symbol)] for symbol in node.inputs if id(symbol) in makers]
        makers.update({id(symbol): name for symbol in node.outputs})
        found.append((name, type(node.operation).__name__, inputs))
    return found


def _grey(values: np.ndarray) -> np.ndarray:
    """Return weights as rows of bytes from 0 for the least to 255 for the greatest."""
    values = values.reshape(-1, values.shape[-1])
    low, high = values.min(), values.max()
    return ((values - low) / ((high - low) or 1.0) * 255).astype(np.uint8)


def _png(picture: np.ndarray) -> bytes:
    """Return a grey picture as a PNG file (RFC 2083)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = picture.shape
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in picture)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
