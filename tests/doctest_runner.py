"""Run the examples in docstrings and documents, comparing numbers with a tolerance and tensors by value.

Examples show a tensor as nested lists, the same on every backend; what a framework prints around the numbers
(`Array(..., dtype=float32)`, `tensor(...)`) does not count.
"""

import ast
import contextlib
import doctest
import importlib
import io
import math
import re
import sys
from collections.abc import Iterator
from typing import Any

from tests.source import DOCUMENTED, ROOT, Module

RTOL, ATOL = 1e-4, 1e-6
FRAMEWORKS = ("jax", "jaxlib", "numpy", "torch", "tensorflow")
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|inf|nan)(?!\w)")
SIZE = re.compile(r"torch\.Size\(\[([^]]*)\]\)")
WRAPPER = re.compile(r"\b(?:Array|array|tensor)\(")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


class Checker(doctest.OutputChecker):
    """Accepts output that differs in spacing, in the name around an array, or in a float by 1e-4 of its size."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return super().check_output(want, got, optionflags) or same_output(want, got)


def same_output(want: str, got: str) -> bool:
    """Return whether two outputs are equal up to spacing, array wrappers and rounding of floats.

    >>> same_output("[1.0, 0.63662]", "Array([1.        , 0.63661975], dtype=float32)")
    True
    >>> same_output("[1.0, 0.64]", "[1.0, 0.63661975]")
    False
    """
    want, got = _plain(want), _plain(got)
    if _squeezed(NUMBER.sub(" # ", want)) != _squeezed(NUMBER.sub(" # ", got)):
        return False
    pairs = zip(NUMBER.findall(want), NUMBER.findall(got), strict=True)
    return all(_same_number(a, b) for a, b in pairs)


def _same_number(a: str, b: str) -> bool:
    whole = [text.lstrip("+-").isdigit() for text in (a, b)]
    if all(whole):
        return int(a) == int(b)
    x, y = float(a), float(b)
    if math.isnan(x) or math.isinf(x):
        return a.lstrip("+") == b.lstrip("+")
    return not any(whole) and math.isclose(x, y, rel_tol=RTOL, abs_tol=ATOL)


def _plain(text: str) -> str:
    """Return the text with `array(...)` and the like replaced by what is inside, without dtype or device."""
    text = SIZE.sub(lambda size: str(tuple(int(n) for n in size[1].split(",") if n.strip())), text)
    while match := WRAPPER.search(text):
        depth, end = 1, match.end()
        while end < len(text) and depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        inner = text[match.end() : end - 1]
        inner = re.sub(r",\s*(?:dtype|device|grad_fn|requires_grad|weak_type)=[^,\]]*", "", inner)
        text = text[: match.start()] + inner + text[end:]
    return text


def _squeezed(text: str) -> str:
    text = re.sub(r"\s+", " ", text.replace(",", " "))
    return re.sub(r" ?([\[\](){}]) ?", r"\1", text).strip()


def to_plain(value: Any) -> Any:
    """Return a value with every tensor in it as numbers and nested lists."""
    if type(value).__module__.split(".")[0] in FRAMEWORKS and hasattr(value, "tolist") and hasattr(value, "dtype"):
        return value.tolist() if hasattr(value, "__array__") else value
    if type(value) in (list, tuple):
        return type(value)(to_plain(item) for item in value)
    if type(value) is dict:
        return {key: to_plain(item) for key, item in value.items()}
    return value


def _show(value: Any) -> None:
    if value is not None:
        print(repr(to_plain(value)))


@contextlib.contextmanager
def _plain_display() -> Iterator[None]:
    saved = sys.__displayhook__
    sys.__displayhook__ = _show  # the hook that doctest installs while it runs an example
    try:
        yield
    finally:
        sys.__displayhook__ = saved


def names_for(text: str) -> dict[str, Any]:
    """Return the names an example may use without importing: np, tahr, keras, and tahr's own that occur in `text`."""
    import numpy

    import tahr

    found = {"np": numpy, "tahr": tahr, "keras": tahr}
    for name in tahr.__all__:
        if re.search(rf"(?<!\.)\b{re.escape(name)}\b", text):
            found[name] = getattr(tahr, name)
    return found


def examples(module: Module) -> list[doctest.DocTest]:
    """Return the docstrings of a module that hold examples, read from its source so that decorators hide none."""
    parser, found = doctest.DocTestParser(), []
    for node in module.nodes:
        text = ast.get_docstring(node, clean=False) if isinstance(node, DOCUMENTED) else None
        if not text or ">>>" not in text:
            continue
        name = f"{module.name}.{node.name}" if not isinstance(node, ast.Module) else module.name
        start = min(docstring.lineno for docstring in node.body[:1])
        own = vars(importlib.import_module(module.name))
        code = "\n".join(example.source for example in parser.get_examples(text))
        found.append(parser.get_doctest(text, {**own, **names_for(code)}, name, module.place, start - 1))
    return found


def run(tests: list[doctest.DocTest]) -> str:
    """Run examples and return what went wrong, "" if nothing did."""
    report = io.StringIO()
    runner = doctest.DocTestRunner(checker=Checker(), optionflags=FLAGS, verbose=False)
    with _plain_display():
        for test in tests:
            runner.run(test, out=report.write)
    return report.getvalue().replace(str(ROOT) + "/", "")
