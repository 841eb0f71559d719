"""Weights to files and back: `.weights.h5`, the same in shards, and the member of a `.keras` file."""

import contextlib
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tahr.layers.layer import Layer
from tahr.saving.atomic import may_write, replacing
from tahr.saving.errors import UnreadableFileError, UnsafeFileError, understanding
from tahr.saving.hdf5 import Pages, Stored, h5_reading, h5_writing, is_hdf5, write_array
from tahr.saving.paths import existing, inner
from tahr.saving.report import LoadReport
from tahr.saving.scan import refuse_programs
from tahr.saving.state import walk_state

__all__ = ["load_weights", "open_shards", "read_state", "save_weights", "state_of", "write_state"]

SHOWN = 10


# ---- writing --------------------------------------------------------------------------------------------------------


def save_weights(
    model: Any, filepath: Any, overwrite: bool = True, max_shard_size: float | None = None, **kwargs: Any
) -> None:
    """Save the weights (and the optimizer's state, if compiled) of a model.

    Args:
        model: the model; it must be built.
        filepath: path that ends in `.weights.h5`, or in `.weights.json` for shards.
        overwrite: whether an existing file is replaced without asking.
        max_shard_size: largest size of a file in GB; more goes into further files, listed by a `.weights.json` file.

    Raises:
        ValueError: if the file name has another ending.
        FileExistsError: if the file exists, `overwrite` is false and nobody is there to be asked.

    >>> import tempfile, os
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keras.saving.save_weights(model, os.path.join(folder, "small.weights.h5"))
    ...     print(os.listdir(folder))
    ['small.weights.h5']
    """
    if kwargs:
        raise TypeError(f"save_weights: unexpected arguments {sorted(kwargs)}.")
    path = Path(filepath)
    sharded = str(path).endswith(".weights.json")
    if not str(path).endswith((".weights.h5", ".weights.json")):
        if path.suffix in (".h5", ".hdf5"):
            from tahr.compat.files import save_old_weights

            _require_built(model, "save_weights")
            return save_old_weights(model, path, overwrite)
        raise ValueError(f"save_weights: expected a path that ends in '.weights.h5'; received {str(filepath)!r}.")
    if max_shard_size is not None and not max_shard_size > 0:
        raise ValueError(f"save_weights: expected max_shard_size in GB to be above 0; received {max_shard_size!r}.")
    _require_built(model, "save_weights")
    if sharded or max_shard_size is not None:
        _save_shards(model, path, overwrite, 10.0 if max_shard_size is None else max_shard_size)
    elif may_write(path, overwrite):
        with replacing(path) as file, h5_writing(file) as h5:
            write_state(model, h5)


def _require_built(model: Any, what: str) -> None:
    if not isinstance(model, Layer):
        raise ValueError(f"{what}: expected a model; received {type(model).__name__}.")
    if not model.built:
        raise ValueError(
            f"{what}: {model.name!r} has no weights yet. Call it on data, or use `build(input_shape)`, before."
        )


def write_state(model: Any, h5: Any) -> None:
    """Write all weights and the optimizer's state into an open HDF5 file."""
    for path, values, name in state_of(model):
        group = h5.create_group(path)
        if name is not None:
            group.attrs["name"] = name
        for key, value in values.items():
            write_array(group, key, value)


def state_of(model: Any) -> Iterator[tuple[str, dict[str, np.ndarray], str | None]]:
    """Yield the path of the group, the values by key and the name, for each part of a model."""
    for path, part in walk_state(model):
        values: dict[str, Any] = {}
        try:
            part.save_own_variables(values)
        except Exception as error:
            error.add_note(f"Raised while saving {path or part.name!r} ({type(part).__name__}); nothing was written.")
            raise
        yield (
            f"{path}/vars" if path else "vars",
            {str(k): _host(v) for k, v in values.items()},
            getattr(part, "name", None),
        )
        for group, kept in part.inner_stored() if hasattr(part, "inner_stored") else ():
            yield f"{path}/{group}", kept, None


def _host(value: Any) -> np.ndarray:
    from tahr import backends

    value = value.value if hasattr(value, "handle") else value
    engine = backends.current()
    return engine.to_numpy(value) if engine.is_tensor(value) else np.asarray(value)


