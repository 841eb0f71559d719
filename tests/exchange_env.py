"""Make `.exchange/`, a folder with real Keras for the tests that exchange files with it.

    python tests/exchange_env.py        make it, or do nothing when it is up to date; print its path

The folder holds Keras and the small packages that only Keras needs. A process whose PYTHONPATH it is gets the rest
(JAX, NumPy, h5py) from the environment of the project, which itself never sees Keras.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / ".exchange"
PINS = ("keras==3.15.1", "absl-py==2.5.1", "namex==0.1.0")


def make() -> Path:
    """Return the folder, after installing the pins where they are missing.

    Raises subprocess.CalledProcessError when pip cannot install a pin, for instance without a network.
    """
    stamp = FOLDER / "installed.txt"
    if stamp.exists() and stamp.read_text() == "\n".join(PINS):
        return FOLDER
    fresh = FOLDER.with_name(f"{FOLDER.name}.{os.getpid()}")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    try:
        subprocess.run([*pip, "--target", str(fresh), *PINS], check=True, stdout=sys.stderr)
        (fresh / "installed.txt").write_text("\n".join(PINS))
        shutil.rmtree(FOLDER, ignore_errors=True)
        try:
            fresh.rename(FOLDER)
        except OSError:  # another process was faster
            if not stamp.exists():
                raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return FOLDER


if __name__ == "__main__":
    print(make())
