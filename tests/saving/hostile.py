"""The corpus of hostile files: one entry for each published hole of Keras and its neighbours, and variants.

Each entry changes a good file; nothing in it does harm when it is read as data. The names are those of the advisories
where the published text says what the file holds. CVE-2026-9335, -11816, -12482, -12484 and -69112 have no public text;
the holes that were reported and closed at their time are entries without a number: links in tar files, links of whole
groups, members of npz and of folders of assets that unpack to far more than is stored, calls of functions from graphs.
"""

import gzip
import io
import json
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tahr import layers

Change = Callable[[dict[str, Any]], None]
BYTECODE = "4wEAAAAAAAAAAAAAAAEAAAACAAAAQwAAAHMEAAAAfABTACkBTqkAKQHaAXhyAQAAAA=="


def described(module: str | None, name: str, config: Any, registered: Any = None) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": config, "registered_name": registered}


def add(module: str | None, name: str, config: Any, registered: Any = None) -> Change:
    """Return a change that adds a layer."""
    return lambda layer_list: layer_list["config"]["layers"].append(described(module, name, config, registered))


def put(key: str, value: Any) -> Change:
    """Return a change of an argument of the first Dense layer."""

    def change(config: dict[str, Any]) -> None:
        config["config"]["layers"][1]["config"][key] = value

    return change


def function(name: str) -> dict[str, Any]:
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}


LAMBDA3 = {"class_name": "__lambda__", "config": {"code": BYTECODE, "defaults": None, "closure": None}}
LAMBDA2 = {"name": "l", "function": [BYTECODE, None, None], "function_type": "lambda", "module": "__main__"}
PATHS = ("/etc/passwd", "file:///etc/passwd", "http://localhost/x", "gs://bucket/x", "../../secret.txt", "C:\\secret")

