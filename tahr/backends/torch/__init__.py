"""PyTorch: eager by default; training steps are plain autograd over the same pure functions."""

import contextlib
import os
import socket
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import optree
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import unset_fake_temporarily

from tahr import dtypes
from tahr.backends.backend import Backend, numpy_dtype, to_host
from tahr.backends.torch.attention import Attention
from tahr.backends.torch.autodiff import Autodiff
from tahr.backends.torch.memory import keep_freed_memory
from tahr.backends.torch.models import LayerModule
from tahr.backends.torch.optimizers import multiply_in_place, update_in_place
from tahr.backends.torch.random import Draws
from tahr.backends.torch.recurrent import Recurrent
from tahr.backends.torch.rows import Rows
from tahr.backends.torch.windows import Windows

MOST_PLANS = 1000  # that are kept, see `kept`
DTYPES = {
    name: getattr(torch, name)
    for name in (*dtypes.BOOLEANS, *dtypes.INTEGERS, *dtypes.FLOATS, *dtypes.COMPLEXES)
    if hasattr(torch, name)
}
DTYPES["float8_e4m3fn"] = torch.float8_e4m3fn


def _constant(make: Callable[..., Any], *numbers: Any) -> Any:
    return torch.as_tensor(make(*numbers))


# what torch.compiler.assume_constant_result says, which would load the whole compiler with every start
_constant._dynamo_marked_constant = True  # type: ignore[attr-defined]


