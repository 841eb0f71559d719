"""`Training`: where a `fit` is, as data, and how to go on from there."""

from typing import Any

import numpy as np

from tahr import naming
from tahr.random import host_state, set_host_state
from tahr.variables import Variable

__all__ = ["Training"]


class Training:
    """Everything that the rest of a training depends on.

    Args:
        model: the model that is trained.
        callbacks: those whose state belongs to it.
        session: the state on the device; None, in a loop of the user's own, for that of the model.
        source: the data, or None.
        validation: the data for validation, or None.

    Attributes:
        epoch: the epoch at work, counted from 0.
        step: number of batches of it that are done.
        steps: number of batches done since the first epoch.
        logs: the last metrics that a step returned itself, or those of the last epoch; None if the accumulators say.
        evaluating: whether validation is at work.
        waiting: the share of each epoch's time that was spent waiting for data.
        waited: seconds of it in all.
        feed: what the batches of the epoch at work come from.
    """

    def __init__(
        self, model: Any, callbacks: list[Any], session: Any = None, source: Any = None, validation: Any = None
    ):
        self.model, self.callbacks = model, callbacks
        self.own_loop = session is None
        self._session = session
        self.sources = {"source": source, "validation": validation}
        self.epoch = self.step = self.steps = 0
        self.logs: dict[str, Any] | None = None
        self.waiting: list[float] = []
        self.waited = 0.0
        self.feed: Any = None
        self._held: dict[str, Any] | None = None

    @property
    def session(self) -> Any:
        """The state on the device as it is now."""
        from tahr.trainer.session import session_of

        return session_of(self.model) if self._session is None else self._session

    # ---- position -----------------------------------------------------------------------------------------------

    def begin_epoch(self, epoch: int) -> None:
        """Note that an epoch begins."""
        self.epoch, self.step, self.logs = epoch, 0, None

    def advance(self, step: int) -> None:
        """Note that `step` batches of the epoch are done."""
        self.steps += step - self.step
        self.step = step

    def end_epoch(self, logs: dict[str, Any] | None) -> None:
        """Note that the epoch is over: what is saved from now on goes on with the next one."""
        self.epoch, self.step, self.logs = self.epoch + 1, 0, None if logs is None else dict(logs)

    @property
    def evaluating(self) -> bool:
        return self._held is not None

    def begin_evaluation(self, logs: dict[str, Any] | None) -> None:
        """Keep what validation changes, so that a state taken meanwhile is that of before, with these `logs`."""
        kept = [*self.session.groups["metrics"], *self.model.non_trainable_variables]
        self._held = {
            "values": {id(v): np.array(v.numpy()) for v in kept},
            "validation": _state_of(self.sources["validation"]),
        }
        self.logs = None if logs is None else dict(logs)

    def end_evaluation(self) -> None:
        """Note that validation is over."""
        self._held = None

    # ---- as data ------------------------------------------------------------------------------------------------

    def state_dict(self, copy: bool = False) -> dict[str, Any]:
        """Return the whole state as nested dicts and lists of numbers, text and arrays.

        Args:
            copy: whether the arrays are the caller's own; else they have to be used before the next step.
        """
        held = self._held or {"values": {}}
        groups = {
            name: [_describe(v, held["values"].get(id(v)), copy) for v in variables]
            for name, variables in self.session.groups.items()
            if name != "metrics" or (self.step and not self.own_loop)  # which every epoch begins anew
        }
        sources = {name: held.get(name, _state_of(source)) for name, source in self.sources.items()}
        return {
            "position": {"epoch": self.epoch, "step": self.step, "steps": self.steps},
            "stop_training": bool(self.model.stop_training),
            "logs": self.logs,
            "variables": groups,
            "callbacks": {name: callback.state_dict() for name, callback in _named(self.callbacks)},
            "random": host_state(),
            **sources,
        }

    def load_state_dict(self, state: dict[str, Any], where: str) -> list[str]:
        """Go back to a state, and return what could not be given to anyone, in words.

        Raises:
            ValueError: if it belongs to another model, optimizer, metrics or data; nothing has changed then.
        """
        position = state["position"]
        if any(len(self.session.groups[name]) < len(entries) for name, entries in state["variables"].items()):
            self._make_variables()
        named = dict(_named(self.callbacks))
        pairs = self._pairs(state["variables"], where)
        for name, source in self.sources.items():
            if source is not None and state.get(name) is not None:
                source.check_state(state[name], middle=name == "source" and position["step"] > 0, where=where)
        for variable, value in pairs:
            variable.assign(value)
        self.session.settle()
        for name, source in self.sources.items():
            if source is not None and state.get(name) is not None:
                source.load_state_dict(state[name])
        for name, callback in named.items():
            if name in state["callbacks"]:
                callback.load_state_dict(state["callbacks"][name])
        self.epoch, self.step, self.steps = position["epoch"], position["step"], position["steps"]
        self.logs = state["logs"]
        self.model.stop_training = state["stop_training"]
        set_host_state(state["random"])
        lost = [name for name, kept in state["callbacks"].items() if kept and name not in named]
        return [f"there is no callback {name} any more, so its state is dropped" for name in lost]

    def _make_variables(self) -> None:
        """Make the variables that are otherwise made with the first batch: those of some metrics, in `fit`."""
        from tahr.trainer.prepare import rehearse

        if self.own_loop:
            if self.model.built and self.model.optimizer is not None and not self.model.optimizer.built:
                self.model.optimizer.build(self.model.trainable_variables)
        else:
            rehearse(self.model, self.sources["source"].first_batch(), training=True)
        self.session.collect(self.model)

    def _pairs(self, stored: dict[str, Any], where: str) -> list[tuple[Variable, Any]]:
        pairs: list[tuple[Variable, Any]] = []
        for name, entries in stored.items():
            variables = self.session.groups[name]
            mine = [(tuple(v.shape), v._dtype) for v in variables]
            theirs = [(tuple(entry["value"].shape), entry["dtype"]) for entry in entries]
            if mine != theirs:
                raise ValueError(_misfit(name, variables, entries, mine, theirs, where))
            pairs += [(v, entry["value"]) for v, entry in zip(variables, entries, strict=True)]
        return pairs


def _describe(variable: Variable, held: Any, copy: bool) -> dict[str, Any]:
    value = variable.numpy() if held is None else held
    return {"path": variable.path, "dtype": variable._dtype, "value": np.array(value) if copy else value}


def _state_of(source: Any) -> Any:
    return None if source is None else source.state_dict()


def _named(callbacks: list[Any]) -> list[tuple[str, Any]]:
    """Return callbacks with names: that of the class, numbered where there are several."""
    found: dict[str, Any] = {}
    for callback in callbacks:
        name = naming.snake_case(type(callback).__name__)
        same = sum(key.partition(" ")[0] == name for key in found)
        found[f"{name} {same + 1}" if same else name] = callback
    return list(found.items())


def _misfit(name: str, variables: list[Any], entries: list[Any], mine: Any, theirs: Any, where: str) -> str:
    at = next((i for i, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), min(len(mine), len(theirs)))
    here = f"{variables[at].path} {mine[at][0]} {mine[at][1]}" if at < len(mine) else "nothing"
    there = f"{entries[at]['path']} {theirs[at][0]} {theirs[at][1]}" if at < len(theirs) else "nothing"
    return (
        f"{where}: holds the state of another training: of its {name} it has {len(theirs)} variables, here are "
        f"{len(mine)}; the first that differs is {there} in the file and {here} here. Build and compile the model as "
        "it was, or remove the folder to train from the start."
    )
