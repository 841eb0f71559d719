"""What CIFAR-10 and CIFAR-100 share: pickled batches of flat images, channel by channel."""

from pathlib import Path

import numpy as np

from tahr import config
from tahr.datasets.source import Arrays, read_pickle


def read_batches(paths: list[Path], label_key: str) -> Arrays:
    """Return the images `(samples, 32, 32, 3)`, channels first where that is set, and the labels `(samples, 1)`."""
    batches = [read_pickle(path) for path in paths]
    images = np.concatenate([batch[b"data"] for batch in batches]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([np.asarray(batch[label_key.encode()], "int64") for batch in batches])[:, None]
    return (images.transpose(0, 2, 3, 1) if config.image_data_format() == "channels_last" else images), labels
