"""`BaseImageLayer`: images with their labels, boxes and masks, changed alike, and what its subclasses share."""

from collections.abc import Callable
from typing import Any, NamedTuple

from tahr import config, dtypes, ops, random, shapes
from tahr.layers.arguments import choice, who
from tahr.layers.data_layer import DataLayer
from tahr.ops.image_warp import FILL_MODES
from tahr.symbolic import KerasTensor
from tahr.utils import bounding_boxes as boxes_

__all__ = [
    "BaseImageLayer",
    "RangedImageLayer",
    "Sizes",
    "check_fill_mode",
    "check_interpolation",
    "chosen",
    "factor_range",
    "input_shape",
    "per_image",
    "signs",
    "uniform",
]

PARTS = ("images", "labels", "bounding_boxes", "segmentation_masks")


class Sizes(NamedTuple):
    """What a change of a batch of images may depend on."""

    batch: int
    height: int
    width: int
    channels: int


# ---- arguments ------------------------------------------------------------------------------------------------------


def factor_range(
    value: Any, name: str, layer: Any, low: float = 0.0, high: float = 1.0, symmetric: bool = False
) -> tuple[Any, Any]:
    """Return the smallest and the largest value that a factor may take.

    Args:
        value: both of them, in any order, or one number: it is the largest, and the smallest is 0 (`low` if that is
            more), or with `symmetric` its negative.
        name: of the argument.
        layer: whose argument it is.
        low: least allowed value.
        high: largest allowed value.
        symmetric: what a single number stands for.

    Raises:
        ValueError: if `value` is neither, or out of bounds.
    """
    pair = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    numbers = all(isinstance(n, (int, float)) and not isinstance(n, bool) and low <= n <= high for n in pair)
    if not numbers or len(pair) not in (1, 2):
        raise ValueError(
            f"{who(layer)}: expected `{name}` to be a number from {low} to {high}, or two of them; received {value!r}."
        )
    if len(pair) == 2:
        return min(pair), max(pair)
    number = abs(pair[0]) if symmetric else pair[0]
    return (-number if symmetric else max(low, 0)), number


def check_fill_mode(value: Any, layer: Any) -> str:
    """Return the name of what stands outside of an image; `mirror` of `ops.image` is none of Keras's here."""
    return choice(value, tuple(name for name in FILL_MODES if name != "mirror"), "fill_mode", layer)


def check_interpolation(value: Any, layer: Any) -> str:
    """Return the name of how pixels are looked up between others."""
    return choice(value, ("nearest", "bilinear"), "interpolation", layer)


# ---- arrays ---------------------------------------------------------------------------------------------------------


def per_image(values: Any) -> Any:
    """Return one value an image, of shape (batch,), in a shape that broadcasts to images."""
    return ops.reshape(values, (-1, 1, 1, 1))


def _lift(x: Any) -> Any:
    return {key: ops.expand_dims(part, 0) for key, part in x.items()} if isinstance(x, dict) else ops.expand_dims(x, 0)


def _drop(x: Any) -> Any:
    return {key: part[0] for key, part in x.items()} if isinstance(x, dict) else x[0]


