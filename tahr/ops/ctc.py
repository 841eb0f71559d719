"""Connectionist temporal classification: the loss of unaligned label sequences, and decoding.

Axes: B batch, T steps, C classes, L labels, S = 2 L + 1 labels with blanks between and around, W beams.
"""

from typing import Any

from tahr import dtypes, shapes
from tahr.arithmetic import OPERATIONS
from tahr.dtypes import floating
from tahr.ops.activation import log_softmax
from tahr.ops.declare import op
from tahr.ops.elementwise import logaddexp, maximum
from tahr.symbolic import KerasTensor

_NEVER = -1e30  # logarithm of a probability of 0; minus infinity would make gradients NaN


def _check(what: str, ok: bool, expected: str, *given: Any) -> None:
    if not ok:
        raise ValueError(f"{what}: expected {expected}; received shapes {', '.join(str(shapes.of(g)) for g in given)}.")


def _loss_shape(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0) -> shapes.Shape:
    ranks = [len(shapes.of(x)) for x in (target, output, target_length, output_length)]
    expected = "target (batch, labels), output (batch, steps, classes), target_length (batch,), output_length (batch,)"
    _check("ctc_loss", ranks == [2, 3, 1, 1], expected, target, output, target_length, output_length)
    sizes = {shapes.of(x)[0] for x in (target, output, target_length, output_length)} - {None}
    _check("ctc_loss", len(sizes) <= 1, "equal batch sizes", target, output, target_length, output_length)
    return shapes.of(output)[:1]


@op(floating("output"), arrays=("target", "target_length", "output_length"), shape=_loss_shape, native=False)
def ctc_loss(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0) -> Any:
    """Return `-log` of the probability that an alignment of `output` spells `target` (Graves et al. 2006).

    Args:
        target: class numbers of shape (batch, labels).
        output: logits of shape (batch, steps, classes).
        target_length: how many of each row's labels count, of shape (batch,).
        output_length: how many of each row's steps count, of shape (batch,).
        mask_index: class number of the blank.

    Returns:
        Array of shape (batch,), infinite where the steps are too few.

    Raises:
        ValueError: if the shapes do not fit together.

    >>> ops.ctc_loss([[1]], [[[0.0, 0.0], [0.0, 0.0]]], [1], [2])
    [0.28768206]
    """
    _loss_shape(target, output, target_length, output_length)
    run = OPERATIONS
    logp_TBC = run["transpose"](log_softmax(output, axis=-1), (1, 0, 2))
    labels_BL = run["cast"](target, "int32")
    batch, count = labels_BL.shape
    blanks_BL = run["full_like"](labels_BL, mask_index)
    pairs_BS = run["reshape"](run["stack"]([blanks_BL, labels_BL], axis=2), (batch, 2 * count))
    spelt_BS = run["concatenate"]([pairs_BS, run["full"]((batch, 1), mask_index, "int32")], axis=1)
    place = run["arange"](2 * count + 1, dtype="int32")
    two_back_BS = run["concatenate"]([run["full"]((batch, 2), mask_index, "int32"), spelt_BS[:, :-2]], axis=1)
    may_skip_BS = run["logical_and"](spelt_BS != mask_index, spelt_BS != two_back_BS)
    start_BS = run["where"](place <= 1, run["take_along_axis"](logp_TBC[0], spelt_BS, axis=1), _NEVER)
    never_B1, never_B2 = (run["full"]((batch, n), _NEVER, dtypes.of(output)) for n in (1, 2))

    def step(alpha_BS: Any, now: Any) -> Any:
        logp_BC, t = now
        one_BS = run["concatenate"]([never_B1, alpha_BS[:, :-1]], axis=1)
        two_BS = run["concatenate"]([never_B2, alpha_BS[:, :-2]], axis=1)
        reached = logaddexp(logaddexp(alpha_BS, one_BS), run["where"](may_skip_BS, two_BS, _NEVER))
        new_BS = maximum(reached + run["take_along_axis"](logp_BC, spelt_BS, axis=1), _NEVER)
        running_B1 = run["expand_dims"](t < run["cast"](output_length, "int32"), 1)
        return run["where"](running_B1, new_BS, alpha_BS), None

    steps = run["arange"](1, logp_TBC.shape[0], dtype="int32")
    alpha_BS = start_BS
    if logp_TBC.shape[0] > 1:
        alpha_BS, _ = run["scan"](step, start_BS, (logp_TBC[1:], steps))
    end_B1 = 2 * run["expand_dims"](run["cast"](target_length, "int32"), 1)
    at_blank = run["take_along_axis"](alpha_BS, end_B1, axis=1)[:, 0]
    at_label = run["take_along_axis"](alpha_BS, maximum(end_B1 - 1, 0), axis=1)[:, 0]
    both = run["where"](end_B1[:, 0] > 0, logaddexp(at_blank, at_label), at_blank)
    return run["where"](both < _NEVER / 2, float("inf"), -both)


