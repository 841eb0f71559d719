"""Losses against formulas in NumPy, and what the base class does with reductions, weights, masks and types."""

from typing import Any

import numpy as np
import pytest
import scipy.special

import tahr as keras
from tahr import backends, losses, ops
from tahr.variables import Variable

RNG = np.random.default_rng(7)
A, B = RNG.normal(size=(2, 4, 3)).astype("float32")
P, Q = (x / x.sum(-1, keepdims=True) for x in np.exp(RNG.normal(size=(2, 4, 3))).astype("float32"))
HOT = np.eye(3, dtype="float32")[[0, 2, 1, 2]]
BITS = (A > 0).astype("float32")
PROBABILITIES = scipy.special.expit(B)
LABELS = np.array([0, 2, 1, 2])
SIGNS = 2 * BITS - 1


def bce(y, p):
    return -y * np.log(p) - (1 - y) * np.log(1 - p)


FORMULAS = {
    "mean_squared_error": ((A, B), {}, ((A - B) ** 2).mean(-1)),
    "mean_absolute_error": ((A, B), {}, np.abs(A - B).mean(-1)),
    "mean_absolute_percentage_error": ((A, B), {}, 100 * np.abs((A - B) / A).mean(-1)),
    "mean_squared_logarithmic_error": ((P, Q), {}, ((np.log1p(P) - np.log1p(Q)) ** 2).mean(-1)),
    "cosine_similarity": (
        (A, B),
        {},
        -(A * B).sum(-1) / np.linalg.norm(A, axis=-1) / np.linalg.norm(B, axis=-1),
    ),
    "huber": ((A, B), {"delta": 0.7}, scipy.special.huber(0.7, A - B).mean(-1)),
    "log_cosh": ((A, B), {}, np.log(np.cosh(A - B)).mean(-1)),
    "kl_divergence": ((P, Q), {}, scipy.special.rel_entr(P, Q).sum(-1)),
    "poisson": ((P, Q), {}, (Q - P * np.log(Q)).mean(-1)),
    "hinge": ((SIGNS, B), {}, np.maximum(1 - SIGNS * B, 0).mean(-1)),
    "hinge of bits": ((BITS, B), {}, np.maximum(1 - SIGNS * B, 0).mean(-1)),
    "squared_hinge": ((SIGNS, B), {}, (np.maximum(1 - SIGNS * B, 0) ** 2).mean(-1)),
    "categorical_hinge": (
        (HOT, B),
        {},
        np.maximum(np.max((1 - HOT) * B, -1) - (HOT * B).sum(-1) + 1, 0),
    ),
    "binary_crossentropy": ((BITS, PROBABILITIES), {}, bce(BITS, PROBABILITIES).mean(-1)),
    "binary_crossentropy of logits": ((BITS, B), {"from_logits": True}, bce(BITS, PROBABILITIES).mean(-1)),
    "binary_crossentropy smooth": (
        (BITS, PROBABILITIES),
        {"label_smoothing": 0.2},
        bce(0.8 * BITS + 0.1, PROBABILITIES).mean(-1),
    ),
    "categorical_crossentropy": ((HOT, Q), {}, -(HOT * np.log(Q)).sum(-1)),
    "categorical_crossentropy of logits": (
        (HOT, B),
        {"from_logits": True},
        -(HOT * scipy.special.log_softmax(B, -1)).sum(-1),
    ),
    "categorical_crossentropy smooth": (
        (HOT, Q),
        {"label_smoothing": 0.3},
        -((0.7 * HOT + 0.1) * np.log(Q)).sum(-1),
    ),
    "sparse_categorical_crossentropy": ((LABELS, Q), {}, -(HOT * np.log(Q)).sum(-1)),
    "sparse_categorical_crossentropy of a column": ((LABELS[:, None], Q), {}, -(HOT * np.log(Q)).sum(-1)),
    "sparse_categorical_crossentropy ignoring": (
        (LABELS, Q),
        {"ignore_class": 2},
        -(HOT * np.log(Q)).sum(-1) * (LABELS != 2),
    ),
    "binary_focal_crossentropy": (
        (BITS, PROBABILITIES),
        {"gamma": 1.5, "alpha": 0.3, "apply_class_balancing": True},
        (bce(BITS, PROBABILITIES) * np.abs(BITS - PROBABILITIES) ** 1.5 * np.where(BITS == 1, 0.3, 0.7)).mean(-1),
    ),
    "categorical_focal_crossentropy": (
        (HOT, Q),
        {"gamma": 1.5, "alpha": 0.3},
        -(0.3 * (1 - Q) ** 1.5 * HOT * np.log(Q)).sum(-1),
    ),
    "categorical_generalized_cross_entropy": ((LABELS, Q), {"q": 0.7}, (1 - (HOT * Q).sum(-1) ** 0.7) / 0.7),
    "dice": ((BITS, PROBABILITIES), {}, 1 - 2 * (BITS * PROBABILITIES).sum() / (BITS.sum() + PROBABILITIES.sum())),
    "dice by row": (
        (BITS, PROBABILITIES),
        {"axis": 1},
        1 - 2 * (BITS * PROBABILITIES).sum(1) / (BITS.sum(1) + PROBABILITIES.sum(1)),
    ),
    "tversky": (
        (BITS, PROBABILITIES),
        {"alpha": 0.3, "beta": 0.7},
        1
        - (BITS * PROBABILITIES).sum()
        / (
            (BITS * PROBABILITIES).sum()
            + 0.3 * (BITS * (1 - PROBABILITIES)).sum()
            + 0.7 * ((1 - BITS) * PROBABILITIES).sum()
        ),
    ),
}


