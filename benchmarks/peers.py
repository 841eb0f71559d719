"""The peers: who is measured, in which interpreter, under which environment variables."""

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import peers_env

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Peer:
    """One thing to measure: `module` is keras or tahr, or None for hand-written code on `backend`.

    `tool` is a program that has to be there, too.
    """

    name: str
    label: str
    module: str | None
    backend: str
    tool: str | None = None

    @property
    def python(self) -> str:
        """The interpreter: Keras lives in an environment of its own, all else beside tahr."""
        return str(peers_env.PYTHON) if self.module == "keras" else sys.executable

    @property
    def is_here(self) -> bool:
        """Whether its framework can be imported, and its tool run; the environment of Keras has all frameworks."""
        framework = self.backend.replace("scikit-", "sk")
        has_framework = self.module == "keras" or importlib.util.find_spec(framework) is not None
        return has_framework and (self.tool is None or shutil.which(self.tool) is not None)

    @property
    def packages(self) -> list[str]:
        """The distributions whose versions belong in the report."""
        stack = {"jax": ["jax", "jaxlib"], "torch": ["torch"], "tensorflow": ["tensorflow-cpu"]}
        others = [self.backend] if self.backend == "scikit-learn" else []
        return [*([self.module] if self.module else []), *stack.get(self.backend, []), *others, "numpy"]


PEERS = {
    peer.name: peer
    for peer in (
        Peer("tahr_jax", "tahr on JAX", "tahr", "jax"),
        Peer("tahr_torch", "tahr on torch", "tahr", "torch"),
        Peer("tahr_tensorflow", "tahr on TensorFlow", "tahr", "tensorflow"),
        Peer("tahr_numpy", "tahr on NumPy", "tahr", "numpy"),
        Peer("keras_jax", "Keras on JAX", "keras", "jax"),
        Peer("keras_torch", "Keras on torch", "keras", "torch"),
        Peer("keras_tensorflow", "Keras on TensorFlow", "keras", "tensorflow"),
        Peer("jax_loop", "raw JAX, one step a dispatch", None, "jax"),
        Peer("jax_scan", "raw JAX, k steps a dispatch", None, "jax"),
        Peer("jax_patches", "raw JAX, k steps, convolutions as patches", None, "jax"),
        Peer("torch", "raw torch, eager", None, "torch"),
        Peer("torch_fused", "raw torch, eager, fused Adam", None, "torch"),
        Peer("torch_compiled", "raw torch, compiled", None, "torch", tool="g++"),
        Peer("sklearn", "scikit-learn", None, "scikit-learn"),
    )
}
TAHR = ("tahr_jax", "tahr_torch")
KERAS = ("keras_jax", "keras_torch", "keras_tensorflow")


def environment(peer: Peer, threads: int) -> dict[str, str]:
    """Return the worker's variables: the backend, and the same number of CPU threads for everybody."""
    count = str(threads)
    variables = dict(os.environ) | {
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count,
        "TF_NUM_INTRAOP_THREADS": count,
        "TF_NUM_INTEROP_THREADS": count,
        "NPROC": count,  # the size of XLA's CPU thread pool
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "KERAS_HOME": str(peers_env.HOME / "home"),  # a user's own keras.json must not change what is measured
        "KERAS_BACKEND": peer.backend,
        "TAHR_BACKEND": peer.backend,
        "TAHR_COMPILE_CACHE": "0",  # times to start are those of a first run
        "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1",
        "PYTHONDONTWRITEBYTECODE": "",  # what is imported was compiled before, as after an installation
    }
    if peer.module == "tahr":
        variables["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return variables
