"""Objects as data in the form of Keras 2."""

from typing import Any

import pytest

import tahr as keras
from tahr import legacy, utils

pytestmark = pytest.mark.once


class Own(keras.layers.Layer):
    """A layer of a user."""

    def __init__(self, size: int = 1):
        super().__init__()
        self.size = size


def twice(x: Any) -> Any:
    return 2 * x


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (keras.regularizers.L2(0.5), "L2"),
        (keras.layers.Dense(3, activation="relu", name="d"), "Dense"),
        (keras.optimizers.SGD(0.5, momentum=0.1), "SGD"),
    ],
)
def test_objects_go_and_come(made: Any, name: str) -> None:
    written = legacy.saving.serialize_keras_object(made)
    assert written["class_name"] == name and set(written) == {"class_name", "config"}
    again = legacy.saving.deserialize_keras_object(written, {name: type(made)})
    assert type(again) is type(made) and again.get_config() == made.get_config()


def test_names_and_functions() -> None:
    serialize, deserialize = legacy.saving.serialize_keras_object, legacy.saving.deserialize_keras_object
    assert serialize(None) is deserialize(None) is None
    assert serialize(twice) == "twice" and deserialize(twice) is twice
    assert deserialize("twice", {"twice": twice}) is twice
    assert deserialize("L1", {"L1": keras.regularizers.L1}).l1 == pytest.approx(0.01)
    own = serialize(Own(4))
    assert deserialize(own, custom_objects={"Own": Own}).size == 4
    assert utils.legacy.serialize_keras_object is serialize


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("none such", "Unknown thing 'none such'"),
        ({"class_name": "NoneSuch", "config": {}}, "Unknown thing 'NoneSuch'"),
        ({"name": 1}, "Expected thing"),
        (3, "Expected thing"),
    ],
)
def test_refusals(identifier: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        legacy.saving.deserialize_keras_object(identifier, {}, printable_module_name="thing")
    with pytest.raises(ValueError, match="a name"):
        legacy.saving.serialize_keras_object(3)
