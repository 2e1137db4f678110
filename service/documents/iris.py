"""The rows that examples ask about, and what the model `iris/1` that comes with litet answers to them."""

from __future__ import annotations

from typing import Any

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
OBJECTS = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
COLUMNS = {name: list(column) for name, column in zip(NAMES, zip(*ROWS, strict=True), strict=True)}
CSV = f"{','.join(NAMES)}\r\n5.1,3.5,1.4,0.2\r\n6.7,3.0,5.2,2.3\r\n"
LINES = "[5.1,3.5,1.4,0.2]\n[6.7,3.0,5.2,2.3]"

LABELS = ["setosa", "versicolor", "virginica"]
LOGITS = [[14.964487, 7.1190367, -15.68548], [-7.011623, -0.0075466633, 5.8045936]]
PROBABILITIES = [[0.9996087, 0.00039137603, 4.8833564e-14], [0.000002708256, 0.0029820935, 0.99701524]]
CLASS_INDEX = [0, 2]
PREDICTION_SETS = [["setosa"], ["versicolor", "virginica"]]
"""Of each row one that it may have, by the calibration rows of a version."""
BEST = ["0.9996087:0:setosa", "0.00039137603:1:versicolor", "0.99701524:2:virginica", "0.0029820935:1:versicolor"]
"""Of each row the two highest probabilities, as value, class index and label."""
PREDICTIONS: list[dict[str, Any]] = [
    {"label": LABELS[index], "class_index": index, "probabilities": probabilities, "logits": logits}
    for index, probabilities, logits in zip(CLASS_INDEX, PROBABILITIES, LOGITS, strict=True)
]
