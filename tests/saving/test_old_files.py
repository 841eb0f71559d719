"""Files of Keras 1, 2 and 3 give the numbers that their writers gave, and training goes on as it did there."""

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import tahr as keras
from tahr import layers
from tests.saving.old_models import (
    MODELS,
    AttentionWeightedAverage,
    ConvDNA,
    expected,
    inputs_of,
    onehot,
    packed,
    put,
    waves,
)

NAMES = set(packed().namelist())
CASES = sorted(expected())
WHOLE = [f"{case}.{ending}" for case in CASES for ending in ("h5", "keras") if f"{case}.{ending}" in NAMES]
WEIGHTS = [
    f"{case}{ending}"
    for case in CASES
    for ending in (".weights.hdf5", ".weights.h5", "_legacy.h5")
    if f"{case}{ending}" in NAMES and f"{case}.json" in NAMES
]
# What the writer's loss depends on but no file holds: the draws of dropout, and another formula of momentum in Nadam.
RANDOM = (
    "th_conv_last",
    "th_conv_first",
    "k1_conv_th",
    "k1_conv_tf",
    "th_convlstm",
    "k1_rnn",
    "tf_rnn",
    "tf_opt_nadam_legacy",
)
FROZEN = ("tf_frozen",)  # the file does not say what was frozen


def outputs(model: Any, case: str) -> list[np.ndarray]:
    found = model.predict(inputs_of(case), verbose=0)
    return list(found.values()) if isinstance(found, dict) else [found]


