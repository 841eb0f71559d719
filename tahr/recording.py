"""A class whose constructor is its config: the arguments are kept as given, so nobody writes `get_config` by hand."""

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from tahr.saving.errors import understanding

__all__ = ["OldArguments", "Recorded", "own_class", "parameters_of", "takes_old_names"]

# What every config has although a user's constructor may not take it, and the attribute that it sets.
_BASE = {"name": "name", "trainable": "trainable", "dtype": "dtype_policy"}


class OldArguments:
    """Lets the constructors of tahr's own classes understand what arguments were called in Keras 1 and 2."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith("tahr.") and "__init__" in cls.__dict__:
            cls.__init__ = _understanding(cls.__dict__["__init__"])


def _understanding(init: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(init)
    def run(self: Any, *args: Any, **kwargs: Any) -> None:
        # `epsilon=None` stood for the default, and is no unknown name
        if kwargs and (not kwargs.keys() <= _accepted(own_class(type(self))) or kwargs.get("epsilon", 0) is None):
            from tahr.compat.arguments import modern_arguments

            args, kwargs = modern_arguments(self, args, kwargs)
        init(self, *args, **kwargs)

    return run


def own_class(cls: type) -> type:
    """Return the class itself if it is one of tahr, else the one of tahr that it is derived from."""
    return next((base for base in cls.__mro__ if base.__module__.startswith("tahr.")), cls)


@functools.cache
def _accepted(cls: type) -> frozenset[str]:
    return frozenset(name for name, _, _ in parameters_of(cls))


def takes_old_names(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a method understand what its arguments were called in Keras 1 and 2."""
    parameters = inspect.signature(method).parameters.values()
    accepted = frozenset(p.name for p in parameters if p.kind is not p.VAR_KEYWORD)

    @functools.wraps(method)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not accepted.issuperset(kwargs):
            from tahr.compat.methods import modern_call

            kwargs = modern_call(self, method.__name__, args, kwargs)
        return method(self, *args, **kwargs)

    return run


class Recorded(OldArguments):
    """Gives a class `get_config` and `from_config`, derived from its constructor's signature.

    Each constructor parameter has an entry: for tahr's own classes the attribute of the same name where there is one
    (so normalised values, such as an activation's name), for users' classes the argument as it was given.

    Attributes:
        unrecorded: parameters that are no part of the config.
        from_attributes: parameters always read from the attribute, also in users' classes.
    """

    unrecorded: ClassVar[frozenset[str]] = frozenset()
    from_attributes: ClassVar[tuple[str, ...]] = ("name",)

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        made = super().__new__(cls)
        made.__dict__["_recorded"] = (args, kwargs)  # not setattr: classes that track attributes must not see it
        return made

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as data; `from_config` makes an equal object of it."""
        given = self._given_arguments()
        own = {name: own for name, _, own in parameters_of(type(self))}
        config = {}
        for name, default in self._config_defaults().items():
            if name in self.unrecorded:
                continue
            value = given.get(name, default)
            if own.get(name, False) or name in self.from_attributes:
                value = getattr(self, name, value)
            config[name] = self._written(name, value)
        return config

    def _config_defaults(self) -> dict[str, Any]:
        """Return the config's names with their defaults: the signature's, and further keywords a user's class took."""
        found = {name: default for name, default, _ in parameters_of(type(self))}
        if not type(self).__module__.startswith("tahr."):
            found.update({name: value for name, value in self._given_arguments().items() if name not in found})
        return found

    def _given_arguments(self) -> dict[str, Any]:
        args, kwargs = self.__dict__["_recorded"]
        given = dict(kwargs)
        names = [n for n, p in _signature(type(self)) if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        if len(args) > len(names):
            raise NotImplementedError(
                f"{type(self).__name__} takes any number of positional arguments, so its config cannot be derived. "
                "Give it methods `get_config(self)` and `from_config(cls, config)`."
            )
        given.update(zip(names, args, strict=False))
        return given

    def _written(self, name: str, value: Any) -> Any:
        try:
            return written(value)
        except TypeError as error:
            raise TypeError(
                f"{type(self).__name__}: the argument {name!r} cannot be part of a config. {error} Or give "
                f"{type(self).__name__} methods `get_config(self)` and `from_config(cls, config)`."
            ) from error

    @classmethod
    @understanding()
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Return a new object made from what `get_config` gave."""
        from tahr.saving.serialization import deserialize_keras_object, is_serialized

        arguments = {k: v if _is_old(v, is_serialized) else deserialize_keras_object(v) for k, v in config.items()}
        accepted = {name for name, _, _ in parameters_of(cls)}
        afterwards = {k: arguments.pop(k) for k in _BASE if k in arguments and k not in accepted}
        try:
            made = cls(**arguments)
        except TypeError as error:
            raise TypeError(f"{cls.__name__} cannot be made from the config {config}: {error}") from error
        for name, value in afterwards.items():
            setattr(made, _BASE[name], value)
        return made


def written(value: Any) -> Any:
    """Return a constructor argument as data: a built-in activation by its name, anything else in serialised form."""
    from tahr.saving.serialization import serialize_keras_object

    if callable(value) and not hasattr(value, "get_config") and not inspect.isclass(value):
        from tahr import activations

        return activations.serialize(value)
    return serialize_keras_object(value)


def _is_old(value: Any, is_serialized: Callable[[Any], bool]) -> bool:
    """Return whether `value` is an object as Keras 1 and 2 wrote it, which the room that it belongs to has to read."""
    return isinstance(value, dict) and "class_name" in value and not is_serialized(value)


def parameters_of(cls: type) -> Iterator[tuple[str, Any, bool]]:
    """Yield name, default and whether tahr declared it, for each parameter that the constructor takes.

    A constructor with `**kwargs` takes those of the next class in the order of inheritance, too.
    """
    seen: set[str] = set()
    for base in cls.__mro__:
        if "__init__" not in base.__dict__ or base is object:
            continue
        own = base.__module__.startswith("tahr.")
        open_ended = False
        for name, parameter in _signature(base):
            if parameter.kind is parameter.VAR_KEYWORD:
                open_ended = True
            elif parameter.kind is not parameter.VAR_POSITIONAL and name not in seen:
                seen.add(name)
                yield name, None if parameter.default is parameter.empty else parameter.default, own
        if not open_ended:
            return


_signatures: dict[Any, list[tuple[str, inspect.Parameter]]] = {}


def _signature(cls: type) -> list[tuple[str, inspect.Parameter]]:
    init = cls.__init__
    found = _signatures.get(init)
    if found is None:
        found = _signatures[init] = list(inspect.signature(init).parameters.items())[1:]
    return found
