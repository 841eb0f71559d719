"""Hashing and lookups: published and recorded hashes, tables of small cases, and counting by hand as the oracle."""

import json
import math
import pickle
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tahr as keras
from tahr import layers, ops
from tahr.layers.fingerprint import farmhash, siphash
from tahr.layers.quantiles import QuantileSketch

FACTS = json.loads((Path(__file__).parents[1] / "data" / "fingerprints.json").read_text("utf-8"))
TEXTS = [bytes.fromhex(text) for text in FACTS["texts"]]
FRUIT = ["apple", "pear", "fig"]


def numpy(x: Any) -> np.ndarray:
    return x if isinstance(x, np.ndarray) else np.asarray(ops.convert_to_numpy(x))


# ---- hashes ----------------------------------------------------------------------------------------------------------


def test_farmhash_agrees_with_recorded_values() -> None:
    assert [f"{h:016x}" for h in farmhash(TEXTS).tolist()] == FACTS["farmhash"]


def test_siphash_agrees_with_recorded_values() -> None:
    assert (siphash(TEXTS, (133, 137)) % np.uint64(2**62)).tolist() == FACTS["siphash"]


# The first and a later line of the vectors in the authors' reference code: input 00 01 02..., key 00 01 ... 0f.
@pytest.mark.parametrize(
    ("length", "expected"),
    [(0, 0x726FDB47DD0E0E31), (1, 0x74F839C593DC67FD), (15, 0xA129CA6149BE45E5), (63, 0x958A324CEB064572)],
)
def test_siphash_agrees_with_published_vectors(length: int, expected: int) -> None:
    key = (int.from_bytes(bytes(range(8)), "little"), int.from_bytes(bytes(range(8, 16)), "little"))
    assert siphash([bytes(range(length))], key)[0] == expected


def slow_siphash(text: bytes, k0: int, k1: int) -> int:
    """SipHash-2-4 one word at a time, in Python's own numbers, from the description in the paper."""
    mask = 2**64 - 1

    def rotate(x: int, by: int) -> int:
        return (x << by | x >> (64 - by)) & mask

    def mixed(v: list[int], rounds: int) -> list[int]:
        for _ in range(rounds):
            for i, j, a, b in ((0, 1, 13, 32), (2, 3, 16, 0), (0, 3, 21, 0), (2, 1, 17, 32)):
                v[i] = (v[i] + v[j]) & mask
                v[j] = rotate(v[j], a) ^ v[i]
                v[i] = rotate(v[i], b)
        return v

    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    whole = len(text) // 8 * 8
    last = text[whole:].ljust(7, b"\0") + bytes([len(text) % 256])
    for i in range(0, whole + 8, 8):
        word = int.from_bytes((text[:whole] + last)[i : i + 8], "little")
        v[3] ^= word
        v = mixed(v, 2)
        v[0] ^= word
    v[2] ^= 0xFF
    v = mixed(v, 4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


@pytest.mark.once
@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_siphash_agrees_with_a_slow_one(texts: list[bytes], k0: int, k1: int) -> None:
    assert siphash(texts, (k0, k1)).tolist() == [slow_siphash(t, k0, k1) for t in texts]


@pytest.mark.once
@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=150), min_size=1, max_size=6))
def test_texts_hash_alike_alone_and_together(texts: list[str]) -> None:
    assert farmhash(texts).tolist() == [farmhash([t.encode()])[0] for t in texts]


def test_crossing_agrees_with_recorded_values() -> None:
    made = layers.HashedCrossing(2**31 - 1)((np.array(TEXTS, object), np.arange(len(TEXTS))))
    assert numpy(made).tolist() == FACTS["crossed"]


