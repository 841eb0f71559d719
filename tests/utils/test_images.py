"""Images in files and as arrays, and the parts of a batch."""

import builtins
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import utils

pytestmark = pytest.mark.once

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype("float32")


def array(img: Any) -> np.ndarray:
    return np.asarray(img)


@pytest.mark.parametrize(
    ("shape", "mode"), [((6, 8, 1), "L"), ((6, 8, 3), "RGB"), ((6, 8, 4), "RGBA"), ((1, 5, 3), "RGB")]
)
def test_array_to_img_and_back(shape: tuple[int, ...], mode: str) -> None:
    x = np.random.default_rng(0).integers(0, 256, shape).astype("float32")
    img = utils.array_to_img(x, scale=False)
    assert img.mode == mode and img.size == (shape[1], shape[0])
    np.testing.assert_array_equal(utils.img_to_array(img), x)
    first = utils.array_to_img(x.transpose(2, 0, 1), data_format="channels_first", scale=False)
    np.testing.assert_array_equal(array(first), array(img))
    again = utils.img_to_array(img, data_format="channels_first", dtype="uint8")
    assert again.dtype == np.uint8
    np.testing.assert_array_equal(again, x.transpose(2, 0, 1))


def test_scaling_fills_the_range() -> None:
    x = np.array([[[-1.0], [0.0], [3.0]]])
    np.testing.assert_array_equal(array(utils.array_to_img(x)), [[0, 63, 255]])
    np.testing.assert_array_equal(array(utils.array_to_img(np.full((1, 2, 1), 7.0))), [[0, 0]])
    assert array(utils.array_to_img(np.full((1, 2, 1), 300.0), scale=False)).tolist() == [[300, 300]]
    given = x.copy()
    utils.array_to_img(given)
    np.testing.assert_array_equal(given, x)


@pytest.mark.parametrize("ends", ["png", "bmp"])
def test_files(tmp_path: Path, ends: str) -> None:
    path = tmp_path / f"picture.{ends}"
    utils.save_img(path, PIXELS, scale=False)
    np.testing.assert_array_equal(utils.img_to_array(utils.load_img(path)), PIXELS)
    np.testing.assert_array_equal(utils.img_to_array(utils.load_img(str(path))), PIXELS)
    with open(path, "rb") as file:
        np.testing.assert_array_equal(utils.img_to_array(utils.load_img(file)), PIXELS)
    path.unlink()  # nothing keeps it open


def test_modes_and_sizes() -> None:
    file = io.BytesIO()
    utils.save_img(file, PIXELS, file_format="png", scale=False)
    assert {m: utils.load_img(file, color_mode=m).mode for m in ("rgb", "rgba", "grayscale")} == {
        "rgb": "RGB",
        "rgba": "RGBA",
        "grayscale": "L",
    }
    half = utils.img_to_array(utils.load_img(file, target_size=(3, 4)))
    np.testing.assert_array_equal(half, PIXELS[1::2, 1::2])
    mean = utils.img_to_array(utils.load_img(file, target_size=(3, 4), interpolation="box"))
    np.testing.assert_allclose(mean, PIXELS.reshape(3, 2, 4, 2, 3).mean((1, 3)), atol=1)
    square = utils.img_to_array(utils.load_img(file, target_size=(6, 6), keep_aspect_ratio=True))
    np.testing.assert_array_equal(square, PIXELS[:, 1:7])
    flat = utils.img_to_array(utils.load_img(file, target_size=(2, 8), keep_aspect_ratio=True))
    np.testing.assert_array_equal(flat, PIXELS[2:4])


def test_jpeg_has_no_alpha(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    utils.save_img(path, np.full((8, 8, 4), 128.0), scale=False)
    assert utils.load_img(path, color_mode="rgba").getextrema()[3] == (255, 255)
    np.testing.assert_allclose(utils.img_to_array(utils.load_img(path)), 128, atol=2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: utils.array_to_img(np.ones((2, 2))), ValueError, "3 dimensions"),
        (lambda: utils.array_to_img(np.ones((2, 2, 2))), ValueError, "channels"),
        (lambda: utils.img_to_array(np.ones(3)), ValueError, "2 or 3"),
        (lambda: utils.load_img("x.png", color_mode="hsv"), ValueError, "color_mode"),
        (lambda: utils.load_img(3), TypeError, "path"),
        (lambda: utils.load_img("missing.png"), FileNotFoundError, "missing.png"),
    ],
)
def test_bad_arguments(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_unknown_interpolation() -> None:
    file = io.BytesIO()
    utils.save_img(file, PIXELS, file_format="png")
    with pytest.raises(ValueError, match="interpolation"):
        utils.load_img(file, target_size=(2, 2), interpolation="area")


def test_missing_pillow_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.split(".")[0] == "PIL":
            raise ImportError(f"No module named {name!r}", name=name)
        return found(name, *args)

    for name in [n for n in sys.modules if n.split(".")[0] == "PIL"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'tahr\[image\]'"):
        utils.load_img("x.png")


@pytest.mark.parametrize(
    ("given", "packed"),
    [
        ((1,), 1),
        (([1, 2],), ([1, 2],)),
        ((1, 2), (1, 2)),
        ((1, 2, 3), (1, 2, 3)),
        ((1, None, 3), (1, None, 3)),
    ],
)
def test_pack_and_unpack(given: tuple[Any, ...], packed: Any) -> None:
    assert keras.utils.pack_x_y_sample_weight(*given) == packed
    assert keras.utils.unpack_x_y_sample_weight(packed) == (*given, None, None)[:3]


def test_batches_of_four_parts() -> None:
    with pytest.raises(ValueError, match="length 4"):
        utils.unpack_x_y_sample_weight((1, 2, 3, 4))
