"""What a step of an optimizer changes: the arrays of the trained variables and of its own."""

import dataclasses
from collections.abc import Callable
from typing import Any

from tahr import backends, ops, tree
from tahr.variables import Variable

__all__ = ["Arrays"]


@dataclasses.dataclass
class Arrays:
    """What one step changes.

    Attributes:
        variables: the trained variables.
        values: their arrays.
        state: the arrays of the optimizer's own variables, by the `id` of the variable.
        donated: whether these arrays may be overwritten; else new ones take their places.
    """

    variables: list[Variable]
    values: list[Any]
    state: dict[int, Any]
    donated: bool = False

    def part(self, places: list[int]) -> "Arrays":
        """Return the arrays of some of the trained variables, with the state in common."""
        return Arrays([self.variables[i] for i in places], [self.values[i] for i in places], self.state, self.donated)

    def take(self, places: list[int], part: "Arrays") -> None:
        """Take back the values of what `part` gave."""
        for i, value in zip(places, part.values, strict=True):
            self.values[i] = value

    def choose(self, condition: Any, yes: Callable[["Arrays"], None], no: Callable[["Arrays"], None]) -> None:
        """Let `yes` change the arrays where `condition`, a scalar on the device, holds, else `no`."""
        order = list(self.state)

        def run(change: Callable[["Arrays"], None]) -> Callable[[], tuple[list[Any], list[Any]]]:
            def branch() -> tuple[list[Any], list[Any]]:
                inner = Arrays(self.variables, list(self.values), dict(self.state))
                change(inner)
                return inner.values, [inner.state[key] for key in order]

            return branch

        def pick(a: Any, b: Any) -> Any:
            return a if a is b else ops.where(condition, a, b)

        engine = backends.current()
        if engine.compiling() and not engine.branches:
            self.values, changed = tree.map_structure(pick, run(yes)(), run(no)())
        else:
            self.values, changed = ops.cond(condition, run(yes), run(no))
        self.state.update(zip(order, changed, strict=True))
