"""`TextVectorization`: cases recorded from Keras 3.15, a slow tokenizer by regular expressions, files and errors."""

import json
import math
import pickle
import re
import string
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tahr as keras
from tahr import layers, ops
from tahr.layers import TextVectorization


def numpy(x: Any) -> np.ndarray:
    return x if isinstance(x, np.ndarray) else np.asarray(ops.convert_to_numpy(x))


CALLS: list[tuple[dict[str, Any], Any, Any]] = [
    ({"vocabulary": ["a"]}, "a b", [2, 1]),
    ({"vocabulary": ["a"]}, ["a b", "a"], [[2, 1], [2, 0]]),
    ({"vocabulary": ["a"]}, [["a b"], ["a"]], [[2, 1], [2, 0]]),
    ({"vocabulary": ["", "[UNK]", "a"]}, ["A, b!", ""], [[2, 1], [0, 0]]),
    ({"vocabulary": ["a"], "split": None}, [["a b", "a"], ["a", "b"]], [[1, 2], [2, 1]]),
    ({"vocabulary": ["a"], "split": None}, [["a b"], ["a"]], [[1], [2]]),
    ({"vocabulary": ["a"], "output_sequence_length": 4}, "a b", [2, 1, 0, 0]),
    ({"vocabulary": ["a"], "output_sequence_length": 4}, ["a b", "a b c d e"], [[2, 1, 0, 0], [2, 1, 1, 1]]),
    ({"vocabulary": ["a"], "output_mode": "multi_hot"}, "a b", [1, 1]),
    ({"vocabulary": ["a"], "output_mode": "multi_hot"}, ["a b", "b", ""], [[1, 1], [1, 0], [0, 0]]),
    ({"vocabulary": ["a"], "output_mode": "count"}, ["a b a", "b", ""], [[1, 2], [1, 0], [0, 0]]),
    (
        {"vocabulary": ["a", "b", "a b", "b c", "a b c"], "ngrams": 3},
        ["a b c", "c"],
        [[2, 3, 1, 4, 5, 6], [1, 0, 0, 0, 0, 0]],
    ),
    ({"vocabulary": ["a", "b", "a b"], "ngrams": 2, "split": None}, [["a", "b"], ["b", "a"]], [[2, 3, 4], [3, 2, 1]]),
    ({"vocabulary": ["a", "b", "a b", "ab"], "ngrams": 2, "split": "character"}, ["ab"], [[2, 3, 4]]),
    ({"vocabulary": ["a"], "output_mode": "tf_idf", "idf_weights": [0.5]}, ["a a"], [[0.0, 1.0]]),
    (
        {"vocabulary": ["a"], "output_mode": "count", "max_tokens": 4, "pad_to_max_tokens": True},
        ["a b"],
        [[1, 1, 0, 0]],
    ),
    ({"vocabulary": ["É", "k"], "standardize": "lower"}, ["É É. K"], [[2, 1, 3]]),
]


@pytest.mark.parametrize(("arguments", "inputs", "expected"), CALLS)
def test_texts_become_indices_and_vectors(arguments: dict[str, Any], inputs: Any, expected: Any) -> None:
    layer = TextVectorization(**arguments)
    again = TextVectorization.from_config(json.loads(json.dumps(layer.get_config())))
    carried = pickle.loads(pickle.dumps(layer))
    for one in (layer, again, carried):
        assert numpy(one(inputs)).tolist() == expected
    assert isinstance(layer.call(np.array(inputs)), np.ndarray)
    assert again.get_config() == layer.get_config()
    shape = layer.compute_output_shape(np.shape(inputs))
    assert all(size in (None, real) for size, real in zip(shape, np.shape(expected), strict=True))


