"""Folders of images, texts and sounds as batches."""

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import utils
from tahr.utils.audio_dataset import read_wav, resample
from tahr.utils.resizing import HOST_METHODS, resize_on_host

COUNTS = {"ant": 5, "bee": 4, "cow": 3}


def write_sound(path: Path, values: np.ndarray, width: int = 2, rate: int = 8000) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((values.shape[1], width, rate, 0, "NONE", ""))
        if width == 1:
            data = np.round(values * 127 + 128).astype("u1").tobytes()
        elif width == 3:
            whole = np.round(values * (2**23 - 1)).astype("<i4").reshape(-1, 1)
            data = whole.view("u1")[:, :3].tobytes()
        else:
            data = np.round(values * (2.0 ** (8 * width - 1) - 1)).astype(f"<i{width}").tobytes()
        file.writeframes(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an image, a text and a sound for each sample; the first pixel, the text and the sound say which."""
    root = tmp_path_factory.mktemp("folders")
    number = 0
    for name, count in COUNTS.items():
        (root / name).mkdir()
        for i in range(count):
            image = np.full((6, 8, 3), 10 * number, "float32")
            utils.save_img(root / name / f"{i}.png", image, scale=False)
            (root / name / f"{i}.txt").write_text(f"sample {number} ä", encoding="utf-8")
            write_sound(root / name / f"{i}.wav", np.full((4 + number, 1), number / 100))
            number += 1
    (root / ".hidden").mkdir()
    (root / "ant" / "notes.md").write_text("no sample")
    return root


MAKERS = {
    "image": (utils.image_dataset_from_directory, {"image_size": (3, 4)}),
    "text": (utils.text_dataset_from_directory, {}),
    "audio": (utils.audio_dataset_from_directory, {}),
}


def make(kind: str, folder: Path, **options: Any) -> Any:
    maker, usual = MAKERS[kind]
    return maker(folder, **{"verbose": False, **usual, **options})


def numbers(kind: str, x: Any) -> list[int]:
    """Return which samples a batch holds."""
    if kind == "image":
        return [round(float(v) / 10) for v in x[:, 0, 0, 0]]
    if kind == "text":
        return [int(str(v).split()[1]) for v in x]
    return [round(float(v) * 100) for v in x[:, 0, 0]]


@pytest.mark.once
@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    ("mode", "dtype", "labels"),
    [
        ("int", "int32", [0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2]),
        ("categorical", "float32", np.eye(3)[[0] * 5 + [1] * 4 + [2] * 3].tolist()),
    ],
)
def test_batches_in_order(folder: Path, kind: str, mode: str, dtype: str, labels: Any) -> None:
    data = make(kind, folder, label_mode=mode, shuffle=False, batch_size=5)
    batches = list(data)
    assert len(data) == len(batches) == 3 and [len(y) for _, y in batches] == [5, 5, 2]
    assert sum((numbers(kind, x) for x, _ in batches), []) == list(range(12))
    assert all(y.dtype == dtype for _, y in batches)
    assert np.concatenate([y for _, y in batches]).tolist() == labels
    assert data.class_names == ["ant", "bee", "cow"] and len(data.file_paths) == 12


@pytest.mark.once
@pytest.mark.parametrize("kind", MAKERS)
def test_orders_and_parts(folder: Path, kind: str) -> None:
    data = make(kind, folder, seed=3, batch_size=4, label_mode=None)
    first, second = ([n for x in data for n in numbers(kind, x)] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(12)) and first != second
    assert [n for x in make(kind, folder, seed=3, batch_size=4, label_mode=None) for n in numbers(kind, x)] == first
    options = {"validation_split": 0.25, "seed": 5, "label_mode": None, "batch_size": 12}
    train, validation = make(kind, folder, subset="both", **options)
    parts = [{n for x in part for n in numbers(kind, x)} for part in (train, validation)]
    assert [len(part) for part in parts] == [9, 3] and parts[0] | parts[1] == set(range(12))
    for name, part in zip(("training", "validation"), parts, strict=True):
        assert {n for x in make(kind, folder, subset=name, **options) for n in numbers(kind, x)} == part


@pytest.mark.once
def test_single_samples_labels_and_classes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    single = make("image", folder, batch_size=None, shuffle=False)
    assert len(single) == 12 and single[0][0].shape == (3, 4, 3) and single[5][1] == 1
    assert single.batch(6)[1][0].shape == (6, 3, 4, 3)
    own = make("text", folder, labels=[i % 2 for i in range(12)], label_mode="binary", shuffle=False)
    assert own[0][1].tolist() == [[i % 2] for i in range(12)] and own.class_names == ["0", "1"]
    turned = make("text", folder, class_names=["cow", "bee", "ant"], shuffle=False)
    assert turned[0][1].tolist() == [0] * 3 + [1] * 4 + [2] * 5
    make("text", folder, verbose=True, validation_split=0.5, subset="training", seed=1)
    assert capsys.readouterr().out == "Found 12 files belonging to 3 classes.\nUsing 6 files for training.\n"


@pytest.mark.once
def test_batches_are_changed_and_shortened(folder: Path) -> None:
    data = make("image", folder, batch_size=4, shuffle=False).map(lambda x, y: (x / 255, y + 1)).prefetch(3)
    assert data.max_queue_size == 3 and len(data.take(2)) == 2 and len(data.skip(2)) == 1
    ((x, y),) = data.skip(2)
    assert x.max() < 1 and y.tolist() == [2, 3, 3, 3]
    with pytest.raises(IndexError):
        data.take(1)[1]


@pytest.mark.once
@pytest.mark.parametrize("mode", ["rgb", "rgba", "grayscale"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_colours_and_formats(folder: Path, mode: str, data_format: str) -> None:
    x = make("image", folder, color_mode=mode, data_format=data_format, label_mode=None, shuffle=False)[0]
    channels = {"rgb": 3, "rgba": 4, "grayscale": 1}[mode]
    assert x.dtype == np.float32
    assert x.shape == ((12, 3, 4, channels) if data_format == "channels_last" else (12, channels, 3, 4))
    assert x[11].max() == (255 if mode == "rgba" else 110)


@pytest.mark.once
@pytest.mark.parametrize("size", [(4, 5), (9, 3), (8, 6), (20, 21)])
@pytest.mark.parametrize("how", [{}, {"crop": True}, {"pad": True}])
@pytest.mark.parametrize("method", HOST_METHODS)
def test_host_resizing(method: str, how: dict[str, bool], size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).uniform(0, 255, (8, 6, 3)).astype("float32")
    found = resize_on_host(image, size, method, **how)
    assert found.dtype == np.float32
    if method in ("area", "gaussian", "mitchellcubic"):  # which ops.image.resize does not have
        flat = resize_on_host(np.full((8, 6, 3), 7.0), size, method, crop=how.get("crop", False))
        np.testing.assert_allclose(flat, np.full((*size, 3), 7.0), rtol=1e-5)
        return
    options = {f"{name}_to_aspect_ratio": True for name in how}
    expected = keras.ops.image.resize(image, size, method, data_format="channels_last", **options)
    np.testing.assert_allclose(found, keras.ops.convert_to_numpy(expected), rtol=1e-4, atol=2e-3)


@pytest.mark.once
def test_area_is_the_mean_of_what_a_pixel_covers() -> None:
    image = np.arange(16.0).reshape(4, 4, 1)
    assert resize_on_host(image, (2, 2), "area")[..., 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]


@pytest.mark.once
@pytest.mark.parametrize(("width", "error"), [(1, 0.01), (2, 1e-4), (3, 1e-6), (4, 1e-6)])
def test_sounds_of_every_width(tmp_path: Path, width: int, error: float) -> None:
    values = np.random.default_rng(0).uniform(-0.9, 0.9, (50, 2))
    write_sound(tmp_path / "a.wav", values, width, rate=44100)
    found, rate = read_wav(tmp_path / "a.wav")
    assert rate == 44100 and found.dtype == np.float32
    np.testing.assert_allclose(found, values, atol=error)


@pytest.mark.once
def test_sounds_are_filled_up_and_cut(folder: Path) -> None:
    data = make("audio", folder, shuffle=False, batch_size=6, label_mode=None)
    assert [x.shape for x in data] == [(6, 9, 1), (6, 15, 1)]
    assert data[0][0, 4:].max() == 0
    assert [x.shape for x in make("audio", folder, output_sequence_length=7, label_mode=None)] == [(12, 7, 1)]


@pytest.mark.once
@pytest.mark.parametrize("wanted", [4000, 12000, 16000, 22050])
def test_another_sampling_rate_keeps_a_tone(wanted: int) -> None:
    time, other = np.arange(8000) / 8000, np.arange(wanted) / wanted
    sound = np.sin(2 * np.pi * 440 * time)[:, None]
    found = resample(sound, 8000, wanted)[:, 0]
    assert len(found) == wanted
    middle = slice(wanted // 10, -wanted // 10)
    np.testing.assert_allclose(found[middle], np.sin(2 * np.pi * 440 * other)[middle], atol=2e-3)


@pytest.mark.once
def test_a_lower_sampling_rate_filters_what_it_cannot_hold() -> None:
    sound = np.sin(2 * np.pi * 3000 * np.arange(8000) / 8000)[:, None]
    assert np.abs(resample(sound, 8000, 4000)[200:-200]).max() < 2e-3


REFUSED = [
    ({"labels": "guess"}, "labels: expected 'inferred'"),
    ({"label_mode": "one-hot"}, "label_mode: expected"),
    ({"label_mode": "binary"}, "needs exactly 2 classes"),
    ({"labels": None}, "pass label_mode=None"),
    ({"labels": [1, 2]}, "each of the 12 files"),
    ({"labels": [0] * 12, "class_names": ["a"]}, "class_names goes with"),
    ({"class_names": ["ant", "bee"]}, r"\['ant', 'bee', 'cow'\]; received \['ant', 'bee'\]"),
    ({"labels": [3] * 12, "label_mode": "categorical"}, "labels from 0 to 0"),
    ({"validation_split": 0.2}, "go together"),
    ({"subset": "training"}, "go together"),
    ({"validation_split": 1.2, "subset": "both"}, "between 0 and 1"),
    ({"validation_split": 0.2, "subset": "test"}, "subset: expected"),
    ({"validation_split": 0.2, "subset": "training"}, "needs a seed"),
    ({"validation_split": 0.01, "subset": "validation", "seed": 1}, "leaves none for validation"),
    ({"batch_size": 0}, "batch_size"),
]


@pytest.mark.once
@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_refusals(folder: Path, options: dict[str, Any], message: str) -> None:
    for kind in MAKERS:
        with pytest.raises(ValueError, match=message):
            make(kind, folder, **options)


@pytest.mark.once
@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("image", {"color_mode": "hsv"}, "color_mode"),
        ("image", {"interpolation": "cubic9"}, "interpolation"),
        ("image", {"image_size": (3,)}, "image_size"),
        ("image", {"image_size": (3, 0)}, "image_size"),
        ("image", {"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "Only one of"),
        ("image", {"format": "torch"}, "format"),
        ("text", {"format": "torch"}, "format"),
        ("text", {"max_length": 0}, "max_length"),
        ("audio", {"ragged": True}, "batch_size=None"),
        ("audio", {"sampling_rate": 0}, "sampling_rate"),
    ],
)
def test_own_refusals(folder: Path, kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(kind, folder, **options)


@pytest.mark.once
@pytest.mark.parametrize(("kind", "name"), [("image", "x.png"), ("text", "x.txt"), ("audio", "x.wav")])
def test_a_broken_file_is_named(tmp_path: Path, kind: str, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe broken")
    with pytest.raises(ValueError, match=name):
        list(make(kind, tmp_path, labels=None, label_mode=None))
    with pytest.raises(FileNotFoundError, match="no folder"):
        make(kind, tmp_path / "absent")
    with pytest.raises(ValueError, match="holds no folder"):
        make(kind, tmp_path)


@pytest.mark.once
def test_predict_on_a_folder(folder: Path) -> None:
    model = keras.Sequential([keras.Input((3, 4, 3)), keras.layers.GlobalAveragePooling2D()])
    found = model.predict(make("image", folder, shuffle=False, batch_size=5), verbose=0)
    np.testing.assert_allclose(found[:, 0], np.arange(12) * 10.0)


@pytest.mark.once
def test_adapt_to_texts(folder: Path) -> None:
    layer = keras.layers.TextVectorization()
    layer.adapt(make("text", folder).map(lambda x, y: x))
    assert {"sample", "ä", "11"} <= set(layer.get_vocabulary())


@pytest.mark.trains
def test_fit_on_folders(folder: Path) -> None:
    keras.utils.set_random_seed(0)
    train, validation = make("image", folder, validation_split=0.25, subset="both", seed=1, batch_size=4)
    model = keras.Sequential([keras.Input((3, 4, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten(),
                              keras.layers.Dense(3, activation="softmax")])  # fmt: skip
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(train, validation_data=validation, epochs=2, verbose=0).history
    assert len(history["val_loss"]) == 2 and np.isfinite(history["loss"]).all()
    ordered = make("image", folder, shuffle=False, batch_size=4)
    x, y = (np.concatenate(part) for part in zip(*ordered, strict=True))
    np.testing.assert_allclose(model.evaluate(ordered, verbose=0), model.evaluate(x, y, 4, verbose=0), rtol=1e-5)
