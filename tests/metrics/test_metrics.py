"""Metrics against scikit-learn and NumPy, over batches of unequal size, with sample weights, and as pure functions."""

from typing import Any

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

import tahr as keras
from tahr import backends, losses, metrics, ops
from tahr.metrics.choose import choose_by_shape

RNG = np.random.default_rng(11)
N = 37
BATCHES = (slice(0, 16), slice(16, 32), slice(32, N))  # the last one is shorter
SCORES = RNG.uniform(size=N).astype("float32")
BITS = (SCORES + RNG.normal(scale=0.4, size=N) > 0.5).astype("float32")
MULTI = RNG.uniform(size=(N, 3)).astype("float32")
MULTI_BITS = (MULTI + RNG.normal(scale=0.4, size=(N, 3)) > 0.5).astype("float32")
CLASSES = RNG.integers(0, 3, size=N)
HOT = np.eye(3, dtype="float32")[CLASSES]
PROBABILITIES = (MULTI / MULTI.sum(-1, keepdims=True, dtype="float64")).astype("float32")
GUESSES = RNG.integers(0, 3, size=N)
X, Y = RNG.normal(size=(2, N, 4)).astype("float32")
Y = (X + 0.5 * Y).astype("float32")
W = RNG.uniform(size=N).astype("float32")
EVEN = np.round(SCORES * 20) / 20 + 0.01  # lies between the 51 thresholds, so the counted curve is the true one


def iou(y, p, weight, classes, dtype="float64"):
    matrix = sklearn.metrics.confusion_matrix(y, p, labels=range(3), sample_weight=weight)
    both = np.diag(matrix)
    return (both / (matrix.sum(0) + matrix.sum(1) - both))[list(classes)].mean()


def average(values, weight):
    return np.average(values, weights=weight)


def best(rate, condition, limit):
    return rate[condition >= limit].max(initial=0.0)


def rates(y, p, weight, thresholds):
    tp, fp, tn, fn = (
        np.array([np.sum(weight * (y == a) * ((p > t) == b)) for t in thresholds])
        for a, b in ((1, True), (0, True), (0, False), (1, False))
    )
    return tp / (tp + fn), tn / (tn + fp), np.divide(tp, tp + fp, out=np.zeros_like(tp), where=tp + fp > 0)


THRESHOLDS = np.linspace(0, 1, 21)
ONES = np.ones(N)

EVEN_MULTI = np.round(MULTI * 20) / 20 + 0.01

