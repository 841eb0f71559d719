"""What `compile` was told: the optimizer, and losses and metrics matched to the model's outputs."""

import numbers
from typing import Any

from tahr import losses, metrics, ops, optimizers, tree
from tahr.losses.loss import FunctionLoss, Loss, multiply_weights
from tahr.masks import get_mask
from tahr.metrics.choose import SHAPE_DEPENDENT, choose_by_shape
from tahr.trainer.step import rows_of

__all__ = ["Compiled", "compile_model"]


def compile_model(
    model: Any,
    optimizer: Any,
    loss: Any,
    loss_weights: Any,
    metrics: Any,
    weighted_metrics: Any,
    run_eagerly: bool,
    steps_per_execution: int,
    jit_compile: bool | str | None,
    auto_scale_loss: bool,
) -> None:
    """Resolve every name now, so that a misspelt one fails here, and attach the result to the model."""
    if not isinstance(steps_per_execution, int) or steps_per_execution < 1:
        raise ValueError(
            f"compile: expected steps_per_execution to be a whole number >= 1; received {steps_per_execution!r}."
        )
    if isinstance(optimizer, (list, tuple)):
        raise ValueError(
            f"compile: expected one optimizer; received {len(optimizer)}. To try each of them use "
            "tahr.compare(build, optimizers=[...], losses=[...], data=(x, y))."
        )
    for weight in tree.flatten(loss_weights):
        if weight is not None and not isinstance(weight, numbers.Real):
            raise ValueError(
                f"compile: expected loss_weights to be numbers, one for each output; received {loss_weights!r:.100}. "
                "The arguments are compile(optimizer, loss, loss_weights, metrics): pass metrics as metrics=[...]."
            )
    made = optimizers.get(optimizer)
    given = {
        "optimizer": made,  # not its name: files hold its options as they are when they are written
        "loss": loss,
        "loss_weights": loss_weights,
        "metrics": metrics,
        "weighted_metrics": weighted_metrics,
        "run_eagerly": run_eagerly,
        "steps_per_execution": steps_per_execution,
        "jit_compile": jit_compile,
    }
    scaled = auto_scale_loss and getattr(model.dtype_policy, "name", None) == "mixed_float16" and made is not None
    if scaled and not isinstance(made, optimizers.LossScaleOptimizer):
        made = optimizers.LossScaleOptimizer(made, name="loss_scale_optimizer")
    compiled = Compiled(given)
    model.optimizer, model._compiled, model._session = made, compiled, None
    model.stop_training = False


