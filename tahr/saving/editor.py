"""`KerasFileEditor`: the weights in a file looked at, compared with a model, changed and written again."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tahr.saving.arrays import read_arrays
from tahr.saving.atomic import replacing
from tahr.saving.errors import UnreadableFileError
from tahr.saving.hdf5 import h5_writing, write_array
from tahr.saving.paths import existing

__all__ = ["KerasFileEditor"]

Group = dict[str, Any]  # from name to array or to group


class KerasFileEditor:
    """Look at and change the weights in a `.keras` or `.weights.h5` file.

    Objects are the layers, optimizers and so on of the file, each with its arrays by name. They go by their whole path,
    such as `layers/dense`, or by their last name where only one has it.

    Args:
        filepath: path of the file.

    Raises:
        ValueError: if the ending is another one.
        FileNotFoundError: if there is no such file.

    >>> import tempfile, os
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(os.path.join(folder, "small.keras"))
    ...     editor = keras.saving.KerasFileEditor(os.path.join(folder, "small.keras"))
    ...     editor.rename_object("dense", "output")
    ...     sorted(editor.weights_dict["layers"])
    ['output']
    """

    def __init__(self, filepath: Any):
        path = existing(filepath)
        if not path.name.endswith((".keras", ".weights.h5")):
            raise ValueError(
                f"KerasFileEditor: expected a file that ends in '.keras' or '.weights.h5'; received {str(filepath)!r}."
            )
        self.filepath = str(filepath)
        self.metadata: dict[str, Any] | None = None
        self.config: dict[str, Any] | None = None
        if path.name.endswith(".keras"):
            self.metadata, self.config = _descriptions(path)
        self.weights_dict: Group = {}
        for place, array in read_arrays(path).items():
            group: Any = self.weights_dict
            *groups, name = [part for part in place.split("/") if part != "vars"] or [""]
            for part in groups:
                group = group.setdefault(part, {}) if isinstance(group, dict) else None
            if not isinstance(group, dict) or not name or name in group:
                raise UnreadableFileError(f"{path}: {place} is not where a file of weights has arrays.")
            group[name] = array

    # ---- looking ------------------------------------------------------------------------------------------------

    def summary(self) -> None:
        """Print the objects of the file with shapes and types of their arrays."""
        print(f"Keras file {self.filepath!r}")
        if self.metadata:
            print(f"Saved with Keras {self.metadata.get('keras_version')} on {self.metadata.get('date_saved')}")
        print("Weights")
        for line in _tree(self.weights_dict, "  "):
            print(line)

    def compare(self, reference_model: Any) -> dict[str, Any]:
        """Compare the file with a model, print what differs, and return status and counts.

        Args:
            reference_model: a built model.

        Returns:
            A dict of `status` (`"success"` or `"error"`), `error_count`, and `match_count`, how many arrays fit.
        """
        from tahr.saving.weights import state_of

        mine: dict[str, dict[str, Any]] = {}
        for path, values, _ in state_of(reference_model):
            if values and not path.startswith(("optimizer", "metrics")):
                mine[path.removesuffix("vars").rstrip("/")] = values
        stored = {p: arrays for p, arrays in _objects(self.weights_dict) if not p.startswith(("optimizer", "metrics"))}
        errors: list[str] = [f"{p or 'the model itself'}: only the model has it" for p in mine if p not in stored]
        errors += [f"{p or 'the model itself'}: only the file has it" for p in stored if p not in mine]
        matches = 0
        for path in mine.keys() & stored.keys():
            for name in sorted(mine[path].keys() | stored[path].keys()):
                shapes = [np.shape(side[path][name]) if name in side[path] else None for side in (mine, stored)]
                if None not in shapes and shapes[0] == shapes[1]:
                    matches += 1
                else:
                    errors.append(f"{path}/{name}: shape {shapes[0]} in the model, {shapes[1]} in the file")
        for error in sorted(errors):
            print(error)
        print(f"{matches} arrays fit the model, {len(errors)} things differ.")
        return {"status": "error" if errors else "success", "error_count": len(errors), "match_count": matches}

    # ---- changing -----------------------------------------------------------------------------------------------

    def rename_object(self, object_name: str, new_name: str) -> None:
        """Give an object another name; it stays where it is.

        Raises:
            ValueError: if there is no such object, several have the name, or the new name is a path or taken.
        """
        owner, name = self._find(object_name)
        _check_name(new_name, "new_name")
        if new_name in owner:
            raise ValueError(f"rename_object: {new_name!r} exists already beside {object_name!r}.")
        renamed = {new_name if key == name else key: value for key, value in owner.items()}
        owner.clear()
        owner.update(renamed)

    def delete_object(self, object_name: str) -> None:
        """Take an object, with all inside of it, out.

        Raises:
            ValueError: if there is no such object, or several have the name.
        """
        owner, name = self._find(object_name)
        del owner[name]

    def add_object(self, object_path: str, weights: Mapping[str, Any]) -> None:
        """Add an object with arrays, replacing one at the same place.

        Args:
            object_path: whole path, such as `layers/dense_2`.
            weights: arrays by name, or groups of such.

        Raises:
            ValueError: if a part of the path is an array, or names are no names.
        """
        group = self.weights_dict
        *groups, name = object_path.strip("/").split("/")
        for part in groups:
            _check_name(part, "object_path")
            group = group.setdefault(part, {})
            if not isinstance(group, dict):
                raise ValueError(f"add_object: {part!r} in {object_path!r} is an array, which holds no objects.")
        _check_name(name, "object_path")
        group[name] = _copied(weights)

    def add_weights(self, object_name: str, weights: Mapping[str, Any]) -> None:
        """Add arrays to an object, replacing those of the same names.

        Raises:
            ValueError: if there is no such object, or several have the name.
        """
        owner, name = self._find(object_name)
        owner[name].update(_copied(weights))

    def delete_weight(self, object_name: str, weight_name: str) -> None:
        """Take an array out of an object.

        Raises:
            ValueError: if there is no such object or array.
        """
        owner, name = self._find(object_name)
        if weight_name not in owner[name]:
            raise ValueError(f"delete_weight: {object_name!r} has no {weight_name!r}; it has {sorted(owner[name])}.")
        del owner[name][weight_name]

    def save(self, filepath: Any) -> None:
        """Write the weights to a `.weights.h5` file; an existing file is replaced as a whole.

        Raises:
            ValueError: if the ending is another one.
        """
        path = Path(filepath)
        if not path.name.endswith(".weights.h5"):
            raise ValueError(f"save: expected a path that ends in '.weights.h5'; received {str(filepath)!r}.")
        with replacing(path) as file, h5_writing(file) as h5:
            for place, arrays in _objects(self.weights_dict):
                group = h5.create_group(f"{place}/vars" if place else "vars")
                for name, array in arrays.items():
                    write_array(group, name, array)

    def resave_weights(self, filepath: Any) -> None:
        """Do as `save` does."""
        self.save(filepath)

    def _find(self, object_name: str) -> tuple[Group, str]:
        """Return the group that holds an object, and the object's name in it."""
        wanted = object_name.strip("/")
        places = [path for path in _paths(self.weights_dict) if path == wanted or path.split("/")[-1] == wanted]
        places = [wanted] if wanted in places else places
        if len(places) != 1:
            known = ", ".join(list(_paths(self.weights_dict))[:12])
            problem = f"is the name of {len(places)} objects: {', '.join(places)}" if places else "is not in the file"
            raise ValueError(f"The object {object_name!r} {problem}. Use one of the paths that the file has: {known}.")
        *groups, name = places[0].split("/")
        owner = self.weights_dict
        for part in groups:
            owner = owner[part]
        return owner, name


