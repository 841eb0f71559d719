"""The house rules, each a test that names the file, the line and the way out; run as a script, the yardsticks.

pytest tests/house.py       the rules
python -m tests.house       the yardsticks
"""

import ast
import contextlib
import functools
import importlib
import inspect
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests import doctest_runner
from tests.source import CODE_FOLDERS, FUNCTIONS, ROOT, Module, imports, length, modules

FILE_LINES, FUNCTION_LINES, OWN_CONFIGS = 800, 80, 10
BACKEND_LINES, OP_LINES = 1500, 25
FRAMEWORKS = {"jax", "jaxlib", "jnp", "torch", "tensorflow", "tf"}

# Imports at the top of a module go to rooms of its own line or of a line above; inside functions they are free.
# How objects become plain data is needed everywhere, so these modules of `saving` stand lower than their room, and
# boxes are changed by layers.
ORDER = (
    {"config"},
    {"dtypes", "shapes", "naming", "tree"},
    {"backends"},
    {
        "arithmetic",
        "symbolic",
        "masks",
        "variables",
        "recording",
        "autodiff",
        "rematerialization",
        "backend",
        "saving.errors",
        "saving.names",
        "saving.registry",
        "saving.serialization",
    },
    {"ops"},
    {"random", "utils.bounding_boxes"},
    {"activations", "constraints", "initializers", "quantizers", "regularizers", "dtype_policies", "mixed_precision"},
    {"layers", "losses", "metrics", "optimizers"},
    {"models"},
    {"trainer", "callbacks"},
    {"saving"},
    {"datasets", "utils", "applications", "text", "adapt", "compress", "export", "explain"},
    {"comparison", "preprocessing", "wrappers", "visualization", "legacy"},
    {"monitor", "serve", "distribution", "compat", "cli", "__main__"},
)
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
BACKENDS_MAY_IMPORT = {"config", "dtypes", "backends"}


def fail_on(problems: list[str], rule: str) -> None:
    if problems:
        pytest.fail(f"{rule}\n" + "\n".join(f"  {line}" for line in sorted(problems)), pytrace=False)


@functools.cache
def own_modules() -> dict[str, Module]:
    return {module.name: module for module in modules()}


def imported_room(target: str) -> str | None:
    """Return the room of an import: `tahr.ops.exp` is of ops, a name of the front door is of no room."""
    parts = target.split(".")
    if parts[0] != "tahr" or len(parts) == 1 or f"tahr.{parts[1]}" not in own_modules():
        return None
    return place_of(".".join(parts[1:3]))


def place_of(name: str) -> str:
    """Return what ORDER calls the module or its room: `saving.registry`, or just `ops` for `ops.elementwise`."""
    return name if name in RANK else name.split(".")[0]


# ---- imports ---------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_imports_point_one_way() -> None:
    problems = []
    for module in modules():
        if not module.room:
            continue
        own = place_of(module.name.removeprefix("tahr."))
        if own not in RANK:
            problems.append(
                f"{module.place}:1 room {module.room!r} has no place in ORDER of tests/house.py; give it one."
            )
            continue
        for item in imports(module):
            room = imported_room(item.target)
            if room is None or not item.at_top or room not in RANK:
                continue
            if module.room == "backends" and room not in BACKENDS_MAY_IMPORT:
                problems.append(
                    f"{module.place}:{item.line} a backend imports {item.target}; backends import only "
                    f"{', '.join(sorted(BACKENDS_MAY_IMPORT))} and their framework."
                )
            elif RANK[room] > RANK[own]:
                problems.append(
                    f"{module.place}:{item.line} {own} imports {item.target}, which stands above it; move the "
                    "code down, or import it inside the function that needs it."
                )
    fail_on(problems, "Imports point one way (ORDER in tests/house.py).")


@pytest.mark.once
def test_backends_import_only_their_own_framework() -> None:
    problems = []
    for module in modules():
        if module.room != "backends":
            continue
        folder = module.name.split(".")[2] if module.name.count(".") >= 2 else ""
        for item in imports(module):
            root = item.target.split(".")[0]
            if root in FRAMEWORKS and root != folder and not (root == "jaxlib" and folder == "jax"):
                problems.append(f"{module.place}:{item.line} imports {root}; only backends/{root} may.")
    fail_on(problems, "A backend knows its own framework only.")


