"""Run the whole suite once on each backend and close with one line of totals.

    python tests/run_all.py                     jax, numpy, torch and tensorflow, then exchange
    python tests/run_all.py torch -k dense      one backend, with more arguments for pytest

What touches no backend (marker `once`) runs with the first backend only. The part `exchange` holds what needs other
people's files: those of real Keras, and packages with trained models; without a network it fails. The exit code is 1 if
anything failed.
"""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BACKENDS = ("jax", "numpy", "torch", "tensorflow")
PARTS = {  # where a backend does not run everything, since it is much the same as on others
    "tensorflow": (
        *("ops", "layers", "models", "optimizers", "losses", "metrics", "backends", "callbacks", "trainer", "adapt"),
        *("compat/test_run.py", "initializers", "quantizers", "test_autodiff.py", "test_examples.py", "test_remat.py"),
        *(f"saving/test_{part}.py" for part in ("checkpoint", "editor", "mapping", "old_files", "replacing")),
        *(f"saving/test_{part}.py" for part in ("random_models", "reports", "round_trip", "safetensors")),
    )
}
EXCHANGE = "exchange"
OUTCOME = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)\b")


def run(backend: str, arguments: list[str], first: bool) -> tuple[Counter[str], int]:
    """Run pytest on one backend, show its output as it comes, and return the counts of its closing line."""
    wanted = "not network" if first else "not network and not once"
    if backend == EXCHANGE:
        backend, wanted = "torch", "exchange or network"  # where small models train without being compiled
    if not any(Path(a.partition("::")[0]).exists() for a in arguments):
        arguments = [*(f"tests/{part}" for part in PARTS.get(backend, ())), *arguments]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-m", wanted, *arguments]
    print(f"== {backend}: {' '.join(command[1:])}", flush=True)
    environment = {**os.environ, "TAHR_BACKEND": backend}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    closing = ""
    for line in process.stdout:
        print(line, end="", flush=True)
        if OUTCOME.search(line) and re.search(r" in [\d.]+s", line):
            closing = line
    counts: Counter[str] = Counter()
    for number, outcome in OUTCOME.findall(closing):
        counts["failed" if outcome.startswith("error") else outcome] += int(number)
    return counts, process.wait()


def main() -> int:
    arguments = sys.argv[1:]
    known = (*BACKENDS, EXCHANGE)
    backends = [a for a in arguments if a in known]
    arguments = [a for a in arguments if a not in known]
    backends = backends or list(BACKENDS if arguments else known)
    total: Counter[str] = Counter()
    broken = []
    for position, backend in enumerate(backends):
        start = time.monotonic()
        counts, code = run(backend, arguments, first=position == 0)
        total += counts
        if code and not counts["failed"]:
            broken.append(f"{backend}: pytest ended with exit code {code}")
        print(f"== {backend}: {dict(counts)} in {time.monotonic() - start:.0f} s", flush=True)
    for line in broken:
        print(line)
    failed = total["failed"] + len(broken)
    skipped = f", {total['skipped']} skipped" if total["skipped"] else ""
    print(f"{total['passed']} passed, {failed} failed{skipped}")
    return 1 if failed or not total["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
