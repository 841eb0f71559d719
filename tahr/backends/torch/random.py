"""Draws from torch's own generators, seeded by the seed state, on the state's device."""

from typing import Any

import torch


def _generator(state: torch.Tensor) -> torch.Generator:
    low, high = (int(word) for word in state.tolist())
    # The CPU generator takes 32 bits of a seed, so both words are mixed into them (the finaliser of MurmurHash3).
    mixed = (low * 0x9E3779B97F4A7C15 + high) % 2**64
    mixed = (mixed ^ (mixed >> 33)) * 0xFF51AFD7ED558CCD % 2**64
    mixed = (mixed ^ (mixed >> 33)) * 0xC4CEB9FE1A85EC53 % 2**64
    return torch.Generator(state.device).manual_seed((mixed ^ (mixed >> 33)) % 2**63)


def _type(name: str) -> torch.dtype:
    return getattr(torch, name)


class Draws:
    """The random duties of the PyTorch backend."""

    def split_seed(self, state: Any) -> tuple[Any, Any]:
        count = state.to(torch.int64)  # torch does not add uint32
        return state.clone(), torch.stack((count[0], (count[1] + 1) % 2**32)).to(torch.uint32)

    def random_uniform(self, state: Any, shape: tuple[int, ...], dtype: str) -> Any:
        return torch.rand(shape, generator=_generator(state), dtype=_type(dtype), device=state.device)

    def random_normal(self, state: Any, shape: tuple[int, ...], dtype: str) -> Any:
        return torch.randn(shape, generator=_generator(state), dtype=_type(dtype), device=state.device)

    def random_integers(self, state: Any, shape: tuple[int, ...], minval: Any, maxval: Any, dtype: str) -> Any:
        draws = torch.randint(int(minval), int(maxval), shape, generator=_generator(state), device=state.device)
        return draws.to(_type(dtype))

    def random_gamma(self, state: Any, alpha: Any) -> Any:
        return torch._standard_gamma(alpha, generator=_generator(state))

    def random_binomial(self, state: Any, counts: Any, probabilities: Any) -> Any:
        return torch.binomial(counts, probabilities, generator=_generator(state))

    def random_permutation(self, state: Any, count: int) -> Any:
        return torch.randperm(count, generator=_generator(state), device=state.device)

    def random_mask(self, state: Any, shape: tuple[int, ...], probability: Any) -> Any:
        return torch.rand(shape, generator=_generator(state), device=state.device) < probability
