"""What became of a file's content: which arrays went where, which were left, and why."""

from dataclasses import dataclass, field

__all__ = ["LoadReport"]

SHOWN = 10


@dataclass
class LoadReport:
    """What loading a file did, place by place.

    Attributes:
        path: the file.
        loaded: paths of the parts of the model that took their values from the file.
        mismatched: why parts of the model kept their own values, by their path.
        unused: places in the file that no part of the model took.
        placeholders: layers of unknown classes that stand in for them, by name, with module and class of each.
        optimizer: `"loaded"`, `"absent"` (the file has no state of one), or why its state was left.

    >>> from tahr.saving.report import LoadReport
    >>> LoadReport("small.keras", loaded=["layers/dense"]).complete
    True
    """

    path: str
    loaded: list[str] = field(default_factory=list)
    mismatched: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    placeholders: dict[str, str] = field(default_factory=dict)
    optimizer: str = "absent"

    @property
    def complete(self) -> bool:
        """Whether every part of the model was filled, nothing in the file was left, and no class was unknown."""
        left = bool(self.mismatched or self.unused or self.placeholders)
        return not left and self.optimizer in ("loaded", "absent")

    def __str__(self) -> str:
        lines = [f"{self.path}: {len(self.loaded)} parts loaded, optimizer {self.optimizer}"]
        lines += _listed("left as they were", [f"{place}: {why}" for place, why in self.mismatched.items()])
        lines += _listed("in the file, but in no part of the model", self.unused)
        lines += _listed("of unknown classes", [f"{name}: {what}" for name, what in self.placeholders.items()])
        return "\n".join(lines)


def _listed(title: str, items: list[str]) -> list[str]:
    if not items:
        return []
    more = [f"    ... and {len(items) - SHOWN} more"] if len(items) > SHOWN else []
    return [f"  {len(items)} {title}:", *(f"    {item}" for item in items[:SHOWN]), *more]
