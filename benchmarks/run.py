"""Measure tahr and its peers: the one entry point of `make bench`.

    python benchmarks/run.py                        every workload, into RESULTS.md
    python benchmarks/run.py --only tiny_mlp        one workload; only its section of RESULTS.md changes
    python benchmarks/run.py --only mlp --peers tahr_jax jax_scan --seconds 3    a look; RESULTS.md stays
    python benchmarks/run.py --list                 the workloads and their peers

Keras is measured in `.bench/`, an environment that is made when it is missing (peers_env.py), unless `--without keras`.
The exit status is 1 when a peer failed; a missed bar is reported, not an error.
"""

import argparse
import importlib.util
import subprocess
import sys

import machine
import peers_env
import report
from measure import Result, measure
from peers import PEERS, ROOT
from workloads import WORKLOADS
from workloads.base import Workload


def arguments() -> argparse.Namespace:
    """Return the command line, checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME", nargs="+", choices=WORKLOADS, help="workloads to measure")
    parser.add_argument("--peers", metavar="PEER", nargs="+", choices=PEERS, help="measure these and do not write")
    parser.add_argument("--rounds", type=int, default=5, help="rounds a peer (default 5; fewer are not written)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a round (default 1)")
    parser.add_argument("--threads", type=int, default=2, help="cores and threads for every peer (default 2)")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds a worker may stay silent (default 300)")
    parser.add_argument("--without", nargs="+", choices=("keras", "tahr"), default=[], help="leave a module out")
    parser.add_argument("--list", action="store_true", help="print workloads and peers, measure nothing")
    options = parser.parse_args()
    if options.rounds < 1 or options.threads < 1 or options.seconds <= 0:
        parser.error("--rounds, --threads and --seconds must be positive")
    return options


def missing_modules(unwanted: list[str]) -> dict[str, str]:
    """Return why a module cannot be measured here, after making Keras's environment where it is wanted."""
    sys.path.insert(0, str(ROOT))
    missing = dict.fromkeys(unwanted, "not wanted")
    if "tahr" not in missing and importlib.util.find_spec("tahr") is None:
        missing["tahr"] = "the package tahr is not here"
    if "keras" not in missing:
        try:
            peers_env.make()
        except subprocess.CalledProcessError as error:
            missing["keras"] = f"its environment could not be made: {error}"
    return missing


def measure_one(workload: Workload, options: argparse.Namespace, missing: dict[str, str]) -> Result:
    """Measure a workload with the peers that are wanted and there, and print it."""
    wanted = [name for name in workload.peers if not options.peers or name in options.peers]
    names = [name for name in wanted if PEERS[name].module not in missing and PEERS[name].is_here]
    print(f"\n{workload.name}: {workload.title}", flush=True)
    cores = machine.available_cores()[: options.threads]
    result = measure(workload, names, cores, options.rounds, options.seconds, options.timeout)
    print(report.plain(result), flush=True)
    return result


def command(name: str, options: argparse.Namespace) -> str:
    """Return the command that measures this workload again in the same way."""
    changed = {"rounds": 5, "seconds": 1.0, "threads": 2, "without": []}
    changed = {
        option: getattr(options, option) for option, usual in changed.items() if getattr(options, option) != usual
    }
    if not changed:
        return f"make bench only={name}"
    parts = (f"--{option} {' '.join(value) if option == 'without' else value}" for option, value in changed.items())
    return f"python benchmarks/run.py --only {name} {' '.join(parts)}"


def main() -> int:
    options = arguments()
    if options.list:
        for workload in WORKLOADS.values():
            print(f"{workload.name:18}{workload.title}\n{'':18}{' '.join(workload.peers)}")
        return 0
    missing = missing_modules(options.without)
    for module, why in missing.items():
        print(f"{module} is left out: {why}", flush=True)
    names = options.only or list(WORKLOADS)
    results = []
    for name in names:
        results.append(measure_one(WORKLOADS[name], options, missing))
        if not options.peers and options.rounds >= 5:
            results[-1].save()
            report.write(results[-1], command(name, options))
    failures = [(r.workload, peer, row.failure) for r in results for peer, row in r.rows.items() if row.failure]
    for workload, peer, failure in failures:
        print(f"FAILED {workload} {peer}: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
