"""The named values of an experiment."""

import copy
import json
import pickle

import pytest

from tahr.utils import Config

pytestmark = pytest.mark.once


def test_values() -> None:
    config = Config(rate=0.1, units=[1, 2])
    config.momentum = 0.9
    config["seed"] = 3
    assert config.seed == 3 and config["rate"] == config.rate == 0.1 and config.get("none", 5) == 5
    assert list(config) == list(config.keys()) == ["rate", "units", "momentum", "seed"] and len(config) == 4
    assert dict(config.items()) == config.as_dict() == json.loads(config.to_json()) and 0.9 in config.values()
    del config.momentum
    config.update({"rate": 0.2}, more=1)
    assert config.pop("seed") == 3 and config.pop("seed", None) is None
    assert config == Config(rate=0.2, units=[1, 2], more=1) and "rate" in config and "seed" not in config
    for other in (copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert other == config


def test_frozen() -> None:
    config = Config(rate=0.1)
    config.freeze()
    assert config.frozen and config.rate == 0.1
    for change in (
        lambda: setattr(config, "rate", 1),
        lambda: config.__setitem__("rate", 1),
        lambda: config.update(rate=1),
        lambda: config.pop("rate"),
        lambda: delattr(config, "rate"),
    ):
        with pytest.raises(ValueError, match="frozen"):
            change()
    config.unfreeze()
    config.rate = 2
    assert config.rate == 2


def test_names_that_are_not() -> None:
    config = Config()
    with pytest.raises(AttributeError, match="no value 'rate'"):
        config.rate  # noqa: B018
    with pytest.raises(KeyError):
        config["rate"]
    with pytest.raises(AttributeError, match="its own"):
        config.items = 3
