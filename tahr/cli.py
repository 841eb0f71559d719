"""The command `tahr`: what is installed, who runs an operation where, programs and files of Keras."""

import argparse
import difflib
import importlib.metadata
import importlib.util
import inspect
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

__all__ = ["main"]

LIBRARIES = ("numpy", "ml_dtypes", "optree", "h5py", "rich")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    >>> from tahr.cli import main
    >>> main(["explain", "no_such_operation"])
    2
    """
    from tahr.saving import commands as file_commands

    parser = argparse.ArgumentParser(prog="tahr", description="Keras, from the first layer to production.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="versions, backends and devices")
    explain_parser = commands.add_parser("explain", help="who runs an operation on which backend")
    explain_parser.add_argument("name", metavar="OP", help="name of an operation, such as sinc")
    run_parser = commands.add_parser("run", help="run a program that says `import keras` on tahr")
    run_parser.add_argument("script", help="the Python file")
    run_parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what the program finds in sys.argv")
    profile_parser = commands.add_parser("profile", help="run a program until its first fit shows where the time goes")
    profile_parser.add_argument("script", help="the Python file")
    profile_parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what the program finds in sys.argv")
    migrate_parser = commands.add_parser("migrate", help="show a program of Keras 1 or 2 with today's names, as a diff")
    migrate_parser.add_argument("files", nargs="+", metavar="FILE", help="Python files")
    migrate_parser.add_argument("--write", action="store_true", help="change the files, keeping FILE.orig")
    file_commands.add_commands(commands)
    given = parser.parse_args(arguments)
    if given.command in file_commands.COMMANDS:
        return file_commands.run_command(given)
    if given.command == "run":
        return run(given.script, given.arguments)
    if given.command == "profile":
        return profile(given.script, given.arguments)
    if given.command == "migrate":
        return migrate(given.files, given.write)
    lines = info() if given.command == "info" else explain(given.name)
    try:
        for line in lines:
            print(line)
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    return 0


def run(script: str, arguments: Sequence[str]) -> int:
    """Run a program of Keras on tahr and return its exit status, or 2 if there is no such file."""
    from tahr.compat.run import run_script

    try:
        return run_script(script, arguments)
    except (FileNotFoundError, IsADirectoryError) as error:
        print(f"tahr run: {script}: {error.strerror}.", file=sys.stderr)
        return 2


def profile(script: str, arguments: Sequence[str]) -> int:
    """Run a program until a `fit` of it has been measured, print where a step's time goes, and end the program.

    Nothing that the program does after these steps happens, so it saves no model that was hardly trained.
    """
    from tahr.trainer.profile import asked

    shown = []

    def end(found: Any) -> None:
        print()
        found.show()
        shown.append(found)
        raise SystemExit(0)

    asked.append(end)
    try:
        status = run(script, arguments)
    finally:
        asked.remove(end)
    if not shown and not status:
        print(f"tahr profile: {script} has no fit that could be measured.", file=sys.stderr)
        return 1
    return status


def migrate(files: Sequence[str], write: bool) -> int:
    """Print what changes in programs of Keras 1 and 2, or change them, and return 2 if one cannot be read."""
    from tahr.compat.migrate import migrate_file

    status = 0
    for file in files:
        try:
            sys.stdout.writelines(migrate_file(file, write))
        except (OSError, SyntaxError, ValueError) as error:
            print(f"tahr migrate: {file}: {error}", file=sys.stderr)
            status = 2
    return status


def info() -> Iterator[str]:
    """Yield lines about this installation: versions, backends, the chosen one and its devices."""
    import tahr
    from tahr import backends, config

    yield f"tahr {tahr.__version__}, Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} cores"
    yield "libraries  " + ", ".join(f"{name} {version_of(name)}" for name in LIBRARIES)
    yield f"settings   floatx {config.floatx()}, epsilon {config.epsilon()}, {config.image_data_format()}"
    for name in config.BACKENDS:
        yield f"backend    {name:11}{state_of(name)}"
    try:
        chosen = config.backend()
        devices = ", ".join(backends.current().devices())
    except (ImportError, ValueError) as error:
        yield f"chosen     none: {error}"
        return
    yield f"chosen     {chosen}, devices: {devices}"


def version_of(distribution: str) -> str:
    """Return the installed version of a distribution, or `missing`."""
    for name in (distribution, f"{distribution}-cpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "missing"


def state_of(backend: str) -> str:
    """Return in words whether a backend can be used here."""
    if importlib.util.find_spec(f"tahr.backends.{backend}") is None:
        return "not in this version of tahr"
    if importlib.util.find_spec(backend) is None:
        return f"not installed: pip install 'tahr[{backend}]'"
    return version_of(backend)


def explain(name: str) -> Iterator[str]:
    """Yield lines about an operation: its declaration, its types and shapes, and who runs it on each backend.

    Raises:
        LookupError: if there is no operation of that name.
    """
    from tahr import backends, config, ops

    op: Any = getattr(ops, name, None)
    if op is None:
        close = difflib.get_close_matches(name, ops.__all__, n=3)
        hint = f" Did you mean {' or '.join(close)}?" if close else " `tahr.ops.__all__` lists them."
        raise LookupError(f"There is no operation {name!r}.{hint}")
    first = (inspect.getdoc(op) or "").partition("\n")[0]
    yield f"ops.{name}{inspect.signature(op)}"
    yield f"    {first}"
    source = inspect.unwrap(op)
    if inspect.getsourcefile(source):
        place = Path(inspect.getsourcefile(source) or "").relative_to(Path(__file__).parent.parent)
        yield f"    declared at {place}:{inspect.getsourcelines(source)[1]}"
    if not hasattr(op, "rule"):
        yield "    a plain function: every backend runs this code"
        return
    yield f"    types: {op.rule!r}; " + ("a composition of other operations" if op.compose else "a primitive")
    for backend in config.BACKENDS:
        if state_of(backend) == version_of(backend):
            yield f"    {backend:11}{runner(backends.load(backend), op)}"
        else:
            yield f"    {backend:11}({state_of(backend)})"


def runner(backend: Any, op: Any) -> str:
    """Return who runs an operation on a backend, in words."""
    try:
        return backend.explain(op)[0]
    except NotImplementedError as error:
        return f"nobody: {error}"
