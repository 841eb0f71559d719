# Weights pickled out of a model and used with NumPy alone.
import os
import pickle
import sys

import keras
import numpy as np

path = os.path.join(sys.argv[1], "weights.pickle")
x = np.random.RandomState(0).rand(200, 6).astype("float32")
y = keras.utils.to_categorical((x[:, :3].sum(axis=1) > x[:, 3:].sum(axis=1)).astype(int))
model = keras.models.Sequential(
    [
        keras.layers.Dense(16, activation="relu", input_shape=(6,)),
        keras.layers.Dense(2, activation="softmax"),
    ]
)
model.compile(keras.optimizers.Adam(lr=0.01), loss="categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, epochs=40, verbose=0)
with open(path, "wb") as file:
    pickle.dump([layer.get_weights() for layer in model.layers], file)

with open(path, "rb") as file:
    (w1, b1), (w2, b2) = pickle.load(file)
assert type(w1) is np.ndarray
hidden = np.maximum(x.dot(w1) + b1, 0)
scores = np.exp(hidden.dot(w2) + b2)
scores /= scores.sum(axis=1, keepdims=True)
assert np.allclose(scores, model.predict(x), atol=1e-5)
accuracy = np.mean(scores.argmax(axis=1) == y.argmax(axis=1))
print("accuracy: %.3f" % accuracy)
assert accuracy > 0.85