def _save_shards(model: Any, path: Path, overwrite: bool, gigabytes: float) -> None:
    """Write the shards, then the list of them."""
    stem = path.name.removesuffix(".weights.h5").removesuffix(".weights.json")
    index = path.with_name(f"{stem}.weights.json")
    if not may_write(index, overwrite):
        return
    limit, total = gigabytes * 1024**3, 0
    places: dict[str, list[str]] = {}
    with contextlib.ExitStack() as files:
        used, size, count = None, 0, 0
        for group_path, values, name in state_of(model):
            if used is None:
                used, size, count = _next_shard(files, path, stem, count), 0, count + 1
            group = used[1].create_group(group_path)
            if name is not None:
                group.attrs["name"] = name
            for key, value in values.items():
                if size and size + value.nbytes > limit:
                    used, size, count = _next_shard(files, path, stem, count), 0, count + 1
                    group = used[1].create_group(group_path)
                write_array(group, key, value)
                size += value.nbytes
                total += value.nbytes
                listed = places.setdefault(f"/{group_path}", [])
                if used[0] not in listed:
                    listed.append(used[0])
    with replacing(index) as file:
        content = {"metadata": {"total_size": float(total)}, "weight_map": places}
        file.write(json.dumps(content, indent=4).encode("utf-8"))


def _next_shard(files: contextlib.ExitStack, path: Path, stem: str, count: int) -> tuple[str, Any]:
    name = f"{stem}_{count:05d}.weights.h5"
    file = files.enter_context(replacing(path.with_name(name)))
    return name, files.enter_context(h5_writing(file))


# ---- reading --------------------------------------------------------------------------------------------------------


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> LoadReport:
    """Load weights into a model from a file that `save_weights` or `save` wrote, or from legacy `.h5` weights.

    Args:
        model: the model; it must be built.
        filepath: path of a `.weights.h5`, `.weights.json`, `.keras`, `.safetensors`, `.safetensors.index.json`, or
            legacy `.h5` file.
        skip_mismatch: whether layers whose weights differ in number or shape stay as they are, with a warning.
        by_name: for legacy `.h5` files, whether layers are matched by name instead of by order.
        strict: whether arrays in the file that the model has no place for are an error.

    Returns:
        A `LoadReport` of what was loaded and what was left.

    Raises:
        FileNotFoundError: if there is no such file.
        UnreadableFileError: if the file is damaged, cut off or of another kind.
        ValueError: if the weights do not fit the model; it says which, and no weight has changed.

    >>> import tempfile, os
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="last")])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "small.weights.h5")
    ...     model.save_weights(path)
    ...     keras.saving.load_weights(model, path, strict=True).loaded
    ['layers/dense']
    """
    by_name, strict = kwargs.pop("by_name", False), kwargs.pop("strict", False)
    for name in ("objects_to_skip", "report"):  # a report is given in any case
        kwargs.pop(name, None)
    if kwargs:
        raise TypeError(f"load_weights: unexpected arguments {sorted(kwargs)}.")
    path = existing(filepath)
    with understanding(str(path)):
        return _load(model, path, skip_mismatch, by_name, strict)


def _load(model: Any, path: Path, skip_mismatch: bool, by_name: bool, strict: bool) -> LoadReport:
    if path.name.endswith((".safetensors", ".safetensors.index.json")):
        from tahr.saving.safetensors import load_safetensors

        _require_built(model, "load_weights")
        return load_safetensors(model, path, skip_mismatch=skip_mismatch, strict=strict)
    if not path.is_dir() and path.suffix != ".keras" and not path.name.endswith(".weights.json"):
        return _load_h5(model, path, skip_mismatch, by_name, strict)
    _require_built(model, "load_weights")
    if path.name.endswith(".weights.json"):
        with open_shards(path) as files:
            return read_state(model, files, str(path), skip_mismatch, strict)
    from tahr.saving.model_file import model_content, places_in

    with model_content(path) as content, content.weights() as h5:
        return read_state(model, [h5], str(path), skip_mismatch, strict, places_in(content, model))


