"""The workloads by name, in the order of the report."""

from workloads import cnn, eager, feeding, files, fresh, generation, images, lstm, mlp, predict, progress, sequences
from workloads.base import Workload

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for family in (mlp, cnn, images, lstm, sequences, generation, predict, progress, feeding, fresh, files, eager)
    for workload in family.WORKLOADS
}
