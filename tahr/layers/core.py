"""Small layers: identity, masking, and any function as a layer."""

import inspect
from collections.abc import Callable
from typing import Any

from tahr import ops
from tahr.layers.arguments import who
from tahr.layers.layer import Layer
from tahr.symbolic import KerasTensor

__all__ = ["Identity", "Lambda", "Masking"]


class Identity(Layer):
    """Return the inputs as they are.

    >>> keras.layers.Identity()(ops.array([1.0]))
    [1.0]
    """

    supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Return the inputs."""
        return inputs


class Masking(Layer):
    """Give sequences a mask that leaves out the steps whose values are all `mask_value`, and set these to zero.

    Args:
        mask_value: the value that marks a step to leave out.

    Input shape: `(batch, steps, features)`.

    >>> keras.layers.Masking().compute_mask(ops.array([[[1.0], [0.0]]]))
    [[True, False]]
    """

    supports_masking = True

    def __init__(self, mask_value: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.mask_value = mask_value

    def call(self, inputs: Any) -> Any:
        """Return the inputs, with zeros where the mask leaves out a step."""
        kept = ops.any(ops.not_equal(inputs, self.mask_value), axis=-1, keepdims=True)
        return inputs * ops.cast(kept, ops.dtype(inputs))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return where a step has a value other than `mask_value`."""
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)


class Lambda(Layer):
    """Apply any function of arrays.

    A model with such a layer can be saved only if the function is registered with
    `keras.saving.register_keras_serializable`, since files hold no code; a layer
    of your own class is the better choice.

    Args:
        function: function of the inputs; it may take `mask` and `training` as well.
        output_shape: shape of the outputs without the batch, or a function of the input shape, where it cannot be found
            by running the function.
        mask: mask of the outputs, or a function `(inputs, mask)` that gives it.
        arguments: further keyword arguments of the function.

    >>> keras.layers.Lambda(lambda x: x * 2)(ops.array([1.0]))
    [2.0]
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"{who(self)}: expected `function` to be a function; received {function!r:.80}.")
        self.function, self.arguments = function, arguments or {}
        self.output_shape, self.mask = output_shape, mask
        self.supports_masking = mask is not None
        self._takes = {n for n in ("mask", "training") if n in inspect.signature(function).parameters}

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        """Compute the outputs."""
        given = {"mask": mask, "training": training}
        return self.function(inputs, **self.arguments, **{name: given[name] for name in self._takes})

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Return a symbol for the outputs: of the shape that the constructor was told, else found by running."""
        if self.output_shape is None:
            return super().compute_output_spec(*args, **kwargs)
        given = args[0].shape
        if callable(self.output_shape):
            return KerasTensor(self.output_shape(given), self.compute_dtype, record_history=False)
        return KerasTensor((given[0], *self.output_shape), self.compute_dtype, record_history=False)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return the mask that the constructor was told."""
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def _written(self, name: str, value: Any) -> Any:
        from tahr.saving import serialize_keras_object

        return serialize_keras_object(value)  # a bare name would be no function to who reads it

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None, safe_mode: bool | None = None
    ) -> Any:
        """Return a new layer made from what `get_config` gave.

        Args:
            config: the constructor's arguments.
            custom_objects: functions by name, in addition to those registered.
            safe_mode: kept for Keras's sake: bytecode in a config is never run, whatever it says.

        Raises:
            UnsafeFileError: if the function is bytecode.
        """
        return super().from_config(config, custom_objects)
