"""`Config`: the named values of an experiment."""

import json
from collections.abc import Iterator
from typing import Any

__all__ = ["Config"]


class Config:
    """Named values, read and set as attributes or as entries, which can be frozen.

    >>> config = keras.utils.Config(learning_rate=0.1)
    >>> config.momentum = 0.9
    >>> config["learning_rate"], config.as_dict()
    (0.1, {'learning_rate': 0.1, 'momentum': 0.9})
    """

    __slots__ = ("_frozen", "_values")

    _frozen: bool
    _values: dict[str, Any]

    def __init__(self, **kwargs: Any):
        object.__setattr__(self, "_frozen", False)
        object.__setattr__(self, "_values", dict(kwargs))

    @property
    def frozen(self) -> bool:
        """Whether values can be read only."""
        return self._frozen

    def freeze(self) -> None:
        """Let values be read only."""
        object.__setattr__(self, "_frozen", True)

    def unfreeze(self) -> None:
        """Let values be changed again."""
        object.__setattr__(self, "_frozen", False)

    def _check_open(self) -> None:
        if self._frozen:
            raise ValueError("Config: it is frozen, so its values cannot change. Call `unfreeze()` first.")

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._check_open()
        self._values[name] = value

    def __delitem__(self, name: str) -> None:
        self._check_open()
        del self._values[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in Config.__slots__ or name not in self._values:
            raise AttributeError(f"Config has no value {name!r}.")
        return self._values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(type(self), name):
            raise AttributeError(f"Config: {name!r} is its own; set config[{name!r}] instead, and read it so.")
        self[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in self._values:
            raise AttributeError(f"Config has no value {name!r}.")
        del self[name]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return self._values == (other._values if isinstance(other, Config) else other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Config {self._values!r}>"

    def __getstate__(self) -> tuple[bool, dict[str, Any]]:
        return self._frozen, self._values

    def __setstate__(self, state: tuple[bool, dict[str, Any]]) -> None:
        object.__setattr__(self, "_frozen", state[0])
        object.__setattr__(self, "_values", dict(state[1]))

    def get(self, keyname: str, value: Any = None) -> Any:
        """Return the value of a name, or `value` if there is none."""
        return self._values.get(keyname, value)

    def keys(self) -> Any:
        """Return the names."""
        return self._values.keys()

    def values(self) -> Any:
        """Return the values."""
        return self._values.values()

    def items(self) -> Any:
        """Return pairs of names and values."""
        return self._values.items()

    def pop(self, *args: Any) -> Any:
        """Take a value out by its name, and return it; a second argument is returned if there is none."""
        self._check_open()
        return self._values.pop(*args)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set values as `dict.update` does."""
        self._check_open()
        self._values.update(*args, **kwargs)

    def as_dict(self) -> dict[str, Any]:
        """Return a new dict of the values."""
        return dict(self._values)

    def to_json(self) -> str:
        """Return the values as JSON text."""
        return json.dumps(self._values)