def _decode_shape(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> Any:
    ranks = [len(shapes.of(inputs)), len(shapes.of(sequence_lengths))]
    expected = "inputs (batch, steps, classes) and sequence_lengths (batch,)"
    _check("ctc_decode", ranks == [3, 1], expected, inputs, sequence_lengths)
    if strategy not in ("greedy", "beam_search"):
        raise ValueError(f"ctc_decode: expected strategy to be 'greedy' or 'beam_search'; received {strategy!r}.")
    if strategy == "beam_search" and not 1 <= top_paths <= beam_width:
        raise ValueError(f"ctc_decode: expected top_paths from 1 to beam_width; received {top_paths} of {beam_width}.")
    paths = 1 if strategy == "greedy" else top_paths
    batch, steps, _ = shapes.of(inputs)
    return (
        KerasTensor((paths, batch, steps), "int32", record_history=False),
        KerasTensor((batch, paths), dtypes.of(inputs), record_history=False),
    )


@op(floating("inputs"), arrays=("sequence_lengths",), shape=_decode_shape, native=False)
def ctc_decode(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> Any:
    """Return the likeliest label sequences and their scores.

    Args:
        inputs: logits of shape (batch, steps, classes).
        sequence_lengths: how many of each row's steps count, of shape (batch,).
        strategy: `"greedy"` takes the likeliest class of every step, `"beam_search"` keeps `beam_width` sequences.
        beam_width: how many sequences are kept.
        top_paths: how many of them are returned.
        merge_repeated: whether equal classes in neighbouring steps count as one (greedy).
        mask_index: class number of the blank.

    Returns:
        Labels of shape (paths, batch, steps), filled up with -1, and scores of shape (batch, paths): logarithms of
        probabilities for `"beam_search"`, the negative sum of the greatest logits for `"greedy"`, as in Keras.

    Raises:
        ValueError: if the strategy is unknown or the shapes do not fit.

    >>> ops.ctc_decode([[[0.0, 9.0], [0.0, 9.0], [9.0, 0.0]]], [3])[0]
    [[[1, -1, -1]]]
    """
    _decode_shape(inputs, sequence_lengths, strategy, beam_width, top_paths)
    lengths = OPERATIONS["cast"](sequence_lengths, "int32")
    if strategy == "greedy":
        return _greedy(inputs, lengths, merge_repeated, mask_index)
    return _beam_search(inputs, lengths, beam_width, top_paths, mask_index)


def _greedy(inputs: Any, lengths: Any, merge_repeated: bool, blank: int) -> Any:
    run = OPERATIONS
    _, steps, _ = inputs.shape
    inside_BT = run["arange"](steps, dtype="int32") < run["expand_dims"](lengths, 1)
    best_BT = run["cast"](run["argmax"](inputs, axis=-1), "int32")
    score = -run["sum"](run["where"](inside_BT, run["max"](inputs, axis=-1), 0), axis=1, keepdims=True)
    kept_BT = run["logical_and"](inside_BT, best_BT != blank)
    if merge_repeated:
        first = run["ones_like"](best_BT[:, :1], dtype="bool")
        changed = run["concatenate"]([first, best_BT[:, 1:] != best_BT[:, :-1]], axis=1)
        kept_BT = run["logical_and"](kept_BT, changed)
    # what is kept comes first, in its order: a stable sort by whether it is dropped
    order = run["arange"](steps, dtype="int32") + run["where"](kept_BT, 0, steps)
    order = run["argsort"](order, axis=1)
    labels = run["take_along_axis"](run["where"](kept_BT, best_BT, -1), order, axis=1)
    return run["expand_dims"](labels, 0), score


def _beam_search(inputs: Any, lengths: Any, width: int, paths: int, blank: int) -> Any:
    """Search over prefixes; `ended` and `open` are the probabilities of those that end in a blank or in their label."""
    run = OPERATIONS
    dtype = dtypes.of(inputs)
    logp_TBC = run["transpose"](log_softmax(inputs, axis=-1), (1, 0, 2))
    steps, batch, classes = logp_TBC.shape
    is_blank = run["arange"](classes, dtype="int32") == blank
    first = run["arange"](width, dtype="int32") == 0
    ended_BW = run["broadcast_to"](run["cast"](run["where"](first, 0.0, _NEVER), dtype), (batch, width))
    open_BW = run["full"]((batch, width), _NEVER, dtype)
    labels_BWT = run["full"]((batch, width, steps), -1, "int32")
    sizes_BW = run["zeros"]((batch, width), "int32")
    place_T = run["arange"](steps, dtype="int32")

    def step(state: Any, now: Any) -> Any:
        labels, sizes, ended, opened = state
        logp_BC, t = now
        at_end = place_T == run["expand_dims"](sizes - 1, 2)
        last_BW = run["max"](run["where"](at_end, labels, -1), axis=2)
        known_last = maximum(last_BW, 0)
        total = logaddexp(ended, opened)
        stay_ended = total + logp_BC[:, blank : blank + 1]
        again = opened + run["take_along_axis"](logp_BC, known_last, axis=1)
        stay_open = run["where"](last_BW >= 0, again, _NEVER)
        repeats_BWC = run["expand_dims"](last_BW, 2) == run["arange"](classes, dtype="int32")
        from_BWC = run["where"](repeats_BWC, run["expand_dims"](ended, 2), run["expand_dims"](total, 2))
        longer_BWC = run["where"](is_blank, _NEVER, from_BWC + run["expand_dims"](logp_BC, 1))
        # a prefix that another beam is already, less its last label, is added to that beam
        shorter_BWT = run["where"](at_end, -1, labels)
        same_BVW = run["all"](run["expand_dims"](shorter_BWT, 2) == run["expand_dims"](labels, 1), axis=3)
        alive = run["logical_and"](run["expand_dims"](last_BW, 2) >= 0, run["expand_dims"](total, 1) > _NEVER / 2)
        same_BVW = run["logical_and"](same_BVW, alive)
        index_BVW = run["broadcast_to"](run["expand_dims"](known_last, 1), (batch, width, width))
        reached_BVW = run["swapaxes"](run["take_along_axis"](longer_BWC, index_BVW, axis=2), 1, 2)
        merged = run["max"](run["where"](same_BVW, reached_BVW, _NEVER), axis=2)
        stay_open = logaddexp(stay_open, merged)
        taken_BWC = run["any"](
            run["logical_and"](run["expand_dims"](same_BVW, 3), run["expand_dims"](repeats_BWC, 2)), axis=1
        )
        longer_BWC = run["where"](taken_BWC, _NEVER, longer_BWC)
        # the best of the prefixes that stay and of those that grew
        scores = run["concatenate"]([run["expand_dims"](logaddexp(stay_ended, stay_open), 2), longer_BWC], axis=2)
        _, best = run["top_k"](run["reshape"](scores, (batch, -1)), width)
        best = run["cast"](best, "int32")
        parent, choice = best // (classes + 1), best % (classes + 1) - 1
        grows = choice >= 0
        flat = run["reshape"](longer_BWC, (batch, -1))
        grown = run["take_along_axis"](flat, parent * classes + maximum(choice, 0), axis=1)
        of_parent = {
            "ended": run["take_along_axis"](stay_ended, parent, axis=1),
            "open": run["take_along_axis"](stay_open, parent, axis=1),
            "sizes": run["take_along_axis"](sizes, parent, axis=1),
        }
        parents_BWT = run["broadcast_to"](run["expand_dims"](parent, 2), (batch, width, steps))
        kept_BWT = run["take_along_axis"](labels, parents_BWT, axis=1)
        at_new = run["logical_and"](place_T == run["expand_dims"](of_parent["sizes"], 2), run["expand_dims"](grows, 2))
        new = (
            run["where"](at_new, run["expand_dims"](choice, 2), kept_BWT),
            of_parent["sizes"] + run["cast"](grows, "int32"),
            maximum(run["where"](grows, _NEVER, of_parent["ended"]), _NEVER),
            maximum(run["where"](grows, grown, of_parent["open"]), _NEVER),
        )
        running_B1 = run["expand_dims"](t < lengths, 1)
        running = (run["expand_dims"](running_B1, 2), running_B1, running_B1, running_B1)
        return tuple(run["where"](r, n, o) for r, n, o in zip(running, new, state, strict=True)), None

    state = (labels_BWT, sizes_BW, ended_BW, open_BW)
    (labels, _, ended, opened), _ = run["scan"](step, state, (logp_TBC, run["arange"](steps, dtype="int32")))
    scores, best = run["top_k"](logaddexp(ended, opened), paths)
    index = run["broadcast_to"](run["expand_dims"](run["cast"](best, "int32"), 2), (batch, paths, steps))
    return run["transpose"](run["take_along_axis"](labels, index, axis=1), (1, 0, 2)), scores
