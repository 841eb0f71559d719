"""Networks that others trained, built from tahr's layers, and their weights in the order of the layers."""

import json
from pathlib import Path
from typing import Any

import numpy as np

import tahr as keras
from tahr import layers, ops

Weights = dict[str, np.ndarray]

# ---- g2p: how English words are spoken (Park, Kim: g2p_en, Apache-2.0) ---

_VOWELS = ["AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"]
_OTHERS = [
    "B",
    "CH",
    "D",
    "DH",
    "F",
    "G",
    "HH",
    "JH",
    "K",
    "L",
    "M",
    "N",
    "NG",
    "P",
    "R",
    "S",
    "SH",
    "T",
    "TH",
    "UW",
    "V",
    "W",
    "Y",
    "Z",
    "ZH",
]
PHONEMES = ["<pad>", "<unk>", "<s>", "</s>", *sorted([v + str(n) for v in _VOWELS for n in range(3)] + _OTHERS)]
LETTERS = ["<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz"]


def gru_weights(w_ih: np.ndarray, w_hh: np.ndarray, b_ih: np.ndarray, b_hh: np.ndarray) -> list[np.ndarray]:
    """Return PyTorch's weights (gates reset, update, new) in Keras's order (update, reset, new)."""

    def order(w: np.ndarray) -> np.ndarray:
        r, z, n = np.split(w, 3)
        return np.concatenate([z, r, n])

    return [order(w_ih).T, order(w_hh).T, np.stack([order(b_ih), order(b_hh)])]


class Speaker(keras.Model):
    """A GRU that reads letters, and one that says phonemes."""

    def __init__(self, weights: Weights):
        super().__init__()
        w = {k: v.astype("float32") for k, v in weights.items()}
        self.letters = layers.Embedding(29, 256, weights=[w["enc_emb"]])
        self.phonemes = layers.Embedding(74, 256, weights=[w["dec_emb"]])
        self.reader, self.talker = layers.GRU(256), layers.GRU(256, return_state=True)
        self.score = layers.Dense(74)
        for layer, name in ((self.reader, "enc"), (self.talker, "dec")):
            layer.build((1, None, 256))
            layer.set_weights(gru_weights(*(w[f"{name}_{part}"] for part in ("w_ih", "w_hh", "b_ih", "b_hh"))))
        self.score.build((1, 256))
        self.score.set_weights([w["fc_w"].T, w["fc_b"]])

    def read(self, word: str) -> Any:
        ids = np.array([[LETTERS.index(a) for a in word] + [LETTERS.index("</s>")]])
        return self.reader(self.letters(ids))

    def say(self, word: str) -> list[str]:
        state, last, said = self.read(word), PHONEMES.index("<s>"), []
        for _ in range(20):
            outputs, state = self.talker(self.phonemes(np.array([[last]])), initial_state=state)
            last = int(np.argmax(ops.convert_to_numpy(self.score(outputs))))
            if PHONEMES[last] == "</s>":
                break
            said.append(PHONEMES[last])
        return said


# ---- EfficientNet-Lite0 (Tan, Le; weights by ML Illustrated, Apache-2.0) ---

BLOCKS = ((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4),
          (3, 1, 6, 320, 1))  # fmt: skip


