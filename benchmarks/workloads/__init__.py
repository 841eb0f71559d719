"""The workloads by name, in the order of the report."""

from workloads import cnn, eager, feeding, files, fresh, lstm, mlp, predict, progress
from workloads.base import Workload

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for family in (mlp, cnn, lstm, predict, progress, feeding, fresh, files, eager)
    for workload in family.WORKLOADS
}
