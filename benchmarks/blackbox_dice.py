"""Counterfactuals by DiCE, for benchmarks/blackbox.py: run by the Python of a venv with dice-ml.

    python benchmarks/blackbox_dice.py FOLDER

The folder has ``train.csv`` (the column ``outcome`` last), ``rows.csv``, ``model.joblib`` and
``asked.json`` (the columns that may change, and the wanted class); ``found.json`` is written there.

Source: Mothilal, Sharma, Tan, "Explaining Machine Learning Classifiers through Diverse
Counterfactual Explanations", FAT* 2020.
"""

import json
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import dice_ml
import joblib
import pandas as pd


def main(folder: Path) -> None:
    """Ask DiCE's random method for one counterfactual of each row."""
    warnings.simplefilter("ignore")
    train, rows = pd.read_csv(folder / "train.csv"), pd.read_csv(folder / "rows.csv")
    asked = json.loads((folder / "asked.json").read_text())
    model = joblib.load(folder / "model.joblib")
    data = dice_ml.Data(
        dataframe=train,
        continuous_features=list(rows.select_dtypes("number").columns),
        outcome_name="outcome",
    )
    explainer = dice_ml.Dice(data, dice_ml.Model(model=model, backend="sklearn"), method="random")
    began, found = time.perf_counter(), []
    for number in range(len(rows)):
        try:
            made = explainer.generate_counterfactuals(
                rows.iloc[[number]], total_CFs=1, desired_class=asked["wanted"],
                features_to_vary=asked["actionable"], random_seed=asked["seed"], verbose=False,
            )  # fmt: skip
            frame = made.cf_examples_list[0].final_cfs_df
            row = None if frame is None or not len(frame) else frame[list(rows.columns)].iloc[0]
            found.append(None if row is None else [_plain(value) for value in row])
        except Exception as error:  # noqa: BLE001 - what it does not find, it raises
            print(number, type(error).__name__, error, file=sys.stderr)
            found.append(None)
    seconds = time.perf_counter() - began
    told = {"rows": found, "seconds": seconds, "version": version("dice-ml")}
    (folder / "found.json").write_text(json.dumps(told))


def _plain(value: object) -> float | str:
    """Return a number, also where it is in words, or a word."""
    try:
        return float(value)  # pyright: ignore[reportArgumentType]
    except ValueError:
        return str(value)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