def compare(model: Any, case: str) -> None:
    wanted = expected()[case]["y"]
    for mine, theirs in zip(outputs(model, case), wanted if case == "tf_dicts" else [wanted], strict=True):
        np.testing.assert_allclose(mine, np.asarray(theirs), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("name", WHOLE)
def test_whole_models(name: str, tmp_path: Path) -> None:
    case = name.rpartition(".")[0]
    compare(keras.saving.load_model(put(name, tmp_path), compile=False), case)


@pytest.mark.parametrize("name", WEIGHTS)
def test_json_and_weights(name: str, tmp_path: Path) -> None:
    case = name.split(".")[0].removesuffix("_legacy")
    model = keras.models.model_from_json(packed().read(f"{case}.json").decode())
    model.load_weights(put(name, tmp_path))
    compare(model, case)


@pytest.mark.slow
@pytest.mark.trains
@pytest.mark.parametrize("name", [n for n in WHOLE if "loss4" in expected()[n.rpartition(".")[0]]])
def test_training_goes_on(name: str, tmp_path: Path) -> None:
    """The losses of the next steps are the writer's: weights, rate and the optimizer's state are."""
    case = name.rpartition(".")[0]
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        model, report = keras.saving.load_model(put(name, tmp_path), report=True)
    assert type(model.optimizer).__name__.lower() in json.dumps(packed_training(tmp_path / name)).lower()
    stateless = "legacy.keras" in name or name in ("tf_opt_adam_ams.keras", "tf_opt_adam_decay.keras")  # not written
    if case in RANDOM or case in FROZEN or stateless:
        return
    assert report.optimizer == "loaded" and report.complete
    x = inputs_of(case)
    y = np.zeros_like(outputs(model, case)[0])
    found = [model.train_on_batch(x, y, return_dict=True)["loss"] for _ in range(3)]
    np.testing.assert_allclose(found, [expected()[case][f"loss{i}"] for i in (2, 3, 4)], rtol=2e-5, atol=1e-6)


def packed_training(path: Path) -> Any:
    if path.suffix == ".keras":
        return json.loads(zipfile.ZipFile(path).read("config.json"))["compile_config"]
    with h5py.File(path) as h5:
        return json.loads(h5.attrs["training_config"])["optimizer_config"]


REAL: list[tuple[str, Any, list[float]]] = [
    ("mmsplice_Donor.h5", onehot(2, 18, 4), [0.0182767, 0.0182767]),
    ("mmsplice_Acceptor.h5", onehot(2, 53, 4), [0.0134746, 0.0207284]),
    ("mmsplice_Exon_prime3.h5", onehot(2, 100, 4), [0.7606797, 0.9984037]),
    ("mmsplice_Intron3.h5", onehot(2, 100, 4), [-3.1155503, -2.8739398]),
    ("dice_adult.h5", waves(2, 29, step=0.01), [0.0076708, 0.4602076]),
]


@pytest.mark.parametrize(("name", "x", "wanted"), REAL, ids=[name for name, _, _ in REAL])
def test_models_of_others(name: str, x: Any, wanted: list[float]) -> None:
    model = keras.saving.load_model(MODELS / name, custom_objects={"ConvDNA": ConvDNA})
    np.testing.assert_allclose(np.ravel(model.predict(x, verbose=0)), wanted, atol=1e-5)
    if name in ("mmsplice_Donor.h5", "mmsplice_Acceptor.h5", "dice_adult.h5"):
        assert type(model.optimizer) is keras.optimizers.Adam and int(model.optimizer.iterations) > 0


def test_model_of_keras_3_3() -> None:
    x = waves(2, 40, 36, step=0.01)
    x[1, 30:] = -1
    y = keras.saving.load_model(MODELS / "ws_gru_mesa.keras").predict(x, verbose=0)
    np.testing.assert_allclose(y[0, 0], [0.0061076, 0.3112372, 0.6826552], atol=1e-5)
    assert y[-1, -1, -1] == pytest.approx(0.3715989, abs=1e-5)


def test_unknown_class_is_named() -> None:
    with pytest.raises(TypeError, match=r"custom_objects=\{'ConvDNA': ConvDNA\}"):
        keras.saving.load_model(MODELS / "mmsplice_Acceptor.h5")


def test_weights_of_cudnn_layers() -> None:
    """The text that a model writes whose LSTMs were trained as CuDNNLSTM."""
    words = json.loads((MODELS / "textgenrnn_vocab.json").read_text())
    start = keras.Input((40,), name="input")
    embedded = layers.Embedding(465, 100, name="embedding")(start)
    first = layers.LSTM(128, return_sequences=True, name="rnn_1")(embedded)
    second = layers.LSTM(128, return_sequences=True, name="rnn_2")(first)
    joined = layers.Concatenate(name="rnn_concat")([embedded, first, second])
    model = keras.Model(
        start, layers.Dense(465, "softmax", name="output")(AttentionWeightedAverage(name="attention")(joined))
    )
    report = model.load_weights(MODELS / "textgenrnn_weights.hdf5", by_name=True, strict=True)
    assert report.complete and len(report.loaded) == 5
    letters, text = {n: c for c, n in words.items()}, ["<s>", "W"]
    for _ in range(12):
        row = [words[c] for c in text]
        text.append(letters[int(model.predict(np.array([[0] * (40 - len(row)) + row]), verbose=0).argmax())])
    assert "".join(text[1:]) == "What is the b"


def test_weights_of_images_with_channels_first(tmp_path: Path) -> None:
    """A model with channels last takes weights of one with channels first, also behind Flatten."""
    model = keras.Sequential([
        keras.Input((7, 6, 3)), layers.Conv2D(4, (3, 2), activation="relu", name="convolution2d_1"),
        layers.ZeroPadding2D((1, 1)), layers.BatchNormalization(name="batchnormalization_1"), layers.Flatten(),
        layers.Dropout(0.3), layers.Dense(2, activation="softmax", name="dense_1"),
    ])  # fmt: skip
    for by_name, name in ((False, "k1_conv_th.weights.hdf5"), (True, "k1_conv_th.h5")):
        model.load_weights(put(name, tmp_path), by_name=by_name)
        y = model.predict(inputs_of("k1_conv_th").transpose(0, 2, 3, 1), verbose=0)
        np.testing.assert_allclose(y, expected()["k1_conv_th"]["y"], rtol=1e-5, atol=1e-6)


def test_a_tensorflow_function_can_be_supplied(tmp_path: Path) -> None:
    path = put("tf_ops.h5", tmp_path)
    with h5py.File(path, "a") as h5:
        config = h5.attrs["model_config"].replace('"function": "math.exp"', '"function": "math.exotic"')
        h5.attrs["model_config"] = config
    with pytest.raises(TypeError, match=r"custom_objects=\{'tf.math.exotic': your_function\}"):
        keras.saving.load_model(path)
    compare(keras.saving.load_model(path, custom_objects={"tf.math.exotic": keras.ops.exp}), "tf_ops")


def test_what_was_old_is_saved_as_new(tmp_path: Path) -> None:
    for name in ("tf_ops.h5", "k1_merge.h5", "tf_cudnn_bilstm.h5", "th_convlstm.h5"):
        model = keras.saving.load_model(put(name, tmp_path), compile=False)
        model.save(tmp_path / "new.keras")
        compare(keras.saving.load_model(tmp_path / "new.keras"), name.split(".")[0])


def test_a_subclass_names_its_inputs_as_it_likes() -> None:
    class Reversed(layers.LSTM):
        def call(self, inputs: Any, **kwargs: Any) -> Any:
            return keras.ops.flip(super().call(inputs, **kwargs), 1)

    x = waves(2, 5, 3)
    mine, plain = Reversed(4, return_sequences=True), layers.LSTM(4, return_sequences=True)
    keras.Sequential([keras.Input((5, 3)), mine])
    plain.build(x.shape)
    plain.set_weights(mine.get_weights())
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(mine(x))[:, ::-1], keras.ops.convert_to_numpy(plain(x)), rtol=1e-6
    )


