"""Spectrograms against NumPy's Fourier transforms and the formulas of their scales."""

from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import backends, layers, ops

SOUND = np.random.default_rng(0).normal(size=(2, 400)).astype("float32")


def host(x: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(x))


def cosine_window(name: Any, length: int, periodic: bool) -> np.ndarray:
    if name is None:
        return np.ones(length)
    a = {"hann": 0.5, "hamming": 0.54}[name]
    return a - (1 - a) * np.cos(2 * np.pi * np.arange(length) / (length if periodic else length - 1))


# ---- mel ------------------------------------------------------------------------------------------------------------


def mel_matrix(bands: int, frequencies: int, rate: int, low: float, high: float) -> np.ndarray:
    """Triangles on the mel scale, one share at a time."""

    def mel(f: float) -> float:
        return 2595 * np.log10(1 + f / 700)

    edges = [mel(low) + (mel(high) - mel(low)) * i / (bands + 1) for i in range(bands + 2)]
    found = np.zeros((frequencies, bands))
    for k in range(1, frequencies):
        place = mel(k * rate / 2 / (frequencies - 1))
        for b in range(bands):
            before, middle, after = edges[b : b + 3]
            if before < place <= middle:
                found[k, b] = (place - before) / (middle - before)
            elif middle < place < after:
                found[k, b] = (after - place) / (after - middle)
    return found


