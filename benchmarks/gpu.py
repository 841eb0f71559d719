"""Training on a GPU in bfloat16: tahr beside hand-written torch (compiled) and JAX on the same device.

    python benchmarks/gpu.py                     a transformer, a ResNet and an MLP on the GPU at hand
    python benchmarks/gpu.py --only transformer --seconds 10
    python benchmarks/gpu.py --device cpu        small sizes, to see that the script runs; its figures say nothing

Each peer works in a process of its own. Printed are the median time of a step, how many times faster tahr is on the
same framework, the share of the GPU's bfloat16 peak that the model's products make up (MFU, if the peak is known or
given by `--peak-tflops`), and the most memory that the framework held. A peer without a GPU that it can use fails.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
PEERS = {"tahr_jax": "jax", "tahr_torch": "torch", "jax": "jax", "torch": "torch"}
# Dense bfloat16, from the makers' data sheets, in TFLOP/s; the first name found in that of the device counts.
PEAKS = {"H200": 989.0, "H100 PCIe": 756.0, "H100": 989.0, "A100": 312.0, "L40S": 362.0, "L4": 121.0, "A10": 125.0}
# width, heads, layers, tokens, vocabulary, batch; width, blocks, size, batch; width, layers, batch
SIZES = {
    "cuda": {"transformer": (1024, 16, 12, 1024, 32_000, 16), "resnet": (64, 16, 128, 128), "mlp": (8192, 6, 4096)},
    "cpu": {"transformer": (16, 2, 1, 8, 50, 2), "resnet": (4, 1, 8, 2), "mlp": (16, 2, 4)},
}
CLASSES, RATE = 16, 1e-4


def data(kind: str, sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return one batch of inputs and whole-number targets."""
    rng = np.random.default_rng(0)
    if kind == "transformer":
        _, _, _, tokens, vocabulary, batch = sizes
        text = rng.integers(0, vocabulary, (batch, tokens + 1)).astype("int32")
        return text[:, :-1].copy(), text[:, 1:].copy()
    shape = (sizes[-1], sizes[2], sizes[2], 3) if kind == "resnet" else (sizes[-1], sizes[0])
    return rng.standard_normal(shape, "float32"), rng.integers(0, CLASSES, sizes[-1]).astype("int32")


# ---- the models, three times ---


