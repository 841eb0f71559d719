"""`compare`: one model trained with several optimizers and losses, from several seeds, as a table and a picture."""

import csv
import importlib
import io
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tahr.saving.atomic import replacing

__all__ = ["Comparison", "compare"]


class Comparison:
    """What `compare` found.

    Attributes:
        rows: one dict for each training: optimizer, loss, seed, seconds, and the metrics of the last epoch.
        curves: by setting (`"adam, mse"`), by metric: an array of shape `(seeds, epochs)`.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.curves: dict[str, dict[str, np.ndarray]] = {}

    def summary(self) -> list[dict[str, Any]]:
        """Return one dict for each setting: mean and standard deviation over the seeds of each metric."""
        found = []
        for name, curves in self.curves.items():
            row: dict[str, Any] = {"setting": name}
            for metric, values in curves.items():
                row[metric], row[f"{metric} +-"] = float(values[:, -1].mean()), float(values[:, -1].std())
            row["seconds"] = float(np.mean([r["seconds"] for r in self.rows if _setting(r) == name]))
            found.append(row)
        return found

    def __str__(self) -> str:
        rows = self.summary()
        names = list(dict.fromkeys(key for row in rows for key in row if not key.endswith(" +-")))
        cells = [names, *([_cell(row, name) for name in names] for row in rows)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
        return "\n".join(
            "  ".join(c.ljust(w) if not i else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
            for line in cells
        )

    __repr__ = __str__

    def to_pandas(self) -> Any:
        """Return `rows` as a pandas frame."""
        return importlib.import_module("pandas").DataFrame(self.rows)

    def plot(self, metric: str | None = None) -> Any:
        """Return a Matplotlib figure: of each setting the mean curve of a metric, and a band from least to most.

        Args:
            metric: name; None takes the loss over the validation data, or else of training.

        Raises:
            ValueError: if there is no such metric.
        """
        first = next(iter(self.curves.values()))
        metric = metric or ("val_loss" if "val_loss" in first else "loss")
        if metric not in first:
            raise ValueError(f"plot: expected metric to be one of {list(first)}; received {metric!r}.")
        try:
            Figure = importlib.import_module("matplotlib.figure").Figure
        except ImportError as error:
            raise ImportError("Pictures need Matplotlib. Install it with: pip install 'tahr[plot]'") from error
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.subplots()
        for name, curves in self.curves.items():
            values, epochs = curves[metric], np.arange(1, curves[metric].shape[1] + 1)
            (line,) = axes.plot(epochs, values.mean(axis=0), label=name)
            axes.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=line.get_color(), alpha=0.2)
        axes.set(xlabel="epoch", ylabel=metric)
        axes.legend()
        return figure

    def save(self, folder: Any) -> list[Path]:
        """Write `runs.csv`, `curves.csv`, `curves.png` and `curves.svg` into a folder, and return their paths."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        curves = [
            {"setting": name, "metric": metric, "seed": seed, "epoch": epoch + 1, "value": value}
            for name, metrics in self.curves.items()
            for metric, values in metrics.items()
            for seed, line in enumerate(values)
            for epoch, value in enumerate(line)
        ]
        contents = {"runs.csv": _csv(self.rows), "curves.csv": _csv(curves)}
        figure = self.plot()
        for kind in ("png", "svg"):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind)
            contents[f"curves.{kind}"] = buffer.getvalue()
        for name, content in contents.items():
            with replacing(folder / name) as file:
                file.write(content)
        return [folder / name for name in contents]