HASHED: list[tuple[dict[str, Any], Any, Any]] = [  # recorded from Keras 3.15
    ({"num_bins": 10}, "a", 9),
    ({"num_bins": 10}, ["a", "b"], [9, 2]),
    ({"num_bins": 1000}, np.array([b"abc"]), [385]),
    ({"num_bins": 1000}, np.array([-1, -25, 0, 123456789012]), [430, 662, 735, 427]),
    ({"num_bins": 4, "mask_value": ""}, ["a", "", "b", "c", "d", "e", "f"], [1, 0, 2, 2, 3, 2, 1]),
    ({"num_bins": 4, "mask_value": 0}, np.arange(7), [0, 1, 2, 1, 3, 2, 3]),
    ({"num_bins": 1, "mask_value": 0}, np.arange(3), [0, 0, 0]),
    ({"num_bins": 3, "output_mode": "one_hot"}, ["a", "b", "a"], [[1, 0, 0], [0, 1, 0], [1, 0, 0]]),
    ({"num_bins": 3, "output_mode": "count"}, [["a", "b", "a"]], [[2, 1, 0]]),
    ({"num_bins": 3, "output_mode": "multi_hot"}, ["a", "b", "a"], [1, 1, 0]),
]


@pytest.mark.parametrize(("arguments", "inputs", "expected"), HASHED)
def test_hashing(arguments: dict[str, Any], inputs: Any, expected: Any) -> None:
    layer = layers.Hashing(**arguments)
    assert numpy(layer(inputs)).tolist() == expected
    assert numpy(layers.Hashing.from_config(layer.get_config())(inputs)).tolist() == expected
    assert layer.compute_output_shape(np.shape(inputs)) == np.shape(expected)


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ((["a", "b"], [1, 2]), [485, 357]),
        ((["a", "b"], ["c", "d"], [-1, 2]), [810, 298]),
        (([["a"], ["b"]], [[1], [2]]), [[485], [357]]),
        (("a", "b"), 986),
    ],
)
def test_crossing(features: Any, expected: Any) -> None:
    made = layers.HashedCrossing(1000)([np.array(f) for f in features])
    assert numpy(made).tolist() == expected


# ---- tables of lookups -----------------------------------------------------------------------------------------------

LOOKED_UP: list[tuple[str, dict[str, Any], Any, Any]] = [
    ("StringLookup", {"vocabulary": FRUIT}, [["fig", "kiwi"], ["apple", "pear"]], [[3, 0], [1, 2]]),
    ("StringLookup", {"vocabulary": FRUIT}, "pear", 2),
    ("StringLookup", {"vocabulary": FRUIT, "mask_token": ""}, ["", "fig", "kiwi"], [0, 4, 1]),
    ("StringLookup", {"vocabulary": ["", "[UNK]", *FRUIT], "mask_token": ""}, ["", "fig", "kiwi"], [0, 4, 1]),
    ("StringLookup", {"vocabulary": FRUIT, "num_oov_indices": 0}, ["fig"], [2]),
    ("StringLookup", {"vocabulary": ["a"], "num_oov_indices": 5}, ["b", "c", "dd", "", "é"], [2, 2, 1, 3, 0]),
    (
        "StringLookup",
        {"vocabulary": ["a"], "num_oov_indices": 5, "salt": 3},
        ["b", "c", "dd", "", "é"],
        [0, 1, 4, 4, 0],
    ),
    ("StringLookup", {"vocabulary": ["a"], "output_mode": "one_hot"}, ["a", "b"], [[0, 1], [1, 0]]),
    ("StringLookup", {"vocabulary": ["a"], "output_mode": "one_hot"}, ["a"], [[0, 1]]),
    ("StringLookup", {"vocabulary": ["a"], "output_mode": "one_hot"}, [["a"], ["b"]], [[0, 1], [1, 0]]),
    ("StringLookup", {"vocabulary": ["a"], "output_mode": "multi_hot"}, ["a", "b", "a"], [1, 1]),
    ("StringLookup", {"vocabulary": ["a"], "output_mode": "count"}, [["a", "b", "a"]], [[1, 2]]),
    (
        "StringLookup",
        {"vocabulary": ["a", "b"], "idf_weights": [0.5, 1.0], "output_mode": "tf_idf", "num_oov_indices": 2}
        | {"mask_token": ""},
        [["a", "b", "", "x", "y"]],
        [[0.75, 0.75, 0.5, 1.0]],
    ),
    (
        "StringLookup",
        {"vocabulary": ["a", "b"], "invert": True, "mask_token": ""},
        [0, 1, 3, 9],
        ["", "[UNK]", "b", "[UNK]"],
    ),
    ("IntegerLookup", {"vocabulary": [1, 2], "num_oov_indices": 3}, [-1, -2, -7, 5, 6, 7, 100], [2, 1, 2, 2, 0, 1, 1]),
    (
        "IntegerLookup",
        {"vocabulary": [1], "num_oov_indices": 5, "oov_method": "farmhash"},
        np.array([4, 5, -6]),
        [3, 1, 3],
    ),
    (
        "IntegerLookup",
        {"vocabulary": [1], "num_oov_indices": 5, "oov_method": "farmhash", "salt": [3, 4]},
        np.array([4, 5, -6]),
        [1, 4, 1],
    ),
    ("IntegerLookup", {"vocabulary": [7, 9], "invert": True, "mask_token": 0}, [0, 1, 2, 3, 8], [0, -1, 7, 9, -1]),
    ("IntegerLookup", {"vocabulary": [2**40]}, np.array([2**40, 0]), [1, 0]),
    ("IntegerLookup", {"vocabulary": [5]}, np.array(["5", "6"]), [1, 0]),
    ("IntegerLookup", {"vocabulary": [5]}, np.array([5.0, 6.0]), [1, 0]),
]


