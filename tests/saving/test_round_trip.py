"""What is saved comes back: outputs, weights, configuration, compile arguments and the optimizer's state."""

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import tahr as keras
from tahr import layers, ops
from tests.saving.models import MODELS, inputs_of, outputs_of, scramble


def same(a: list[np.ndarray], b: list[np.ndarray]) -> None:
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", MODELS)
def test_model_file(name: str, tmp_path: Path) -> None:
    model, inputs = scramble(MODELS[name]()), inputs_of(name)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    same(outputs_of(model, inputs), outputs_of(again, inputs))
    assert [v.dtype for v in model.weights] == [v.dtype for v in again.weights]
    assert type(again).__name__ == type(model).__name__ and again.name == model.name
    assert [p.name for p in tmp_path.iterdir()] == ["model.keras"]


@pytest.mark.parametrize("name", MODELS)
def test_weights_file(name: str, tmp_path: Path) -> None:
    model, inputs = scramble(MODELS[name]()), inputs_of(name)
    model.save_weights(tmp_path / "model.weights.h5")
    again = MODELS[name]()
    again.load_weights(tmp_path / "model.weights.h5")
    same(outputs_of(model, inputs), outputs_of(again, inputs))


@pytest.mark.parametrize("name", MODELS)
def test_json(name: str) -> None:
    model = MODELS[name]()
    again = keras.models.model_from_json(model.to_json())
    assert [tuple(v.shape) for v in again.weights] == [tuple(v.shape) for v in model.weights]
    first, second = (json.loads(m.to_json()) for m in (model, again))
    assert first == second
    assert model.to_json() == model.to_json()


def test_equal_models_give_equal_text() -> None:
    def text() -> str:
        keras.utils.clear_session()
        return MODELS["nested"]().to_json()

    assert text() == text()


def test_folder(tmp_path: Path) -> None:
    model, inputs = scramble(MODELS["sequential"]()), inputs_of("sequential")
    for _ in range(2):
        model.save(tmp_path / "model", zipped=False)
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == [
        "config.json",
        "metadata.json",
        "model.weights.h5",
    ]
    same(outputs_of(model, inputs), outputs_of(keras.saving.load_model(tmp_path / "model"), inputs))
    again = MODELS["sequential"]()
    again.load_weights(tmp_path / "model")
    same(outputs_of(model, inputs), outputs_of(again, inputs))


@pytest.mark.parametrize("size", [5e-8, 1e-7, 1.0])
def test_shards(size: float, tmp_path: Path) -> None:
    model, inputs = scramble(MODELS["nested"]()), inputs_of("nested")
    model.save_weights(tmp_path / "big.weights.h5", max_shard_size=size)
    listed = json.loads((tmp_path / "big.weights.json").read_text())
    files = {name for names in listed["weight_map"].values() for name in names}
    assert files == {p.name for p in tmp_path.glob("*.h5")}
    assert (len(files) > 1) == (size < 1)
    assert listed["metadata"]["total_size"] == sum(4 * v.size for v in model.weights)
    again = MODELS["nested"]()
    again.load_weights(tmp_path / "big.weights.json")
    same(outputs_of(model, inputs), outputs_of(again, inputs))


def compiled(name: str) -> Any:
    model = MODELS[name]()
    model.compile(optimizer=keras.optimizers.Adam(0.05), loss="mse", metrics=["mae"])
    return model


