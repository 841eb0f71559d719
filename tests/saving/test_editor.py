"""`KerasFileEditor`, and the commands about files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers
from tahr.cli import main
from tests.saving.old_models import MODELS


def small() -> Any:
    return keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.BatchNormalization()])


@pytest.fixture(params=["keras", "weights.h5"])
def editor(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    path = tmp_path / f"a.{request.param}"
    model = small()
    (model.save if request.param == "keras" else model.save_weights)(path)
    return keras.saving.KerasFileEditor(path)


def test_what_is_there(editor: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(editor.weights_dict["layers"]) == {"dense", "batch_normalization"}
    editor.summary()
    assert "0: shape=(4, 3), dtype=float32" in capsys.readouterr().out
    assert editor.compare(small()) == {"status": "success", "error_count": 0, "match_count": 6}
    other = keras.Sequential([keras.Input((4,)), layers.Dense(5), layers.ReLU()])
    assert editor.compare(other) == {"status": "error", "error_count": 3, "match_count": 0}
    assert "only the file has it" in capsys.readouterr().out


def test_changes(editor: Any, tmp_path: Path) -> None:
    editor.rename_object("dense", "dense_1")
    editor.delete_object("layers/batch_normalization")
    editor.add_object("layers/dense", {"0": np.ones((2, 2)), "1": np.zeros(2)})
    editor.add_weights("dense", {"1": np.full(2, 5.0)})
    editor.add_weights("dense", {"2": np.ones(1)})
    editor.delete_weight("dense", "2")
    editor.save(tmp_path / "b.weights.h5")
    editor.resave_weights(tmp_path / "c.weights.h5")
    first = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    assert first.load_weights(tmp_path / "b.weights.h5").unused == ["layers/dense_1"]
    np.testing.assert_array_equal(first.get_weights()[1], [5, 5])
    assert (tmp_path / "c.weights.h5").exists()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (("rename_object", "nope", "x"), "not in the file"),
        (("rename_object", "dense", "a/b"), "without '/'"),
        (("rename_object", "dense", "batch_normalization"), "exists already"),
        (("delete_object", "nope"), "not in the file"),
        (("delete_weight", "dense", "7"), "has no '7'"),
        (("add_object", "layers/dense/0/x", {}), "is an array"),
        (("add_object", "layers/../x", {}), "without '/'"),
        (("add_weights", "dense", {"a/b": 1}), "without '/'"),
        (("save", "x.keras"), r"\.weights\.h5"),
    ],
)
def test_refusals(call: tuple[Any, ...], message: str, editor: Any) -> None:
    name, *arguments = call
    with pytest.raises(ValueError, match=message):
        getattr(editor, name)(*arguments)


def test_names_that_several_have(tmp_path: Path) -> None:
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4)])
    keras.Sequential([keras.Input((4,)), inner, layers.Dense(4)]).save(tmp_path / "a.keras")
    editor = keras.saving.KerasFileEditor(tmp_path / "a.keras")
    with pytest.raises(ValueError, match="the name of 2 objects"):
        editor.delete_object("dense")
    editor.delete_object("layers/dense")
    assert list(editor.weights_dict["layers"]) == ["sequential"]
    with pytest.raises(FileNotFoundError):
        keras.saving.KerasFileEditor(tmp_path / "none.keras")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(ValueError, match="ends in"):
        keras.saving.KerasFileEditor(tmp_path / "a.txt")


# ---- commands -------------------------------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str]:
    code = main([str(a) for a in arguments])
    return code, capsys.readouterr().out


def test_inspect(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, "inspect", MODELS / "mmsplice_Acceptor.h5")
    assert code == 0 and "ConvDNA" in text and "keras_version: 2.1.3" in text
    code, text = run(capsys, "inspect", "--json", MODELS / "ws_gru_mesa.keras")
    found = json.loads(text)
    assert code == 0 and found["model"]["class"] == "Sequential" and found["parameters"] > 1000
    assert run(capsys, "inspect", MODELS / "none.keras")[0] == 2


def test_convert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = MODELS / "dice_adult.h5"
    wanted = keras.saving.load_model(source).get_weights()
    for ending in ("keras", "h5", "weights.h5", "safetensors", "json"):
        assert run(capsys, "convert", source, tmp_path / f"a.{ending}")[0] == 0
    for ending in ("keras", "h5"):
        model = keras.saving.load_model(tmp_path / f"a.{ending}")
        np.testing.assert_array_equal(model.get_weights()[0], wanted[0])
    assert len(keras.saving.read_safetensors(tmp_path / "a.safetensors")) == 13
    assert keras.models.model_from_json((tmp_path / "a.json").read_text()).output_shape == (None, 1)
    assert run(capsys, "convert", source, tmp_path / "a.onnxx")[0] == 2


def test_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import zipfile

    model = small()
    model.save(tmp_path / "a.keras", example=np.ones((2, 4), "float32"))
    assert run(capsys, "verify", tmp_path / "a.keras")[0] == 0
    members = {
        n: zipfile.ZipFile(tmp_path / "a.keras").read(n) for n in zipfile.ZipFile(tmp_path / "a.keras").namelist()
    }
    for name, change in (
        ("config.json", lambda b: b.replace(b'"units": 3', b'"units": 3 ')),
        ("tahr/example/1.npy", lambda b: b[:-4] + b"\0\0\xc0\x7f"[::-1]),
        ("extra.txt", lambda b: b"x"),
    ):
        with zipfile.ZipFile(tmp_path / "b.keras", "w") as archive:
            for member, content in {**members, name: change(members.get(name, b""))}.items():
                archive.writestr(member, content)
        code, text = run(capsys, "verify", tmp_path / "b.keras")
        assert code == 1 and json.loads(text)["status"] == "changed", text
    assert run(capsys, "verify", MODELS / "ws_gru_mesa.keras")[1].count("unsigned") == 1
    (tmp_path / "cut.keras").write_bytes((tmp_path / "a.keras").read_bytes()[:500])
    assert run(capsys, "verify", tmp_path / "cut.keras")[0] == 2


@pytest.mark.once
def test_scan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pickle

    code, text = run(capsys, "scan", *sorted(MODELS.glob("*.*5")), MODELS / "ws_gru_mesa.keras")
    assert code == 0 and all(not report["findings"] for report in json.loads(text))
    np.savez(tmp_path / "a.npz", a=np.ones(3))
    assert run(capsys, "scan", tmp_path / "a.npz")[0] == 0
    np.savez(tmp_path / "b.npz", a=np.array([object()], dtype=object))
    (tmp_path / "c.pkl").write_bytes(pickle.dumps([1]))
    (tmp_path / "d.keras").write_bytes(b"nonsense")
    codes = [run(capsys, "scan", tmp_path / name)[0] for name in ("b.npz", "c.pkl", "d.keras")]
    assert codes == [1, 1, 2]


@pytest.mark.once
def test_scan_loads_no_framework() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from tahr.cli import main; main(['scan', sys.argv[1]]); "
        "print([m for m in ('jax', 'torch', 'tensorflow', 'keras') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(MODELS / "ws_gru_mesa.keras")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("[]")
