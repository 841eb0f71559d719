"""Who survived the Titanic? A table with text, numbers and missing values, from a CSV file to a saved model.

    python examples/titanic.py titanic_survival.csv                  writes to build/titanic
    python examples/titanic.py titanic_survival.csv --folder DIR     writes to DIR

The file has the columns rownames ("Allen, Miss. Elisabeth Walton"), survived (yes, no), sex, age (may be empty) and
passengerClass, as `TitanicSurvival` of the R package carData has; it is part of many collections of data sets. The
accuracy is the mean over five parts of the passengers, each judged by a network that learned from the others. The
exit code is 1 if it is below 78 %.
"""

import argparse
import csv
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import tahr as keras
from tahr import layers
from tahr.utils import FeatureSpace

WANTED = 0.78
Table = dict[str, np.ndarray]


def read(path: Path) -> tuple[Table, np.ndarray]:
    """Return the columns of the file, an unknown age as NaN, and who survived."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    titles = [re.search(r", ([^.]*)\.", row["rownames"]) for row in rows]
    table = {
        "title": np.array([found.group(1) if found else "" for found in titles]),
        "sex": np.array([row["sex"] for row in rows]),
        "cabin_class": np.array([row["passengerClass"] for row in rows]),
        "age": np.array([float(row["age"] or "nan") for row in rows], "float32"),
    }
    return table, np.array([row["survived"] == "yes" for row in rows], "float32")[:, None]


def chosen(table: Table, rows: np.ndarray) -> Table:
    return {name: column[rows] for name, column in table.items()}


class Ages:
    """Puts the median age of those with the same title in the place of unknown ages, and says where it did."""

    def __init__(self, table: Table):
        known = ~np.isnan(table["age"])
        self.usual = float(np.median(table["age"][known]))
        self.by_title = {
            title: float(np.median(table["age"][known & (table["title"] == title)]))
            for title in np.unique(table["title"][known])
        }

    def filled(self, table: Table) -> Table:
        guesses = np.array([self.by_title.get(title, self.usual) for title in table["title"].tolist()], "float32")
        unknown = np.isnan(table["age"])
        return {**table, "age": np.where(unknown, guesses, table["age"]), "age_unknown": unknown.astype("float32")}


def columns() -> FeatureSpace:
    """Return how each column becomes numbers: a StringLookup for each kind of text, a Normalization for the age..."""
    return FeatureSpace(
        {
            "title": FeatureSpace.string_categorical(max_tokens=8),
            "sex": "string_categorical",
            "cabin_class": "string_categorical",
            "age": "float_normalized",
            "age_unknown": "float",
        },
        crosses=[("sex", "cabin_class")],
        crossing_dim=16,
    )


def train(table: Table, survived: np.ndarray, epochs: int) -> keras.Model:
    """Return a model that takes the columns as they are in the table and gives the probability to survive."""
    space = columns()
    space.adapt(table)
    start = keras.Input((space.get_encoded_features().shape[-1],))
    x = layers.Dense(16, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-3))(start)
    network = keras.Model(start, layers.Dense(1, activation="sigmoid")(layers.Dropout(0.2)(x)))
    network.compile(keras.optimizers.Adam(5e-3), "binary_crossentropy", metrics=["accuracy"])
    network.fit(np.asarray(keras.ops.convert_to_numpy(space(table))), survived, 32, epochs, verbose=0)
    return keras.Model(space.get_inputs(), network(space.get_encoded_features()))


def probabilities(model: keras.Model, table: Table) -> np.ndarray:
    return keras.ops.convert_to_numpy(keras.ops.stop_gradient(model({n: x[:, None] for n, x in table.items()})))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="the table, a CSV file")
    parser.add_argument("--folder", type=Path, default=Path("build/titanic"), help="where the model goes")
    parser.add_argument("--epochs", type=int, default=40, help="how often a network sees all its passengers")
    parser.add_argument("--parts", type=int, default=5, help="into how many parts the passengers are divided")
    given = parser.parse_args(arguments)
    keras.utils.set_random_seed(1)
    table, survived = read(given.file)
    unknown = int(np.isnan(table["age"]).sum())
    print(f"{len(survived)} passengers, {survived.mean():.0%} survived, the age of {unknown} is unknown")
    order = np.random.default_rng(1).permutation(len(survived))
    right = []
    for part in range(given.parts):
        judged, learned = order[part :: given.parts], np.delete(order, np.s_[part :: given.parts])
        ages = Ages(chosen(table, learned))
        model = train(ages.filled(chosen(table, learned)), survived[learned], given.epochs)
        found = probabilities(model, ages.filled(chosen(table, judged))) > 0.5
        right.append(float((found == survived[judged]).mean()))
        print(f"part {part + 1}: {right[-1]:.1%} of {len(judged)} passengers right")
    accuracy = float(np.mean(right))
    print(f"Validation accuracy {accuracy:.1%}")
    ages = Ages(table)
    model = train(ages.filled(table), survived, given.epochs)
    given.folder.mkdir(parents=True, exist_ok=True)
    model.save(given.folder / "titanic.keras")
    loaded = keras.models.load_model(given.folder / "titanic.keras")
    someone = ages.filled(chosen(table, np.arange(3)))
    print(f"From the saved model, for the first three: {probabilities(loaded, someone).ravel().round(2).tolist()}")
    return int(accuracy < WANTED)


if __name__ == "__main__":
    sys.exit(main())
