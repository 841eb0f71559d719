"""`fit` and `evaluate`, said once: an epoch is a feed of chunks, a chunk is one dispatch."""

import sys
import time
from collections.abc import Callable
from typing import Any

from tahr import backends, tree
from tahr.callbacks import BackupAndRestore, CallbackList
from tahr.random import host_seed
from tahr.trainer.auto_compile import AutoCompile
from tahr.trainer.nan_hunt import NanHunt
from tahr.trainer.prepare import prepare, require_compiled
from tahr.trainer.profile import Profiler, asked
from tahr.trainer.resume import Training
from tahr.trainer.session import Session, to_numbers
from tahr.trainer.sources import Chunk, Source
from tahr.trainer.sources.make import make_source, split_validation, weigh_classes
from tahr.trainer.sources.source import Feed, Timed
from tahr.trainer.span import ENDLESS, Span
from tahr.trainer.step import unpack
from tahr.trainer.text_entry import TextEntry

__all__ = ["evaluate", "fit", "test_on_batch", "train_on_batch"]

MUCH_WAITING = 0.3  # the share of time from which on waiting for data is worth a word
LONG_WAITING = 1.0  # seconds in all, likewise


def fit(
    model: Any,
    x: Any,
    y: Any,
    batch_size: int | None,
    verbose: Any,
    callbacks: Any,
    validation_split: float,
    validation_data: Any,
    shuffle: bool,
    class_weight: Any,
    sample_weight: Any,
    initial_epoch: int,
    validation_steps: int | None,
    validation_batch_size: int | None,
    validation_freq: Any,
    resume: Any,
    save_every: Any,
    span: Span,
    debug: str | None,
    profile: bool,
) -> Any:
    """Train, see `Model.fit`."""
    require_compiled(model, "fit")
    _require_training(model)
    _check_debug(debug, profile)
    if validation_split and validation_data is None:
        (x, y, sample_weight), validation_data = split_validation(x, y, sample_weight, validation_split)
    seed, entry = host_seed(), TextEntry(model)
    source = make_source(
        x, y, sample_weight, batch_size, shuffle, class_weight, span.steps_per_epoch, seed, entry=entry
    )
    validation = _validation_source(validation_data, validation_batch_size or batch_size, validation_steps, entry)
    first = source.first_batch()
    session = prepare(entry.model, source, first, training=True)
    if validation is not None:
        prepare(entry.model, validation, validation.first_batch(), training=False)
    epochs = span.epochs(source.steps)
    listeners = _listeners(_with_backup(callbacks, resume, save_every), model, verbose, epochs, source.steps)
    _check_monitors(model, session, listeners, validation is not None)
    session.settle()
    model.stop_training = False
    training = Training(model, listeners.callbacks, session, source, validation)
    profiler = Profiler(session, training, listeners) if profile or asked else None
    hunt = None if debug is None else NanHunt(session, training)
    dispatch = (hunt or profiler or _dispatcher(model, session, training, source, span, epochs, verbose)).dispatch
    listeners.follow(training)
    try:
        listeners.on_train_begin()
        for epoch in range(listeners.first_epoch(initial_epoch), epochs):
            if (model.stop_training or span.is_over(training.steps)) and not training.step:
                break
            training.begin_epoch(epoch)
            listeners.on_epoch_begin(epoch)
            logs = _run_epoch(model, session, source, training, listeners, span, dispatch)
            if validation is not None and _is_due(validation_freq, epoch):
                found = _run_validation(model, session, validation, training, listeners, logs)
                logs.update({f"val_{name}": value for name, value in found.items()})
            training.end_epoch(logs)
            listeners.on_epoch_end(epoch, logs)
            training.logs = logs
        if getattr(model.optimizer, "use_ema", False) or hasattr(model.optimizer, "inner_optimizer"):
            model.optimizer.finalize_variable_values(model.trainable_weights)
        source.close()
        _report_waiting(model, training, verbose)
        if profiler is not None:
            profiler.report(verbose)
        listeners.on_train_end(training.logs or {})
    finally:
        source.close()
        listeners.leave()
    return model.history


