"""What an eager operation costs over the framework's own function, beside Keras: microseconds a call on small arrays.

    python benchmarks/op_overhead.py                     every backend
    python benchmarks/op_overhead.py --backends torch    one of them

Each of raw framework, tahr and Keras runs in a process of its own; a figure is the best of several rounds, which are
interleaved, so that a busy moment of the machine hits all alike. The bar is 2 us over raw torch for `add`; the row
`eager_add` of `make bench` records it. The exit status is 1 when the bar is missed.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

BAR = 2.0  # us over raw torch, for add
OPERATIONS = ("add", "add a number", "exp", "sum", "matmul", "reshape", "relu", "concatenate", "where")


def calls(
    ops: Any, relu: Callable[..., Any], array: Callable[..., Any], raw_torch: bool
) -> dict[str, Callable[[], Any]]:
    """Return a call of each operation, of functions with NumPy's argument names or with torch's."""
    a, b = array([1.0] * 8), array([2.0] * 8)
    m, condition = array([[1.0] * 4] * 4), array([True, False] * 4)
    axis: dict[str, Any] = {"dim": 0} if raw_torch else {"axis": 0}
    return {
        "add": lambda: ops.add(a, b),
        "add a number": lambda: ops.add(a, 1.0),
        "exp": lambda: ops.exp(a),
        "sum": lambda: ops.sum(m, **axis),
        "matmul": lambda: ops.matmul(m, m),
        "reshape": lambda: ops.reshape(a, (2, 4)),
        "relu": lambda: relu(a),
        "concatenate": lambda: ops.concatenate((a, b), **axis),
        "where": lambda: ops.where(condition, a, b),
    }


def table(module: str, backend: str) -> dict[str, Callable[[], Any]]:
    """Return the calls of one contender: tahr, keras, or the raw framework."""
    if module == "tahr":
        from tahr import ops

        return calls(ops, ops.relu, ops.convert_to_tensor, False)
    if module == "keras":
        from keras import ops  # type: ignore[no-redef]

        return calls(ops, ops.relu, ops.convert_to_tensor, False)
    if backend == "torch":
        import torch

        return calls(torch, torch.relu, torch.tensor, True)
    if backend == "jax":
        import jax
        import jax.numpy as jnp

        return calls(jnp, jax.nn.relu, jnp.asarray, False)
    import numpy as np

    def as_floats(values: Any) -> Any:
        made = np.asarray(values)
        return made.astype("float32") if made.dtype == "float64" else made

    return calls(np, lambda x: np.maximum(x, 0), as_floats, False)


def serve(module: str, backend: str) -> None:
    """Time the operation named on each line of the input, and print the microseconds of a call."""
    runs = table(module, backend)
    for run in runs.values():
        for _ in range(200):
            run()
    print("ready", flush=True)
    for line in sys.stdin:
        run, count = runs[line.strip()], 2000
        began = time.perf_counter()
        for _ in range(count):
            run()
        print((time.perf_counter() - began) / count * 1e6, flush=True)


def start(module: str, backend: str) -> "subprocess.Popen[str]":
    """Return a process that serves the timings of one contender."""
    from peers import PEERS, environment

    names = {"raw": {"torch": "torch", "jax": "jax_loop", "numpy": "tahr_numpy"}[backend]}
    peer = PEERS[names.get(module, f"{module}_{backend}")]
    child = subprocess.Popen(
        [peer.python, __file__, "--serve", module, backend],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(peer, 1),
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line.strip() == "ready":
            return child
    raise RuntimeError(f"{module} on {backend} ended before it was ready.")


def ask(child: "subprocess.Popen[str]", name: str) -> float:
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(f"{name}\n")
    child.stdin.flush()
    return float(child.stdout.readline())


def compare(backend: str, rounds: int) -> dict[str, dict[str, float]]:
    """Return the best microseconds of each operation for each contender."""
    modules = ["raw", "tahr", *(["keras"] if backend != "numpy" else [])]
    children = {module: start(module, backend) for module in modules}
    best: dict[str, dict[str, float]] = {name: {} for name in OPERATIONS}
    for _ in range(rounds):
        for name in OPERATIONS:
            for module, child in children.items():
                best[name][module] = min(best[name].get(module, float("inf")), ask(child, name))
    for child in children.values():
        child.terminate()
    return best


def main() -> int:
    """Print a table a backend, and return 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", nargs="+", default=["torch", "jax", "numpy"], choices=("torch", "jax", "numpy"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--serve", nargs=2, metavar=("MODULE", "BACKEND"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(*options.serve)
        return 0
    found = {backend: compare(backend, options.rounds) for backend in options.backends}
    if options.json:
        print(json.dumps(found))
    for backend, rows in {} if options.json else found.items():
        print(f"\n{backend}, us a call{'':8}   raw    tahr    over   Keras    over")
        for name, times in rows.items():
            raw, tahr, keras = (times.get(module, float("nan")) for module in ("raw", "tahr", "keras"))
            print(f"{name:25} {raw:6.2f}  {tahr:6.2f}  {tahr - raw:+6.2f}  {keras:6.2f}  {keras - raw:+6.2f}")
    if "torch" not in found:
        return 0
    over = found["torch"]["add"]["tahr"] - found["torch"]["add"]["raw"]
    print(f"\ntorch add costs {over:.2f} us over the framework; the bar is {BAR} us", file=sys.stderr)
    return int(over > BAR)


if __name__ == "__main__":
    sys.exit(main())