def _load_h5(model: Any, path: Path, skip_mismatch: bool, by_name: bool, strict: bool) -> LoadReport:
    with open(path, "rb") as file:
        head = file.read(8)
    if not is_hdf5(head):
        refuse_programs(path)
        raise UnreadableFileError(
            f"{path}: not an HDF5 file, so it holds no weights; it is damaged or of another kind."
        )
    with h5_reading(path, str(path)) as h5:
        if "layer_names" in h5.attrs or "layer_names0" in h5.attrs or "model_weights" in h5:
            from tahr.saving.legacy.weights import load_legacy_weights

            group = h5.get("model_weights", h5)
            return load_legacy_weights(model, group, str(path), by_name, skip_mismatch, strict).report
        if by_name:
            raise ValueError("load_weights: by_name=True is for legacy `.h5` files; this file keeps weights by place.")
        _require_built(model, "load_weights")
        return read_state(model, [h5], str(path), skip_mismatch, strict)


@contextlib.contextmanager
def open_shards(path: Path) -> Iterator[list[Any]]:
    """Open all shards that a list names; a shard is a file beside the list."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        names = sorted({name for entry in listed.values() for name in ([entry] if isinstance(entry, str) else entry)})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableFileError(f"{path}: not a readable list of weight files ({error}).") from error
    with contextlib.ExitStack() as files:
        opened = []
        for name in names:
            if name != Path(name).name or "\\" in name or name in ("", ".", ".."):
                raise UnsafeFileError(f"{path}: names the file {name!r}, which is not beside it.")
            shard = inner(path.with_name(name))
            opened.append(files.enter_context(h5_reading(shard, str(shard))))
        yield opened


def read_state(
    model: Any,
    files: list[Any],
    where: str,
    skip_mismatch: bool = False,
    strict: bool = False,
    places: Mapping[str, str] | None = None,
    pages: Pages | None = None,
) -> LoadReport:
    """Load weights and the optimizer's state from open HDF5 files; everything is compared before anything changes.

    Args:
        model: a built model.
        files: open files; each array is in one of them.
        where: name of the file for errors.
        skip_mismatch: whether layers that do not fit stay as they are.
        strict: whether arrays without a place in the model are an error.
        places: where parts are in a file of Keras 2, by where they are today.
        pages: where the one file can be mapped, so that its arrays are read when they are used.

    Raises:
        ValueError: if weights of layers are missing or do not fit.
    """
    report, plan, problems, taken = LoadReport(where), [], [], set()
    for path, part in walk_state(model):
        groups = [g for file in files if (g := _group_at(file, (places or {}).get(path, path))) is not None]
        stored = Stored(*groups, pages=pages)
        taken |= {g.name for g in groups}
        keep = getattr(part, "keep_stored", None)  # a placeholder takes what it finds
        if keep is not None:
            taken |= keep(files, path)
        problem = _misfit(part, stored)
        if problem is None:
            plan.append((path, part, stored))
        elif stored and (state := _of_keras_2(model, part, stored, places is not None)) is not None:
            plan.append((path, part, state))
        elif isinstance(part, Layer):
            problems.append(f"{path or part.name}: {problem}")
            report.mismatched[path] = problem
        elif stored:
            report.optimizer = problem
            warnings.warn(f"{where}: the state of {path} ({type(part).__name__}) is left as it is: {problem}")
    report.unused = _unused(files, taken)
    if problems and not skip_mismatch:
        raise ValueError(_report(where, problems, len(plan)))
    if strict:
        require_used(report)
    for path, part, stored in plan:
        try:
            part.load_own_variables(stored)
        except Exception as error:
            if not skip_mismatch or not isinstance(part, Layer):
                error.add_note(f"Raised while loading {path or part.name!r} ({type(part).__name__}) from {where}.")
                raise
            problems.append(f"{path or part.name}: {error}")
            report.mismatched[path] = str(error)
            continue
        if not isinstance(part, Layer):
            report.optimizer = "loaded"
            if places is not None:
                from tahr.saving.legacy.optimizer import catch_up

                catch_up(part, int(part.iterations))
        elif len(stored):
            report.loaded.append(path)
    if problems:
        warnings.warn(_report(where, problems, len(plan)))
    return report


def _group_at(file: Any, path: str) -> Any:
    """Return the group with a part's own arrays, or None; Keras 2 had some parts under private names."""
    group = file
    for name in path.split("/") if path else []:
        group = group[name] if name in group else group.get("_" + name)
        if group is None:
            return None
    return group.get("vars")