# ---- what Keras 2 wrote of layers that no file here has -------------------------------------------------------------


def of_keras_2(name: str, shape: tuple[int, ...], **config: Any) -> str:
    """Return a Sequential of one layer as Keras 2 wrote it."""
    start = {"batch_input_shape": [None, *shape], "dtype": "float32", "sparse": False, "ragged": False, "name": "in"}
    described = [{"class_name": "InputLayer", "config": start}, {"class_name": name, "config": {"name": "x", **config}}]
    content = {"name": "m", "layers": described}
    return json.dumps(
        {"class_name": "Sequential", "config": content, "keras_version": "2.4.0", "backend": "tensorflow"}
    )


GLOROT = {"class_name": "GlorotUniform", "config": {"seed": None}}
LOSS_SCALE = {"class_name": "DynamicLossScale", "config": {"initial_loss_scale": 32768.0, "increment_period": 2000}}
INNER = {"class_name": "LSTM", "config": {"name": "l", "units": 3, "time_major": False, "implementation": 2}}
OLD_LAYERS: dict[str, tuple[str, dict[str, Any]]] = {
    "a separable convolution with a kernel": (
        of_keras_2("SeparableConv2D", (5, 5, 2), filters=2, kernel_size=[3, 3], kernel_initializer=GLOROT,
                   kernel_regularizer=None, kernel_constraint=None, groups=1), {"filters": 2},
    ),
    "a policy with a loss scale": (
        of_keras_2("Dense", (2,), units=3, dtype={
            "class_name": "PolicyV1", "config": {"name": "mixed_float16", "loss_scale": LOSS_SCALE}}),
        {"compute_dtype": "float16", "variable_dtype": "float32"},
    ),
    "a policy that infers": (
        of_keras_2("Dense", (2,), units=3, dtype={"class_name": "PolicyV1", "config": {"name": "infer"}}),
        {"compute_dtype": "float32"},
    ),
    "synchronized normalization": (of_keras_2("SyncBatchNormalization", (3, 2), axis=[2]), {"synchronized": True}),
    "ReLU with a threshold": (
        of_keras_2("ThresholdedReLU", (2,), theta={"type": "ndarray", "value": 0.7}), {"threshold": 0.7}
    ),
    "categories": (
        of_keras_2("CategoryEncoding", (2,), max_tokens=4, output_mode="binary", sparse=False),
        {"output_mode": "multi_hot", "num_tokens": 4},
    ),
    "numbers of arrays": (
        of_keras_2("Dense", (2,), units=2, bias_initializer={
            "class_name": "Constant", "config": {"value": {"type": "ndarray", "value": [0.5, 0.25]}}}), {"units": 2},
    ),
    "Bidirectional in TimeDistributed": (
        of_keras_2("TimeDistributed", (4, 5, 2), layer={
            "class_name": "Bidirectional", "config": {"name": "b", "merge_mode": "concat", "layer": INNER}}), {},
    ),
}  # fmt: skip


