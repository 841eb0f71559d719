"""Spectrograms: how strong each frequency is in sound, moment by moment."""

import math
from typing import Any

import numpy as np

from tahr import config, dtypes, ops
from tahr.layers.arguments import choice, who, whole
from tahr.layers.data_layer import DataLayer
from tahr.layers.input_spec import InputSpec
from tahr.layers.layer import Layer
from tahr.ops.signal import window_values
from tahr.symbolic import KerasTensor

__all__ = ["MelSpectrogram", "STFTSpectrogram"]

_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")


def _mel(hertz: Any) -> Any:
    """Return frequencies on the mel scale of the HTK book (Young et al., 2006)."""
    return 1127.0 * np.log1p(np.asarray(hertz, "float64") / 700.0)


class MelSpectrogram(DataLayer):
    """Return how strong sound is in bands that are equally wide to the ear, in decibels.

    Args:
        fft_length: number of samples in a transform.
        sequence_stride: samples from one transform to the next.
        sequence_length: length of the window; None takes `fft_length`.
        window: `"hann"`, `"hamming"`, `"blackman"`, `"bartlett"`, an array of `sequence_length` numbers, or None.
        sampling_rate: samples a second.
        num_mel_bins: number of bands.
        min_freq: where the lowest band begins, in hertz.
        max_freq: where the highest band ends, in hertz; None takes half the sampling rate.
        power_to_db: whether the result is in decibels.
        top_db: by how many decibels the result may be below its maximum.
        mag_exp: exponent of the magnitudes: 1 for magnitudes, 2 for power.
        min_power: least power, before the logarithm.
        ref_power: power at 0 decibels; at least `min_power`.

    Input shape: `(..., samples)`. Output shape: `(..., num_mel_bins, 1 + samples // sequence_stride)`.

    >>> sound = np.sin(np.arange(512) * 0.3)
    >>> keras.layers.MelSpectrogram(fft_length=64, sequence_stride=128, num_mel_bins=4)(sound).shape
    (4, 5)
    """

    def __init__(
        self,
        fft_length: int = 2048,
        sequence_stride: int = 512,
        sequence_length: int | None = None,
        window: Any = "hann",
        sampling_rate: int = 16000,
        num_mel_bins: int = 128,
        min_freq: float = 20.0,
        max_freq: float | None = None,
        power_to_db: bool = True,
        top_db: float = 80.0,
        mag_exp: float = 2.0,
        min_power: float = 1e-10,
        ref_power: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.fft_length = whole(fft_length, "fft_length", self)
        self.sequence_stride = whole(sequence_stride, "sequence_stride", self)
        self.sequence_length = whole(sequence_length or fft_length, "sequence_length", self)
        self.num_mel_bins = whole(num_mel_bins, "num_mel_bins", self)
        if self.sequence_length > self.fft_length:
            raise ValueError(
                f"{who(self)}: expected `sequence_length` of at most fft_length={fft_length}; "
                f"received {sequence_length}."
            )
        self.window, self.sampling_rate = window, sampling_rate
        self.min_freq, self.max_freq = min_freq, max_freq or int(sampling_rate / 2)
        if not 0 <= self.min_freq < self.max_freq:
            raise ValueError(
                f"{who(self)}: expected 0 <= min_freq < max_freq; received {min_freq} and {self.max_freq}."
            )
        self.power_to_db, self.top_db, self.mag_exp = power_to_db, top_db, mag_exp
        self.min_power, self.ref_power = min_power, ref_power
        window_values(window, self.sequence_length)

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        dtype = "float32" if self.compute_dtype not in ("float32", "float64") else self.compute_dtype
        sound = ops.cast(inputs, dtype)
        real, imaginary = ops.stft(
            sound, self.sequence_length, self.sequence_stride, self.fft_length, window=self.window, center=True
        )
        power = ops.power(ops.square(real) + ops.square(imaginary), self.mag_exp / 2)
        frequencies = self.fft_length // 2 + 1
        if isinstance(inputs, KerasTensor):  # a file may ask for a matrix beyond memory
            bands = KerasTensor((frequencies, self.num_mel_bins), dtype, record_history=False)
        else:
            bands = self.linear_to_mel_weight_matrix(
                self.num_mel_bins, frequencies, self.sampling_rate, self.min_freq, self.max_freq, dtype
            )
        found = ops.swapaxes(ops.matmul(power, bands), -1, -2)
        return ops.cast(self._decibels(found) if self.power_to_db else found, self.compute_dtype)

    def _decibels(self, power: Any) -> Any:
        loud = 10 / math.log(10) * ops.log(ops.maximum(power, self.min_power))
        loud = loud - 10 * math.log10(max(self.min_power, self.ref_power))
        return ops.maximum(loud, ops.max(loud) - self.top_db)

    def linear_to_mel_weight_matrix(
        self,
        num_mel_bins: int = 20,
        num_spectrogram_bins: int = 129,
        sampling_rate: int = 8000,
        lower_edge_hertz: float = 125.0,
        upper_edge_hertz: float = 3800.0,
        dtype: Any = "float32",
    ) -> Any:
        """Return the share that each frequency of a transform has in each band.

        Args:
            num_mel_bins: number of bands.
            num_spectrogram_bins: number of frequencies, from 0 to half the sampling rate.
            sampling_rate: samples a second.
            lower_edge_hertz: where the lowest band begins.
            upper_edge_hertz: where the highest band ends.
            dtype: type of the result.

        Returns:
            Array of shape (num_spectrogram_bins, num_mel_bins): triangles on the mel scale, each from the middle of
            the band before to that of the band after; frequency 0 is in none.

        >>> keras.layers.MelSpectrogram().linear_to_mel_weight_matrix(2, 4)
        [[0.0, 0.0], [0.40481815, 0.5951819], [0.0, 0.5131086], [0.0, 0.0]]
        """
        hertz = np.linspace(0.0, sampling_rate / 2, num_spectrogram_bins)[1:, None]
        edges = np.linspace(_mel(lower_edge_hertz), _mel(upper_edge_hertz), num_mel_bins + 2)
        below, middle, above = edges[:-2], edges[1:-1], edges[2:]
        rising, falling = (_mel(hertz) - below) / (middle - below), (above - _mel(hertz)) / (above - middle)
        shares = np.maximum(0.0, np.minimum(rising, falling))
        return ops.convert_to_tensor(np.pad(shares, [(1, 0), (0, 0)]), dtypes.standardize_dtype(dtype))


class STFTSpectrogram(Layer):
    """Return Fourier transforms of overlapping, windowed parts of sequences, by a convolution whose kernel can learn.

    Args:
        mode: `"log"`, `"magnitude"`, `"psd"` (power), `"real"`, `"imag"`, `"angle"`, or `"stft"` for real and imaginary
            parts behind one another.
        frame_length: samples in a part.
        frame_step: samples from one part to the next; None takes half of `frame_length`.
        fft_length: number of samples in a transform, at least `frame_length`; None takes the next power of 2.
        window: `"hann"`, `"hamming"`, `"blackman"`, `"bartlett"`, an array of `frame_length` numbers, or None.
        periodic: whether the window is one period, rather than symmetric.
        scaling: `"density"` to divide by the root of the window's energy, `"spectrum"` by its sum, or None.
        padding: `"valid"`, or `"same"` for zeros at both ends.
        expand_dims: whether frequencies have an axis of their own, rather than being channels.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Input shape: `(batch, samples, channels)`. Output shape: `(batch, parts, frequencies * channels)`, or
    `(batch, parts, frequencies, channels)` with `expand_dims`; there are `fft_length // 2 + 1` frequencies.

    >>> keras.layers.STFTSpectrogram(frame_length=16)(np.ones((1, 64, 1))).shape
    (1, 7, 9)
    """

    def __init__(
        self,
        mode: str = "log",
        frame_length: int = 256,
        frame_step: int | None = None,
        fft_length: int | None = None,
        window: Any = "hann",
        periodic: bool = False,
        scaling: str | None = "density",
        padding: str = "valid",
        expand_dims: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.mode = choice(mode, _MODES, "mode", self)
        self.frame_length = whole(frame_length, "frame_length", self, 2)
        self.frame_step, self.fft_length = frame_step, fft_length
        self._step = whole(self.frame_length // 2 if frame_step is None else frame_step, "frame_step", self)
        usual = 2 ** math.ceil(math.log2(self.frame_length))
        self._fft_length = whole(usual if fft_length is None else fft_length, "fft_length", self)
        if self._step > self.frame_length or self._fft_length < self.frame_length:
            raise ValueError(
                f"{who(self)}: expected frame_step <= frame_length <= fft_length; received frame_step={self._step}, "
                f"frame_length={self.frame_length} and fft_length={self._fft_length}."
            )
        self.window, self.periodic = window, periodic
        self.scaling = choice(scaling, ("density", "spectrum", None), "scaling", self)
        self.padding = choice(padding, ("valid", "same"), "padding", self)
        self.expand_dims = expand_dims
        self.data_format = config.standardize_data_format(data_format)
        self._shape = window_values(window, self.frame_length, periodic)
        self.input_spec = InputSpec(ndim=3)

    def build(self, input_shape: Any) -> None:
        """Make the kernels: cosines and sines under the window."""
        divisor = 1.0
        if self.window is not None and self.scaling is not None:
            divisor = math.sqrt(np.sum(self._shape**2)) if self.scaling == "density" else float(np.sum(self._shape))
        frequencies = np.arange(self._fft_length // 2 + 1)
        angles = 2 * np.pi / self._fft_length * np.arange(self.frame_length)[:, None] * frequencies
        under = (self._shape / divisor)[:, None]
        if self.mode != "imag":
            self.real_kernel = self._kernel("real_kernel", np.cos(angles) * under)
        if self.mode != "real":
            self.imag_kernel = self._kernel("imag_kernel", -np.sin(angles) * under)

    def _kernel(self, name: str, values: np.ndarray) -> Any:
        start = values[:, None, :].astype("float32")
        return self.add_weight(start.shape, lambda shape, dtype: ops.convert_to_tensor(start, dtype), name=name)

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        last = self.data_format == "channels_last"
        batch, samples, channels = inputs.shape if last else (inputs.shape[0], inputs.shape[2], inputs.shape[1])
        sound = ops.transpose(inputs, (0, 2, 1)) if last else inputs
        sound = ops.reshape(sound, (-1, samples, 1))
        found = self._spectrum(sound)  # (batch * channels, parts, frequencies)
        parts, frequencies = found.shape[1:]
        found = ops.reshape(found, (-1 if batch is None else batch, channels, parts, frequencies))
        if self.expand_dims:
            return ops.transpose(found, (0, 2, 3, 1)) if last else found
        if last:
            return ops.reshape(ops.transpose(found, (0, 2, 1, 3)), (-1, parts, channels * frequencies))
        return ops.reshape(ops.transpose(found, (0, 1, 3, 2)), (-1, channels * frequencies, parts))

    def _spectrum(self, sound: Any) -> Any:
        def part(kernel: Any) -> Any:
            return ops.conv(sound, kernel, self._step, self.padding, data_format="channels_last")

        if self.mode == "real":
            return part(self.real_kernel)
        if self.mode == "imag":
            return part(self.imag_kernel)
        real, imaginary = part(self.real_kernel), part(self.imag_kernel)
        if self.mode == "stft":
            return ops.concatenate([real, imaginary], axis=-1)
        if self.mode == "angle":
            return ops.arctan2(imaginary, real)
        power = ops.square(real) + ops.square(imaginary)
        if self.mode == "psd":
            return power * self._sides()
        power = ops.maximum(power, config.epsilon())  # where logarithm and root still have a gradient
        return ops.sqrt(power) if self.mode == "magnitude" else 0.5 * ops.log(power)

    def _sides(self) -> Any:
        """Return 2 for each frequency whose negative has as much power and is left out, and 1 for the others."""
        sides = [2.0] * (self._fft_length // 2 + 1)
        sides[0] = 1.0
        if self._fft_length % 2 == 0:
            sides[-1] = 1.0
        return ops.convert_to_tensor(sides, self.compute_dtype)