@pytest.mark.parametrize(("name", "arguments", "inputs", "expected"), LOOKED_UP)
def test_lookup(name: str, arguments: dict[str, Any], inputs: Any, expected: Any) -> None:
    cls = getattr(layers, name)
    layer = cls(**arguments)
    again = cls.from_config(json.loads(json.dumps(layer.get_config())))
    carried = pickle.loads(pickle.dumps(layer))
    for one in (layer, again, carried):
        assert numpy(one(inputs)).tolist() == expected
    assert isinstance(layer.call(np.asarray(inputs)), np.ndarray)
    assert again.get_config() == layer.get_config()
    assert layer.compute_output_shape(np.shape(inputs)) == np.shape(expected)


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count", "tf_idf"])
@pytest.mark.parametrize(
    "special", [{}, {"num_oov_indices": 3}, {"mask_token": 0}, {"mask_token": 0, "num_oov_indices": 0}]
)
def test_numbers_are_looked_up_alike_on_host_and_device(mode: str, special: dict[str, Any]) -> None:
    inputs = np.array([[5, 9, -3, 12], [0, 7, 7, 5]] if special.get("num_oov_indices") != 0 else [[5, 9], [0, 7]])
    weights = {"idf_weights": [0.5, 1.0, 2.0]} if mode == "tf_idf" else {}
    layer = layers.IntegerLookup(vocabulary=[9, 5, 7], output_mode=mode, **special, **weights)
    start = keras.Input((inputs.shape[1],), dtype="int32")
    model = keras.Model(start, layer(start))
    host = layer.call(inputs)
    np.testing.assert_allclose(numpy(layer(ops.convert_to_tensor(inputs, "int32"))), host)
    np.testing.assert_allclose(model.predict(inputs.astype("int32"), verbose=0), host)
    assert model.output_shape == (None, *host.shape[1:])


@pytest.mark.parametrize(
    "column",
    [
        ["fig", "kiwi"],
        np.array(["fig", "kiwi"]),
        np.array([b"fig", b"kiwi"]),
        np.array(["fig", b"kiwi"], object),
        pd.Series(["fig", "kiwi"]),
        pd.Series(["fig", "kiwi"], dtype="category"),
        pd.Series(["fig", "kiwi"], dtype="string"),
    ],
    ids=lambda c: f"{type(c).__name__}-{getattr(c, 'dtype', '')}",
)
def test_text_may_come_as(column: Any) -> None:
    assert numpy(layers.StringLookup(vocabulary=FRUIT)(column)).tolist() == [3, 0]


def test_bytes_are_read_in_the_encoding() -> None:
    layer = layers.StringLookup(vocabulary=["é"], encoding="latin-1")
    assert numpy(layer(np.array(["é".encode("latin-1")]))).tolist() == [1]