def host(x):
    return np.asarray(backends.current().to_numpy(ops.convert_to_tensor(x)))


@pytest.mark.parametrize("name", FORMULAS)
def test_function_equals_its_formula(name):
    arguments, options, expected = FORMULAS[name]
    found = getattr(losses, name.split()[0])(*arguments, **options)
    np.testing.assert_allclose(host(found), expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", [name for name in FORMULAS if name.split()[0] not in ("dice", "tversky")])
def test_function_takes_short_floats_and_returns_them(name):
    arguments, options, expected = FORMULAS[name]
    short = [a.astype("float16") if a.dtype == "float32" else a for a in arguments]
    found = getattr(losses, name.split()[0])(*short, **options)
    assert backends.current().to_numpy(found).dtype == "float16"
    np.testing.assert_allclose(host(found).astype("float32"), expected, rtol=0.03, atol=0.03)


def test_circle_equals_its_formula():
    embeddings = A / np.linalg.norm(A, axis=-1, keepdims=True)
    labels, gamma, margin = np.array([0, 1, 0, 1]), 4.0, 0.3
    cosine = embeddings @ embeddings.T
    expected = []
    for i in range(4):
        alike = [j for j in range(4) if labels[j] == labels[i] and j != i]
        unlike = [j for j in range(4) if labels[j] != labels[i]]
        pull = [-gamma * max(1 + margin - cosine[i, j], 0) * (cosine[i, j] - 1 + margin) for j in alike]
        push = [gamma * max(cosine[i, j] + margin, 0) * (cosine[i, j] - margin) for j in unlike]
        expected.append(np.log1p(np.exp(scipy.special.logsumexp(pull) + scipy.special.logsumexp(push))))
    found = losses.circle(labels, embeddings, gamma=gamma, margin=margin)
    np.testing.assert_allclose(host(found), expected, rtol=1e-5)


def test_circle_leaves_out_of_the_mean_what_has_no_partner():
    embeddings = A / np.linalg.norm(A, axis=-1, keepdims=True)
    labels = np.array([0, 0, 1, 2])
    single = host(losses.Circle(gamma=4.0, reduction="none")(labels, embeddings))
    np.testing.assert_allclose(host(losses.Circle(gamma=4.0)(labels, embeddings)), single[:2].mean(), rtol=1e-5)


SINGLE = ((A - B) ** 2).mean(-1)
W = np.array([1.0, 0.0, 2.0, 0.5], "float32")
MASK = np.array([True, True, False, True])


@pytest.mark.parametrize(
    ("reduction", "weight", "mask", "expected"),
    [
        ("sum_over_batch_size", None, None, SINGLE.mean()),
        ("mean", None, None, SINGLE.mean()),
        ("sum", None, None, SINGLE.sum()),
        ("none", None, None, SINGLE),
        (None, None, None, SINGLE),
        ("mean_with_sample_weight", None, None, SINGLE.mean()),
        ("sum_over_batch_size", W, None, (SINGLE * W).sum() / 4),
        ("sum_over_batch_size", W[:, None], None, (SINGLE * W).sum() / 4),
        ("sum", W, None, (SINGLE * W).sum()),
        ("mean_with_sample_weight", W, None, (SINGLE * W).sum() / W.sum()),
        ("sum_over_batch_size", 2.0, None, 2 * SINGLE.mean()),
        ("sum_over_batch_size", None, MASK, SINGLE[MASK].mean()),
        ("sum", None, MASK, SINGLE[MASK].sum()),
        ("none", None, MASK, SINGLE * MASK),
        ("sum_over_batch_size", W, MASK, (SINGLE * W)[MASK].sum() / 3),
        ("mean_with_sample_weight", W, MASK, (SINGLE * W)[MASK].sum() / W[MASK].sum()),
        ("mean_with_sample_weight", np.zeros(4), None, 0.0),
    ],
)
def test_reductions(reduction, weight, mask, expected):
    found = losses.loss.reduce_losses(ops.convert_to_tensor(SINGLE), weight, mask, reduction, "float32")
    np.testing.assert_allclose(host(found), expected, rtol=1e-5)
    if mask is None:
        whole = losses.MeanSquaredError(reduction=reduction)(A, B, sample_weight=weight)
        np.testing.assert_allclose(host(whole), expected, rtol=1e-5)


def test_weights_of_samples_meet_a_mask_of_steps():
    values, mask = RNG.normal(size=(2, 3)).astype("float32"), np.array([[1, 1, 0], [1, 0, 0]], bool)
    found = losses.loss.reduce_losses(ops.convert_to_tensor(values), np.array([1.0, 2.0]), mask, "sum", "float32")
    np.testing.assert_allclose(host(found), (values * mask * [[1], [2]]).sum(), rtol=1e-5)


def test_ignored_classes_are_no_part_of_the_mean():
    found = losses.SparseCategoricalCrossentropy(ignore_class=2)(LABELS, Q)
    np.testing.assert_allclose(host(found), -np.log(Q[[0, 2], [0, 1]]).mean(), rtol=1e-5)


def test_ignored_classes_along_an_inner_axis() -> None:
    """Class numbers keep the axis of the classes with size 1, as in Keras 3.15.1."""
    y_true, y_pred = ops.array([[[0, 2, 1]], [[1, 2, 2]]]), ops.zeros((2, 3, 3))
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=2, axis=1, reduction="none")
    found = ops.convert_to_numpy(loss(y_true, y_pred)) / np.log(3)
    np.testing.assert_allclose(found, [[1, 0, 1], [1, 0, 0]], rtol=1e-6)
    loss.reduction = "sum_over_batch_size"
    assert float(loss(y_true, y_pred)) == pytest.approx(np.log(3))  # the mean of the three that count


