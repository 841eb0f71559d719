"""Names of logs: the accuracy was reported as `acc` before Keras 2.3, and often is asked for so."""

from collections.abc import Iterable
from typing import Any

from tahr.compat.notices import notice

__all__ = ["Epochs", "today_of_log"]


def today_of_log(name: str, names: Iterable[str]) -> str:
    """Return the log that an old name of the accuracy stands for among those there are, else the name itself.

    >>> from tahr.compat.logs import today_of_log
    >>> today_of_log("val_loss", ["loss", "val_loss"])
    'val_loss'
    """
    names = list(names)
    prefix = "val_" if name.startswith("val_") else ""
    today = {"acc": f"{prefix}accuracy", "accuracy": f"{prefix}acc"}.get(name.removeprefix("val_"))
    if today is None or name in names or today not in names:
        return name
    if name.endswith("acc"):
        notice(f"the log {name!r}", f"it is called {today!r}")
    return today


class Epochs(dict[str, list[Any]]):
    """Lists of metrics by name, which understands old names of logs when they are looked up."""

    def __missing__(self, name: str) -> list[Any]:
        today = today_of_log(name, self) if isinstance(name, str) else name
        if today == name:
            raise KeyError(name)
        return self[today]
