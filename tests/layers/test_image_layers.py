"""Image layers: values by NumPy, and labels, boxes and masks that follow the images."""

from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import backends, layers, ops, tree
from tests.layers import image_oracles as oracle

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 255, (3, 9, 7, 3)).astype("float32")
SHAPE = IMAGES.shape

# Every layer with arguments under which it changes most images.
LAYERS: dict[str, dict[str, Any]] = {
    "AugMix": {},
    "AutoContrast": {},
    "CenterCrop": {"height": 4, "width": 5},
    "ContrastLimitedAdaptiveHistogramEqualization": {"tile_grid_size": (2, 3)},
    "CutMix": {},
    "Equalization": {},
    "MaxNumBoundingBoxes": {"max_number": 3},
    "MixUp": {},
    "RandAugment": {},
    "RandomBrightness": {"factor": 0.3},
    "RandomColorDegeneration": {"factor": 0.4},
    "RandomColorJitter": {
        "brightness_factor": 0.2,
        "contrast_factor": 0.2,
        "saturation_factor": (0.4, 0.6),
        "hue_factor": 0.2,
    },
    "RandomContrast": {"factor": 0.4},
    "RandomCrop": {"height": 4, "width": 5},
    "RandomElasticTransform": {"factor": (1.0, 1.0)},
    "RandomErasing": {"factor": (1.0, 1.0), "scale": (0.2, 0.5)},
    "RandomFlip": {},
    "RandomGaussianBlur": {"factor": (1.0, 1.0), "sigma": (0.5, 1.0), "kernel_size": (3, 5)},
    "RandomGrayscale": {},
    "RandomHue": {"factor": 0.4},
    "RandomInvert": {"factor": (0.5, 0.5)},
    "RandomPerspective": {"factor": (1.0, 1.0), "scale": 0.5},
    "RandomPosterization": {"factor": 4},
    "RandomRotation": {"factor": 0.2},
    "RandomSaturation": {"factor": (0.2, 0.8)},
    "RandomSharpness": {"factor": (0.1, 0.9)},
    "RandomShear": {"x_factor": 0.3, "y_factor": (0.1, 0.2)},
    "RandomTranslation": {"height_factor": 0.2, "width_factor": (0.1, 0.3)},
    "RandomZoom": {"height_factor": (-0.4, -0.1)},
    "Resizing": {"height": 4, "width": 5},
    "Solarization": {"addition_factor": 0.2, "threshold_factor": 0.5},
}
FIXED = {
    "AutoContrast",
    "CenterCrop",
    "ContrastLimitedAdaptiveHistogramEqualization",
    "Equalization",
    "MaxNumBoundingBoxes",
    "Resizing",
}
AT_REST = {"AutoContrast", "CenterCrop", "ContrastLimitedAdaptiveHistogramEqualization", "Resizing"}
KEEP_INTEGERS = {
    "ContrastLimitedAdaptiveHistogramEqualization",
    "MaxNumBoundingBoxes",
    "RandomBrightness",
    "RandomGrayscale",
    "Resizing",
}
WARPS = (
    "CenterCrop",
    "RandAugment",
    "RandomCrop",
    "RandomFlip",
    "RandomPerspective",
    "RandomRotation",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "Resizing",
)
EVERY = pytest.mark.parametrize("name", list(LAYERS))


def make(kind: str, /, seed: int = 3, **more: Any) -> Any:
    seeded = {} if kind in FIXED else {"seed": seed}
    return getattr(layers, kind)(**{**LAYERS[kind], **seeded, **more})


def host(x: Any) -> Any:
    return tree.map_structure(lambda part: np.asarray(ops.convert_to_numpy(part)), x)


def full_inputs() -> dict[str, Any]:
    boxes = np.array([[[1, 1, 4, 5], [0, 2, 7, 9]], [[2, 3, 3, 8], [1, 0, 6, 4]], [[0, 0, 2, 2], [3, 4, 5, 6]]])
    return {
        "images": IMAGES,
        "labels": np.eye(3, dtype="float32"),
        "bounding_boxes": {"boxes": boxes.astype("float32"), "labels": np.array([[0, 1], [2, 1], [3, 0]], "int32")},
        "segmentation_masks": RANDOM.integers(0, 4, (3, 9, 7, 1), dtype="int32"),
    }


def takes_boxes(name: str) -> bool:
    return name not in ("CutMix", "RandomElasticTransform")


# ---- values ---------------------------------------------------------------------------------------------------------

ANGLES = np.array([30.0, -75.0, 190.0], "float32")
SHIFTS = np.array([[1.25, -2.5], [0.0, 3.0], [-8.0, 0.5]], "float32")
SHEARS = np.array([[0.2, 0.0], [0.0, -0.3], [0.4, 0.1]], "float32")
ZOOMS = np.array([[0.5], [1.3], [0.9]], "float32")


