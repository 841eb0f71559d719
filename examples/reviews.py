"""Does a review praise the product? From texts in CSV files to a saved model that takes texts.

    python examples/reviews.py reviews_train.csv reviews_test.csv                  writes to build/reviews
    python examples/reviews.py reviews_train.csv reviews_test.csv --folder DIR     writes to DIR

The files have the columns review and score ("great" or another word). The exit code is 1 if fewer than 78 % of the test
reviews are judged right.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import tahr as keras
from tahr import layers

WANTED = 0.78


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the texts, without tags, and which are great."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    texts = np.array([row["review"].replace("<br />", " ") for row in rows], object)
    return texts, np.array([row["score"] == "great" for row in rows], "float32")[:, None]


def network(size: int, length: int) -> keras.Model:
    """Return a network that averages the embeddings of words and pairs of words."""
    words = keras.Input((length,), dtype="int32")
    x = layers.Embedding(size, 32, mask_zero=True)(words)
    x = layers.GlobalAveragePooling1D()(layers.SpatialDropout1D(0.2)(x))
    x = layers.Dropout(0.4)(x)
    model = keras.Model(words, layers.Dense(1, activation="sigmoid")(x))
    model.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy", metrics=["accuracy"])
    return model


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path, help="reviews to learn from, a CSV file")
    parser.add_argument("test", type=Path, help="reviews to judge, a CSV file")
    parser.add_argument("--folder", type=Path, default=Path("build/reviews"), help="where the model goes")
    parser.add_argument("--epochs", type=int, default=12, help="how often the network sees all reviews")
    given = parser.parse_args(arguments)
    keras.utils.set_random_seed(1)
    (texts, great), (test_texts, test_great) = read(given.train), read(given.test)
    tokens = layers.TextVectorization(max_tokens=12_000, ngrams=2, output_sequence_length=300)
    tokens.adapt(texts)
    print(f"{len(texts)} reviews to learn from, {tokens.vocabulary_size()} words and pairs, such as")
    print("  " + ", ".join(repr(token) for token in tokens.get_vocabulary()[50:60]))
    model = network(tokens.vocabulary_size(), 300)
    indices = keras.ops.convert_to_numpy(tokens(texts))
    model.fit(indices, great, batch_size=32, epochs=given.epochs, verbose=2)
    start = keras.Input((1,), dtype="string")
    whole = keras.Model(start, model(tokens(start)))
    given.folder.mkdir(parents=True, exist_ok=True)
    whole.save(given.folder / "reviews.keras")
    loaded = keras.models.load_model(given.folder / "reviews.keras")
    found = keras.ops.convert_to_numpy(keras.ops.stop_gradient(loaded(test_texts[:, None])))
    accuracy = float(((found > 0.5) == test_great).mean())
    usual = max(test_great.mean(), 1 - test_great.mean())
    print(f"Test accuracy of the saved model {accuracy:.1%}; always the same answer would be right for {usual:.1%}")
    for text in ("I love it, the best tea ever", "Stale and bland. I want my money back"):
        score = loaded(np.array([[text]]))
        print(f"  {float(keras.ops.convert_to_numpy(keras.ops.stop_gradient(score))[0, 0]):.2f}  {text}")
    return int(accuracy < WANTED)


if __name__ == "__main__":
    sys.exit(main())
