"""`tahr migrate`: programs with today's names."""

import os
from pathlib import Path

import pytest

from tahr import cli
from tahr.compat.migrate import migrate_text

pytestmark = pytest.mark.once
SCRIPTS = Path(__file__).parent / "scripts"

CASES = {
    "from keras.layers.core import Dense, Dropout  # core": "from keras.layers import Dense, Dropout  # core",
    "from keras.layers import Convolution2D\nx = Convolution2D(3, 5, 5)": (
        "from keras.layers import Conv2D\nx = Conv2D(3, (5, 5))"
    ),
    "from keras.layers import Conv2D, Convolution2D\nConvolution2D": (
        "from keras.layers import Conv2D, Conv2D as Convolution2D\nConvolution2D"
    ),
    "from tensorflow.keras.layers.core import Dense as D\nD(output_dim=3)": (
        "from tensorflow.keras.layers import Dense as D\nD(units=3)"
    ),
    "import tensorflow as T\nT.keras.layers.Dropout(p=.5)": "import tensorflow as T\nT.keras.layers.Dropout(rate=.5)",
    "import keras.layers as L\nL.LSTM(3, inner_init='one', consume_less='gpu')": (
        "import keras.layers as L\nL.LSTM(3, recurrent_initializer='one')"
    ),
    "import keras\nkeras.layers.Dense(\n    # how many\n    output_dim=3,  # three\n    init='zero')": (
        "import keras\nkeras.layers.Dense(\n    # how many\n    units=3,  # three\n    kernel_initializer='zero')"
    ),
    "import keras\nkeras.layers.MaxPooling2D(dim_ordering='th')": (
        "import keras\nkeras.layers.MaxPooling2D(data_format='channels_first')"
    ),
    "import keras\nkeras.optimizers.SGD(lr=0.1, decay=0.0)": "import keras\nkeras.optimizers.SGD(learning_rate=0.1)",
    "import keras\nkeras.optimizers.Adam(lr=a, epsilon=None)": "import keras\nkeras.optimizers.Adam(learning_rate=a)",
    "import keras\nloss = keras.losses.mse": "import keras\nloss = keras.losses.mean_squared_error",
    "from keras.utils import Sequence\nclass A(Sequence): pass": (
        "from keras.utils import PyDataset\nclass A(PyDataset): pass"
    ),
    "m.fit(x, y, nb_epoch=3, show_accuracy=True)": "m.fit(x, y, epochs=3)",
    "m.fit_generator(g, 10, nb_epoch=3, max_q_size=2)": "m.fit(g, steps_per_epoch=10, epochs=3)",
    "m.fit_generator(g, steps_per_epoch=len(x) / 32)": "m.fit_generator(g, steps_per_epoch=len(x) / 32)",
    "m.fit_generator(g, samples_per_epoch=99)": "m.fit_generator(g, samples_per_epoch=99)",
    "m.predict_generator(g, 5)": "m.predict(g, steps=5)",
    "ü = 'ü'; import keras; keras.layers.Dense(output_dim=2)": "ü = 'ü'; import keras; keras.layers.Dense(units=2)",
    "Dense(output_dim=2)": "Dense(output_dim=2)",
    "from other.layers import Dense\nDense(output_dim=2)": "from other.layers import Dense\nDense(output_dim=2)",
    "from keras import Model\nModel(input=a, output=b)": "from keras import Model\nModel(inputs=a, outputs=b)",
}


@pytest.mark.parametrize("old", CASES)
def test_text(old: str) -> None:
    assert migrate_text(old) == CASES[old]
    assert migrate_text(CASES[old]) == CASES[old]


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "old.py"
    old = "import keras\r\nkeras.layers.Dense(output_dim=2)\r\n"
    path.write_bytes(old.encode())
    path.chmod(0o750)
    assert cli.main(["migrate", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "-keras.layers.Dense(output_dim=2)\n+keras.layers.Dense(units=2)\n" in shown and shown.startswith("--- a/")
    assert path.read_bytes() == old.encode() and os.listdir(tmp_path) == ["old.py"]

    assert cli.main(["migrate", "--write", str(path)]) == 0
    assert (
        path.read_bytes() == b"import keras\r\nkeras.layers.Dense(units=2)\r\n" and path.stat().st_mode & 0o777 == 0o750
    )
    assert (tmp_path / "old.py.orig").read_bytes() == old.encode()
    capsys.readouterr()
    assert cli.main(["migrate", str(path)]) == 0 and capsys.readouterr().out == ""

    path.write_bytes(old.encode())
    assert cli.main(["migrate", "--write", str(path)]) == 2
    assert "old.py.orig is there already" in capsys.readouterr().err
    assert path.read_bytes() == old.encode()


@pytest.mark.parametrize(("text", "message"), [("def broken(:", "invalid syntax"), (None, "No such file")])
def test_what_cannot_be_read(
    text: str | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.py"
    if text is not None:
        path.write_text(text)
    assert cli.main(["migrate", str(path)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["mlp_input_dim", "titanic_mlp"])
def test_programs_have_fewer_old_names(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = migrate_text((SCRIPTS / f"{name}.py").read_text())
    for old in ("init=", "nb_epoch", "layers.core", "output_dim", "Dropout(p="):
        assert f" {old}" not in new and f"({old}" not in new and f".{old}" not in new
    compile(new, name, "exec")