def mel_spectrogram(sound: np.ndarray, n: int, stride: int, length: int, window: str, **scale: Any) -> np.ndarray:
    padded = np.pad(sound.astype("float64"), [(0, 0), (n // 2, n // 2)], mode="reflect")
    before = (n - length) // 2
    shape = np.pad(cosine_window(window, length, True), (before, n - length - before))
    starts = range(0, padded.shape[1] - n + 1, stride)
    power = np.stack([np.abs(np.fft.rfft(padded[:, s : s + n] * shape)) for s in starts], 1) ** scale["mag_exp"]
    found = (power @ mel_matrix(scale["bands"], n // 2 + 1, 8000, 20.0, scale["high"])).swapaxes(1, 2)
    if not scale["decibels"]:
        return found
    loud = 10 * np.log10(np.maximum(found, scale["min_power"]) / max(scale["min_power"], scale["ref_power"]))
    return np.maximum(loud, loud.max() - scale["top_db"])


USUAL = {"bands": 8, "high": 4000, "mag_exp": 2.0, "decibels": True, "min_power": 1e-10, "ref_power": 1.0, "top_db": 80}


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        ({}, {}),
        ({"sequence_length": 40, "window": "hamming"}, {}),
        ({"power_to_db": False}, {"decibels": False}),
        ({"mag_exp": 1.0, "power_to_db": False, "max_freq": 3000.0}, {"mag_exp": 1, "decibels": False, "high": 3000}),
        ({"top_db": 5.0, "ref_power": 0.5}, {"top_db": 5, "ref_power": 0.5}),
        ({"min_power": 30.0}, {"min_power": 30.0}),
    ],
)
def test_mel_spectrogram(arguments: dict[str, Any], changes: dict[str, Any]) -> None:
    layer = layers.MelSpectrogram(
        **{"fft_length": 64, "sequence_stride": 16, "sampling_rate": 8000, "num_mel_bins": 8, **arguments}
    )
    length, window = arguments.get("sequence_length", 64), arguments.get("window", "hann")
    expected = mel_spectrogram(SOUND, 64, 16, length, window, **(USUAL | changes))
    found = host(layer(SOUND))
    assert found.shape == expected.shape == layer.compute_output_shape(SOUND.shape) == (2, 8, 26)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-3)
    np.testing.assert_allclose(host(layer(SOUND[1])), host(layer(SOUND[1:]))[0], atol=1e-4)
    again = layers.deserialize(layers.serialize(layer))
    assert again.get_config() == layer.get_config()
    np.testing.assert_array_equal(host(again(SOUND)), found)


@pytest.mark.parametrize("size", [(80, 201, 16000, 0.0, 8000.0), (20, 129, 8000, 125.0, 3800.0)])
def test_mel_matrix(size: tuple[Any, ...]) -> None:
    found = host(layers.MelSpectrogram().linear_to_mel_weight_matrix(*size))
    np.testing.assert_allclose(found, mel_matrix(*size), atol=1e-5)


def test_a_tone_is_loudest_in_the_band_around_it() -> None:
    rate, bands = 16000, 40
    layer = layers.MelSpectrogram(fft_length=1024, sequence_stride=1024, sampling_rate=rate, num_mel_bins=bands)
    scale = 2595 * np.log10(1 + np.array([20.0, 8000.0]) / 700)
    for hertz in (300.0, 1000.0, 4000.0):
        tone = np.sin(2 * np.pi * hertz / rate * np.arange(8192)).astype("float32")
        loudest = host(layer(tone))[:, 4].argmax()
        place = (2595 * np.log10(1 + hertz / 700) - scale[0]) / (scale[1] - scale[0]) * (bands + 1) - 1
        assert abs(loudest - place) <= 1


# ---- short-time Fourier transforms ----------------------------------------------------------------------------------


def transforms(x: np.ndarray, frame: int, step: int, n: int, window: Any, periodic: bool, scaling: Any) -> np.ndarray:
    shape = cosine_window(window, frame, periodic)
    if window is not None and scaling is not None:
        shape = shape / (np.sqrt((shape**2).sum()) if scaling == "density" else shape.sum())
    starts = range(0, x.shape[1] - frame + 1, step)
    return np.stack([np.fft.rfft(x[:, s : s + frame].astype("float64") * shape[:, None], n, axis=1) for s in starts], 1)


def in_mode(z: np.ndarray, mode: str, n: int) -> np.ndarray:
    power = np.abs(z) ** 2
    if mode == "stft":
        return np.concatenate([z.real, z.imag], axis=2)
    if mode == "psd":
        sides = np.full(z.shape[2], 2.0)
        sides[0] = 1
        if n % 2 == 0:
            sides[-1] = 1
        return power * sides[:, None]
    clipped = np.sqrt(np.maximum(power, 1e-7))
    return {"real": z.real, "imag": z.imag, "magnitude": clipped, "log": np.log(clipped), "angle": np.angle(z)}[mode]


MODES = ["log", "magnitude", "psd", "real", "imag", "angle", "stft"]
WAVES = SOUND[:, :300].reshape(2, 100, 3)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "arguments",
    [
        {"frame_length": 16},
        {"frame_length": 15, "frame_step": 4, "fft_length": 20, "scaling": "spectrum", "periodic": True},
        {"frame_length": 16, "fft_length": 25, "window": "hamming", "scaling": None},
        {"frame_length": 16, "window": None},
    ],
)
def test_stft_spectrogram(mode: str, arguments: dict[str, Any]) -> None:
    frame = arguments["frame_length"]
    step, n = arguments.get("frame_step", frame // 2), arguments.get("fft_length", 16)
    options = [arguments.get(k, d) for k, d in (("window", "hann"), ("periodic", False), ("scaling", "density"))]
    z = transforms(WAVES, frame, step, n, *options)
    expected = in_mode(z, mode, n)  # (batch, parts, frequencies, channels)
    layer = layers.STFTSpectrogram(mode, expand_dims=True, **arguments)
    found = host(layer(WAVES))
    assert found.shape == expected.shape == layer.compute_output_shape(WAVES.shape)
    difference = found - expected
    if mode == "angle":
        real_only = np.abs(z.imag) < 1e-6  # where pi and -pi are the same angle
        difference = np.where(real_only, np.abs(found) - np.abs(expected), difference)
    np.testing.assert_allclose(difference, 0, atol=2e-3)
    flat = host(layers.STFTSpectrogram(mode, **arguments)(WAVES))
    np.testing.assert_array_equal(flat, np.moveaxis(found, 3, 2).reshape(*found.shape[:2], -1))
    first = WAVES.transpose(0, 2, 1)
    deep = layers.STFTSpectrogram(mode, expand_dims=True, data_format="channels_first", **arguments)(first)
    np.testing.assert_allclose(host(deep), found.transpose(0, 3, 1, 2), atol=1e-4)
    flat_first = layers.STFTSpectrogram(mode, data_format="channels_first", **arguments)(first)
    np.testing.assert_allclose(host(flat_first), flat.transpose(0, 2, 1), atol=1e-4)
    weights = {"real": ["real_kernel"], "imag": ["imag_kernel"]}.get(mode, ["real_kernel", "imag_kernel"])
    assert [w.name for w in layer.weights] == weights


def test_padding_covers_every_sample() -> None:
    found = layers.STFTSpectrogram("real", frame_length=16, frame_step=5, padding="same")(np.ones((1, 64, 1)))
    assert found.shape == (1, 13, 9)


def test_silence_has_a_finite_spectrogram() -> None:
    silence = np.zeros((1, 64, 1), "float32")
    np.testing.assert_allclose(host(layers.STFTSpectrogram(frame_length=16)(silence)), 0.5 * np.log(1e-7), rtol=1e-5)
    np.testing.assert_allclose(host(layers.MelSpectrogram(64, 16)(silence[0, :, 0])), -100.0, rtol=1e-5)


@pytest.mark.trains
def test_kernels_learn_unless_frozen() -> None:
    for trainable in (True, False):
        layer = layers.STFTSpectrogram(frame_length=16, trainable=trainable)
        model = keras.Sequential([layer, layers.GlobalAveragePooling1D(), layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.01), "mse")
        model.build((None, 100, 3))
        before = [w.copy() for w in layer.get_weights()]
        model.fit(WAVES, np.ones((2, 1)), verbose=0)
        changed = [not np.array_equal(a, b) for a, b in zip(before, layer.get_weights(), strict=True)]
        assert all(changed) if trainable else not any(changed)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(lambda: layers.MelSpectrogram(64, 16), (2, 400)), (lambda: layers.STFTSpectrogram(frame_length=16), (2, 100, 3))],
)
def test_symbols_and_compiled_functions(layer: Any, shape: tuple[int, ...]) -> None:
    made = layer()
    x = SOUND.reshape(-1)[: int(np.prod(shape))].reshape(shape)
    expected = host(made(x))
    symbol = layer()(keras.KerasTensor((None, *shape[1:])))
    assert tuple(symbol.shape) == (None, *expected.shape[1:])
    compiled = backends.current().compile(lambda y: made(y))
    np.testing.assert_allclose(host(compiled(ops.convert_to_tensor(x))), expected, atol=1e-3)
    half = layer().__class__.from_config({**made.get_config(), "dtype": "mixed_float16"})(x)
    assert ops.dtype(half) == "float16"
    np.testing.assert_allclose(host(half).astype("float32"), expected, atol=0.3)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("MelSpectrogram", {"fft_length": 0}),
        ("MelSpectrogram", {"num_mel_bins": 0}),
        ("MelSpectrogram", {"sequence_length": 4000}),
        ("MelSpectrogram", {"max_freq": 10.0}),
        ("MelSpectrogram", {"window": "triangle"}),
        ("STFTSpectrogram", {"mode": "power"}),
        ("STFTSpectrogram", {"scaling": "energy"}),
        ("STFTSpectrogram", {"padding": "causal"}),
        ("STFTSpectrogram", {"frame_length": 16, "fft_length": 8}),
        ("STFTSpectrogram", {"frame_length": 16, "frame_step": 20}),
        ("STFTSpectrogram", {"frame_length": 16, "frame_step": 0}),
        ("STFTSpectrogram", {"frame_length": 16, "window": [1.0, 2.0]}),
    ],
)
def test_bad_arguments(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(reversed(arguments))):
        getattr(layers, name)(**arguments)


def test_wrong_rank() -> None:
    with pytest.raises(ValueError, match="ndim=3|3 dimensions"):
        layers.STFTSpectrogram(frame_length=16)(np.ones((2, 64)))
