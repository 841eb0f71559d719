"""`BatchNormalization`: statistics of the batch while training, moving ones afterwards."""

from typing import Any

from tahr import dtypes, ops
from tahr.layers.arguments import check_mask, keep, known, weight, who
from tahr.layers.input_spec import InputSpec
from tahr.layers.layer import Layer
from tahr.layers.normalization import in_full_precision
from tahr.ops.core import as_type
from tahr.ops.normalization import normalize_batch

__all__ = ["BatchNormalization"]


class BatchNormalization(Layer):
    """Give each channel mean 0 and variance 1 over the batch, then scale and shift.

    While training, mean and variance are those of the batch, and the moving ones follow them:
    `moving = moving * momentum + batch * (1 - momentum)`. Otherwise, and while the layer is frozen
    (`trainable = False`), the moving ones are used and stay.

    Args:
        axis: the axis of the channels.
        momentum: how slowly the moving statistics follow.
        epsilon: added to the variance.
        center: whether `beta` is added.
        scale: whether to multiply by `gamma`.
        beta_initializer: start of `beta`, of shape `(channels,)`.
        gamma_initializer: start of `gamma`, of shape `(channels,)`.
        moving_mean_initializer: start of the moving mean.
        moving_variance_initializer: start of the moving variance.
        beta_regularizer: function of `beta` that is added to the loss.
        gamma_regularizer: function of `gamma` that is added to the loss.
        beta_constraint: function applied to `beta` after every update.
        gamma_constraint: function applied to `gamma` after every update.
        renorm: whether training corrects the batch's statistics towards moving ones (batch renormalisation).
        renorm_clipping: bounds of that correction, a dict of `"rmin"`, `"rmax"` and `"dmax"`.
        renorm_momentum: how slowly the statistics of the correction follow.
        synchronized: whether the batch is that of all replicas together.

    Call arguments:
        inputs: array of at least two axes.
        training: whether to use the batch's statistics.
        mask: booleans of the inputs' shape without the channels; what they leave out does not count.

    Raises:
        ValueError: if an empty batch is to be learnt from, which has no mean.

    Source: Ioffe and Szegedy, Batch Normalization, 2015; Ioffe, Batch Renormalization, 2017.

    >>> layer = keras.layers.BatchNormalization(momentum=0.5)
    >>> layer(ops.array([[1.0], [3.0]]), training=True)
    [[-0.9995], [0.9995]]
    >>> layer.moving_mean.numpy()
    [1.]
    """

    supports_masking = True
    moving_mean_initializer: Any
    moving_variance_initializer: Any

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: dict[str, float] | None = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.axis = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
        self.momentum, self.epsilon, self.center, self.scale = float(momentum), epsilon, center, scale
        keep(
            self,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            moving_mean_initializer=moving_mean_initializer,
            moving_variance_initializer=moving_variance_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
        )
        if not isinstance(self.axis, int):
            raise ValueError(f"{who(self)}: expected `axis` to be one axis; received {axis!r}.")
        if set(renorm_clipping or ()) - {"rmin", "rmax", "dmax"}:
            raise ValueError(
                f"{who(self)}: expected `renorm_clipping` to have the keys 'rmin', 'rmax', 'dmax'; "
                f"received {sorted(renorm_clipping or ())}."
            )
        self.renorm, self.renorm_momentum = renorm, renorm_momentum
        self.renorm_clipping = dict(renorm_clipping or {}) if renorm else None
        self.synchronized = synchronized

    def build(self, input_shape: Any) -> None:
        """Make `gamma`, `beta` and the moving statistics."""
        channels = known(input_shape, self.axis, self)
        shape = (channels,)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})
        self.gamma = weight(self, "gamma", shape) if self.scale else None
        self.beta = weight(self, "beta", shape) if self.center else None
        fixed: dict[str, Any] = {"trainable": False, "autocast": False}
        self.moving_mean = weight(self, "moving_mean", shape, **fixed)
        self.moving_variance = weight(self, "moving_variance", shape, **fixed)
        if self.renorm:
            # starts at the deviation that belongs to the moving variance
            self.moving_stddev = self.add_weight(shape, self._first_deviation, name="moving_stddev", **fixed)
            self.renorm_mean = self.add_weight(shape, self.moving_mean_initializer, name="renorm_mean", **fixed)
            self.renorm_stddev = self.add_weight(shape, self._first_deviation, name="renorm_stddev", **fixed)

    def _first_deviation(self, shape: Any, dtype: Any = None) -> Any:
        return ops.sqrt(self.moving_variance_initializer(shape, dtype=dtype))

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Compute the outputs."""
        axis = self.axis % len(inputs.shape)
        check_mask(mask, (*inputs.shape[:axis], *inputs.shape[axis + 1 :]), self)
        x = in_full_precision(self, inputs)
        gamma, beta = self.gamma, self.beta
        kind = dtypes.of(x)
        learns = training and self.trainable
        if learns and 0 in x.shape:
            raise ValueError(
                f"{who(self)}: expected a batch to take mean and variance of; received shape {tuple(x.shape)}, "
                "which is empty. Leave empty batches out, or call the layer with training=False."
            )
        alone = learns and mask is None and not self.renorm  # the batch's own statistics are all that is needed
        if alone:
            gamma, beta = (None if p is None else as_type(p, kind) for p in (gamma, beta))
            x, mean, variance = normalize_batch(x, axis, beta, gamma, self.epsilon)
        elif learns:
            mean, variance = self._moments(x, mask, axis)
        else:
            mean, variance = self.moving_mean, self.moving_variance
        if learns and self.renorm:
            gamma, beta = self._correct(mean, variance, gamma, beta)
            self._follow(self.moving_stddev, ops.sqrt(variance + self.epsilon), self.momentum)
            followed = ops.square(ops.convert_to_tensor(self.moving_stddev)) - self.epsilon
            self.moving_variance.assign(ops.maximum(followed, 0.0))
        elif learns:
            self._follow(self.moving_variance, variance, self.momentum)
        if learns:
            self._follow(self.moving_mean, mean, self.momentum)
        if not alone:
            mean, variance, gamma, beta = (
                None if p is None else as_type(p, kind) for p in (mean, variance, gamma, beta)
            )
            x = ops.batch_normalization(x, mean, variance, axis, beta, gamma, self.epsilon)
        return as_type(x, self.compute_dtype)

    def _moments(self, x: Any, mask: Any, axis: int) -> tuple[Any, Any]:
        """Return mean and variance of each channel over what the mask keeps."""
        axes = tuple(i for i in range(len(x.shape)) if i != axis)
        if mask is None:
            return ops.moments(x, axes, synchronized=self.synchronized)
        kept = ops.expand_dims(ops.cast(mask, ops.dtype(x)), -1)
        if axis != len(x.shape) - 1:
            kept = ops.moveaxis(kept, -1, axis)
        count = ops.sum(ops.broadcast_to(kept, _one_in(x, axis)), axes)
        mean = ops.divide_no_nan(ops.sum(x * kept, axes), count)
        shape = [1] * len(x.shape)
        shape[axis] = x.shape[axis]
        square = ops.square(x - ops.reshape(mean, shape)) * kept
        return mean, ops.divide_no_nan(ops.sum(square, axes), count)

    def _follow(self, moving: Any, value: Any, momentum: float) -> None:
        value = ops.cast(value, moving.dtype)
        moving.assign(moving * momentum + value * (1 - momentum))

    def _correct(self, mean: Any, variance: Any, gamma: Any, beta: Any) -> tuple[Any, Any]:
        """Return `gamma` and `beta` with the correction `r = s / S`, `d = (m - M) / S` in them."""
        deviation = ops.stop_gradient(ops.sqrt(variance + self.epsilon))
        mean = ops.stop_gradient(mean)
        r, d = deviation / self.renorm_stddev, (mean - self.renorm_mean) / self.renorm_stddev
        bounds = self.renorm_clipping or {}
        if "rmin" in bounds or "rmax" in bounds:
            r = ops.clip(r, bounds.get("rmin", 0.0), bounds.get("rmax", float("inf")))
        if "dmax" in bounds:
            d = ops.clip(d, -bounds["dmax"], bounds["dmax"])
        self._follow(self.renorm_mean, mean, self.renorm_momentum)
        self._follow(self.renorm_stddev, deviation, self.renorm_momentum)
        scaled, shift = (r, d) if gamma is None else (r * gamma, d * gamma)
        return scaled, shift if beta is None else shift + beta


def _one_in(x: Any, axis: int) -> tuple[Any, ...]:
    return tuple(1 if i == axis else n for i, n in enumerate(x.shape))