# By the names of published holes, what a configuration says. `load_model`, JSON, `from_config` and others read them.
CONFIGS: dict[str, Change] = {
    "CVE-2024-3660 lambda": add("keras.layers", "Lambda", {"name": "l", "function": LAMBDA3}),
    "CVE-2025-9905 lambda in the form of Keras 2": add("keras.layers", "Lambda", LAMBDA2),
    "CVE-2026-12481 lambda outside of a scope": add("keras", "Lambda", {"name": "l", "function": LAMBDA3}),
    "lambda as output_shape": add("keras.layers", "Lambda", {"name": "l", "function": "relu", "output_shape": LAMBDA3}),
    "lambda as mask": add("keras.layers", "Lambda", {"name": "l", "function": "relu", "mask": LAMBDA3}),
    "lambda as activation": put("activation", LAMBDA3),
    "lambda as initializer": put("kernel_initializer", LAMBDA3),
    "lambda deep inside": add(None, "Wrapper", {"name": "w", "layer": {"a": [{"b": LAMBDA3}]}}, "Wrapper"),
    "lambda in TimeDistributed": add(
        "keras.layers", "TimeDistributed", {"name": "t", "layer": described("keras.layers", "Lambda", LAMBDA2)}
    ),
    "CVE-2025-1550 module of the system": add("os", "system", {"command": "true"}, "system"),
    "CVE-2025-1550 subprocess": add("subprocess", "Popen", {"args": ["true"]}, "Popen"),
    "CVE-2025-1550 function of a module": put("activation", function("os.system")),
    "CVE-2025-1550 builtins": add("builtins", "exec", {"source": "1"}, "exec"),
    "CVE-2025-1550 eval by name": put("activation", function("eval")),
    "CVE-2025-1550 compile by name": put("kernel_initializer", function("compile")),
    "CVE-2025-8747 get_file": add("keras.utils", "get_file", {"origin": "http://localhost/x"}, "get_file"),
    "CVE-2025-8747 get_file inside": add("keras.src.utils.file_utils", "get_file", {"origin": "http://localhost"}),
    "CVE-2025-8747 get_file by name": put("activation", function("get_file")),
    "CVE-2025-9906 switch in config": add("keras.config", "enable_unsafe_deserialization", {}, "x"),
    "CVE-2025-9906 switch inside": add("keras.src.saving.serialization_lib", "enable_unsafe_deserialization", {}),
    "load_model as a layer": add("keras.saving", "load_model", {"filepath": "/nowhere/x"}),
    "load_model of models": add("keras.models", "load_model", {"filepath": "/nowhere/x"}),
    "load_model by name": put("activation", function("keras.saving.load_model")),
    **{
        f"CVE-2025-12058 vocabulary of StringLookup at {path}": add(
            "keras.layers", "StringLookup", {"name": "s", "vocabulary": path}
        )
        for path in PATHS
    },
    "CVE-2025-12058 vocabulary of IntegerLookup": add(
        "keras.layers", "IntegerLookup", {"name": "s", "vocabulary": "/etc/passwd"}
    ),
    "CVE-2025-12058 vocabulary of TextVectorization": add(
        "keras.layers", "TextVectorization", {"name": "s", "vocabulary": "/etc/passwd"}
    ),
    "CVE-2025-49655 TorchModuleWrapper": add("keras.layers", "TorchModuleWrapper", {"name": "t", "module": "gASVAAAA"}),
    "CVE-2026-1462 TFSMLayer": add("keras.layers", "TFSMLayer", {"name": "t", "filepath": "/nowhere/saved_model"}),
    "TFSMLayer at an address": add("keras.layers", "TFSMLayer", {"name": "t", "filepath": "gs://bucket/model"}),
    "pickle.loads": add("pickle", "loads", {"data": "gASVAAAA"}),
    "marshal.loads": add("marshal", "loads", {"data": ""}),
    "importlib": add("importlib", "import_module", {"name": "antigravity"}),
    "numpy.load": add("numpy", "load", {"file": "/etc/passwd", "allow_pickle": True}),
    "torch.load": add("torch", "load", {"f": "/etc/passwd"}),
    "joblib": add("joblib", "load", {"filename": "/etc/passwd"}),
    "runpy": add("runpy", "run_path", {"path_name": "/nowhere/x.py"}),
    "ctypes": add("ctypes", "CDLL", {"name": "libc.so.6"}),
    "operator.methodcaller": add("operator", "methodcaller", {"name": "system"}),
    "functools.partial": add("functools", "partial", {"func": "os.system"}),
    "urllib": add("urllib.request", "urlopen", {"url": "http://localhost"}),
    "socket": add("socket", "create_connection", {"address": ["localhost", 80]}),
    "open by name": put("activation", function("open")),
    "__import__ by name": put("activation", function("__import__")),
    "getattr by name": put("activation", function("getattr")),
    "name behind a package": add(None, "Mine>builtins.eval", {}, "Mine>builtins.eval"),
    "name behind two packages": add(None, "Mine>Mine>os.system", {}, "Mine>Mine>os.system"),
    "function behind a package": put("activation", function("Mine>subprocess.Popen")),
    "function as a type": put("dtype", described("builtins", "function", "os.system", "function")),
    "array of objects of any size": put("kernel_initializer", {
        "class_name": "__numpy__", "config": {"value": [1], "dtype": "V1000000000000"},
    }),
    **{
        f"array of the type {kind}": put("units", {"class_name": "__numpy__", "config": {"value": [1], "dtype": kind}})
        for kind in ("(100000000,)f4", "O", "f4,(100000000,)f4", "S100000000")
    },
    "tensor of an odd type": put("kernel_initializer", {
        "class_name": "__tensor__", "config": {"value": [1], "dtype": "os.system"},
    }),
}  # fmt: skip

# What a graph may be made to call while it is read: operations on numbers, and functions that are no operations.
CALLS: dict[str, dict[str, Any]] = {
    **{
        f"{name} of numbers": {"class_name": name, "config": config, "args": args}
        for name, config, args in (
            ("Zeros", {}, [[100_000, 100_000]]),
            ("Repeat", {"repeats": 10**9}, [[1.0]]),
            ("Pad", {"pad_width": [[0, 10**9]]}, [[1.0]]),
        )
    },
    **{
        f"{name} by Switch": {"class_name": "Switch", "config": {}, "args": [0, [function(name)], [[1]], 25_000_000]}
        for name in ("keras.utils.pad_sequences", "keras.config.set_dtype_policy", "keras.datasets.mnist.load_data")
    },
}

# Of a whole file only: what the configuration declares is far larger than what is stored.
SIZES: dict[str, Change] = {
    "CVE-2026-0897 units far beyond the file": put("units", 10**9),
    "units beyond memory": put("units", 10**15),
    "a window beyond memory": add("keras.layers", "MelSpectrogram", {"name": "m", "fft_length": 10**10}),
    "an embedding beyond memory": add(
        "keras.layers", "Embedding", {"name": "e", "input_dim": 10**10, "output_dim": 10**6}
    ),
}


