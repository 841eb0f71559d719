"""Names that no model needs: of the language, the operating system, the network. A file that uses one is no accident.

Nothing is allowed for not being here: what a file may name is a closed list elsewhere. These only make the error plain.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["holds_code", "is_foreign"]

MODULES = frozenset({
    "os", "sys", "subprocess", "posix", "nt", "shutil", "socket", "importlib", "builtins", "pickle", "marshal",
    "ctypes", "code", "codeop", "runpy", "pty", "pathlib", "io", "tempfile", "urllib", "http", "requests",
    "webbrowser", "threading", "multiprocessing", "types", "operator", "functools", "timeit", "pdb", "bdb",
    "cProfile", "platform", "commands", "asyncio", "ssl", "ftplib", "telnetlib", "smtplib", "glob", "zipfile",
    "tarfile", "shelve", "dbm", "sqlite3", "logging", "numpy", "torch", "jax", "joblib", "dill", "cloudpickle",
    "pip", "setuptools", "site", "inspect", "ast", "distutils",
})  # fmt: skip
FUNCTIONS = frozenset({
    "eval", "exec", "compile", "open", "input", "__import__", "getattr", "setattr", "system", "popen", "load_model",
    "get_file",
})  # fmt: skip
# Modules of Keras whose functions read, write or run things.
PARTS = ("utils", "saving", "models", "config", "backend", "legacy", "export")


def is_foreign(module: Any, name: Any) -> bool:
    """Return whether a module and a name, or a name with a module before it, are of those that no model needs.

    >>> from tahr.saving.names import is_foreign
    >>> is_foreign("os", "system"), is_foreign("mine.layers", "Attention")
    (True, False)
    """
    name = str(name).rsplit(">", 1)[-1]
    if "." in name:
        before, _, name = name.rpartition(".")
        module = module if isinstance(module, str) and module != "builtins" else before
    if name in FUNCTIONS:
        return True
    if not isinstance(module, str):
        return False
    parts = [part for part in module.split(".") if part != "src"]
    if parts[0] in ("keras", "tahr", "tensorflow"):
        return parts[1:2] != [] and parts[1] in PARTS and name[:1].islower()
    return parts[0] in MODULES


def holds_code(config: Any) -> bool:
    """Return whether a configuration holds the bytecode of a function, however deep.

    >>> from tahr.saving.names import holds_code
    >>> holds_code({"layers": [{"class_name": "__lambda__", "config": {"code": "4wE="}}]})
    True
    """
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            if value.get("class_name") == "__lambda__" or value.get("function_type") == "lambda":
                return True
            waiting += value.values()
        elif isinstance(value, (list, tuple)):
            waiting += value
    return False