@pytest.mark.trains
@pytest.mark.parametrize("name", ["sequential", "batch_normalization", "lstm", "subclassed"])
def test_training_goes_on(name: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    model, x = compiled(name), inputs_of(name, 16)
    y = [np.ones_like(out) for out in outputs_of(model, x)][0]
    model.fit(x, y, epochs=2, batch_size=8, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again.optimizer) is keras.optimizers.Adam
    same([v.numpy() for v in model.optimizer.variables], [v.numpy() for v in again.optimizer.variables])
    if name == "sequential":  # its dropout draws from a state that files do not keep
        return
    model.reset_metrics()
    one, two = (m.train_on_batch(x, y, return_dict=True) for m in (model, again))
    assert float(one["loss"]) == pytest.approx(float(two["loss"]), rel=1e-6)
    same([v.numpy() for v in model.weights], [v.numpy() for v in again.weights])


@keras.saving.register_keras_serializable("tests")
class Halves(keras.initializers.Initializer):
    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return ops.full(shape, 0.5, dtype)


@pytest.mark.trains
def test_training_goes_on_from_h5(tmp_path: Path) -> None:
    """Also registered classes inside of layers, numbers that HDF5 lacks, and slots that share a name."""
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, kernel_initializer=Halves(), name="first"),
                              layers.Dense(2, dtype=keras.DTypePolicy("bfloat16")), layers.Dense(1)])  # fmt: skip
    model.compile(keras.optimizers.Adafactor(0.01), "mse")
    x, y = inputs_of("sequential"), np.ones((3, 1))
    model.train_on_batch(x, y)
    model.save(tmp_path / "model.h5")
    again = keras.saving.load_model(tmp_path / "model.h5")
    assert type(again.layers[0].kernel_initializer) is Halves
    same(outputs_of(model, x), outputs_of(again, x))
    same([v.numpy() for v in model.optimizer.variables], [v.numpy() for v in again.optimizer.variables])
    with h5py.File(tmp_path / "model.h5", "a") as file:  # as Keras writes it
        file.visititems(lambda name, found: found.attrs.pop("dtype", None) and None)
    same(outputs_of(model, x), outputs_of(keras.saving.load_model(tmp_path / "model.h5"), x))


def test_classes_in_h5_have_the_names_of_keras(tmp_path: Path) -> None:
    x = keras.Input((3, 4))
    pipeline = layers.Pipeline([layers.Rescaling(2.0)])
    model = keras.Model(x, pipeline(layers.GroupQueryAttention(2, 4, 2)(x, x)))
    model.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5") as file:
        written = json.loads(str(file.attrs["model_config"]))["config"]["layers"]
    assert [layer["class_name"] for layer in written] == ["InputLayer", "GroupedQueryAttention", "Pipeline"]
    assert written[-1]["config"]["layers"][0]["module"] == "keras.layers"  # only layers of models are in the short form
    data = np.ones((1, 3, 4), "float32")
    same(outputs_of(model, data), outputs_of(keras.saving.load_model(tmp_path / "model.h5"), data))


@pytest.mark.trains
def test_compile_is_optional(tmp_path: Path) -> None:
    model = compiled("sequential")
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras", compile=False).optimizer is None
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.get_compile_config() == model.get_compile_config()


