"""What single layers cost: a large embedding with Adam, LSTM and GRU, attention to many tokens.

python benchmarks/layers.py              all rows
python benchmarks/layers.py embedding    one of embedding, recurrent, attention

Each row is measured in processes of its own, one after the other, and printed with its reference:

- embedding: a training step of a table of 1,000,000 x 64 at batch 1024 with Adam, beside the time that the traffic of a
  dense update takes at the speed with which this machine reads and writes memory (gradient, weight and two slots of
  Adam: 4 arrays read, 3 written).
- recurrent: a training step of LSTM and GRU of 128 units at batch 64 with 80 steps of 128 features, beside the same in
  PyTorch alone: medians of three rounds, in which the three take turns.
- attention: the largest memory of a process that takes the gradient of causal attention (8 heads of 64, batch 1) for
  twice as many tokens again and again: what it takes beyond the process without it, and how much more each time.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
ROWS, WIDTH, BATCH = 1_000_000, 64, 1024
UNITS, STEPS, EXAMPLES = 128, 80, 64
LENGTHS = (1024, 2048, 4096, 8192)


def best(run: Callable[[], Any], rounds: int = 5, choose: Callable[[list[float]], float] = min) -> float:
    """Return the shortest (or another) time of a call in milliseconds, after two calls that do not count."""
    run()
    run()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return 1e3 * choose(times)


# ---- what the child processes measure ---


def embedding() -> dict[str, float]:
    import tahr as keras

    model = keras.Sequential([keras.Input((), dtype="int32"), keras.layers.Embedding(ROWS, WIDTH)])
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    steps = 8
    ids = np.random.default_rng(0).integers(0, ROWS, BATCH * steps).astype("int32")
    targets = np.zeros((BATCH * steps, WIDTH), "float32")
    step = best(lambda: model.fit(ids, targets, BATCH, verbose=0), 3) / steps
    source, target = np.ones((ROWS, WIDTH), "float32"), np.ones((ROWS, WIDTH), "float32")
    copy = best(lambda: np.copyto(target, source))  # one array read, one written
    return {"step": step, "traffic": 3.5 * copy}


def recurrent(kind: str) -> dict[str, float]:
    import tahr as keras

    model = keras.Sequential(
        [keras.Input((STEPS, WIDTH * 2)), getattr(keras.layers, kind)(UNITS), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    steps = 8
    x = np.random.default_rng(0).normal(size=(EXAMPLES * steps, STEPS, WIDTH * 2)).astype("float32")
    y = x[:, 0, :1]
    return {"step": best(lambda: model.fit(x, y, EXAMPLES, epochs=4, verbose=0), 4, statistics.median) / steps / 4}


def raw_recurrent(kind: str) -> dict[str, float]:
    import torch

    cell, head = getattr(torch.nn, kind)(WIDTH * 2, UNITS, batch_first=True), torch.nn.Linear(UNITS, 1)
    optimizer = torch.optim.Adam([*cell.parameters(), *head.parameters()], 1e-3)
    x = torch.randn(EXAMPLES * 8, STEPS, WIDTH * 2)
    y = x[:, 0, :1]

    def step(batch: Any) -> None:
        optimizer.zero_grad()
        loss = ((head(cell(x[batch])[0][:, -1]) - y[batch]) ** 2).mean()
        loss.backward()
        optimizer.step()

    def epochs() -> None:
        for batch in (b for _ in range(4) for b in torch.randperm(len(x)).split(EXAMPLES)):
            step(batch)

    return {"step": best(epochs, 4, statistics.median) / 32}


def attention(length: int, whole: bool) -> dict[str, float]:
    import tahr as keras
    from tahr import ops

    def loss(x: Any) -> Any:
        return ops.sum(ops.dot_product_attention(x, x, x, is_causal=True, flash_attention=not whole) ** 2)

    x = ops.convert_to_tensor(np.random.default_rng(0).normal(size=(1, length, 8, 64)).astype("float32"))
    small = x[:, :256]
    keras.grad(loss)(small)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ops.convert_to_numpy(keras.grad(loss)(x))
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"megabytes": megabytes, "seconds": best(lambda: ops.convert_to_numpy(keras.grad(loss)(x)), 1) / 1e3}


MEASURED: dict[str, Callable[..., dict[str, float]]] = {
    "embedding": embedding,
    "recurrent": recurrent,
    "raw_recurrent": raw_recurrent,
    "attention": attention,
}


# ---- the rows ---


def measure(backend: str, name: str, *arguments: Any) -> dict[str, float]:
    """Return what a function of `MEASURED` found in a process of its own."""
    environment = {**os.environ, "TAHR_BACKEND": backend, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, __file__, "--measure", json.dumps([name, *arguments])]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=True)
    return json.loads(found.stdout.splitlines()[-1])


def embedding_row() -> None:
    for backend in ("jax", "torch"):
        found = measure(backend, "embedding")
        ratio = found["step"] / found["traffic"]
        print(f"embedding 1M x 64, batch {BATCH}, Adam, {backend}: {found['step']:.1f} ms a step, "
              f"{ratio:.2f} of a dense update's memory traffic ({found['traffic']:.1f} ms)", flush=True)  # fmt: skip


def recurrent_row() -> None:
    for kind in ("LSTM", "GRU"):
        names = {"raw": ("torch", "raw_recurrent"), "jax": ("jax", "recurrent"), "torch": ("torch", "recurrent")}
        rounds = [{who: measure(*name, kind)["step"] for who, name in names.items()} for _ in range(3)]
        steps = {who: statistics.median(r[who] for r in rounds) for who in names}
        for who in ("jax", "torch"):
            ratio = statistics.median(r[who] / r["raw"] for r in rounds)
            print(f"{kind} {UNITS} units, batch {EXAMPLES}, {STEPS} steps, {who}: {steps[who]:.1f} ms a step, "
                  f"{ratio:.2f} of raw PyTorch ({steps['raw']:.1f} ms)", flush=True)  # fmt: skip


def attention_row() -> None:
    for backend in ("jax", "torch"):
        for whole in (False, True):
            lengths = LENGTHS[:3] if whole else LENGTHS
            found = [measure(backend, "attention", n, whole) for n in lengths]
            text = ", ".join(
                f"{n} tokens {f['megabytes']:.0f} MB {f['seconds']:.2f} s" for n, f in zip(lengths, found, strict=True)
            )
            how = "all at once" if whole else "in chunks"
            growth = found[-1]["megabytes"] / max(found[-2]["megabytes"], 1)
            print(f"attention {how}, {backend}: {text}; the last doubling takes {growth:.1f} times as much", flush=True)


ROWS_OF = {"embedding": embedding_row, "recurrent": recurrent_row, "attention": attention_row}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[*ROWS_OF, []], help="which rows; all by default")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        name, *arguments = json.loads(given.measure)
        print(json.dumps(MEASURED[name](*arguments)))
        return
    for name in given.rows or ROWS_OF:
        ROWS_OF[name]()


if __name__ == "__main__":
    main()
