"""What happens before the first step: weights, optimizer slots and metrics are made, and the data are looked at."""

import contextlib
from typing import Any

import numpy as np

from tahr import dtypes, tree
from tahr.symbolic import KerasTensor
from tahr.trainer.guards import check_data, watched_ids
from tahr.trainer.session import Session, session_of
from tahr.trainer.sources import Source
from tahr.trainer.stateless import run_step, takes_state
from tahr.trainer.step import unpack
from tahr.variables import DirectScope, StatelessScope

__all__ = ["prepare", "rehearse", "require_compiled"]


def require_compiled(model: Any, method: str) -> None:
    """Refuse to train or evaluate a model that has not been compiled.

    Raises:
        ValueError: if `compile` has not been called.
    """
    if model._compiled is None:
        raise ValueError(
            f"{method}: the model {model.name!r} has not been compiled. Call `compile` first, for example "
            "model.compile(optimizer='adam', loss='mse')."
        )


def prepare(model: Any, source: Source | None, batch: Any, training: bool) -> Session:
    """Make everything that a step needs, check the data, and return the session."""
    from tahr.models.model import Model

    cls = type(model)
    step = cls.train_step is Model.train_step if training else cls.test_step is Model.test_step
    x, y, sample_weight = unpack(batch)
    if step:
        outputs, ids = build(model, x)
        compiled = model._compiled
        usual = cls.compute_loss is Model.compute_loss
        # a loss of the model's own may have no use for what was compiled, but for the metrics
        with contextlib.nullcontext() if usual else contextlib.suppress(ValueError):
            compiled.build(_symbols(y), outputs, getattr(model, "output_names", None))
        check_data(model, source, (x, y, sample_weight), outputs if usual else None, training, ids)
        if training:
            if model.optimizer is None:
                raise ValueError(
                    "fit: `compile` got optimizer=None, so nothing can be trained. Give it one, such as 'adam'."
                )
            _build_optimizer(model)
    else:
        check_data(model, source, (x, y, sample_weight), None)
        if not model.built or model._session is None:
            if cls.call is not Model.call:
                with contextlib.suppress(Exception):  # a step may use the model in its own way; it will say what fails
                    outputs, _ = build(model, x)
                    if takes_state(model, "train" if training else "test"):  # whose state is counted before it runs
                        model._compiled.build(_symbols(y), outputs, getattr(model, "output_names", None))
                        if training and model.optimizer is not None:
                            model.optimizer.build(model.trainable_variables)
            rehearse(model, batch, training)
    return session_of(model)


def _build_optimizer(model: Any) -> None:
    """Make the optimizer's state; if more weights are trained than before, what it has is kept."""
    optimizer, trained = model.optimizer, model.trainable_variables
    if not optimizer.built:
        optimizer.build(trained)
    elif any(id(v) not in optimizer._positions for v in trained):
        optimizer.rebuild(trained)


def build(model: Any, x: Any) -> tuple[Any, Any]:
    """Make the weights from the shape of a batch.

    Returns:
        Symbols for the outputs (arrays where it must run), and what layers say about ids, see `watched_ids`.
    """
    symbols = _with_fixed_batch(model, _symbols(x))
    first, ids = not model.built, []
    try:
        with watched_ids(symbols) as ids:
            outputs = model(symbols)
    except Exception as error:  # code that needs values: run it on the batch, without keeping what it changes
        if not first and model._function is not None:
            raise
        try:
            with StatelessScope():
                outputs = model(tree.map_structure(lambda a: a if a is None else a[:2], x))
        except Exception as second:
            raise second from error
    model.built = True
    return outputs, ids


def _with_fixed_batch(model: Any, symbols: Any) -> Any:
    """Return symbols with the batch size that the inputs of a graph ask for, as stateful layers do."""
    inputs = model._function.inputs if model._function is not None else ()
    if not any(x.shape and x.shape[0] is not None for x in inputs):
        return symbols
    size = next(x.shape[0] for x in inputs if x.shape and x.shape[0] is not None)
    return tree.map_structure(
        lambda s: None if s is None else KerasTensor((size, *s.shape[1:]), s.dtype, record_history=False), symbols
    )


def _symbols(data: Any) -> Any:
    """Return symbols without history for arrays, the batch size left open."""

    def symbol(a: Any) -> Any:
        if a is None:
            return None
        if isinstance(a, np.ndarray) and a.dtype.kind in "OSU":
            return KerasTensor((None, *a.shape[1:]), "string", record_history=False)
        return KerasTensor((None, *a.shape[1:]), dtypes.canonical(dtypes.of(a)), record_history=False)

    return tree.map_structure(symbol, data)


def rehearse(model: Any, batch: Any, training: bool) -> None:
    """Run a step once on a batch and drop what it changes, so that all it makes exists."""
    from tahr import backends

    engine = backends.current()
    data = tree.map_structure(lambda a: None if a is None else engine.tensor(a), batch)
    scope = DirectScope() if engine.reads else StatelessScope(collect_losses=True)
    with scope, engine.enable_grad() if training else engine.no_grad():
        run_step(model, "train" if training else "test", data)
    if isinstance(scope, DirectScope):
        scope.undo()
    model.built = True