# name: metric, targets, predictions, oracle of (targets, predictions, weights)
ROWS = {
    "MeanSquaredError": (metrics.MeanSquaredError, X, Y, sklearn.metrics.mean_squared_error),
    "RootMeanSquaredError": (
        metrics.RootMeanSquaredError,
        X,
        Y,
        lambda y, p, sample_weight: sklearn.metrics.mean_squared_error(y, p, sample_weight=sample_weight) ** 0.5,
    ),
    "MeanAbsoluteError": (metrics.MeanAbsoluteError, X, Y, sklearn.metrics.mean_absolute_error),
    "CosineSimilarity": (
        metrics.CosineSimilarity,
        X,
        Y,
        lambda y, p, sample_weight: average(
            (y * p).sum(1) / np.linalg.norm(y, axis=1) / np.linalg.norm(p, axis=1), sample_weight
        ),
    ),
    "BinaryCrossentropy": (metrics.BinaryCrossentropy, BITS, SCORES, sklearn.metrics.log_loss),
    "CategoricalCrossentropy": (metrics.CategoricalCrossentropy, HOT, PROBABILITIES, sklearn.metrics.log_loss),
    "SparseCategoricalCrossentropy": (
        metrics.SparseCategoricalCrossentropy,
        CLASSES,
        PROBABILITIES,
        lambda y, p, sample_weight: sklearn.metrics.log_loss(y, p, sample_weight=sample_weight, labels=range(3)),
    ),
    "BinaryAccuracy": (
        metrics.BinaryAccuracy,
        BITS,
        SCORES,
        lambda y, p, sample_weight: sklearn.metrics.accuracy_score(y, p > 0.5, sample_weight=sample_weight),
    ),
    "Accuracy": (metrics.Accuracy, CLASSES, GUESSES, sklearn.metrics.accuracy_score),
    "CategoricalAccuracy": (
        metrics.CategoricalAccuracy,
        HOT,
        MULTI,
        lambda y, p, sample_weight: sklearn.metrics.accuracy_score(
            y.argmax(1), p.argmax(1), sample_weight=sample_weight
        ),
    ),
    "SparseCategoricalAccuracy": (
        metrics.SparseCategoricalAccuracy,
        CLASSES,
        MULTI,
        lambda y, p, sample_weight: sklearn.metrics.accuracy_score(y, p.argmax(1), sample_weight=sample_weight),
    ),
    "SparseTopKCategoricalAccuracy": (
        lambda: metrics.SparseTopKCategoricalAccuracy(k=2),
        CLASSES,
        MULTI,
        lambda y, p, sample_weight: sklearn.metrics.top_k_accuracy_score(y, p, k=2, sample_weight=sample_weight),
    ),
    "TopKCategoricalAccuracy": (
        lambda: metrics.TopKCategoricalAccuracy(k=2),
        HOT,
        MULTI,
        lambda y, p, sample_weight: sklearn.metrics.top_k_accuracy_score(
            y.argmax(1), p, k=2, sample_weight=sample_weight
        ),
    ),
    "Precision": (
        metrics.Precision,
        BITS,
        SCORES,
        lambda y, p, sample_weight: sklearn.metrics.precision_score(y, p > 0.5, sample_weight=sample_weight),
    ),
    "Recall": (
        lambda: metrics.Recall(thresholds=0.3),
        BITS,
        SCORES,
        lambda y, p, sample_weight: sklearn.metrics.recall_score(y, p > 0.3, sample_weight=sample_weight),
    ),
    "Recall of a class": (
        lambda: metrics.Recall(class_id=1),
        MULTI_BITS,
        MULTI,
        lambda y, p, sample_weight: sklearn.metrics.recall_score(y[:, 1], p[:, 1] > 0.5, sample_weight=sample_weight),
    ),
    "Precision at several thresholds": (
        lambda: metrics.Precision(thresholds=[0.7, 0.2]),
        BITS,
        SCORES,
        lambda y, p, sample_weight: [
            sklearn.metrics.precision_score(y, p > t, sample_weight=sample_weight) for t in (0.7, 0.2)
        ],
    ),
    "AUC": (lambda: metrics.AUC(num_thresholds=51), BITS, EVEN, sklearn.metrics.roc_auc_score),
    "AUC by label": (
        lambda: metrics.AUC(num_thresholds=51, multi_label=True),
        MULTI_BITS,
        EVEN_MULTI,
        lambda y, p, sample_weight: sklearn.metrics.roc_auc_score(y, p, sample_weight=sample_weight),
    ),
    "AUC by weighted label": (
        lambda: metrics.AUC(num_thresholds=51, multi_label=True, num_labels=3, label_weights=[0.2, 0.5, 0.3]),
        MULTI_BITS,
        EVEN_MULTI,
        lambda y, p, sample_weight: (
            sklearn.metrics.roc_auc_score(y, p, sample_weight=sample_weight, average=None) @ [0.2, 0.5, 0.3]
        ),
    ),
    "SensitivityAtSpecificity": (
        lambda: metrics.SensitivityAtSpecificity(0.5, num_thresholds=21),
        BITS,
        SCORES,
        lambda y, p, sample_weight: best(*rates(y, p, sample_weight, THRESHOLDS)[:2], 0.5),
    ),
    "SpecificityAtSensitivity": (
        lambda: metrics.SpecificityAtSensitivity(0.5, num_thresholds=21),
        BITS,
        SCORES,
        lambda y, p, sample_weight: best(*rates(y, p, sample_weight, THRESHOLDS)[1::-1], 0.5),
    ),
    "PrecisionAtRecall": (
        lambda: metrics.PrecisionAtRecall(0.5, num_thresholds=21),
        BITS,
        SCORES,
        lambda y, p, sample_weight: best(*rates(y, p, sample_weight, THRESHOLDS)[::-2], 0.5),
    ),
    "RecallAtPrecision": (
        lambda: metrics.RecallAtPrecision(0.6, num_thresholds=21),
        BITS,
        SCORES,
        lambda y, p, sample_weight: best(*rates(y, p, sample_weight, THRESHOLDS)[::2], 0.6),
    ),
    "MeanIoU": (
        lambda: metrics.MeanIoU(3, dtype="float32"),
        CLASSES,
        GUESSES,
        lambda y, p, sample_weight: iou(y, p, sample_weight, range(3)),
    ),
    "IoU": (
        lambda: metrics.IoU(3, [0, 2], dtype="float32"),
        CLASSES,
        GUESSES,
        lambda y, p, sample_weight: iou(y, p, sample_weight, (0, 2)),
    ),
    "OneHotMeanIoU": (
        lambda: metrics.OneHotMeanIoU(3, dtype="float32"),
        HOT,
        MULTI,
        lambda y, p, sample_weight: iou(y.argmax(1), p.argmax(1), sample_weight, range(3)),
    ),
    "BinaryIoU": (
        lambda: metrics.BinaryIoU([1], threshold=0.4, dtype="float32"),
        BITS,
        SCORES,
        lambda y, p, sample_weight: sklearn.metrics.jaccard_score(y, p >= 0.4, sample_weight=sample_weight),
    ),
    "F1Score": (
        lambda: metrics.F1Score(threshold=0.5),
        MULTI_BITS,
        MULTI,
        lambda y, p, sample_weight: sklearn.metrics.f1_score(y, p > 0.5, average=None, sample_weight=sample_weight),
    ),
    **{
        f"FBetaScore {kind}": (
            lambda kind=kind: metrics.FBetaScore(average=kind, beta=2.0, threshold=0.5),
            MULTI_BITS,
            MULTI,
            lambda y, p, sample_weight, kind=kind: sklearn.metrics.fbeta_score(
                y, p > 0.5, beta=2.0, average=kind, sample_weight=sample_weight
            ),
        )
        for kind in ("micro", "macro", "weighted")
    },
    "R2Score": (metrics.R2Score, X, Y, sklearn.metrics.r2_score),
    "R2Score by variance": (
        lambda: metrics.R2Score("variance_weighted_average"),
        X,
        Y,
        lambda y, p, sample_weight: sklearn.metrics.r2_score(
            y, p, sample_weight=sample_weight, multioutput="variance_weighted"
        ),
    ),
    "PearsonCorrelation": (
        metrics.PearsonCorrelation,
        X,
        Y,
        lambda y, p, sample_weight: average(
            [scipy.stats.pearsonr(a, b)[0] for a, b in zip(y, p, strict=True)], sample_weight
        ),
    ),
    "ConcordanceCorrelation": (
        metrics.ConcordanceCorrelation,
        X,
        Y,
        lambda y, p, sample_weight: average(
            2
            * ((y - y.mean(1, keepdims=True)) * (p - p.mean(1, keepdims=True))).mean(1)
            / (y.var(1) + p.var(1) + (y.mean(1) - p.mean(1)) ** 2),
            sample_weight,
        ),
    ),
}
NAMES = pytest.mark.parametrize("name", ROWS)


