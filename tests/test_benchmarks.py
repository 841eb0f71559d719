"""The benchmarks run: small sizes of what needs a GPU, and the picture of the results."""

import os
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest

from tahr import config

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"


def gpu(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(FOLDER / "gpu.py"), "--seconds", "0.01", "--only", "mlp", *arguments],
        capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.trains
@pytest.mark.skipif(config.backend() not in ("jax", "torch"), reason="has peers on JAX and torch")
def test_gpu_on_small_sizes_and_without_a_gpu() -> None:
    peer = f"tahr_{config.backend()}"
    done = gpu("--device", "cpu", "--peers", peer, config.backend())
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line}
    assert float(rows[peer][1]) > 0 and float(rows[config.backend()][1]) > 0
    refused = gpu("--peers", peer)
    assert refused.returncode == 1 and "finds no GPU here" in refused.stdout


@pytest.mark.once
def test_the_picture_shows_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    import picture  # pyright: ignore[reportMissingImports]

    results = (FOLDER / "RESULTS.md").read_text()
    found = picture.ratios(results)
    assert found["mlp"].keys() == {"Keras", "raw torch", "raw JAX"}
    drawn = xml.etree.ElementTree.fromstring(picture.draw(results))
    texts = {node.text for node in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert set(found) < texts and f"{found['mlp']['Keras']:.3g}" in texts
