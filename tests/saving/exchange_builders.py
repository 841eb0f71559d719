"""Models by name, built with whatever package is called `keras`: the same text makes them here and there."""


def sequential(keras):
    layers = keras.layers
    return keras.Sequential([keras.Input((4,)), layers.Dense(6, activation="relu"), layers.Dense(2, name="last")])


def functional(keras):
    layers = keras.layers
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    joined = layers.Concatenate()([layers.Dense(3, name="left")(a), b])
    tower = layers.Dense(6, activation="tanh", name="tower")
    return keras.Model([a, b], layers.Dense(2)(layers.Add()([tower(joined), tower(2.0 * joined)])))


def nested(keras):
    layers = keras.layers
    x = keras.Input((4,))
    encoder = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="inner")], name="encoder")
    start = keras.Input((4,))
    head = keras.Model(start, [layers.Dense(2, name="left")(start), layers.Dense(2, name="right")(start)], name="head")
    left, right = head(encoder(x))
    return keras.Model(x, left * right + head(x)[0])


def lstm(keras):
    layers = keras.layers
    x = keras.Input((5,), dtype="int32")
    y = layers.Embedding(9, 4, mask_zero=True)(x)
    y = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(y)
    return keras.Model(x, layers.Dense(2)(layers.GRU(4)(y)))


def batch_normalization(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(3, 3),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


def operations(keras):
    layers, ops = keras.layers, keras.ops
    x = keras.Input((6,))
    y = layers.Dense(6)(x)
    low, high = ops.split(ops.tanh(y) * 2.0 + ops.mean(y, axis=-1, keepdims=True), 2, axis=-1)
    y = ops.concatenate([low - high, ops.maximum(low, 0.1)], axis=-1)[:, 1:, None]
    y = ops.where(y > 0, y, 1 - abs(y) / 2)
    y = ops.einsum("bij,bkj->bik", y, ops.reshape(ops.transpose(y, (0, 2, 1)), (-1, 5, 1)))
    return keras.Model(x, ops.pad(ops.sum(y, axis=1)[:, :1], ((0, 0), (0, 1))))


def layered(keras):
    layers = keras.layers
    a, b = keras.Input((4, 2), name="a"), keras.Input((3,), name="b")
    start = keras.Input((3,))
    head = keras.Model(start, layers.Dense(3, name="inner")(start), name="head")
    tower = layers.Dense(3, name="tower")
    y = layers.Add()([tower(layers.LSTM(3)(a)), tower(head(b))])
    return keras.Model([a, b], layers.Dense(2)(y))


def mixed(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(6, activation="gelu"),
            layers.LayerNormalization(),
            layers.Dropout(0.0),
            layers.Dense(4, dtype="bfloat16"),
            layers.Dense(2, dtype="float32"),
        ]
    )


def attention(keras):
    layers = keras.layers
    x = keras.Input((5, 4))
    y = layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)
    y = layers.LayerNormalization()(layers.Add()([x, y]))
    y = layers.Attention(use_scale=True)([y, x])
    return keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling1D()(y)))


def grouped_attention(keras):
    layers = keras.layers
    x = keras.Input((5, 4))
    y = layers.GroupQueryAttention(4, 4, 2)(x, x)
    y = layers.AdditiveAttention()([y, x])
    return keras.Model(x, layers.Dense(2)(layers.GlobalMaxPooling1D()(y)))


def separable(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.SeparableConv2D(4, 3, padding="same", activation="relu"),
            layers.DepthwiseConv2D(2, depth_multiplier=2),
            layers.Conv2DTranspose(3, 2, strides=2),
            layers.AveragePooling2D(2),
            layers.GlobalMaxPooling2D(),
            layers.Dense(2),
        ]
    )


def convolutions_1d(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((12, 3)),
            layers.Conv1D(4, 3, padding="causal", dilation_rate=2),
            layers.SeparableConv1D(4, 2),
            layers.DepthwiseConv1D(2),
            layers.Conv1DTranspose(3, 2),
            layers.MaxPooling1D(2),
            layers.ZeroPadding1D(1),
            layers.Cropping1D(1),
            layers.UpSampling1D(2),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


def convolutions_3d(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((4, 5, 4, 2)),
            layers.Conv3D(3, 2, padding="same"),
            layers.MaxPooling3D(2),
            layers.Conv3DTranspose(2, 2),
            layers.GlobalAveragePooling3D(),
            layers.Dense(2),
        ]
    )