def points(kind: str, i: int) -> oracle.Point:
    if kind == "RandomRotation":
        return oracle.turned(ANGLES[i], 9, 7)
    if kind == "RandomTranslation":
        return lambda x, y: (x - SHIFTS[i, 0], y - SHIFTS[i, 1])
    if kind == "RandomShear":
        return lambda x, y: (x + SHEARS[i, 0] * y, y + SHEARS[i, 1] * x)
    return lambda x, y: (3 + (x - 3) * ZOOMS[i, 0], 4 + (y - 4) * ZOOMS[2 - i, 0])


WARPED = {
    "RandomRotation": ({"factor": 0.1}, {"angle": ANGLES}),
    "RandomTranslation": ({"height_factor": 0.1, "width_factor": 0.1}, {"translations": SHIFTS}),
    "RandomShear": ({}, {"shear_factor": SHEARS}),
    "RandomZoom": ({"height_factor": 0.1}, {"width_zoom": ZOOMS, "height_zoom": ZOOMS[::-1].copy()}),
}


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("fill_mode", ["constant", "nearest", "reflect", "wrap"])
@pytest.mark.parametrize("name", list(WARPED))
def test_pixels_come_from_where_they_should(name: str, fill_mode: str, interpolation: str) -> None:
    arguments, drawn = WARPED[name]
    layer = getattr(layers, name)(**arguments, fill_mode=fill_mode, interpolation=interpolation, fill_value=9.0)
    drawn = {key: ops.convert_to_tensor(value) for key, value in drawn.items()}
    found = host(layer.transform_images(IMAGES, {**drawn, "input_shape": SHAPE}))
    for i, image in enumerate(IMAGES):
        expected = oracle.looked_up(image, points(name, i), fill_mode, 9.0, interpolation)
        np.testing.assert_allclose(found[i], expected, atol=0.02)


def test_perspective_takes_corners_to_corners() -> None:
    layer = layers.RandomPerspective(factor=(1.0, 1.0), scale=0.6, seed=1, interpolation="nearest")
    drawn = layer.get_random_transformation(IMAGES)
    start, end = host(drawn["start_points"]), host(drawn["end_points"])
    found = host(layer.transform_images(IMAGES, drawn))
    for image, result, given, wanted in zip(IMAGES, found, start, end, strict=True):
        for (x, y), (u, v) in zip(given.astype(int), wanted, strict=True):
            if 0 <= u <= 6 and 0 <= v <= 8 and abs(u - round(u)) < 0.2 and abs(v - round(v)) < 0.2:
                np.testing.assert_allclose(result[round(v), round(u)], image[y, x])
    np.testing.assert_allclose(found[:, 0, 0], IMAGES[:, 0, 0], rtol=1e-4)  # which never moves


def posterized(bits: int) -> np.ndarray:
    return (IMAGES.astype(int) >> (8 - bits) << (8 - bits)).astype("float64")


def solarized(addition: float, threshold: float) -> np.ndarray:
    brighter = np.clip(IMAGES.astype("float64") + addition * 255, 0, 255)
    return np.where(brighter < threshold * 255, brighter, 255 - brighter)


def stretched() -> np.ndarray:
    least, most = IMAGES.min((1, 2), keepdims=True), IMAGES.max((1, 2), keepdims=True)
    return (IMAGES.astype("float64") - least) / (most - least) * 255


def sharpened(amount: float) -> np.ndarray:
    kernel = np.ones((3, 3)) / 13
    kernel[1, 1] = 5 / 13
    smooth = oracle.blurred(IMAGES, kernel)
    return np.clip(smooth + (IMAGES - smooth) * 2 * amount, 0, 255)