# ---- adapting --------------------------------------------------------------------------------------------------------

ADAPTED: list[tuple[str, dict[str, Any], Any, list[Any]]] = [  # with ties as recorded from Keras
    ("StringLookup", {}, ["b", "a", "b"], ["[UNK]", "b", "a"]),
    ("StringLookup", {"mask_token": ""}, ["", "a", "a", "B", "b", "[UNK]"], ["", "[UNK]", "a", "b", "B"]),
    ("StringLookup", {}, ["", "a", "a", "B", "b", "[UNK]"], ["[UNK]", "a", "b", "B", ""]),
    (
        "StringLookup",
        {"max_tokens": 4, "num_oov_indices": 2},
        ["d", "a", "a", "B", "b", "c"],
        ["[UNK]", "[UNK]", "a", "d"],
    ),
    ("StringLookup", {"num_oov_indices": 0}, ["d", "a"], ["d", "a"]),
    ("IntegerLookup", {"mask_token": 0}, [5, 5, 3, 3, 1, 2, -1, -1, 0], [0, -1, 5, 3, 2, 1]),
]


@pytest.mark.parametrize(("name", "arguments", "data", "expected"), ADAPTED)
def test_adapt_orders_tokens_by_frequency(name: str, arguments: dict[str, Any], data: Any, expected: Any) -> None:
    streams: list[Any] = [data, np.array(data), ([x] for x in data), iter([(np.array(data), "label")])]
    for stream in streams:
        layer = getattr(layers, name)(**arguments)
        layer.adapt(stream)
        assert layer.get_vocabulary() == expected and layer.vocabulary_size() == len(expected)
        assert layer.get_vocabulary(include_special_tokens=False) == [t for t in expected if t in layer._known.tokens]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdefg"), min_size=3, max_size=3), min_size=2, max_size=8), st.data())
def test_vectors_are_counts_and_weights(rows: list[list[str]], draw: Any) -> None:
    queries = draw.draw(st.lists(st.lists(st.sampled_from("abcxyz"), min_size=4, max_size=4), min_size=1, max_size=4))
    counts = Counter(t for row in rows for t in row)
    tokens = sorted(counts, key=lambda t: (-counts[t], [-ord(c) for c in t]))
    idf = [math.log(1 + len(rows) / (1 + sum(t in row for row in rows))) for t in tokens]
    weights = [sum(idf) / len(idf), *idf]
    for mode in ("multi_hot", "count", "tf_idf"):
        layer = layers.StringLookup(output_mode=mode)
        layer.adapt(rows)
        assert layer.get_vocabulary() == ["[UNK]", *tokens]
        for query, made in zip(queries, numpy(layer(queries)), strict=True):
            found = [sum(t not in counts for t in query), *(query.count(t) for t in tokens)]
            wanted = {"multi_hot": [min(n, 1) for n in found], "count": found}.get(mode)
            np.testing.assert_allclose(made, wanted or np.multiply(found, weights), rtol=1e-5)


def test_states_are_kept_between_batches_until_finalized() -> None:
    layer = layers.StringLookup()
    layer.update_state([["a", "b"], ["a", "a"]])
    layer.update_state(["z"] * 4)
    layer.finalize_state()
    assert layer.get_vocabulary() == ["[UNK]", "z", "a", "b"]
    layer.reset_state()
    assert layer.get_vocabulary() == ["[UNK]", "z", "a", "b"]
    layer.adapt(["q"])
    assert layer.get_vocabulary() == ["[UNK]", "q"]


