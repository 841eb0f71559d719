"""Control flow over arrays, and functions of functions: loops, branches, maps, scans, gradients of one's own."""

from collections.abc import Callable, Sequence
from typing import Any

from tahr import autodiff, backends, dtypes, shapes, symbolic, tree
from tahr.dtypes import free
from tahr.ops.core import convert_to_tensor
from tahr.ops.declare import op
from tahr.ops.shaping import concatenate, flip, reshape, stack
from tahr.rematerialization import remat
from tahr.symbolic import KerasTensor


def _is_array(x: Any) -> bool:
    return hasattr(x, "shape") and hasattr(x, "dtype")


def to_arrays(structure: Any) -> Any:
    """Return a structure with its numbers and variables as arrays; None and symbols stay."""
    return tree.map_structure(
        lambda x: x if x is None or isinstance(x, KerasTensor) else convert_to_tensor(x), structure
    )


def to_symbols(structure: Any) -> Any:
    """Return a structure with its arrays and numbers as symbols that record nothing."""

    def describe(x: Any) -> Any:
        if x is None or (isinstance(x, KerasTensor) and not x.record_history):
            return x
        kind = dtypes.of(x) if _is_array(x) else dtypes.common([x])
        return KerasTensor(shapes.of(x), dtypes.canonical(kind), record_history=False)

    return tree.map_structure(describe, structure)


def _agree(name: str, found: list[Any]) -> Any:
    """Return symbols for what branches have in common."""
    specs = [to_symbols(f) for f in found]
    for other in specs[1:]:
        try:
            tree.assert_same_structure(specs[0], other)
        except ValueError as error:
            raise ValueError(f"{name}: all branches must return the same structure. {error}") from None

    def merge(*parts: Any) -> Any:
        first = parts[0]
        if not isinstance(first, KerasTensor):
            return first
        if any(p.dtype != first.dtype or len(p.shape) != len(first.shape) for p in parts):
            kinds = " and ".join(f"{p.dtype}{list(p.shape)}" for p in parts)
            raise ValueError(f"{name}: all branches must return the same types and shapes; received {kinds}.")
        sizes = [n[0] if len(set(n)) == 1 else None for n in zip(*(p.shape for p in parts), strict=True)]
        return KerasTensor(sizes, first.dtype, record_history=False)

    return tree.map_structure(merge, *specs)


# ---- branches -----------------------------------------------------------------------------------------------------


def _cond_spec(pred: Any, true_fn: Any, false_fn: Any) -> Any:
    return _agree("cond", [true_fn(), false_fn()])


@op(free, arrays=(), shape=_cond_spec, native=False)
def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """Return `true_fn()` if `pred` holds, else `false_fn()`.

    Args:
        pred: a truth value; may be computed.
        true_fn: function of no arguments.
        false_fn: function of no arguments that returns arrays of the same shapes and types.

    >>> ops.cond(True, lambda: ops.array([1.0]), lambda: ops.array([2.0]))
    [1.0]
    """
    return true_fn() if bool(pred) else false_fn()


def _switch_spec(index: Any, branches: Any, operands: Any) -> Any:
    return _agree("switch", [branch(*to_symbols(list(operands))) for branch in branches])


@op(free, arrays=(), shape=_switch_spec, native=False)
def _switch(index: Any, branches: Any, operands: Any) -> Any:
    return branches[min(max(int(index), 0), len(branches) - 1)](*operands)


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """Return `branches[index](*operands)`; an index out of bounds takes the nearest branch.

    Raises:
        ValueError: if there are no branches.

    >>> ops.switch(1, [lambda x: x + 1, lambda x: x * 10], ops.array(2))
    20
    """
    if not branches:
        raise ValueError("switch: expected at least one branch; received none.")
    return _switch(index, list(branches), to_arrays(list(operands)))


# ---- loops --------------------------------------------------------------------------------------------------------


def _check_functions(name: str, *functions: Any) -> None:
    for f in functions:
        if not callable(f):
            raise TypeError(f"{name}: expected a function; received {f!r}.")


def _while_spec(cond: Any, body: Any, loop_vars: Any, maximum_iterations: Any = None) -> Any:
    _check_functions("while_loop", cond, body)
    return to_symbols(loop_vars)