ALL = "".join(map(chr, range(33, 127)))
STRANGE = (
    "ÉTÉ İstanbul «quoted» — don't e-mail\u00a0nbsp\u2003em tab\there"
    "\nnl\rcr\x0bvt\x0cff\u3000ideo\u0085nel\u200bzw x\x1cy"
)
VOCABULARIES: list[tuple[dict[str, Any], list[str], list[str]]] = [
    ({}, [ALL], [string.digits + string.ascii_lowercase * 2]),
    ({"standardize": "strip_punctuation"}, [ALL], [string.digits + string.ascii_uppercase + string.ascii_lowercase]),
    (
        {},
        [STRANGE],
        ["—", "İstanbul", "ÉtÉ", "«quoted»", "x\x1cy", "vt", "tab", "nl", "here"]
        + ["ff\u3000ideo\u0085nel\u200bzw", "email\u00a0nbsp\u2003em", "dont", "cr"],
    ),
    ({"split": "character"}, ["é a"], ["é", "a", " "]),
    ({"ngrams": 3}, ["a b c d"], ["d", "c d", "c", "b c d", "b c", "b", "a b c", "a b", "a"]),
    ({"ngrams": (1, 3)}, ["a b c"], ["c", "b", "a b c", "a"]),
    ({"max_tokens": 4}, ["a a a b b c"], ["a", "b"]),
    ({"max_tokens": 4, "output_mode": "count"}, ["a a a b b c"], ["a", "b", "c"]),
    ({"split": lambda texts: [t.split("-") for t in texts], "standardize": "lower"}, ["A-b", "c"], ["c", "b", "a"]),
    ({"standardize": lambda texts: np.char.upper(texts.astype(str))}, ["a b", "c"], ["C", "B", "A"]),
]


@pytest.mark.parametrize(("arguments", "texts", "expected"), VOCABULARIES)
def test_adapt_finds_the_tokens_of_keras(arguments: dict[str, Any], texts: list[str], expected: list[str]) -> None:
    sources: list[Any] = [texts, np.array(texts), [[t] for t in texts], pd.Series(texts), iter([texts[:1], texts[1:]])]
    for source in sources:
        layer = TextVectorization(**arguments)
        layer.adapt(source)
        assert layer.get_vocabulary(include_special_tokens=False) == expected
        special = ["", "[UNK]"] if layer.output_mode == "int" else ["[UNK]"]
        assert layer.get_vocabulary() == [*special, *expected]
        assert layer.vocabulary_size() == len(special) + len(expected)


def slow_tokens(text: str) -> list[str]:
    """Lower and strip, split at white space: one character at a time, of ASCII only."""
    upper = {ord(a): b for a, b in zip(string.ascii_uppercase, string.ascii_lowercase, strict=True)}
    kept = re.sub("[" + re.escape(string.punctuation) + "]", "", text.translate(upper))
    return [token for token in re.split("[ \t\n\r\x0b\x0c]+", kept) if token]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.sampled_from("abAB .,!\t\n\x1dÉß—"), max_size=25), min_size=1, max_size=5))
def test_tokens_weights_and_padding_by_hand(texts: list[str]) -> None:
    rows = [slow_tokens(t) for t in texts]
    counts = Counter(token for row in rows for token in row)
    if not counts:
        return
    tokens = sorted(counts, key=lambda t: (counts[t], t), reverse=True)
    layer = TextVectorization()
    layer.adapt(texts)
    assert layer.get_vocabulary(include_special_tokens=False) == tokens
    width = max(map(len, rows))
    expected = [[tokens.index(t) + 2 for t in row] + [0] * (width - len(row)) for row in rows]
    assert numpy(layer(texts)).tolist() == expected
    weighted = TextVectorization(output_mode="tf_idf")
    weighted.adapt(texts)
    idf = [math.log(1 + len(rows) / (1 + sum(t in row for row in rows))) for t in weighted.get_vocabulary()[1:]]
    expected = [[0, *(row.count(t) * w for t, w in zip(tokens, idf, strict=True))] for row in rows]
    np.testing.assert_allclose(numpy(weighted(texts)), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "arguments", [{}, {"output_mode": "tf_idf"}, {"max_tokens": 3}, {"vocabulary": ["cat", "sat"]}]
)
def test_models_with_text_are_saved(arguments: dict[str, Any], tmp_path: Path) -> None:
    layer = TextVectorization(**arguments)
    texts = np.array(["the cat sat", "a dog sat too"])
    if "vocabulary" not in arguments:
        layer.adapt(texts)
    start = keras.Input((1,), dtype="string")
    model = keras.Model(start, layer(start))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].get_vocabulary() == layer.get_vocabulary()
    np.testing.assert_allclose(numpy(loaded(texts[:, None])), numpy(model(texts[:, None])))
    np.testing.assert_allclose(loaded.predict(texts[:, None], verbose=0), numpy(model(texts[:, None])))