def hdf5_external_link(h5: Any) -> None:
    h5["layers/dense/vars/0"] = h5py.ExternalLink("/etc/passwd", "/x")


def hdf5_soft_link(h5: Any) -> None:
    h5["layers/dense/vars/0"] = h5py.SoftLink("/layers/dense/vars/1")


def hdf5_external_storage(h5: Any) -> None:
    h5.create_dataset("layers/dense/vars/0", (2, 2), "f4", external=[("/etc/passwd", 0, 16)])


def hdf5_virtual(h5: Any) -> None:
    layout = h5py.VirtualLayout((2, 2), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (2, 2))
    h5.create_virtual_dataset("layers/dense/vars/0", layout)


def hdf5_huge(h5: Any) -> None:
    h5.create_dataset("layers/dense/vars/0", (1 << 40,), "f4")


def hdf5_huge_chunks(h5: Any) -> None:
    h5.create_dataset("layers/dense/vars/0", (1 << 20, 1 << 20), "f4", chunks=(1 << 14, 1 << 14), compression="gzip")


def hdf5_huge_packed(h5: Any) -> None:
    h5.create_dataset("layers/dense/vars/0", (1 << 30, 64), "f4", chunks=(1 << 10, 64), compression="gzip")


def hdf5_bomb(h5: Any) -> None:
    h5.create_dataset("layers/dense/vars/0", data=np.zeros((1 << 24,), "u1"), chunks=(1 << 24,), compression="gzip")
    h5.create_dataset("layers/dense/vars/9", (1 << 44,), "u1", chunks=(1 << 24,), compression="gzip")


def hdf5_references(h5: Any) -> None:
    h5.create_dataset("layers/dense/vars/0", (2,), dtype=h5py.ref_dtype)


def hdf5_texts(h5: Any) -> None:
    """List one text of 1 MB a hundred thousand times."""
    texts = h5.create_dataset("layers/dense/vars/9", (1,), dtype=h5py.string_dtype(), chunks=(1,))
    texts[0] = "x" * (1 << 20)
    h5.flush()
    _, place = texts.id.read_direct_chunk((0,))
    kind: Any = {"dtype": h5py.string_dtype(), "chunks": (100_000,), "compression": "gzip"}
    h5.create_dataset("layers/dense/vars/0", (100_000,), **kind).id.write_direct_chunk(
        (0,), zlib.compress(place * 100_000)
    )


def hdf5_long_text(put: Callable[[Any, Any], Any]) -> Callable[[Any], None]:
    """Return a change that declares a text of 4 GB."""

    def make(h5: Any) -> None:
        put(h5, "x" * 77)
        h5.flush()
        with open(h5.filename, "r+b") as file:
            content = file.read()
            found = re.finditer(struct.pack("<I", 77) + rb"(.{8})", content, re.DOTALL)
            (place,) = [m.start() for m in found if content.startswith(b"GCOL", int.from_bytes(m[1], "little"))]
            file.seek(place)
            file.write(struct.pack("<I", 0xF0000000))

    return make


def hdf5_attributes_in_a_heap(h5: Any) -> None:
    """Keep a text where its length is not seen."""
    owner = h5.create_group("many", track_order=True)
    for i in range(20):
        owner.attrs[f"a{i}"] = i
    owner.attrs["text"] = "x"


def hdf5_of_type(kind: Any, named: bool = False) -> Callable[[Any], None]:
    def make(h5: Any) -> None:
        if named:
            h5["kind"] = kind
        h5.create_dataset("layers/dense/vars/0", (2,), dtype=h5["kind"] if named else kind)

    return make


def hdf5_deep(h5: Any) -> None:
    group = h5
    for _ in range(400):
        group = group.create_group("g")


