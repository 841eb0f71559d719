"""Windows over a series, and data in two parts."""

from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import utils

pytestmark = pytest.mark.once


def windows_by_hand(data: Any, targets: Any, length: int, stride: int, rate: int, start: int, stop: int) -> Any:
    found = []
    for at in range(start, stop, stride):
        times = [at + i * rate for i in range(length)]
        if times[-1] < stop and (targets is None or at < len(targets)):
            found.append(([data[t] for t in times], None if targets is None else targets[at]))
    return found


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("rate", [1, 2])
@pytest.mark.parametrize(("start", "stop"), [(None, None), (4, None), (None, 25), (5, 21)])
@pytest.mark.parametrize("targets", ["none", "all", "fewer"])
def test_windows(stride: int, rate: int, start: int | None, stop: int | None, targets: str) -> None:
    data = np.arange(30) * 2.0
    wanted = {"none": None, "all": np.arange(30), "fewer": np.arange(12)}[targets]
    found = utils.timeseries_dataset_from_array(
        data, wanted, 4, stride, rate, batch_size=5, start_index=start, end_index=stop
    )
    expected = windows_by_hand(data, wanted, 4, stride, rate, start or 0, stop or 30)
    batches = [b if isinstance(b, tuple) else (b, None) for b in found]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in batches]), [x for x, _ in expected])
    if wanted is not None:
        np.testing.assert_array_equal(np.concatenate([y for _, y in batches]), [y for _, y in expected])


def test_windows_in_new_orders_and_alone() -> None:
    found = utils.timeseries_dataset_from_array(np.arange(20), np.arange(20), 3, shuffle=True, seed=1, batch_size=6)
    orders = [[int(t) for _, y in found for t in y] for _ in range(2)]
    assert orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1]) == list(range(18))
    assert all((x[:, 0] == y).all() for x, y in found)
    single = utils.timeseries_dataset_from_array(np.ones((9, 2)), None, 3, batch_size=None)
    assert len(single) == 7 and single[0].shape == (3, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sequence_length": 0}, "sequence_length"),
        ({"sequence_length": 3, "sequence_stride": 0}, "sequence_stride"),
        ({"sequence_length": 3, "sampling_rate": 11}, "sampling_rate"),
        ({"sequence_length": 3, "start_index": 10}, "start_index"),
        ({"sequence_length": 3, "start_index": 4, "end_index": 4}, "end_index"),
        ({"sequence_length": 3, "start_index": 8}, "There is no window: 2 times"),
        ({"sequence_length": 3, "format": "x"}, "format"),
    ],
)
def test_windows_that_are_not(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        utils.timeseries_dataset_from_array(np.arange(10), None, **options)


class Items:
    """What PyTorch calls a dataset: a length and items."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> Any:
        return np.full(2, index), index


DATA = {
    "array": np.arange(10),
    "pair": (np.arange(10), np.arange(10) * 2),
    "list": [np.arange(10), np.arange(10) * 2],
    "dict": {"a": np.arange(10), "b": np.arange(20).reshape(10, 2)},
    "plain list": list(range(10)),
    "dataset": Items(),
    "generator": None,
    "batches": [(np.full((4, 1), i), np.full(4, i)) for i in range(10)],
}


def first_number(sample: Any) -> int:
    while isinstance(sample, (tuple, dict)):
        sample = next(iter(sample.values())) if isinstance(sample, dict) else sample[0]
    return int(np.ravel(sample)[0])


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize(
    ("sizes", "left", "right"),
    [
        ({"left_size": 0.8}, range(8), range(8, 10)),
        ({"right_size": 3}, range(7), range(7, 10)),
        ({"left_size": 2, "right_size": 3}, range(2), range(7, 10)),
        ({"left_size": 0.25, "right_size": 0.75}, range(2), range(2, 10)),
    ],
)
def test_splits(name: str, sizes: dict[str, Any], left: range, right: range) -> None:
    data = (i for i in range(10)) if name == "generator" else DATA[name]
    parts = utils.split_dataset(data, **sizes)
    assert [[first_number(sample) for sample in part] for part in parts] == [list(left), list(right)]
    assert [len(part) for part in parts] == [len(left), len(right)]


def test_rows_become_batches() -> None:
    left, _ = utils.split_dataset(DATA["pair"], left_size=7, shuffle=True, seed=2)
    batches = list(left.batch(3))
    assert [len(x) for x, _ in batches] == [3, 3, 1] and len(left.batch(3, drop_remainder=True)) == 2
    assert all((y == 2 * x).all() for x, y in batches)
    again, _ = utils.split_dataset(DATA["pair"], left_size=7, shuffle=True, seed=2)
    assert [int(x) for x, _ in left] == [int(x) for x, _ in again] != list(range(7))


def test_a_split_pydataset_trains_on_its_batches() -> None:
    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> Any:
            return np.full((5, 2), float(index))

    _, right = utils.split_dataset(Batches(), left_size=3)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Rescaling(2.0)])
    np.testing.assert_allclose(model.predict(right, verbose=0), np.full((5, 2), 6.0))


@pytest.mark.parametrize(
    ("data", "sizes", "error", "message"),
    [
        (np.arange(10), {}, ValueError, "left_size, right_size or both"),
        (np.arange(10), {"left_size": 0}, ValueError, "from 1 to 9"),
        (np.arange(10), {"left_size": 1.5}, ValueError, "share between 0 and 1"),
        (np.arange(10), {"left_size": "5"}, TypeError, "left_size"),
        (np.arange(10), {"left_size": 6, "right_size": 5}, ValueError, "more than all 10 rows"),
        (np.arange(10), {"left_size": 0.7, "right_size": 0.5}, ValueError, "more than all"),
        (np.arange(10), {"left_size": 0.01}, ValueError, "0 go to the left"),
        ((np.arange(10), np.arange(9)), {"left_size": 2}, ValueError, "one length"),
        (7, {"left_size": 2}, TypeError, "int"),
        (np.arange(10), {"left_size": 2, "preferred_backend": "x"}, ValueError, "preferred_backend"),
    ],
)
def test_splits_that_are_not(data: Any, sizes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        utils.split_dataset(data, **sizes)


@pytest.mark.trains
@pytest.mark.parametrize("workers", [1, 2])
def test_models_train_on_windows(workers: int) -> None:
    series = np.arange(30, dtype="float32")[:, None] / 30
    data = keras.utils.timeseries_dataset_from_array(series[:-4], series[4:], sequence_length=4, batch_size=8)
    data.workers = workers
    model = keras.Sequential([keras.Input((4, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    assert len(model.fit(data, epochs=2, verbose=0).epoch) == 2
    assert int(model.optimizer.iterations.numpy()) == 2 * len(data)
