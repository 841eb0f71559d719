"""Settings every test shares; they are in the environment before any backend is loaded."""

import os
import tempfile
from pathlib import Path

# Nobody's settings or cached files may change what a test sees; workers share the folders of the process that began.
_HOME = tempfile.TemporaryDirectory(prefix="tahr-tests-")
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["TAHR_HOME"] = os.path.join(_HOME.name, "tahr")
    os.environ["KERAS_HOME"] = os.path.join(_HOME.name, "keras")

# The suite runs as two worker processes on machines with as few as two cores: frameworks that each start a thread
# per core would only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
# A test compiles far longer than it computes; without these two stages of code generation half as long.
COMPILES_FAST = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
os.environ.setdefault("XLA_FLAGS", f"--xla_cpu_multi_thread_eigen=false {COMPILES_FAST}")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

import tahr.config  # noqa: E402

# Processes that tests start compute on the same backend, also where Keras, which TensorFlow imports, has written its
# settings file by then.
os.environ["TAHR_BACKEND"] = tahr.config.backend()

# The same examples on every machine: a failure is one of the change, not of the day. `--hypothesis-profile=default`
# looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what cannot apply: training on NumPy, and the network and real Keras unless asked for."""
    unwanted = {"trains"} if os.environ.get("TAHR_BACKEND") == "numpy" else set()
    unwanted |= {mark for mark in ("network", "exchange") if mark not in (config.option.markexpr or "")}
    dropped = [item for item in items if unwanted.intersection(mark.name for mark in item.iter_markers())]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]


@pytest.fixture(autouse=True)
def same_draws() -> None:
    """Begin every test with the same random state, whatever ran before it in the process."""
    from tahr import utils

    utils.set_random_seed(0)


@pytest.fixture
def backend() -> str:
    """The name of the backend in use, as `tahr.config.backend()` gives it."""
    from tahr import config

    return config.backend()


@pytest.fixture(scope="session")
def mirror_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny files under the names of the real data sets."""
    from tests.datasets import mirror

    folder = tmp_path_factory.mktemp("mirror")
    mirror.make(folder)
    return folder


@pytest.fixture
def mirror(mirror_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the loaders of `tahr.datasets` take the tiny files, with a cache of their own."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("TAHR_DATASETS_URL", mirror_folder.as_uri())
    monkeypatch.setenv("TAHR_DATASETS_SHA256SUMS", str(mirror_folder / "SHA256SUMS"))
    return mirror_folder
