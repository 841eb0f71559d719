"""Training a small convolutional network on 32 x 32 colour images."""

from typing import Any

import numpy as np

from workloads.base import API_PEERS, Bar, Task, Workload, glorot, training_runner

BATCH_SIZE, STEPS, CLASSES = 64, 16, 10
FILTERS = (3, 32, 64, 64)


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return noisy copies of ten blurred templates, and which template each is."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, CLASSES, BATCH_SIZE * STEPS).astype("int32")
    templates = rng.standard_normal((CLASSES, 4, 4, 3), "float32").repeat(8, axis=1).repeat(8, axis=2)
    noise = rng.standard_normal((len(labels), 32, 32, 3), "float32")
    return 0.15 * templates[labels] + noise, labels


def keras_model(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def jax_network(patches: bool = False) -> tuple[Any, Any]:
    """Return the network on XLA's own convolution and pooling, or on shifted slices with one product each."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    rng = np.random.default_rng(2)
    shapes = [(3, 3, a, b) for a, b in zip(FILTERS[:-1], FILTERS[1:], strict=True)] + [(1024, 64), (64, CLASSES)]
    params = [(glorot(rng, *shape), np.zeros(shape[-1], "float32")) for shape in shapes]

    def native(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def native_pool(x: jax.Array) -> jax.Array:
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def as_patches(x: jax.Array, kernel: jax.Array) -> jax.Array:
        height, width = x.shape[1] - 2, x.shape[2] - 2
        shifted = [x[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
        return jnp.concatenate(shifted, axis=-1) @ kernel.reshape(-1, kernel.shape[-1])

    def as_slices(x: jax.Array) -> jax.Array:
        height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
        a, b, c, d = (x[:, i:height:2, j:width:2] for i in range(2) for j in range(2))
        return jnp.maximum(jnp.maximum(a, b), jnp.maximum(c, d))

    convolve, pool = (as_patches, as_slices) if patches else (native, native_pool)

    def network(params: Any, x: jax.Array) -> jax.Array:
        for at, (kernel, bias) in enumerate(params[:3]):
            x = jax.nn.relu(convolve(x, kernel) + bias)
            x = pool(x) if at < 2 else x
        (kernel, bias), (last_kernel, last_bias) = params[3:]
        return jax.nn.relu(x.reshape(len(x), -1) @ kernel + bias) @ last_kernel + last_bias

    return params, network


def torch_network() -> Any:
    from torch import nn

    return nn.Sequential(
        *(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, CLASSES)),
    )


TASK = Task(
    data,
    BATCH_SIZE,
    "classes",
    keras_model,
    jax_network,
    torch_network,
    steps_per_dispatch=4,
    torch_layout=lambda x: x.transpose(0, 3, 1, 2),
)

WORKLOADS = (
    Workload(
        name="cnn",
        title="fit: CNN, 3 x 3 convolutions 32-64-64 with max-pooling, dense 64 and 10, on 32 x 32 x 3, batch 64",
        unit="ms a step",
        scale=1e3,
        peers=(
            *API_PEERS,
            *("jax_loop", "jax_scan", "jax_patches", "torch", "torch_fused", "torch_compiled"),
        ),
        runner=training_runner(TASK),
        expected={
            "keras_jax": 77,
            "keras_torch": 45,
            "keras_tensorflow": 15,
            "torch": 31,
            "jax_loop": 63,
            "jax_scan": 395,
            "jax_patches": 21,
        },
        bars=(Bar("at least as fast as raw torch eager", "tahr_jax", 1.0, "torch"),),
    ),
)