def host(x):
    return np.asarray(backends.current().to_numpy(ops.convert_to_tensor(x)))


@NAMES
@pytest.mark.parametrize("weight", [None, W], ids=["plain", "weighted"])
def test_batches_together_give_the_oracle(name, weight):
    make, y_true, y_pred, oracle = ROWS[name]
    metric = make()
    for _ in range(2):  # the second time after a reset
        metric.reset_state()
        for part in BATCHES:
            metric.update_state(y_true[part], y_pred[part], sample_weight=None if weight is None else weight[part])
    expected = oracle(
        y_true.astype("float64"), y_pred.astype("float64"), sample_weight=ONES if weight is None else weight
    )
    np.testing.assert_allclose(host(metric.result()), expected, rtol=2e-4, atol=2e-5)


@NAMES
def test_pure_functions_equal_the_object(name):
    make, y_true, y_pred, _ = ROWS[name]
    metric, pure = make(), make()
    for part in BATCHES:
        metric.update_state(y_true[part], y_pred[part], sample_weight=W[part])
    pure.update_state(y_true[:2], y_pred[:2])  # makes the variables of those that wait for a shape
    before = [v.numpy() for v in pure.variables]
    step = backends.current().compile(lambda s, y, p, w: pure.stateless_update_state(s, y, p, sample_weight=w))
    state = pure.stateless_reset_state()
    for part in BATCHES:
        state = step(state, *(ops.convert_to_tensor(x[part]) for x in (y_true, y_pred, W)))
    np.testing.assert_allclose(host(pure.stateless_result(state)), host(metric.result()), rtol=1e-5, atol=1e-6)
    for kept, variable in zip(before, pure.variables, strict=True):
        np.testing.assert_array_equal(kept, variable.numpy())


