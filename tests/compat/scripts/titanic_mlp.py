# A table of passengers in a pandas frame, a dense network with Dropout, Keras 2.
import numpy as np
import pandas as pd
from keras.layers import Dense, Dropout
from keras.models import Sequential

rng = np.random.RandomState(0)
rows = 400
df = pd.DataFrame(
    {
        "Pclass": rng.randint(1, 4, rows),
        "Sex": rng.choice(["male", "female"], rows),
        "Age": np.where(rng.rand(rows) < 0.1, np.nan, rng.uniform(1, 70, rows)),
        "Fare": rng.uniform(5, 100, rows),
        "Embarked": rng.choice(["S", "C", "Q"], rows),
    }
)
chance = 0.05 + 0.75 * (df["Sex"] == "female") + 0.05 * (3 - df["Pclass"])
df["Survived"] = (rng.rand(rows) < chance).astype(int)

df["Age"] = df["Age"].fillna(df["Age"].mean())
df = pd.get_dummies(df, columns=["Sex", "Embarked"])
y = df.pop("Survived")
X = (df.astype("float64") - df.astype("float64").mean()) / df.astype("float64").std()
X_train, X_test, y_train, y_test = X[:300], X[300:], y[:300], y[300:]

model = Sequential()
model.add(Dense(32, init="uniform", activation="relu", input_dim=X.shape[1]))
model.add(Dropout(0.2))
model.add(Dense(16, kernel_initializer="uniform", activation="relu"))
model.add(Dropout(p=0.2))
model.add(Dense(1, activation="sigmoid"))
model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["acc"])
history = model.fit(X_train, y_train, nb_epoch=60, batch_size=16, validation_split=0.1, verbose=0)
scores = model.evaluate(X_test, y_test, verbose=0)
print("%s: %.2f%%" % (model.metrics_names[1], scores[1] * 100))
predictions = (model.predict_classes(X_test)).reshape(-1)
assert set(np.unique(predictions)) <= {0, 1} and len(history.history["val_acc"]) == 60
assert scores[1] > 0.7, scores