def tahr_model(kind: str, sizes: tuple[int, ...]) -> Any:
    import tahr as keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    layers = keras.layers
    if kind == "transformer":
        width, heads, depth, tokens, vocabulary, _ = sizes
        inputs = keras.Input((tokens,), dtype="int32")
        x = layers.Embedding(vocabulary, width)(inputs)
        for _ in range(depth):
            y = layers.LayerNormalization()(x)
            x = layers.Add()([x, layers.MultiHeadAttention(heads, width // heads)(y, y, use_causal_mask=True)])
            y = layers.Dense(4 * width, activation="gelu")(layers.LayerNormalization()(x))
            x = layers.Add()([x, layers.Dense(width)(y)])
        return keras.Model(inputs, layers.Dense(vocabulary, dtype="float32")(layers.LayerNormalization()(x)))
    if kind == "resnet":
        width, blocks, size, _ = sizes
        inputs = keras.Input((size, size, 3))
        x = layers.Conv2D(width, 3, padding="same")(inputs)
        for _ in range(blocks):
            y = layers.Activation("relu")(layers.BatchNormalization()(x))
            x = layers.Add()([x, layers.Conv2D(width, 3, padding="same")(y)])
        return keras.Model(inputs, layers.Dense(CLASSES, dtype="float32")(layers.GlobalAveragePooling2D()(x)))
    width, depth, _ = sizes
    hidden = [layers.Dense(width, activation="relu") for _ in range(depth)]
    return keras.Sequential([keras.Input((width,)), *hidden, layers.Dense(CLASSES, dtype="float32")])


def torch_model(kind: str, sizes: tuple[int, ...]) -> Any:
    import torch
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        def __init__(self, width: int, heads: int) -> None:
            super().__init__()
            self.heads, self.norms = heads, nn.ModuleList([nn.LayerNorm(width) for _ in range(2)])
            self.joined, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            batch, tokens, width = x.shape
            parts = self.joined(self.norms[0](x)).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            attended = functional.scaled_dot_product_attention(*parts, is_causal=True)
            x = x + self.out(attended.transpose(1, 2).reshape(batch, tokens, width))
            return x + self.narrow(functional.gelu(self.wide(self.norms[1](x))))

    class Residual(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.norm, self.convolution = nn.BatchNorm2d(width), nn.Conv2d(width, width, 3, padding=1)

        def forward(self, x: Any) -> Any:
            return x + self.convolution(torch.relu(self.norm(x)))

    if kind == "transformer":
        width, heads, depth, _, vocabulary, _ = sizes
        body = [Block(width, heads) for _ in range(depth)]
        return nn.Sequential(nn.Embedding(vocabulary, width), *body, nn.LayerNorm(width), nn.Linear(width, vocabulary))
    if kind == "resnet":
        width, blocks, _, _ = sizes
        body = [Residual(width) for _ in range(blocks)]
        head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, CLASSES)
        return nn.Sequential(nn.Conv2d(3, width, 3, padding=1), *body, *head)
    width, depth, _ = sizes
    hidden = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(width, CLASSES))


def jax_network(kind: str, sizes: tuple[int, ...]) -> Any:
    """Return (parameters, function of them and a batch), its products in bfloat16."""
    import jax
    import jax.numpy as jnp
    from workloads.by_hand import by_hand

    def transformer(p: Any, tokens: Any) -> Any:
        width, heads, depth, length, vocabulary, _ = sizes
        x = p.table(vocabulary, width)[tokens]
        for _ in range(depth):
            y = p.layer_norm(x)
            q, k, v = (p.dense(y, width).reshape(len(tokens), length, heads, -1) for _ in range(3))
            fast = "cudnn" if jax.default_backend() == "gpu" else None
            attended = jax.nn.dot_product_attention(q, k, v, is_causal=True, implementation=fast)
            x = x + p.dense(attended.reshape(x.shape), width)
            x = x + p.dense(jax.nn.gelu(p.dense(p.layer_norm(x), 4 * width), approximate=False), width)
        return p.dense(p.layer_norm(x), vocabulary)

    def resnet(p: Any, x: Any) -> Any:
        width, blocks, _, _ = sizes
        x = p.convolution(x, width, 3) + p.vector(width)
        for _ in range(blocks):
            x = x + p.convolution(jax.nn.relu(p.batch_norm(x)), width, 3) + p.vector(width)
        return p.dense(x.mean((1, 2)), CLASSES)

    def mlp(p: Any, x: Any) -> Any:
        for _ in range(sizes[1]):
            x = jax.nn.relu(p.dense(x, sizes[0]))
        return p.dense(x, CLASSES)

    network = {"transformer": transformer, "resnet": resnet, "mlp": mlp}[kind]
    x = data(kind, sizes)[0]
    params, run = by_hand(network, (2, *x.shape[1:]), str(x.dtype))

    def short(x: Any) -> Any:
        return x.astype(jnp.bfloat16) if x.dtype == jnp.float32 else x

    return params, lambda params, x: run([short(w) for w in params], short(x)).astype(jnp.float32)


# ---- what is measured: functions that take some steps and wait for the last ---


def tahr_steps(kind: str, sizes: tuple[int, ...], device: str) -> Any:
    import tahr as keras

    model, (x, y) = tahr_model(kind, sizes), data(kind, sizes)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compiled = True if keras.config.backend() == "torch" and device == "cuda" else "auto"
    model.compile(keras.optimizers.Adam(RATE), loss, jit_compile=compiled)
    x, y = np.concatenate([x] * 4), np.concatenate([y] * 4)
    batch = len(x) // 4

    def run(count: int) -> float:
        fitted = model.fit(x, y, batch_size=batch, epochs=-(-count // 4), shuffle=False, verbose=0)
        return fitted.history["loss"][-1]

    work = model.summary_data().totals["flops"]
    return run, 3.0 * work * batch if work else None, 4


def torch_steps(kind: str, sizes: tuple[int, ...], device: str) -> Any:
    import torch
    from torch.nn import functional

    network = torch_model(kind, sizes).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    x, y = (torch.from_numpy(a).to(device) for a in data(kind, sizes))
    if kind == "resnet":
        x, network = x.permute(0, 3, 1, 2), network.to(memory_format=torch.channels_last)
    forward = torch.compile(network) if device == "cuda" else network

    def run(count: int) -> float:
        loss = torch.zeros(())
        for _ in range(count):
            with torch.autocast(device, torch.bfloat16):
                logits = forward(x)
            loss = functional.cross_entropy(logits.float().flatten(0, -2), y.long().flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.item()

    return run, None, 1


def jax_steps(kind: str, sizes: tuple[int, ...], device: str) -> Any:
    import jax
    import jax.numpy as jnp
    from raw_jax import adam, loss_and_hits

    params, network = jax_network(kind, sizes)
    x, y = map(jax.device_put, data(kind, sizes))

    def step(state: Any, x: Any, y: Any) -> Any:
        params, first, second, count = state
        loss, grads = jax.value_and_grad(lambda p: loss_and_hits("classes", network(p, x), y)[0])(params)
        return (*adam(params, grads, first, second, count + 1), count + 1), loss

    compiled = jax.jit(step, donate_argnums=0)
    params = [jnp.asarray(w) for w in params]
    state: Any = (params, *([jnp.zeros_like(w) for w in params] for _ in range(2)), jnp.float32(0))

    def run(count: int) -> float:
        nonlocal state
        loss = jnp.float32(0)
        for _ in range(count):
            state, loss = compiled(state, x, y)
        return float(loss)

    return run, None, 1


# ---- one peer, in a process of its own ---


def device_of(framework: str, device: str) -> str:
    """Return the name of the device that a framework will use.

    Raises:
        SystemExit: if it has no GPU and one is asked for.
    """
    if framework == "torch":
        import torch

        if device == "cpu":
            return "cpu"
        if not torch.cuda.is_available():
            raise SystemExit("torch finds no GPU here. Use a machine with one and a build of torch for it.")
        return torch.cuda.get_device_name()
    import jax

    if device == "cuda" and jax.default_backend() != "gpu":
        raise SystemExit('JAX finds no GPU here. Use a machine with one and install "jax[cuda12]".')
    return jax.devices()[0].device_kind


def peak_bytes(framework: str) -> int | None:
    if framework == "torch":
        import torch

        return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
    import jax

    return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")


def work(peer: str, kind: str, device: str, seconds: float) -> dict[str, Any]:
    """Return what one peer takes for a step, after warming up."""
    name = device_of(PEERS[peer], device)
    steps = {"tahr_jax": tahr_steps, "tahr_torch": tahr_steps, "jax": jax_steps, "torch": torch_steps}[peer]
    run, flops, least = steps(kind, SIZES[device][kind], device)
    began = time.perf_counter()
    run(least)
    start = time.perf_counter() - began
    run(4)
    began = time.perf_counter()
    run(4)
    count = max(4, 4 * int(seconds / 5 / max(time.perf_counter() - began, 1e-6)))
    times = []
    for _ in range(5):
        began = time.perf_counter()
        loss = run(count)
        times.append((time.perf_counter() - began) / count)
    found = {"device": name, "seconds": statistics.median(times), "spread": [min(times), max(times)], "start": start}
    return {**found, "flops": flops, "bytes": peak_bytes(PEERS[peer]), "loss": float(loss)}


def measured(peer: str, kind: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return what a peer in a fresh process found, or why there is nothing."""
    command = [sys.executable, __file__, "--device", options.device, "--seconds", str(options.seconds)]
    hidden = {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""} if options.device == "cpu" else {}
    paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, **hidden, "TAHR_BACKEND": PEERS[peer], "PYTHONPATH": paths}
    done = subprocess.run([*command, "--work", peer, kind], capture_output=True, text=True, env=environment)
    if done.returncode:
        return {"failure": (done.stderr.strip().splitlines() or ["it died"])[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def table(kind: str, found: dict[str, dict[str, Any]], peak: float | None) -> str:
    """Return the results of one model as text."""
    flops = next((row["flops"] for row in found.values() if row.get("flops")), None)
    lines = [f"{kind}", f"{'':12}{'ms a step':>12}{'tahr is x faster':>18}{'MFU':>8}{'GB':>8}{'start, s':>10}"]
    for peer, row in found.items():
        if "failure" in row:
            lines.append(f"{peer:12}failed: {row['failure']}")
            continue
        ours = found.get(f"tahr_{PEERS[peer]}", {}).get("seconds")
        ratio = f"{row['seconds'] / ours:.2f}" if ours and not peer.startswith("tahr") else "-"
        share = f"{flops / row['seconds'] / (peak * 1e12):.1%}" if flops and peak else "-"
        memory = f"{row['bytes'] / 1e9:.2f}" if row["bytes"] else "-"
        lines.append(f"{peer:12}{row['seconds'] * 1e3:12.3f}{ratio:>18}{share:>8}{memory:>8}{row['start']:10.1f}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SIZES["cpu"], default=list(SIZES["cpu"]), help="models")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--device", choices=SIZES, default="cuda")
    parser.add_argument("--seconds", type=float, default=10.0, help="time to measure each peer (default 10)")
    parser.add_argument("--peak-tflops", type=float, help="the device's peak in bfloat16, where it is not known here")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(work(options.work[0], options.work[1], options.device, options.seconds)))
        return 0
    failed = False
    for kind in options.only:
        found = {peer: measured(peer, kind, options) for peer in options.peers}
        names = {row["device"] for row in found.values() if "device" in row}
        known = next((value for name, value in PEAKS.items() if any(name in device for device in names)), None)
        print(f"\n{', '.join(sorted(names)) or 'no device'}; sizes {SIZES[options.device][kind]}; bfloat16")
        print(table(kind, found, options.peak_tflops or known), flush=True)
        failed |= any("failure" in row for row in found.values())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