# ---- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("name", "arguments", "data"),
    [
        ("StringLookup", {"vocabulary": FRUIT}, None),
        ("StringLookup", {"mask_token": "", "num_oov_indices": 2}, ["a", "b", "a b", "é", "x\ny", "z\r", "[UNK]"]),
        ("StringLookup", {}, ["a", ""]),
        ("StringLookup", {"output_mode": "tf_idf"}, [["a", "b"], ["c", "a"]]),
        (
            "StringLookup",
            {"output_mode": "tf_idf", "max_tokens": 9, "pad_to_max_tokens": True},
            [["a", "b"], ["c", "a"]],
        ),
        ("IntegerLookup", {}, [4, 4, -2, 2**40]),
    ],
)
def test_vocabularies_are_saved(name: str, arguments: dict[str, Any], data: Any, zipped: bool, tmp_path: Path) -> None:
    layer = getattr(layers, name)(**arguments)
    if data is not None:
        layer.adapt(data)
    start = keras.Input((2,), dtype="string" if name == "StringLookup" else "int64")
    path = tmp_path / "model.keras"
    keras.saving.save_model(keras.Model(start, layer(start)), path, zipped=zipped)
    loaded = keras.saving.load_model(path).layers[-1]
    assert loaded.get_vocabulary() == layer.get_vocabulary()
    tokens = np.array([layer.get_vocabulary()[-2:]])
    np.testing.assert_array_equal(loaded.call(tokens), layer.call(tokens))


def test_files_of_keras_are_read() -> None:
    """The file was written by Keras 3.15 on TensorFlow; so were the outputs."""
    model = keras.saving.load_model(Path(__file__).parents[1] / "data" / "keras_lookups.keras")
    inputs = [[["a", "zz"], ["", "é"]], [[4, 9], [2, 2]], [["A b!"], ["c c"]]]
    expected: list[Any] = [
        [[6, 1], [0, 3]],
        [[0.6323733925819397, 0.5108255743980408, 0.0, 0.0], [1.2647466659545898, 0.0, 0.0, 0.0]],
        [[1, 1, 0], [0, 0, 2]],
        [[2, 3, 4, 0], [1, 1, 1, 0]],
        [[0.0, 0.6931471824645996, 0.0, 0.6931471824645996], [0.0, 0.0, 1.3862943649291992, 0.0]],
        [[1, 1], [2, 0]],
        [[3, 1], [3, 0]],
        [[1], [2]],
        [[2, 2], [1, 1]],
    ]
    for made, wanted in zip(model([np.array(x) for x in inputs]), expected, strict=True):
        np.testing.assert_allclose(numpy(made), wanted, rtol=1e-6)


