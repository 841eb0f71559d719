"""Saving and loading a model of 100 MB, in fresh interpreters, with the memory that it takes beyond what was there."""

from typing import Any

from workloads.base import Bar, Workload
from workloads.fresh import READY, Fresh

PEERS = ("tahr_jax", "tahr_torch", "keras_jax", "keras_torch")
MODEL = """
import os, tempfile
folder = tempfile.TemporaryDirectory()
path = os.path.join(folder.name, "model.keras")

def build():
    layers = [keras.layers.Dense(2236, name=f"dense_{i}") for i in range(5)]
    return keras.Sequential([keras.Input((2236,)), *layers])

def memory(field):
    for line in open("/proc/self/status"):
        if line.startswith(field):
            return int(line.split()[1]) / 1024

def watch():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak begins anew
    return memory("VmRSS")

model = build()
for _ in range(3):  # so that the machine has given the memory that files on disk are kept in: who replaces a file
    model.save(path)  # only when the new one is whole needs twice as much of it as who writes over it
"""
AFTER = """
facts["megabytes of the file"] = round(os.path.getsize(path) / 2**20, 1)
facts["megabytes at peak beyond the start"] = round(memory("VmHWM") - started, 1)
"""


def runner(work: str, before: str = "") -> Any:
    """Return the function that makes the runner of a peer for a line of work on the saved model."""

    def make(peer: Any) -> Fresh:
        ready = f"{READY[peer.backend]}\nimport {peer.module} as keras\nkeras.layers.Dense\n{MODEL}{before}"
        return Fresh(f"{ready}\nstarted = watch()", work, AFTER)

    return make


WORKLOADS = (
    Workload(
        name="save",
        title="saving a model of 100 MB to a .keras file, the fourth time in a fresh interpreter",
        unit="s",
        scale=1,
        peers=PEERS,
        runner=runner("model.save(path)"),
        bars=(
            Bar("no slower than Keras on the same backend", "tahr_jax", 1.0, "keras_jax"),
            Bar("no slower than Keras on the same backend", "tahr_torch", 1.0, "keras_torch"),
        ),
    ),
    Workload(
        name="load",
        title="loading a model of 100 MB from a .keras file, in a fresh interpreter",
        unit="s",
        scale=1,
        peers=PEERS,
        runner=runner("again = keras.saving.load_model(path)", "\ndel model"),
        bars=(
            Bar("no slower than Keras on the same backend", "tahr_jax", 1.0, "keras_jax"),
            Bar("no slower than Keras on the same backend", "tahr_torch", 1.0, "keras_torch"),
        ),
    ),
)
