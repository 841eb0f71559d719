"""What the progress bar costs: `fit` with verbose=1 in a terminal, against the same `fit` with verbose=0."""

import fcntl
import os
import statistics
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from typing import Any

from workloads.base import Bar, Repeated, Task, Workload
from workloads.mlp import MEDIUM, TINY

ROWS, COLUMNS = 40, 120
PAIRS = 5  # in each round, close together in time, for the speed of the machine drifts


def open_terminal() -> None:
    """Make stdout a terminal of 40 x 120 whose output another process reads and drops."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    subprocess.Popen(["cat"], stdin=master, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=True)
    os.close(master)
    os.dup2(slave, 1)
    os.environ["TERM"] = "xterm-256color"
    sys.stdout = os.fdopen(1, "w", closefd=False)


def progress_runner(task: Task) -> Callable[[Any], Repeated]:
    """Return the function that makes the runner of a training task whose rounds are ratios of times."""

    def runner(peer: Any) -> Repeated:
        open_terminal()
        from keras_api import Fit

        class FitWithBar(Fit):
            def round(self, seconds: float) -> float:
                pairs = [(self.once(0, seconds / PAIRS), self.once(1, seconds / PAIRS)) for _ in range(PAIRS)]
                return statistics.median(shown / quiet for quiet, shown in pairs)

            def once(self, verbose: int, seconds: float) -> float:
                self.verbose = verbose
                return super().round(seconds)

        return FitWithBar(task, peer.module)

    return runner


def progress_workload(name: str, model: str, task: Task) -> Workload:
    """Return the workload of showing progress while a task trains."""
    return Workload(
        name=name,
        title=f"fit with verbose=1 in a terminal, divided by fit with verbose=0: {model}",
        unit="times",
        scale=1,
        peers=("tahr_jax", "tahr_torch", "keras_jax", "keras_torch", "keras_tensorflow"),
        runner=progress_runner(task),
        bars=(Bar("costs at most 3 %", "tahr_jax", offset=1.03),),
    )


WORKLOADS = (
    progress_workload("progress_tiny", "MLP 20-32-1, batch 32", TINY),
    progress_workload("progress", "MLP 784-512-512-10, batch 128", MEDIUM),
)
