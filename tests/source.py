"""The project's Python files as text and syntax trees, for the house rules and the yardsticks."""

import ast
import functools
import io
import tokenize
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE_FOLDERS = ("tahr", "tests", "examples", "benchmarks")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Module:
    """One Python file: its path, its dotted name, its text and its syntax tree."""

    path: Path

    @property
    def place(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def name(self) -> str:
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def room(self) -> str:
        """The name right under `tahr`, or "" for the front door itself."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else ""

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=self.place)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def code_lines(self) -> set[int]:
        """Numbers of the lines that hold code: not blank, not comment, not docstring."""
        quiet = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
        lines: set[int] = set()
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type not in quiet:
                lines.update(range(token.start[0], token.end[0] + 1))
        for node in self.nodes:
            lines -= docstring_lines(node)
        return lines

    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        return [node for node in self.nodes if isinstance(node, FUNCTIONS)]

    def classes(self) -> list[ast.ClassDef]:
        return [node for node in self.nodes if isinstance(node, ast.ClassDef)]


def docstring_lines(node: ast.AST) -> set[int]:
    """Return the numbers of the lines of a node's docstring."""
    if not isinstance(node, DOCUMENTED) or not node.body:
        return set()
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return set()


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines a function takes without its docstring and decorators."""
    return (node.end_lineno or node.lineno) - node.lineno + 1 - len(docstring_lines(node))


@functools.cache
def modules(*folders: str) -> tuple[Module, ...]:
    """Return the Python files under the given folders of the project, `tahr` unless told otherwise."""
    found = [path for folder in folders or ("tahr",) for path in sorted((ROOT / folder).rglob("*.py"))]
    return tuple(Module(path) for path in found if "__pycache__" not in path.parts)


@dataclass(frozen=True)
class Import:
    """An import of a module of this project or of a library."""

    target: str
    line: int
    at_top: bool


@functools.cache
def imports(module: Module) -> list[Import]:
    """Return what a module imports, each name as a full dotted path; typing-only imports left out."""
    lazy, typing_only = set(), set()
    for node in module.nodes:
        if isinstance(node, (*FUNCTIONS, ast.Lambda)):
            lazy.update(ast.walk(node))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            typing_only.update(inner for statement in node.body for inner in ast.walk(statement))
    found = []
    for node in module.nodes:
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node)
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        found += [Import(name, node.lineno, node not in lazy) for name in names]
    return found


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    kept = parts[: len(parts) - node.level + module.is_package]
    return ".".join([*kept, *([node.module] if node.module else [])])
