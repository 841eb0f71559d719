"""How warm will it be tomorrow? Hourly weather with gaps, from a CSV file to a forecast by an LSTM.

    python examples/weather.py nyc_weather.csv                  writes to build/weather
    python examples/weather.py nyc_weather.csv --folder DIR     writes to DIR

The file has the columns origin (the airport), time_hour (2013-01-01T06:00:00Z), temp and dewp (degrees Fahrenheit),
pressure (millibar), wind_dir (degrees) and wind_speed (miles an hour), as `weather` of the R package nycflights13 has;
values and hours may be missing. The network sees the last two days at all airports and says the temperatures 24 hours
later. It learns from the first part of the time and is judged by the last, beside the forecast that tomorrow is as
today. The exit code is 1 if it is not better.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

import tahr as keras
from tahr import layers

WINDOW, AHEAD = 48, 24
COLUMNS = ("temp", "dewp", "pressure", "wind_dir", "wind_speed")


def read(path: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the hours since 1970, an array (hours, airports, columns) with NaN for what is unknown, the airports."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    airports = sorted({row["origin"] for row in rows})
    hours = [int(datetime.fromisoformat(row["time_hour"]).timestamp()) // 3600 for row in rows]
    first, last = min(hours), max(hours)
    table = np.full((last - first + 1, len(airports), len(COLUMNS)), np.nan)
    for hour, row in zip(hours, rows, strict=True):
        values = [float(row[name]) if row[name] not in ("", "NA") else np.nan for name in COLUMNS]
        table[hour - first, airports.index(row["origin"])] = values
    return np.arange(first, last + 1), table, airports


def filled(table: np.ndarray) -> np.ndarray:
    """Return the table with straight lines over the gaps of each column."""
    flat = table.reshape(len(table), -1).copy()
    places = np.arange(len(flat))
    for column in flat.T:
        known = ~np.isnan(column)
        column[:] = np.interp(places, places[known], column[known])
    return flat.reshape(table.shape)


def features(hours: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return what the network sees of each hour: numbers of all airports, wind as a vector, the time as a circle."""
    temp, dewp, pressure, direction, speed = np.moveaxis(table, -1, 0)
    angle = np.deg2rad(direction)
    turns = [2 * np.pi * hours / period for period in (24, 24 * 365.25)]
    circle = np.stack([f(turn) for turn in turns for f in (np.sin, np.cos)], -1)
    parts = [temp, dewp, pressure, speed * np.cos(angle), speed * np.sin(angle), circle]
    return np.concatenate(parts, -1).astype("float32")


def windows(x: np.ndarray, temperatures: np.ndarray, begin: int, end: int, shuffle: bool) -> object:
    """Return batches of windows that end from hour `begin` up to `end`, and how temperatures change after them."""
    changes = temperatures[AHEAD:] - temperatures[:-AHEAD]
    starts = slice(begin, end)
    return keras.utils.timeseries_dataset_from_array(
        x[starts], changes[begin + WINDOW - 1 : end], WINDOW, batch_size=64, shuffle=shuffle, seed=1
    )


def network(x: np.ndarray, outputs: int, units: int) -> keras.Model:
    """Return a model that takes windows as they are and gives the changes of the temperatures."""
    scale = layers.Normalization()
    scale.adapt(x)
    model = keras.Sequential(
        [
            keras.Input((WINDOW, x.shape[-1])),
            scale,
            layers.LSTM(units),
            layers.Dropout(0.2),
            layers.Dense(outputs),
        ]
    )
    model.compile(keras.optimizers.Adam(3e-3), "mae")
    return model


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="the weather, a CSV file")
    parser.add_argument("--folder", type=Path, default=Path("build/weather"), help="where the model goes")
    parser.add_argument("--epochs", type=int, default=12, help="how often the network sees the time it learns from")
    parser.add_argument("--units", type=int, default=32, help="size of the LSTM")
    given = parser.parse_args(arguments)
    keras.utils.set_random_seed(1)
    hours, table, airports = read(given.file)
    gaps = int(np.isnan(table).sum())
    table = filled(table)
    print(f"{len(hours)} hours at {', '.join(airports)}; {gaps} values are missing")
    x, temperatures = features(hours, table), table[..., 0].astype("float32")
    usable = len(hours) - AHEAD
    border = int(0.75 * usable)
    learned = windows(x, temperatures, 0, border - AHEAD, shuffle=True)
    judged = windows(x, temperatures, border, usable, shuffle=False)
    model = network(x[:border], len(airports), given.units)
    model.fit(learned, epochs=given.epochs, verbose=0)
    error = float(model.evaluate(judged, verbose=0))
    changes = temperatures[border + WINDOW - 1 + AHEAD :] - temperatures[border + WINDOW - 1 : -AHEAD]
    naive = float(np.abs(changes).mean())
    print(f"Mean error of the network {error:.2f} degrees; of the forecast that tomorrow is as today {naive:.2f}")
    given.folder.mkdir(parents=True, exist_ok=True)
    model.save(given.folder / "weather.keras")
    loaded = keras.models.load_model(given.folder / "weather.keras")
    tomorrow = temperatures[-1] + loaded.predict(x[None, -WINDOW:], verbose=0)[0]
    print(
        f"From the saved model, 24 hours after the end: {dict(zip(airports, tomorrow.round(1).tolist(), strict=True))}"
    )
    return int(error >= naive)


if __name__ == "__main__":
    sys.exit(main())