@NAMES
def test_merged_states_equal_one_metric_that_saw_everything(name):
    make, y_true, y_pred, oracle = ROWS[name]
    workers = [make() for _ in BATCHES]
    for metric, part in zip(workers, BATCHES, strict=True):
        metric.update_state(y_true[part], y_pred[part], sample_weight=W[part])
    workers[0].merge_state(workers[1:])
    expected = oracle(y_true.astype("float64"), y_pred.astype("float64"), sample_weight=W)
    np.testing.assert_allclose(host(workers[0].result()), expected, rtol=2e-4, atol=2e-5)


@NAMES
def test_config_makes_the_same_metric(name):
    make, y_true, y_pred, _ = ROWS[name]
    metric = make()
    again = metrics.deserialize(metrics.serialize(metric))
    assert type(again) is type(metric) and again.name == metric.name and again.dtype == metric.dtype
    np.testing.assert_allclose(host(again(y_true, y_pred)), host(metric(y_true, y_pred)), rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "weights", "total", "count"),
    [
        ([1.0, 2.0, 6.0], None, 9.0, 3.0),
        ([[1.0, 3.0], [5.0, 7.0]], None, 8.0, 2.0),
        ([[1.0, 3.0], [5.0, 7.0]], [1.0, 3.0], 20.0, 4.0),
        ([[1.0, 3.0], [5.0, 7.0]], [[1.0, 1.0], [0.0, 2.0]], 9.0, 2.0),
        (4.0, None, 4.0, 1.0),
        (4.0, 3.0, 12.0, 3.0),
        ([1.0, 2.0], [[1.0], [3.0]], 7.0, 4.0),
    ],
)
def test_mean_counts_samples(values, weights, total, count):
    metric = metrics.Mean()
    metric.update_state(values, sample_weight=weights)
    assert (float(metric.total), float(metric.count)) == (total, count)
    assert float(metric.result()) == pytest.approx(total / count)