class Torch(Attention, Autodiff, Draws, Windows, Recurrent, Rows, Backend):
    """Operations are torch functions with `dim` for `axis`; variables are leaf tensors that ask for gradients."""

    name = "torch"
    exports = {"torch": "tahr.backends.torch.program"}
    layer_base = LayerModule
    spaces = (torch, torch.linalg, torch.special, torch.fft, F)
    argument_names = {"axis": "dim", "keepdims": "keepdim"}
    names = {
        "equal": "eq",
        "not_equal": "ne",
        "power": "pow",
        "max": "amax",
        "min": "amin",
        "mod": "remainder",
        "bitwise_invert": "bitwise_not",
        "left_shift": "bitwise_left_shift",
        "right_shift": "bitwise_right_shift",
    }
    avoid = {
        "allclose": "returns a Python bool, which no graph can hold",
        "cdist": "loses digits beyond 25 rows, and has no float16",
        "corrcoef": "looks at values, which no graph can",
        "cross": "takes no vectors of two numbers and no axes of its own",
        "diff": "refuses n larger than the axis",
        "diag": "calls k diagonal",
        "diagflat": "calls k offset",
        "dot": "takes one-dimensional arrays only",
        **dict.fromkeys(("hstack", "vstack", "dstack"), "takes no array for a list of arrays"),
        "hypot": "has a gradient of NaN at zero",
        "isclose": "refuses booleans",
        "moveaxis": "has no rule for vmap",
        "outer": "takes one-dimensional arrays only",
        "rot90": "calls the axes dims",
        "select": "is another function: one index along an axis",
        "std": "divides by n - 1",
        "trace": "takes matrices only",
        "trapezoid": "refuses x together with dx",
        "vdot": "takes one-dimensional arrays only",
    }
    numbers = frozenset(
        ("add", "subtract", "multiply", "divide", "floor_divide", "mod", "power", "maximum", "minimum", "clip", "where")
        + ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
    )
    compute_as = {"uint16": "int32", "uint32": "int64"}
    wider = {"bool": "uint8", "uint16": "int32", "uint32": "int64", "float16": "float32", "bfloat16": "float32"}
    trains = True
    fuses = gathers = True
    branches = False
    _plans: dict[Any, Any] = {}  # of `kept`

    def tensor(self, x: Any, dtype: str | None = None) -> Any:
        if isinstance(x, torch.Tensor):
            if x.layout is not torch.strided:
                raise TypeError(f"Expected a dense tensor; received one of layout {x.layout}. Use x.to_dense() first.")
            wanted = dtype or dtypes.canonical(dtypes.of(x))
            return x if x.dtype is DTYPES[wanted] else x.to(DTYPES[wanted])
        if hasattr(x, "handle"):  # a Variable
            return self.tensor(x.value, dtype)
        if type(x) in (bool, int, float) and dtype is not None:
            return torch.tensor(x, dtype=DTYPES[dtype])
        if isinstance(x, (list, tuple)) and any(isinstance(v, torch.Tensor) for v in x):
            return self.tensor(torch.stack([self.tensor(v) for v in x]), dtype)
        if torch.compiler.is_compiling():  # the way over NumPy cannot be part of a graph
            x = torch.as_tensor(x) if isinstance(x, np.ndarray) else torch.tensor(x, dtype=DTYPES[dtypes.common([x])])
            return self.tensor(x, dtype)
        return _from_host(to_host(x, dtype))

    def is_plain(self, x: Any, dtype: str) -> bool:
        if type(x) is not torch.Tensor or x.layout is not torch.strided:
            return False
        return x.dtype is DTYPES[dtype] or dtypes.of(x) in dtypes.LASTING

    def to_numpy(self, x: Any) -> np.ndarray:
        if not isinstance(x, torch.Tensor):
            return np.asarray(x)
        own = x.device.type != "cpu"
        x = x.detach().cpu().resolve_conj().resolve_neg()
        if x.dtype is torch.bfloat16:
            return x.float().numpy().astype(numpy_dtype("bfloat16"))
        return x.numpy() if own else x.numpy().copy()  # training changes variables in place

    def cast(self, x: Any, dtype: str) -> Any:
        wanted = DTYPES[dtypes.canonical(dtype)]
        return x if x.dtype is wanted else x.to(wanted)

    def settler(self, dtype: str) -> Callable[[Any], Any]:
        wanted = DTYPES[dtypes.canonical(dtype)]

        def settle(out: Any) -> Any:
            if type(out) is tuple or type(out) is list or out.dtype is wanted:
                return out
            return out.to(wanted)

        return settle

    def is_tensor(self, x: Any) -> bool:
        return isinstance(x, torch.Tensor)

    def kept(self, plan: Callable[..., Any], *key: Any) -> Any:
        if torch.compiler.is_compiling():  # sizes may stand for others
            return plan(*key)
        try:
            found = self._plans.get((plan, key))
        except TypeError:  # a list, or a size that stands for others
            return plan(*key)
        if found is None:
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            found = self._plans[plan, key] = plan(*key)
        return found

    def scale_and_shift(self, x: Any, factor: Any, shift: Any) -> Any:
        # one pass instead of two, but with slower gradients
        one_pass = isinstance(x, torch.Tensor) and not torch.is_grad_enabled()
        return torch.addcmul(shift, x, factor) if one_pass else x * factor + shift

    def new_variable(self, value: Any, dtype: str, trainable: bool) -> Any:
        with unset_fake_temporarily():
            value = self.tensor(value, dtype).detach()
            return self._asking(value.clone(memory_format=torch.contiguous_format), trainable)  # fused updates need it

    def blank(self, shape: tuple[int, ...], dtype: str) -> Any:
        return torch.zeros((), dtype=DTYPES[dtype]).expand(shape)

    def adopt(self, array: np.ndarray, dtype: str, trainable: bool) -> Any:
        with unset_fake_temporarily():  # inside of `abstract`, too, a variable has numbers
            return self._asking(self.tensor(array, dtype), trainable)

    def _asking(self, value: Any, trainable: bool) -> Any:
        """Return an array that asks for gradients if a variable that holds it trains."""
        return torch.nn.Parameter(value) if trainable and value.is_floating_point() else value

    def assign(self, old: Any, new: Any) -> Any:
        with torch.no_grad():
            old.copy_(new)
        return old

    def set_trainable(self, value: Any, trainable: bool) -> None:
        if value.is_floating_point():
            value.requires_grad_(trainable)

    def copies(self, values: list[Any]) -> list[Any]:
        return [self.leaf(x.clone(), x) for x in values]

    def publish(self, variables: Any, values: Any) -> None:
        pairs = [(v._value, x) for v, x in zip(variables, values, strict=True) if x is not v._value]
        if pairs:  # into the same tensors, which optimizers and users of torch's own may hold
            with torch.no_grad():
                torch._foreach_copy_([old for old, _ in pairs], [new for _, new in pairs])

    def multiply_in_place(self, values: list[Any], factor: Any) -> bool:
        return multiply_in_place(values, factor)

    def update_in_place(
        self, optimizer: Any, gradients: list[Any], values: list[Any], slots: list[Any], rate: Any, t: Any
    ) -> bool:
        return update_in_place(optimizer, gradients, values, slots, rate, t)

    def abstract(self, fn: Callable[..., Any], specs: Any) -> Any:
        from torch._subclasses.fake_tensor import FakeTensorMode

        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
            arrays = optree.tree_map(
                lambda s: torch.empty(s[0], dtype=DTYPES[s[1]]), specs, is_leaf=lambda s: isinstance(s, tuple)
            )
            return optree.tree_map(lambda t: (tuple(t.shape), dtypes.of(t)), fn(*arrays))

    def fuse(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        from torch._dynamo.exc import Unsupported

        code = fn.__code__.replace()  # of its own: torch counts compilations by code, and gives up after some
        own = types.FunctionType(code, fn.__globals__, fn.__name__, fn.__defaults__, fn.__closure__)
        fused = torch.compile(own, fullgraph=True, dynamic=False)

        def run(*args: Any) -> Any:
            try:
                return fused(*args)
            except Unsupported as error:
                raise RuntimeError(
                    "jit_compile=True: torch.compile cannot make one graph of the step. Take gradients with "
                    f"keras.value_and_grad in steps of your own, or compile with jit_compile='auto'. It says: {error}"
                ) from error

        return run

    def constant(self, make: Callable[..., Any], *numbers: Any) -> Any:
        return _constant(make, *numbers)

    def compiling(self) -> bool:
        return torch.compiler.is_compiling()

    def synchronize(self, x: Any) -> Any:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return x

    def devices(self) -> list[str]:
        return [f"cuda:{i}" for i in range(torch.cuda.device_count())] + ["cpu"]

    def busy_share(self, run: Callable[[], Any]) -> float | None:
        self.synchronize(run())
        with torch.profiler.profile() as profile:
            began = time.perf_counter()
            self.synchronize(run())
            seconds = time.perf_counter() - began
        events = profile.key_averages()
        busy = sum(e.self_device_time_total for e in events)
        if not busy:  # no device but the CPU: what operators take, and the kernels that a compiler made
            busy = sum(e.self_cpu_time_total for e in events)
        return min(1.0, busy / 1e6 / seconds)

    @contextlib.contextmanager
    def profiling(self, folder: str) -> Iterator[None]:
        with torch.profiler.profile() as profile:
            yield
        run = os.path.join(folder, "plugins", "profile", time.strftime("%Y_%m_%d_%H_%M_%S"))
        os.makedirs(run, exist_ok=True)
        profile.export_chrome_trace(os.path.join(run, f"{socket.gethostname()}.pt.trace.json"))

    def device(self, name: str | None) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext() if name is None else torch.device(name.lower().replace("gpu", "cuda"))

    def seed_all(self, seed: int) -> None:
        torch.manual_seed(seed)


def _from_host(array: np.ndarray) -> torch.Tensor:
    if array.dtype.kind == "V" and array.dtype.name == "bfloat16":
        return torch.from_numpy(array.astype("float32")).to(torch.bfloat16)
    if not array.flags.writeable or min(array.strides, default=0) < 0:
        array = array.copy()
    return torch.from_numpy(np.asarray(array))


keep_freed_memory()
backend = Torch()
from tahr.backends.torch import math, nn  # noqa: E402  (they register themselves on `backend`)
