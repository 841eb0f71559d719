"""`ExportArchive`: a SavedModel with endpoints of one's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tahr.export.formats import Export, writer_of
from tahr.export.signature import signature_of
from tahr.layers import Layer
from tahr.layers.structure import search, unique
from tahr.saving.atomic import replacing_folder
from tahr.variables import Variable

__all__ = ["ExportArchive"]


class ExportArchive:
    """A SavedModel to be: functions to call, and the variables that they read.

    Args:
        format: `"saved_model"`.
        **kwargs: none are known.

    Raises:
        ValueError: if the format is another, or the backend writes no SavedModels (TensorFlow and JAX do).

    >>> import tempfile
    >>> model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    >>> if config.backend() in ("tensorflow", "jax"):
    ...     archive = keras.export.ExportArchive()
    ...     archive.track(model)
    ...     _ = archive.add_endpoint("serve", model, [keras.InputSpec(shape=(None, 3), dtype="float32")])
    ...     with tempfile.TemporaryDirectory() as folder:
    ...         archive.write_out(folder + "/model", verbose=False)
    """

    def __init__(self, format: str = "saved_model", **kwargs: Any):
        if kwargs:
            raise TypeError(f"ExportArchive: unexpected arguments {sorted(kwargs)}.")
        if format not in ("saved_model", "tf_saved_model"):
            raise ValueError(f"ExportArchive: expected format='saved_model'; received {format!r}.")
        self._writer = writer_of("tf_saved_model")
        self._tracked: list[Any] = []
        self._collections: dict[str, list[Any]] = {}
        self._endpoints: dict[str, Export] = {}
        self._options: dict[str, Any] = {}

    def track(self, resource: Any) -> None:
        """Take a layer, model or variable whose values endpoints read.

        Raises:
            ValueError: if it is a layer that is not built, or nothing with variables.
        """
        if isinstance(resource, Layer) and not resource.built:
            raise ValueError(f"track: {resource.name} is not built; call it on data first.")
        if not isinstance(resource, (Layer, Variable)) and not hasattr(resource, "variables"):
            raise ValueError(f"track: expected a layer, a model or a variable; received {resource!r:.80}.")
        self._tracked.append(resource)

    def add_endpoint(
        self, name: str, fn: Callable[..., Any], input_signature: Any = None, **kwargs: Any
    ) -> Callable[..., Any]:
        """Add a function that the SavedModel offers, and return it.

        Args:
            name: what it is called there.
            fn: model, layer or function of arrays; it reads only variables that are tracked.
            input_signature: one `InputSpec`, symbol or array for each argument, also nested; None takes what the model
                was made for.
            **kwargs: `jax2tf_kwargs`, a dict of arguments of `jax2tf.convert`, on JAX; `is_static`, which Keras has and
                which changes nothing here: each endpoint holds all that it reads.

        Raises:
            ValueError: if the name is taken, or nothing says what the function takes.
        """
        if name in self._endpoints:
            raise ValueError(f"add_endpoint: there is an endpoint {name!r} already.")
        unknown = kwargs.keys() - {"jax2tf_kwargs", "is_static"}
        if unknown:
            raise TypeError(f"add_endpoint: unexpected arguments {sorted(unknown)}.")
        self._options.update({k: v for k, v in kwargs.items() if k == "jax2tf_kwargs" and v})
        signature = signature_of(
            fn, getattr(fn, "input_signature", None) if input_signature is None else input_signature
        )
        if isinstance(fn, Layer) and fn not in self._tracked:
            self.track(fn)
        self._endpoints[name] = Export(fn, [], signature)
        return fn

    def add_variable_collection(self, name: str, variables: Any) -> None:
        """Give a list of variables a name in the SavedModel.

        Raises:
            ValueError: if they are not a list or tuple of variables.
        """
        if not isinstance(variables, (list, tuple, set)) or not all(isinstance(v, Variable) for v in variables):
            raise ValueError(f"add_variable_collection: expected a list of variables; received {variables!r:.80}.")
        self._collections[name] = list(variables)

    def track_and_add_endpoint(self, name: str, resource: Any, input_signature: Any, **kwargs: Any) -> None:
        """Do what `track` and `add_endpoint` do, with one layer or model."""
        self.track(resource)
        self.add_endpoint(name, resource, input_signature, **kwargs)

    def write_out(self, filepath: Any, options: Any = None, verbose: bool = True) -> None:
        """Write the SavedModel to a folder, which takes its place as a whole.

        Args:
            filepath: the folder.
            options: `tf.saved_model.SaveOptions`, or None.
            verbose: whether to print what was written.

        Raises:
            ValueError: if no endpoint was added.
        """
        if not self._endpoints:
            raise ValueError("write_out: no endpoint was added; use add_endpoint(name, fn, input_signature).")
        variables = self._variables()
        for export in self._endpoints.values():
            export.variables = variables
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing_folder(path) as folder:
            self._writer.write(
                str(folder), self._endpoints, collections=self._collections, options=options, **self._options
            )
        if verbose:
            print(f"Saved {path} with the endpoints {', '.join(self._endpoints)}.")

    def _variables(self) -> list[Any]:
        found = [v for part in self._tracked for v in ([part] if isinstance(part, Variable) else part.variables)]
        return unique([*found, *search(self._collections, (Variable,))])