def _descriptions(path: Path) -> tuple[Any, Any]:
    from tahr.saving.model_file import CONFIG, METADATA, model_content, parse_json

    with model_content(path) as content:
        metadata = parse_json(content.text(METADATA), str(path)) if content.has(METADATA) else {}
        config = parse_json(content.text(CONFIG), str(path))
    for name, value in ((METADATA, metadata), (CONFIG, config)):
        if not isinstance(value, dict):
            raise UnreadableFileError(f"{path}: {name} is damaged; expected a JSON object, received {value!r:.80}.")
    return metadata, config


def _check_name(name: Any, argument: str) -> None:
    if not isinstance(name, str) or not name or "/" in name or name in (".", "..", "vars"):
        raise ValueError(f"{argument}: expected a name without '/'; received {name!r}.")


def _copied(weights: Mapping[str, Any]) -> Group:
    for name in weights:
        _check_name(name, "weights")
    return {name: _copied(w) if isinstance(w, Mapping) else np.array(w) for name, w in weights.items()}


def _paths(group: Group, prefix: str = "") -> Iterator[str]:
    for name, value in group.items():
        if isinstance(value, dict):
            yield f"{prefix}{name}"
            yield from _paths(value, f"{prefix}{name}/")


def _objects(group: Group, path: str = "") -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    arrays = {name: value for name, value in group.items() if not isinstance(value, dict)}
    if arrays:
        yield path, arrays
    for name, value in group.items():
        if isinstance(value, dict):
            yield from _objects(value, f"{path}/{name}" if path else name)


def _tree(group: Group, indent: str) -> Iterator[str]:
    for name, value in group.items():
        if isinstance(value, dict):
            yield f"{indent}{name}"
            yield from _tree(value, indent + "  ")
        else:
            yield f"{indent}{name}: shape={value.shape}, dtype={value.dtype}"
