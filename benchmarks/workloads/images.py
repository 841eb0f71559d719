"""Training on images: a residual network, a depthwise one, a U-Net and an autoencoder with transposed convolutions."""

from typing import Any

import numpy as np

from workloads.base import Task, Workload, training_workload
from workloads.by_hand import by_hand

CLASSES = 10


def drawn(count: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return noisy copies of ten blurred templates, which template each is, and the templates."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, CLASSES, count).astype("int32")
    templates = rng.standard_normal((CLASSES, 4, 4, 3), "float32").repeat(size // 4, 1).repeat(size // 4, 2)
    return 0.3 * templates[labels] + rng.standard_normal((count, size, size, 3), "float32"), labels, templates


def labelled(count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy images and the class of each."""
    x, labels, _ = drawn(count, size)
    return x, labels


def masks(count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy images and what is to be found in each place: the noise-free first channel."""
    x, labels, templates = drawn(count, size)
    return x, templates[labels][..., :1]


# ---- ResNet-20: three stages of three blocks of two convolutions (He et al. 2015) ---

STAGES = ((16, 1), (32, 2), (64, 2))


def resnet_keras(keras: Any) -> Any:
    layers = keras.layers

    def convolved(x: Any, filters: int, stride: int) -> Any:
        x = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    inputs = keras.Input((32, 32, 3))
    x = layers.ReLU()(convolved(inputs, 16, 1))
    for filters, first in STAGES:
        for stride in (first, 1, 1):
            y = convolved(layers.ReLU()(convolved(x, filters, stride)), filters, 1)
            if stride != 1:
                x = layers.Conv2D(filters, 1, strides=stride, padding="same", use_bias=False)(x)
            x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(x))


def resnet_jax() -> Any:
    import jax

    def network(p: Any, x: Any) -> Any:
        x = jax.nn.relu(p.batch_norm(p.convolution(x, 16, 3)))
        for filters, first in STAGES:
            for stride in (first, 1, 1):
                y = jax.nn.relu(p.batch_norm(p.convolution(x, filters, 3, stride)))
                y = p.batch_norm(p.convolution(y, filters, 3))
                x = x if stride == 1 else p.convolution(x, filters, 1, stride)
                x = jax.nn.relu(x + y)
        return p.dense(x.mean((1, 2)), CLASSES)

    return by_hand(network, (2, 32, 32, 3))


def resnet_torch() -> Any:
    from torch import nn

    class Block(nn.Module):
        def __init__(self, given: int, filters: int, stride: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                *(nn.Conv2d(given, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()),
                *(nn.Conv2d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters)),
            )
            self.short = nn.Conv2d(given, filters, 1, stride, bias=False) if stride != 1 else nn.Identity()

        def forward(self, x: Any) -> Any:
            return nn.functional.relu(self.short(x) + self.body(x))

    blocks, given = [], 16
    for filters, first in STAGES:
        for stride in (first, 1, 1):
            blocks.append(Block(given, filters, stride))
            given = filters
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, CLASSES))
    return nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), *blocks, *head)


# ---- depthwise and pointwise convolutions in turn (Howard et al. 2017) ---

PAIRS = ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (128, 1))


def mobile_keras(keras: Any) -> Any:
    layers = keras.layers
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for filters, stride in PAIRS:
        x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Conv2D(filters, 1, use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(x))


def mobile_jax() -> Any:
    import jax

    def network(p: Any, x: Any) -> Any:
        x = jax.nn.relu(p.batch_norm(p.convolution(x, 16, 3)))
        for filters, stride in PAIRS:
            x = jax.nn.relu(p.batch_norm(p.convolution(x, x.shape[-1], 3, stride, groups=x.shape[-1])))
            x = jax.nn.relu(p.batch_norm(p.convolution(x, filters, 1)))
        return p.dense(x.mean((1, 2)), CLASSES)

    return by_hand(network, (2, 32, 32, 3))


def mobile_torch() -> Any:
    from torch import nn

    parts, given = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for filters, stride in PAIRS:
        parts += [nn.Conv2d(given, given, 3, stride, 1, groups=given, bias=False), nn.BatchNorm2d(given), nn.ReLU()]
        parts += [nn.Conv2d(given, filters, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()]
        given = filters
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(given, CLASSES))


# ---- a U-Net of three levels (Ronneberger et al. 2015) ---

LEVELS = (16, 32, 64)


def unet_keras(keras: Any) -> Any:
    layers = keras.layers

    def twice(x: Any, filters: int) -> Any:
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        return x

    x = inputs = keras.Input((64, 64, 3))
    kept = []
    for filters in LEVELS[:-1]:
        kept.append(twice(x, filters))
        x = layers.MaxPooling2D()(kept[-1])
    x = twice(x, LEVELS[-1])
    for filters in reversed(LEVELS[:-1]):
        x = layers.Concatenate()([layers.UpSampling2D()(x), kept.pop()])
        x = twice(x, filters)
    return keras.Model(inputs, layers.Conv2D(1, 1)(x))


