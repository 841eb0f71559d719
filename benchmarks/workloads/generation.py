"""Continuing a text token by token with the decoder of the `gpt` workload: keys and values kept, the likeliest token.

Keras has no cache in its attention layers, so each of its tokens is a forward pass over the whole text, compiled for
its full length.
"""

from typing import Any

import numpy as np

from workloads.base import Bar, Repeated, Workload
from workloads.sequences import DEPTH, HEADS, WIDTH, transformer_jax, transformer_keras, transformer_torch

LENGTH, GIVEN = 256, 16
PROMPT = np.arange(GIVEN, dtype="int32")[None]
KERAS = ("keras_jax", "keras_torch", "keras_tensorflow")
KERAS_TOKENS = 24  # of which the time is that of any others, since all are passes over the whole length


class Tahr(Repeated):
    """`model.generate` from a prompt to the full length."""

    steps = LENGTH - GIVEN

    def build(self) -> None:
        import tahr

        self.model = transformer_keras(tahr, LENGTH, True)

    def units(self, count: int) -> None:
        for _ in range(count):
            self.text = self.model.generate(PROMPT, LENGTH)

    def facts(self) -> dict[str, Any]:
        return {"parameters": self.model.count_params(), "shape": list(self.text.shape)}


class Keras(Tahr):
    """A compiled pass over the padded text for each token."""

    steps = KERAS_TOKENS

    def build(self) -> None:
        import keras

        self.model = transformer_keras(keras, LENGTH, True)

    def units(self, count: int) -> None:
        for _ in range(count):
            self.text = np.zeros((1, LENGTH), "int32")
            self.text[:, :GIVEN] = PROMPT
            for at in range(GIVEN, GIVEN + KERAS_TOKENS):
                scores = self.model.predict_on_batch(self.text)
                self.text[:, at] = np.asarray(scores[:, at - 1]).argmax(-1)


