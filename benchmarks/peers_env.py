"""Make the environment of the peers, `.bench/`, where Keras runs as a black box on its three backends.

python benchmarks/peers_env.py            make it, or do nothing when it is up to date
python benchmarks/peers_env.py --check    say whether it is there; exit 1 when it is not
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".bench"
PYTHON = HOME / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
PINS = Path(__file__).with_name("peers.txt")
STAMP = HOME / "installed.txt"


def is_ready() -> bool:
    """Return whether the environment exists and holds exactly the pins of peers.txt."""
    return PYTHON.exists() and STAMP.exists() and STAMP.read_text() == PINS.read_text()


def make() -> Path:
    """Return the environment's interpreter, after installing the pins where they are missing.

    Raises subprocess.CalledProcessError when pip cannot install a pin.
    """
    if is_ready():
        return PYTHON
    STAMP.unlink(missing_ok=True)
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
    print(f"installing {PINS.name} into {HOME.name}/ (about 3 GB, a few minutes)", flush=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(PINS)], check=True)
    shutil.copyfile(PINS, STAMP)
    return PYTHON


if __name__ == "__main__":
    if "--check" in sys.argv:
        print(f"{HOME.name}/ is {'ready' if is_ready() else 'missing or out of date'}")
        sys.exit(0 if is_ready() else 1)
    print(make())