@pytest.mark.once
@pytest.mark.parametrize("name", OLD_LAYERS)
def test_layers_of_keras_2(name: str) -> None:
    text, wanted = OLD_LAYERS[name]
    layer = keras.models.model_from_json(text).layers[-1]
    assert {key: getattr(layer, key) for key in wanted} == wanted
    if name == "numbers of arrays":
        np.testing.assert_array_equal(layer.bias.numpy(), [0.5, 0.25])


# ---- layers that are gone, and what Keras 1 said of others: by hand, with the numbers of NumPy -----------------------


def of_keras_1(name: str, shape: tuple[int, ...], **config: Any) -> str:
    """Return a Sequential of one layer as Keras 1 wrote it."""
    start = {"name": "x", "trainable": True, "batch_input_shape": [None, *shape], "input_dtype": "float32"}
    described = [{"class_name": name, "config": {**start, **config}}]
    return json.dumps({"class_name": "Sequential", "config": described, "keras_version": "1.2.2"})


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


PLAIN = {"init": "glorot_uniform", "bias": True, "input_dim": None, "W_constraint": None, "b_constraint": None,
         "W_regularizer": {"name": "L1L2Regularizer", "l1": 0.0, "l2": 0.5}, "b_regularizer": None,
         "activity_regularizer": None}  # fmt: skip
LOCAL = {"filters": 2, "kernel_size": [3], "strides": [1], "padding": "valid", "data_format": "channels_last"}
ROWS, STEPS, IMAGES = random(3, 4), random(3, 6, 4), random(3, 3, 4, 5)  # images have channels first
SEEN = np.stack([STEPS[:, i : i + 3].reshape(3, -1) for i in range(4)], 1)
TILES = np.stack([IMAGES[:, :, i : i + 2, j : j + 2].reshape(3, -1) for i in range(3) for j in range(4)], 1)
HIGHWAY = [random(4, 4), 2 * random(4, 4), random(4), -random(4)]
GATE = 1 / (1 + np.exp(-(ROWS @ HIGHWAY[1] + HIGHWAY[3])))
LOCAL_1D = np.einsum("npf,pfo->npo", SEEN, random(4, 12, 2)) + random(4, 2)
LOCAL_2D = np.einsum("npf,pfo->nop", TILES, random(12, 12, 2)).reshape(3, 2, 3, 4)
TABLE = np.zeros((6, 4, 4, 2), "float32")  # of inputs by outputs
for _i in range(4):
    TABLE[_i : _i + 3, :, _i] = random(4, 12, 2)[_i].reshape(3, 4, 2)
LISTED = np.concatenate([random(4, 12, 2)[i, :, o] for i in range(4) for o in range(2)])
DEPTH = np.stack([np.einsum("nabc,abcm->ncm", IMAGES[..., i : i + 2, j : j + 2].transpose(0, 2, 3, 1),
                            random(2, 2, 3, 2)).reshape(3, -1) for i in range(3) for j in range(4)], 1)  # fmt: skip
