"""FastAPI, written well: typed body and answer, `async def`, one session made once. Run by `uvicorn`."""

import os
from typing import Annotated

import numpy as np
import onnxruntime as ort
import orjson
from annotated_types import Len
from fastapi import FastAPI, Response
from pydantic import BaseModel

LABELS = ("setosa", "versicolor", "virginica")
OUTPUTS = ("logits", "probabilities", "class_index")

options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
app = FastAPI()


class Rows(BaseModel):
    """Rows of the four numbers."""

    instances: Annotated[list[Annotated[list[float], Len(4, 4)]], Len(1, 10_000)]


class Prediction(BaseModel):
    """The answer for one row."""

    label: str
    class_index: int
    probabilities: list[float]
    logits: list[float]


class Answer(BaseModel):
    """The answers in the order of the rows."""

    model: str
    version: int
    predictions: list[Prediction]


@app.post("/predict", response_model=Answer)
async def predict(rows: Rows) -> dict[str, object]:
    """Answer rows the usual way: pydantic checks the answer and writes it."""
    logits, probabilities, class_index = session.run(OUTPUTS, {"x_num": np.array(rows.instances, np.float32)})
    return {
        "model": "iris",
        "version": 1,
        "predictions": [
            {"label": LABELS[index], "class_index": index, "probabilities": row_probabilities, "logits": row_logits}
            for index, row_probabilities, row_logits in zip(
                class_index.tolist(), probabilities.tolist(), logits.tolist(), strict=True
            )
        ],
    }


@app.post("/predict-orjson")
async def predict_orjson(rows: Rows) -> Response:
    """Answer rows with a response of bytes, which is faster for many rows, and neither checked nor in the schema."""
    logits, probabilities, class_index = session.run(OUTPUTS, {"x_num": np.array(rows.instances, np.float32)})
    predictions = [
        {"label": LABELS[index], "class_index": index, "probabilities": row_probabilities, "logits": row_logits}
        for index, row_probabilities, row_logits in zip(class_index.tolist(), probabilities, logits, strict=True)
    ]
    content = {"model": "iris", "version": 1, "predictions": predictions}
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
