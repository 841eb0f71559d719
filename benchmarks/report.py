"""Put results into words: a table for the terminal, a section of RESULTS.md."""

import re
from pathlib import Path
from statistics import median, quantiles

import picture
from measure import Result, Row
from peers import PEERS
from workloads import WORKLOADS
from workloads.base import ON_TENSORFLOW, Bar, Workload

RESULTS = Path(__file__).with_name("RESULTS.md")
PICTURE = RESULTS.with_suffix(".svg")
QUIET_LOAD = 0.1  # cores that other processes may use before a result is called noisy
INTRODUCTION = """# Benchmarks

![How many times faster tahr on JAX is than the best of its peers](RESULTS.svg)

Written by `make bench` (all workloads) and `make bench only=NAME` (one; only its section changes). Do not edit by hand.

- Each peer works in a process of its own, on the CPU, on the same cores with the same number of threads. Rounds are
  interleaved over the peers (A B C A B C ...); a round repeats the work for about a second on a warm model.
- **median** is over the rounds, and **quartiles** show the spread. A `fit` round is a whole call of `fit` (several
  epochs, `verbose=0`, NumPy arrays, Adam, an accuracy metric, shuffling) divided by its steps. Hand-written peers do
  the same work: shuffling, loss, accuracy, Adam.
- **start** is what building, compiling and the first epoch or call took beyond steady work; for fresh interpreters it
  is the first one, with cold caches. **peak** is the process's peak resident memory, framework included.
- **x the floor** is the median divided by the least time of the work: its matrix products at the FLOP/s that a large
  product reaches here, or its weights, gradients and slots at the bytes/s of a copy, whichever takes longer. Tables and
  what the data and activations need are left out; - where tahr cannot count the work.
- **expected** is the figure of the design's table, measured earlier on a similar machine.
- **tahr is n x faster** is the median, over the rounds, of the peer's time divided by tahr's in the same round.
  Below 1, tahr is slower.
- Keras runs as released, as a black box, in an environment of its own (`benchmarks/peers_env.py`).
"""


def number(value: float | None) -> str:
    """Return a figure with three significant digits, or a dash."""
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".")


def table(result: Result) -> list[list[str]]:
    """Return the rows of a workload's table, the head first."""
    workload = WORKLOADS[result.workload]
    ours = (
        []
        if workload.unit == "times"
        else [name for name, row in result.rows.items() if name.startswith("tahr") and row.values and not row.failure]
    )
    head = ["peer", f"median, {workload.unit}", "quartiles", "expected", "x the floor", "start, s", "peak, MB"]
    floor = _floor(result)
    lines = [[*head, *(f"{PEERS[name].label} is n x faster" for name in ours)]]
    for name, row in result.rows.items():
        if row.failure or not row.values:
            lines.append([PEERS[name].label, f"failed: {row.failure}", *[""] * (len(lines[0]) - 2)])
            continue
        low, _, high = quantiles(row.values, n=4, method="inclusive") if len(row.values) > 1 else row.values * 3
        start = number(None if row.start_seconds is None else max(row.start_seconds, 0.0))
        cells = [PEERS[name].label, number(median(row.values)), f"{number(low)} to {number(high)}"]
        cells += [number(workload.expected.get(name)), number(floor and median(row.values) / floor), start]
        cells.append(f"{row.megabytes:,.0f}")
        cells += ["-" if name == us else number(_faster(row, result.rows[us])) for us in ours]
        lines.append(cells)
    return lines


def _floor(result: Result) -> float | None:
    """Return the least time of a step in the workload's unit, None if nobody counted the work."""
    for row in result.rows.values():
        if "flops of a step" in row.facts and result.limits:
            products = row.facts["flops of a step"] / result.limits["flops"]
            moves = row.facts["bytes of a step"] / result.limits["bytes"]
            return max(products, moves) * WORKLOADS[result.workload].scale
    return None


def _faster(peer: Row, tahr: Row) -> float:
    return median(theirs / ours for theirs, ours in zip(peer.values, tahr.values, strict=True))


