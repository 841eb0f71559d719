"""Curves of the metrics of a training, drawn by Matplotlib."""

import importlib
from pathlib import Path
from typing import Any

__all__ = ["plot_history"]


def plot_history(history: Any, metrics: list[str] | None = None, path: Any = None) -> Any:
    """Draw the metrics of each epoch, those of validation beside those of training.

    Args:
        history: what `fit` returned, or its dict of lists.
        metrics: names without `val_`; all if None.
        path: file to write, whose ending says the format (png, svg, pdf); none is written if None.

    Returns:
        The Matplotlib figure.

    Raises:
        ImportError: if Matplotlib is not installed.
        ValueError: if there is no epoch, or a name is unknown.

    >>> figure = keras.visualization.plot_history({"loss": [1.0, 0.5], "val_loss": [1.1, 0.7], "accuracy": [0.5, 0.8]})
    >>> [axes.get_title() for axes in figure.axes]
    ['loss', 'accuracy']
    """
    found = dict(getattr(history, "history", history))
    epochs = [epoch + 1 for epoch in getattr(history, "epoch", range(max(map(len, found.values()), default=0)))]
    names = metrics or [name for name in found if not name.startswith("val_")]
    unknown = [name for name in names if name not in found]
    if not epochs or unknown:
        what = f"no metric {unknown[0]!r}" if unknown else "no epoch"
        raise ValueError(f"plot_history: there is {what}; the history holds {list(found)}.")
    try:
        Figure = importlib.import_module("matplotlib.figure").Figure
    except ImportError as error:
        raise ImportError("plot_history needs Matplotlib. Install it with: pip install 'tahr[plot]'") from error
    figure = Figure(figsize=(5 * len(names), 4), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for label, key in (("training", name), ("validation", f"val_{name}")):
            if key in found:  # validation_freq may leave epochs out, of which nobody keeps the number
                values = found[key]
                step = len(epochs) / len(values)
                places = [epochs[min(len(epochs) - 1, round((i + 1) * step) - 1)] for i in range(len(values))]
                axes.plot(places, values, label=label, marker="o" if len(values) == 1 else None)
        axes.set(title=name, xlabel="epoch")
        axes.legend()
    if path is not None:
        figure.savefig(Path(path))
    return figure
