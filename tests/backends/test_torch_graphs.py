"""On PyTorch, drawing random numbers is part of a graph of `torch.compile`, and the numbers are those of eager code;
without it the compiler stays unloaded."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from tahr import config, layers, ops, random  # noqa: E402

pytestmark = pytest.mark.skipif(config.backend() != "torch", reason="is about PyTorch")

DRAWS: dict[str, Callable[[Any], Any]] = {
    "normal": lambda x: random.normal(x.shape, seed=1),
    "truncated normal": lambda x: random.truncated_normal(x.shape, seed=1),
    "uniform": lambda x: random.uniform(x.shape, seed=1) * x,
    "randint": lambda x: random.randint(x.shape, -2, 5, seed=1),
    "gamma": lambda x: random.gamma(x.shape, 2.0, seed=1),
    "beta": lambda x: random.beta(x.shape, 2.0, 3.0, seed=1),
    "binomial": lambda x: random.binomial(x.shape, 5.0, 0.5, seed=1),
    "categorical": lambda x: random.categorical(x, 3, seed=1),
    "dropout": lambda x: random.dropout(x, 0.5, seed=1),
    "shuffle": lambda x: random.shuffle(x, seed=1),
}


@pytest.mark.parametrize("name", DRAWS)
def test_one_graph(name: str) -> None:
    draw, x = DRAWS[name], torch.arange(20.0).reshape(5, 4)
    expected = draw(x)  # which also starts the backend, and no graph can
    torch.compiler.reset()
    assert torch.equal(torch.compile(draw, fullgraph=True, backend="eager")(x), expected)


@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools.lru_cache`:UserWarning")
def test_a_layer_moves_its_seed_on() -> None:
    layer, x = layers.Dropout(0.5, seed=1), torch.ones(50, 4)
    layer(x)
    torch.compiler.reset()
    run = torch.compile(lambda x: layer(x, training=True), fullgraph=True, backend="eager")
    first, second = run(x), run(x)
    assert not torch.equal(first, second)
    assert 0.2 < float(ops.mean(ops.cast(first == 0, "float32"))) < 0.8


def test_training_does_not_load_the_compiler() -> None:
    code = """
    import sys
    import numpy as np
    import tahr as keras
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(np.zeros((4, 2)), np.zeros((4, 1)), verbose=0)
    assert "torch._dynamo" not in sys.modules
    """
    environment = {**os.environ, "TAHR_BACKEND": "torch"}
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=120, env=environment)
