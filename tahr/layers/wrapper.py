"""Layers around another layer."""

from typing import Any

from tahr import ops, tree
from tahr.layers.arguments import check_mask, who, whole
from tahr.layers.layer import Layer
from tahr.layers.signature import call_info

__all__ = ["SpectralNormalization", "TimeDistributed", "Wrapper"]


class Wrapper(Layer):
    """A layer around another one; the base class of layers that change how a layer is called.

    Args:
        layer: the layer inside.

    >>> keras.layers.Wrapper(keras.layers.Dense(2)).layer.units
    2
    """

    def __init__(self, layer: Any, **kwargs: Any):
        super().__init__(**kwargs)
        if not isinstance(layer, Layer):
            raise TypeError(f"{who(self)}: expected `layer` to be a layer; received {layer!r:.80}.")
        self.layer = layer

    def build(self, input_shape: Any = None) -> None:
        """Build the layer inside."""
        if not self.layer.built:
            self.layer.build(input_shape)


class TimeDistributed(Wrapper):
    """Apply a layer to every step of a sequence.

    The steps of all examples go through the layer as one batch; while training a layer that keeps statistics, such as
    `BatchNormalization`, one step after the other.

    Args:
        layer: the layer.

    Input shape: `(batch, steps, ...)`. Output shape: `(batch, steps, ...)`.

    >>> keras.layers.TimeDistributed(keras.layers.Dense(2))(ops.zeros((4, 5, 3))).shape
    (4, 5, 2)
    """

    supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Build the layer for one step."""
        if len(input_shape) < 3:
            raise ValueError(
                f"{who(self)}: expected inputs of shape (batch, steps, ...) with at least 3 axes; "
                f"received {tuple(input_shape)}."
            )
        super().build((input_shape[0], *input_shape[2:]))

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Compute the outputs."""
        batch, steps = inputs.shape[:2]
        check_mask(mask, (batch, steps), self)
        if training and steps is not None and any(not v.learnable for v in self.layer.weights):
            found = [self._step(inputs[:, t], None if mask is None else mask[:, t], training) for t in range(steps)]
            return tree.map_structure(lambda *x: ops.stack(x, 1), *found)
        joined = None if None in (batch, steps) else batch * steps
        flat = ops.reshape(inputs, (joined, *ops.shape(inputs)[2:]))
        outputs = self._step(flat, None if mask is None else ops.reshape(mask, (joined,)), training)
        return tree.map_structure(lambda x: ops.reshape(x, (*ops.shape(inputs)[:2], *ops.shape(x)[1:])), outputs)

    def _step(self, inputs: Any, mask: Any, training: bool | None) -> Any:
        """Return the outputs of the layer for one step, or for all as one batch."""
        given = {"mask": mask, "training": training}
        takes = call_info(type(self.layer)).parameters
        return self.layer(inputs, **{k: v for k, v in given.items() if v is not None and k in takes})


class SpectralNormalization(Wrapper):
    """Divide the kernel of a layer by its largest singular value while training, which bounds its Lipschitz constant.

    Args:
        layer: a layer with a `kernel` or `embeddings`.
        power_iterations: rounds of the power method for each batch.

    The layer keeps the normalised kernel, and its gradient is that of the normalised kernel, as in Keras on PyTorch and
    TensorFlow. (Keras on JAX does not keep it: what is trained there predicts with a kernel that is not normalised.)

    Source: Miyato et al., Spectral Normalization for Generative Adversarial Networks, 2018.

    >>> layer = keras.layers.SpectralNormalization(keras.layers.Dense(2))
    >>> layer(ops.zeros((1, 3)), training=True).shape
    (1, 2)
    """

    kernel: Any = None

    def __init__(self, layer: Any, power_iterations: int = 1, **kwargs: Any):
        super().__init__(layer, **kwargs)
        self.power_iterations = whole(power_iterations, "power_iterations", self)

    def build(self, input_shape: Any) -> None:
        """Build the layer inside, and the vector that the power method goes on with."""
        super().build(input_shape)
        kernel = getattr(self.layer, "kernel", None)
        self.kernel = kernel if kernel is not None else getattr(self.layer, "embeddings", None)
        if self.kernel is None:
            raise ValueError(
                f"{who(self)}: expected a layer with a `kernel` or `embeddings`; received {type(self.layer).__name__}."
            )
        self.vector_u = self.add_weight(
            (1, self.kernel.shape[-1]), "truncated_normal", trainable=False, name="vector_u"
        )

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Compute the outputs of the layer inside, after normalising its kernel if `training`."""
        if training:
            u, kernel = self.normalized_weights()
            self.vector_u.assign(u)
            held = ops.convert_to_tensor(self.kernel)
            self.kernel.assign(ops.stop_gradient(kernel) + (held - ops.stop_gradient(held)))
        return self.layer(inputs)

    def normalized_weights(self) -> tuple[Any, Any]:
        """Return the next vector of the power method and the kernel divided by its largest singular value."""
        kernel = ops.convert_to_tensor(self.kernel)
        matrix = ops.reshape(kernel, (-1, self.kernel.shape[-1]))
        u = ops.convert_to_tensor(self.vector_u)
        for _ in range(self.power_iterations):
            v = ops.normalize(ops.matmul(u, ops.transpose(matrix)), axis=None)
            u = ops.normalize(ops.matmul(v, matrix), axis=None)
        u, v = ops.stop_gradient(u), ops.stop_gradient(v)
        largest = ops.matmul(ops.matmul(v, matrix), ops.transpose(u))
        return ops.cast(u, self.vector_u.dtype), kernel / ops.reshape(largest, ())
