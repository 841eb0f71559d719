"""`FeatureSpace`: columns against NumPy, shapes of data, crosses, files, and errors."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tahr as keras
from tahr import layers, ops
from tahr.utils import FeatureSpace

TABLE: dict[str, list[Any]] = {
    "plain": [0.1, 0.2, 0.3, 0.4],
    "normal": [1.0, 2.0, 3.0, 4.0],
    "scaled": [1.0, 2.0, 3.0, 4.0],
    "binned": [0.1, 0.5, 0.9, 0.4],
    "code": [1, 2, 2, 5],
    "word": ["x", "y", "y", "zz"],
    "id": [1, 5, 9, 1],
    "tag": ["p", "q", "r", "p"],
}
HOT = np.eye(10)


def numpy(x: Any) -> np.ndarray:
    return x if isinstance(x, np.ndarray) else np.asarray(ops.convert_to_numpy(x))


def space(**options: Any) -> FeatureSpace:
    features = {
        "plain": "float",
        "normal": FeatureSpace.float_normalized(),
        "scaled": FeatureSpace.float_rescaled(scale=2.0, offset=1.0),
        "binned": FeatureSpace.float_discretized(num_bins=3),
        "code": "integer_categorical",
        "word": FeatureSpace.string_categorical(),
        "id": FeatureSpace.integer_hashed(num_bins=5),
        "tag": FeatureSpace.string_hashed(num_bins=4),
    }
    crosses = [("word", "id"), FeatureSpace.cross(("code", "tag"), crossing_dim=6)]
    return FeatureSpace(features, crosses=crosses, crossing_dim=7, **options)


def expected() -> dict[str, np.ndarray]:
    """What the columns become; the bins of hashes and crosses are recorded from Keras 3.15."""
    normal = np.array(TABLE["normal"])
    return {
        "binned": HOT[[0, 2, 2, 1], :3],
        "code": HOT[[3, 1, 1, 2], :4],
        "id": HOT[[4, 1, 0, 4], :5],
        "normal": ((normal - normal.mean()) / normal.std())[:, None],
        "plain": np.array(TABLE["plain"])[:, None],
        "scaled": (normal * 2 + 1)[:, None],
        "tag": HOT[[1, 1, 1, 1], :4],
        "word": HOT[[3, 1, 1, 2], :4],
        "code_X_tag": HOT[[0, 3, 3, 0], :6],
        "word_X_id": HOT[[6, 0, 6, 5], :7],
    }


def rows() -> list[dict[str, Any]]:
    return [{name: column[i] for name, column in TABLE.items()} for i in range(4)]


def halves() -> list[dict[str, Any]]:
    return [{name: np.array(column[i : i + 2]) for name, column in TABLE.items()} for i in (0, 2)]


SOURCES: list[Callable[[], Any]] = [
    lambda: TABLE,
    lambda: pd.DataFrame(TABLE),
    rows,
    halves,
    lambda: iter(rows()),
    lambda: ((half, "label") for half in halves()),
]


@pytest.mark.parametrize("source", SOURCES)
def test_columns_become_numbers(source: Callable[[], Any]) -> None:
    made = space(output_mode="dict")
    made.adapt(source())
    found = made(TABLE)
    assert list(found) == list(expected())
    for name, wanted in expected().items():
        np.testing.assert_allclose(numpy(found[name]), wanted, rtol=1e-5, atol=1e-6, err_msg=name)


def test_columns_are_joined_in_alphabetical_order() -> None:
    made = space()
    made.adapt(TABLE)
    wanted = np.concatenate(list(expected().values()), axis=1)
    columns = {name: np.array(column)[:, None] for name, column in TABLE.items()}
    for data in (TABLE, pd.DataFrame(TABLE), columns, {**TABLE, "further": [0] * 4}):
        np.testing.assert_allclose(numpy(made(data)), wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(numpy(made(rows()[1])), wanted[1], rtol=1e-5, atol=1e-6)
    assert made.get_encoded_features().shape == (None, wanted.shape[1])
    assert {name: (x.shape, x.dtype) for name, x in made.get_inputs().items()} == {
        name: ((None, 1), {int: "int32", str: "string"}.get(type(column[0]), "float32"))
        for name, column in TABLE.items()
    }


def test_a_space_is_carried_saved_and_read(tmp_path: Path) -> None:
    made = space()
    made.adapt(TABLE)
    made.save(tmp_path / "space.keras")
    loaded = keras.saving.load_model(tmp_path / "space.keras")
    assert json.dumps(loaded.get_config()) == json.dumps(made.get_config())
    for other in (loaded, pickle.loads(pickle.dumps(made))):
        np.testing.assert_allclose(numpy(other(TABLE)), numpy(made(TABLE)))


def test_a_model_takes_raw_columns(tmp_path: Path) -> None:
    made = space()
    made.adapt(TABLE)
    model = keras.Model(made.get_inputs(), layers.Dense(2)(made.get_encoded_features()))
    columns = {name: np.array(column)[:, None] for name, column in TABLE.items()}
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    wanted = numpy(made(TABLE)) @ model.layers[-1].kernel.numpy()
    for one in (model, loaded):
        np.testing.assert_allclose(numpy(ops.stop_gradient(one(columns))), wanted, rtol=1e-4, atol=1e-5)


def test_indices_and_layers_of_ones_own() -> None:
    features = {
        "word": FeatureSpace.string_categorical(output_mode="int"),
        "bins": FeatureSpace.float_discretized(num_bins=3, bin_boundaries=[0.0, 1.0], output_mode="int"),
        "number": FeatureSpace.feature("float32", layers.Rescaling(3.0), "float"),
    }
    made = FeatureSpace(
        features, output_mode="dict", crosses=[FeatureSpace.cross(("word", "bins"), 7, output_mode="int")]
    )
    made.adapt({"word": ["u", "v", "v"]})
    found = made({"word": ["v", "w"], "bins": [-1.0, 0.5], "number": [1.0, 2.0]})
    assert {n: numpy(x).ravel().tolist() for n, x in found.items() if n != "word_X_bins"} == {
        "bins": [0, 1],
        "number": [3.0, 6.0],
        "word": [1, 0],
    }
    assert tuple(found["word_X_bins"].shape) == (2, 1)


def test_plain_numbers_need_no_data() -> None:
    assert numpy(FeatureSpace({"x": "float"})({"x": [1.0, 2.0]})).tolist() == [[1.0], [2.0]]


def adapted(**options: Any) -> FeatureSpace:
    made = space(**options)
    made.adapt(TABLE)
    return made


def joined_indices() -> Any:
    made = FeatureSpace({"word": FeatureSpace.string_categorical(output_mode="int"), "x": "float"})
    made.adapt({"word": ["a"]})
    return made({"word": ["a"], "x": [1.0]})


ERRORS: list[tuple[Callable[[], Any], str]] = [
    (lambda: FeatureSpace({}), "features"),
    (lambda: FeatureSpace({"a": "bogus"}), "'a'.*'bogus'.*float_normalized"),
    (lambda: FeatureSpace({"a": "float"}, output_mode="list"), "concat"),
    (lambda: FeatureSpace({"a": "float"}, crosses=[("a", "b")]), "'b'"),
    (lambda: FeatureSpace.string_categorical(output_mode="multi_hot"), "one_hot"),
    (lambda: FeatureSpace.cross(("a", "b"), 3, output_mode="float"), "one_hot"),
    (lambda: space()(TABLE), "adapt"),
    (lambda: space().get_inputs(), "adapt"),
    (lambda: space().adapt({"plain": [1.0]}), "lacks the column"),
    (lambda: space().adapt(iter([])), "no data"),
    (lambda: space().adapt([np.ones(3)]), "expected dicts"),
    (lambda: adapted()({"plain": [1.0]}), "lacks the column"),
    (lambda: adapted()(np.ones(3)), "expected a dict"),
    (joined_indices, "'word'.*one_hot"),
]


@pytest.mark.parametrize(("make", "words"), ERRORS)
def test_errors_name_the_place_and_the_way_out(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=rf"(?s){words}"):
        make()
