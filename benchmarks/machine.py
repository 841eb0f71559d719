"""The machine: what it is, and how busy others keep it while a benchmark runs."""

import os
import platform
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def description(threads: int) -> str:
    """Return the processor, the cores given to every peer, the memory and the system in one line."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    cores = os.cpu_count()
    return (
        f"{_processor()}, {threads} of {cores} cores, {memory:.0f} GiB memory, {platform.system()} {platform.machine()}"
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def busy_seconds() -> float | None:
    """Return the processor time that all processes have used since the start, or None where Linux does not say."""
    counters = Path("/proc/stat")
    if not counters.exists():
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, counters.read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def used_seconds(pid: int) -> float:
    """Return the processor time that a process and its finished children have used; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS


def limits() -> dict[str, float]:
    """Return what this process's cores reach: FLOP/s of a large float32 matrix product, bytes/s read and written."""
    import numpy as np

    a, b = np.ones((2, 1024, 1024), "float32")
    source, target = np.ones((2, 32 * 2**20), "float32")
    products, copies = [], []
    for _ in range(7):
        began = time.perf_counter()
        a @ b
        products.append(time.perf_counter() - began)
        began = time.perf_counter()
        np.copyto(target, source)
        copies.append(time.perf_counter() - began)
    return {"flops": 2 * 1024**3 / min(products), "bytes": 2 * source.nbytes / min(copies)}


def pin(cores: list[int]) -> None:
    """Keep this process and its children on the given cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def available_cores() -> list[int]:
    """Return the cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
