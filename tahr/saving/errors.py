"""What goes wrong with files, as classes of its own: not there, not readable, not safe."""

import contextlib
import dis
import sysconfig
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "MissingFileError",
    "UnreadableFileError",
    "UnsafeFileError",
    "UnsafeNameError",
    "count_graph",
    "understanding",
]

# Where code lies that no user of tahr wrote for a model.
LIBRARIES = (str(Path(__file__).parents[1]), *(sysconfig.get_path(kind) for kind in ("stdlib", "purelib", "platlib")))


class UnreadableFileError(OSError, ValueError):
    """The file is truncated, damaged, or of another format."""


class MissingFileError(UnreadableFileError, FileNotFoundError):
    """There is no such file."""


class UnsafeFileError(ValueError):
    """The file asks for what a file of data never needs: code, other files, far more memory than its size."""


class UnsafeNameError(UnsafeFileError, TypeError):
    """The file names what is no part of any model, such as a function of the operating system."""


GRAPHS = 1024  # graphs in graphs that are walked anew while one description is read


class _Reading(threading.local):
    blocks = 0
    graphs = 0


_reading = _Reading()


@contextlib.contextmanager
def understanding(where: str | None = None) -> Iterator[None]:
    """Make errors of files out of what goes wrong inside where a file has not the expected form.

    What code of the user's own raises, such as the constructor of a registered class, stays as it is, and so do errors
    of type and value that say what is wrong; they get a note that names the file.

    Args:
        where: name of the file for errors; None for a description, whose errors a block around this one tells of.

    Raises:
        UnreadableFileError: instead of a `KeyError`, `AttributeError` and the like.
    """
    if where is None and _reading.blocks:
        yield
        return
    _reading.graphs = _reading.graphs if _reading.blocks else 0
    _reading.blocks += 1
    try:
        yield
    except (OSError, UnsafeFileError):
        raise
    except (TypeError, ValueError, LookupError, AttributeError, RecursionError, ArithmeticError) as error:
        if _in_own_code(error) or isinstance(error, (TypeError, ValueError)) and _said(error):
            if where is not None:
                error.add_note(f"Raised while reading {where}.")
            raise
        problem = f"{error} is missing" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
        raise UnreadableFileError(
            f"{where or 'The description'}: is damaged, or not what a model is saved as ({problem}). Expected each "
            "object in its description as a dict of 'class_name' and 'config', with all that its class needs."
        ) from error
    finally:
        _reading.blocks -= 1


def count_graph() -> None:
    """Count a walk through a graph that is part of another; calls in calls may ask for any number of them.

    Raises:
        UnsafeFileError: if a description that is being read asks for more than 1,024.
    """
    _reading.graphs += 1
    if _reading.blocks and _reading.graphs > GRAPHS:
        raise UnsafeFileError(
            f"The description calls models in models more than {GRAPHS:,} times, which no saved model does."
        )


def _in_own_code(error: BaseException) -> bool:
    """Return whether an error came out of, or through, code that belongs to no library."""
    places = (frame.f_globals.get("__file__") for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(place is None or not place.startswith(LIBRARIES) for place in places)


def _said(error: BaseException) -> bool:
    """Return whether a `raise` made an error, rather than Python when it could not do what it was told."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return step is not None and step.tb_frame.f_code.co_code[step.tb_lasti] == dis.opmap["RAISE_VARARGS"]
