"""What several descriptions are made of: schemas of rows, and headers of requests."""

from __future__ import annotations

from litestar.openapi.spec import (
    Example,
    OpenAPIFormat,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    Reference,
    Schema,
)

TEXT = Schema(type=OpenAPIType.STRING)
BINARY = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
NOTHING = Schema(type=OpenAPIType.NULL)
CELL = Schema(
    any_of=[*(Schema(type=kind) for kind in (OpenAPIType.NUMBER, OpenAPIType.STRING, OpenAPIType.BOOLEAN)), NOTHING],
    description="A feature's value; null where it is missing. `GET /models/{name}` says what a model's features are.",
)
ARRAY = Schema(
    type=OpenAPIType.ARRAY, min_items=1, items=CELL, description="A row: a value for each feature, in their order."
)
OBJECT = Schema(
    type=OpenAPIType.OBJECT, min_properties=1, additional_properties=CELL, description="A row: values by feature name."
)
ROWS = Schema(
    one_of=[Schema(type=OpenAPIType.ARRAY, min_items=1, items=kind) for kind in (ARRAY, OBJECT)],
    description="Rows: all of them arrays, or all of them objects.",
)
CONTENT_ENCODING = Parameter(
    name="Content-Encoding",
    param_in="header",
    description="How the body is compressed, if it is. The limit on its size is one on what it unpacks to.",
    schema=Schema(type=OpenAPIType.STRING, enum=["gzip", "deflate", "identity", ""]),
)
ACCEPT_ENCODING = Parameter(
    name="Accept-Encoding",
    param_in="header",
    description="An answer of 4 KiB and more is compressed where this names gzip or deflate.",
    schema=TEXT,
)
ENCODED = OpenAPIHeader(
    description="How the answer is compressed, if it is.",
    schema=Schema(type=OpenAPIType.STRING, enum=["gzip", "deflate"]),
)


def object_of(properties: dict[str, Schema], required: list[str], *, is_closed: bool = True) -> Schema:
    """An object of these properties; of no others where it is closed."""
    return Schema(
        type=OpenAPIType.OBJECT,
        required=required,
        properties={**properties},
        additional_properties=False if is_closed else None,
    )


def named(name: str) -> Reference:
    """A schema among the components of the document."""
    return Reference(ref=f"#/components/schemas/{name}")


def json_body(schema: Schema | Reference, examples: dict[str, Example]) -> OpenAPIMediaType:
    """A JSON body with its examples."""
    return OpenAPIMediaType(schema=schema, examples={**examples})


def answer_of(operation: Operation, status: int = 200) -> OpenAPIResponse:
    """What is said of a successful answer, to be added to."""
    answer = (operation.responses or {})[str(status)]
    assert isinstance(answer, OpenAPIResponse)  # noqa: S101 # Litestar writes no references
    return answer
