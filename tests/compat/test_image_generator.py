"""`ImageDataGenerator` as a source of data: order, seeds, folders, tables, files, errors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr.preprocessing import image

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
EVERYTHING: dict[str, Any] = {
    "rotation_range": 40, "width_shift_range": 0.2, "height_shift_range": 2, "shear_range": 10, "zoom_range": 0.3,
    "channel_shift_range": 0.2, "horizontal_flip": True, "vertical_flip": True, "brightness_range": (0.5, 1.5),
    "fill_mode": "reflect", "rescale": 0.5,
}  # fmt: skip
X = np.random.default_rng(0).uniform(0, 255, (10, 8, 8, 3)).astype("float32")


@pytest.mark.once
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_batches_are_a_function_of_seed_pass_and_row(data_format: str) -> None:
    generator = image.ImageDataGenerator(**EVERYTHING, data_format=data_format)
    x = X if data_format == "channels_last" else np.moveaxis(X, -1, 1)
    a, b, other = (generator.flow(x, batch_size=4, seed=s) for s in (3, 3, 4))
    passes = [[next(a) for _ in range(len(a))] for _ in range(2)]
    for number, batches in enumerate(passes):
        for index, batch in reversed(list(enumerate(batches))):  # in any order
            np.testing.assert_array_equal(batch, b.batch_at(number, index))
            assert not np.array_equal(batch, other.batch_at(number, index))
    assert [len(batch) for batch in passes[0]] == [4, 4, 2]
    assert not np.array_equal(passes[0][0], passes[1][0])
    assert not np.shares_memory(passes[0][0], x) and passes[0][0].dtype == np.float32


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "within"),
    [
        ({"rotation_range": 20}, {"theta": (-20, 20)}),
        ({"width_shift_range": 0.5}, {"ty": (-4, 4), "tx": (0, 0)}),
        ({"height_shift_range": 3}, {"tx": (-3, 3)}),
        ({"height_shift_range": [2, 2]}, {"tx": (-2, 2)}),
        ({"shear_range": 9}, {"shear": (-9, 9)}),
        ({"zoom_range": (0.5, 2)}, {"zx": (0.5, 2), "zy": (0.5, 2)}),
        ({"zoom_range": 0.25}, {"zx": (0.75, 1.25)}),
        ({"channel_shift_range": 7}, {"channel_shift_intensity": (-7, 7)}),
        ({"brightness_range": (0.2, 0.4)}, {"brightness": (0.2, 0.4)}),
        ({"horizontal_flip": True}, {"flip_horizontal": (0, 1)}),
    ],
)
def test_random_parameters(arguments: Any, within: Any) -> None:
    generator = image.ImageDataGenerator(**arguments)
    found = [generator.get_random_transform((8, 8, 3), seed) for seed in range(200)]
    for name, (low, high) in within.items():
        values = [parameters[name] for parameters in found]
        assert low <= min(values) and max(values) <= high
        assert min(values) <= low + 0.1 * (high - low) and max(values) >= high - 0.1 * (high - low)
    still = {"theta": 0, "shear": 0, "zx": 1, "flip_vertical": False, "brightness": None} | dict.fromkeys(within)
    assert all(found[0][name] == value for name, value in still.items() if name not in within)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, count, value in (("cat", 4, 60), ("dog", 6, 200)):
        (tmp_path / name).mkdir()
        for i in range(count):
            keras.utils.save_img(tmp_path / name / f"{i}.png", np.full((9, 7, 3), value), scale=False)
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    return tmp_path


@pytest.mark.once
@pytest.mark.parametrize(
    ("class_mode", "target"),
    [("categorical", [1.0, 0.0]), ("binary", 0.0), ("sparse", 0.0), ("input", None), (None, None)],
)
def test_folders(folder: Path, class_mode: Any, target: Any, capsys: pytest.CaptureFixture[str]) -> None:
    batches = image.ImageDataGenerator(rescale=1 / 255).flow_from_directory(
        folder, target_size=(6, 5), class_mode=class_mode, batch_size=3, shuffle=False
    )
    assert capsys.readouterr().out == "Found 10 images belonging to 2 classes.\n"
    assert batches.class_indices == {"cat": 0, "dog": 1} and batches.image_shape == (6, 5, 3) and batches.samples == 10
    assert batches.filenames[0] == str(Path("cat") / "0.png") and batches.classes.tolist() == [0] * 4 + [1] * 6
    first = batches[0]
    x = first if class_mode is None else first[0]
    np.testing.assert_allclose(x, np.full((3, 6, 5, 3), 60 / 255), rtol=1e-5)
    if class_mode == "input":
        np.testing.assert_array_equal(x, first[1])
    elif class_mode is not None:
        assert first[1][0].tolist() == target


@pytest.mark.once
def test_folders_split_each_class(folder: Path) -> None:
    generator = image.ImageDataGenerator(validation_split=0.5)
    parts = [
        generator.flow_from_directory(folder, subset=s, color_mode="grayscale") for s in ("training", "validation")
    ]
    assert [np.bincount(p.classes).tolist() for p in parts] == [[2, 3], [2, 3]]
    assert not {*parts[0].filenames} & {*parts[1].filenames} and parts[0].image_shape == (256, 256, 1)


@pytest.mark.once
@pytest.mark.parametrize(
    ("mode", "column", "target"),
    [
        ("categorical", "class", [[1, 0], [0, 1]]),
        ("categorical", "several", [[1, 1], [0, 1]]),
        ("binary", "class", [0, 1]),
        ("sparse", "class", [0, 1]),
        ("raw", "weight", [0.5, 2.0]),
        ("raw", ["weight", "size"], [[0.5, 1.0], [2.0, 3.0]]),
        ("multi_output", ["weight", "size"], [[0.5, 2.0], [1.0, 3.0]]),
        ("input", "class", None),
        (None, "class", None),
    ],
)
def test_frames(folder: Path, mode: Any, column: Any, target: Any) -> None:
    import pandas as pd

    frame = pd.DataFrame({
        "filename": ["cat/0.png", "dog/0.png", "none.png"], "class": ["cat", "dog", "dog"],
        "several": [["cat", "dog"], ["dog"], ["cat"]], "weight": [0.5, 2.0, 1.0], "size": [1.0, 3.0, 5.0],
    })  # fmt: skip
    batches = image.ImageDataGenerator().flow_from_dataframe(
        frame, folder, y_col=column, class_mode=mode, target_size=(4, 4), shuffle=False, weight_col="weight"
    )
    found = batches[0]
    assert batches.n == 2 and (found if mode is None else found[0]).shape == (2, 4, 4, 3)
    if mode is not None:
        assert found[2].tolist() == [0.5, 2.0]
    if target is not None:
        assert np.array(found[1]).tolist() == target


@pytest.mark.once
def test_images_are_kept(tmp_path: Path) -> None:
    batches = image.ImageDataGenerator().flow(
        X, batch_size=5, save_to_dir=tmp_path, save_prefix="new", save_format="png"
    )
    next(batches)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert len(names) == 5 and all(name.startswith("new_") and name.endswith(".png") for name in names)


@pytest.mark.once
@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda g: g(fill_mode="mirror"), ValueError, "fill_mode"),
        (lambda g: g(validation_split=1.5), ValueError, "validation_split"),
        (lambda g: g(zoom_range=(1, 2, 3)), ValueError, "zoom_range"),
        (lambda g: g(zoom=2), TypeError, "zoom"),
        (lambda g: g(zca_whitening=True, featurewise_std_normalization=True), ValueError, "zca_whitening"),
        (lambda g: g().flow(X[0]), ValueError, "4 dimensions"),
        (lambda g: g().flow(X, np.arange(3)), ValueError, "expected y of 10 rows; received 3"),
        (lambda g: g().flow(X, subset="test"), ValueError, "subset"),
        (lambda g: g(validation_split=0.3).flow(X, [0] * 3 + [1] * 7, subset="training"), ValueError, "classes"),
        (lambda g: g().flow_from_directory("no such folder"), FileNotFoundError, "no such folder"),
        (lambda g: g().flow_from_directory(".", class_mode="one"), ValueError, "class_mode"),
        (lambda g: g().fit(X[0]), ValueError, "4 dimensions"),
        (lambda g: g(interpolation_order=3, rotation_range=9).random_transform(X[0]), ValueError, "order"),
        (lambda g: g().flow(X)[7], IndexError, "received 7"),
    ],
)
def test_refusals(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(image.ImageDataGenerator)


@pytest.mark.trains
@pytest.mark.parametrize("options", [{}, {"steps_per_epoch": 3}, {"steps_per_epoch": 2}, {"steps_per_epoch": 7}])
def test_fit_sees_every_row(options: Any) -> None:
    x = np.arange(10.0).reshape(10, 1, 1, 1)
    seen: list[float] = []

    class Watching(image.ImageDataGenerator):
        def standardize(self, x: Any) -> Any:
            seen.append(float(np.max(x)))
            return super().standardize(x)

    model = keras.Sequential([keras.Input((1, 1, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(Watching().flow(x, x.reshape(10, 1), batch_size=4), epochs=3, verbose=0, shuffle=False, **options)
    counts = np.bincount(np.array(seen[4:], int), minlength=10)  # the first batch is looked at beforehand
    rows = 10 * 3 if not options else sum([4, 4, 2][i % 3] for i in range(options["steps_per_epoch"] * 3))
    assert counts.sum() == rows and counts.max() - counts.min() <= 1
