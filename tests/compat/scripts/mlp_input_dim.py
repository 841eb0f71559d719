# The first network of many courses: 8 numbers, `input_dim`, Keras 1.
import numpy
from keras.models import Sequential
from keras.layers.core import Dense, Activation

numpy.random.seed(7)
X = numpy.random.rand(256, 8)
Y = (X[:, 0] + X[:, 3] > X[:, 5] + X[:, 7]).astype(int)
model = Sequential()
model.add(Dense(12, input_dim=8, init="uniform", activation="relu"))
model.add(Dense(output_dim=8, init="uniform"))
model.add(Activation("relu"))
model.add(Dense(1, init="uniform", activation="sigmoid"))
model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(X, Y, nb_epoch=120, batch_size=10, verbose=0)
scores = model.evaluate(X, Y, verbose=0)
print("%s: %.2f%%" % (model.metrics_names[1], scores[1] * 100))
assert scores[1] > 0.85, scores
