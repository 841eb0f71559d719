"""`FeatureSpace`: the columns of a table, each prepared in its own way, as one vector a row."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from tahr import dtypes, layers, naming, ops, tree
from tahr.layers.arguments import who
from tahr.layers.host import host_array, is_native
from tahr.layers.in_graph import in_graph
from tahr.layers.layer import Layer
from tahr.saving.serialization import deserialize_keras_object, serialize_keras_object
from tahr.symbolic import KerasTensor

__all__ = ["Cross", "Feature", "FeatureSpace", "TFDIdentity"]

KINDS = (
    "float",
    "float_normalized",
    "float_rescaled",
    "float_discretized",
    "integer_categorical",
    "string_categorical",
    "integer_hashed",
    "string_hashed",
)
ROWS = 1024  # single rows that are put together while adapting


class TFDIdentity(layers.Identity):
    """Return the inputs as they are; files of Keras know the layer by this name."""


class Feature:
    """How a column becomes numbers.

    Args:
        dtype: data type of the column's values: `"float32"`, `"int32"`, `"string"`...
        preprocessor: the layer that prepares them.
        output_mode: `"float"` for numbers, `"int"` for indices, `"one_hot"` for a vector of each index.

    >>> keras.utils.FeatureSpace.float_rescaled(scale=0.1).output_mode
    'float'
    """

    def __init__(self, dtype: str, preprocessor: Any, output_mode: str):
        if output_mode not in ("int", "one_hot", "float"):
            raise ValueError(
                f"Feature: expected `output_mode` to be 'int', 'one_hot' or 'float'; received {output_mode!r}."
            )
        self.dtype, self.output_mode = dtype, output_mode
        self.preprocessor = deserialize_keras_object(preprocessor) if isinstance(preprocessor, dict) else preprocessor

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as data."""
        layer = serialize_keras_object(self.preprocessor)
        return {"dtype": self.dtype, "preprocessor": layer, "output_mode": self.output_mode}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Feature":
        """Return a new object made from what `get_config` gave."""
        return cls(**config)