WORKER = """
import pickle, sys
import numpy as np
for layer, texts in pickle.load(open(sys.argv[1], "rb")):
    print(layer.call(np.array(texts)).tolist())
print(sorted({"jax", "torch", "tensorflow"} & set(sys.modules)))
"""


@pytest.mark.once
def test_worker_processes_load_no_framework(tmp_path: Path) -> None:
    work = [
        (TextVectorization(vocabulary=["a", "b"]), ["a b", "c"]),
        (layers.StringLookup(vocabulary=["a"], output_mode="one_hot"), ["a", "x"]),
        (layers.Hashing(10), ["a", "b"]),
    ]
    (tmp_path / "layers.pickle").write_bytes(pickle.dumps(work))
    command = [sys.executable, "-c", WORKER, str(tmp_path / "layers.pickle")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.splitlines() == ["[[2, 3], [1, 0]]", "[[0.0, 1.0], [1.0, 0.0]]", "[9, 2]", "[]"]


@pytest.mark.parametrize("dtype", ["U", "object", "str", "string"])
def test_predict_takes_columns_of_text(dtype: str) -> None:
    start = keras.Input((1,), dtype="string", name="words")
    model = keras.Model({"words": start}, TextVectorization(vocabulary=["a"], output_mode="count")(start))
    texts = ["a b", "b", "a a"]
    column = np.array(texts) if dtype == "U" else pd.Series(texts, dtype=dtype)
    assert model.predict({"words": column}, batch_size=2, verbose=0).tolist() == [[1, 1], [1, 0], [0, 2]]
    assert model.predict_on_batch({"words": column}).tolist() == [[1, 1], [1, 0], [0, 2]]


def test_text_goes_through_a_whole_model() -> None:
    model = keras.Sequential(
        [TextVectorization(vocabulary=["a", "b"], output_sequence_length=3), layers.Embedding(4, 2)]
    )
    assert tuple(model(np.array(["a b", "b"])).shape) == (2, 3, 2)


ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: TextVectorization(name="words")(["a"]), ValueError, "words.*adapt"),
    (lambda: TextVectorization(vocabulary=["a"])(np.array([["a", "b"]])), ValueError, r"\(1, 2\).*split=None"),
    (lambda: TextVectorization(vocabulary=["a"])(np.array([1])), TypeError, "expected text"),
    (lambda: TextVectorization(vocabulary=["a"]).adapt(["a"]), ValueError, "nothing to adapt"),
    (lambda: TextVectorization().adapt(["", "..."]), ValueError, "no token"),
    (lambda: TextVectorization(ragged=True), ValueError, "padded"),
    (lambda: TextVectorization(sparse=True), ValueError, "sparse"),
    (lambda: TextVectorization(standardize="upper"), ValueError, "strip_punctuation"),
    (lambda: TextVectorization(split="comma"), ValueError, "whitespace"),
    (lambda: TextVectorization(ngrams="a"), ValueError, "ngrams"),
    (lambda: TextVectorization(ngrams=0), ValueError, "ngrams"),
    (lambda: TextVectorization(output_mode="one_hot"), ValueError, "multi_hot"),
    (lambda: TextVectorization(output_sequence_length=0), ValueError, "output_sequence_length"),
    (lambda: TextVectorization(output_sequence_length=3, output_mode="count"), ValueError, "'int'"),
    (lambda: TextVectorization(vocabulary=["a"], standardize=lambda x: x[:1])(["a", "b"]), ValueError, "standardize"),
    (lambda: TextVectorization(vocabulary=["a"], split=lambda x: x[:1])(["a", "b"]), ValueError, "split"),
]


@pytest.mark.parametrize(("make", "kind", "words"), ERRORS)
def test_errors_name_the_place_and_the_way_out(make: Callable[[], Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=rf"(?s){words}"):
        make()