def test_a_vocabulary_may_be_a_text_file(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("x\ny\nz\n", encoding="utf-8")
    (tmp_path / "numbers.txt").write_text("5\r\n7", encoding="utf-8", newline="")
    words = layers.StringLookup(vocabulary=str(tmp_path / "words.txt"))
    assert words.get_vocabulary() == ["[UNK]", "x", "y", "z"] and words.get_config()["vocabulary"] is None
    assert layers.IntegerLookup(vocabulary=tmp_path / "numbers.txt").get_vocabulary() == [-1, 5, 7]


# ---- errors ----------------------------------------------------------------------------------------------------------

ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: layers.StringLookup()(["a"]), ValueError, "adapt"),
    (lambda: layers.IntegerLookup()(np.array([1])), ValueError, "adapt"),
    (
        lambda: layers.StringLookup(vocabulary=["a"], num_oov_indices=0)(["a", "b"]),
        ValueError,
        "'b'.*num_oov_indices=1",
    ),
    (
        lambda: layers.IntegerLookup(vocabulary=[1], num_oov_indices=0)(np.array([4])),
        ValueError,
        "4.*num_oov_indices=1",
    ),
    (lambda: layers.StringLookup(vocabulary=["1"])(np.array([1])), TypeError, "IntegerLookup"),
    (lambda: layers.StringLookup(vocabulary=["1"])(np.array(["a", 3], object)), TypeError, "place 1"),
    (lambda: layers.StringLookup(vocabulary=["1"])(np.array(["a", None], object)), ValueError, "missing.*fillna"),
    (lambda: layers.StringLookup(vocabulary=["1"])(np.array(["a", np.nan], object)), ValueError, "place 1"),
    (lambda: layers.StringLookup(vocabulary=["1"])(pd.Series(["a", pd.NA], dtype="string")), ValueError, "missing"),
    (lambda: layers.StringLookup(vocabulary=["a"])(np.array([b"\xff"])), ValueError, "encoding"),
    (lambda: layers.StringLookup(vocabulary=["a"])([["a"], ["a", "b"]]), ValueError, "differ in length"),
    (lambda: layers.IntegerLookup(vocabulary=[1])(["x"]), TypeError, "StringLookup"),
    (lambda: layers.IntegerLookup(vocabulary=[1])(np.array([1.5])), ValueError, "1.5.*Discretization"),
    (lambda: layers.IntegerLookup(vocabulary=[1])(np.array([np.nan])), ValueError, "nan"),
    (lambda: layers.IntegerLookup(vocabulary=[1], vocabulary_dtype="int32"), ValueError, "int64"),
    (lambda: layers.IntegerLookup(vocabulary=[1], salt=3), ValueError, "farmhash"),
    (lambda: layers.IntegerLookup(oov_method="sha"), ValueError, "floormod"),
    (lambda: layers.StringLookup(vocabulary=["a", "a"]), ValueError, "repeat"),
    (lambda: layers.StringLookup(vocabulary=[]), ValueError, "empty"),
    (lambda: layers.StringLookup(vocabulary=["a", ""], mask_token=""), ValueError, "mask token"),
    (lambda: layers.StringLookup(vocabulary=["a", "b", "c"], max_tokens=2), ValueError, "max_tokens=2"),
    (lambda: layers.StringLookup(max_tokens=1), ValueError, "max_tokens"),
    (lambda: layers.StringLookup(num_oov_indices=-1), ValueError, "num_oov_indices"),
    (lambda: layers.StringLookup(output_mode="binary"), ValueError, "one_hot"),
    (lambda: layers.StringLookup(sparse=True), ValueError, "sparse"),
    (lambda: layers.StringLookup(pad_to_max_tokens=True), ValueError, "max_tokens"),
    (lambda: layers.StringLookup(invert=True, output_mode="count"), ValueError, "invert"),
    (lambda: layers.StringLookup(vocabulary=["a"], output_mode="tf_idf"), ValueError, "idf_weights"),
    (lambda: layers.StringLookup(vocabulary=["a"], idf_weights=[1.0]), ValueError, "tf_idf"),
    (lambda: layers.StringLookup(vocabulary=["a"], idf_weights=[1, 2], output_mode="tf_idf"), ValueError, "received 2"),
    (lambda: layers.StringLookup(vocabulary=["a"]).adapt(["b"]), ValueError, "nothing to adapt"),
    (lambda: layers.StringLookup().adapt([]), ValueError, "no data"),
    (lambda: layers.StringLookup().adapt(["[UNK]"]), ValueError, "no token"),
    (lambda: layers.StringLookup.from_config({"vocabulary": "/etc/passwd"}), ValueError, "not read"),
    (lambda: layers.TextVectorization.from_config({"vocabulary": "/etc/passwd"}), ValueError, "not read"),
    (lambda: layers.Hashing(0), ValueError, "num_bins"),
    (lambda: layers.Hashing(3, salt=[1, 2, 3]), ValueError, "salt"),
    (lambda: layers.Hashing(3, dtype="float32"), ValueError, "int64"),
    (lambda: layers.Hashing(3)(np.array([1.5])), TypeError, "Discretization"),
    (lambda: layers.HashedCrossing(3)([np.array(["a"])]), ValueError, "two or more"),
    (lambda: layers.HashedCrossing(3)([np.array(["a"]), np.array([1.5])]), TypeError, "whole numbers"),
    (lambda: layers.HashedCrossing(3)([np.array(["a", "b"]), np.array([1])]), ValueError, "one shape"),
    (lambda: layers.Normalization().adapt(np.array([[1.0], [np.nan]])), ValueError, "1 of 2 values.*missing"),
    (lambda: layers.Normalization().adapt(np.array([["a"]])), TypeError, "numbers"),
    (lambda: layers.Discretization(num_bins=2).adapt(np.array(["a"])), TypeError, "numbers"),
    (lambda: layers.Discretization(num_bins=2).adapt(np.array([np.nan])), ValueError, "no data"),
]


