"""What the subscripts of `einsum` say."""

import functools

__all__ = ["summed_over"]


@functools.lru_cache(1024)
def summed_over(subscripts: str) -> int:
    """Return over how many axes `abc,cd->abd` or the like sums, the last of the first and first of the second; or 0."""
    left, _, result = subscripts.replace(" ", "").partition("->")
    first, _, second = left.partition(",")
    if "." in subscripts or any(len(set(term)) < len(term) for term in (first, second, result)):
        return 0
    counts = range(1, min(len(first), len(second)) + 1)
    fits = (n for n in counts if first[-n:] == second[:n] and result == first[:-n] + second[n:])
    return next(fits, 0)
