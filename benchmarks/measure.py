"""Measure one workload: a living worker for each peer, rounds interleaved over them."""

import json
import platform
import subprocess
import threading
import time
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import machine
import peers_env
from peers import PEERS, ROOT, environment
from workloads.base import Workload

LOGS = peers_env.HOME / "logs"


@dataclass
class Row:
    """What one peer's worker answered: a value for each round, or why there is none."""

    start_seconds: float | None = None
    values: list[float] = field(default_factory=list)
    megabytes: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    start_facts: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    failure: str | None = None


@dataclass
class Result:
    """One workload measured: rows by peer, and the circumstances."""

    workload: str
    rows: dict[str, Row]
    machine: str
    python: str
    measured: str
    commit: str
    rounds: int
    seconds: float
    others_load: float | None
    limits: dict[str, float] = field(default_factory=dict)

    def save(self) -> None:
        folder = peers_env.HOME / "results"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.workload}.json").write_text(json.dumps(asdict(self), indent=1))


class Worker:
    """A worker process, and the questions one may ask it."""

    def __init__(self, workload: Workload, peer_name: str, cores: list[int], timeout: float) -> None:
        peer = PEERS[peer_name]
        LOGS.mkdir(parents=True, exist_ok=True)
        self.log, self.timeout, self.row = LOGS / f"{workload.name}-{peer_name}.log", timeout, Row()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [peer.python, str(ROOT / "benchmarks" / "worker.py"), workload.name, peer_name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                env=environment(peer, len(cores)),
                preexec_fn=lambda: machine.pin(cores),
            )
        answer = self._listen()
        for name in answer.keys() & {"start_seconds", "start_facts", "versions"}:
            setattr(self.row, name, answer[name])

    def round(self, seconds: float) -> None:
        if self.row.failure or self.process.stdin is None:
            return
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        answer = self._listen()
        if not self.row.failure:
            self.row.values.append(answer["value"])
            self.row.megabytes, self.row.facts = answer["megabytes"], answer["facts"]

    def stop(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _listen(self) -> dict[str, Any]:
        """Return the worker's next answer; note as a failure an error, an end, or silence beyond the timeout."""
        assert self.process.stdout is not None
        timer = threading.Timer(self.timeout, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        if not line:
            self.row.failure = f"died or said nothing for {self.timeout:.0f} s; see {self.log.relative_to(ROOT)}"
            return {}
        answer = json.loads(line)
        self.row.failure = answer.get("error")
        return answer


def measure(
    workload: Workload, peer_names: list[str], cores: list[int], rounds: int, seconds: float, timeout: float
) -> Result:
    """Return the workload's result; the workers warm up one after the other, then take turns."""
    workers = {}
    for name in peer_names:
        workers[name] = Worker(workload, name, cores, timeout)
        print(
            f"  {name} is warm{': ' + str(workers[name].row.failure) if workers[name].row.failure else ''}", flush=True
        )
    limits = machine.limits()
    before, began = _others_seconds(workers), time.perf_counter()
    for _ in range(rounds):
        for worker in workers.values():
            worker.round(seconds)
    after, ended = _others_seconds(workers), time.perf_counter()
    for worker in workers.values():
        worker.stop()
    rows = {name: worker.row for name, worker in workers.items()}
    _check_same_work(rows)
    return Result(
        workload=workload.name,
        rows=rows,
        machine=machine.description(len(cores)),
        python=platform.python_version(),
        measured=date.today().isoformat(),
        commit=_commit(),
        rounds=rounds,
        seconds=seconds,
        others_load=None if before is None or after is None else max(0.0, (after - before) / (ended - began)),
        limits=limits,
    )


def _others_seconds(workers: dict[str, Worker]) -> float | None:
    busy = machine.busy_seconds()
    if busy is None:
        return None
    return busy - sum(machine.used_seconds(worker.process.pid) for worker in workers.values())


def _check_same_work(rows: dict[str, Row]) -> None:
    """Mark as failed every row whose network differs from the majority's in size by over 0.1 %, or that diverged.

    torch's LSTM has a second bias vector, which is why equality is not asked.
    """
    counts = sorted(row.facts["parameters"] for row in rows.values() if "parameters" in row.facts)
    for row in rows.values():
        count, loss = row.facts.get("parameters"), row.facts.get("loss", 0.0)
        if count is not None and abs(count - counts[len(counts) // 2]) > 1e-3 * counts[len(counts) // 2]:
            row.failure = f"did other work: {count:,} parameters where others have {counts[len(counts) // 2]:,}"
        elif not abs(loss) < 1e3:
            row.failure = f"diverged: loss {loss}"


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