HDF5: dict[str, Callable[[Any], None]] = {
    "CVE-2026-1669 external storage": hdf5_external_storage,
    "CVE-2026-1669 external link": hdf5_external_link,
    "CVE-2026-12480 virtual data set": hdf5_virtual,
    "soft link": hdf5_soft_link,
    "soft link of a group": lambda h5: h5.__setitem__("layers/other", h5py.SoftLink("/layers/dense")),
    "external link of a group": lambda h5: h5.__setitem__("layers/other", h5py.ExternalLink("/etc/passwd", "/layers")),
    "nothing written": lambda h5: h5.create_dataset("layers/dense/vars/0", (1 << 13, 1 << 13), "f4"),
    "CVE-2026-0897 huge shape": hdf5_huge,
    "CVE-2026-12570 huge shape of packed data": hdf5_huge_packed,
    "huge chunks": hdf5_huge_chunks,
    "packed bomb": hdf5_bomb,
    "references": hdf5_references,
    "references in records": hdf5_of_type([("a", "f4"), ("b", h5py.ref_dtype)]),
    "references of a type with a name": hdf5_of_type(np.dtype([("b", h5py.ref_dtype, (3,))]), named=True),
    "references to regions": hdf5_of_type(h5py.regionref_dtype),
    "reference as an attribute": lambda h5: h5.attrs.create("a", h5["/"].ref, dtype=h5py.ref_dtype),
    "lists of any length": hdf5_of_type(h5py.vlen_dtype("f4")),
    "lists in records": hdf5_of_type([("a", h5py.vlen_dtype("f4"))]),
    "one text listed often": hdf5_texts,
    "long text as an attribute": hdf5_long_text(lambda h5, text: h5.attrs.__setitem__("a", text)),
    "long text among many attributes": hdf5_long_text(
        lambda h5, text: [h5.attrs.__setitem__(f"a{i}", text if i == 6 else i) for i in range(7)]
    ),
    "text behind more attributes than a header holds": hdf5_attributes_in_a_heap,
    "long text as a data set": hdf5_long_text(
        lambda h5, text: h5.create_dataset("layers/dense/vars/9", data=text, dtype=h5py.string_dtype())
    ),
    "deep groups": hdf5_deep,
}


# ---- zip ------------------------------------------------------------------------------------------------------------