class Compiled:
    """The losses and metrics of a model; `build` matches them to outputs once their shapes are known."""

    def __init__(self, given: dict[str, Any]):
        self.given = given
        self.loss, self.loss_weights = given["loss"], given["loss_weights"]
        self.run_eagerly = bool(given["run_eagerly"])
        self.jit_compile, self.steps_per_execution = given["jit_compile"], given["steps_per_execution"]
        self._losses = tree.map_structure(_loss, self.loss) if self.loss is not None else None
        self._metrics = _check_metrics(given["metrics"], "metrics")
        self._weighted = _check_metrics(given["weighted_metrics"], "weighted_metrics")
        self.loss_tracker = metrics.Mean(name="loss")
        self.built = False
        self._terms: list[_Term] = []
        self._reports: list[_Report] = []

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `compile` as plain data."""
        from tahr.saving import serialize_keras_object

        return {key: serialize_keras_object(value) for key, value in self.given.items()}

    # ---- matching -----------------------------------------------------------------------------------------------

    def build(self, y: Any, y_pred: Any, output_names: list[str] | None) -> None:
        """Match losses and metrics to the outputs, given targets and outputs (or symbols for them)."""
        if self.built:
            return
        self._names = _names_of(y_pred, output_names)
        several = len(self._names) > 1
        self._terms = self._build_terms(y_pred)
        self._reports = [
            *self._build_reports(self._metrics, y, y_pred, several, weighted=False),
            *self._build_reports(self._weighted, y, y_pred, several, weighted=True),
        ]
        _tell_apart(self._reports)
        self.built = True

    def _build_terms(self, y_pred: Any) -> list["_Term"]:
        if self._losses is None:
            return []
        names = _paths_of(y_pred, self._names) if _is_nested(y_pred) else self._names
        losses = _spread(self._losses, self._names, y_pred, "loss")
        weights = _spread(self.loss_weights, self._names, y_pred, "loss_weights")
        terms = []
        for i, (loss, weight) in enumerate(zip(losses, weights, strict=True)):
            if loss is None:
                continue
            terms.append(_Term(i, loss, weight, f"{names[i]}_loss"))
        if len(terms) == 1:
            terms[0].tracker = None  # it would only repeat the loss
        return terms

    def _build_reports(self, given: Any, y: Any, y_pred: Any, several: bool, weighted: bool) -> list["_Report"]:
        what = "weighted_metrics" if weighted else "metrics"
        reports = []
        for i, found in enumerate(_spread_metrics(given, self._names, y_pred, what)):
            for item in found:
                metric = _metric(item, _leaf(y, y_pred, i), tree.flatten(y_pred)[i])
                name = item if isinstance(item, str) else metric.name
                reports.append(_Report(i, metric, f"{self._names[i]}_" if several else "", name, weighted))
        return reports

    # ---- use ----------------------------------------------------------------------------------------------------

    def compute_loss(self, y: Any, y_pred: Any, sample_weight: Any) -> Any:
        """Return the weighted sum of the losses and update the trackers of the single ones; None without losses."""
        if not self._terms:
            return None
        targets, outputs = self._align(y, y_pred), tree.flatten(y_pred)
        weights = self._align_weights(sample_weight, y_pred)
        total = None
        for term in self._terms:
            i = term.index
            value = term.loss(targets[i], outputs[i], weights[i])
            if term.tracker is not None:
                term.tracker.update_state(value, sample_weight=rows_of(outputs[i]))
            if term.weight is not None:
                value = value * term.weight
            total = value if total is None else total + value
        return total

    def update_metrics(self, y: Any, y_pred: Any, sample_weight: Any) -> None:
        """Update the metrics with a batch."""
        if not self._reports:
            return
        targets, outputs = self._align(y, y_pred), tree.flatten(y_pred)
        weights = self._align_weights(sample_weight, y_pred)
        for report in self._reports:
            i = report.index
            mask = get_mask(outputs[i])
            weight = weights[i] if report.weighted else None
            if mask is not None:
                mask = ops.cast(mask, "float32")
                weight = mask if weight is None else multiply_weights(mask, weight)
            report.metric.update_state(targets[i], outputs[i], sample_weight=weight)

    def results(self) -> dict[str, Any]:
        """Return the value of every tracker and metric by the name it is reported under."""
        found = {term.name: term.tracker.result() for term in self._terms if term.tracker is not None}
        for report in self._reports:
            value = report.metric.result()
            if isinstance(value, dict):
                found.update(value)
            else:
                found[report.name] = value
        return found

    def all_metrics(self) -> list[Any]:
        """Return the loss tracker, the trackers of single losses, and the metrics."""
        own = [self.loss_tracker, *(t.tracker for t in self._terms if t.tracker is not None)]
        return [*own, *(r.metric for r in self._reports)]

    def names(self) -> list[str]:
        """Return the names that the logs will have."""
        trackers = [t.name for t in self._terms if t.tracker is not None]
        return ["loss", *trackers, *(r.name for r in self._reports)]

    def _align(self, y: Any, y_pred: Any) -> list[Any]:
        """Return the targets in the order of the outputs."""
        return _align(y, y_pred, self._names, "targets (y)")

    def _align_weights(self, sample_weight: Any, y_pred: Any) -> list[Any]:
        if sample_weight is None:
            return [None] * len(self._names)
        if not isinstance(sample_weight, (list, tuple, dict)):
            return [sample_weight] * len(self._names)
        return _align(sample_weight, y_pred, self._names, "sample_weight")


class _Term:
    """One loss: the output it looks at, its weight, and the metric that reports it under a name (or None)."""

    def __init__(self, index: int, loss: Any, weight: Any, name: str):
        self.index, self.loss, self.weight, self.name = index, loss, weight, name
        self.tracker: Any = metrics.Mean(name=name.replace("/", "_"))


class _Report:
    """One metric: the output it looks at, and the name its value goes by."""

    def __init__(self, index: int, metric: Any, prefix: str, name: str, weighted: bool):
        self.index, self.metric, self.weighted = index, metric, weighted
        self.prefix, self.own = prefix, name
        self.name = prefix + name


def _tell_apart(reports: list[_Report]) -> None:
    """Give metrics of one name names of their own: `weighted_` before that of a weighted one, else a number behind."""
    taken: set[str] = set()
    for report in reports:
        if report.weighted and report.name in taken:
            report.name = f"{report.prefix}weighted_{report.own}"
        name, count = report.name, 0
        while report.name in taken:
            count += 1
            report.name = f"{name}_{count}"
        taken.add(report.name)


def _loss(given: Any) -> Any:
    """Return a loss object for a name, function or loss."""
    if given is None:
        return None
    found = losses.get(given)
    if isinstance(found, Loss):
        return found
    if not callable(found):
        raise TypeError(f"compile: expected a loss to be a name, a function or a Loss; received {given!r}.")
    return FunctionLoss(found, name=_name_of(found))


def _name_of(function: Any) -> str | None:
    name = getattr(function, "__name__", getattr(function, "name", None))
    return "lambda" if name == "<lambda>" else name


def _check_metrics(given: Any, what: str) -> Any:
    """Refuse unknown names at once, and return what was given."""
    for item in tree.flatten(given) if given is not None else []:
        if item is None:
            continue
        if isinstance(item, str) and item not in SHAPE_DEPENDENT:
            metrics.get(item)
        elif not isinstance(item, str) and not callable(item) and not isinstance(item, metrics.Metric):
            raise TypeError(f"compile: expected {what} to be names, functions or Metric objects; received {item!r}.")
    return given


def _metric(item: Any, y: Any, y_pred: Any) -> Any:
    if isinstance(item, str) and item in SHAPE_DEPENDENT:
        return choose_by_shape(item, y.shape, y_pred.shape)
    found = metrics.get(item)
    if isinstance(found, metrics.Metric):
        return found
    return metrics.MeanMetricWrapper(found, name=_name_of(found))


def _names_of(y_pred: Any, output_names: list[str] | None) -> list[str]:
    """Return a name for each output: its key, or that of the layer that made it, or `output_1`..."""
    count = len(tree.flatten(y_pred))
    if isinstance(y_pred, dict) and all(not isinstance(v, (list, tuple, dict)) for v in y_pred.values()):
        return sorted(y_pred)
    if output_names is not None and len(output_names) == count:
        return list(output_names)
    return [f"output_{i + 1}" for i in range(count)] if count > 1 else ["output"]


def _is_nested(y_pred: Any) -> bool:
    """Return whether outputs are in lists or dicts of lists or dicts."""
    members = y_pred.values() if isinstance(y_pred, dict) else y_pred if isinstance(y_pred, (list, tuple)) else ()
    return any(isinstance(member, (list, tuple, dict)) for member in members)


def _paths_of(y_pred: Any, names: list[str]) -> list[str]:
    """Return the keys that lead to each output, as `heads/left`; the last place in a list goes by the output's name."""
    paths = [path for path, _ in tree.flatten_with_path(y_pred)]
    return ["/".join(map(str, [*path[:-1], path[-1] if isinstance(path[-1], str) else name]))
            for path, name in zip(paths, names, strict=True)]  # fmt: skip


