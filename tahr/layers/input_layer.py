"""`Input` and `InputLayer`: where a functional model starts."""

from typing import Any

from tahr import backends, dtypes, shapes
from tahr.layers.layer import Layer
from tahr.symbolic import KerasTensor, Node

__all__ = ["Input", "InputLayer"]


class InputLayer(Layer):
    """The layer that holds an input symbol of a model.

    Args:
        shape: sizes without the batch, None where unknown.
        batch_size: size of the batch, if fixed.
        dtype: data type; None takes `floatx`.
        sparse: whether the input is sparse (JAX only).
        ragged: whether the input is ragged.
        batch_shape: sizes including the batch, instead of `shape` and `batch_size`.
        input_tensor: a symbol to use as the input.
        optional: whether the input may be None.
        name: name.

    >>> keras.layers.InputLayer(shape=(3,)).output.shape
    (None, 3)
    """

    batch_shape: Any = None

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(name=name)
        if "input_shape" in kwargs:
            shape = kwargs.pop("input_shape")
        if "batch_input_shape" in kwargs:
            batch_shape = kwargs.pop("batch_input_shape")
        if kwargs:
            raise TypeError(f"InputLayer: unexpected arguments {sorted(kwargs)}.")
        if input_tensor is not None:
            if not isinstance(input_tensor, KerasTensor):
                raise ValueError(f"Input: expected `tensor` to be a KerasTensor; received {input_tensor!r}.")
            batch_shape, dtype = input_tensor.shape, dtype or input_tensor.dtype
        if (shape is None) == (batch_shape is None):
            given = "both" if shape is not None else "neither"
            raise ValueError(f"Input: expected one of `shape` and `batch_shape`; received {given}.")
        if batch_shape is not None and batch_size is not None:
            raise ValueError("Input: `batch_shape` already says the batch size; leave out `batch_size`.")
        if shape is not None:
            shape = shapes.standardize_shape(shape, "Input shape")
            batch_shape = (batch_size, *shape)
        self.batch_shape = shapes.standardize_shape(batch_shape, "Input batch_shape")
        self._dtype = dtypes.standardize_dtype(dtype)
        if sparse and not backends.current().has_sparse:
            raise ValueError(
                f"Input: sparse=True needs sparse arrays, which the {backends.current().name} backend does not have. "
                "Choose JAX with TAHR_BACKEND=jax, or feed dense arrays."
            )
        self.sparse, self.ragged, self.optional = bool(sparse), bool(ragged), optional
        self.built = True
        self._symbol = (
            input_tensor
            if input_tensor is not None
            else KerasTensor(self.batch_shape, self._dtype, self.sparse, self.ragged, name=self.name)
        )
        self._node = Node(self, (), {}, self._symbol)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: an input is fed, not called."""
        raise NotImplementedError(f"InputLayer {self.name!r} cannot be called; feed it through its model.")

    @property
    def dtype(self) -> str:
        return self._dtype

    @property
    def output(self) -> Any:
        return self._symbol

    @property
    def input(self) -> Any:
        return self._symbol

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments as plain data."""
        return {
            "batch_shape": self.batch_shape,
            "dtype": self._dtype,
            "sparse": self.sparse,
            "ragged": self.ragged,
            "name": self.name,
            "optional": self.optional,
        }


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Any = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
) -> Any:
    """Return a symbol to build a functional model from.

    Args:
        shape: sizes without the batch, None where unknown.
        batch_size: size of the batch, if fixed.
        dtype: data type; None takes `floatx`.
        sparse: whether the input is sparse.
        ragged: whether the input is ragged.
        batch_shape: sizes including the batch, instead of `shape` and `batch_size`.
        name: name of the input.
        tensor: a symbol to use as the input.
        optional: whether the input may be None.

    Raises:
        ValueError: if both or neither of `shape` and `batch_shape` are given.

    >>> keras.Input((28, 28, 1)).shape
    (None, 28, 28, 1)
    """
    return InputLayer(
        shape, batch_size, dtype, sparse, ragged, batch_shape, input_tensor=tensor, optional=optional, name=name
    ).output