def compare(
    build: Callable[[], Any],
    optimizers: Sequence[Any],
    losses: Sequence[Any],
    data: Any,
    seeds: int = 3,
    epochs: int = 10,
    batch_size: int | None = None,
    validation_data: Any = None,
    metrics: Any = None,
    folder: Any = None,
    verbose: int | str = "auto",
) -> Comparison:
    """Train a model with each optimizer and each loss, each from the same seeds.

    Args:
        build: function that returns a new model; it is called for each training.
        optimizers: names or optimizers, of which each training gets a new one with the same settings; a pair
            `(label, optimizer)` gives it a label.
        losses: names, functions or losses.
        data: `(x, y)`, `(x, y, sample_weight)` or whatever else `fit` takes and can go through again.
        seeds: number of seeds: 0, 1, ...; or the seeds themselves.
        epochs: of each training.
        batch_size: rows a step; 32 if None.
        validation_data: as for `fit`.
        metrics: as for `compile`.
        folder: where the tables and pictures are written, if given.
        verbose: 0 for no bar.

    Raises:
        ValueError: if there is nothing to compare.

    >>> def build():
    ...     return keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    >>> x = np.linspace(-1, 1, 32)[:, None]
    >>> found = keras.compare(build, ["sgd", ("fast", optimizers.SGD(0.5))], ["mse"], (x, 2 * x), 2, 3, verbose=0)
    >>> [row["setting"] for row in found.summary()]
    ['sgd, mse', 'fast, mse']
    >>> found.curves["fast, mse"]["loss"].shape
    (2, 3)
    """
    from tahr import utils
    from tahr.trainer.progress import Progress

    chosen = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    grid = list(_grid(optimizers, losses))
    if not grid or not chosen:
        raise ValueError(f"compare: expected optimizers, losses and seeds; received {optimizers}, {losses}, {seeds}.")
    arguments = dict(zip(("x", "y", "sample_weight"), data, strict=False)) if isinstance(data, tuple) else {"x": data}
    found, bar = Comparison(), Progress(len(grid) * len(chosen), label="Compare", verbose=verbose, unit="run")
    for optimizer_name, optimizer, loss_name, loss in grid:
        lines: list[dict[str, list[float]]] = []
        for seed in chosen:
            utils.set_random_seed(seed)
            model = build()
            model.compile(_fresh(optimizer), _fresh(loss), metrics=_fresh(metrics))
            began = time.perf_counter()
            history = model.fit(
                **arguments, batch_size=batch_size, epochs=epochs, validation_data=validation_data, verbose=0
            )
            lines.append(history.history)
            last = {name: values[-1] for name, values in history.history.items()}
            row = {"optimizer": optimizer_name, "loss function": loss_name, "seed": seed}
            found.rows.append({**row, "seconds": time.perf_counter() - began, **last})
            bar.update(len(found.rows))
        found.curves[_setting(found.rows[-1])] = {name: np.array([line[name] for line in lines]) for name in lines[0]}
    bar.finish()
    if folder is not None:
        found.save(folder)
    return found


def _grid(optimizers: Sequence[Any], losses: Sequence[Any]) -> Iterator[tuple[str, Any, str, Any]]:
    """Yield labels, each used once, with optimizers and losses."""
    seen: dict[str, int] = {}
    for optimizer in optimizers:
        label, made = optimizer if isinstance(optimizer, tuple) else (None, optimizer)
        name = label or (made if isinstance(made, str) else f"{type(made).__name__}({_rate(made)})")
        seen[name] = seen.get(name, 0) + 1
        name = name if seen[name] == 1 else f"{name} {seen[name]}"
        for loss in losses:
            yield name, made, loss if isinstance(loss, str) else getattr(loss, "name", None) or loss.__name__, loss


def _rate(optimizer: Any) -> str:
    rate = optimizer.get_config().get("learning_rate")
    return f"{rate:g}" if isinstance(rate, (int, float)) else type(rate).__name__


def _fresh(given: Any) -> Any:
    """Return a new object with the settings of the given one, as its state belongs to one training."""
    if isinstance(given, (list, tuple)):
        return [_fresh(item) for item in given]
    if isinstance(given, dict):
        return {name: _fresh(item) for name, item in given.items()}
    return type(given).from_config(given.get_config()) if hasattr(given, "get_config") else given


def _setting(row: dict[str, Any]) -> str:
    return f"{row['optimizer']}, {row['loss function']}"


def _cell(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if isinstance(value, float):
        return f"{value:.4g}" + (f" +- {row[f'{name} +-']:.2g}" if f"{name} +-" in row else "")
    return str(value)


def _csv(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()