BY_HAND: dict[str, tuple[str, list[np.ndarray], np.ndarray, np.ndarray]] = {
    "Highway": (of_keras_1("Highway", (4,), activation="relu", **PLAIN), HIGHWAY, ROWS,
                GATE * np.maximum(ROWS @ HIGHWAY[0] + HIGHWAY[2], 0) + (1 - GATE) * ROWS),
    "MaxoutDense": (of_keras_1("MaxoutDense", (4,), output_dim=3, nb_feature=2, **PLAIN),
                    [random(2, 4, 3), random(2, 3)], ROWS,
                    (np.einsum("ni,fio->nfo", ROWS, random(2, 4, 3)) + random(2, 3)).max(1)),
    "TimeDistributedDense": (of_keras_1("TimeDistributedDense", (6, 4), output_dim=3, activation="tanh", input_length=6,
                                        **PLAIN), [random(4, 3), random(3)], STEPS,
                             np.tanh(STEPS @ random(4, 3) + random(3))),
    "LocallyConnected1D of 1": (of_keras_1("LocallyConnected1D", (6, 4), nb_filter=2, filter_length=3,
                                           border_mode="valid", subsample_length=1, activation="tanh", **PLAIN),
                                [random(4, 12, 2), random(4, 2)], STEPS, np.tanh(LOCAL_1D)),
    "LocallyConnected2D of 1": (of_keras_1("LocallyConnected2D", (3, 4, 5), nb_filter=2, nb_row=2, nb_col=2,
                                           border_mode="valid", subsample=[1, 1], dim_ordering="th", **PLAIN),
                                [random(12, 12, 2), random(2, 3, 4)], IMAGES, LOCAL_2D + random(2, 3, 4)),
    **{f"LocallyConnected1D, form {form}": (of_keras_2("LocallyConnected1D", (6, 4), implementation=form, **LOCAL),
                                            [kernel, random(4, 2)], STEPS, LOCAL_1D)
       for form, kernel in ((1, random(4, 12, 2)), (2, TABLE), (3, LISTED))},
    "LocallyConnected2D, channels first": (
        of_keras_2("LocallyConnected2D", (3, 4, 5), filters=2, kernel_size=[2, 2], data_format="channels_first"),
        [random(12, 12, 2), random(3, 4, 2)], IMAGES, LOCAL_2D + random(3, 4, 2).reshape(2, 3, 4)),
    "SeparableConvolution2D": (
        of_keras_1("SeparableConvolution2D", (4, 5, 3), nb_filter=2, nb_row=2, nb_col=2, init="uniform", bias=True,
                   depth_multiplier=2, subsample=[1, 1], dim_ordering="tf", border_mode="valid", depthwise_init="one",
                   pointwise_init="one", depthwise_regularizer=None, b_constraint=None),
        [random(2, 2, 3, 2), random(1, 1, 6, 2), random(2)], IMAGES.transpose(0, 2, 3, 1),
        (DEPTH @ random(1, 1, 6, 2)[0, 0] + random(2)).reshape(3, 3, 4, 2)),
    "PReLU": (of_keras_1("PReLU", (6, 4), init="zero"), [random(6, 4)], STEPS,
              np.where(STEPS > 0, STEPS, random(6, 4) * STEPS)),
    "ZeroPadding2D": (of_keras_1("ZeroPadding2D", (3, 4, 5), dim_ordering="th", padding={
        "top_pad": 1, "bottom_pad": 2, "left_pad": 3, "right_pad": 0}), [], IMAGES,
        np.pad(IMAGES, ((0, 0), (0, 0), (1, 2), (3, 0)))),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_layers_by_hand(name: str, tmp_path: Path) -> None:
    described, arrays, x, wanted = BY_HAND[name]
    version = json.loads(described)["keras_version"]
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs.update(keras_version=version, backend="tensorflow", model_config=described)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = ["x"]
        inner = group.create_group("x")
        inner.attrs["weight_names"] = [f"x_{i}:0" for i in range(len(arrays))]
        for i, array in enumerate(arrays):
            inner[f"x_{i}:0"] = array
    model = keras.saving.load_model(tmp_path / "old.h5")
    model.save(tmp_path / "new.keras")
    with h5py.File(tmp_path / "old.h5") as source, h5py.File(tmp_path / "weights.h5", "w") as file:
        source.copy("model_weights/x", file)
        file.attrs.update(layer_names=["x"], keras_version=version, backend="tensorflow")
    again = keras.models.model_from_json(described)
    again.load_weights(tmp_path / "weights.h5", by_name=True)
    for each in (model, keras.saving.load_model(tmp_path / "new.keras"), again):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(each(x)), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.trains
@pytest.mark.parametrize("form", [1, 2, 3])
def test_forms_of_kernels_in_archives(form: int, tmp_path: Path) -> None:
    """A kernel for each place and its momentum come from `.keras` and `.weights.h5` of Keras 2 in each of its forms."""
    described, arrays, x, wanted = BY_HAND[f"LocallyConnected1D, form {form}"]
    optimizer = {"class_name": "SGD", "config": {"learning_rate": 0.1, "momentum": 0.5}}
    config = {**json.loads(described), "compile_config": {"optimizer": optimizer, "loss": "mse"}}
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        for place, values in (("layers/locally_connected1d", arrays), ("optimizer", [np.int64(3), *arrays])):
            for i, value in enumerate(values):
                file[f"{place}/vars/{i}"] = value
    with zipfile.ZipFile(tmp_path / "old.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.15.0"}))
        archive.write(tmp_path / "model.weights.h5", "model.weights.h5")
    model = keras.saving.load_model(tmp_path / "old.keras")
    again = keras.models.model_from_json(described)
    again.load_weights(tmp_path / "model.weights.h5")
    for each in (model, again):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(each(x)), wanted, rtol=1e-4, atol=1e-5)
    kernel, momentum = model.layers[0].kernel.numpy(), model.optimizer.variables[2].numpy()
    np.testing.assert_array_equal(kernel, random(4, 12, 2))
    np.testing.assert_array_equal(momentum, kernel)


