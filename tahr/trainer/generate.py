"""`generate`: tokens one after the other from a causal model, many a dispatch, with the keys and values kept."""

from typing import Any

import numpy as np

from tahr import backends, ops
from tahr.layers.decoding import Decoding, decoding
from tahr.trainer.session import Session, session_of

__all__ = ["generate"]

ROOM, PROMPT = 64, 16  # lengths are rounded up to whole multiples, so that a few programs serve all of them
LOOK = 32  # tokens a dispatch where the end of all texts may come early
CLOSE = {"float16": 0.05, "bfloat16": 0.1}  # how far outputs token by token may be from those at once; else 1e-3


def generate(
    model: Any, prompt: Any, length: int, temperature: float, top_k: int | None, seed: int | None, end_token: int | None
) -> np.ndarray:
    """Continue texts, see `Model.generate`."""
    tokens = _checked(prompt, length, temperature, top_k)
    batch, given = tokens.shape
    if length <= given:
        return tokens[:, :length]
    session = session_of(model)
    room = -(-length // ROOM) * ROOM
    _check_model(session, tokens)
    padded = np.zeros((batch, min(length, -(-given // PROMPT) * PROMPT)), "int32")
    padded[:, :given] = tokens
    engine, text = session.engine, np.zeros((batch, room), "int32")
    text[:, :given] = tokens
    seeds = np.array([np.random.default_rng(seed).integers(2**32), 0], "uint32")
    with session.lock, engine.no_grad():
        values = [v._value for v in session.of["predict"]]
        scores, caches = _first(session, room)(values, engine.tensor(padded), *engine.scalars((given,)))
        state = [*map(engine.tensor, (text, np.zeros(batch, "bool"), seeds)), scores, *caches]
        steps = _steps(session, room, temperature, top_k, end_token)
        at = given
        while at < length:
            stop = length if end_token is None else min(length, at + LOOK)
            state = list(steps(values, state, *engine.scalars((at, stop)))[0])
            at = stop
            if end_token is not None and bool(np.all(engine.to_numpy(state[1]))):
                break
    text = np.array(engine.to_numpy(state[0]))[:, :length]
    if at < length and end_token is not None:
        text[:, at:] = end_token
    return text


def _checked(prompt: Any, length: int, temperature: float, top_k: int | None) -> np.ndarray:
    tokens = np.asarray(prompt)
    if tokens.ndim not in (1, 2) or tokens.dtype.kind not in "iu" or not tokens.size:
        raise ValueError(
            "generate: expected the prompt to be tokens, whole numbers of shape (length,) or (batch, length), at least "
            f"one; received shape {tokens.shape} of {tokens.dtype}."
        )
    for name, value in (("length", length), ("top_k", top_k)):
        if (value is not None or name == "length") and (not isinstance(value, int) or value < 1):
            raise ValueError(f"generate: expected {name} to be a whole number >= 1; received {value!r}.")
    if not temperature >= 0:
        raise ValueError(f"generate: expected temperature >= 0; received {temperature!r}.")
    return np.atleast_2d(tokens).astype("int32")


def _forward(model: Any, tokens: Any, scope: Decoding | None) -> Any:
    """Return the scores for each place; the inputs of a graph may have been made for texts of one length."""
    run = model if model._function is None else lambda x, training: model._function.run([x])
    if scope is None:
        return run(tokens, training=False)
    with decoding(scope):
        return run(tokens, training=False)


def _first(session: Session, room: int) -> Any:
    """Return the compiled function of the prompt to the scores behind it and the caches."""

    def run(values: list[Any], tokens: Any, count: Any) -> Any:
        scope = Decoding(0, room)
        scores = session._scoped("predict", values, lambda model: _forward(model, tokens, scope))[1]
        return ops.take(scores, count - 1, axis=1), scope.after

    return _kept(session, ("prompt", room), run)


def _steps(session: Session, room: int, temperature: float, top_k: int | None, end_token: int | None) -> Any:
    """Return the compiled function that writes the tokens from one place up to another."""
    engine = backends.current()

    def step(values: list[Any], at: Any, state: list[Any]) -> tuple[list[Any], None]:
        text, done, seeds, scores, *caches = state
        now, seeds = engine.split_seed(seeds) if temperature else (None, seeds)
        token = _pick(scores, now, temperature, top_k)
        if end_token is not None:
            token = ops.where(done, end_token, token)
            done = ops.logical_or(done, token == end_token)
        token = ops.expand_dims(token, 1)
        scope = Decoding(at, room, caches)
        new = session._scoped("predict", values, lambda model: _forward(model, token, scope))[1]
        return [ops.slice_update(text, (0, at), token), done, seeds, new[:, 0], *scope.after], None

    def run(values: list[Any], state: list[Any], start: Any, stop: Any) -> Any:
        return engine.repeat(lambda i, s: step(values, i, s), state, start, stop)

    return _kept(session, ("tokens", room, temperature, top_k, end_token), run, donate=(1,))


def _pick(scores: Any, seed: Any, temperature: float, top_k: int | None) -> Any:
    """Return a token for each row: the likeliest, or one drawn by Gumbel's trick."""
    if temperature == 0:
        return ops.cast(ops.argmax(scores, axis=-1), "int32")
    scores = ops.cast(scores, "float32")
    given = ops.logical_and(ops.all(scores >= 0, -1), ops.abs(ops.sum(scores, -1) - 1) < 1e-2)  # a softmax's
    logits = ops.where(ops.expand_dims(given, -1), ops.log(ops.maximum(scores, 1e-30)), scores) / temperature
    if top_k is not None:
        logits = ops.where(logits < ops.top_k(logits, top_k)[0][:, -1:], -1e30, logits)
    uniform = backends.current().random_uniform(seed, tuple(scores.shape), "float32")
    return ops.cast(ops.argmax(logits - ops.log(-ops.log(uniform + 1e-20) + 1e-20), axis=-1), "int32")


def _kept(session: Session, key: Any, run: Any, donate: Any = ()) -> Any:
    """Return the compiled function that the session has under a key."""
    found = session._functions.get(("generate", key))
    if found is None:
        found = session._functions["generate", key] = run if session.eager else session.engine.compile(run, donate)
    return found


def _check_model(session: Session, tokens: np.ndarray) -> None:
    """Compare three tokens at once with two and then one.

    Raises:
        ValueError: if the outputs differ, since then the model cannot be run token by token.
    """
    if ("generate", "checked") in session._functions:
        return
    engine, model = session.engine, session.model
    three = engine.tensor(np.resize(tokens[:1], (1, 3)).astype("int32"))

    def run(values: list[Any], tokens: Any) -> Any:
        def compare(model: Any) -> Any:
            first, then = Decoding(0, 4), Decoding(2, 4)
            whole = _forward(model, tokens, None)
            _forward(model, tokens[:, :2], first)
            then.before = first.after
            return whole[:, 2], _forward(model, tokens[:, 2:], then)[:, 0], len(first.after)

        return session._scoped("predict", values, compare)[1]

    try:
        with session.lock, engine.no_grad():
            whole, last, _ = engine.compile(run)([v._value for v in session.of["predict"]], three)
    except (ValueError, TypeError, IndexError) as error:
        raise ValueError(f"generate: {model.name} cannot be run on one token at a time. {HOW}") from error
    whole, last = (np.asarray(engine.to_numpy(x), "float32") for x in (whole, last))
    close = CLOSE.get(model.compute_dtype, 1e-3)
    if not np.allclose(whole, last, rtol=close, atol=close * np.abs(whole).max()):
        raise ValueError(f"generate: {model.name} gives other outputs token by token than for a text as a whole. {HOW}")
    session._functions["generate", "checked"] = True


HOW = (
    "Each place may look at others only through MultiHeadAttention or GroupQueryAttention called with "
    "use_causal_mask=True, and what depends on places has to add keras.utils.first_place() to them."
)
