"""Images, texts and series against what Keras 3.15.1 and the package Keras-Preprocessing 1.1.2 compute."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tahr.preprocessing import image, sequence, text

pytestmark = [pytest.mark.once, pytest.mark.filterwarnings("ignore::FutureWarning")]
FACTS = json.loads((Path(__file__).parent.parent / "data" / "keras_preprocessing.json").read_text())


def cases(name: str) -> list[Any]:
    found = FACTS[name]["cases"] if isinstance(FACTS[name], dict) else FACTS[name]
    return [pytest.param(case, id=f"{i} {json.dumps(case.get('arguments', ''))}"[:60]) for i, case in enumerate(found)]


# Keras 3 takes rows for columns: there a range of shifts in width moves rows, and images that are no squares do not
# turn about their centre. Before, in Keras 2, the centre was one pixel off.
@pytest.mark.parametrize("case", cases("affine"))
def test_affine(case: Any) -> None:
    check_affine(case, row_axis=1, col_axis=0)


@pytest.mark.parametrize("case", cases("shift"))
def test_shift(case: Any) -> None:
    check_affine(case, row_axis=0, col_axis=1)


def check_affine(case: Any, **axes: int) -> None:
    x = np.array(FACTS["affine"]["x"], "float32")
    mode, order = case["fill_mode"], case["order"]
    found = image.apply_affine_transform(
        x, **axes, channel_axis=2, cval=7.0, fill_mode=mode, order=order, **case["arguments"]
    )
    np.testing.assert_allclose(found, case["result"], atol=2e-3)


@pytest.mark.parametrize("case", cases("brightness"))
def test_brightness(case: Any) -> None:
    x = np.array(FACTS["brightness"]["x"], "float32")
    np.testing.assert_allclose(image.apply_brightness_shift(x, case["brightness"]), case["result"], atol=1)


@pytest.mark.parametrize("case", cases("channel_shift"))
def test_channel_shift(case: Any) -> None:
    x = np.array(FACTS["channel_shift"]["x"], "float32")
    np.testing.assert_allclose(image.apply_channel_shift(x, case["intensity"], 2), case["result"])


@pytest.mark.parametrize("case", cases("standardize"))
def test_standardize(case: Any) -> None:
    x = np.array(FACTS["standardize"]["x"], "float32")
    generator = image.ImageDataGenerator(**case["arguments"])
    generator.fit(x)
    np.testing.assert_allclose(generator.standardize(x[0]), case["result"], rtol=2e-3, atol=2e-3)


def test_flow_and_subsets() -> None:
    x, flow = np.zeros((5, 4, 4, 3), "float32"), FACTS["flow"]
    batches = image.ImageDataGenerator().flow(x, np.arange(5), batch_size=2, shuffle=False)
    assert len(batches) == flow["length"]
    assert [next(batches)[1].tolist() for _ in range(4)] == flow["y"]
    generator = image.ImageDataGenerator(validation_split=0.4)
    for subset, labels in FACTS["subset"].items():
        found = generator.flow(x, np.array([0, 1, 0, 1, 0]), batch_size=9, shuffle=False, subset=subset)
        assert found[0][1].tolist() == labels


@pytest.mark.parametrize("case", cases("tokenizer"))
def test_tokenizer(case: Any) -> None:
    texts = FACTS["tokenizer"]["texts"]
    tokenizer = text.Tokenizer(**case["arguments"])
    tokenizer.fit_on_texts(texts)
    again = text.tokenizer_from_json(tokenizer.to_json())
    for found in (tokenizer, again):
        assert found.word_index == case["word_index"]
        assert found.texts_to_sequences([*texts, "unknown cat"]) == case["sequences"]
        assert found.sequences_to_texts([[1, 2, 3], [4, 9, 99]]) == case["texts"]
        assert found.document_count == case["document_count"]
        for mode in ("binary", "count", "freq", "tfidf"):
            np.testing.assert_allclose(found.texts_to_matrix(texts, mode), case[mode], atol=1e-5)


@pytest.mark.parametrize("case", cases("words"))
def test_words(case: Any) -> None:
    assert text.text_to_word_sequence(case["text"]) == case["words"]


@pytest.mark.parametrize("case", cases("hashing"))
def test_hashing(case: Any) -> None:
    assert text.hashing_trick(case["text"], case["n"], "md5") == case["result"]
    assert text.one_hot(case["text"], case["n"]) == case["result"]  # the same in every process


def test_sampling_table() -> None:
    np.testing.assert_allclose(sequence.make_sampling_table(12, 1e-3), FACTS["sampling_table"], atol=1e-7)


@pytest.mark.parametrize("case", cases("skipgrams"))
def test_skipgrams(case: Any) -> None:
    given = {"negative_samples": 0, "shuffle": False, **case["arguments"]}
    assert list(sequence.skipgrams([1, 2, 0, 3, 4], 6, **given)) == case["result"]


def test_skipgrams_with_random_words() -> None:
    couples, labels = sequence.skipgrams([1, 2, 3], 5, window_size=1, negative_samples=2.0, seed=1)
    assert len(couples) == len(labels) == 12 and sum(labels) == 4
    assert (couples, labels) == sequence.skipgrams([1, 2, 3], 5, window_size=1, negative_samples=2.0, seed=1)
    assert all(1 <= word <= 4 for couple in couples for word in couple)
    assert sequence.skipgrams([1, 2], 3, sampling_table=np.zeros(3)) == ([], [])


@pytest.mark.parametrize("case", cases("timeseries"))
def test_timeseries(case: Any) -> None:
    batches = sequence.TimeseriesGenerator(np.arange(50).reshape(25, 2), np.arange(25), **case["arguments"])
    found = [[part.tolist() for part in batches[i]] for i in range(len(batches))]
    assert found == case["batches"]