@pytest.mark.trains
@pytest.mark.parametrize("metrics", ["mae", "by name", "one list"])
def test_metrics_have_the_names_of_keras_2(metrics: str, tmp_path: Path) -> None:
    x = keras.Input((2,), name="a")
    outputs = [layers.Dense(1, name=n)(x) for n in ("p", "q")]
    model = keras.Model(x, outputs[0] if metrics == "mae" else outputs)
    model.compile("sgd", "mse" if metrics == "mae" else ["mse", "mse"])

    def written(name: str, function: str) -> dict[str, Any]:
        return {"class_name": "MeanMetricWrapper", "config": {"name": name, "dtype": "float32", "fn": function}}

    listed = {"mae": [[written("mae", "mean_absolute_error")]], "one list": ["mae", "mse"],
              "by name": [[written("q_mae", "mean_absolute_error")],
                          [written("p_own", "mean_squared_error")]]}  # fmt: skip
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "a") as file:
        config = json.loads(model.to_json())
        file.attrs["keras_version"] = "2.15.0"
        training = {**json.loads(str(file.attrs["training_config"])), "metrics": listed[metrics]}
        file.attrs.update(model_config=json.dumps(config), training_config=json.dumps(training))
    again = keras.saving.load_model(tmp_path / "m.h5")
    y = np.zeros((3, 1))
    found = again.train_on_batch(np.ones((3, 2)), y if metrics == "mae" else [y, y], return_dict=True)
    wanted = {"mae": "loss mae", "by name": "loss p_loss p_own q_loss q_mae",
              "one list": "loss p_loss p_mae p_mse q_loss q_mae q_mse"}  # fmt: skip
    assert sorted(found) == wanted[metrics].split()


@pytest.mark.once
def test_saved_models_are_named(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
    for path in (tmp_path, tmp_path / "saved_model.pb"):
        with pytest.raises(ValueError, match="is a SavedModel.*TFSMLayer"):
            keras.saving.load_model(path)
