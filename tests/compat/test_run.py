"""`tahr run`: programs of Keras 1 and 2, and what is served to them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr.compat import names
from tahr.compat.run import run_script
from tahr.compat.served import serve, views

SCRIPTS = Path(__file__).parent / "scripts"
SLOW = ("cifar_cnn", "mnist_augmented")


def run(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tahr", "run", str(path), *arguments],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.trains
@pytest.mark.parametrize(
    "name", [pytest.param(p.stem, marks=[pytest.mark.slow] * (p.stem in SLOW)) for p in sorted(SCRIPTS.glob("*.py"))]
)
def test_old_programs_train(name: str, tmp_path: Path) -> None:
    """Each program checks itself that it has learned something."""
    done = run(SCRIPTS / f"{name}.py", str(tmp_path))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert f"`tahr migrate {SCRIPTS / name}.py`" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("source", "code", "printed"),
    [
        ("import sys; print(sys.argv[1:], __name__); sys.exit(3)", 3, "['a', '--b'] __main__\n"),
        ("import sys; sys.exit('too bad')", 1, ""),
        ("raise KeyError('x')", 1, ""),
        ("import keras, tensorflow as tf; print(tf.keras.layers.Dense is keras.layers.Dense)", 0, "True\n"),
        ("from neighbour import answer; print(answer)", 0, "42\n"),
        ("def broken(:", 1, ""),
        ("import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))) is A)", 0, "True\n"),
    ],
)
def test_like_python(source: str, code: int, printed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "neighbour.py").write_text("answer = 42\n")
    (tmp_path / "program.py").write_text(source)
    before = sys.argv, list(sys.path), sys.modules["__main__"]
    installed = {name: sys.modules.get(name) for name in ("keras", "tensorflow")}
    assert run_script(str(tmp_path / "program.py"), ["a", "--b"]) == code
    found = capsys.readouterr()
    assert found.out == printed
    assert (sys.argv, sys.path, sys.modules["__main__"]) == before
    assert {name: sys.modules.get(name) for name in installed} == installed
    assert "run_script" not in found.err and "run.py" not in found.err
    sys.modules.pop("neighbour", None)


@pytest.mark.once
def test_command_without_a_file() -> None:
    done = run(Path("no such file.py"))
    assert done.returncode == 2 and done.stderr == "tahr run: no such file.py: No such file or directory.\n"


IMPORTS = {
    "keras.layers": "Dense", "keras.layers.core": "Dense Dropout Flatten", "keras.layers.convolutional": "Conv2D",
    "keras.layers.pooling": "MaxPooling2D", "keras.layers.normalization": "BatchNormalization",
    "keras.layers.merge": "add concatenate Concatenate", "keras.layers.recurrent": "LSTM GRU",
    "keras.layers.embeddings": "Embedding", "keras.layers.advanced_activations": "LeakyReLU PReLU ThresholdedReLU",
    "keras.layers.noise": "GaussianNoise", "keras.layers.wrappers": "TimeDistributed Bidirectional",
    "keras.layers.local": "LocallyConnected1D", "keras.layers.convolutional_recurrent": "ConvLSTM2D",
    "keras.layers.experimental.preprocessing": "Rescaling RandomFlip", "keras.engine.topology": "Layer Input",
    "keras.engine.base_layer": "Layer", "keras.engine.training": "Model", "keras.models": "Sequential Model load_model",
    "keras.backend": "mean sum clip epsilon int_shape learning_phase function gradients floatx",
    "keras.utils": "Sequence to_categorical np_utils plot_model", "keras.utils.np_utils": "to_categorical normalize",
    "keras.utils.generic_utils": "get_custom_objects Progbar CustomObjectScope",
    "keras.utils.vis_utils": "plot_model model_to_dot", "keras.utils.visualize_util": "plot",
    "keras.utils.data_utils": "get_file Sequence", "keras.utils.io_utils": "HDF5Matrix",
    "keras.utils.layer_utils": "print_summary", "keras.preprocessing": "image text sequence",
    "keras.preprocessing.image": "ImageDataGenerator load_img NumpyArrayIterator random_rotation",
    "keras.preprocessing.text": "Tokenizer one_hot", "keras.preprocessing.sequence": "pad_sequences skipgrams",
    "keras.wrappers.scikit_learn": "KerasClassifier KerasRegressor", "keras.callbacks": "EarlyStopping ModelCheckpoint",
    "keras.optimizers": "SGD Adam adam sgd Optimizer schedules", "keras.optimizers.schedules": "ExponentialDecay",
    "keras.optimizers.legacy": "Adam", "keras.objectives": "mse categorical_crossentropy",
    "keras.losses": "mse MAE Reduction cosine_proximity", "keras.metrics": "binary_accuracy mse",
    "keras.initializations": "uniform", "keras.initializers": "normal RandomNormal", "keras.regularizers": "l2 l1l2",
    "keras.constraints": "maxnorm max_norm", "keras.activations": "relu", "keras.datasets": "mnist cifar10 imdb",
    "keras.datasets.mnist": "load_data", "keras.legacy.interfaces": "legacy_get_updates_support",
    "keras.mixed_precision.experimental": "Policy",
}  # fmt: skip


@pytest.mark.once
@pytest.mark.parametrize("module", IMPORTS)
@pytest.mark.parametrize("root", ["keras", "tensorflow.keras", "tensorflow.python.keras"])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_imports(module: str, root: str) -> None:
    for name in IMPORTS[module].split():
        space: dict[str, Any] = {}
        with serve():
            exec(f"import {root}\nfrom {module.replace('keras', root, 1)} import {name} as found", space)
            assert space["found"] is not None


@pytest.mark.once
@pytest.mark.parametrize("room", names.NAMES)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_every_old_name_leads_somewhere(room: str) -> None:
    for name in names.NAMES[room]:
        assert names.old_name(room, name) is not None
    for inner in views():
        with serve():
            exec(f"import keras.{inner}", {})


@pytest.mark.once
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import tensorflow as tf; tf.data.Dataset", r"`tensorflow\.data` is not served.*keras\.ops"),
        ("import tensorflow as tf; tf.GradientTape", r"`tensorflow\.GradientTape` is not served"),
        ("import tensorflow.data", r"`tensorflow\.data` is not served"),
        ("import keras.nothing", r"tahr has no keras\.nothing"),
        ("from keras.layers import Nothing", "Nothing"),
        ("from keras.models import model_from_yaml", "model_from_yaml"),
    ],
)
def test_what_is_missing_is_named(source: str, message: str) -> None:
    with serve(), pytest.raises((ImportError, AttributeError), match=message):
        exec(source, {})


def test_functions_of_tensorflow() -> None:
    with serve():
        import tensorflow as tf  # pyright: ignore[reportMissingImports]

        x = tf.constant([[1.0, 2.0], [3.0, 5.0]])
        for found, wanted in (
            (tf.reduce_mean(tf.square(x), axis=1), [2.5, 17.0]),
            (tf.matmul(x, x, transpose_b=True), [[5, 13], [13, 34]]),
            (tf.concat([x, x], 0), [[1, 2], [3, 5], [1, 2], [3, 5]]),
            (tf.nn.relu(x - 2.0), [[0, 0], [1, 3]]),
            (tf.math.log(x), np.log([[1, 2], [3, 5]])),
            (tf.cast(x, tf.int32), [[1, 2], [3, 5]]),
            (tf.split(x, [1, 1], axis=1)[1], [[2], [5]]),
            (tf.reduce_sum(x, axis=[0, 1], keepdims=True), [[11]]),
        ):
            np.testing.assert_allclose(keras.ops.convert_to_numpy(found), wanted, rtol=1e-6)
        assert tf.config.list_physical_devices("CPU") or tf.config.list_physical_devices("GPU")
        assert tf.executing_eagerly() and tf.__version__ >= "2" and not isinstance(3.0, tf.Tensor)
        tf.random.set_seed(1)


@pytest.mark.once
def test_names_of_one_keyword_per_use() -> None:
    """`Convolution2D(32, 3, 3)` had a kernel of 3 x 3, `Conv2D(32, 3, 3)` has strides of 3."""
    with serve():
        from keras.layers import Conv2D, Convolution2D, merge  # pyright: ignore[reportMissingImports]
    assert Convolution2D(32, 3, 5).kernel_size == (3, 5)
    assert Conv2D(32, 3, 3).strides == (3, 3)
    x = keras.Input((2,))
    assert merge([x, x], mode="concat").shape == (None, 4)
