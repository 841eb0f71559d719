# RMSprop with Keras 2's arguments, compared with SGD; the model goes through JSON and its weights through a file.
import os
import sys

import numpy as np
from keras.layers import LSTM, Dense, Embedding
from keras.models import Sequential, model_from_json
from keras.optimizers import RMSprop
from keras.preprocessing import sequence
from keras.preprocessing.text import Tokenizer

folder = sys.argv[1]
texts = ["good fine nice film", "bad dull poor film", "nice plot and good cast", "poor plot and dull cast"] * 16
labels = np.array([1, 0, 1, 0] * 16)
tokenizer = Tokenizer(num_words=50)
tokenizer.fit_on_texts(texts)
data = sequence.pad_sequences(tokenizer.texts_to_sequences(texts), maxlen=6)
model = Sequential()
model.add(Embedding(50, 8, input_length=6))
model.add(LSTM(8, dropout=0.1, recurrent_dropout=0.1))
model.add(Dense(1, activation="sigmoid"))
model.compile(
    optimizer=RMSprop(lr=0.01, rho=0.9, epsilon=None, decay=0.01), loss="binary_crossentropy", metrics=["acc"]
)
history = model.fit(data, labels, epochs=20, batch_size=16, validation_split=0.25, verbose=0)
assert history.history["acc"][-1] > 0.9, history.history["acc"]

open(os.path.join(folder, "model.json"), "w").write(model.to_json())
model.save_weights(os.path.join(folder, "weights.h5"))
loaded = model_from_json(open(os.path.join(folder, "model.json")).read())
loaded.load_weights(os.path.join(folder, "weights.h5"))
loaded.compile(loss="binary_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
same = np.abs(loaded.predict(data) - model.predict(data)).max()
print("difference:", same)
assert same < 1e-6
