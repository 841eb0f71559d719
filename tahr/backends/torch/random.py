"""Draws from torch's own generators, seeded by the seed state, on the state's device."""

from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor


def _generator(state: torch.Tensor) -> torch.Generator:
    low, high = (int(word) for word in state.tolist())
    # The CPU generator takes 32 bits of a seed, so both words are mixed into them (the finaliser of MurmurHash3).
    mixed = (low * 0x9E3779B97F4A7C15 + high) % 2**64
    mixed = (mixed ^ (mixed >> 33)) * 0xFF51AFD7ED558CCD % 2**64
    mixed = (mixed ^ (mixed >> 33)) * 0xC4CEB9FE1A85EC53 % 2**64
    return torch.Generator(state.device).manual_seed((mixed ^ (mixed >> 33)) % 2**63)


def _type(name: str) -> torch.dtype:
    return getattr(torch, name)


def _drawn(state: torch.Tensor, kind: str, numbers: list[int], dtype: torch.dtype, of: list[torch.Tensor]) -> Any:
    generator = _generator(state)
    match kind:
        case "uniform":
            return torch.rand(numbers, generator=generator, dtype=dtype, device=state.device)
        case "normal":
            return torch.randn(numbers, generator=generator, dtype=dtype, device=state.device)
        case "integers":
            low, high, *shape = numbers
            return torch.randint(low, high, shape, generator=generator, device=state.device).to(dtype)
        case "gamma":
            return torch._standard_gamma(of[0], generator=generator)
        case "binomial":
            return torch.binomial(of[0], of[1], generator=generator)
    return torch.randperm(numbers[0], generator=generator, device=state.device)


# A generator is made from numbers on the host, which neither `torch.compile` nor an evaluation of shapes alone looks
# through: for them the whole draw is one operation.
@torch.library.custom_op("tahr::draw", mutates_args=())
def _opaque(
    state: torch.Tensor, kind: str, numbers: list[int], dtype: torch.dtype, of: list[torch.Tensor]
) -> torch.Tensor:
    return _drawn(state, kind, numbers, dtype, of)


@_opaque.register_fake
def _(state: Any, kind: str, numbers: list[int], dtype: torch.dtype, of: list[torch.Tensor]) -> torch.Tensor:
    if of:
        return torch.empty_like(of[0])
    shape = numbers[2:] if kind == "integers" else numbers
    return torch.empty(shape, dtype=torch.int64 if kind == "permutation" else dtype, device=state.device)


def _draw(state: torch.Tensor, kind: str, numbers: Any, dtype: torch.dtype = torch.float32, of: Any = ()) -> Any:
    opaque = torch.compiler.is_compiling() or isinstance(state, FakeTensor)
    return (_opaque if opaque else _drawn)(state, kind, [int(n) for n in numbers], dtype, list(of))


class Draws:
    """The random duties of the PyTorch backend."""

    def split_seed(self, state: Any) -> tuple[Any, Any]:
        count = state.to(torch.int64)  # torch does not add uint32
        return state.clone(), torch.stack((count[0], (count[1] + 1) % 2**32)).to(torch.uint32)

    def random_uniform(self, state: Any, shape: tuple[int, ...], dtype: str) -> Any:
        return _draw(state, "uniform", shape, _type(dtype))

    def random_normal(self, state: Any, shape: tuple[int, ...], dtype: str) -> Any:
        return _draw(state, "normal", shape, _type(dtype))

    def random_integers(self, state: Any, shape: tuple[int, ...], minval: Any, maxval: Any, dtype: str) -> Any:
        return _draw(state, "integers", (minval, maxval, *shape), _type(dtype))

    def random_gamma(self, state: Any, alpha: Any) -> Any:
        return _draw(state, "gamma", (), of=(alpha,))

    def random_binomial(self, state: Any, counts: Any, probabilities: Any) -> Any:
        return _draw(state, "binomial", (), of=(counts, probabilities))

    def random_permutation(self, state: Any, count: int) -> Any:
        return _draw(state, "permutation", (count,))

    def random_mask(self, state: Any, shape: tuple[int, ...], probability: Any) -> Any:
        return _draw(state, "uniform", shape) < probability