def _report_waiting(model: Any, training: Training, verbose: Any) -> None:
    """Keep the shares of time spent waiting for data with the history, and say so if they are large."""
    if model.history is not None:
        model.history.waiting = training.waiting
    later = training.waiting[1:]  # the first epoch compiles
    share = sum(later) / len(later) if later else 0.0
    if share > MUCH_WAITING and training.waited > LONG_WAITING and verbose != 0:
        print(
            f"fit waited for data in {share:.0%} of the time. Give the data set more workers, or larger batches, or "
            "keep the data in memory.",
            file=sys.stderr,
        )


def _dispatcher(
    model: Any, session: Session, training: Training, source: Source, span: Span, epochs: int, verbose: Any
) -> Any:
    """Return what runs the steps of a chunk: the session, or what may change it over to compiled steps."""
    saved = any(isinstance(c, BackupAndRestore) for c in training.callbacks)
    if saved or not AutoCompile.concerns(session, model.jit_compile):
        return session  # what is resumed has to give the same numbers, so no clock decides what computes them

    def steps_to_go() -> int | None:
        if source.steps is None or epochs == ENDLESS:
            return span.left(training.steps)
        left = (epochs - training.epoch) * source.steps - training.step
        return min(left, span.left(training.steps) or left)

    return AutoCompile(session, steps_to_go, verbose)


def _check_debug(debug: str | None, profile: bool) -> None:
    if debug not in (None, "nan"):
        raise ValueError(f"fit: expected debug to be None or 'nan'; received {debug!r}.")
    if debug and profile:
        raise ValueError("fit: debug='nan' looks at every step, which makes it slow; profile a fit without it.")


def _with_backup(callbacks: Any, resume: Any, save_every: Any) -> Any:
    """Return the callbacks and one that saves and restores in the folder `resume`, if that is given."""
    if resume is None:
        if save_every is not None:
            raise ValueError("fit: save_every says how often training is saved; say where, too: resume='folder'.")
        return callbacks
    given = callbacks if isinstance(callbacks, CallbackList) else CallbackList(callbacks)
    if any(isinstance(callback, BackupAndRestore) for callback in given.callbacks):
        raise ValueError("fit: expected resume='folder' or a BackupAndRestore callback; received both.")
    backup = BackupAndRestore(resume, save_every or "epoch", double_checkpoint=True, delete_checkpoint=False)
    if given is not callbacks:
        return [*given.callbacks, backup]
    both = CallbackList([*given.callbacks, backup], model=given.model)  # the user's own list stays as it is
    both.set_params(given.params)
    return both


def _require_training(model: Any) -> None:
    engine = backends.current()
    if not engine.trains:
        engine.refuse("train: it computes no gradients")


def _validation_source(data: Any, batch_size: int | None, steps: int | None, entry: TextEntry) -> Source | None:
    if data is None:
        return None
    if isinstance(data, (tuple, list)):
        x, y, sample_weight = unpack(data)
        return make_source(x, y, sample_weight, batch_size, steps=steps, what="validation_data", entry=entry)
    return make_source(data, steps=steps, what="validation_data", entry=entry)


def _listeners(callbacks: Any, model: Any, verbose: Any, epochs: int, steps: int | None) -> CallbackList:
    if isinstance(callbacks, CallbackList):
        return callbacks
    return CallbackList(
        callbacks, add_history=True, add_progbar=verbose != 0, model=model, verbose=verbose, epochs=epochs, steps=steps
    )


def _check_monitors(model: Any, session: Session, listeners: CallbackList, validated: bool) -> None:
    if session.own_logs["train"] or not model._compiled.built:
        return  # only the step itself knows its names
    names = [*model._compiled.names(), *(m.name for m in model.metrics if m not in model._compiled.all_metrics())]
    listeners.check_monitors([*names, *(f"val_{n}" for n in names if validated), "learning_rate"])


