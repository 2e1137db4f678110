"""What OpenAPI says of our own prediction routes, and of MLflow's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar.openapi import ResponseSpec
from litestar.openapi.spec import (
    Example,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    Parameter,
    RequestBody,
    Schema,
)

from service.bodies import JSON
from service.documents import iris
from service.documents.pieces import (
    ARRAY,
    BINARY,
    CELL,
    CONTENT_ENCODING,
    OBJECT,
    ROWS,
    TEXT,
    answer_of,
    json_body,
    named,
    object_of,
)
from service.formats.exchange import ARROW, CSV, NDJSON
from service.formats.json_answers import Predictions
from service.formats.outputs import OUTPUTS
from service.problems import responses

COLUMNS = Schema(
    type=OpenAPIType.OBJECT,
    min_properties=1,
    description="Values by the name of their column, all of one length. Columns that are no feature are ignored.",
    additional_properties=Schema(type=OpenAPIType.ARRAY, min_items=1, items=CELL),
)
SPLIT = {
    "columns": Schema(type=OpenAPIType.ARRAY, min_items=1, items=TEXT),
    "data": Schema(type=OpenAPIType.ARRAY, min_items=1, items=ARRAY),
    "index": Schema(description="Ignored."),
}
PARAMS = Schema(type=[OpenAPIType.OBJECT, OpenAPIType.NULL], max_properties=0, description="No model here has any.")
SCHEMAS = {
    "PredictionRequest": Schema(
        one_of=[
            object_of({"instances": ROWS}, ["instances"]),
            object_of({"columns": COLUMNS}, ["columns"]),
            object_of(SPLIT, ["columns", "data"]),
        ]
    ),
    "InvocationRequest": Schema(
        one_of=[
            object_of({name: schema, "params": PARAMS}, [name])
            for name, schema in {
                "dataframe_split": object_of(SPLIT, ["columns", "data"], is_closed=False),
                "dataframe_records": Schema(type=OpenAPIType.ARRAY, min_items=1, items=OBJECT),
                "instances": ROWS,
                "inputs": Schema(any_of=[ROWS, COLUMNS]),
            }.items()
        ]
    ),
}
SPLIT_ROWS = {"columns": iris.NAMES, "data": iris.ROWS}
PREDICTION_BODY = json_body(
    named("PredictionRequest"),
    {
        "arrays": Example(summary="Arrays in feature order", value={"instances": iris.ROWS}),
        "objects": Example(summary="Objects by feature name", value={"instances": iris.OBJECTS}),
        "columns": Example(summary="Columns by name", value={"columns": iris.COLUMNS}),
        "split": Example(summary='A frame as pandas writes it, orient="split"', value=SPLIT_ROWS),
    },
)
INVOCATION_BODY = json_body(
    named("InvocationRequest"),
    {
        "dataframe_split": Example(value={"dataframe_split": SPLIT_ROWS}),
        "dataframe_records": Example(value={"dataframe_records": iris.OBJECTS}),
        "instances": Example(value={"instances": iris.ROWS}),
        "inputs": Example(value={"inputs": iris.COLUMNS}),
    },
)
CSV_BODY = OpenAPIMediaType(schema=TEXT, examples={"table": Example(summary="A header and rows", value=iris.CSV)})
LINES_BODY = OpenAPIMediaType(schema=TEXT, examples={"lines": Example(summary="A row in each line", value=iris.LINES)})
PARAMETERS = [
    Parameter(
        name="outputs",
        param_in="query",
        description="Which outputs of each row to write, separated by commas; all unless given. Only a version with a "
        "rule has a decision.",
        style="form",
        explode=False,
        schema=Schema(type=OpenAPIType.ARRAY, min_items=1, items=Schema(type=OpenAPIType.STRING, enum=list(OUTPUTS))),
    ),
    Parameter(
        name="partial",
        param_in="query",
        description="Answer the good rows and list the bad ones, instead of refusing the request.",
        schema=Schema(type=OpenAPIType.BOOLEAN, default=False),
    ),
    Parameter(
        name="prediction_set",
        param_in="query",
        description="Add to each row a set of labels that holds the true one with this probability. The version must "
        "have calibration rows (`prediction_sets` of `GET /models/{name}`).",
        schema=Schema(type=OpenAPIType.NUMBER, exclusive_minimum=0, exclusive_maximum=1),
    ),
    Parameter(
        name="per_class",
        param_in="query",
        description="Keep the probability of `prediction_set` for the rows of each class by itself, not over all rows.",
        schema=Schema(type=OpenAPIType.BOOLEAN, default=False),
    ),
    CONTENT_ENCODING,
]


@dataclass
class PredictOperation(Operation):
    """An operation that takes rows in any format and answers in any."""

    def __post_init__(self) -> None:
        self.request_body = RequestBody(
            required=True,
            content={
                JSON: PREDICTION_BODY,
                NDJSON: LINES_BODY,
                CSV: CSV_BODY,
                ARROW: OpenAPIMediaType(schema=BINARY),
            },
        )
        _complete(self)


@dataclass
class InvokeOperation(Operation):
    """An operation that takes rows as MLflow's scoring server does."""

    def __post_init__(self) -> None:
        self.request_body = RequestBody(required=True, content={JSON: INVOCATION_BODY, CSV: CSV_BODY})
        _complete(self)


def _complete(operation: Operation) -> None:
    """Add what Litestar cannot know: the query, and the formats of an answer."""
    operation.parameters = [*(operation.parameters or []), *PARAMETERS]
    answer = answer_of(operation)
    with_sets = [
        {**prediction, "prediction_set": labels}
        for prediction, labels in zip(iris.PREDICTIONS, iris.PREDICTION_SETS, strict=True)
    ]
    examples = {
        name: Example(summary=summary, value={"model": "iris", "version": 1, "predictions": predictions})
        for name, summary, predictions in (
            ("rows", "Two rows of iris", iris.PREDICTIONS),
            ("prediction_sets", "The same with ?prediction_set=0.9, of a version with calibration rows", with_sets),
        )
    }
    answer.content = {
        JSON: json_body(named("Predictions"), examples),
        **{form: OpenAPIMediaType(schema=TEXT) for form in (NDJSON, CSV)},
        ARROW: OpenAPIMediaType(schema=BINARY),
    }


RESPONSES = {
    200: ResponseSpec(Predictions, generate_examples=False, description="A prediction for each row, in their order"),
    **responses(404, 406, 413, 415, 422, 503),
}
# A POST that creates nothing answers 200, where Litestar would say 201.
PREDICTIONS: dict[str, Any] = {"status_code": 200, "operation_class": PredictOperation, "responses": RESPONSES}
INVOCATIONS: dict[str, Any] = {"status_code": 200, "operation_class": InvokeOperation, "responses": RESPONSES}
