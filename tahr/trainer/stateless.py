"""Steps as functions of a state given and returned, the form that Keras's steps have on JAX."""

import inspect
from collections.abc import Callable
from typing import Any

from tahr.trainer import step as steps
from tahr.variables import StatelessScope, Variable

__all__ = ["compute_loss_and_updates", "run_step", "stateless_compute_loss", "stateless_step", "takes_state"]


def takes_state(model: Any, kind: str) -> bool:
    """Return whether the model has a step of its own that is called with `(state, data)`."""
    from tahr.models.model import Model

    own = getattr(type(model), f"{kind}_step")
    if own is getattr(Model, f"{kind}_step"):
        return False
    parameters = list(inspect.signature(own).parameters.values())[1:]
    needed = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(needed) >= 2


def state_of(model: Any, kind: str) -> list[list[Variable]]:
    """Return the groups of variables in the state of a step, in Keras's order."""
    groups = [model.trainable_variables, model.non_trainable_variables]
    if kind == "train":
        groups.append(list(model.optimizer.variables) if model.optimizer is not None else [])
    if kind != "predict":
        groups.append([v for metric in model.metrics for v in metric.variables])
    return groups


def run_step(model: Any, kind: str, data: Any) -> Any:
    """Run a step of the model in whichever form it has, and return its logs or outputs."""
    step = getattr(model, f"{kind}_step")
    if not takes_state(model, kind):
        return step(data)
    groups = state_of(model, kind)
    found, state = step(tuple([v.value for v in group] for group in groups), data)
    for group, values in zip(groups, state, strict=True):
        if len(group) != len(values):
            raise ValueError(
                f"{type(model).__name__}.{kind}_step: expected a state of groups of {[len(g) for g in groups]} values; "
                f"received {[len(values) for values in state]}."
            )
        for variable, value in zip(group, values, strict=True):
            if value is not variable.value:
                variable.assign(value)
    return found


def _within(groups: list[list[Variable]], state: Any, run: Callable[[], Any]) -> tuple[Any, tuple[list[Any], ...]]:
    """Return the result of `run` with the variables at the values of a state, and the state after it."""
    pairs = []
    for group, values in zip(groups, state, strict=True):
        if len(group) != len(values):
            raise ValueError(
                f"state: expected groups of {[len(group) for group in groups]} values; received "
                f"{[len(values) for values in state]}."
            )
        pairs += zip(group, values, strict=True)
    with StatelessScope(state_mapping=pairs, collect_losses=True) as scope:
        found = run()
    return found, tuple([scope.get_current_value(v) for v in group] for group in groups)


def stateless_step(model: Any, kind: str, state: Any, data: Any) -> tuple[Any, Any]:
    """Return what the usual step gives for a batch, and the state after it."""
    usual = {"train": steps.train_step, "test": steps.test_step, "predict": steps.predict_step}[kind]
    return _within(state_of(model, kind), state, lambda: usual(model, data))


def stateless_compute_loss(model: Any, state: Any, arguments: dict[str, Any]) -> tuple[Any, Any]:
    """Return the loss, and `(trainable, non_trainable, metrics)` variables after it."""
    return _within(state_of(model, "test"), state, lambda: model.compute_loss(**arguments))


def compute_loss_and_updates(
    model: Any, state: Any, x: Any, y: Any, sample_weight: Any, training: bool, optimizer_variables: Any
) -> tuple[Any, tuple[Any, Any, Any, Any]]:
    """Return the loss of a batch, scaled in training, and `(loss, outputs, non_trainable, metrics)`."""

    def run() -> tuple[Any, Any, Any]:
        y_pred = model(x, training=training)
        loss = model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)
        scaled = model.optimizer.scale_loss(loss) if training and model.optimizer is not None else loss
        return scaled, loss, y_pred

    groups = state_of(model, "test")
    if optimizer_variables is not None:
        groups, state = [*groups, list(model.optimizer.variables)], (*state, optimizer_variables)
    (scaled, loss, y_pred), after = _within(groups, state, run)
    return scaled, (loss, y_pred, after[1], after[2])