def _is_due(frequency: Any, epoch: int) -> bool:
    if isinstance(frequency, int):
        return (epoch + 1) % frequency == 0
    if hasattr(frequency, "__contains__"):
        return epoch + 1 in frequency
    raise ValueError(f"validation_freq: expected a whole number or a list of epochs; received {frequency!r}.")


def _run_epoch(
    model: Any,
    session: Session,
    source: Source,
    training: Training,
    listeners: CallbackList,
    span: Span,
    dispatch: Callable[[str, Chunk], Any],
) -> dict[str, Any]:
    """Go through the data once, or through what is left of them, and return the metrics of the epoch."""
    step, latest = training.step, training.logs
    if step == 0:
        session.reset_metrics()
    began, feed = time.perf_counter(), Timed(_feed(session, "train", source, training.epoch, step))
    training.feed = feed
    one_by_one = listeners.wants_batches
    try:
        while not (step and (model.stop_training or span.is_over(training.steps))):
            count = 1 if one_by_one else session.pace.steps()
            count = min(count, listeners.batches_to_pause() or count, span.left(training.steps) or count)
            chunk = feed.take(count)
            if chunk is None:
                break
            if one_by_one:
                listeners.on_train_batch_begin(step)
            latest = dispatch("train", chunk)
            step += chunk.batches
            training.advance(step)
            if one_by_one:
                listeners.on_train_batch_end(step - 1, _logs(session, latest))
            listeners.on_progress(step, None if not listeners.due() else _logs(session, latest))
            if listeners.saves_training:
                training.logs = latest
                listeners.pause()
    finally:
        feed.close()
    source.epoch_end()
    training.waited += feed.waited
    training.waiting.append(feed.waited / max(time.perf_counter() - began, 1e-9))
    if step == 0:
        raise ValueError(
            f"Epoch {training.epoch + 1}: the data gave no batch. A generator is used up after one pass; give "
            "steps_per_epoch, or pass arrays or a PyDataset."
        )
    return _logs(session, latest)


def _feed(session: Session, kind: str, source: Source, epoch: int, start: int = 0) -> Feed:
    feed = source.feed(epoch, start)
    feed.whole = source.whole_batch() if session.fills(kind) else 0
    return feed


def _logs(session: Session, latest: Any) -> dict[str, Any]:
    return session.results() if latest is None else to_numbers(latest, session.engine)


def _run_validation(
    model: Any, session: Session, source: Source, training: Training, listeners: CallbackList, logs: dict[str, Any]
) -> dict[str, Any]:
    """Measure in the middle of `fit`; what is saved meanwhile is the end of the epoch's steps, which had `logs`."""
    if not listeners.saves_training:
        return _run_evaluation(model, session, source, training.epoch, listeners)
    training.begin_evaluation(logs if session.own_logs["train"] else None)
    found = _run_evaluation(model, session, source, training.epoch, listeners)
    training.end_evaluation()
    return found


def _run_evaluation(
    model: Any, session: Session, source: Source, epoch: int, listeners: CallbackList
) -> dict[str, Any]:
    session.reset_metrics()
    listeners.on_test_begin()
    feed = _feed(session, "test", source, epoch)
    one_by_one = listeners.wants_test_batches
    step, latest = 0, None
    try:
        while True:
            chunk = feed.take(1 if one_by_one else session.pace.steps())
            if chunk is None:
                break
            if one_by_one:
                listeners.on_test_batch_begin(step)
            latest = session.dispatch("test", chunk)
            step += chunk.batches
            if one_by_one:
                listeners.on_test_batch_end(step - 1, _logs(session, latest))
            listeners.pause()
    finally:
        feed.close()
    if step == 0:
        raise ValueError("The data for evaluation gave no batch. Check that the generator has not been used up before.")
    logs = _logs(session, latest)
    listeners.on_test_end(logs)
    return logs


