"""Folders of sounds as batches."""

import math
import wave
from typing import Any

import numpy as np

from tahr.utils.directories import FileSamples, Listing, list_files, make, parts_of
from tahr.utils.samples import Samples

__all__ = ["AudioFiles", "audio_dataset_from_directory", "read_wav", "resample"]

ZERO_CROSSINGS, ROLLOFF = 32, 0.95  # of the filter: how far it reaches, and the share of the band that it keeps


def audio_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: list[str] | None = None,
    batch_size: int | None = 32,
    sampling_rate: int | None = None,
    output_sequence_length: int | None = None,
    ragged: bool = False,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Samples | tuple[Samples, Samples]:
    """Return the `.wav` files in a folder as batches, a data source that needs no TensorFlow.

    Args:
        directory: folder, with a folder for each class if the labels are inferred.
        labels: `"inferred"` from the folders, None, or a list of a label for each file in the order of their paths.
        label_mode: `"int"`, `"categorical"`, `"binary"` or None, as for `image_dataset_from_directory`.
        class_names: folders in the order in which their classes are numbered; None takes the alphabetical order.
        batch_size: sounds a batch; None gives single sounds.
        sampling_rate: samples a second to bring all sounds to; None leaves them as they are.
        output_sequence_length: samples to fill up or cut all sounds to; None fills up each batch to its longest.
        ragged: must be False, since arrays have rows of one length; `batch_size=None` gives sounds of any length.
        shuffle: whether the sounds come in a new order each epoch.
        seed: of the orders and of the parts.
        validation_split: share of the files kept for validation.
        subset: `"training"`, `"validation"`, or `"both"` for a pair of data sources.
        follow_links: whether linked folders are looked into.
        verbose: whether to print how many files there are.

    Returns:
        Batches of float32 values from -1 to 1 of shape (batch, samples, channels), or pairs of these and labels, with
        the attributes `class_names` and `file_paths`.

    Raises:
        ValueError: if an argument is none of these or does not fit the files, or a file is no PCM sound.
        FileNotFoundError: if there is no such folder.

    >>> import pathlib, tempfile, wave
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with wave.open(str(folder / "a.wav"), "wb") as file:
    ...     file.setparams((1, 2, 8000, 0, "NONE", ""))
    ...     file.writeframes(np.array([0, 16384], "<i2").tobytes())
    >>> data = keras.utils.audio_dataset_from_directory(folder, labels=None, label_mode=None)
    Found 1 files.
    >>> data[0].tolist()
    [[[0.0], [0.5]]]
    """
    if ragged:
        raise ValueError(
            "ragged=True: arrays have rows of one length. Leave it out, so that each batch is filled up to its longest "
            "sound, or pass batch_size=None for single sounds of any length."
        )
    for name, number in (("sampling_rate", sampling_rate), ("output_sequence_length", output_sequence_length)):
        if number is not None and (not isinstance(number, (int, np.integer)) or number < 1):
            raise ValueError(f"{name}: expected None or a whole number >= 1; received {number!r}.")
    parts = parts_of(shuffle, seed, validation_split, subset)
    listing = list_files(directory, labels, label_mode, class_names, (".wav",), follow_links)
    return make(AudioFiles, listing, label_mode, batch_size, parts, verbose, rate=sampling_rate,
                length=output_sequence_length)  # fmt: skip


class AudioFiles(FileSamples):
    """Sounds in files."""

    def __init__(self, listing: Listing, label_mode: str | None, batch_size: int | None, shuffle: bool, seed: int,
                 rate: int | None, length: int | None):  # fmt: skip
        super().__init__(listing, label_mode, batch_size, shuffle, seed)
        self.rate, self.length = rate, length

    def read(self, path: str) -> np.ndarray:
        sound, rate = read_wav(path)
        if self.rate is not None and rate != self.rate:
            sound = resample(sound, rate, self.rate)
        return sound if self.length is None else _fitted(sound, self.length)

    def stack(self, contents: list[np.ndarray]) -> np.ndarray:
        if len({sound.shape[1] for sound in contents}) > 1:
            raise ValueError(f"Sounds of {sorted({s.shape[1] for s in contents})} channels do not go into one batch.")
        longest = max(len(sound) for sound in contents)
        return np.stack([_fitted(sound, longest) for sound in contents])


def _fitted(sound: np.ndarray, length: int) -> np.ndarray:
    return np.pad(sound[:length], ((0, max(0, length - len(sound))), (0, 0)))


def read_wav(path: Any) -> tuple[np.ndarray, int]:
    """Return the sound in a WAV file, float32 values from -1 to 1 of shape (samples, channels), and its sampling rate.

    Raises:
        ValueError: if the file is no WAV file of whole numbers (PCM) of 8, 16, 24 or 32 bits.
    """
    try:
        with wave.open(str(path), "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{str(path)!r} cannot be read as a PCM sound: {error or 'it ends too early'}.") from error
    if width not in (1, 2, 3, 4):
        raise ValueError(f"{str(path)!r}: expected samples of 8, 16, 24 or 32 bits; received {8 * width}.")
    data = data[: len(data) - len(data) % (width * channels)]
    if width == 1:
        values = np.frombuffer(data, "u1").astype("float32") / 128 - 1
    elif width == 3:
        parts = np.zeros((len(data) // 3, 4), "u1")
        parts[:, 1:] = np.frombuffer(data, "u1").reshape(-1, 3)
        values = parts.view("<i4")[:, 0] / np.float32(2**31)
    else:
        values = np.frombuffer(data, f"<i{width}") / np.float32(2 ** (8 * width - 1))
    return values.astype("float32").reshape(-1, channels), rate


def resample(sound: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Return a sound of shape (samples, channels) at another sampling rate, by a windowed sinc (Smith, "Digital Audio
    Resampling").

    What the new rate cannot hold is filtered out. The result has `ceil(samples * wanted / rate)` samples.
    """
    step = rate / wanted
    cutoff = ROLLOFF * min(1.0, 1 / step)
    reach = math.ceil(ZERO_CROSSINGS / cutoff)
    count = -(-len(sound) * wanted // rate)
    padded = np.pad(sound, ((reach, reach + 1), (0, 0)))
    found = np.empty((count, sound.shape[1]), "float32")
    block = max(1, 2**20 // (2 * reach))  # so that the table of weights stays small
    for start in range(0, count, block):
        at = np.arange(start, min(start + block, count)) * step
        first = np.floor(at).astype(int)
        offsets = np.arange(-reach + 1, reach + 1)
        distance = at[:, None] - first[:, None] - offsets
        weights = cutoff * np.sinc(cutoff * distance) * np.cos(np.pi / 2 * np.clip(distance / reach, -1, 1)) ** 2
        found[start : start + len(at)] = np.einsum("ij,ijc->ic", weights, padded[first[:, None] + offsets + reach])
    return found
