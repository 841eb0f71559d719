"""Checkpoints in the format of Orbax, read back by Orbax itself."""

from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp
import pytest

import tahr as keras
from tahr import callbacks, layers

pytestmark = pytest.mark.trains
X, Y = np.ones((8, 1), "float32"), np.zeros((8, 1), "float32")


def trained(*more: Any, **given: Any) -> Any:
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(X, Y, batch_size=2, epochs=3, verbose=0, callbacks=[callbacks.OrbaxCheckpoint(*more, **given)])
    return model


def steps_and_state(folder: Path) -> tuple[list[int], Any]:
    with ocp.CheckpointManager(folder) as manager:
        steps = sorted(manager.all_steps())
        return steps, manager.restore(steps[-1], args=ocp.args.StandardRestore())


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        ({}, [2]),
        ({"max_to_keep": None, "save_on_background": False}, [0, 1, 2]),
        ({"max_to_keep": 2, "save_freq": 2}, [10, 12]),
        ({"monitor": "loss", "save_best_only": True, "initial_value_threshold": 1e9, "max_to_keep": 3}, [0, 1, 2]),
    ],
)
def test_what_is_kept(given: Any, steps: list[int], tmp_path: Path) -> None:
    model = trained(tmp_path, **given)
    found, state = steps_and_state(tmp_path)
    assert found == steps
    everything = [v.numpy() for v in (*model.variables, *model.optimizer.variables)]
    for v in (*model.variables, *model.optimizer.variables):
        v.assign(np.zeros(v.shape, v.dtype))
    model.set_state_tree(state)
    for variable, value in zip((*model.variables, *model.optimizer.variables), everything, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_weights_only(tmp_path: Path) -> None:
    trained(tmp_path, save_weights_only=True)
    assert list(steps_and_state(tmp_path)[1]) == ["trainable_variables"]


def test_only_the_best(tmp_path: Path) -> None:
    trained(tmp_path, monitor="loss", save_best_only=True, initial_value_threshold=-1.0)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="val_los"):
        trained(tmp_path, monitor="val_los", save_best_only=True)
    with pytest.raises(ValueError, match="number of batches"):
        trained(tmp_path, save_freq=0)