class Cross:
    """A column made of others: one category for each combination of theirs, by its hash.

    Args:
        feature_names: the columns.
        crossing_dim: number of bins.
        output_mode: `"int"` or `"one_hot"`.

    >>> keras.utils.FeatureSpace.cross(("city", "trade"), crossing_dim=64).name
    'city_X_trade'
    """

    def __init__(self, feature_names: Sequence[str], crossing_dim: int, output_mode: str = "one_hot"):
        if output_mode not in ("int", "one_hot"):
            raise ValueError(f"Cross: expected `output_mode` to be 'int' or 'one_hot'; received {output_mode!r}.")
        self.feature_names, self.crossing_dim, self.output_mode = tuple(feature_names), crossing_dim, output_mode

    @property
    def name(self) -> str:
        """The columns' names, joined."""
        return "_X_".join(self.feature_names)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as data."""
        return {
            "feature_names": list(self.feature_names),
            "crossing_dim": self.crossing_dim,
            "output_mode": self.output_mode,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Cross":
        """Return a new object made from what `get_config` gave."""
        return cls(**config)


def _named(name: str | None, kind: str) -> str:
    return f"{name or naming.auto_name(kind)}_preprocessor"


class FeatureSpace(Layer):
    """Turn rows of named columns into vectors: each column by its own layer, adapted to data, and crossed with others.

    Args:
        features: from column name to the kind of feature: a name such as `"float_normalized"`, or what
            `FeatureSpace.string_categorical(...)` and its like return.
        output_mode: `"concat"` for one vector a row, the columns in alphabetical order and the crosses after them;
            `"dict"` for a dict of them.
        crosses: combinations to make columns of: tuples of names, or `FeatureSpace.cross(...)`.
        crossing_dim: number of bins of crosses that say none.
        hashing_dim: number of bins of `"integer_hashed"` and `"string_hashed"` columns.
        num_discretization_bins: number of bins of `"float_discretized"` columns.
        name: name.

    Raises:
        ValueError: for unknown kinds of features, or crosses of unknown columns.

    >>> table = {"age": [20.0, 30.0, 40.0], "job": ["cook", "pilot", "cook"]}
    >>> space = keras.utils.FeatureSpace({"age": "float_normalized", "job": "string_categorical"})
    >>> space.adapt(table)
    >>> space(table)
    [[-1.2247449, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0], [1.2247449, 0.0, 1.0, 0.0]]
    """

    _takes_text = True
    _saved_alone = True  # a file may hold it without a model

    def __init__(
        self,
        features: Mapping[str, Any],
        output_mode: str = "concat",
        crosses: Sequence[Any] | None = None,
        crossing_dim: int = 32,
        hashing_dim: int = 32,
        num_discretization_bins: int = 32,
        name: str | None = None,
    ):
        super().__init__(name=name)
        if not features:
            raise ValueError(
                f"{who(self)}: expected `features`, a dict from column name to kind; received {features!r}."
            )
        if output_mode not in ("concat", "dict"):
            raise ValueError(f"{who(self)}: expected `output_mode` to be 'concat' or 'dict'; received {output_mode!r}.")
        self.output_mode, self.crossing_dim = output_mode, crossing_dim
        self.hashing_dim, self.num_discretization_bins = hashing_dim, num_discretization_bins
        self.features = {n: self._feature(n, value) for n, value in features.items()}
        self.crosses = [self._cross(cross) for cross in crosses or ()]
        self.preprocessors = {n: feature.preprocessor for n, feature in self.features.items()}
        self.crossers = {c.name: layers.HashedCrossing(c.crossing_dim, name=c.name) for c in self.crosses}
        self.one_hot_encoders: dict[str, Any] = {}
        self.concat = layers.Concatenate(axis=-1) if output_mode == "concat" else None
        self.inputs = self._symbols()
        self._is_adapted = not self._adaptable()

    def _symbols(self) -> dict[str, Any]:
        return {n: layers.Input((1,), dtype=f.dtype, name=n) for n, f in self.features.items()}

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle holds: all but symbols."""
        return {n: value for n, value in super().__getstate__().items() if n not in ("inputs", "_encoded")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.inputs = self._symbols()

    def _feature(self, name: str, value: Any) -> Feature:
        if isinstance(value, Feature):
            return value
        if isinstance(value, dict):
            return deserialize_keras_object(value)
        if value not in KINDS:
            raise ValueError(
                f"{who(self)}: feature {name!r} has the unknown kind {value!r}. Use one of {', '.join(KINDS)}, or "
                "FeatureSpace.feature(dtype, preprocessor, output_mode)."
            )
        sizes = {"float_discretized": self.num_discretization_bins}
        sizes |= dict.fromkeys(("integer_hashed", "string_hashed"), self.hashing_dim)
        return getattr(type(self), value)(*([sizes[value]] if value in sizes else []), name=name)

    def _cross(self, cross: Any) -> Cross:
        made = deserialize_keras_object(cross) if isinstance(cross, dict) else cross
        names = made.feature_names if isinstance(made, Cross) else made
        if isinstance(names, str) or not set(names) <= set(self.features):
            raise ValueError(
                f"{who(self)}: expected each cross to be a tuple of names of features, of {sorted(self.features)}; "
                f"received {names!r}."
            )
        return made if isinstance(made, Cross) else Cross(names, self.crossing_dim)

    # ---- kinds of features --------------------------------------------------------------------------------------

    @classmethod
    def cross(cls, feature_names: Sequence[str], crossing_dim: int, output_mode: str = "one_hot") -> Cross:
        """Return a column made of the combinations of others."""
        return Cross(feature_names, crossing_dim, output_mode)

    @classmethod
    def feature(cls, dtype: str, preprocessor: Any, output_mode: str) -> Feature:
        """Return a feature prepared by any layer."""
        return Feature(dtype, preprocessor, output_mode)

    @classmethod
    def float(cls, name: str | None = None) -> Feature:
        """Return a feature of numbers taken as they are."""
        return Feature("float32", TFDIdentity(name=_named(name, "float")), "float")

    @classmethod
    def float_rescaled(cls, scale: Any = 1.0, offset: Any = 0.0, name: str | None = None) -> Feature:
        """Return a feature of numbers times `scale` plus `offset`."""
        layer = layers.Rescaling(scale, offset, name=_named(name, "float_rescaled"))
        return Feature("float32", layer, "float")

    @classmethod
    def float_normalized(cls, name: str | None = None) -> Feature:
        """Return a feature of numbers brought to mean 0 and variance 1."""
        layer = layers.Normalization(axis=-1, name=_named(name, "float_normalized"))
        return Feature("float32", layer, "float")

    @classmethod
    def float_discretized(
        cls, num_bins: int, bin_boundaries: Any = None, output_mode: str = "one_hot", name: str | None = None
    ) -> Feature:
        """Return a feature of numbers in bins, of equally many values unless the boundaries are given."""
        bins = {"num_bins": num_bins} if bin_boundaries is None else {"bin_boundaries": bin_boundaries}
        return Feature("float32", layers.Discretization(name=_named(name, "float_discretized"), **bins), output_mode)

    @classmethod
    def integer_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Return a feature of whole numbers that stand for categories."""
        named = _named(name, "integer_categorical")
        layer = layers.IntegerLookup(max_tokens=max_tokens, num_oov_indices=num_oov_indices, name=named)
        return Feature("int32", layer, output_mode)

    @classmethod
    def string_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Return a feature of texts that stand for categories."""
        named = _named(name, "string_categorical")
        layer = layers.StringLookup(max_tokens=max_tokens, num_oov_indices=num_oov_indices, name=named)
        return Feature("string", layer, output_mode)

    @classmethod
    def string_hashed(cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None) -> Feature:
        """Return a feature of texts in bins by their hash."""
        return Feature("string", layers.Hashing(num_bins, name=_named(name, "string_hashed")), output_mode)

    @classmethod
    def integer_hashed(cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None) -> Feature:
        """Return a feature of whole numbers in bins by their hash."""
        return Feature("int32", layers.Hashing(num_bins, name=_named(name, "integer_hashed")), output_mode)

    # ---- adapting -----------------------------------------------------------------------------------------------

    def _adaptable(self) -> dict[str, Any]:
        return {n: layer for n, layer in self.preprocessors.items() if _wants_data(layer)}

    def adapt(self, dataset: Any) -> None:
        """Adapt the layers of all columns that need it.

        Args:
            dataset: a dict of columns, a pandas table, or an iterable of dicts, each of a batch or of a single row;
                members of tuples after the first do not count. What can be read only once is kept in memory, as far
                as columns need it.

        Raises:
            ValueError: if a column is missing, or the data holds nothing.
        """
        wanted = self._adaptable()
        table = _as_table(dataset)
        if table is None and iter(dataset) is dataset:
            table = self._gathered(dataset, list(wanted))
        for name, layer in wanted.items():
            if table is not None:
                layer.adapt(_column(table, name, self))
            else:
                layer.adapt(_batched(_column(row, name, self) for row in dataset))
        self._is_adapted = True
        self.get_encoded_features()
        self.built = True

    def _gathered(self, dataset: Iterable[Any], names: list[str]) -> dict[str, Any]:
        rows = [{n: _column(row, n, self) for n in names} for row in dataset]
        if not rows:
            raise ValueError(f"{who(self)}: adapt received no data.")
        return {n: np.concatenate([row[n] for row in rows]) for n in names}

    # ---- calling ------------------------------------------------------------------------------------------------

    def get_inputs(self) -> dict[str, Any]:
        """Return symbols for the columns, `(None, 1)` each, to build a model from that takes raw data.

        Raises:
            ValueError: if the columns are not adapted yet.
        """
        self._require()
        return self.inputs

    def get_encoded_features(self) -> Any:
        """Return symbols for what the columns of `get_inputs` become.

        Raises:
            ValueError: if the columns are not adapted yet.
        """
        self._require()
        if "_encoded" not in self.__dict__:
            self._encoded = self._encode(self.inputs)
        return self._encoded

    def _require(self) -> None:
        if not self._is_adapted:
            raise ValueError(f"{who(self)}: has seen no data yet. Call `adapt(dataset)` first.")

    def __call__(self, data: Any) -> Any:
        """Return the vectors (or the dict of them) for a dict of columns, or the vector for one row."""
        self._require()
        table = _as_table(data)
        if table is None:
            raise ValueError(
                f"{who(self)}: expected a dict from column name to values; received {type(data).__name__}."
            )
        table = {n: table[n] for n in self.features if n in table}
        found = in_graph(table, "always", self, self._symbols_for)
        if found is not None:
            return found
        single = all(not np.ndim(x) for x in table.values())
        found = self._encode({n: _column(table, n, self) for n in self.features})
        self.built = True
        if not single:
            return found
        return {k: v[0] for k, v in found.items()} if isinstance(found, dict) else found[0]

    call = __call__

    def _symbols_for(self, table: dict[str, Any]) -> Any:
        """Return symbols for the outputs, whose sizes depend on no value."""
        single = all(not x.shape for x in table.values())
        found = self._encode({n: x if len(x.shape) > 1 else KerasTensor((None, 1), x.dtype) for n, x in table.items()})
        return tree.map_structure(lambda x: KerasTensor(x.shape[1:], x.dtype), found) if single else found

    def _encode(self, columns: Mapping[str, Any]) -> Any:
        prepared = {n: self.preprocessors[n](x) for n, x in sorted(columns.items())}
        crossed = {c.name: self.crossers[c.name]([prepared[n] for n in c.feature_names]) for c in self.crosses}
        modes = {n: f.output_mode for n, f in self.features.items()} | {c.name: c.output_mode for c in self.crosses}
        found = {n: self._written(n, x, modes[n]) for n, x in (*prepared.items(), *sorted(crossed.items()))}
        if self.concat is None:
            return found
        for name, x in found.items():
            if not dtypes.is_float(ops.dtype(x)):
                raise ValueError(
                    f"{who(self)}: the column {name!r} gives whole numbers ({ops.dtype(x)}), which are not joined with "
                    "others into a vector. Use its output_mode='one_hot', or the space's output_mode='dict'."
                )
        return self.concat(list(found.values())) if len(found) > 1 else next(iter(found.values()))

    def _written(self, name: str, x: Any, mode: str) -> Any:
        if mode == "float":
            return ops.cast(x, "float32") if not dtypes.is_float(ops.dtype(x)) else x
        if mode == "int":
            return x
        if name not in self.one_hot_encoders:
            size = self._number_of_categories(name)
            self.one_hot_encoders[name] = layers.CategoryEncoding(size, output_mode="one_hot")
        return self.one_hot_encoders[name](x)

    def _number_of_categories(self, name: str) -> int:
        layer = self.crossers[name] if name in self.crossers else self.preprocessors[name]
        if hasattr(layer, "vocabulary_size"):
            return layer.vocabulary_size()
        if getattr(layer, "bin_boundaries", None) is not None:
            return len(layer.bin_boundaries) + 1
        if getattr(layer, "num_bins", None) is not None:
            return layer.num_bins
        raise ValueError(
            f"{who(self)}: output_mode='one_hot' of the feature {name!r} needs the number of its categories, which "
            f"{type(layer).__name__} does not say. Use output_mode='float' or 'int'."
        )

    # ---- config and files ---------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as data."""
        return {
            "features": serialize_keras_object(self.features),
            "output_mode": self.output_mode,
            "crosses": [serialize_keras_object(c) for c in self.crosses],
            "crossing_dim": self.crossing_dim,
            "hashing_dim": self.hashing_dim,
            "num_discretization_bins": self.num_discretization_bins,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:  # type: ignore[override]
        """Return a new object made from what `get_config` gave."""
        return cls(**config)

    def get_build_config(self) -> dict[str, Any]:
        """Return the shapes that the columns' layers were built with."""
        return {n: layer.get_build_config() for n, layer in self.preprocessors.items()}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build the columns' layers, so that a file can fill them."""
        for name, shapes in config.items():
            if shapes and not self.preprocessors[name].built:
                self.preprocessors[name].build_from_config(shapes)
        self._is_adapted = self.built = True

    def save(self, filepath: Any) -> None:
        """Save it as a `.keras` file, which `keras.saving.load_model` reads.

        Raises:
            ValueError: if it is not adapted yet, or the path does not end in `.keras`.
        """
        from tahr.saving.model_file import save_model

        self.get_encoded_features()
        self.built = True
        save_model(self, filepath)

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Put nothing into `store`: the columns' layers do."""

    def load_own_variables(self, store: dict[str, Any]) -> None:
        """Take nothing from `store`: the columns' layers do."""


def _wants_data(layer: Any) -> bool:
    """Return whether a layer has to be adapted: it can be, and was not given what it would learn."""
    if not hasattr(layer, "adapt") or getattr(layer, "_given", None) not in (None, False):
        return False
    return not isinstance(layer, layers.Discretization) or layer.num_bins is not None


def _as_table(data: Any) -> Any:
    """Return a dict of columns (a pandas table has the same methods), or None if `data` is none."""
    return data if isinstance(data, Mapping) or (hasattr(data, "columns") and hasattr(data, "items")) else None


def _column(row: Any, name: str, space: Any) -> Any:
    """Return a column of a batch as an array of shape (batch, 1), or as many columns as it has."""
    table = _as_table(row[0] if isinstance(row, tuple) else row)
    if table is None:
        raise ValueError(f"{who(space)}: expected dicts from column name to values; received {type(row).__name__}.")
    if name not in table:
        raise ValueError(f"{who(space)}: the data lacks the column {name!r}; it has {sorted(map(str, table))}.")
    x = table[name]
    if isinstance(x, KerasTensor) or (is_native(x) and dtypes.of(x) != "string"):
        return x if len(x.shape) > 1 else ops.reshape(x, (-1, 1))
    x = host_array(x, space)
    return x if x.ndim > 1 else x.reshape(-1, 1)


def _batched(columns: Iterator[Any]) -> Iterator[Any]:
    """Put columns of single rows together, and yield those of batches as they are."""
    for first in columns:
        if len(first) > 1 or is_native(first):
            yield first
        else:
            rows = [first, *(c for c in islice(columns, ROWS - 1))]
            yield np.concatenate([host_array(r, None) for r in rows])