@pytest.mark.parametrize(("make", "kind", "words"), ERRORS)
def test_errors_name_the_place_and_the_way_out(make: Callable[[], Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=rf"(?s){words}"):
        make()


# ---- streams of numbers ----------------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize("order", ["rising", "falling", "shuffled", "teeth"])
def test_sketches_find_quantiles_of_long_streams(order: str) -> None:
    n = 1 << 16
    x = np.arange(n, dtype="float32")
    x = {"falling": x[::-1], "shuffled": np.random.default_rng(1).permutation(x), "teeth": x.reshape(64, -1).T}.get(
        order, x
    )
    sketch = QuantileSketch(size=1 << 10)
    for batch in np.array_split(np.ravel(x), 37):
        sketch.update(batch)
    shares = np.linspace(0.05, 0.95, 19)
    assert sketch.count == n
    assert sum(b.size for b in sketch._blocks.values()) <= 7 << 10
    np.testing.assert_allclose(sketch.quantiles(shares) / n, shares, atol=6 / 2 / (1 << 10))


@pytest.mark.once
def test_merged_sketches_have_seen_all() -> None:
    one, two = QuantileSketch(size=256), QuantileSketch(size=256)
    one.update(np.arange(0, 5000.0))
    two.update(np.arange(5000.0, 10000))
    one.merge(two)
    assert one.count == 10000
    np.testing.assert_allclose(one.quantiles([0.25, 0.5, 0.75]), [2500, 5000, 7500], atol=100)
    with pytest.raises(ValueError, match="blocks of 256"):
        one.merge(QuantileSketch(size=128))


def batches() -> Iterator[np.ndarray]:
    generator = np.random.default_rng(3)
    for rows in (5, 1, 700, 64):
        yield generator.normal(3, 2, (rows, 2)).astype("float32")


def test_streams_and_arrays_adapt_alike() -> None:
    whole = np.concatenate(list(batches()))
    pairs = [[kind(), kind()] for kind in (layers.Normalization, lambda: layers.Discretization(num_bins=7))]
    for one, other in pairs:
        one.adapt(batches())
        other.adapt(whole)
        np.testing.assert_allclose(numpy(one(whole)), numpy(other(whole)), rtol=1e-5, atol=1e-6)
    expected = np.quantile(whole.ravel(), np.arange(1, 7) / 7, method="interpolated_inverted_cdf")
    np.testing.assert_allclose(pairs[1][0].bin_boundaries, expected, rtol=1e-6)


@pytest.mark.once
@pytest.mark.parametrize("kind", [layers.Normalization, lambda: layers.Discretization(num_bins=32)])
def test_long_streams_take_bounded_memory(kind: Callable[[], Any]) -> None:
    layer = kind()
    rows = np.ones((1 << 16, 1), "float32")
    tracemalloc.start()
    layer.adapt(rows * i for i in range(256))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.3 * 256 * rows.nbytes


def test_adapted_bins_survive_their_config() -> None:
    layer = layers.Discretization(num_bins=3)
    layer.adapt([0.1, 0.5, 0.9, 0.4])
    again = layers.Discretization.from_config(layer.get_config())
    assert again.bin_boundaries == layer.bin_boundaries and again.get_config() == layer.get_config()


@pytest.mark.parametrize(
    "layer", [layers.CategoryEncoding(3), layers.Discretization([0.0]), layers.Normalization(), layers.Rescaling(2.0)]
)
def test_weights_need_no_conversion(layer: Any) -> None:
    weight = np.ones(2)
    assert layer.convert_weight(weight) is weight


def test_values_without_an_index_are_named_inside_a_model_too() -> None:
    lookup = layers.IntegerLookup(vocabulary=[1, 2, 3], num_oov_indices=0)
    model = keras.Sequential([keras.Input((1,), dtype="int64"), lookup, layers.Embedding(3, 2)])
    assert model.predict(np.array([[1], [3]]), verbose=0).shape == (2, 1, 2)
    for run in (model, lambda x: model.predict(x, verbose=0)):
        with pytest.raises(ValueError, match=r"\[5\], and num_oov_indices=0"):
            run(np.array([[1], [5]]))
