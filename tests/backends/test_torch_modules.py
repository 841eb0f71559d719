"""On PyTorch, layers and models are modules: what modules can do, and nothing of Keras lost by it."""

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch")

import tahr as keras  # noqa: E402
from tahr import config, layers, ops  # noqa: E402

pytestmark = [
    pytest.mark.trains,
    pytest.mark.skipif(config.backend() != "torch", reason="is about PyTorch"),
]
X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")


class Own(keras.Model):
    """A model in Python code, with layers in attributes and in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.first = layers.Dense(4, activation="tanh")
        self.rest = [layers.Dense(4), layers.Dense(1)]

    def call(self, inputs: Any) -> Any:
        x = self.first(inputs)
        for layer in self.rest:
            x = layer(x)
        return x


def stack() -> Any:
    return keras.Sequential(
        [keras.Input((3,)), layers.Dense(4), layers.BatchNormalization(), layers.Dropout(0.5, seed=1), layers.Dense(1)]
    )


def graph() -> Any:
    x = keras.Input((3,))
    h = layers.Dense(4, name="hidden")(x)
    return keras.Model(x, layers.Dense(1)(layers.LayerNormalization()(h) + h))


MODELS = {"stack": stack, "graph": graph, "own": Own}


def built(name: str) -> Any:
    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    model(X)
    return model


NAMES = {
    "stack": [
        *("dense.kernel", "dense.bias", "batch_normalization.gamma", "batch_normalization.beta"),
        *("batch_normalization.moving_mean", "batch_normalization.moving_variance"),
        *("dropout.seed_generator_state", "dense_1.kernel", "dense_1.bias"),
    ],
    "graph": [
        *("dense.kernel", "dense.bias", "layer_normalization.gamma", "layer_normalization.beta"),
        *("dense_1.kernel", "dense_1.bias"),
    ],
    "own": ["first.kernel", "first.bias", "dense.kernel", "dense.bias", "dense_1.kernel", "dense_1.bias"],
}


@pytest.mark.parametrize("name", MODELS)
def test_state_has_the_names_of_the_structure(name: str) -> None:
    model = built(name)
    assert isinstance(model, torch.nn.Module) and type(model).__module__ != "torch"
    assert list(model.state_dict()) == NAMES[name]
    buffers = {k for k in NAMES[name] if "moving" in k or "seed" in k}
    assert {k for k, _ in model.named_buffers()} == buffers
    assert [k for k, _ in model.named_parameters()] == [k for k in NAMES[name] if k not in buffers]
    assert all(isinstance(p, torch.nn.Parameter) for p in model.parameters())
    assert [id(p) for p in model.parameters()] == [id(v.value) for v in model.trainable_variables]
    assert len(list(model.modules())) == len(model._flatten_layers())
    path = "dense_1" if name != "own" else "first"
    assert model.get_submodule(path) is dict(model.named_children())[path]
    assert model.get_parameter(f"{path}.kernel") is model.get_submodule(path).kernel.value


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_state_goes_into_another_model(name: str, assign: bool) -> None:
    file = io.BytesIO()
    model = built(name)
    torch.save(model.state_dict(), file)
    keras.utils.set_random_seed(5)
    other = MODELS[name]()
    with pytest.raises(RuntimeError, match="Unexpected key" if name == "own" else "Missing key"):
        other.load_state_dict({**model.state_dict(), "nothing": torch.zeros(1)} if name == "own" else {})
    other(X)
    file.seek(0)
    assert str(other.load_state_dict(torch.load(file), assign=assign)) == "<All keys matched successfully>"
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    torch.testing.assert_close(other(X), model(X))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("how", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_copies(name: str, how: Any) -> None:
    model = built(name)
    model.eval()
    other = how(model)
    torch.testing.assert_close(other(X), model(X))
    next(other.parameters()).data.zero_()
    assert not torch.equal(next(other.parameters()), next(model.parameters()))


def test_train_and_eval_say_what_a_call_leaves_open() -> None:
    model = built("stack")
    quiet = model(X)
    assert not model.training
    assert model.train() is model and model.training and model.layers[2].training
    assert not torch.equal(model(X), quiet)
    torch.testing.assert_close(model(X, training=False).shape, quiet.shape)
    state = model.layers[1].moving_mean.numpy()
    model(X, training=False)
    np.testing.assert_array_equal(state, model.layers[1].moving_mean.numpy())
    model.layers[2].eval()  # a part of its own mind, as with other modules
    torch.testing.assert_close(model(X), model(X))
    model.eval()
    torch.testing.assert_close(model(X), model(X))
    assert not np.array_equal(model(X, training=True).detach(), model(X).detach())


def test_hooks() -> None:
    model, seen = built("graph"), []
    dense = model.get_layer("hidden")
    handles = [
        dense.register_forward_pre_hook(lambda module, args: (args[0] * 0,)),
        dense.register_forward_hook(lambda module, args, out: seen.append(out) or out + 1),
        dense.register_full_backward_hook(lambda module, into, outof: seen.append(outof[0])),
    ]
    expected = dense.bias.value + 1
    torch.testing.assert_close(dense(X), expected.expand(8, 4))
    model(X).sum().backward()
    assert len(seen) == 3 and seen[2].shape == (8, 4)
    assert dense(keras.Input((3,))).shape == (None, 4) and len(seen) == 3  # not on symbols
    for handle in handles:
        handle.remove()
    torch.testing.assert_close(dense(X), ops.matmul(X, dense.kernel) + dense.bias)


def test_types_and_devices() -> None:
    model = built("stack")
    kept = dict(model.named_parameters())
    assert model.to(torch.bfloat16) is model
    assert {v.dtype for v in model.weights} == {"bfloat16"} and model(X).dtype is torch.bfloat16
    assert model.layers[2].seed_generator.state.dtype == "uint32"
    assert all(p is kept[k] for k, p in model.named_parameters())
    model.float()
    assert model(X).dtype is torch.float32 and model.layers[0].variable_dtype == "float32"
    with pytest.raises(ValueError, match="set_floatx"):
        model.double()
    assert all(p.device.type == "cpu" for p in model.to("cpu").parameters())


def test_freezing() -> None:
    model = built("stack")
    model.requires_grad_(False)
    assert not model.trainable_variables and not any(p.requires_grad for p in model.parameters())
    model.requires_grad_()
    model.layers[0].trainable = False
    assert [p.requires_grad for p in model.parameters()] == [False, False, True, True, True, True]


def test_inside_of_a_module_and_functional() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = built("stack")
            self.head = torch.nn.Linear(1, 2)

        def forward(self, x: Any) -> Any:
            return self.head(self.body(x))

    net, x = Net(), torch.from_numpy(X)
    assert "body.dense_1.kernel" in net.state_dict() and len(list(net.parameters())) == 8
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    losses = []
    net.train()
    for _ in range(30):
        optimizer.zero_grad()
        loss = ((net(x) - 3) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    net.eval()
    zeros = {k: torch.zeros_like(p) for k, p in net.body.named_parameters()}
    before = net.body(x)
    torch.testing.assert_close(torch.func.functional_call(net.body, zeros, (x,)), torch.zeros(8, 1))
    torch.testing.assert_close(net.body(x), before)
    gradients = torch.func.grad(lambda p: torch.func.functional_call(net.body, p, (x,)).sum())(zeros)
    assert gradients["dense_1.bias"].item() == 8


def test_what_layers_refuse() -> None:
    layer = layers.Dense(2)
    for call in (
        lambda: layer.register_parameter("w", torch.nn.Parameter(torch.ones(1))),
        lambda: layer.register_buffer("b", torch.ones(1)),
        lambda: layer.add_module("m", torch.nn.Linear(1, 1)),
    ):
        with pytest.raises(TypeError, match="add_weight|TorchModuleWrapper"):
            call()
    with pytest.raises(AttributeError, match="nothing"):
        _ = layer.nothing
    model = built("own")
    model.compile("sgd", "mse")  # Keras's, not that of modules
    assert model.fit(X, X[:, :1], verbose=0).history["loss"]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_compiled(name: str) -> None:
    model = built(name).eval()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(torch.from_numpy(X)), model(X))
    compiled(torch.from_numpy(X)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