def normal_blurred(rows: int, columns: int, deviation: float) -> np.ndarray:
    def weights(n: int) -> np.ndarray:
        values = np.exp(-0.5 * ((np.arange(n) - n // 2) / deviation) ** 2)
        return values / values.sum()

    return oracle.blurred(IMAGES, np.outer(weights(rows), weights(columns)))


def clahe(limit: float, grid: tuple[int, int]) -> np.ndarray:
    return np.stack([np.stack([oracle.tiled(x[..., c], limit, grid) for c in range(3)], -1) for x in IMAGES])


def flip(*axes: int) -> np.ndarray:
    return np.flip(IMAGES, axes)


# name, arguments that leave nothing to chance, result for IMAGES
VALUES: list[tuple[str, dict[str, Any], Any]] = [
    ("AutoContrast", {}, stretched),
    ("CenterCrop", {"height": 4, "width": 5}, lambda: IMAGES[:, 2:6, 1:6]),
    ("ContrastLimitedAdaptiveHistogramEqualization", {}, lambda: clahe(4.0, (8, 8))),
    (
        "ContrastLimitedAdaptiveHistogramEqualization",
        {"clip_limit": 0, "tile_grid_size": (2, 3)},
        lambda: clahe(0, (2, 3)),
    ),
    ("Equalization", {"bins": 64}, lambda: oracle.equalized(IMAGES, 64)),
    ("RandomBrightness", {"factor": (0.3, 0.3)}, lambda: np.clip(IMAGES + 0.3 * 255, 0, 255)),
    ("RandomBrightness", {"factor": (-0.5, -0.5)}, lambda: np.clip(IMAGES - 127.5, 0, 255)),
    ("RandomColorDegeneration", {"factor": (0.4, 0.4)}, lambda: 0.6 * IMAGES + 0.4 * oracle.grey(IMAGES)),
    ("RandomColorJitter", {"brightness_factor": (0.1, 0.1)}, lambda: np.clip(IMAGES + 25.5, 0, 255)),
    ("RandomContrast", {"factor": 0.0}, lambda: IMAGES),
    ("RandomGaussianBlur", {"factor": (1, 1), "sigma": (0.7, 0.7)}, lambda: normal_blurred(3, 3, 0.7)),
    (
        "RandomGaussianBlur",
        {"factor": (1, 1), "kernel_size": (5, 3), "sigma": (1.0, 1.0)},
        lambda: normal_blurred(3, 5, 1.0),
    ),
    ("RandomGrayscale", {"factor": 1.0}, lambda: np.repeat(oracle.grey(IMAGES), 3, -1)),
    ("RandomGrayscale", {"factor": 0.0}, lambda: IMAGES),
    ("RandomHue", {"factor": (1, 1)}, lambda: oracle.in_hsv(IMAGES, lambda h, s, v: (h + 0.5, s, v), (0, 255))),
    ("RandomInvert", {"factor": (1, 1)}, lambda: 255 - IMAGES),
    ("RandomInvert", {"factor": 0.0}, lambda: IMAGES),
    ("RandomPosterization", {"factor": (3, 3)}, lambda: posterized(3)),
    ("RandomPosterization", {"factor": (8, 8)}, lambda: posterized(8)),
    ("RandomSaturation", {"factor": (0.5, 0.5)}, lambda: IMAGES),
    (
        "RandomSaturation",
        {"factor": (0.7, 0.7)},
        lambda: oracle.in_hsv(IMAGES, lambda h, s, v: (h, min(1, s * 7 / 3), v), (0, 255)),
    ),
    ("RandomSaturation", {"factor": (0, 0)}, lambda: np.repeat(IMAGES.max(-1, keepdims=True), 3, -1)),
    ("RandomSharpness", {"factor": (0.2, 0.2)}, lambda: sharpened(0.2)),
    ("RandomSharpness", {"factor": (1, 1)}, lambda: sharpened(1.0)),
    ("RandomErasing", {"factor": (1, 1), "scale": (1, 1), "fill_value": 3.0}, lambda: np.full(SHAPE, 3.0)),
    ("RandomErasing", {"factor": 0.0}, lambda: IMAGES),
    ("RandomCrop", {"height": 9, "width": 7}, lambda: IMAGES),
    ("RandomCrop", {"height": 18, "width": 14}, lambda: np.asarray(host(layers.Resizing(18, 14)(IMAGES)))),
    ("RandomElasticTransform", {"factor": (1, 1), "scale": 0.0}, lambda: IMAGES),
    ("RandomRotation", {"factor": (0.5, 0.5)}, lambda: flip(1, 2)),
    ("Resizing", {"height": 3, "width": 7}, lambda: IMAGES[:, 1::3]),
    ("Resizing", {"height": 27, "width": 7, "interpolation": "nearest"}, lambda: np.repeat(IMAGES, 3, 1)),
    ("Solarization", {"addition_factor": (0.2, 0.2), "threshold_factor": (0.5, 0.5)}, lambda: solarized(0.2, 0.5)),
    ("RandAugment", {"num_ops": 0}, lambda: IMAGES),
]


@pytest.mark.parametrize(("name", "arguments", "expected"), VALUES, ids=[f"{v[0]}-{i}" for i, v in enumerate(VALUES)])
def test_value(name: str, arguments: dict[str, Any], expected: Any) -> None:
    layer = getattr(layers, name)(**arguments)
    np.testing.assert_allclose(host(layer(IMAGES)), expected(), atol=0.02)


@pytest.mark.parametrize("value_range", [(0, 1), (-1, 1), (10, 250)])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("AutoContrast", {}),
        ("ContrastLimitedAdaptiveHistogramEqualization", {"tile_grid_size": (2, 3)}),
        ("Equalization", {"bins": 64}),
        ("RandomBrightness", {"factor": (0.3, 0.3)}),
        ("RandomColorDegeneration", {"factor": (0.4, 0.4)}),
        ("RandomHue", {"factor": (1, 1)}),
        ("RandomInvert", {"factor": (1, 1)}),
        ("RandomSaturation", {"factor": (0.7, 0.7)}),
        ("Solarization", {"addition_factor": (0.2, 0.2), "threshold_factor": (0.5, 0.5)}),
    ],
)
def test_another_range_of_values_is_the_same_picture(name: str, arguments: dict[str, Any], value_range: Any) -> None:
    low, high = value_range
    usual = host(getattr(layers, name)(**arguments)(IMAGES))
    scaled = (IMAGES / 255 * (high - low) + low).astype("float32")
    found = host(getattr(layers, name)(**arguments, value_range=value_range)(scaled))
    different = np.abs((found - low) / (high - low) * 255 - usual) > 0.1
    assert different.mean() < 0.02  # values at a border between two bins may round to either side


def test_contrast_grows_around_the_mean_of_each_channel() -> None:
    factor = np.array([0.5, 1.0, 1.2], "float32").reshape(3, 1, 1, 1)
    layer = layers.RandomContrast(0.5)
    found = host(layer.transform_images(IMAGES, {"contrast_factor": ops.convert_to_tensor(factor)}))
    mean = IMAGES.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(found, np.clip((IMAGES - mean) * factor + mean, 0, 255), atol=0.01)


@pytest.mark.parametrize("name", ["AutoContrast", "Equalization"])
def test_an_image_of_one_value_stays(name: str) -> None:
    np.testing.assert_allclose(host(getattr(layers, name)()(np.full((2, 3, 3, 1), 7.0))), 7.0)


@pytest.mark.parametrize("name", ["RandAugment", "RandomColorDegeneration", "RandomGrayscale"])
def test_images_of_one_channel(name: str) -> None:
    found = host(make(name)(IMAGES[..., :1]))
    assert found.shape == (3, 9, 7, 1)
    if name != "RandAugment":
        np.testing.assert_allclose(found, IMAGES[..., :1], atol=0.01)


def test_padding_keeps_proportions() -> None:
    found = host(layers.Resizing(5, 5, pad_to_aspect_ratio=True, fill_value=8.0)(np.ones((1, 2, 10, 1))))
    np.testing.assert_allclose(found[0, :, :, 0], [[8.0] * 5] * 2 + [[1.0] * 5] + [[8.0] * 5] * 2)


# ---- random numbers -------------------------------------------------------------------------------------------------


@EVERY
def test_a_seed_gives_the_same_images(name: str) -> None:
    first, second, other = make(name), make(name), make(name, seed=4)
    a, b = host(first(IMAGES)), host(second(IMAGES))
    np.testing.assert_array_equal(a, b)
    if name not in FIXED and name != "RandomGrayscale":
        calls = [host(layer(IMAGES)) for layer in (first, first, other)]
        assert any(not np.array_equal(a, call) for call in calls)


@EVERY
def test_compiled_equals_eager(name: str) -> None:
    eager, layer = make(name), make(name)
    expected = host(eager(IMAGES, training=True))
    layer.build(SHAPE)
    run = backends.current().compile(lambda state, x: layer.stateless_call([], state, x, training=True))
    state = [v.value for v in layer.non_trainable_variables]
    found, after = run(state, ops.convert_to_tensor(IMAGES))
    np.testing.assert_allclose(host(found), expected, rtol=1e-4, atol=1.0 if name == "Equalization" else 0.05)
    if state:
        assert any(not np.array_equal(host(a), host(b)) for a, b in zip(state, after, strict=True))


@EVERY
def test_nothing_random_happens_at_rest(name: str) -> None:
    found = host(make(name)(IMAGES, training=False))
    if name in AT_REST:
        np.testing.assert_array_equal(found, host(make(name)(IMAGES, training=True)))
    else:
        np.testing.assert_array_equal(found, IMAGES)


def test_flips_of_both_kinds_occur() -> None:
    images = np.repeat(IMAGES[:1], 64, axis=0)
    found = host(layers.RandomFlip(seed=1)(images))
    ways = {w: np.flip(IMAGES[0], w) for w in ((), (0,), (1,), (0, 1))}
    which = [next(w for w, x in ways.items() if np.array_equal(x, image)) for image in found]
    assert set(which) == set(ways)
    only = host(layers.RandomFlip("vertical", seed=1)(images))
    assert all(any(np.array_equal(ways[w], image) for w in ((), (0,))) for image in only)


def test_crops_are_parts_of_the_images() -> None:
    layer = layers.RandomCrop(4, 5, seed=0)
    places = set()
    for _ in range(40):
        found = host(layer(IMAGES))
        fits = [(y, x) for y in range(6) for x in range(3) if np.array_equal(IMAGES[:, y : y + 4, x : x + 5], found)]
        assert len(fits) == 1
        places.add(fits[0])
    assert {y for y, _ in places} == set(range(6))
    assert {x for _, x in places} == set(range(3))


def test_erased_part_has_the_size_asked_for() -> None:
    images = np.ones((200, 40, 50, 1), "float32")
    layer = layers.RandomErasing((1.0, 1.0), scale=(0.25, 0.25), fill_value=0.0, seed=1)
    found = host(layer(images))[..., 0]
    np.testing.assert_array_equal((found == 0).sum((1, 2)), 20 * 25)
    np.testing.assert_array_equal((found == 0).any(2).sum(1), 20)
    assert (found[:, 0] == 0).any() and (found[:, -1] == 0).any()
    noise = host(layers.RandomErasing((1.0, 1.0), value_range=(0, 1), seed=1)(images))
    assert noise.min() >= 0 and noise.max() <= 1 and len(np.unique(noise)) > 1000


@pytest.mark.parametrize(
    ("name", "arguments", "key", "low", "high"),
    [
        ("RandomRotation", {"factor": (0.1, 0.2)}, "angle", 36, 72),
        ("RandomRotation", {"factor": 0.1}, "angle", -36, 36),
        ("RandomTranslation", {"height_factor": 0, "width_factor": (0.5, 1)}, "translations", 0, 7),
        ("RandomZoom", {"height_factor": (-0.5, 0.2)}, "height_zoom", 0.5, 1.2),
        ("RandomShear", {"x_factor": (0.1, 0.3), "y_factor": 0.3}, "shear_factor", -0.3, 0.3),
        ("RandomBrightness", {"factor": (0.2, 0.4)}, "rgb_delta", 51, 102),
        ("RandomContrast", {"factor": (0.2, 0.5)}, "contrast_factor", 0.8, 1.5),
        ("RandomHue", {"factor": 0.4}, "factor", -0.2, 0.2),
        ("RandomSharpness", {"factor": 0.4}, "factor", 0, 0.4),
        ("RandomPosterization", {"factor": (2, 6)}, "shift_factor", 2, 6),
        ("Solarization", {"addition_factor": (0.2, 0.6)}, "additions", 51, 153),
    ],
)
def test_draws_fill_their_range(name: str, arguments: dict[str, Any], key: str, low: float, high: float) -> None:
    layer = getattr(layers, name)(**arguments, seed=1)
    draws = host(layer.get_random_transformation(np.zeros((500, 9, 7, 3), "float32"))[key]).astype("float64")
    assert draws.min() >= low - 1e-4 and draws.max() <= high + 1e-4
    assert draws.max() - draws.min() > 0.9 * (high - low)


# ---- what comes with images -----------------------------------------------------------------------------------------


@EVERY
def test_parts_keep_their_shapes_types_and_order(name: str) -> None:
    layer = make(name, bounding_box_format="xyxy")
    data = full_inputs()
    if not takes_boxes(name):
        with pytest.raises(NotImplementedError, match="boxes"):
            layer(data)
        del data["bounding_boxes"]
    found = layer(data, training=True)
    assert list(found) == list(data)
    symbols = tree.map_structure(lambda x: keras.KerasTensor((None, *x.shape[1:]), x.dtype.name), data)
    for result, symbol in zip(
        tree.flatten(found), tree.flatten(make(name, bounding_box_format="xyxy")(symbols)), strict=True
    ):
        assert symbol.dtype == ops.dtype(result)
        assert tuple(symbol.shape)[1:] == tuple(result.shape)[1:]
    shapes = layer.compute_output_shape(tree.map_structure(lambda x: x.shape, data))
    assert shapes["images"] == tuple(found["images"].shape)
    assert shapes["segmentation_masks"] == tuple(found["segmentation_masks"].shape)
    if name not in ("MixUp", "CutMix"):
        np.testing.assert_array_equal(host(found["labels"]), data["labels"])


@EVERY
def test_one_image_is_a_batch_of_one(name: str) -> None:
    data = full_inputs()
    if not takes_boxes(name):
        del data["bounding_boxes"]
    one = tree.map_structure(lambda x: x[0], data)
    batch = tree.map_structure(lambda x: x[:1], data)
    expected = host(make(name, bounding_box_format="xyxy")(batch))
    found = host(make(name, bounding_box_format="xyxy")(one))
    for a, b in zip(tree.flatten(found), tree.flatten(expected), strict=True):
        np.testing.assert_allclose(a, b[0], atol=1e-4)
    if name != "MaxNumBoundingBoxes":
        layer = make(name)
        drawn = layer.get_random_transformation(batch["images"])
        single = host(layer.transform_single_image(one["images"], drawn))
        np.testing.assert_allclose(single, host(layer.transform_images(batch["images"], drawn))[0], atol=1e-4)


@EVERY
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_channels_first_is_the_same_picture(name: str, dtype: str) -> None:
    images = IMAGES.astype(dtype)
    last = make(name)(images)
    first = make(name, data_format="channels_first")(images.transpose(0, 3, 1, 2))
    assert ops.dtype(last) == (dtype if name in KEEP_INTEGERS else "float32")
    if name == "RandomErasing":  # whose noise is drawn in another order
        return
    np.testing.assert_allclose(host(first).transpose(0, 2, 3, 1), host(last), atol=0.05)


@pytest.mark.parametrize("name", ["AutoContrast", "RandomRotation", "RandomBrightness", "RandAugment", "MixUp"])
def test_half_precision(name: str) -> None:
    layer = make(name, dtype="mixed_float16")
    found = layer(IMAGES.astype("float16"))
    assert ops.dtype(found) == "float16"
    assert np.isfinite(host(found)).all()


def rectangle(height: int, width: int, box: tuple[int, int, int, int]) -> np.ndarray:
    left, top, right, bottom = box
    picture = np.zeros((1, height, width, 1), "float32")
    picture[:, top:bottom, left:right] = 1
    return picture


@pytest.mark.parametrize("bounding_box_format", ["xyxy", "rel_center_xywh"])
@pytest.mark.parametrize("seed", [1, 2, 5])
@pytest.mark.parametrize("name", WARPS)
def test_boxes_and_masks_follow_the_image(name: str, seed: int, bounding_box_format: str) -> None:
    boxes = keras.utils.bounding_boxes
    arguments = {
        "CenterCrop": {"height": 30, "width": 34},
        "RandomCrop": {"height": 30, "width": 34},
        "Resizing": {"height": 33, "width": 60, "interpolation": "nearest", "crop_to_aspect_ratio": seed == 1},
        "RandomPerspective": {"factor": (1.0, 1.0), "scale": 0.3},
        "RandomZoom": {"height_factor": 0.3, "width_factor": 0.2},
        "RandomRotation": {"factor": 0.07},
        "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.2},
        "RandomShear": {"x_factor": 0.2, "y_factor": 0.1},
        "RandAugment": {"factor": 0.1},
    }.get(name, {})
    if "fill_mode" in getattr(layers, name).__init__.__annotations__ and name != "Resizing":
        arguments |= {"fill_mode": "constant", "interpolation": "nearest"}
    if name == "RandomPerspective":
        arguments["interpolation"] = "nearest"
    if name not in FIXED:
        arguments["seed"] = seed
    layer = getattr(layers, name)(**arguments, bounding_box_format=bounding_box_format)
    mask = rectangle(40, 50, (14, 11, 33, 29))
    given = boxes.convert_format([[[14.0, 11.0, 33.0, 29.0]]], "xyxy", bounding_box_format, 40, 50)
    data = {
        "images": mask,
        "segmentation_masks": mask,
        "bounding_boxes": {"boxes": host(given), "labels": np.array([[5]])},
    }
    found = host(layer(data, training=True))
    if name != "RandAugment":  # which changes colours as well
        np.testing.assert_array_equal(found["images"], found["segmentation_masks"])
    height, width = found["images"].shape[1:3]
    result = host(boxes.convert_format(found["bounding_boxes"]["boxes"], bounding_box_format, "xyxy", height, width))
    rows, columns = np.nonzero(found["segmentation_masks"][0, :, :, 0])
    seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(result[0, 0], seen, atol=1.3)
    assert found["bounding_boxes"]["labels"].tolist() == [[5]]


@pytest.mark.parametrize("name", ["RandomElasticTransform", "RandomFlip", "RandomRotation", "MixUp", "CutMix"])
def test_masks_of_three_dimensions(name: str) -> None:
    masks = RANDOM.uniform(size=(3, 9, 7)).astype("float32")
    if name in ("MixUp", "CutMix"):
        flat, deep = ({"images": IMAGES, "segmentation_masks": m} for m in (masks, masks[..., None]))
    else:
        flat, deep = ({"images": masks[..., None], "segmentation_masks": m} for m in (masks, masks[..., None]))
    a, b = host(make(name)(flat)), host(make(name)(deep))
    np.testing.assert_array_equal(a["segmentation_masks"], b["segmentation_masks"][..., 0])


def test_box_that_leaves_the_image_loses_its_label() -> None:
    layer = layers.RandomTranslation(0.0, (1.0, 1.0), bounding_box_format="xywh")
    boxes = {"boxes": np.array([[[1.0, 1.0, 2.0, 2.0]]], "float32"), "labels": np.array([[4]])}
    found = layer({"images": np.ones((1, 8, 8, 1)), "bounding_boxes": boxes})
    assert host(found["bounding_boxes"]["labels"]).tolist() == [[-1]]


def test_labels_are_mixed_as_pixels_are() -> None:
    count = 6
    images = np.repeat(np.eye(count, dtype="float32")[:, None, None, :], 30 * 40, 1).reshape(count, 30, 40, count)
    for layer in (layers.MixUp(alpha=1.0, seed=1), layers.CutMix(seed=1)):
        found = host(layer({"images": images, "labels": np.eye(count), "segmentation_masks": images}))
        shares = found["images"].mean((1, 2))
        np.testing.assert_allclose(shares, found["labels"], atol=1e-4)
        np.testing.assert_allclose(found["segmentation_masks"], found["images"], atol=1e-6)
        np.testing.assert_allclose(found["labels"].sum(1), 1, atol=1e-5)
        assert ((found["labels"] > 0.02).sum(1) > 1).any()


def test_mixed_images_keep_the_boxes_of_both() -> None:
    data = full_inputs()
    layer = layers.MixUp(seed=1)
    drawn = layer.get_random_transformation(data)
    order = host(drawn["permutation_order"])
    found = host(layer.transform_bounding_boxes(data["bounding_boxes"], drawn))
    assert found["boxes"].shape == (3, 4, 4) and found["labels"].shape == (3, 4)
    np.testing.assert_array_equal(found["boxes"][:, 2:], data["bounding_boxes"]["boxes"][order])


def test_number_of_boxes() -> None:
    boxes = full_inputs()["bounding_boxes"]
    for count in (1, 2, 4):
        found = host(layers.MaxNumBoundingBoxes(count, fill_value=-2).transform_bounding_boxes(boxes, None))
        assert found["boxes"].shape == (3, count, 4) and found["labels"].shape == (3, count)
        np.testing.assert_array_equal(found["labels"][:, :2], boxes["labels"][:, :count])
        assert (found["boxes"][:, 2:] == -2).all() and (found["labels"][:, 2:] == -2).all()


# ---- policies -------------------------------------------------------------------------------------------------------


def follow(layer: Any, images: Any, transformation: dict[str, Any], *place: int) -> tuple[Any, str]:
    """Return images after the step at a place, by the chosen layer's own method, and that layer's name."""
    index, drawn = layer.chosen_step(transformation, *place)
    name = list(layer._choices)[int(host(index))]
    return layer._choices[name].transform_images(images, drawn[name]), name


def test_rand_augment_applies_what_it_drew() -> None:
    layer, chosen = layers.RandAugment(num_ops=3, seed=2), set()
    for _ in range(8):
        drawn = layer.get_random_transformation(IMAGES)
        expected: Any = ops.convert_to_tensor(IMAGES)
        for i in range(3):
            expected, name = follow(layer, expected, drawn, i)
            chosen.add(name)
        np.testing.assert_allclose(host(layer.transform_images(IMAGES, drawn)), host(expected), atol=0.01)
    assert len(chosen) > 5


def test_aug_mix_mixes_its_chains() -> None:
    layer = layers.AugMix(num_chains=2, chain_depth=2, alpha=0.5, seed=2)
    drawn = layer.get_random_transformation(IMAGES)
    shares, kept = host(drawn["chain_mixing_weights"]), float(host(drawn["weight_sample"]))
    assert abs(shares.sum() - 1) < 1e-5
    mixture = np.zeros(SHAPE)
    for i, share in enumerate(shares):
        image: Any = ops.convert_to_tensor(IMAGES)
        for j in range(2):
            image, _ = follow(layer, image, drawn["chain_transforms"], i, j)
        mixture += share * host(image)
    np.testing.assert_allclose(
        host(layer.transform_images(IMAGES, drawn)), kept * IMAGES + (1 - kept) * mixture, atol=0.05
    )
    assert "random_brightness" not in layers.AugMix(all_ops=False)._choices


# ---- configs, models, errors ----------------------------------------------------------------------------------------


@EVERY
def test_config_makes_an_equal_layer(name: str) -> None:
    layer = make(name, bounding_box_format="yxyx", data_format="channels_first", name="mine")
    again = layers.deserialize(layers.serialize(layer))
    assert again.get_config() == layer.get_config()
    images = IMAGES.transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(host(again(images)), host(layer(images)))
    assert "bounding_box_format" not in make(name).get_config()


def test_pipeline() -> None:
    pipeline = layers.Pipeline([make("RandomFlip"), make("RandomBrightness"), make("Resizing")], name="mine")
    expected = make("Resizing")(make("RandomBrightness")(make("RandomFlip")(IMAGES)))
    np.testing.assert_array_equal(host(pipeline(IMAGES)), host(expected))
    np.testing.assert_array_equal(host(pipeline(IMAGES, training=False)), host(make("Resizing")(IMAGES)))
    again = layers.deserialize(layers.serialize(pipeline))
    assert again.get_config() == pipeline.get_config() and [type(x) for x in again.layers] == [
        type(x) for x in pipeline.layers
    ]
    assert tuple(pipeline(keras.KerasTensor((None, 9, 7, 3))).shape) == (None, 4, 5, 3)
    with pytest.raises(ValueError, match="list of layers"):
        layers.Pipeline([3])


def test_pipeline_passes_masks_on() -> None:
    words = np.array([[1, 2, 0], [3, 0, 0]])
    parts = [layers.Embedding(4, 2, mask_zero=True), layers.Identity(), layers.GlobalAveragePooling1D()]
    expected = parts[2](parts[1](parts[0](words)))
    np.testing.assert_allclose(host(layers.Pipeline(parts)(words)), host(expected))
    values = np.arange(12.0).reshape(2, 3, 2)
    mask = ops.convert_to_tensor(np.array([[True, True, False], [True, False, False]]))
    found = layers.Pipeline(parts[1:])(values, mask=mask)
    np.testing.assert_allclose(host(found), [[1, 2], [6, 7]])


def test_in_a_model() -> None:
    inputs = keras.Input((9, 7, 3))
    x = inputs
    for name in ("RandomFlip", "RandomRotation", "RandomBrightness", "RandAugment", "CutMix", "Resizing"):
        x = make(name)(x)
    model = keras.Model(inputs, x)
    assert model.output_shape == (None, 4, 5, 3)
    expected = host(layers.Resizing(4, 5)(IMAGES))
    np.testing.assert_allclose(model.predict(IMAGES, verbose=0), expected, atol=1e-3)
    assert len(model.non_trainable_variables) >= 4 and not model.weights


@pytest.mark.trains
def test_images_change_while_training() -> None:
    model = keras.Sequential([layers.RandomFlip(seed=1), layers.RandomContrast(0.2), layers.Flatten(), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1e-7), "mse")
    before = host(model.layers[0].seed_generator.state.value)
    model.fit(IMAGES, np.ones((3, 1)), epochs=2, verbose=0)
    assert not np.array_equal(host(model.layers[0].seed_generator.state.value), before)


ERRORS: list[tuple[str, dict[str, Any], str]] = [
    ("AugMix", {"num_chains": 0}, "num_chains"),
    ("AugMix", {"alpha": 0}, "alpha"),
    ("AutoContrast", {"value_range": 5}, "value_range"),
    ("AutoContrast", {"value_range": (5, 1)}, "value_range"),
    ("CenterCrop", {"height": 0, "width": 3}, "height"),
    ("ContrastLimitedAdaptiveHistogramEqualization", {"clip_limit": -1}, "clip_limit"),
    ("ContrastLimitedAdaptiveHistogramEqualization", {"tile_grid_size": (2,)}, "tile_grid_size"),
    ("CutMix", {"factor": 2.0}, "factor"),
    ("Equalization", {"bins": 0}, "bins"),
    ("MaxNumBoundingBoxes", {"max_number": 0}, "max_number"),
    ("MixUp", {"alpha": -1.0}, "alpha"),
    ("RandAugment", {"factor": 2.0}, "factor"),
    ("RandomBrightness", {"factor": 1.5}, "factor"),
    ("RandomBrightness", {"factor": (0.1, 0.2, 0.3)}, "factor"),
    ("RandomContrast", {"factor": -0.5}, "factor"),
    ("RandomElasticTransform", {"scale": 2.0}, "scale"),
    ("RandomFlip", {"mode": "diagonal"}, "mode"),
    ("RandomGaussianBlur", {"kernel_size": 4}, "odd"),
    ("RandomGrayscale", {"factor": 2.0}, "factor"),
    ("RandomPerspective", {"scale": 2.0}, "scale"),
    ("RandomPosterization", {"factor": 9}, "factor"),
    ("RandomRotation", {"factor": 2.0}, "factor"),
    ("RandomRotation", {"factor": 0.1, "fill_mode": "mirror"}, "fill_mode"),
    ("RandomRotation", {"factor": 0.1, "interpolation": "bicubic"}, "interpolation"),
    ("RandomShear", {"x_factor": (-0.2, 0.1)}, "x_factor"),
    ("RandomTranslation", {"height_factor": 1.5, "width_factor": 0.1}, "height_factor"),
    ("RandomZoom", {"height_factor": 0.1, "width_factor": 1.5}, "width_factor"),
    ("Resizing", {"height": 3, "width": 3, "crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "only one"),
    ("Resizing", {"height": 3, "width": 3, "interpolation": "area"}, "interpolation"),
    ("RandomFlip", {"bounding_box_format": "corners"}, "bounding box format"),
]


@pytest.mark.parametrize(("name", "arguments", "message"), ERRORS, ids=[f"{e[0]}-{i}" for i, e in enumerate(ERRORS)])
def test_bad_arguments(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(layers, name)(**arguments)


def test_bad_inputs() -> None:
    layer = layers.RandomFlip()
    with pytest.raises(ValueError, match="`images`"):
        layer({"image": IMAGES})
    with pytest.raises(ValueError, match="3 or 4 dimensions"):
        layer(np.ones((2, 3)))
    with pytest.raises(ValueError, match="bounding_box_format"):
        layer(full_inputs())
    with pytest.raises(TypeError, match="`boxes`"):
        layers.RandomFlip(bounding_box_format="xyxy")({"images": IMAGES, "bounding_boxes": np.ones((3, 2, 4))})
    with pytest.raises(ValueError, match="to_categorical"):
        layers.MixUp()({"images": IMAGES, "labels": np.array([0, 1, 2])})