@op(free, arrays=(), shape=_while_spec, native=False)
def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """Return what `loop_vars` are after `loop_vars = body(*loop_vars)` has run while `cond(*loop_vars)` holds.

    Args:
        cond: function that gives a truth value.
        body: function that gives new values of the same shapes and types.
        loop_vars: tuple or list of values, or one value.
        maximum_iterations: limit on the number of rounds.

    >>> ops.while_loop(lambda i: i < 10, lambda i: (i + 3,), (0,))
    (12,)
    """
    several = isinstance(loop_vars, (list, tuple))
    values = to_arrays(tuple(loop_vars) if several else (loop_vars,))
    rounds = 0
    while (maximum_iterations is None or rounds < maximum_iterations) and bool(cond(*values)):
        found = body(*values)
        values = tuple(found) if isinstance(found, (list, tuple)) and several else (found,)
        rounds += 1
    return type(loop_vars)(values) if several else values[0]


def _fori_spec(lower: Any, upper: Any, body_fun: Any, init_val: Any) -> Any:
    _check_functions("fori_loop", body_fun)
    return to_symbols(init_val)


@op(free, arrays=(), shape=_fori_spec, native=False)
def fori_loop(lower: Any, upper: Any, body_fun: Callable[..., Any], init_val: Any) -> Any:
    """Return `init_val` after `init_val = body_fun(i, init_val)` for `i` from `lower` to before `upper`.

    >>> ops.fori_loop(0, 4, lambda i, total: total + i, ops.array(0))
    6
    """
    value = to_arrays(init_val)
    for i in range(int(lower), int(upper)):
        value = body_fun(convert_to_tensor(i, "int32"), value)
    return value


# ---- scans --------------------------------------------------------------------------------------------------------


def _length(xs: Any, length: int | None) -> int | None:
    """Return how many steps there are.

    Raises:
        ValueError: if the arrays disagree, or there are none and no length.
    """
    found = {x.shape[0] if len(x.shape) else -1 for x in tree.flatten(xs) if x is not None}
    if -1 in found:
        raise ValueError("scan: expected arrays of at least one dimension to go along; received a scalar.")
    known = {n for n in [*found, length] if n is not None}
    if len(known) > 1:
        raise ValueError(f"scan: expected one length along the first axis; received {sorted(known)}.")
    if not found and length is None:
        raise ValueError("scan: expected `xs` or `length`; received neither.")
    return known.pop() if known else None


def _part(xs: Any, i: Any) -> Any:
    return tree.map_structure(lambda x: None if x is None else x[i], xs)


def _scan_spec(f: Any, init: Any, xs: Any = None, length: Any = None, reverse: bool = False, unroll: Any = 1) -> Any:
    xs = to_symbols(xs)
    count = _length(xs, length)
    carry, y = f(to_symbols(init), _part(xs, 0))
    return _agree("scan (carry)", [init, carry]), _along(to_symbols(y), count)


def _along(structure: Any, count: int | None) -> Any:
    """Return symbols for results that are stacked along a new first axis."""
    return tree.map_structure(
        lambda s: None if s is None else KerasTensor((count, *s.shape), s.dtype, record_history=False), structure
    )