def rezip(members: dict[str, bytes], packing: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def with_member(name: str, attributes: int = 0) -> Callable[[dict[str, bytes]], bytes]:
    def change(members: dict[str, bytes]) -> bytes:
        target = io.BytesIO(rezip(members))
        with zipfile.ZipFile(target, "a") as archive:
            info = zipfile.ZipInfo(name)
            info.external_attr = attributes << 16
            archive.writestr(info, b"x")
        return target.getvalue()

    return change


def zip_twice(members: dict[str, bytes]) -> bytes:
    import warnings

    target = io.BytesIO(rezip(members))
    with warnings.catch_warnings(), zipfile.ZipFile(target, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("config.json", b"{}")
    return target.getvalue()


def zip_bomb(members: dict[str, bytes]) -> bytes:
    return rezip({**members, "config.json": b" " * 60_000_000}, zipfile.ZIP_DEFLATED)


def zip_overlap(members: dict[str, bytes]) -> bytes:
    data = bytearray(rezip(members))
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    struct.pack_into("<L", data, second + 42, 0)
    return bytes(data)


def zip_lie(members: dict[str, bytes]) -> bytes:
    data = bytearray(rezip(members))
    struct.pack_into("<L", data, data.index(b"PK\x01\x02") + 24, 1 << 30)
    return bytes(data)


def zip_lie_in_64_bits(members: dict[str, bytes]) -> bytes:
    data = bytearray(rezip(members))
    place, end = data.index(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    extra = struct.pack("<2H3Q", 1, 24, 1 << 40, 1 << 40, 0)
    struct.pack_into("<L", data, end + 12, struct.unpack_from("<L", data, end + 12)[0] + len(extra))
    for at in (20, 24, 42):
        struct.pack_into("<L", data, place + at, 0xFFFFFFFF)
    struct.pack_into("<H", data, place + 30, len(extra))
    after = place + 46 + struct.unpack_from("<H", data, place + 28)[0]
    return bytes(data[:after] + extra + data[after:])


def zip_encrypted(members: dict[str, bytes]) -> bytes:
    data = bytearray(rezip(members))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


ZIPS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "CVE-2026-12479 path in a member's name": with_member("assets/../../../pwned"),
    "CVE-2025-12638 absolute path": with_member("/nowhere/pwned"),
    "GHSA-hqp4-2352-xf5r path relative to the folder": with_member("../pwned"),
    "backslashes": with_member("assets\\..\\..\\pwned"),
    "drive": with_member("C:/pwned"),
    "CVE-2025-12060 link": with_member("assets/link", 0o120777),
    "device": with_member("assets/device", 0o020666),
    "member twice": zip_twice,
    "zip bomb": zip_bomb,
    "zip bomb of an asset": lambda members: rezip({**members, "assets/a": bytes(60_000_000)}, zipfile.ZIP_DEFLATED),
    "overlapping members": zip_overlap,
    "false size": zip_lie,
    "false size in 64 bits": zip_lie_in_64_bits,
    "member twice for systems that compose letters": lambda members: rezip(
        {**members, "assets/caf\u00e9": b"1", "assets/cafe\u0301": b"2"}
    ),
    "encrypted member": zip_encrypted,
    "foreign packing": lambda members: rezip(members, zipfile.ZIP_LZMA),
}


# ---- tar and YAML ---------------------------------------------------------------------------------------------------


def tar_of(*members: tuple[str, dict[str, Any]], content: bytes = b"x") -> bytes:
    """Return a tar file of a good member and others: names, and what is set in their headers."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, header in (("good.txt", {}), *members):
            info = tarfile.TarInfo(name)
            info.size = 0 if header else len(content)
            for key, value in header.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content[: info.size]))
    return target.getvalue()


LINK = {"type": tarfile.SYMTYPE, "linkname": "/etc"}
TARS: dict[str, bytes] = {
    "CVE-2024-55459 path out of the folder": tar_of(("../pwned", {})),
    "CVE-2025-12638 absolute path": tar_of(("/pwned", {})),
    "CVE-2025-12060 link, and a member behind it": tar_of(("link", LINK), ("link/pwned", {})),
    "CVE-2025-12060 links whose names are longer than a path may be": tar_of(
        *((("d" * 200 + "/") * i + "l", {"type": tarfile.SYMTYPE, "linkname": "d" * 200}) for i in range(1, 22)),
        ("l/../../../pwned", {}),
    ),
    "GHSA-hqp4-2352-xf5r path that only looks to be inside": tar_of(("in/../../pwned", {})),
    "hard link": tar_of(("hard", {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"})),
    "device": tar_of(("device", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3})),
    "pipe": tar_of(("pipe", {"type": tarfile.FIFOTYPE})),
    "member twice": tar_of(("good.txt", {})),
    "backslashes": tar_of(("..\\pwned", {})),
    "path in an extended header": tar_of(("plain", {"pax_headers": {"path": "../pwned"}})),
    "sparse file": tar_of(("s", {"pax_headers": {"GNU.sparse.size": str(1 << 40), "GNU.sparse.map": "0,0"}})),
    "sparse file of an old kind": tar_of(("s", {"type": tarfile.GNUTYPE_SPARSE})),
    "bomb": gzip.compress(tar_of(("zeros", {}), content=bytes(300 << 20)), 6),
}

# As files, and as the text of a configuration. What is called would leave a trace if it ran.
YAMLS: dict[str, str] = {
    "CVE-2021-37678 apply": "!!python/object/apply:os.system ['true']\n",
    "CVE-2021-37678 new": "!!python/object/new:type\nargs: ['z', !!python/tuple [], {}]\n",
    "CVE-2021-37678 name": "backend: tensorflow\nclass_name: Sequential\nconfig: !!python/name:os.system ''\n",
    "CVE-2021-37678 module": "class_name: Functional\nconfig:\n  layers: !!python/module:subprocess ''\n",
    "CVE-2021-37678 another handle": "%TAG !p! tag:yaml.org,2002:python/\n---\n!p!object/apply:os.system ['true']\n",
}


# ---- the files ------------------------------------------------------------------------------------------------------


def small() -> Any:
    import tahr as keras

    return keras.Sequential([keras.Input((2,)), layers.Dense(2, name="d")], name="small")


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.startswith("tahr/")}


def changed_config(members: dict[str, bytes], change: Change) -> dict[str, Any]:
    config = json.loads(members["config.json"])
    change(config)
    return config


def short(value: Any) -> Any:
    """Return a configuration in the form of `.h5` files: objects by class name alone."""
    if isinstance(value, list):
        return [short(member) for member in value]
    if not isinstance(value, dict):
        return value
    kept = {key: short(member) for key, member in value.items()}
    if kept.get("module") in ("keras", "keras.layers", "keras.initializers"):
        kept.pop("module")
        kept.pop("registered_name", None)
    return kept
