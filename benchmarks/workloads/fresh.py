"""What is paid once a process, measured in fresh interpreters: importing, and building a big model."""

import json
import subprocess
import sys
from typing import Any

from workloads.base import Bar, Workload

KERAS_API = ("tahr_jax", "tahr_torch", "keras_jax", "keras_torch", "keras_tensorflow")
FRAMEWORKS = ("jax", "torch", "tensorflow")
TIMED = """
import json, sys, time
{before}
began = time.perf_counter()
{work}
seconds = time.perf_counter() - began
facts = dict(frameworks_loaded=sorted(set({frameworks}) & set(sys.modules)))
{after}
print(json.dumps(dict(seconds=seconds, facts=facts)))
"""


class Fresh:
    """A runner whose every round is one fresh interpreter; the first, with cold disk caches, is thrown away."""

    fresh = True
    warm_units = 1

    def __init__(self, before: str, work: str, after: str = "") -> None:
        self.code = TIMED.format(before=before, work=work, after=after, frameworks=FRAMEWORKS)

    def start(self) -> float:
        return self._sample()

    def round(self, seconds: float) -> float:
        return self._sample()

    def facts(self) -> dict[str, Any]:
        return self.answer["facts"]

    def _sample(self) -> float:
        done = subprocess.run([sys.executable, "-c", self.code], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"a fresh interpreter failed:\n{done.stderr[-2000:]}")
        self.answer = json.loads(done.stdout.splitlines()[-1])
        return self.answer["seconds"]


def import_runner(peer: Any) -> Fresh:
    """Time `import X` when NumPy is there already."""
    return Fresh("import numpy", f"import {peer.module or {'jax': 'jax.numpy'}.get(peer.backend, peer.backend)}")


def first_tensor_runner(peer: Any) -> Fresh:
    """Time `import X` and one addition, so that a framework loaded late is counted too."""
    work = {
        None: {"jax": "import jax.numpy as jnp; jnp.ones(3) + 1", "torch": "import torch; torch.ones(3) + 1"},
        "keras": dict.fromkeys(FRAMEWORKS, "import keras; keras.ops.ones(3) + 1"),
        "tahr": dict.fromkeys((*FRAMEWORKS, "numpy"), "import tahr; tahr.ops.ones(3) + 1"),
    }
    return Fresh("import numpy", work[peer.module][peer.backend])


# The stages of He et al. (2015), table 1: width of the bottleneck, number of blocks, stride of the first.
RESNET_50 = """
def resnet_50(keras):
    layers = keras.layers

    def convolution(x, filters, size, strides=1, relu=True):
        x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        return layers.Activation("relu")(x) if relu else x

    def block(x, width, strides, project):
        shortcut = convolution(x, 4 * width, 1, strides, relu=False) if project else x
        y = convolution(x, width, 1, strides)
        y = convolution(convolution(y, width, 3), 4 * width, 1, relu=False)
        return layers.Activation("relu")(layers.Add()([shortcut, y]))

    inputs = keras.Input((224, 224, 3))
    x = layers.MaxPooling2D(3, strides=2, padding="same")(convolution(inputs, 64, 7, 2))
    for stage, (width, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
        for at in range(blocks):
            x = block(x, width, strides=2 if at == 0 and stage > 0 else 1, project=at == 0)
    x = layers.Dense(1000, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, x)
"""
READY = {
    "jax": "import jax.numpy as jnp; jnp.ones(3) + 1",
    "torch": "import torch; torch.ones(3) + 1",
    "tensorflow": "import tensorflow as tf; tf.ones(3) + 1",
}


def building_runner(peer: Any) -> Fresh:
    """Time building ResNet-50 with framework and module imported and the framework awake."""
    before = f"{READY[peer.backend]}\nimport {peer.module} as keras\nkeras.layers.Dense\n{RESNET_50}"
    return Fresh(before, "model = resnet_50(keras)", "facts['parameters'] = model.count_params()")


WORKLOADS = (
    Workload(
        name="import",
        title="import, beyond NumPy, in a fresh interpreter",
        unit="s",
        scale=1,
        peers=(*KERAS_API, "tahr_numpy", "jax_loop", "torch"),
        runner=import_runner,
        expected={
            "keras_jax": 2.0,
            "keras_torch": 4.8,
            "keras_tensorflow": 4.5,
            "torch": 2.0,
            "jax_loop": 0.75,
        },
        bars=(Bar("under 0.2 s, no framework loaded", "tahr_jax", offset=0.2),),
    ),
    Workload(
        name="first_tensor",
        title="import and a first addition, beyond NumPy, in a fresh interpreter",
        unit="s",
        scale=1,
        peers=(*KERAS_API, "tahr_numpy", "jax_loop", "torch"),
        runner=first_tensor_runner,
    ),
    Workload(
        name="building",
        title="building ResNet-50 (functional, 224 x 224 x 3), framework already loaded, in a fresh interpreter",
        unit="s",
        scale=1,
        peers=KERAS_API,
        runner=building_runner,
        bars=(Bar("under 1 s on JAX", "tahr_jax", offset=1.0),),
    ),
)