@op(free, arrays=(), shape=_scan_spec, native=False)
def scan(
    f: Callable[..., Any],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> Any:
    """Return `(carry, ys)` after `carry, y = f(carry, x)` for each `x` along the first axis of `xs`, all `y` stacked.

    Args:
        f: function of (carry, x) that gives (carry, y); the carry keeps its shapes and types.
        init: first carry, one array or a structure.
        xs: array or structure of arrays to go along, or None.
        length: number of steps, needed without `xs`.
        reverse: whether to start at the end; `ys` stay in the order of `xs`.
        unroll: how many steps a compiler may lay out at once.

    >>> ops.scan(lambda total, x: (total + x, total * x), ops.array(0), ops.array([1, 2, 3]))
    (6, [0, 2, 9])
    """
    carry, xs = to_arrays(init), to_arrays(xs)
    count = _length(xs, length) or 0
    ys: list[Any] = []
    for i in range(count - 1, -1, -1) if reverse else range(count):
        carry, y = f(carry, _part(xs, i))
        ys.append(y)
    if not ys:
        raise ValueError("scan: expected at least one step; received none.")
    return carry, _stacked(ys[::-1] if reverse else ys)


def _stacked(results: list[Any]) -> Any:
    """Return one structure of stacked arrays from a list of structures of arrays."""
    return tree.map_structure(lambda *parts: None if parts[0] is None else stack(list(parts)), *results)


def _associative_spec(f: Any, elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    return to_symbols(elems)


@op(free, arrays=(), shape=_associative_spec, native=False)
def associative_scan(f: Callable[..., Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """Return all running results of combining the elements along an axis with an associative function.

    It takes a number of rounds that grows with the logarithm of the length.

    Args:
        f: function of two arrays (or structures) of elements that gives the combined ones; `f(a, f(b, c))` must be
            `f(f(a, b), c)`.
        elems: array or structure of arrays.
        reverse: whether to start at the end.
        axis: axis to go along.

    >>> ops.associative_scan(lambda a, b: a + b, ops.array([1, 2, 3]))
    [1, 3, 6]
    """
    leaves = tree.flatten(to_arrays(elems))
    sizes = {x.shape[shapes.axis_index(axis, len(x.shape))] for x in leaves}
    if len(sizes) != 1:
        raise ValueError(f"associative_scan: expected one size along axis {axis}; received {sorted(sizes)}.")
    place = [shapes.axis_index(axis, len(x.shape)) for x in leaves]

    def combine(a: list[Any], b: list[Any]) -> list[Any]:
        return tree.flatten(f(tree.pack_sequence_as(elems, a), tree.pack_sequence_as(elems, b)))

    def cut(xs: list[Any], part: slice) -> list[Any]:
        return [x[(*(slice(None),) * i, part)] for x, i in zip(xs, place, strict=True)]

    def run(xs: list[Any], count: int) -> list[Any]:
        if count < 2:
            return xs
        pairs = combine(cut(xs, slice(0, count - 1, 2)), cut(xs, slice(1, count, 2)))
        odd = run(pairs, count // 2)
        if count == 2:
            return [concatenate([a, b], i) for a, b, i in zip(cut(xs, slice(0, 1)), odd, place, strict=True)]
        behind = odd if count % 2 else cut(odd, slice(0, count // 2 - 1))
        even = combine(behind, cut(xs, slice(2, count, 2)))
        even = [concatenate([a, b], i) for a, b, i in zip(cut(xs, slice(0, 1)), even, place, strict=True)]
        return [_interleave(a, b, i) for a, b, i in zip(even, odd, place, strict=True)]

    if reverse:
        leaves = [flip(x, i) for x, i in zip(leaves, place, strict=True)]
    found = run(leaves, sizes.pop())
    if reverse:
        found = [flip(x, i) for x, i in zip(found, place, strict=True)]
    return tree.pack_sequence_as(elems, found)


def _interleave(even: Any, odd: Any, axis: int) -> Any:
    """Return elements of both in turn; `even` has as many as `odd` or one more."""
    lead = (slice(None),) * axis
    count = odd.shape[axis]
    pairs = stack([even[(*lead, slice(0, count))], odd], axis + 1)
    both = reshape(pairs, (*even.shape[:axis], 2 * count, *even.shape[axis + 1 :]))
    return concatenate([both, even[(*lead, slice(count, None))]], axis) if even.shape[axis] > count else both


# ---- maps ---------------------------------------------------------------------------------------------------------


def _map_spec(f: Any, xs: Any) -> Any:
    xs = to_symbols(xs)
    return _along(to_symbols(f(_part(xs, 0))), _length(xs, None))


@op(free, arrays=(), shape=_map_spec, native=False)
def map_(f: Callable[..., Any], xs: Any) -> Any:
    """Return the results of `f` on each part of `xs` along the first axis, stacked; one part after the other.

    >>> ops.map(lambda x: x * 2, ops.array([1, 2]))
    [2, 4]
    """
    xs = to_arrays(xs)
    count = _length(xs, None)
    if not count:
        raise ValueError("map: expected at least one element; received none.")
    return _stacked([f(_part(xs, i)) for i in range(count)])


def _vectorized_spec(function: Any, elements: Any) -> Any:
    return _map_spec(function, elements)


@op(free, arrays=(), shape=_vectorized_spec, native=False)
def vectorized_map(function: Callable[..., Any], elements: Any) -> Any:
    """Return the results of `function` on each part of `elements` along the first axis, computed together.

    >>> ops.vectorized_map(lambda x: ops.sum(x), ops.array([[1, 2], [3, 4]]))
    [3, 7]
    """
    return autodiff.vmap(function)(elements)


def _core_axes(signature: str) -> tuple[list[list[str]], list[list[str]]]:
    """Return the names of the core axes of arguments and results in a signature such as `(m,n),(n)->(m)`."""

    def terms(text: str) -> list[list[str]]:
        text = text.replace(" ", "")
        if not (text.startswith("(") and text.endswith(")")):
            raise ValueError(f"vectorize: expected a signature like '(n),(n)->()'; received {signature!r}.")
        return [[name for name in term.split(",") if name] for term in text[1:-1].split("),(")]

    left, arrow, right = signature.partition("->")
    if not arrow:
        raise ValueError(f"vectorize: expected a signature like '(n),(n)->()'; received {signature!r}.")
    return terms(left), terms(right)


def vectorize(
    pyfunc: Callable[..., Any], *, excluded: set[Any] | None = None, signature: str | None = None
) -> Callable[..., Any]:
    """Return a function that runs `pyfunc`, written for single elements, over whole arrays with broadcasting.

    Args:
        pyfunc: function of scalars, or of arrays with the core axes of `signature`.
        excluded: positions and names of arguments to pass on as they are.
        signature: core axes such as `"(n),(n)->()"`; None means scalars.

    >>> ops.vectorize(lambda a, b: a * b)(ops.array([1, 2, 3]), 2)
    [2, 4, 6]
    """
    left_out = set(excluded or ())
    if not callable(pyfunc):
        raise TypeError(f"vectorize: expected a function; received {pyfunc!r}.")
    axes = None if signature is None else _core_axes(signature)[0]

    def run(*args: Any, **kwargs: Any) -> Any:
        slots = [i for i in range(len(args)) if i not in left_out]
        names = [name for name in kwargs if name not in left_out]
        arrays = [convert_to_tensor(v) for v in [*(args[i] for i in slots), *(kwargs[n] for n in names)]]
        if axes is not None and len(axes) != len(arrays):
            raise ValueError(f"vectorize: {signature!r} names {len(axes)} arguments; received {len(arrays)}.")
        cores = [0] * len(arrays) if axes is None else [len(names) for names in axes]

        def call(*parts: Any) -> Any:
            values, named = list(args), dict(kwargs)
            for i, part in zip(slots, parts, strict=False):
                values[i] = part
            named.update(zip(names, parts[len(slots) :], strict=True))
            return pyfunc(*values, **named)

        loops = [tuple(x.shape[: len(x.shape) - core]) for x, core in zip(arrays, cores, strict=True)]
        whole = shapes.broadcast(*loops)
        if not whole:
            return call(*arrays)
        flat = [_flatten_loops(x, core, whole) for x, core in zip(arrays, cores, strict=True)]
        found = vectorized_map(lambda parts: call(*parts), tuple(flat))
        return tree.map_structure(lambda y: reshape(y, (*whole, *y.shape[1:])), found)

    return run


def _flatten_loops(x: Any, core: int, whole: shapes.Shape) -> Any:
    from tahr.ops.shaping import broadcast_to

    inner = tuple(x.shape[len(x.shape) - core :])
    return reshape(broadcast_to(x, (*whole, *inner)), (-1, *inner))


# ---- gradients ----------------------------------------------------------------------------------------------------


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return `f` with a gradient of its own: `f` gives its result and a function from its gradient to the arguments'.

    >>> @ops.custom_gradient
    ... def clipped(x):
    ...     return x, lambda upstream: ops.clip(upstream, -1.0, 1.0)
    >>> clipped(ops.array([3.0]))
    [3.0]
    """
    if not callable(f):
        raise TypeError(f"custom_gradient: expected a function; received {f!r}.")

    def run(*args: Any, **kwargs: Any) -> Any:
        if symbolic.any_symbolic(args):
            return f(*args, **kwargs)[0]
        engine = backends.current()
        return engine.custom_gradient(lambda *arrays: f(*arrays, **kwargs))(*to_arrays(list(args)))

    return run


rematerialization = remat


def _jvp_spec(fun: Any, primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    found = fun(*to_symbols(list(primals)))
    value, aux = found if has_aux else (found, None)
    value = to_symbols(value)
    return (value, value, to_symbols(aux)) if has_aux else (value, value)


@op(free, arrays=(), shape=_jvp_spec, native=False)
def jvp(fun: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """Return `fun(*primals)` and its derivative in the direction `tangents` (a Jacobian-vector product).

    Args:
        fun: function of arrays; returns `(result, aux)` if `has_aux`.
        primals: tuple of arrays, the place.
        tangents: tuple of arrays of the same shapes, the direction.
        has_aux: whether `fun` returns something besides, which comes last.

    Raises:
        NotImplementedError: on a backend that computes no gradients (NumPy).

    >>> ops.jvp(lambda x: x * x, (ops.array(3.0),), (ops.array(1.0),))
    (9.0, 6.0)
    """
    return autodiff.jvp(fun, primals, tangents, has_aux)