def verdicts(result: Result) -> list[str]:
    """Return a line for each bar that this result can judge."""
    lines = []
    general = (ON_TENSORFLOW,) if WORKLOADS[result.workload].unit in ("ms a step", "ms a call") else ()
    for bar in (*WORKLOADS[result.workload].bars, *general):
        us = result.rows.get(bar.peer)
        reference = result.rows.get(bar.reference) if bar.reference else None
        if us is None or not us.values or us.failure or (bar.reference and (reference is None or not reference.values)):
            continue
        lines.append(_verdict(WORKLOADS[result.workload], bar, us, reference))
    return lines


def _verdict(workload: Workload, bar: Bar, us: Row, reference: Row | None) -> str:
    theirs = reference.values if reference else [0.0] * len(us.values)
    limits = [bar.factor * value + bar.offset for value in theirs]
    share = median(value / limit for value, limit in zip(us.values, limits, strict=True))
    word = "met" if share <= 1 else "MISSED"
    measured, limit = number(median(us.values)), number(median(limits))
    return f"Bar {word}: {PEERS[bar.peer].label} {bar.text}: {measured} against a limit of {limit} {workload.unit}."


def circumstances(result: Result) -> list[str]:
    """Return the lines that say where, when and on what it was measured, and what casts doubt on it."""
    versions = {
        package: version
        for row in result.rows.values()
        for package, version in row.versions.items()
        if package != "python"
    }
    listed = ", ".join(f"{package} {version}" for package, version in sorted(versions.items()))
    facts = [
        f"Measured {result.measured} at commit {result.commit}: {result.machine}; Python {result.python}; {listed}; "
        f"{result.rounds} rounds of {result.seconds:g} s."
    ]
    if result.limits:
        reached = f"{result.limits['flops'] / 1e9:.0f} GFLOP/s and {result.limits['bytes'] / 1e9:.1f} GB/s"
        facts.append(f"These cores reach {reached} (a product of 1024 x 1024 in float32, a copy of 128 MiB).")
    if result.others_load is None:
        facts.append("**Load unknown:** this system does not say what other processes used.")
    elif result.others_load > QUIET_LOAD:
        used = f"{result.others_load:.1f} cores"
        facts.append(
            f"**Noisy:** other processes used {used} meanwhile, which slows the peers unequally (eager torch most), so "
            "not even the ratios hold; rerun on a quiet machine before relying on them."
        )
    loaded = {
        name: row.facts["frameworks_loaded"] for name, row in result.rows.items() if "frameworks_loaded" in row.facts
    }
    if loaded:
        parts = (f"{PEERS[name].label}: {', '.join(names) or 'none'}" for name, names in loaded.items())
        facts.append(f"Frameworks loaded: {'; '.join(parts)}.")
    starts = {PEERS[name].label: row.start_facts for name, row in result.rows.items() if "loss" in row.start_facts}
    if starts:
        parts = (f"{label} {start['loss']:.3g} ({start['units']} epochs)" for label, start in starts.items())
        facts.append(f"Loss after the warm-up: {'; '.join(parts)}.")
    return facts


def plain(result: Result) -> str:
    """Return the result as aligned text."""
    lines = table(result)
    widths = [max(len(line[at]) for line in lines if not line[1].startswith("failed")) for at in range(len(lines[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*text, *verdicts(result), *circumstances(result)])


def section(result: Result, command: str) -> str:
    """Return the result as a section of RESULTS.md."""
    head, *rest = ("| " + " | ".join(line) + " |" for line in table(result))
    rule = "|---" * len(table(result)[0]) + "|"
    title = f"## {result.workload}\n\n{WORKLOADS[result.workload].title}. Command: `{command}`\n"
    notes = "\n\n".join(["\n".join(f"- {line}" for line in verdicts(result)), *circumstances(result)]).strip()
    return "\n".join([title, head, rule, *rest, "", notes, ""])


def write(result: Result, command: str) -> None:
    """Replace the workload's section in RESULTS.md, keep the others, all in the order of WORKLOADS."""
    old = RESULTS.read_text() if RESULTS.exists() else ""
    sections = {part.split("\n", 1)[0].strip(): f"## {part}" for part in re.split(r"^## ", old, flags=re.M)[1:]}
    sections[result.workload] = section(result, command)
    kept = [sections[name].strip() for name in WORKLOADS if name in sections]
    text = "\n\n".join([INTRODUCTION.strip(), *kept]) + "\n"
    RESULTS.write_text(text)
    PICTURE.write_text(picture.draw(text))
