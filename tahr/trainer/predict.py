"""`predict`: one batch takes a short path, many are dispatched one behind the other and given out as they come."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from tahr import tree
from tahr.trainer.padding import fill, treats_rows_alone
from tahr.trainer.prepare import build
from tahr.trainer.session import Session, holds_text, session_of
from tahr.trainer.sources.arrays import to_arrays
from tahr.trainer.sources.make import _is_stream, make_source
from tahr.trainer.sources.stream import StreamFeed

__all__ = ["predict", "predict_iter", "predict_on_batch"]

IN_FLIGHT = 16  # batches dispatched before the first of them is copied to the host


def predict(
    model: Any, x: Any, batch_size: int | None, verbose: Any, steps: int | None, callbacks: Any, out: Any = None
) -> Any:
    """Compute the outputs for all rows, see `Model.predict`."""
    if out is not None:
        return _predict_into(model, x, batch_size, verbose, steps, callbacks, Path(out))
    short = type(x) is np.ndarray and x.dtype.kind in "fiub" and callbacks is None and steps is None and x.ndim > 0
    if short and 0 < len(x) <= (batch_size or 32) and model._session is not None and model.built:
        return _to_host(model._session, model._session.predict(x))
    done = list(_predict_batches(model, x, batch_size, verbose, steps, callbacks))
    if len(done) == 1:
        return done[0]
    return tree.map_structure(lambda *parts: np.concatenate(parts), *done)


def predict_iter(model: Any, x: Any, batch_size: int | None, steps: int | None) -> Iterator[Any]:
    """Yield the outputs for one batch after the other, see `Model.predict_iter`."""
    yield from _predict_batches(model, x, batch_size, 0, steps, None)


def _predict_into(
    model: Any, x: Any, batch_size: int | None, verbose: Any, steps: int | None, callbacks: Any, path: Path
) -> np.ndarray:
    """Write the outputs to an `.npy` file batch by batch, and return it mapped into memory."""
    from tahr.saving.atomic import replacing

    if path.suffix != ".npy":
        raise ValueError(f"predict: expected out to be the path of an .npy file; received {str(path)!r}.")
    rows, first, begin = 0, None, 0
    with replacing(path) as file:
        for outputs in _predict_batches(model, x, batch_size, verbose, steps, callbacks):
            if not isinstance(outputs, np.ndarray):
                raise TypeError(
                    f"predict: out holds one array; {model.name} gives {type(outputs).__name__}. "
                    "Use predict_iter, or model.outputs_at(name).predict(..., out=...)."
                )
            outputs = np.ascontiguousarray(outputs)
            if first is None:
                first = outputs
                _write_header(file, first, 2**62)  # as long as a header can become, and overwritten at the end
                begin = file.tell()
            outputs.tofile(file)
            rows += len(outputs)
        if first is None:
            raise ValueError("predict: the source gave no batch, so there is nothing to write; expected at least one.")
        file.seek(0)
        _write_header(file, first, rows, begin)
    return np.load(path, mmap_mode="r")


def _write_header(file: IO[bytes], first: np.ndarray, rows: int, length: int | None = None) -> None:
    """Write the header of an `.npy` file (version 1.0, NumPy Enhancement Proposal 1), filled up to a length."""
    facts = {
        "descr": np.lib.format.dtype_to_descr(first.dtype),
        "fortran_order": False,
        "shape": (rows, *first.shape[1:]),
    }
    text = repr(facts).encode("latin1")
    size = (length or -(-(len(text) + 11) // 64) * 64) - 10
    file.write(b"\x93NUMPY\x01\x00" + size.to_bytes(2, "little") + text.ljust(size - 1) + b"\n")


def predict_on_batch(model: Any, x: Any) -> Any:
    """Compute the outputs for one batch, see `Model.predict_on_batch`."""
    data = to_arrays(x, "x")
    session = _session(model, data)
    return _to_host(session, session.predict(data))


def _session(model: Any, batch: Any) -> Session:
    if not model.built:
        build(model, batch)
    return session_of(model)


def _predict_batches(
    model: Any, x: Any, batch_size: int | None, verbose: Any, steps: int | None, callbacks: Any
) -> Iterator[Any]:
    """Yield the outputs of each batch, while up to `IN_FLIGHT` more are computed."""
    from tahr.callbacks import CallbackList

    source = make_source(x, batch_size=batch_size, steps=steps)
    session = _session(model, _inputs(source.first_batch()))
    listeners = callbacks if isinstance(callbacks, CallbackList) else CallbackList(
        callbacks, add_history=False, add_progbar=False, model=model, verbose=0, epochs=1, steps=source.steps
    )  # fmt: skip
    bar = _progress(verbose, source.steps)
    listeners.on_predict_begin()
    waiting: deque[Any] = deque()
    full = 0  # rows of the first batch
    for step, batch in enumerate(_batches(source, x, steps)):
        listeners.on_predict_batch_begin(step)
        is_last, cut = step + 1 == source.steps, None
        rows = _host_rows(batch) if step == 0 or is_last else 0
        full = rows if step == 0 else full
        if 0 < rows < full and not listeners.wants_predict_batches and session.compiles and treats_rows_alone(model):
            batch, cut = fill(batch, full), rows
        waiting.append((session.predict(batch), cut))
        if len(waiting) >= IN_FLIGHT:
            yield _to_host(session, *waiting.popleft())
        listeners.on_predict_batch_end(step, {"outputs": waiting[-1][0]} if listeners.wants_predict_batches else None)
        if bar is not None:
            bar.update(step + 1)
    while waiting:
        yield _to_host(session, *waiting.popleft())
    listeners.on_predict_end()
    if bar is not None:
        bar.finish()


def _batches(source: Any, x: Any, steps: int | None) -> Iterator[Any]:
    batches = source.batches()
    if _is_stream(x) and not holds_text(source.first_batch()):
        feed = StreamFeed(batches, limit=steps)
        while (chunk := feed.take(1)) is not None:
            yield _inputs(chunk.arrays)
        return
    for step, batch in enumerate(batches):
        if steps is not None and step >= steps:
            return
        yield _inputs(batch)


def _inputs(batch: Any) -> Any:
    return batch[0] if isinstance(batch, tuple) else batch


def _host_rows(batch: Any) -> int:
    """Return the rows of a batch of numbers that is on the host, or 0."""
    arrays = tree.flatten(batch)
    fit = all(type(a) is np.ndarray and a.ndim and a.dtype.kind in "fiub" for a in arrays)
    return len(arrays[0]) if arrays and fit else 0


def _to_host(session: Session, outputs: Any, rows: int | None = None) -> Any:
    to_numpy = session.engine.to_numpy
    if rows is not None:
        return tree.map_structure(lambda x: to_numpy(x)[:rows], outputs)
    if isinstance(outputs, (list, tuple, dict)):
        return tree.map_structure(to_numpy, outputs)
    return to_numpy(outputs)


def _progress(verbose: Any, steps: int | None) -> Any:
    if verbose == 0 or (verbose == "auto" and (steps or 0) < 2):
        return None
    from tahr.trainer.progress import Progress

    return Progress(steps, label="Predict", verbose=verbose)
