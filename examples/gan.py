"""Two networks with two optimizers that learn eight spots on a circle. Exit code 1: fewer than six are found."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

import tahr as keras
from tahr import layers, ops

SPOTS = 2 * np.stack([f(np.arange(8) * np.pi / 4) for f in (np.cos, np.sin)], axis=1)
loss = keras.losses.BinaryCrossentropy(from_logits=True)


def network(inputs: int, outputs: int) -> Any:
    hidden = [layers.Dense(64, activation="leaky_relu") for _ in range(3)]
    return keras.Sequential([keras.Input((inputs,)), *hidden, layers.Dense(outputs)])


class Gan(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.generator, self.critic = network(8, 2), network(2, 1)
        self.generator_optimizer = keras.optimizers.Adam(1e-3, beta_1=0.5)
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, noise: Any) -> Any:
        return self.generator(noise)

    def train_step(self, data: Any) -> dict[str, Any]:
        real, count = data[0], ops.shape(data[0])[0]
        noise, ones = keras.random.normal((count, 8), seed=self.seeds), ops.ones((count, 1))

        def of_critic() -> Any:
            return loss(ones, self.critic(real)) + loss(1 - ones, self.critic(self.generator(noise)))

        judged, gradients = keras.value_and_grad(of_critic, self.critic.trainable_variables)()
        self.optimizer.apply(gradients, self.critic.trainable_variables)
        fooled = lambda: loss(ones, self.critic(self.generator(noise)))  # noqa: E731
        made, gradients = keras.value_and_grad(fooled, self.generator.trainable_variables)()
        self.generator_optimizer.apply(gradients, self.generator.trainable_variables)
        return {"critic": judged, "generator": made}


def main(arguments: Sequence[str] = ()) -> int:
    keras.utils.set_random_seed(0)
    draw = np.random.default_rng(0)
    x = (SPOTS[draw.integers(8, size=8192)] + draw.normal(scale=0.05, size=(8192, 2))).astype("float32")
    model = Gan()
    model.compile(keras.optimizers.Adam(1e-3, beta_1=0.5))
    model.fit(x, batch_size=256, steps=int(arguments[0]) if arguments else 4000, verbose=0)
    points = model.predict(draw.normal(size=(2000, 8)).astype("float32"), verbose=0)
    distances = np.linalg.norm(points[:, None] - SPOTS, axis=-1)
    near = np.bincount(distances.argmin(axis=1)[distances.min(axis=1) < 0.3], minlength=8)
    print(f"{(near >= 20).sum()} of 8 spots found, by {near.tolist()} of 2000 points")
    return 0 if (near >= 20).sum() >= 6 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