def unet_jax() -> Any:
    import jax
    import jax.numpy as jnp
    from jax import lax

    def network(p: Any, x: Any) -> Any:
        def twice(x: Any, filters: int) -> Any:
            for _ in range(2):
                x = jax.nn.relu(p.convolution(x, filters, 3) + p.vector(filters))
            return x

        kept = []
        for filters in LEVELS[:-1]:
            kept.append(twice(x, filters))
            x = lax.reduce_window(kept[-1], -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        x = twice(x, LEVELS[-1])
        for filters in reversed(LEVELS[:-1]):
            x = twice(jnp.concatenate([x.repeat(2, 1).repeat(2, 2), kept.pop()], -1), filters)
        return p.dense(x, 1)

    return by_hand(network, (2, 64, 64, 3))


def unet_torch() -> Any:
    import torch
    from torch import nn

    def twice(given: int, filters: int) -> Any:
        second = (nn.Conv2d(filters, filters, 3, 1, 1), nn.ReLU())
        return nn.Sequential(nn.Conv2d(given, filters, 3, 1, 1), nn.ReLU(), *second)

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.ModuleList([twice(a, b) for a, b in zip((3, *LEVELS), LEVELS, strict=False)])
            self.up = nn.ModuleList([twice(a + b, b) for a, b in zip(LEVELS[:0:-1], LEVELS[-2::-1], strict=True)])
            self.last = nn.Conv2d(LEVELS[0], 1, 1)

        def forward(self, x: Any) -> Any:
            kept = []
            for block in self.down[:-1]:
                kept.append(block(x))
                x = nn.functional.max_pool2d(kept[-1], 2)
            x = self.down[-1](x)
            for block in self.up:
                x = block(torch.cat([nn.functional.interpolate(x, scale_factor=2), kept.pop()], 1))
            return self.last(x)

    return UNet()


# ---- an autoencoder: strided convolutions down, transposed ones up ---


def autoencoder_keras(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            *(layers.Conv2D(f, 3, strides=2, padding="same", activation="relu") for f in (32, 64)),
            *(layers.Conv2DTranspose(f, 3, strides=2, padding="same", activation="relu") for f in (64, 32)),
            layers.Conv2D(1, 3, padding="same"),
        ]
    )


def autoencoder_jax() -> Any:
    import jax

    def network(p: Any, x: Any) -> Any:
        for filters in (32, 64):
            x = jax.nn.relu(p.convolution(x, filters, 3, 2) + p.vector(filters))
        for filters in (64, 32):
            x = jax.nn.relu(p.transposed(x, filters, 3, 2))
        return p.convolution(x, 1, 3) + p.vector(1)

    return by_hand(network, (2, 32, 32, 3))


def autoencoder_torch() -> Any:
    from torch import nn

    down = (nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU())
    up = (nn.ConvTranspose2d(64, 64, 3, 2, 1, 1), nn.ReLU(), nn.ConvTranspose2d(64, 32, 3, 2, 1, 1), nn.ReLU())
    return nn.Sequential(*down, *up, nn.Conv2d(32, 1, 3, 1, 1))


def channels_first(x: np.ndarray) -> np.ndarray:
    return x.transpose(0, 3, 1, 2)


def task(data: Any, batch: int, loss: str, networks: tuple[Any, Any, Any]) -> Task:
    return Task(data, batch, loss, *networks, steps_per_dispatch=1, torch_layout=channels_first)


def workload(name: str, title: str, data: Any, batch: int, loss: str, networks: tuple[Any, Any, Any]) -> Workload:
    return training_workload(name, title, task(data, batch, loss, networks))


RESNET20 = task(lambda: labelled(512, 32), 64, "classes", (resnet_keras, resnet_jax, resnet_torch))
WORKLOADS = (
    training_workload("resnet20", "ResNet-20 on 32 x 32 x 3", RESNET20),
    workload(
        *("mobile", "six depthwise and pointwise pairs on 32 x 32 x 3", lambda: labelled(512, 32), 64, "classes"),
        (mobile_keras, mobile_jax, mobile_torch),
    ),
    workload(
        *("unet", "U-Net 16-32-64 on 64 x 64 x 3", lambda: masks(128, 64), 16, "values"),
        (unet_keras, unet_jax, unet_torch),
    ),
    workload(
        *("autoencoder", "autoencoder with Conv2DTranspose on 32 x 32 x 3", lambda: masks(512, 32), 64, "values"),
        (autoencoder_keras, autoencoder_jax, autoencoder_torch),
    ),
)