def efficientnet_lite0(weights: Weights) -> Any:
    """Return a classifier of images of 224 x 224 with values from -1 to 1."""
    given: list[np.ndarray] = []

    def normal(x: Any, name: str) -> Any:
        given.extend(weights[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var"))
        return layers.BatchNormalization(epsilon=1e-3)(x)

    def conv(x: Any, filters: int, size: int, strides: int, name: str) -> Any:
        given.append(weights[f"{name}.weight"].transpose(2, 3, 1, 0))
        return layers.Conv2D(filters, size, strides, "same", use_bias=False)(x)

    def bounded(x: Any) -> Any:
        return layers.ReLU(6.0)(x)

    x = image = keras.Input((224, 224, 3))
    x = bounded(normal(conv(x, 32, 3, 2, "_conv_stem"), "_bn0"))
    number = 0
    for size, first_stride, widening, filters, repeats in BLOCKS:
        for i in range(repeats):
            name, strides, start = f"_blocks.{number}", first_stride if i == 0 else 1, x
            number += 1
            if widening > 1:
                x = bounded(normal(conv(x, x.shape[-1] * widening, 1, 1, f"{name}._expand_conv"), f"{name}._bn0"))
            given.append(weights[f"{name}._depthwise_conv.weight"].transpose(2, 3, 0, 1))
            x = layers.DepthwiseConv2D(size, strides, "same", use_bias=False)(x)
            x = normal(conv(bounded(normal(x, f"{name}._bn1")), filters, 1, 1, f"{name}._project_conv"), f"{name}._bn2")
            if i > 0:
                x = layers.Add()([x, start])
    x = layers.GlobalAveragePooling2D()(bounded(normal(conv(x, 1280, 1, 1, "_conv_head"), "_bn1")))
    model = keras.Model(image, layers.Dense(1000)(x))
    model.set_weights([*given, weights["_fc.weight"].T, weights["_fc.bias"]])
    return model


def photo(path: Path) -> np.ndarray:
    """Return the middle of a photo as the network expects it."""
    from PIL import Image

    image = Image.open(path).convert("RGB")
    edge = int(min(image.size) * 0.875)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    image = image.crop((left, top, left + edge, top + edge)).resize((224, 224), Image.Resampling.BICUBIC)
    return (np.asarray(image, "float32") - 127) / 128


# ---- MiniLM: a BERT encoder of sentences (Wang et al.; sentence-transformers, MIT) ---


def safetensors(path: Path) -> Weights:
    """Return the arrays of a safetensors file of 32-bit numbers."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    table = json.loads(data[8 : 8 + size])
    kinds = {"F32": "<f4", "I64": "<i8"}
    return {
        name: np.frombuffer(
            data[8 + size + about["data_offsets"][0] : 8 + size + about["data_offsets"][1]], kinds[about["dtype"]]
        ).reshape(about["shape"])  # fmt: skip
        for name, about in table.items()
        if name != "__metadata__"
    }


class MiniLM(keras.Model):
    """Six blocks of attention and two dense layers; the mean of the tokens' vectors, of length 1, is the sentence's."""

    def __init__(self, weights: Weights):
        super().__init__()
        self.words, self.places = layers.Embedding(30522, 384, mask_zero=True), layers.Embedding(512, 384)
        self.kind = layers.Embedding(2, 384)
        self.norms = [layers.LayerNormalization(epsilon=1e-12) for _ in range(13)]
        self.attentions = [layers.MultiHeadAttention(12, 32) for _ in range(6)]
        self.wide = [layers.Dense(1536, activation="gelu") for _ in range(6)]
        self.narrow = [layers.Dense(384) for _ in range(6)]
        self(np.array([[101, 102]]))
        self._take(weights)

    def _take(self, w: Weights) -> None:
        for layer, name in ((self.words, "word"), (self.places, "position"), (self.kind, "token_type")):
            layer.set_weights([w[f"embeddings.{name}_embeddings.weight"]])
        names = ["embeddings.LayerNorm"]
        for i in range(6):
            start = f"encoder.layer.{i}"
            names += [f"{start}.attention.output.LayerNorm", f"{start}.output.LayerNorm"]
            parts: list[np.ndarray] = []
            for part in ("query", "key", "value"):
                weight, bias = (w[f"{start}.attention.self.{part}.{kind}"] for kind in ("weight", "bias"))
                parts += [weight.T.reshape(384, 12, 32), bias.reshape(12, 32)]
            weight, bias = (w[f"{start}.attention.output.dense.{kind}"] for kind in ("weight", "bias"))
            self.attentions[i].set_weights([*parts, weight.T.reshape(12, 32, 384), bias])
            for layer, part in ((self.wide[i], "intermediate"), (self.narrow[i], "output")):
                layer.set_weights([w[f"{start}.{part}.dense.weight"].T, w[f"{start}.{part}.dense.bias"]])
        for layer, name in zip(self.norms, names, strict=True):
            layer.set_weights([w[f"{name}.weight"], w[f"{name}.bias"]])

    def call(self, ids: Any) -> Any:
        x = self.words(ids) + self.places(ops.arange(ids.shape[1])) + self.kind(ops.zeros_like(ids))
        there = ops.not_equal(ids, 0)
        x = self.norms[0](x)
        for i in range(6):
            attended = self.attentions[i](x, x, attention_mask=ops.expand_dims(there, 1))
            x = self.norms[2 * i + 1](x + attended)
            x = self.norms[2 * i + 2](x + self.narrow[i](self.wide[i](x)))
        weights = ops.expand_dims(ops.cast(there, x.dtype), -1)
        mean = ops.sum(x * weights, 1) / ops.sum(weights, 1)
        return ops.normalize(mean, axis=-1)


def minilm_reference(w: Weights, ids: np.ndarray) -> np.ndarray:
    """Return the vector of one sentence without padding, in double precision."""
    from scipy.special import erf

    w = {k: v.astype("float64") for k, v in w.items() if v.dtype.kind == "f"}

    def dense(x: np.ndarray, name: str) -> np.ndarray:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def normal(x: np.ndarray, name: str) -> np.ndarray:
        spread = np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return (x - x.mean(-1, keepdims=True)) / spread * w[f"{name}.weight"] + w[f"{name}.bias"]

    table = {n: w[f"embeddings.{n}_embeddings.weight"] for n in ("word", "position", "token_type")}
    x = normal(table["word"][ids] + table["position"][: len(ids)] + table["token_type"][0], "embeddings.LayerNorm")
    for i in range(6):
        start = f"encoder.layer.{i}"
        q, k, v = (dense(x, f"{start}.attention.self.{n}").reshape(-1, 12, 32) for n in ("query", "key", "value"))
        scores = np.einsum("tnh,snh->nts", q, k) / np.sqrt(32)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        heads = np.einsum("nts,snh->tnh", scores / scores.sum(-1, keepdims=True), v).reshape(-1, 384)
        x = normal(x + dense(heads, f"{start}.attention.output.dense"), f"{start}.attention.output.LayerNorm")
        inner = dense(x, f"{start}.intermediate.dense")
        inner = 0.5 * inner * (1 + erf(inner / np.sqrt(2)))
        x = normal(x + dense(inner, f"{start}.output.dense"), f"{start}.output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)