def _of_keras_2(model: Any, part: Any, stored: Stored, packed: bool) -> dict[str, Any] | None:
    """Return arrays that do not fit a part as they are, but do once laid out as today, or None.

    Optimizers lack the rate and `Nadam`'s product in `.keras` files of Keras 2, which are `packed`.
    """
    from tahr.saving.legacy.conversion import Writer, convert_weights, has_other_forms
    from tahr.saving.legacy.optimizer import slots_in_todays_form

    values = [stored[str(i)] for i in range(len(stored)) if str(i) in stored]
    if isinstance(part, Layer):
        mine = part._stored_variables()
        if len(mine) != len(values) or not has_other_forms(part):
            return None
        values = convert_weights(part, mine, values, Writer())
    else:
        mine = list(part.variables)
        if len(mine) - len(values) != 1 + hasattr(part, "_product") or not packed:
            return None
        values = [values[0], mine[1].numpy(), *values[1:], *(v.numpy() for v in mine[len(values) + 1 :])]
        values = slots_in_todays_form(model, part, values)
    fit = [np.shape(v) for v in values] == [tuple(v.shape) for v in mine]
    return {str(i): v for i, v in enumerate(values)} if fit else None


def _unused(files: list[Any], taken: set[str]) -> list[str]:
    """Return the groups with arrays that nothing took; metrics and optimizers that a model lacks do not count."""
    import h5py

    found: list[str] = []
    for file in files:

        def visit(name: str, thing: Any) -> None:
            if isinstance(thing, h5py.Dataset) and not name.startswith(("metrics/", "optimizer/", "_")):
                group = str(thing.parent.name)
                if group not in taken and group.removesuffix("/vars").strip("/") not in found:
                    found.append(group.removesuffix("/vars").strip("/"))

        file.visititems(visit)
    return found


def require_used(report: LoadReport) -> None:
    """Refuse a file with arrays that the model has no place for.

    Raises:
        ValueError: if there are such; it lists them.
    """
    if report.unused:
        more = f" and {len(report.unused) - SHOWN} more" if len(report.unused) > SHOWN else ""
        raise ValueError(
            f"{report.path}: holds arrays that the model has no place for: {', '.join(report.unused[:SHOWN])}{more}. "
            "Build the model that the file was saved from, or load with strict=False."
        )


def _report(where: str, problems: list[str], fitting: int) -> str:
    more = f"\n  ... and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    lines = "".join(f"\n  {problem}" for problem in problems[:SHOWN])
    return (
        f"{where}: the weights of {len(problems)} layers do not fit the model, those of {fitting} do:{lines}{more}\n"
        "Build the model that the file was saved from, or pass skip_mismatch=True to load what fits."
    )


def _misfit(part: Any, stored: Stored) -> str | None:
    """Return why stored values cannot go into a part, or None; parts with their own loading judge themselves."""
    if isinstance(part, Layer):
        if type(part).load_own_variables is not Layer.load_own_variables:
            return None
        mine = part._stored_variables()
    else:
        mine = list(getattr(part, "variables", ()))
    if not isinstance(part, Layer) and not stored:
        return "the file holds none"
    if len(mine) != len(stored):
        hint = ""
        if isinstance(part, Layer) and not part.built:
            hint = "; the layer is not built: call the model on data first"
        return f"has {len(mine)} weights{hint}; the file holds {len(stored)}"
    for i, variable in enumerate(mine):
        key = str(i)
        if key not in stored:
            return f"weight {variable.path} is missing; the file holds {sorted(stored)}"
        if stored.shape(key) != tuple(variable.shape):
            return f"weight {variable.path} has shape {tuple(variable.shape)}; the file holds {stored.shape(key)}"
    return None
