"""`tahr migrate file.py`: a program of Keras 1 or 2 with today's names, as a diff; its layout and comments stay."""

import ast
import difflib
import importlib
import shutil
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tahr.compat.names import NAMES
from tahr.models.functional import Functional
from tahr.models.model import Model
from tahr.saving.atomic import replacing

__all__ = ["migrate_file", "migrate_text"]

_METHODS = {"evaluate_generator": "evaluate", "fit_generator": "fit", "predict_generator": "predict",
            "predict_proba": "predict"}  # fmt: skip
_POSITIONS = {
    "fit_generator": ("steps_per_epoch", "epochs", "verbose", "callbacks", "validation_data", "validation_steps"),
    "evaluate_generator": ("steps", "callbacks"),
    "predict_generator": ("steps", "callbacks"),
}
_COUNTS = ("steps", "steps_per_epoch", "validation_steps")
_IN_SAMPLES = {"nb_val_samples", "samples_per_epoch", "val_samples"}
_METHOD_ARGUMENTS = {
    "fit": {"nb_epoch": "epochs", "nb_val_samples": "validation_steps"},
    "fit_generator": {"nb_epoch": "epochs"},
}
_METHOD_DROPPED = ("class_mode", "max_q_size", "max_queue_size", "nb_worker", "pickle_safe", "sample_weight_mode",
                   "show_accuracy", "use_multiprocessing", "workers")  # fmt: skip
_EMPTY = (("decay", 0), ("epsilon", None))  # the same as nothing
_VALUES = {"dim_ordering": {"th": "channels_first", "tf": "channels_last"}}
_MODULES = {
    "keras.engine.base_layer": "keras.layers", "keras.engine.topology": "keras.layers",
    "keras.engine.training": "keras.models", "keras.initializations": "keras.initializers",
    "keras.legacy.interfaces": "", "keras.objectives": "keras.losses",
}  # fmt: skip


class _Edit(NamedTuple):
    """Replace the text from one place to another (lines from 1, columns in characters)."""

    start: tuple[int, int]
    end: tuple[int, int]
    text: str


def migrate_file(path: str, write: bool = False) -> Iterator[str]:
    """Yield the lines of a unified diff that brings a program to today's names.

    Args:
        path: the file.
        write: whether the file is changed, in one step; what it was stays beside it, with `.orig` behind its name.

    Raises:
        FileExistsError: if there is a file of that name already, before anything changes.
        SyntaxError: if the file is no Python.
    """
    with tokenize.open(path) as file:
        encoding, text = file.encoding, file.read()
    with open(path, "rb") as raw:
        newline = "\r\n" if b"\r\n" in raw.read() else "\n"
    new, shown = migrate_text(text, path), str(path).lstrip("/")
    lines = difflib.unified_diff(
        text.splitlines(keepends=True), new.splitlines(keepends=True), f"a/{shown}", f"b/{shown}"
    )
    found = [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]
    if write and found:
        backup = Path(f"{path}.orig")
        if backup.exists():
            raise FileExistsError(f"{backup} is there already; remove it, or keep it elsewhere, and try again.")
        shutil.copy2(path, backup)
        with replacing(Path(path)) as out:
            out.write(new.replace("\n", newline).encode(encoding))
    yield from found


def migrate_text(text: str, name: str = "<text>") -> str:
    """Return a program with today's names.

    >>> from tahr.compat.migrate import migrate_text
    >>> print(migrate_text("import keras\\nkeras.layers.Dense(output_dim=3)  # three"))
    import keras
    keras.layers.Dense(units=3)  # three
    """
    tree = ast.parse(text, filename=name)
    lines = text.splitlines(keepends=True)
    visitor = _Visitor(_Source(lines), Counter(_bound(tree)))
    visitor.visit(tree)
    for edit in sorted(visitor.edits, key=lambda e: (e.start, e.end), reverse=True):
        _apply(lines, edit)
    return "".join(lines)


def _apply(lines: list[str], edit: _Edit) -> None:
    (first, left), (last, right) = edit.start, edit.end
    head, tail = lines[first - 1][:left], lines[last - 1][right:]
    lines[first - 1 : last] = [head + edit.text + tail]


class _Source:
    """The text of a program, with places as its syntax tree gives them."""

    def __init__(self, lines: list[str]):
        self.lines = lines

    def place(self, line: int, offset: int) -> tuple[int, int]:
        """Return the line and the character of a line and a byte."""
        return line, len(self.lines[line - 1].encode()[:offset].decode())

    def start(self, node: Any) -> tuple[int, int]:
        return self.place(node.lineno, node.col_offset)

    def end(self, node: Any) -> tuple[int, int]:
        return self.place(node.end_lineno, node.end_col_offset)

    def between(self, start: tuple[int, int], end: tuple[int, int]) -> str:
        if start[0] == end[0]:
            return self.lines[start[0] - 1][start[1] : end[1]]
        inner = self.lines[start[0] : end[0] - 1]
        return "".join([self.lines[start[0] - 1][start[1] :], *inner, self.lines[end[0] - 1][: end[1]]])