@pytest.mark.trains
def test_an_optimizer_given_by_name_is_written_as_it_is(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile("adam", "mse")
    model.optimizer.learning_rate = 0.25
    model.save(tmp_path / "model.keras")
    for again in (keras.saving.load_model(tmp_path / "model.keras"), keras.models.clone_model(model)):
        again.compile_from_config(model.get_compile_config())
        assert type(again.optimizer) is keras.optimizers.Adam and float(again.optimizer.learning_rate) == 0.25


def test_custom_objects_are_named(tmp_path: Path) -> None:
    class Stranger(layers.Layer):
        def call(self, x: Any) -> Any:
            return 2 * x

    x = keras.Input((2,))
    keras.Model(x, Stranger()(x)).save(tmp_path / "model.keras")
    with pytest.raises(TypeError, match=r"custom_objects=\{'Stranger': Stranger\}"):
        keras.saving.load_model(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", custom_objects={"Stranger": Stranger})
    np.testing.assert_array_equal(outputs_of(again, np.ones((1, 2), "float32"))[0], [[2, 2]])
    with keras.saving.custom_object_scope({"Stranger": Stranger}):
        assert type(keras.saving.load_model(tmp_path / "model.keras").layers[1]) is Stranger


def test_own_variables_and_assets(tmp_path: Path) -> None:
    @keras.saving.register_keras_serializable("tests")
    class Vocabulary(layers.Layer):
        def __init__(self, **kwargs: Any):
            super().__init__(**kwargs)
            self.words: list[str] = []
            self.table = np.zeros((0,))

        def call(self, x: Any) -> Any:
            return x

        def save_own_variables(self, store: Any) -> None:
            store["table"] = self.table

        def load_own_variables(self, store: Any) -> None:
            self.table = store["table"]

        def save_assets(self, dir_path: str) -> None:
            Path(dir_path, "words.txt").write_text("\n".join(self.words))

        def load_assets(self, dir_path: str) -> None:
            self.words = Path(dir_path, "words.txt").read_text().split("\n")

    x = keras.Input((2,))
    layer = Vocabulary()
    model = keras.Model(x, layer(x))
    layer.words, layer.table = ["a", "b"], np.arange(3.0)
    for path, zipped in ((tmp_path / "model.keras", True), (tmp_path / "folder", False)):
        model.save(path, zipped=zipped)
        again = keras.saving.load_model(path).layers[1]
        assert again.words == ["a", "b"] and again.table.tolist() == [0, 1, 2]
    assert "assets/layers/vocabulary/words.txt" in zipfile.ZipFile(tmp_path / "model.keras").namelist()


def test_wrong_weights_change_nothing(tmp_path: Path) -> None:
    source = keras.Sequential([keras.Input((4,)), layers.Dense(5), layers.Dense(2, name="top")])
    source.save_weights(tmp_path / "w.weights.h5")
    target = keras.Sequential([keras.Input((4,)), layers.Dense(5), layers.Dense(3, name="top")])
    before = target.get_weights()
    with pytest.raises(ValueError, match=r"top.*shape \(5, 3\).*\(5, 2\)"):
        target.load_weights(tmp_path / "w.weights.h5")
    same(before, target.get_weights())
    with pytest.warns(UserWarning, match=r"\(5, 3\)"):
        target.load_weights(tmp_path / "w.weights.h5", skip_mismatch=True)
    same(target.get_weights()[:2], source.get_weights()[:2])
    same(target.get_weights()[2:], before[2:])
    with pytest.raises(ValueError, match="no weights yet"):
        keras.Sequential([layers.Dense(2)]).load_weights(tmp_path / "w.weights.h5")


def test_layout_is_that_of_keras(tmp_path: Path) -> None:
    model = MODELS["subclassed"]()
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5", "tahr/manifest.json"]
        assert {i.compress_type for i in archive.infolist()} == {zipfile.ZIP_STORED}
        archive.extract("model.weights.h5", tmp_path)
    found: list[str] = []
    with h5py.File(tmp_path / "model.weights.h5") as h5:
        h5.visit(found.append)
        assert h5["block/vars"].attrs["name"] == model.block.name
    assert [name.removesuffix("/vars") for name in found if name.endswith("/vars")] == [
        "block/_hidden", "block/choices/dense", "block/choices/dense_1", "block/stack/container/dense",
        "block/stack/dense", "block", "last",
    ]  # fmt: skip


def test_attributes_name_the_places(tmp_path: Path) -> None:
    """Public attributes come before private ones, properties count, the layers of a graph come first."""

    class Owner(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self._z = layers.Dense(1, name="z")
            self.b = layers.Dense(1, name="b")
            self.a = self.b
            self._items = [layers.Dense(1, name="i0"), layers.Dense(1, name="i1")]
            self.rate = keras.optimizers.SGD()

        @property
        def first(self) -> Any:
            return self._z

        @property
        def items(self) -> Any:
            return list(self._items)

        @property
        def broken(self) -> Any:
            raise RuntimeError("not ready")

        def call(self, x: Any) -> Any:
            for layer in (self.b, self._z, *self._items):
                x = layer(x)
            return x

    x = keras.Input((2,))
    from tahr.saving.state import walk_state

    owner = Owner()
    model = keras.Model(x, owner(x))
    model.extra = owner
    assert {part.name: path for path, part in walk_state(model) if path and "input" not in path} == {
        "owner": "layers/owner", "b": "layers/owner/a", "z": "layers/owner/first", "i0": "layers/owner/items/dense",
        "i1": "layers/owner/items/dense_1", owner.rate.name: "layers/owner/rate",
    }  # fmt: skip


@pytest.mark.parametrize("initializer", ["random_normal", "zeros"])
def test_what_a_file_lacks_begins_as_ever(initializer: str, tmp_path: Path) -> None:
    """Large weights are not drawn before a file gives them, but those that it does not give are."""

    @keras.saving.register_keras_serializable("tests")
    class Forgetful(layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.kept = self.add_weight((200, 200), initializer, name="kept")
            self.lost = self.add_weight((200, 200), "random_normal", name="lost")

        def call(self, x: Any) -> Any:
            return x @ self.kept @ self.lost

        def save_own_variables(self, store: Any) -> None:
            store["kept"] = self.kept.numpy()

        def load_own_variables(self, store: Any) -> None:
            self.kept.assign(store["kept"])

    x = keras.Input((200,))
    model = keras.Model(x, Forgetful()(x))
    model.save(tmp_path / "a.keras")
    kept, lost = (v.numpy() for v in keras.saving.load_model(tmp_path / "a.keras").weights)
    np.testing.assert_array_equal(kept, model.weights[0].numpy())
    assert 0.04 < lost.std() < 0.06


@pytest.mark.trains
def test_predicting_before_training_changes_nothing(tmp_path: Path) -> None:
    """State that the first step of a loaded model finds (its metrics) does not make it count twice."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    model.compile("adam", "mse", metrics=["mae"])
    x, y = np.eye(3, dtype="float32"), np.ones((3, 2), "float32")
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    found = []
    for predict in (False, True):
        again = keras.saving.load_model(tmp_path / "model.keras")
        if predict:
            again.predict(x, verbose=0)
        found.append([again.fit(x, y, verbose=0).history["loss"][0] for _ in range(2)])
    assert found[0] == pytest.approx(found[1], rel=1e-6)


@keras.saving.register_keras_serializable("own_round_trip")
class Tied(layers.Layer):
    """Stores one array for two weights of equal first values."""

    def build(self, input_shape: Any) -> None:
        self.first = self.add_weight((120, 120), name="first")
        self.second = self.add_weight((120, 120), name="second", initializer="zeros")
        self.turned = self.add_weight((120, 120), name="turned", initializer="zeros")

    def call(self, x: Any) -> Any:
        return x @ self.first

    def save_own_variables(self, store: Any) -> None:
        store["0"] = np.asarray(self.first)

    def load_own_variables(self, store: Any) -> None:
        value = store["0"]
        for variable, given in ((self.first, value), (self.second, value.reshape(-1, 120)), (self.turned, value.T)):
            variable.assign(given)


@pytest.mark.parametrize("mmap", [False, True])
def test_weights_that_are_loaded_from_one_array_share_no_memory(mmap: bool, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((120,)), Tied()])
    model.save(tmp_path / "model.keras")
    tied = keras.saving.load_model(tmp_path / "model.keras", mmap=mmap).layers[0]
    was = ops.convert_to_numpy(model.layers[0].first)
    tied.first.assign_add(ops.ones((120, 120)))
    np.testing.assert_array_equal(ops.convert_to_numpy(tied.first), was + 1)
    np.testing.assert_array_equal(ops.convert_to_numpy(tied.second), was)
    np.testing.assert_array_equal(ops.convert_to_numpy(tied.turned), was.T)