class BaseImageLayer(DataLayer):
    """A layer that changes images, and labels, boxes and masks with them.

    A call takes an array of images, or a dict with `images` and any of `labels`, `bounding_boxes` (a dict of `boxes`,
    of shape (batch, n, 4), and `labels`, of shape (batch, n)) and `segmentation_masks`; a single image has no batch
    axis, and neither have the other parts then. What is drawn at random is drawn once a call, and is what
    `get_random_transformation` returns; the `transform_...` methods then depend on nothing else.

    A subclass says what changes: `_draw`, `_change_images` and, where more than colours changes, `_change_labels`,
    `_change_boxes`, `_change_masks` and `_image_shape`.

    Args:
        bounding_box_format: format of boxes, of `keras.utils.bounding_boxes`; needed where boxes come in and change.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Boxes and masks follow the images exactly. A box of which nothing is left gets label -1.

    >>> from tahr.layers.image.base import BaseImageLayer
    >>> class Darken(BaseImageLayer):
    ...     def _change_images(self, images, transformation):
    ...         return images / 2
    >>> Darken()({"images": np.ones((1, 1, 1, 1)), "labels": np.array([3])})["images"]
    [[[[0.5]]]]
    """

    _needs_values = "unknown"  # of the batch, for what is drawn
    _at_rest = False  # whether the layer does the same when not training
    _keeps_integers = False  # whether whole numbers stay whole numbers
    _moves = False  # whether boxes and masks change

    def __init__(self, bounding_box_format: str | None = None, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        if bounding_box_format is not None:
            bounding_box_format = boxes_.check_format(bounding_box_format, who(self))
        self.bounding_box_format = bounding_box_format
        self.data_format = config.standardize_data_format(data_format)
        last = self.data_format == "channels_last"
        self.height_axis, self.width_axis, self.channel_axis = (-3, -2, -1) if last else (-2, -1, -3)

    def _seed_with(self, seed: int | None) -> None:
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments as plain data; the format of boxes only where there is one."""
        found = super().get_config()
        if found.get("bounding_box_format", 0) is None:
            del found["bounding_box_format"]
        return found

    # ---- what subclasses say ------------------------------------------------------------------------------------

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        """Return what is drawn at random for a batch."""
        return None

    def _change_images(self, images: Any, transformation: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} defines no `_change_images(self, images, transformation)`.")

    def _change_labels(self, labels: Any, transformation: Any) -> Any:
        return labels

    def _change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> dict[str, Any]:
        """Return a dict of boxes in xyxy and their labels; the result may reach out of the image."""
        return bounding_boxes

    def _change_masks(self, masks: Any, transformation: Any) -> Any:
        return masks

    def _image_shape(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return shape

    def _box_count(self, count: Any) -> Any:
        return count

    # ---- calling ------------------------------------------------------------------------------------------------

    def call(self, data: Any, training: bool = True) -> Any:
        """Compute the outputs, in the structure of the inputs."""
        parts = self._parts_of(data)
        single = len(parts["images"].shape) == 3
        if single:
            parts = {key: _lift(part) if key in PARTS else part for key, part in parts.items()}
        given = parts if isinstance(data, dict) else parts["images"]
        transformation = self.get_random_transformation(given, training=training)
        found = {
            key: getattr(self, f"transform_{key}")(part, transformation, training=training) if key in PARTS else part
            for key, part in parts.items()
        }
        if single:
            found = {key: _drop(part) if key in PARTS else part for key, part in found.items()}
        return found if isinstance(data, dict) else found["images"]

    def _parts_of(self, data: Any) -> dict[str, Any]:
        parts = data if isinstance(data, dict) else {"images": data}
        if "images" not in parts:
            raise ValueError(f"{who(self)}: expected a dict with `images`; received the keys {sorted(parts)}.")
        rank = len(shapes.of(parts["images"]))
        if rank not in (3, 4):
            raise ValueError(
                f"{who(self)}: expected an image or a batch of images, of 3 or 4 dimensions; "
                f"received shape {shapes.of(parts['images'])}."
            )
        return parts

    def _sizes(self, data: Any) -> Sizes:
        shape = shapes.of(self._parts_of(data)["images"])
        axes = (self.height_axis, self.width_axis, self.channel_axis)
        return Sizes(shape[0] if len(shape) == 4 else 1, *(shape[axis] for axis in axes))  # type: ignore[arg-type]

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Return what is drawn at random for `data`, an input of the layer; None when not training.

        Args:
            data: images, or a dict with `images`.
            training: whether the layer is in training.
            seed: number or `SeedGenerator` to draw with; None takes the layer's own.
        """
        if not training and not self._at_rest:
            return None
        return self._draw(self._sizes(data), getattr(self, "seed_generator", None) if seed is None else seed)

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """Return images after a transformation that `get_random_transformation` gave."""
        images = ops.convert_to_tensor(images)
        dtype = self._image_dtype(ops.dtype(images))
        if training or self._at_rest:
            if transformation is None:
                transformation = self.get_random_transformation(images, training=training)
            images = self._batched(images, lambda x: self._change_images(x, transformation), 4)
        return ops.cast(images, dtype)

    def _batched(self, x: Any, change: Callable[[Any], Any], rank: int) -> Any:
        """Return the result of a function of a batch for a batch or a single item of rank one less."""
        x = x if self._keeps_integers or dtypes.is_float(ops.dtype(x)) else ops.cast(x, self.compute_dtype)
        return change(x) if len(x.shape) == rank else change(ops.expand_dims(x, 0))[0]

    def _image_dtype(self, given: str) -> str:
        return given if self._keeps_integers else self.compute_dtype

    def transform_labels(self, labels: Any, transformation: Any = None, training: bool = True) -> Any:
        """Return labels after a transformation that `get_random_transformation` gave."""
        return self._change_labels(labels, transformation) if training else labels

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """Return a dict of boxes and labels after a transformation that `get_random_transformation` gave.

        Raises:
            ValueError: if the layer does not know the format of the boxes.
            TypeError: if `bounding_boxes` is no dict of `boxes` and `labels`.
        """
        if not self._moves or not (training or self._at_rest):
            return bounding_boxes
        if not isinstance(bounding_boxes, dict) or not {"boxes", "labels"} <= bounding_boxes.keys():
            raise TypeError(f"{who(self)}: expected bounding_boxes to be a dict with `boxes` and `labels`.")
        if self.bounding_box_format is None:
            raise ValueError(
                f"{who(self)}: the format of the boxes is unknown. Give the layer bounding_box_format='xyxy', or "
                f"another of {', '.join(boxes_.FORMATS)}."
            )
        shape = transformation["input_shape"]
        before = shape[self.height_axis], shape[self.width_axis]
        shape = self._image_shape(shape)
        after = shape[self.height_axis], shape[self.width_axis]
        dtype = ops.dtype(bounding_boxes["boxes"])
        edges = boxes_.convert_format(bounding_boxes, self.bounding_box_format, "xyxy", *before)
        edges = boxes_.clip_to_image_size(self._change_boxes(edges, transformation), *after)
        found = boxes_.convert_format(edges, "xyxy", self.bounding_box_format, *after)
        return {**found, "boxes": ops.cast(found["boxes"], dtype if dtypes.is_float(dtype) else "float32")}

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """Return masks, of shape (batch, height, width) or with one channel, after a transformation."""
        if not self._moves or not (training or self._at_rest):
            return segmentation_masks
        masks = ops.convert_to_tensor(segmentation_masks)
        dtype = ops.dtype(masks)
        flat = len(masks.shape) == 3
        masks = ops.expand_dims(masks, self.channel_axis) if flat else masks
        masks = self._change_masks(masks if dtypes.is_float(dtype) else ops.cast(masks, "float32"), transformation)
        return ops.cast(ops.squeeze(masks, self.channel_axis) if flat else masks, dtype)

    def transform_single_image(self, image: Any, transformation: Any, training: bool = True) -> Any:
        """Return one image after a transformation."""
        return _drop(self.transform_images(_lift(image), transformation, training=training))

    def transform_single_label(self, label: Any, transformation: Any, training: bool = True) -> Any:
        """Return the label of one image after a transformation."""
        return _drop(self.transform_labels(_lift(label), transformation, training=training))

    def transform_single_bounding_box(self, bounding_box: Any, transformation: Any, training: bool = True) -> Any:
        """Return the boxes of one image after a transformation."""
        return _drop(self.transform_bounding_boxes(_lift(bounding_box), transformation, training=training))

    def transform_single_segmentation_mask(
        self, segmentation_mask: Any, transformation: Any, training: bool = True
    ) -> Any:
        """Return the mask of one image after a transformation."""
        return _drop(self.transform_segmentation_masks(_lift(segmentation_mask), transformation, training=training))

    # ---- shapes -------------------------------------------------------------------------------------------------

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shapes of the outputs for those of the inputs."""
        if isinstance(input_shape, dict):
            rank = len(input_shape["images"])
            return {key: self._part_shape(key, shape, rank) for key, shape in input_shape.items()}
        return self._image_shape(tuple(input_shape))

    def _part_shape(self, key: str, shape: Any, rank: int) -> Any:
        """Return the shape of a part of the outputs, beside images of `rank` dimensions."""
        if key == "images":
            return self._image_shape(tuple(shape))
        if key == "segmentation_masks" and self._moves:
            if len(shape) == rank:
                return self._image_shape(tuple(shape))
            place = self.channel_axis % rank
            found = self._image_shape((*shape[:place], 1, *shape[place:]))
            return (*found[:place], *found[place + 1 :])
        if key == "bounding_boxes":
            *lead, count, _ = shape["boxes"]
            found = (*lead, self._box_count(count))
            return {**shape, "boxes": (*found, 4), "labels": found}
        return shape

    def compute_output_spec(self, data: Any, training: bool = True, **kwargs: Any) -> Any:
        """Return symbols for the outputs; sizes of batches may be unknown."""
        parts = self._parts_of(data)
        rank = len(parts["images"].shape)
        found = {key: self._part_spec(key, part, rank) if key in PARTS else part for key, part in parts.items()}
        return found if isinstance(data, dict) else found["images"]

    def _part_spec(self, key: str, part: Any, rank: int) -> Any:
        if isinstance(part, dict):
            shape = self._part_shape(key, {name: x.shape for name, x in part.items()}, rank)
            return {name: KerasTensor(shape[name], x.dtype, record_history=False) for name, x in part.items()}
        dtype = self._image_dtype(part.dtype) if key == "images" else self._part_dtype(key, part.dtype)
        return KerasTensor(self._part_shape(key, part.shape, rank), dtype, record_history=False)

    def _part_dtype(self, key: str, dtype: str) -> str:
        return dtype


class RangedImageLayer(BaseImageLayer):
    """A layer that knows the smallest and the largest value of a pixel.

    >>> from tahr.layers.image.base import RangedImageLayer
    >>> RangedImageLayer(value_range=(-1, 1)).value_range
    (-1, 1)
    """

    def __init__(self, value_range: Any = (0, 255), **kwargs: Any):
        super().__init__(**kwargs)
        pair = tuple(value_range) if isinstance(value_range, (list, tuple)) else ()
        if len(pair) != 2 or not all(isinstance(n, (int, float)) for n in pair) or pair[0] >= pair[1]:
            raise ValueError(
                f"{who(self)}: expected `value_range` to be two numbers, the smaller one first, such as (0, 255); "
                f"received {value_range!r}."
            )
        self.value_range = pair

    def _scaled(self, images: Any, most: float = 1.0) -> Any:
        """Return images with values from 0 to `most`."""
        low, high = self.value_range
        return images if (low, high) == (0, most) else (images - low) * (most / (high - low))

    def _back(self, images: Any, most: float = 1.0) -> Any:
        """Return images with values from 0 to `most` in the layer's range of values."""
        low, high = self.value_range
        return images if (low, high) == (0, most) else images * ((high - low) / most) + low


# ---- draws ----------------------------------------------------------------------------------------------------------


def uniform(sizes: Sizes, bounds: tuple[Any, Any], seed: Any) -> Any:
    """Return one number an image, equally likely anywhere between two bounds, of shape (batch,)."""
    return random.uniform((sizes.batch,), bounds[0], bounds[1], dtype="float32", seed=seed)


def chosen(sizes: Sizes, factor: tuple[Any, Any], seed: Any) -> Any:
    """Return which images are changed, of shape (batch,): each with a probability drawn between two bounds."""
    return uniform(sizes, (0.0, 1.0), seed) < uniform(sizes, factor, seed)


def signs(sizes: Sizes, seed: Any, each: int | None = None) -> Any:
    """Return 1 or -1, equally likely, for each image: of shape (batch,) or (batch, each)."""
    shape = (sizes.batch,) if each is None else (sizes.batch, each)
    return ops.where(random.uniform(shape, dtype="float32", seed=seed) < 0.5, -1.0, 1.0)


def input_shape(sizes: Sizes, layer: BaseImageLayer) -> tuple[int, ...]:
    """Return the shape of the images that a transformation is for."""
    if layer.data_format == "channels_last":
        return (sizes.batch, sizes.height, sizes.width, sizes.channels)
    return (sizes.batch, sizes.channels, sizes.height, sizes.width)
