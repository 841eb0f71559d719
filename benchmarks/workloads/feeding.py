"""Between the data and the steps: checks before the first, decoding in workers, arrays larger than memory."""

import json
import statistics
import subprocess
import sys
import time
import zlib
from typing import Any

import numpy as np

from workloads.base import Bar, Repeated, Workload
from workloads.mlp import MEDIUM

BATCH_SIZE, BATCHES, SIDE = 64, 40, 96
PAIRS = 15  # of epochs with and without checks, whose order changes each time


def compressed() -> list[bytes]:
    """Return images as files hold them: compressed bytes."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (BATCH_SIZE, SIDE // 4, SIDE // 4, 3), dtype=np.uint8)
    return [zlib.compress(image.repeat(4, axis=0).repeat(4, axis=1).tobytes()) for image in coarse]


def decoded(data: bytes) -> np.ndarray:
    """Return one image as numbers, brightened at random and mirrored, as a decoder in a pipeline does."""
    image = np.frombuffer(zlib.decompress(data), np.uint8).reshape(SIDE, SIDE, 3).astype("float32") / 255
    return (image[:, ::-1] * 0.9 + 0.05).clip(0, 1)


class ImageSet:
    """One image at a time, for a DataLoader."""

    def __init__(self) -> None:
        self.files = compressed()

    def __len__(self) -> int:
        return BATCH_SIZE * BATCHES

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.float32]:
        return decoded(self.files[index % BATCH_SIZE]), np.float32(index % 2)


class KerasPipeline(Repeated):
    """Epochs of `fit` on a PyDataset with two worker processes."""

    steps = BATCHES

    def __init__(self, peer: Any) -> None:
        self.module = peer.module

    def build(self) -> None:
        keras = __import__(self.module)
        images = ImageSet()

        class Batches(keras.utils.PyDataset):
            def __len__(self) -> int:
                return BATCHES

            def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
                rows = [images[i] for i in range(index * BATCH_SIZE, (index + 1) * BATCH_SIZE)]
                return np.stack([x for x, _ in rows]), np.array([[y] for _, y in rows])

        self.data = Batches(workers=2, use_multiprocessing=True, max_queue_size=8)
        self.model = keras.Sequential(
            [
                keras.Input((SIDE, SIDE, 3)),
                keras.layers.AveragePooling2D(8),
                keras.layers.Flatten(),
                keras.layers.Dense(1),
            ]
        )
        self.model.compile("sgd", "mse")

    def units(self, count: int) -> None:
        self.model.fit(self.data, epochs=count, verbose=0)


class TorchPipeline(Repeated):
    """Epochs of a hand-written loop over a DataLoader with two worker processes."""

    steps = BATCHES

    def build(self) -> None:
        import torch

        self.loader = torch.utils.data.DataLoader(
            ImageSet(), BATCH_SIZE, shuffle=True, num_workers=2, persistent_workers=True, prefetch_factor=4
        )
        self.model = torch.nn.Sequential(
            torch.nn.AvgPool2d(8), torch.nn.Flatten(), torch.nn.Linear((SIDE // 8) ** 2 * 3, 1)
        )
        self.optimizer = torch.optim.SGD(self.model.parameters(), 0.01)

    def units(self, count: int) -> None:
        import torch

        for _ in range(count):
            for x, y in self.loader:
                loss = torch.nn.functional.mse_loss(self.model(x.permute(0, 3, 1, 2)), y[:, None])
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()


def guards_runner(peer: Any) -> Repeated:
    """Return the runner of `fit` with and without its checks; one epoch a `fit`, where they weigh most."""
    from keras_api import Fit

    class FitUnchecked(Fit):
        def round(self, seconds: float) -> float:
            from tahr.trainer import prepare

            check = prepare.check_data
            ways = {"without": lambda *args: None, "with": check}
            ratios = []
            for pair in range(PAIRS):
                took = {}
                for way in sorted(ways, reverse=bool(pair % 2)):
                    prepare.check_data = ways[way]
                    took[way] = self.epochs(seconds / PAIRS / 2)
                ratios.append(took["with"] / took["without"])
            prepare.check_data = check
            return statistics.median(ratios)

        def epochs(self, seconds: float) -> float:
            count = max(1, round(seconds / self.unit_seconds))
            began = time.perf_counter()
            for _ in range(count):
                self.units(1)
            return (time.perf_counter() - began) / count

    return FitUnchecked(MEDIUM, peer.module)


LARGE = """
import json, os, resource, tempfile
import numpy as np
import tahr as keras
rows, width = 524_288, 1024
with tempfile.TemporaryDirectory() as folder:
    x = np.lib.format.open_memmap(os.path.join(folder, "x.npy"), "w+", "float32", (rows, width))
    y = np.zeros((rows, 1), "float32")
    model = keras.Sequential([keras.Input((width,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(x[:4096], y[:4096], batch_size=4096, verbose=0)
    before = int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    open("/proc/self/clear_refs", "w").write("5")
    model.fit(x, y, batch_size=4096, verbose=0)
    status = open("/proc/self/status").read().split("\\n")
    peak = int(next(line for line in status if line.startswith("VmHWM")).split()[1]) * 1024
    shared = int(next(line for line in status if line.startswith("RssFile")).split()[1]) * 1024
    print(json.dumps({"megabytes": (peak - before) / 1e6, "of_the_file": shared / 1e6, "gigabytes": x.nbytes / 1e9}))
"""


class Large:
    """A runner whose every round is a process that trains on an array of 2 GB in a file."""

    fresh = True
    warm_units = 1

    def start(self) -> float:
        began = time.perf_counter()
        self.round(0)
        return time.perf_counter() - began

    def round(self, seconds: float) -> float:
        done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"the process failed:\n{done.stderr[-2000:]}")
        self.answer = json.loads(done.stdout.splitlines()[-1])
        return self.answer["megabytes"]

    def facts(self) -> dict[str, Any]:
        return self.answer


def pipeline_runner(peer: Any) -> Repeated:
    return KerasPipeline(peer) if peer.module else TorchPipeline()


def large_runner(peer: Any) -> Any:
    return Large()


WORKLOADS = (
    Workload(
        name="guards",
        title="fit of one epoch with its checks of the data, divided by fit without: MLP 784-512-512-10, batch 128",
        unit="times",
        scale=1,
        peers=("tahr_jax", "tahr_torch"),
        runner=guards_runner,
        bars=(Bar("costs at most 2 %", "tahr_jax", offset=1.02), Bar("costs at most 2 %", "tahr_torch", offset=1.02)),
    ),
    Workload(
        name="pipeline",
        title="fit on images decoded by two worker processes, batch 64",
        unit="ms a step",
        scale=1e3,
        peers=("tahr_jax", "tahr_torch", "keras_jax", "keras_torch", "torch"),
        runner=pipeline_runner,
        bars=(Bar("at least 0.9 x as fast as torch's DataLoader", "tahr_torch", 1 / 0.9, "torch"),),
    ),
    Workload(
        name="memmap",
        title="memory above that of a small fit, while fit goes through 2 GB in a file",
        unit="MB",
        scale=1,
        peers=("tahr_jax", "tahr_torch"),
        runner=large_runner,
        bars=(Bar("less than 300 MB", "tahr_jax", offset=300), Bar("less than 300 MB", "tahr_torch", offset=300)),
    ),
)