def padded(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((5, 6, 2)),
            layers.ZeroPadding2D(((1, 2), (0, 1))),
            layers.Cropping2D(1),
            layers.UpSampling2D(2, interpolation="bilinear"),
            layers.Conv2D(3, 2, strides=2, groups=1, activation="elu"),
            layers.Permute((3, 1, 2)),
            layers.Reshape((-1, 3)),
            layers.GlobalAveragePooling1D(),
            layers.Dense(2),
        ]
    )


def conv_lstm(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((3, 5, 5, 2)),
            layers.ConvLSTM2D(3, 2, padding="same", return_sequences=True),
            layers.TimeDistributed(layers.Conv2D(2, 2)),
            layers.ConvLSTM2D(2, 2),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


def cells(keras):
    layers = keras.layers
    x = keras.Input((6, 3))
    y = layers.RNN([layers.LSTMCell(4), layers.GRUCell(3, reset_after=False)], return_sequences=True)(x)
    y = layers.Bidirectional(layers.SimpleRNN(3, return_sequences=True), merge_mode="ave")(y)
    return keras.Model(x, layers.Dense(2)(layers.GRU(3, go_backwards=True)(y)))


def states(keras):
    layers = keras.layers
    x, z = keras.Input((5, 3)), keras.Input((4, 3))
    _, *state = layers.LSTM(4, return_state=True)(x)
    return keras.Model([x, z], layers.Dense(2)(layers.LSTM(4)(z, initial_state=state)))


def masked(keras):
    layers = keras.layers
    x = keras.Input((6, 3))
    y = layers.Masking(0.0)(x)
    y = layers.LSTM(4, return_sequences=True)(y)
    return keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling1D()(y)))


def normalized(keras):
    layers = keras.layers
    x = keras.Input((4, 6))
    y = layers.GroupNormalization(2)(x)
    y = layers.RMSNormalization()(y)
    y = layers.UnitNormalization()(layers.Dense(5, kernel_constraint="max_norm")(y))
    y = layers.Dense(4)(layers.Flatten()(y))
    return keras.Model(x, layers.Dense(2, kernel_regularizer=keras.regularizers.L1L2(0.01, 0.02))(y))


def spectral(keras):
    layers = keras.layers
    x = keras.Input((4, 6))
    y = layers.SpectralNormalization(layers.Conv1D(5, 2), power_iterations=2)(x)
    y = layers.SpectralNormalization(layers.Dense(4))(layers.Flatten()(y))
    return keras.Model(x, layers.Dense(2)(y))


def activated(keras):
    layers = keras.layers
    x = keras.Input((6,))
    parts = [
        layers.LeakyReLU(0.2)(x),
        layers.PReLU()(x),
        layers.ELU(0.5)(x),
        layers.ReLU(6.0, 0.1, 0.2)(x),
        layers.Softmax()(x),
        layers.Activation("mish")(x),
        layers.Activation("hard_sigmoid")(x),
    ]
    return keras.Model(x, layers.Dense(2, activation="softplus")(layers.Concatenate()(parts)))


def merged(keras):
    layers = keras.layers
    a, b = keras.Input((4,)), keras.Input((4,))
    parts = [
        layer([a, b])
        for layer in (
            layers.Add(),
            layers.Subtract(),
            layers.Multiply(),
            layers.Average(),
            layers.Maximum(),
            layers.Minimum(),
        )
    ]
    dot = layers.Dot(1, normalize=True)([a, b])
    return keras.Model([a, b], layers.Dense(2)(layers.Concatenate()([*parts, dot])))


def einsum(keras):
    layers = keras.layers
    x = keras.Input((5, 4))
    y = layers.EinsumDense("abc,cd->abd", (None, 6), bias_axes="d", activation="relu")(x)
    y = layers.EinsumDense("abd,de->abe", (None, 3))(y)
    return keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling1D()(y)))