def _matched(given: Any, y_pred: Any) -> list[Any] | None:
    """Return an entry for each output where entries are nested as the outputs are, else None; what lacks has none."""
    if not isinstance(y_pred, (dict, list, tuple)):
        return [given]
    if given is None:
        return [None] * len(tree.flatten(y_pred))
    if isinstance(y_pred, dict):
        if not isinstance(given, dict) or set(given) - set(y_pred):
            return None
        parts = [_matched(given.get(key), y_pred[key]) for key in sorted(y_pred)]
    elif not isinstance(given, (list, tuple)) or len(given) != len(y_pred):
        return None
    else:
        parts = [_matched(entry, output) for entry, output in zip(given, y_pred, strict=True)]
    return None if any(part is None for part in parts) else [entry for part in parts for entry in part or ()]


def _leaf(y: Any, y_pred: Any, i: int) -> Any:
    flat = tree.flatten(y)
    if isinstance(y, dict) and isinstance(y_pred, dict) and not _is_nested(y_pred):
        return y.get(sorted(y_pred)[i])
    return flat[i] if i < len(flat) else None


def _spread(given: Any, names: list[str], y_pred: Any, what: str) -> list[Any]:
    """Return one entry for each output from a single one, a list, or a dict by output name."""
    count = len(names)
    nested = _is_nested(y_pred)
    if nested and given is not None and (found := _matched(given, y_pred)) is not None:
        return found
    if isinstance(given, dict):
        _check_keys(given, names, what)
        return [given.get(name) for name in names]
    if isinstance(given, (list, tuple)):
        flat = tree.flatten(given)
        if isinstance(y_pred, dict) and not nested and len(given) == count:
            flat = [given[list(y_pred).index(name)] for name in names]
        if len(flat) != count:
            raise ValueError(
                f"compile: expected {what} to have {count} entries, one for each output {names}; received {len(flat)}."
            )
        return flat
    return [given] * count


