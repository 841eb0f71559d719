"""What is done to gradients before any optimizer's formula: clipping."""

from typing import Any

from tahr import ops

__all__ = ["clip", "clip_by_norm", "global_norm"]


def clip(
    gradients: list[Any], clipnorm: float | None, clipvalue: float | None, global_clipnorm: float | None
) -> list[Any]:
    """Return gradients shortened each by itself, element by element, or all by one factor; None leaves them alone."""
    if clipnorm:
        return [clip_by_norm(g, clipnorm) for g in gradients]
    if global_clipnorm:
        norm = global_norm(gradients)
        scale = global_clipnorm / ops.maximum(norm, global_clipnorm)
        return [g * ops.cast(scale, g.dtype) for g in gradients]
    if clipvalue:
        return [ops.clip(g, -clipvalue, clipvalue) for g in gradients]
    return gradients


def clip_by_norm(gradient: Any, longest: float) -> Any:
    """Return a gradient, shortened to the norm `longest` if it is longer."""
    norm = ops.sqrt(ops.sum(ops.square(gradient)))
    return gradient * (longest / ops.maximum(norm, longest))


def global_norm(gradients: list[Any]) -> Any:
    """Return the Euclidean norm of all gradients together, in float32."""
    return ops.sqrt(sum(ops.sum(ops.square(ops.cast(g, "float32"))) for g in gradients))