def test_precision_recall_area_bends_between_points():
    metric = metrics.AUC(num_thresholds=3, curve="PR")
    metric.update_state([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
    # true positives 2, 1, 0 among 4, 1, 0 predicted ones; between the first two points, one in three more is right
    assert float(metric.result()) == pytest.approx(0.5 + (1 + 2 / 3 * np.log(4)) / 6, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "y_true", "y_pred", "expected"),
    [
        ("accuracy", (None, 1), (None, 1), metrics.BinaryAccuracy),
        ("acc", (None,), (None,), metrics.BinaryAccuracy),
        ("acc", (None,), (None, 1), metrics.BinaryAccuracy),
        ("accuracy", (None,), (None, 10), metrics.SparseCategoricalAccuracy),
        ("accuracy", (None, 1), (None, 10), metrics.SparseCategoricalAccuracy),
        ("accuracy", (None, 10), (None, 10), metrics.CategoricalAccuracy),
        ("accuracy", (None, 7), (None, 7, 10), metrics.SparseCategoricalAccuracy),
        ("crossentropy", (None, 1), (None, 1), metrics.BinaryCrossentropy),
        ("ce", (None,), (None, 3), metrics.SparseCategoricalCrossentropy),
        ("crossentropy", (None, 3), (None, 3), metrics.CategoricalCrossentropy),
    ],
)
def test_shapes_choose_the_metric(name, y_true, y_pred, expected):
    found = choose_by_shape(name, y_true, y_pred)
    assert type(found) is expected and found.name == name


class Largest(keras.Metric):
    def __init__(self, name="largest", **kwargs):
        super().__init__(name=name, **kwargs)
        self.inner = metrics.Mean(name="inner")
        self.largest = self.add_weight(name="largest")

    def update_state(self, values, sample_weight=None):
        self.largest.assign(ops.maximum(self.largest, ops.max(values)))
        self.inner.update_state(values)

    def result(self):
        return {"largest": ops.convert_to_tensor(self.largest), "mean": self.inner.result()}


def test_a_users_metric_holds_others():
    metric = Largest()
    assert [v.path for v in metric.variables] == ["largest/largest", "inner/total", "inner/count"]
    metric.update_state([1.0, 5.0])
    assert {k: float(v) for k, v in metric.result().items()} == {"largest": 5.0, "mean": 3.0}
    state = metric.stateless_update_state([v.value for v in metric.variables], ops.convert_to_tensor([9.0]))
    assert float(metric.stateless_result(state)["largest"]) == 9.0 and float(metric.largest) == 5.0
    metric.reset_state()
    assert not any(float(v) for v in metric.variables)


def test_masked_predictions_do_not_count():
    y_pred = ops.convert_to_tensor(np.array([[0.9, 0.8, 0.7], [0.6, 0.2, 0.9]], "float32"))
    keras.masks.set_mask(y_pred, np.array([[True, True, False], [True, False, False]]))
    for metric in (metrics.TruePositives(), metrics.Sum()):
        if isinstance(metric, metrics.TruePositives):
            metric.update_state(np.ones((2, 3)), y_pred)
            assert float(metric.result()) == 3.0
    error = metrics.MeanMetricWrapper(losses.mean_squared_error)
    steps = ops.expand_dims(y_pred, -1)
    keras.masks.set_mask(steps, np.array([[True, True, False], [True, False, False]]))
    error.update_state(np.ones((2, 3, 1)), steps)
    assert float(error.result()) == pytest.approx((0.01 + 0.04 + 0.16) / 3, rel=1e-5)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: metrics.get("acuracy"), "'accuracy'"),
        (lambda: metrics.BinaryAccuracy(threshold=2.0), "threshold"),
        (lambda: metrics.AUC(curve="precision"), "curve"),
        (lambda: metrics.Precision(thresholds=[0.5, 1.5]), "1.5"),
        (lambda: metrics.FBetaScore(beta=0.0), "beta"),
        (lambda: metrics.F1Score()(np.ones((2, 3, 4)), np.ones((2, 3, 4))), "batch, classes"),
        (lambda: metrics.IoU(3, [3]), "target_class_ids"),
        (lambda: metrics.MeanSquaredError()(X, Y[:, :2]), r"\(37, 4\).*\(37, 2\)"),
        (lambda: metrics.SparseCategoricalAccuracy()(HOT, MULTI), "categorical_accuracy"),
        (lambda: metrics.Mean().merge_state([metrics.Sum()]), "merge_state"),
        (lambda: metrics.Mean().stateless_update_state([1.0], 2.0), "total"),
    ],
)
def test_errors_say_what_is_wrong(act, words):
    with pytest.raises(ValueError, match=words):
        act()


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_short_floats_count_in_float32(dtype: str) -> None:
    """Counts beyond 2048 are exact; results of means have the asked type, of areas float32, as in Keras 3.15.1."""
    area, mean, total = metrics.AUC(dtype=dtype, num_thresholds=3), metrics.Mean(dtype=dtype), metrics.Sum(dtype=dtype)
    short = dtype.removeprefix("mixed_")
    assert area.dtype == mean.dtype == area.get_config()["dtype"] == short
    for _ in range(3):
        mean.update_state(np.ones(3001))
        total.update_state(np.ones(3001) / 4)
        area.update_state(np.ones(3001), np.ones(3001))
    assert float(mean.count) == 9003 and float(total.total) == 2250.75
    assert np.max(ops.convert_to_numpy(area.true_positives)) == 9003
    score, shared = metrics.F1Score(dtype=dtype), metrics.MeanIoU(2, dtype=dtype)
    score.update_state(np.eye(2), np.eye(2))
    shared.update_state([0, 1], [0, 1])
    figures = [mean, total, score, area, shared]
    assert [keras.utils.standardize_dtype(m.result().dtype) for m in figures] == [short] * 3 + ["float32"] * 2
    assert float(mean.result()) == 1.0


def test_auc_reads_its_options_in_capitals_or_not() -> None:
    config = metrics.AUC(curve="pr", summation_method="Majoring").get_config()
    assert (config["curve"], config["summation_method"]) == ("PR", "majoring")


@pytest.mark.parametrize("weights", [[1, 2], [[1], [2]], [[1, 1, 1], [2, 2, 2]], [1, 1, 1, 2, 2, 2]])
def test_iou_takes_a_weight_for_each_sample_or_for_each_target(weights: list[Any]) -> None:
    metric = metrics.BinaryIoU([1], dtype="float32")
    metric.update_state(np.array([[1, 0, 1], [1, 1, 0]]), np.array([[0.9, 0.8, 0.1], [0.9, 0.1, 0.2]]), weights)
    np.testing.assert_allclose(metric.result(), 3 / 7, rtol=1e-6)
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(4,\)"):
        metric.update_state(np.ones((2, 3)), np.ones((2, 3)), np.ones(4))


def test_a_metric_that_forgets_its_parents_constructor_says_so():
    class Forgetful(keras.Metric):
        def __init__(self):
            self.add_weight()

    with pytest.raises(RuntimeError, match="super"):
        Forgetful()