def framework_names(module: Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of each identifier and import that is a framework's; strings do not count."""
    for item in imports(module):
        if item.target.split(".")[0] in FRAMEWORKS:
            yield item.line, item.target
    for node in module.nodes:
        if isinstance(node, ast.Name) and node.id in FRAMEWORKS:
            yield node.lineno, node.id
        elif isinstance(node, ast.arg) and node.arg in FRAMEWORKS:
            yield node.lineno, node.arg
        elif isinstance(node, (*FUNCTIONS, ast.ClassDef)) and node.name in FRAMEWORKS:
            yield node.lineno, node.name
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and str(first.value).split(".")[0] in FRAMEWORKS:
                yield node.lineno, str(first.value)


@pytest.mark.once
def test_frameworks_are_named_in_backends_only() -> None:
    problems = [
        f"{module.place}:{line} names {name}; ask a duty of the backend instead (tahr/backends/backend.py)."
        for module in modules()
        if module.room != "backends"
        for line, name in framework_names(module)
    ]
    fail_on(problems, "No framework is named outside tahr/backends.")


@pytest.mark.once
def test_every_module_is_referenced() -> None:
    entry = {"tahr", "tahr.__main__"} | set(re.findall(r'"(tahr[\w.]*):\w+"', (ROOT / "pyproject.toml").read_text()))
    reached = set(entry)
    for module in modules():
        for item in imports(module):
            parts = item.target.split(".")
            reached.update(".".join(parts[:n]) for n in range(1, len(parts) + 1) if module.name != ".".join(parts[:n]))
        reached |= named_lazily(module)
    problems = [
        f"{module.place}:1 nothing imports {module.name}; list it in its room's __init__.py, or delete it."
        for module in modules()
        if module.name not in reached
    ]
    fail_on(problems, "No module is unreferenced.")


def named_lazily(module: Module) -> set[str]:
    """Return the modules that strings in this one name: `"tahr.x.y"`, or in a room's `__init__.py` `"y"`."""
    strings = [node.value for node in module.nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    texts = {word for text in strings for word in text.split()}
    known = own_modules()
    named = {text for text in texts if text in known}
    if module.is_package:
        named |= {f"{module.name}.{text.lstrip('.')}" for text in texts} & set(known)
    if module.name == "tahr.config":  # its table of backends is what tahr.backends loads by name
        named |= {f"tahr.backends.{text}" for text in texts} & set(known)
    return named


# ---- size and repetition ---------------------------------------------------------------------------------------------


@pytest.mark.once
def test_files_are_read_in_one_sitting() -> None:
    problems = []
    for module in modules(*CODE_FOLDERS):
        lines = module.text.count("\n")
        if lines > FILE_LINES:
            problems.append(f"{module.place}:{FILE_LINES + 1} has {lines} lines; split it by meaning.")
    fail_on(problems, f"A file has at most {FILE_LINES} lines.")


@pytest.mark.once
def test_functions_fit_a_screen() -> None:
    problems = [
        f"{module.place}:{node.lineno} {node.name} has {length(node)} lines; name its parts and take them out."
        for module in modules(*CODE_FOLDERS)
        for node in module.functions()
        if length(node) > FUNCTION_LINES
    ]
    fail_on(problems, f"A function has at most {FUNCTION_LINES} lines, its docstring not counted.")


def backend_lines() -> dict[str, int]:
    """Return the code lines of each backend, and of what they share."""
    found: dict[str, int] = {}
    for module in modules():
        if module.room == "backends":
            path = module.name.split(".")[2:]
            part = ".".join(path[: 1 + ("beside" in path)]) or "shared"  # beside: what works on any backend
            found[part] = found.get(part, 0) + len(module.code_lines)
    return found


def op_lines() -> dict[str, int]:
    """Return the lines of each operation, docstring and decorator included, over all backends."""
    found: dict[str, int] = {}
    for module in modules():
        for node in module.functions():
            own = module.room == "backends" and any(ast.unparse(d) == "implements" for d in node.decorator_list)
            if (module.room == "ops" and is_op(node)) or own:
                first = min(d.lineno for d in node.decorator_list)
                name = node.name.rstrip("_")
                found[name] = found.get(name, 0) + (node.end_lineno or first) - first + 1
    return found


@pytest.mark.once
def test_backends_hold_only_what_differs() -> None:
    problems = [
        f"tahr/backends/{name} has {lines:,} code lines; say in tahr/ops what backends have in common."
        for name, lines in backend_lines().items()
        if lines > BACKEND_LINES
    ]
    median = statistics.median(op_lines().values())
    if median > OP_LINES:
        problems.append(f"an operation takes {median} lines over all backends in the median, at most {OP_LINES}.")
    fail_on(problems, f"A backend has at most {BACKEND_LINES:,} code lines.")


@pytest.mark.once
@pytest.mark.parametrize("name", ["jax", "torch", "tensorflow", "numpy"])
def test_native_functions_are_avoided_for_a_reason(name: str) -> None:
    from tahr import backends
    from tahr.ops.declare import OPERATIONS

    pytest.importorskip(name)
    engine = backends.load(name)
    for family in ops_families():
        importlib.import_module(f"tahr.ops.{family}")
    place = f"tahr/backends/{name}/__init__.py:1"
    problems = []
    for op, reason in engine.avoid.items():
        if op not in OPERATIONS:
            problems.append(f"{place} avoids {op}, which is no operation.")
        elif not any(callable(getattr(space, op, None)) for space in engine.spaces):
            problems.append(f"{place} avoids {op}, but the framework has no function of that name.")
        if len(reason.split()) < 2:
            problems.append(f"{place} says of {op} only {reason!r}; say what the framework's function does otherwise.")
    fail_on(problems, "What a backend avoids exists, and the reason is said.")


def ops_families() -> list[str]:
    from tahr.ops import FAMILIES

    return list(FAMILIES)


def own_configs(module: Module) -> list[tuple[ast.ClassDef, ast.FunctionDef]]:
    """Return the hand-written `get_config` methods of a module with their classes."""
    return [
        (owner, node)
        for owner in module.classes()
        for node in owner.body
        if isinstance(node, ast.FunctionDef) and node.name == "get_config"
    ]


@pytest.mark.once
def test_configs_are_inherited() -> None:
    problems = []
    for module in modules():
        for owner, node in own_configs(module):
            tables = [inner for inner in ast.walk(node) if isinstance(inner, ast.Dict) and inner.keys]
            if owner.bases and tables and all(repeats_attributes(table) for table in tables):
                problems.append(
                    f"{module.place}:{node.lineno} {owner.name}.get_config lists self.NAME under 'NAME' only; "
                    "delete it: the recorded constructor arguments are the config."
                )
    layers = [(m, owner, node) for m in modules() if m.room == "layers" for owner, node in own_configs(m)]
    if len(layers) > OWN_CONFIGS:
        places = ", ".join(f"{m.place}:{node.lineno} {owner.name}" for m, owner, node in layers)
        problems.append(f"{len(layers)} hand-written get_config in layers, at most {OWN_CONFIGS} allowed: {places}")
    fail_on(problems, "No config is written by hand where the inherited one serves.")


def repeats_attributes(table: ast.Dict) -> bool:
    """Return whether each entry of a dict display is `"name": self.name` or `**super().get_config()`."""
    for key, value in zip(table.keys, table.values, strict=True):
        if key is not None and ast.unparse(value) != f"self.{getattr(key, 'value', '')}":
            return False
    return True


# ---- what the public sees --------------------------------------------------------------------------------------------


def public_rooms() -> dict[str, ModuleType]:
    """Return the modules a user can reach from `tahr` through `__all__`, by name."""
    import tahr

    rooms, waiting = {}, [tahr]
    while waiting:
        room = waiting.pop()
        if room.__name__ in rooms:
            continue
        rooms[room.__name__] = room
        inner = [value for _, value in offered(room) if isinstance(value, ModuleType)]
        waiting += [found for found in inner if found.__name__.startswith("tahr")]
    return dict(sorted(rooms.items()))


def offered(room: ModuleType) -> list[tuple[str, Any]]:
    """Return what a room offers by name; what cannot be had is test_every_public_name_exists's to report."""
    found = []
    for name in getattr(room, "__all__", ()):
        with contextlib.suppress(AttributeError, ImportError):
            found.append((name, getattr(room, name)))
    return found


def public_objects(room: ModuleType) -> list[tuple[str, Any]]:
    """Return the functions, operations and classes that a room offers."""
    return [(name, value) for name, value in offered(room) if callable(value)]


def room_names() -> list[str]:
    return [module.name for module in modules() if is_public(module)]


def is_public(module: Module) -> bool:
    from tahr import __all__ as front_door

    return module.name == "tahr" or (module.room in front_door and (module.is_package or module.name.count(".") == 1))


def where(value: Any, room: ModuleType) -> str:
    """Return `file:line` of an object, or of the room that offers it."""
    try:
        plain = inspect.unwrap(value)
        return f"{Path(inspect.getsourcefile(plain) or '').relative_to(ROOT)}:{inspect.getsourcelines(plain)[1]}"
    except (TypeError, OSError, ValueError):
        return f"{Path(room.__file__ or '').relative_to(ROOT)}:1"


@pytest.mark.once
@pytest.mark.parametrize("name", room_names())
def test_every_public_name_exists(name: str) -> None:
    room = importlib.import_module(name)
    place = f"{Path(room.__file__ or '').relative_to(ROOT)}:1"
    if not hasattr(room, "__all__"):
        pytest.fail(f"{place} has no __all__; list what the room offers.", pytrace=False)
    missing = []
    for public in room.__all__:
        try:
            getattr(room, public)
        except (AttributeError, ImportError) as error:
            missing.append(f"{place} offers {public!r}, which cannot be had: {error}")
    fail_on(missing, f"What {name} lists in __all__ exists.")


@pytest.mark.once
@pytest.mark.parametrize("name", room_names())
def test_every_public_name_is_documented(name: str) -> None:
    room = importlib.import_module(name)
    problems = []
    for public, value in public_objects(room):
        text = getattr(value, "__doc__", None) or ""
        if not text.strip():
            problems.append(f"{where(value, room)} {public} has no docstring; begin with one true sentence.")
        elif ">>>" not in text and not (inspect.isclass(value) and issubclass(value, BaseException)):
            problems.append(f"{where(value, room)} {public} shows no example; add a `>>>` line that a test can run.")
        if inspect.isclass(value):
            problems += [
                f"{where(method, room)} {public}.{method.__name__} has no docstring."
                for method in public_methods(value)
                if not inspect.getdoc(method)
            ]
    fail_on(problems, f"Every public name of {name} has a docstring with an example.")


@pytest.mark.once
@pytest.mark.parametrize("name", room_names())
def test_every_public_name_is_typed(name: str) -> None:
    room = importlib.import_module(name)
    problems = []
    for public, value in public_objects(room):
        if inspect.isclass(value):
            methods = [m for m in vars(value).values() if inspect.isfunction(m) and m.__name__ == "__init__"]
            checked = [(f"{public}.{m.__name__}", m) for m in [*methods, *public_methods(value)]]
        else:
            checked = [(public, value)]
        for label, function in checked:
            missing = untyped(function)
            if missing:
                problems.append(f"{where(function, room)} {label}: annotate {', '.join(missing)}.")
    fail_on(problems, f"Every public signature of {name} is typed.")


def public_methods(owner: type) -> list[Callable[..., Any]]:
    """Return the functions that a class of this project defines itself under names without an underscore."""
    if not owner.__module__.startswith("tahr"):
        return []
    plain = [v.__func__ if isinstance(v, (staticmethod, classmethod)) else v for v in vars(owner).values()]
    return [m for m in plain if inspect.isfunction(m) and not m.__name__.startswith("_")]


def untyped(function: Callable[..., Any]) -> list[str]:
    """Return the parameters without a type, and "the result" if it has none."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return []
    first = next(iter(signature.parameters), "")
    missing = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.annotation is inspect.Parameter.empty and not (name == first and name in ("self", "cls"))
    ]
    needs_result = getattr(function, "__name__", "") != "__init__"
    return missing + ["the result"] * (needs_result and signature.return_annotation is inspect.Signature.empty)


@pytest.mark.trains
@pytest.mark.parametrize("module", [pytest.param(m, id=m.name) for m in modules() if ">>>" in m.text])
def test_docstring_examples_run(module: Module, request: pytest.FixtureRequest) -> None:
    if module.room == "datasets":
        request.getfixturevalue("mirror")
    tests = doctest_runner.examples(module)
    trouble = doctest_runner.run(tests)
    if trouble:
        pytest.fail(trouble, pytrace=False)


@pytest.mark.once
@pytest.mark.parametrize(
    ("want", "got", "equal"),
    [
        ("[1.0, 0.63662]", "Array([1.        , 0.63661975], dtype=float32)", True),
        ("[1.0, 0.63662]", "tensor([1.0000, 0.6366], device='cpu')", True),
        ("[[1, 2], [3, 4]]", "array([[1, 2],\n       [3, 4]])", True),
        ("[[1, 2], [3, 4]]", "[1, 2, 3, 4]", False),
        ("[1.0, 2.0]", "[1, 2]", False),
        ("[1.0, 0.64]", "[1.0, 0.63661975]", False),
        ("(2, 3)", "(2, 4)", False),
        ("'dense_1'", "'dense_2'", False),
        ("True", "False", False),
        ("nan", "inf", False),
    ],
)
def test_example_checker_tells_values_apart(want: str, got: str, equal: bool) -> None:
    assert doctest_runner.same_output(want, got) is equal


# ---- the repository speaks of the project alone ----------------------------------------------------------------------

FOREIGN = {
    r"(?<![\w.])/wor[k]/": "a path of one machine; write it relative to the repository",
    r"(?<![\w.])/(?:roo[t]|hom[e]/\w+|User[s]/\w+)/": "a path of one machine; write it relative to the repository",
    r"/tmp/(?!\.)\w": "a path of one machine; ask the tempfile module",
    r"\b(?:files\.python[h]osted|pyp[i]\.org|registry\.npmj[s]|deb\.debia[n]|conda\.anacond[a])": "a package registry",
    r"(?i)\bA[I] (?:agent|assistant)|\bcoding agen[t]|\bsub-?agen[t]|\bClaud[e]\b|\bChatGP[T]\b": "how it was made",
    r"(?i)\b(?:this|previous|next|later|another) sessio[n] (?:will|must|should|did|left|added)": "how it was made",
}


def project_files() -> list[Path]:
    """Return the files that belong to the project: tracked, or new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0:
        return [path for line in listed.stdout.splitlines() if (path := ROOT / line).is_file()]
    skip = {".venv", ".git", ".bench", "__pycache__"}
    return [p for p in ROOT.rglob("*") if p.is_file() and not skip.intersection(p.relative_to(ROOT).parts)]


@pytest.mark.once
def test_repository_names_no_machine_and_no_maker() -> None:
    problems = []
    for path in project_files():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, 1):
            problems += [
                f"{path.relative_to(ROOT)}:{number} {match.group()!r} is {reason}."
                for pattern, reason in FOREIGN.items()
                if (match := re.search(pattern, line))
            ]
    fail_on(problems, "The repository holds no machine path, no registry host, and no word on how it was made.")


@pytest.mark.once
def test_every_todo_names_an_issue() -> None:
    problems = [
        f"{module.place}:{number} {line.strip()!r}; write TODO(#NUMBER) or do it."
        for module in modules(*CODE_FOLDERS)
        for number, line in enumerate(module.text.splitlines(), 1)
        if re.search(r"#.*\b(?:TOD[O]|FIXM[E]|XX[X])\b", line) and not re.search(r"TOD[O]\(#\d+\)", line)
    ]
    fail_on(problems, "A TODO names an issue.")


# ---- yardsticks ------------------------------------------------------------------------------------------------------


def yardsticks() -> list[tuple[str, str]]:
    """Return the measures of the code base, as (what, how much)."""
    own = modules()
    code = {module: len(module.code_lines) for module in own}
    lines = [module.text.count("\n") for module in own]
    sizes = sorted(length(node) for module in own for node in module.functions())
    longest_file = max(own, key=lambda module: module.text.count("\n"))
    longest = max(((length(n), f"{m.place}:{n.lineno} {n.name}") for m in own for n in m.functions()), default=(0, ""))
    ops = [node for m in own if m.room == "ops" for node in m.functions() if is_op(node)]
    room_lines = sum(lines for module, lines in code.items() if module.room == "ops")
    each = op_lines()
    public = {id(value) for room in public_rooms().values() for _, value in public_objects(room)}
    tests = sum(len(module.code_lines) for module in modules("tests"))
    configs = sum(len(own_configs(module)) for module in own)
    shown = sum(module.text.count(">>> ") for module in own)
    return [
        ("code lines in all (target 30,000)", f"{sum(code.values()):,} in {len(own)} files; tests {tests:,}"),
        (
            "public functions and classes",
            f"{len(public)}, {sum(code.values()) / max(len(public), 1):.1f} code lines each (40)",
        ),
        ("operations", f"{len(ops)}, {room_lines / max(len(ops), 1):.1f} code lines each in ops (20)"),
        ("lines an operation over all backends, median (25)", f"{statistics.median(each.values()):.0f}"),
        ("backends, code lines (1,500 each)", ", ".join(f"{k} {v:,}" for k, v in sorted(backend_lines().items()))),
        (
            "file length, median and longest (150, 800)",
            f"{statistics.median(lines):.0f}, {max(lines)} {longest_file.place}",
        ),
        (
            "function length, p90 and longest (30, 80)",
            f"{sizes[len(sizes) * 9 // 10] if sizes else 0}, {longest[0]} {longest[1]}",
        ),
        ("hand-written get_config (10)", str(configs)),
        ("example lines in docstrings", f"{shown:,}"),
    ]


def is_op(node: ast.AST) -> bool:
    decorators = getattr(node, "decorator_list", [])
    return any(ast.unparse(d).split("(")[0].split(".")[-1] == "op" for d in decorators)


if __name__ == "__main__":
    for what, how_much in yardsticks():
        print(f"{what:50} {how_much}")
    sys.exit(0)