def evaluate(
    model: Any,
    x: Any,
    y: Any,
    batch_size: int | None,
    verbose: Any,
    sample_weight: Any,
    steps: int | None,
    callbacks: Any,
    return_dict: bool,
    **kwargs: Any,
) -> Any:
    """Measure, see `Model.evaluate`."""
    if kwargs:
        raise TypeError(f"evaluate: unexpected arguments {sorted(kwargs)}.")
    require_compiled(model, "evaluate")
    entry = TextEntry(model)
    source = make_source(x, y, sample_weight, batch_size, steps=steps, entry=entry)
    first = source.first_batch()
    session = prepare(entry.model, source, first, training=False)
    session.settle()
    listeners = _evaluation_listeners(callbacks, model, source.steps)
    logs = _run_evaluation(model, session, source, 0, listeners)
    if verbose not in (0, "auto") or (verbose == "auto" and callbacks is None):
        _print_evaluation(logs, verbose)
    if return_dict:
        return logs
    values = list(logs.values())
    return values[0] if len(values) == 1 else values


def _evaluation_listeners(callbacks: Any, model: Any, steps: int | None) -> CallbackList:
    if isinstance(callbacks, CallbackList):
        return callbacks
    return CallbackList(callbacks, add_history=False, add_progbar=False, model=model, verbose=0, epochs=1, steps=steps)


def _print_evaluation(logs: dict[str, Any], verbose: Any) -> None:
    from tahr.trainer.progress import Progress

    bar = Progress(None, label="Evaluation", verbose=2 if verbose == 2 else 1)
    bar.finish(logs)


def train_on_batch(model: Any, x: Any, y: Any, sample_weight: Any, class_weight: Any, return_dict: bool) -> Any:
    """Take one step, see `Model.train_on_batch`."""
    require_compiled(model, "train_on_batch")
    _require_training(model)
    if class_weight is not None:
        if sample_weight is not None:
            raise ValueError("train_on_batch: give sample_weight or class_weight, not both.")
        x, y, sample_weight = weigh_classes(class_weight)((x, y, None))
    return _on_batch(model, "train", x, y, sample_weight, return_dict)


def test_on_batch(model: Any, x: Any, y: Any, sample_weight: Any, return_dict: bool) -> Any:
    """Measure on one batch, see `Model.test_on_batch`."""
    require_compiled(model, "test_on_batch")
    return _on_batch(model, "test", x, y, sample_weight, return_dict)


def _on_batch(model: Any, kind: str, x: Any, y: Any, sample_weight: Any, return_dict: bool) -> Any:
    from tahr.trainer.sources.arrays import ArraySource
    from tahr.trainer.sources.stream import _fetch_only

    entry = TextEntry(model)
    made = make_source(x, y, sample_weight, entry=entry)
    if not isinstance(made, ArraySource):
        raise TypeError(f"{kind}_on_batch: expected arrays; received a {type(x).__name__}.")
    session = _session_for(entry.model, kind, made)
    session.settle()
    session.reset_metrics()
    engine = session.engine
    data = tree.map_structure(lambda a: None if a is None else engine.tensor(a), made.data)
    logs = _logs(session, session.dispatch(kind, Chunk(("one",), data, 0, 1, _fetch_only, made.rows)))
    if return_dict:
        return logs
    values = list(logs.values())
    return values[0] if len(values) == 1 else values


def _session_for(model: Any, kind: str, batch: Any) -> Session:
    """Return the session, prepared for a batch; for one like those before, only its values are looked at."""
    session: Any = model._session
    form = kind, *((path, a is not None and (a.dtype, a.shape[1:])) for path, a in tree.flatten_with_path(batch.data))
    check = None if session is None else session.checks.get(form)
    if session is not None and check is not None and session.is_current(model):
        check(batch.host_arrays())
        return session
    session = prepare(model, batch, batch.data, training=kind == "train")
    session.checks[form] = batch.guard
    return session