class _Visitor(ast.NodeVisitor):
    """Finds old names: those that programs import from Keras, and arguments of what they call by these names."""

    def __init__(self, source: _Source, taken: Counter[str]):
        self.source = source
        self.edits: list[_Edit] = []
        self.paths: dict[str, str] = {}  # name in the program -> what it stands for, such as keras.layers.Dense
        self.taken = taken  # names that the program binds, each as often as it does
        self.renamed: dict[str, str] = {}

    # ---- imports ------------------------------------------------------------------------------------------------

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if _root(alias.name):
                path = _keras_path(alias.name)
                self.paths[alias.asname or alias.name.split(".")[0]] = path if alias.asname else _root(alias.name)
                self._module(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if not node.module or node.level or not _root(node.module):
            return
        path = _keras_path(node.module)
        room = _room(path)
        for alias in node.names:
            self.paths[alias.asname or alias.name] = f"{room}.{alias.name}"
            today = _today_of(room, alias.name)
            if today is not None and isinstance(alias, ast.alias):
                kept = alias.asname or alias.name
                module, name = today.rsplit(".", 1)
                if module == room:
                    if alias.asname is None and self.taken[kept] == 1 and not self.taken[name]:
                        self.renamed[kept], self.taken[name] = name, 1
                    text = name if kept in (name, *self.renamed) else f"{name} as {kept}"
                    self.edits.append(_Edit(self.source.start(alias), self.source.end(alias), text))
        self._module(node, node.module)

    def _module(self, node: ast.AST, name: str) -> None:
        """Write the module's name of today where it is another one."""
        path = _keras_path(name)
        today = _room(path)
        if today == path or not today:
            return
        new = today if name.startswith("keras") else name[: -len(path)] + today
        start, end = self.source.start(node), self.source.end(node)
        text = self.source.between(start, end)
        at = text.find(name)
        if at < 0 or "\n" in text[:at]:
            return
        left = start[0], start[1] + at
        self.edits.append(_Edit(left, (left[0], left[1] + len(name)), new))

    # ---- uses ---------------------------------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in self.renamed:
            self.edits.append(_Edit(self.source.start(node), self.source.end(node), self.renamed[node.id]))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        path = self._path(node)
        if path is not None:
            room, _, name = path.rpartition(".")
            today = _today_of(room, name)
            if today is not None and today.rpartition(".")[0] == room:
                end = self.source.end(node)
                self.edits.append(_Edit((end[0], end[1] - len(name)), end, today.rpartition(".")[2]))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        path = self._path(node.func)
        if path is not None:
            room, _, name = path.rpartition(".")
            self._constructor(node, room, name)
        elif isinstance(node.func, ast.Attribute):
            self._method(node, node.func)
        self.generic_visit(node)

    def _path(self, node: ast.AST) -> str | None:
        """Return what a dotted name stands for, if it is of Keras."""
        if isinstance(node, ast.Name):
            return self.paths.get(node.id)
        if isinstance(node, ast.Attribute):
            base = self._path(node.value)
            if base is None:
                return None
            return "keras" if (base, node.attr) == ("tensorflow", "keras") else _room(f"{base}.{node.attr}")
        return None

    def _constructor(self, node: ast.Call, room: str, name: str) -> None:
        cls = _class_of(room, name)
        if cls is None:
            return
        names = {keyword.arg for keyword in node.keywords}
        axes = _kernel_axes(cls.__name__)
        numbers = [arg for arg in node.args if _is_whole(arg)]
        if len(node.args) == len(numbers) == 1 + axes and axes and (name.startswith("Convolution") or _first(names)):
            start, end = self.source.start(node.args[1]), self.source.end(node.args[-1])
            self.edits.append(_Edit(start, end, f"({self.source.between(start, end)})"))
        for keyword in node.keywords:
            if keyword.arg is not None:
                self._keyword(node, keyword, *_argument(cls, keyword.arg))

    def _method(self, node: ast.Call, function: ast.Attribute) -> None:
        name = function.attr
        if name in _POSITIONS:
            said = {keyword.arg: keyword.value for keyword in node.keywords}
            first = dict(zip(_POSITIONS[name], node.args[1:], strict=False))
            counts = [value for key, value in {**first, **said}.items() if key in _COUNTS]
            if _IN_SAMPLES & said.keys() or any(_divides(value) for value in counts):
                return  # how many batches that is, only the running program knows
            for key, value in first.items():
                start = self.source.start(value)
                self.edits.append(_Edit(start, start, f"{key}="))
        if name in _METHODS:
            end = self.source.end(function)
            self.edits.append(_Edit((end[0], end[1] - len(name)), end, _METHODS[name]))
        if name in ("compile", "evaluate", "fit", "predict", *_METHODS):
            for keyword in node.keywords:
                if keyword.arg in _METHOD_DROPPED:
                    self._keyword(node, keyword, None, True)
                elif keyword.arg in _METHOD_ARGUMENTS.get(name, {}):
                    self._keyword(node, keyword, _METHOD_ARGUMENTS[name][keyword.arg], True)

    def _keyword(self, node: ast.Call, keyword: ast.keyword, today: str | None, known: bool) -> None:
        """Rename an argument, or take it out."""
        if isinstance(keyword.value, ast.Constant) and (keyword.arg, keyword.value.value) in _EMPTY:
            today, known = None, True
        if not known or today == keyword.arg or keyword.arg is None:
            return
        start = self.source.start(keyword)
        if today is not None:
            self.edits.append(_Edit(start, (start[0], start[1] + len(keyword.arg)), today))
            values = _VALUES.get(keyword.arg, {})
            if isinstance(keyword.value, ast.Constant) and keyword.value.value in values:
                text = repr(values[keyword.value.value])
                self.edits.append(_Edit(self.source.start(keyword.value), self.source.end(keyword.value), text))
            return
        parts = sorted([*node.args, *node.keywords], key=lambda part: (part.lineno, part.col_offset))
        at = parts.index(keyword)
        if at > 0:
            self.edits.append(_Edit(self.source.end(parts[at - 1]), self.source.end(keyword), ""))
        elif len(parts) > 1:
            self.edits.append(_Edit(start, self.source.start(parts[1]), ""))
        else:
            self.edits.append(_Edit(start, self.source.end(keyword), ""))


def _bound(tree: ast.AST) -> Iterator[str]:
    """Yield each name that a program binds, as often as it does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).split(".")[0]


def _divides(node: ast.AST) -> bool:
    """Return whether a number may come out that is not whole."""
    return any(isinstance(inner, ast.Div) for inner in ast.walk(node)) and not isinstance(node, ast.Call)


def _root(name: str) -> str:
    """Return `keras` or `tensorflow` if a module is one of them or of theirs, else ""."""
    first = name.split(".")[0]
    return first if first in ("keras", "tensorflow") else ""


def _keras_path(name: str) -> str:
    """Return a module's name below `keras`, wherever Keras is."""
    for root in ("tensorflow.python.keras", "tensorflow.keras"):
        if name == root or name.startswith(f"{root}."):
            return f"keras{name[len(root) :]}"
    return name


def _room(path: str) -> str:
    """Return today's room of a module of Keras: `keras.layers` for `keras.layers.core`."""
    if path in _MODULES:
        return _MODULES[path] or path
    from tahr.compat.served import views

    inner = path.removeprefix("keras.")
    target = views().get(inner)
    if target is None or not path.startswith("keras.") or target.startswith("tahr.compat"):
        return path
    return f"keras.{target.removeprefix('tahr.')}"


def _today_of(room: str, name: str) -> str | None:
    """Return today's name, with its room, of an old name that just changed."""
    from tahr import layers

    short = room.removeprefix("keras").removeprefix(".")
    target = NAMES.get(short, {}).get(name, "")
    if ":" in target and not target.startswith("tahr.compat"):
        return f"keras.{target.removeprefix('tahr.').replace(':', '.')}"
    if short == "layers" and name in layers._ALIASES and name.startswith(("Convolution", "SeparableConvolution")):
        return f"keras.layers.{layers._ALIASES[name]}"
    if short == "utils" and name == "Sequence":
        return "keras.utils.PyDataset"
    return None


def _class_of(room: str, name: str) -> type | None:
    """Return today's class that an old name stands for."""
    short = room.removeprefix("keras").removeprefix(".")
    if short not in ("layers", "optimizers", "constraints", "regularizers", "initializers", "models", ""):
        return None
    today = _today_of(room, name)
    module = importlib.import_module(f"tahr.{short}" if short else "tahr")
    attribute = today.rpartition(".")[2] if today else name
    found = getattr(module, attribute, None) if attribute in module.__all__ else None
    found = Functional if found is Model else found  # which is what `Model(inputs, outputs)` makes
    return found if isinstance(found, type) else None


def _kernel_axes(cls: str) -> int:
    from tahr.compat.arguments import kernel_axes

    return len(kernel_axes(cls))


def _first(names: set[Any]) -> bool:
    from tahr.compat.arguments import only_keras_1

    return bool(only_keras_1() & names)


def _is_whole(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Constant) and type(node.value) is int)


def _argument(cls: type, key: str) -> tuple[str | None, bool]:
    """Return today's name of an argument of a class (None: it says nothing any more) and whether that is known."""
    from tahr.compat.arguments import today_of

    return today_of(cls, key)