def test_one_class_number_of_one_sample_takes_weights() -> None:
    found = losses.SparseCategoricalCrossentropy()([1], [0.5, 0.25, 0.25], sample_weight=[1.0, 2.0])
    assert float(found) == pytest.approx(1.5 * np.log(4))


@pytest.mark.parametrize(("shape", "expected"), [((4,), (4,)), ((4, 1), (4, 1)), ((1, 4), (4,)), ((4, 1, 1), (4, 1))])
def test_shape_of_weighted_values(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Weights of (n, 1) keep their axis, as in Keras 3.15.1; those of (1, n) are of n samples, not of n x n."""
    weights = np.arange(1.0, 5).astype("float32")
    loss = losses.MeanSquaredError(reduction=None)
    found = loss(np.zeros((4, 2)), np.ones((4, 2)), sample_weight=weights.reshape(shape))
    assert tuple(found.shape) == expected
    np.testing.assert_allclose(ops.convert_to_numpy(found).ravel(), weights)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16", keras.DTypePolicy("mixed_float16")])
def test_policies_name_the_type(dtype: Any) -> None:
    short = "bfloat16" if dtype == "mixed_bfloat16" else "float16"
    loss = losses.MeanSquaredError(dtype=dtype)
    assert loss.dtype == short == keras.utils.standardize_dtype(loss([[1.0]], [[2.0]]).dtype)


def test_class_numbers_beyond_the_whole_numbers_of_float16_are_kept():
    scores = np.zeros((1, 3000), "float32")
    scores[0, 2049] = 9.0
    found = losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float16")(np.array([2049]), scores)
    assert float(found) < 0.5


@pytest.mark.parametrize("shape", [((4,), (4, 1)), ((4, 1), (4,))])
def test_a_last_axis_of_one_may_be_missing(shape):
    y_true, y_pred = (A[:, 0].reshape(shape[0]), B[:, 0].reshape(shape[1]))
    np.testing.assert_allclose(host(losses.MeanSquaredError()(y_true, y_pred)), ((A - B)[:, 0] ** 2).mean(), rtol=1e-5)


def test_weights_of_flat_samples_count_one_by_one():
    found = losses.MeanSquaredError(reduction="none")(A[:, 0], B[:, 0], sample_weight=W)
    np.testing.assert_allclose(host(found), (A - B)[:, 0] ** 2 * W, rtol=1e-5)


@pytest.mark.parametrize("name", [n for n in FORMULAS if " " not in n and "sparse" not in n and "generalized" not in n])
def test_shapes_that_do_not_fit_are_refused(name):
    with pytest.raises(ValueError, match=r"\(4, 3\).*\(4, 5\)"):
        getattr(losses, name)(A, np.ones((4, 5), "float32"))


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: losses.sparse_categorical_crossentropy(HOT, Q), "categorical_crossentropy"),
        (lambda: losses.categorical_crossentropy(LABELS, Q), "sparse_categorical_crossentropy"),
        (lambda: losses.MeanSquaredError()(A, B, sample_weight=np.ones(3)), "sample_weight"),
        (lambda: losses.MeanSquaredError(reduction="avg"), "reduction"),
        (lambda: losses.get("mean_square_error"), "mean_squared_error"),
        (lambda: losses.CategoricalGeneralizedCrossEntropy(q=2.0), "q < 1"),
        (lambda: losses.ctc(LABELS, Q), "frames"),
    ],
)
def test_errors_say_what_is_wrong(act, words):
    with pytest.raises(ValueError, match=words):
        act()


@pytest.mark.parametrize("name", sorted(n for n in losses.__all__ if n[0].isupper() and n != "Loss"))
def test_classes_survive_their_config(name):
    options = {"reduction": "sum", "name": "mine"}
    made = getattr(losses, name)(**options)
    again = losses.deserialize(losses.serialize(made))
    assert type(again) is type(made) and again.get_config() == made.get_config()
    assert again.reduction == "sum" and again.name == "mine"


@pytest.mark.parametrize("name", ["mse", "MSE", "mean_squared_error", "MeanSquaredError", losses.MeanSquaredError])
def test_get_understands_names_and_classes(name):
    np.testing.assert_allclose(host(ops.mean(losses.get(name)(A, B))), SINGLE.mean(), rtol=1e-5)


@pytest.mark.trains
@pytest.mark.parametrize("name", [n for n in FORMULAS if "hinge" not in n and "absolute" not in n])
def test_gradients_equal_finite_differences(name):
    from tahr import value_and_grad

    (y_true, y_pred), options, _ = FORMULAS[name]
    function = getattr(losses, name.split()[0])
    v = Variable(y_pred)
    _, (gradient,) = value_and_grad(lambda: ops.sum(function(y_true, ops.convert_to_tensor(v), **options)), [v])()
    direction = RNG.normal(size=y_pred.shape).astype("float32")
    step = 2e-3
    ends = [float(ops.sum(function(y_true, y_pred + sign * step * direction, **options))) for sign in (1, -1)]
    np.testing.assert_allclose(
        (host(gradient) * direction).sum(), (ends[0] - ends[1]) / (2 * step), rtol=2e-2, atol=5e-3
    )


@pytest.mark.trains
@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("axis", [1, -1])
def test_class_numbers_give_the_loss_and_the_gradient_of_one_hot_targets(from_logits: bool, axis: int) -> None:
    rng = np.random.default_rng(4)
    output = rng.normal(size=(5, 6, 7)).astype("float32") * 3
    if not from_logits:
        output = np.maximum(output, 0) + np.float32(1e-9)  # many shares at the bound, where there is no gradient
    shape = (5, 7) if axis == 1 else (5, 6)
    classes = output.shape[axis]
    labels = rng.integers(-1, classes + 1, shape).astype("int32")  # -1 and beyond the last one: no loss
    hot = np.moveaxis((labels[..., None] == np.arange(classes)).astype("float32"), -1, axis)

    def sparse(output: Any) -> Any:
        return ops.sum(ops.sparse_categorical_crossentropy(labels, output, from_logits, axis))

    def dense(output: Any) -> Any:
        return ops.sum(ops.categorical_crossentropy(hot, output, from_logits, axis))

    found, expected = (keras.value_and_grad(f)(ops.convert_to_tensor(output)) for f in (sparse, dense))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(one), ops.convert_to_numpy(other), rtol=2e-5, atol=2e-5)
