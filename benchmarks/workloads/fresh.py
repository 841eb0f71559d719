"""What is paid once a process, measured in fresh interpreters: importing, and building a big model."""

import json
import os
import subprocess
import sys
import tempfile
import time
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
        self.answer = json.loads(self._run().splitlines()[-1])
        return self.answer["seconds"]

    def _run(self, **variables: str) -> str:
        """Return what the program prints."""
        command = [sys.executable, "-c", self.code]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **variables})
        if done.returncode:
            raise RuntimeError(f"a fresh interpreter failed:\n{done.stderr[-2000:]}")
        return done.stdout


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
# Tan and Le (2019), table 1: expansion, channels, repeats, stride and kernel size of each stage.
EFFICIENTNET_B0 = """
def efficientnet_b0(keras):
    layers = keras.layers

    def convolution(x, filters, size, strides=1, active=True):
        x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        return layers.Activation("swish")(x) if active else x

    def block(x, expansion, filters, strides, size):
        channels = x.shape[-1]
        y = convolution(x, channels * expansion, 1) if expansion > 1 else x
        y = layers.DepthwiseConv2D(size, strides=strides, padding="same", use_bias=False)(y)
        y = layers.Activation("swish")(layers.BatchNormalization()(y))
        s = layers.GlobalAveragePooling2D(keepdims=True)(y)
        s = layers.Conv2D(channels // 4, 1, activation="swish")(s)
        y = layers.Multiply()([y, layers.Conv2D(channels * expansion, 1, activation="sigmoid")(s)])
        y = convolution(y, filters, 1, active=False)
        return layers.Add()([layers.Dropout(0.2)(y), x]) if strides == 1 and channels == filters else y

    inputs = keras.Input((224, 224, 3))
    x = convolution(inputs, 32, 3, 2)
    stages = [(1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3),
              (6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)]
    for expansion, filters, repeats, strides, size in stages:
        for at in range(repeats):
            x = block(x, expansion, filters, strides if at == 0 else 1, size)
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(convolution(x, 1280, 1)))
    return keras.Model(inputs, layers.Dense(1000, activation="softmax")(x))
"""
# Devlin et al. (2018): 12 layers of 768 and 12 heads, 30,522 word pieces, 512 places, two segments.
BERT_BASE = """
def bert_base(keras):
    layers = keras.layers
    ids = [keras.Input((512,), dtype="int32") for _ in range(3)]
    x = layers.Add()([layers.Embedding(n, 768)(i) for n, i in zip((30522, 512, 2), ids)])
    x = layers.Dropout(0.1)(layers.LayerNormalization(epsilon=1e-12)(x))
    for _ in range(12):
        y = layers.Dropout(0.1)(layers.MultiHeadAttention(12, 64, dropout=0.1)(x, x))
        x = layers.LayerNormalization(epsilon=1e-12)(layers.Add()([x, y]))
        y = layers.Dropout(0.1)(layers.Dense(768)(layers.Dense(3072, activation="gelu")(x)))
        x = layers.LayerNormalization(epsilon=1e-12)(layers.Add()([x, y]))
    return keras.Model(ids, layers.Dense(768, activation="tanh")(x[:, 0]))
"""
READY = {
    "jax": "import jax.numpy as jnp; jnp.ones(3) + 1",
    "torch": "import torch; torch.ones(3) + 1",
    "tensorflow": "import tensorflow as tf; tf.ones(3) + 1",
}


def building_runner(code: str) -> Any:
    """Return the function that makes the runner of building a model, the framework imported and awake."""
    function = code.split("def ", 1)[1].split("(", 1)[0]

    def runner(peer: Any) -> Fresh:
        before = f"{READY[peer.backend]}\nimport {peer.module} as keras\nkeras.layers.Dense\n{code}"
        return Fresh(before, f"model = {function}(keras)", "facts['parameters'] = model.count_params()")

    return runner


TRAINING = """
import numpy as np
import {module} as keras
rng = np.random.default_rng(0)
x = rng.random(({rows}, 20), "float32")
y = (x.sum(1) > 10).astype("float32")
layers = [keras.layers.Dense(32, activation="relu"), keras.layers.Dense(1, activation="sigmoid")]
model = keras.Sequential([keras.Input((20,)), *layers])
model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
model.fit(x, y, verbose=0)
print(model.count_params())
"""


class Script(Fresh):
    """A runner whose every round is `python train.py` as a whole, from the start of the interpreter to its end.

    Compiled programs are kept from the first round on, as they are by default: in a folder that is empty at first.

    Args:
        rows: number of rows, in batches of 32.
        kept: whether they are kept.
    """

    def __init__(self, peer: Any, rows: int = 1024, kept: bool = True) -> None:
        self.code = TRAINING.format(module=peer.module, rows=rows)
        self.folder, self.kept = tempfile.TemporaryDirectory(), kept

    def _sample(self) -> float:
        began = time.perf_counter()
        printed = self._run(TAHR_COMPILE_CACHE=self.folder.name if self.kept else "0")
        seconds = time.perf_counter() - began
        self.answer = {"facts": {"parameters": int(printed)}}
        return seconds


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
        runner=building_runner(RESNET_50),
        bars=(Bar("under 1 s on JAX", "tahr_jax", offset=1.0),),
    ),
    Workload(
        name="building_efficientnet",
        title="building EfficientNetB0 (functional, 224 x 224 x 3), framework already loaded, in a fresh interpreter",
        unit="s",
        scale=1,
        peers=KERAS_API,
        runner=building_runner(EFFICIENTNET_B0),
        bars=(Bar("40 x as fast as Keras on JAX", "tahr_jax", 1 / 40, "keras_jax"),),
    ),
    Workload(
        name="building_bert",
        title="building BERT-base (functional, 512 tokens), framework already loaded, in a fresh interpreter",
        unit="s",
        scale=1,
        peers=KERAS_API,
        runner=building_runner(BERT_BASE),
    ),
    Workload(
        name="first_epoch",
        title="`python train.py` to its end, run again: import, build, compile, one epoch of 32 steps of MLP 20-32-1",
        unit="s",
        scale=1,
        peers=KERAS_API,
        runner=Script,
        bars=(Bar("twice as fast as Keras on JAX", "tahr_jax", 0.5, "keras_jax"),),
    ),
    Workload(
        name="short_batch",
        title="`python train.py` as in first_epoch, a last batch of 8 of 32 rows, no programs kept from runs before",
        unit="s",
        scale=1,
        peers=KERAS_API,
        runner=lambda peer: Script(peer, rows=1000, kept=False),
    ),
)
