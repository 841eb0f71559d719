"""One peer doing one workload in a process of its own: it warms up, then does a round whenever stdin asks for one.

    python worker.py WORKLOAD PEER        (run.py starts it)

Answers are JSON lines on what was stdout; whatever the libraries print goes to stderr.
"""

import importlib.metadata
import json
import os
import platform
import resource
import sys
import traceback
from typing import Any

from peers import PEERS, Peer
from workloads import WORKLOADS


def versions(peer: Peer) -> dict[str, str]:
    """Return the versions that the peer runs on; a package used from its source tree has the one it declares."""
    found = {"python": platform.python_version()}
    for package in peer.packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = getattr(sys.modules.get(package), "__version__", "source tree")
    return found


def peak_megabytes(fresh: bool) -> float:
    """Return the peak resident memory of this process, or of the largest of its children."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN if fresh else resource.RUSAGE_SELF)
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(**message: Any) -> None:
        print(json.dumps(message), file=channel, flush=True)

    workload, peer = WORKLOADS[sys.argv[1]], PEERS[sys.argv[2]]
    try:
        runner = workload.runner(peer)
        seconds = runner.start()
        facts = {"units": runner.warm_units, **runner.facts()}
        answer(start_seconds=seconds, start_facts=facts, versions=versions(peer))
        for line in sys.stdin:
            seconds = runner.round(float(line))
            answer(value=seconds * workload.scale, megabytes=peak_megabytes(runner.fresh), facts=runner.facts())
    except Exception as error:
        traceback.print_exc()
        answer(error=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