def decode_jax(params: Any, tokens: Any, at: Any, cache: Any) -> Any:
    """Return the scores behind tokens (batch, count) that begin at a place, and the cache; as `transformer_jax`."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    from workloads.by_hand import Parameters
    from workloads.sequences import VOCABULARY

    p, (batch, count) = Parameters(params), tokens.shape
    x, kept = p.table(VOCABULARY, WIDTH)[tokens], []
    size = WIDTH // HEADS
    seen = jnp.arange(LENGTH)[None] <= at + jnp.arange(count)[:, None]
    for keys, values in cache:
        q, k, v = (p.dense(x, WIDTH).reshape(batch, count, HEADS, size).swapaxes(1, 2) for _ in range(3))
        keys, values = (lax.dynamic_update_slice(old, new, (0, 0, at, 0)) for old, new in ((keys, k), (values, v)))
        kept.append((keys, values))
        scores = jnp.where(seen, q @ keys.swapaxes(2, 3) / size**0.5, -1e30)
        attended = (jax.nn.softmax(scores) @ values).swapaxes(1, 2).reshape(x.shape)
        x = p.layer_norm(x + p.dense(attended, WIDTH))
        x = p.layer_norm(x + p.dense(jax.nn.gelu(p.dense(x, 4 * WIDTH), approximate=False), WIDTH))
    return p.dense(x, VOCABULARY), kept


class Jax(Repeated):
    """The prompt at once, then one token a dispatch, or all of them in one loop."""

    steps = LENGTH - GIVEN

    def __init__(self, several: bool) -> None:
        self.several = several

    def build(self) -> None:
        import jax
        import jax.numpy as jnp
        from jax import lax

        params, _ = transformer_jax(LENGTH, True)
        self.parameters = sum(leaf.size for leaf in params)
        self.params = [jnp.asarray(x) for x in params]

        def first(params: Any, tokens: Any) -> Any:
            empty = jnp.zeros((1, HEADS, LENGTH, WIDTH // HEADS))
            scores, cache = decode_jax(params, tokens, 0, [(empty, empty)] * DEPTH)
            return jnp.argmax(scores[:, -1:], -1).astype("int32"), cache

        def step(params: Any, token: Any, at: Any, cache: Any) -> Any:
            scores, cache = decode_jax(params, token, at, cache)
            return jnp.argmax(scores, -1).astype("int32"), cache

        def loop(params: Any, token: Any, cache: Any) -> Any:
            def body(carry: Any, at: Any) -> Any:
                return step(params, carry[0], at, carry[1]), carry[0]

            return lax.scan(body, (token, cache), jnp.arange(GIVEN, LENGTH))

        self.first, self.step = jax.jit(first), jax.jit(step, donate_argnums=3)
        self.loop = jax.jit(loop, donate_argnums=2)

    def units(self, count: int) -> None:
        for _ in range(count):
            token, cache = self.first(self.params, PROMPT)
            if self.several:
                found = np.asarray(self.loop(self.params, token, cache)[1])[:, :, 0].T
            else:
                tokens = []
                for at in range(GIVEN, LENGTH):
                    tokens.append(token)
                    token, cache = self.step(self.params, token, np.int32(at), cache)
                found = np.concatenate([np.asarray(t) for t in tokens], 1)
            self.text = np.concatenate([PROMPT, found], 1)

    def facts(self) -> dict[str, Any]:
        return {"parameters": self.parameters, "shape": list(self.text.shape)}


class Torch(Repeated):
    """Eager, with the layers' own weights and caches that are written in place."""

    steps = LENGTH - GIVEN

    def build(self) -> None:
        self.network = transformer_torch(LENGTH, True).eval()

    def units(self, count: int) -> None:
        import torch

        size = WIDTH // HEADS
        with torch.inference_mode():
            for _ in range(count):
                empty = (torch.zeros(1, HEADS, LENGTH, size), torch.zeros(1, HEADS, LENGTH, size))
                cache = [tuple(x.clone() for x in empty) for _ in range(DEPTH)]
                text = torch.zeros((1, LENGTH), dtype=torch.long)
                text[:, :GIVEN] = torch.from_numpy(PROMPT)
                begin = 0
                for at in range(GIVEN, LENGTH):
                    text[:, at] = self.scores(text[:, begin:at], begin, cache)[:, -1].argmax(-1)
                    begin = at
                self.text = text.numpy()

    def scores(self, tokens: Any, at: int, cache: Any) -> Any:
        from torch.nn import functional

        x = self.network.table(tokens)
        batch, count = tokens.shape
        for layer, (keys, values) in zip(self.network.body.layers, cache, strict=True):
            joined = functional.linear(x, layer.self_attn.in_proj_weight, layer.self_attn.in_proj_bias)
            q, k, v = joined.view(batch, count, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
            keys[:, :, at : at + count], values[:, :, at : at + count] = k, v
            seen = keys[:, :, : at + count], values[:, :, : at + count]
            attended = functional.scaled_dot_product_attention(q, *seen, is_causal=count > 1)
            x = layer.norm1(x + layer.self_attn.out_proj(attended.transpose(1, 2).reshape(x.shape)))
            x = layer.norm2(x + layer.linear2(functional.gelu(layer.linear1(x))))
        return self.network.out(x)

    def facts(self) -> dict[str, Any]:
        return {"parameters": sum(p.numel() for p in self.network.parameters()), "shape": list(self.text.shape)}


def runner(peer: Any) -> Any:
    if peer.module:
        return Tahr() if peer.module == "tahr" else Keras()
    return Torch() if peer.backend == "torch" else Jax(peer.name == "jax_scan")


WORKLOADS = (
    Workload(
        name="generation",
        title="generation: GPT-like decoder, 4 layers of 256, one text from 16 to 256 tokens",
        unit="ms a token",
        scale=1e3,
        peers=(
            *("tahr_jax", "tahr_torch", *KERAS),
            *("jax_loop", "jax_scan", "torch"),
        ),
        runner=runner,
        bars=(
            *(Bar(f"3 x as fast as {name}", "tahr_jax", 1 / 3, name) for name in KERAS),
            Bar("1.2 x as fast as raw torch eager", "tahr_jax", 1 / 1.2, "torch"),
            Bar("as fast as JAX by hand, all tokens a dispatch", "tahr_jax", 1.0, "jax_scan"),
        ),
    ),
)