def shared_model(keras):
    layers = keras.layers
    inner = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4, activation="tanh"), layers.BatchNormalization()], name="inner"
    )
    a, b = keras.Input((4,)), keras.Input((4,))
    return keras.Model([a, b], layers.Dense(2)(layers.Concatenate()([inner(a), inner(b), inner(inner(a))])))


def frozen(keras):
    layers = keras.layers
    base = keras.Sequential(
        [keras.Input((4,)), layers.BatchNormalization(), layers.Dense(4), layers.Dense(4)], name="base"
    )
    base.layers[1].trainable = False
    x = keras.Input((4,))
    return keras.Model(x, layers.Dense(2)(base(x)))


def lookups(keras):
    layers = keras.layers
    x = keras.Input((3,))
    y = layers.Rescaling(0.5, 0.1)(layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0])(x))
    z = layers.CategoryEncoding(5, output_mode="multi_hot")(layers.Discretization([-1.0, 0.0, 0.5, 1.0])(x))
    return keras.Model(x, layers.Dense(2)(layers.Concatenate()([y, z])))


def functions(keras):
    layers, ops = keras.layers, keras.ops
    x = keras.Input((4, 3))
    y = ops.softmax(ops.matmul(x, ops.transpose(x, (0, 2, 1))), axis=-1) @ x
    y = ops.logsumexp(ops.stack([y, ops.cumsum(y, axis=1), ops.clip(y, -1.0, 1.0)], axis=1), axis=1)
    y = ops.flip(y, axis=1)
    y = ops.expand_dims(ops.max(y, axis=1), 1) ** 2 + ops.sqrt(ops.abs(ops.mean(y, axis=1, keepdims=True)) + 1.0)
    return keras.Model(x, layers.Dense(2)(ops.squeeze(ops.repeat(y, 2, axis=-1), 1)))


SHAPES = {
    "functional": [(4,), (3,)],
    "batch_normalization": [(6, 6, 2)],
    "operations": [(6,)],
    "layered": [(4, 2), (3,)],
    "attention": [(5, 4)],
    "grouped_attention": [(5, 4)],
    "separable": [(8, 8, 3)],
    "convolutions_1d": [(12, 3)],
    "convolutions_3d": [(4, 5, 4, 2)],
    "padded": [(5, 6, 2)],
    "conv_lstm": [(3, 5, 5, 2)],
    "cells": [(6, 3)],
    "states": [(5, 3), (4, 3)],
    "masked": [(6, 3)],
    "normalized": [(4, 6)],
    "spectral": [(4, 6)],
    "activated": [(6,)],
    "merged": [(4,), (4,)],
    "einsum": [(5, 4)],
    "shared_model": [(4,), (4,)],
    "lookups": [(3,)],
    "functions": [(4, 3)],
}


def data(name):
    import numpy as np

    random = np.random.default_rng(7)

    def draw(*shape):
        return random.normal(size=(16, *shape)).astype("float32")

    if name == "lstm":
        return random.integers(0, 9, (16, 5)).astype("int32"), draw(2)
    x = [draw(*shape) for shape in SHAPES.get(name, [(4,)])]
    if name == "masked":
        x[0][::2, 4:] = 0.0
    return (x if len(x) > 1 else x[0]), draw(2)


def train(keras, model, name):
    x, y = data(name)
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)


def read(keras, path):
    if not path.endswith(".h5"):
        return keras.saving.load_model(path)
    model = keras.saving.load_model(path, compile=False)  # Keras does not find "mse" there
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model


def use(keras, model, name):
    import numpy as np

    x, y = data(name)
    outputs = np.asarray(model.predict(x, verbose=0), "float64").tolist()
    model.fit(x, y, batch_size=16, epochs=1, shuffle=False, verbose=0)
    again = model.fit(x, y, batch_size=16, epochs=1, shuffle=False, verbose=0)
    return {"outputs": outputs, "loss": float(again.history["loss"][0]), "iterations": int(model.optimizer.iterations)}