def _spread_metrics(given: Any, names: list[str], y_pred: Any, what: str) -> list[list[Any]]:
    """Return a list of metrics for each output."""
    count = len(names)
    if given is None:
        return [[] for _ in names]
    if _is_nested(y_pred) and (found := _matched(given, y_pred)) is not None:
        return [_listed(entry) for entry in found]
    if isinstance(given, dict):
        _check_keys(given, names, what)
        return [_listed(given.get(name)) for name in names]
    items = list(given) if isinstance(given, (list, tuple)) else [given]
    if count > 1 and len(items) == count and any(isinstance(m, (list, tuple)) or m is None for m in items):
        if isinstance(y_pred, dict) and not _is_nested(y_pred):
            items = [items[list(y_pred).index(name)] for name in names]
        return [_listed(m) for m in items]
    if count == 1:
        return [[m for item in items for m in _listed(item)]]
    if len(items) == count:
        return [_listed(m) for m in items]
    raise ValueError(
        f"compile: expected {what} as a dict by output name or a list with one entry for each output {names}; "
        f"received {items!r:.100}."
    )


def _listed(item: Any) -> list[Any]:
    if item is None:
        return []
    return list(item) if isinstance(item, (list, tuple)) else [item]


def _check_keys(given: dict[str, Any], names: list[str], what: str) -> None:
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise ValueError(f"compile: {what} names {unknown}, but the outputs are {names}.")


def _align(y: Any, y_pred: Any, names: list[str], what: str) -> list[Any]:
    """Return targets or weights in the order of the outputs: matched by key if both are dicts, else by position."""
    if isinstance(y, dict):
        missing = [name for name in names if name not in y]
        if missing and len(names) == len(tree.flatten(y)):
            return tree.flatten(y)
        return [y.get(name) for name in names]
    flat = tree.flatten(y) if isinstance(y, (list, tuple)) else [y]
    if isinstance(y_pred, dict) and not _is_nested(y_pred) and isinstance(y, (list, tuple)) and len(flat) == len(names):
        flat = [flat[list(y_pred).index(name)] for name in names]
    if len(flat) != len(names):
        raise ValueError(f"The model has {len(names)} outputs {names}; received {len(flat)} {what}.")
    return flat
