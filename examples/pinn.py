"""A physics-informed network: u'' = -pi^2 sin(pi x) with u(0) = u(1) = 0, whose solution is sin(pi x).

The loss is the equation itself: second derivatives by the input, differentiated once more by the weights.
The exit code is 1 if the mean square of the residual is not below 1e-3.
"""

import math
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

import tahr as keras
from tahr import layers, ops

WANTED = 1e-3


class Rod(keras.Model):
    """A network times x (1 - x), so that the ends are zero whatever its weights."""

    def __init__(self) -> None:
        super().__init__()
        hidden = [layers.Dense(32, activation="tanh") for _ in range(2)]
        self.network = keras.Sequential([keras.Input((1,)), *hidden, layers.Dense(1)])

    def call(self, inputs: Any) -> Any:
        return inputs * (1 - inputs) * self.network(inputs)

    def residual(self, x: Any) -> Any:
        slope = keras.grad(lambda x: ops.sum(self(x)))  # rows do not see one another: the sum has each row's slope
        return keras.grad(lambda x: ops.sum(slope(x)))(x) + math.pi**2 * ops.sin(math.pi * x)

    def compute_loss(self, x: Any = None, **rest: Any) -> Any:
        return ops.mean(ops.square(self.residual(x)))


def main(arguments: Sequence[str] = ()) -> int:
    epochs = int(arguments[0]) if arguments else 250
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).uniform(size=(1024, 1)).astype("float32")
    model = Rod()
    decay = keras.optimizers.schedules.CosineDecay(0.01, decay_steps=epochs * 8)
    model.compile(keras.optimizers.Adam(decay))
    began = time.perf_counter()
    model.fit(x, batch_size=128, epochs=epochs, verbose=0)
    line = np.linspace(0, 1, 201, dtype="float32")[:, None]
    residual = float(ops.mean(ops.square(model.residual(ops.convert_to_tensor(line)))))
    error = np.abs(model.predict(line, verbose=0) - np.sin(np.pi * line)).max()
    print(f"{time.perf_counter() - began:.1f} s: residual {residual:.2e}, largest error of u {error:.2e}")
    return 0 if residual < WANTED else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
