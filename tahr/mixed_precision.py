"""Mixed precision under the names that Keras has for it."""

from typing import TYPE_CHECKING, Any

from tahr.dtype_policies.policy import DTypePolicy, dtype_policy, set_dtype_policy

if TYPE_CHECKING:
    from tahr.optimizers import LossScaleOptimizer

Policy = DTypePolicy
global_policy = dtype_policy
set_global_policy = set_dtype_policy

__all__ = [
    "DTypePolicy",
    "LossScaleOptimizer",
    "Policy",
    "dtype_policy",
    "global_policy",
    "set_dtype_policy",
    "set_global_policy",
]


def __getattr__(name: str) -> Any:
    if name == "LossScaleOptimizer":
        from tahr.optimizers import LossScaleOptimizer

        return LossScaleOptimizer
    from tahr.compat.names import old_name

    return old_name("mixed_precision", name)
