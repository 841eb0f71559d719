"""`tahr run script.py`: a program that says `import keras` runs on tahr, as it stands."""

import builtins
import sys
import traceback
import types
from collections.abc import Sequence
from pathlib import Path

from tahr.compat.notices import collected
from tahr.compat.served import serve

__all__ = ["run_script"]


def run_script(path: str, arguments: Sequence[str] = (), notices: bool = True) -> int:
    """Run a Python program as `__main__`, with `keras` and `tensorflow.keras` served by tahr, and return its exit code.

    Args:
        path: the file.
        arguments: what the program finds behind its name in `sys.argv`.
        notices: whether the old names that it used are listed at the end, on the error output.

    Raises:
        FileNotFoundError: if there is no such file.

    >>> import pathlib, tempfile
    >>> from tahr.compat.run import run_script
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "old.py")
    >>> _ = path.write_text("from keras.utils.np_utils import to_categorical; print(to_categorical([1]).shape)")
    >>> run_script(str(path))
    (1, 2)
    0
    >>> folder.cleanup()
    """
    source = Path(path).read_bytes()
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=path, __builtins__=builtins, __package__=None, __cached__=None)
    before = sys.argv, sys.path, sys.modules["__main__"]
    sys.argv, sys.path = [path, *arguments], [str(Path(path).resolve().parent), *sys.path]
    sys.modules["__main__"] = main
    try:
        with serve(), collected() as used:
            code = _run(source, path, main)
    finally:
        sys.argv, sys.path, sys.modules["__main__"] = before
    if used and notices:
        _tell(path, used)
    return code


def _run(source: bytes, path: str, main: types.ModuleType) -> int:
    try:
        exec(compile(source, path, "exec"), main.__dict__)
    except SystemExit as stop:
        return _exit_code(stop)
    except KeyboardInterrupt:
        return 130
    except BaseException as error:
        sys.stdout.flush()
        own = error.__traceback__
        trace = own.tb_next if own is not None else None  # the first frame is this function's
        traceback.print_exception(type(error), error, trace)
        return 1
    return 0


def _exit_code(stop: SystemExit) -> int:
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code
    print(stop.code, file=sys.stderr)
    return 1


def _tell(path: str, used: list[tuple[str, str]]) -> None:
    sys.stdout.flush()
    count = "one old name" if len(used) == 1 else f"{len(used)} old names"
    print(f"tahr: {path} uses {count} of Keras 1 and 2; `tahr migrate {path}` shows today's:", file=sys.stderr)
    for old, today in used:
        print(f"  {old}: {today}", file=sys.stderr)
