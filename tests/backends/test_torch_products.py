"""On PyTorch, on a CPU, products of many rows go by oneDNN and give what torch's own give, with every derivative; and
memory that arrays leave is kept."""

import os
import resource
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tahr as keras  # noqa: E402
from tahr import config, layers, ops  # noqa: E402

pytestmark = pytest.mark.skipif(config.backend() != "torch", reason="is about PyTorch")

ROWS, FEATURES, UNITS = 256, 128, 160
NEAR: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-4}


def draw(*shape: int) -> Any:
    return torch.from_numpy(np.random.default_rng(len(shape)).normal(size=shape).astype("float32")) / 4


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of the rows that went by oneDNN."""
    from tahr.backends.torch import products

    if not products._HAS_ONEDNN:
        pytest.skip("this build of torch has no oneDNN")
    found, plain = [], products._onednn

    def noting(rows: Any, kernel: Any, bias: Any) -> Any:
        found.append(tuple(rows.shape))
        return plain(rows, kernel, bias)

    monkeypatch.setattr(products, "_onednn", noting)
    return found


def test_a_layer_and_its_gradients(taken: Any) -> None:
    layer = layers.Dense(UNITS, bias_initializer="normal")
    x = draw(4, ROWS // 4, FEATURES).requires_grad_()
    weights = [v.value for v in (layer.build(x.shape), layer.kernel, layer.bias)[1:]]
    loss, plain = (layer(x) ** 3).sum(), ((x @ weights[0] + weights[1]) ** 3).sum()
    assert taken == [(ROWS, FEATURES)]
    found, wanted = (torch.autograd.grad(y, [x, *weights]) for y in (loss, plain))
    assert taken == [(ROWS, FEATURES), (ROWS, UNITS)]  # the gradient of the kernel is MKL's
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-2)
    with torch.no_grad():
        np.testing.assert_allclose(layer(x), x @ weights[0] + weights[1], **NEAR)
    assert taken[2:] == [(ROWS, FEATURES)]


EQUATIONS = {
    "abc,cd->abd": ((4, 64, 128), (128, 160)),
    "abc,cde->abde": ((4, 64, 128), (128, 8, 20)),
    "abcd,cde->abe": ((4, 64, 8, 16), (8, 16, 160)),
}


@pytest.mark.parametrize("subscripts", EQUATIONS)
def test_einsum(subscripts: str, taken: Any) -> None:
    x, y = (draw(*shape) for shape in EQUATIONS[subscripts])
    np.testing.assert_allclose(ops.einsum(subscripts, x, y), torch.einsum(subscripts, x, y), **NEAR)
    assert taken == [(ROWS, FEATURES)]


def test_second_derivatives(taken: Any) -> None:
    given = draw(ROWS, FEATURES), draw(FEATURES, UNITS)

    def penalty(product: Any) -> Any:
        x, kernel = (a.clone().requires_grad_() for a in given)
        slopes = torch.autograd.grad((product(x, kernel) ** 3).mean(), [x, kernel], create_graph=True)
        return torch.autograd.grad(sum((s**2).sum() for s in slopes), [x, kernel])

    for found, wanted in zip(penalty(ops.matmul), penalty(torch.matmul), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-6)
    assert len(taken) > 2


@pytest.mark.filterwarnings("ignore:TF32 acceleration:UserWarning", "ignore:.torch.jit.script. is:DeprecationWarning")
def test_what_is_left_to_torch(taken: Any) -> None:
    x, kernel = draw(ROWS, FEATURES), draw(FEATURES, UNITS)
    wanted = x @ kernel
    np.testing.assert_allclose(ops.matmul(x.bfloat16(), kernel.bfloat16()).float(), wanted, rtol=0.02, atol=0.05)
    np.testing.assert_allclose(ops.matmul(x[:4], kernel), wanted[:4], **NEAR)
    np.testing.assert_allclose(keras.jvp(lambda a: ops.matmul(a, kernel), (x,), (x,))[1], wanted, **NEAR)
    mapped = keras.vmap(lambda a: ops.matmul(a, kernel))(torch.stack([x, 2 * x]))
    np.testing.assert_allclose(mapped[1], 2 * wanted, **NEAR)
    torch.compiler.reset()
    compiled = torch.compile(lambda a: ops.matmul(a, kernel), fullgraph=True, backend="eager")(x)
    np.testing.assert_allclose(compiled, wanted, **NEAR)
    with torch.backends.mkldnn.flags(enabled=False):
        np.testing.assert_allclose(ops.matmul(x, kernel), wanted, **NEAR)
    assert ops.matmul(torch.zeros(0, FEATURES), kernel).shape == (0, UNITS)
    assert ops.matmul(torch.zeros(ROWS, 0), torch.zeros(0, UNITS)).shape == (ROWS, UNITS)
    assert taken == []


def test_the_way_is_told_and_can_be_forced(taken: Any) -> None:
    model = keras.Sequential(
        [keras.Input((FEATURES,)), layers.Dense(UNITS, name="wide"), layers.Dense(1)], name="sequential"
    )
    told = model.explain_kernels(np.zeros((ROWS, FEATURES)), print_fn=lambda text: None)
    assert [choice[:3] for choice in told] == [("sequential/wide", "product", "onednn")]
    x, kernel = draw(ROWS, FEATURES), draw(FEATURES, UNITS)
    taken.clear()
    with keras.utils.forced_kernels(product="native"):
        wanted = ops.matmul(x, kernel)
    assert taken == []
    with keras.utils.forced_kernels(product="onednn"):
        np.testing.assert_allclose(ops.matmul(x[:1], kernel), wanted[:1], **NEAR)
    assert taken == [(1, FEATURES)]


def faults(**variables: str) -> int:
    """Return how many pages of memory were fetched for 20 arrays of 40 MB, one after the other, and others before."""
    code = """
    import resource
    import tahr as keras
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(20):
            x = keras.ops.ones((10_000_000,))
            del x
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    given = {**kept, "TAHR_BACKEND": "torch", **variables}
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=given, capture_output=True, timeout=120)
    assert ran.returncode == 0, ran.stderr.decode()
    return int(ran.stdout)


def test_memory_is_kept() -> None:
    from tahr.backends.torch.memory import keep_freed_memory

    if not keep_freed_memory():
        pytest.skip("memory is managed in another way here")
    pages = 40_000_000 // resource.getpagesize()
    assert faults() < 6 * pages  # of 20 times that many


def test_who_has_said_how_memory_is_managed_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    from tahr.backends.torch.memory import keep_freed_memory

    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "131072")
    assert not keep_freed_memory()
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_")
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
    assert not keep_freed_memory()
