"""The API's description at `/schema/openapi.json`, and a page to read and try it that needs no other host.

The page is Swagger UI; its two files lie compressed in `openapi_ui/` and are sent as they are.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

from litestar import Request, Response, Router, get
from litestar.datastructures import ResponseHeader
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from service.documents.whole import complete

PATH = "/schema"
FOLDER = Path(__file__).parent / "openapi_ui"
SCRIPT = "swagger-ui-bundle.js"
STYLE = "swagger-ui.css"

# Swagger UI would show a badge of a validator on the network; it is told not to, and the browser not to let it.
PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>litet</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{PATH}/{STYLE}">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{PATH}/{SCRIPT}"></script>
<script>
SwaggerUIBundle({{url: "{PATH}/openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null}});
</script>
</body>
</html>
"""
SECURITY_POLICY = "default-src 'self' 'unsafe-inline' data:"


class SwaggerPage(OpenAPIRenderPlugin):
    """Serves the page at `/schema`, and the two files that it refers to."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        return PAGE.encode()

    def receive_router(self, router: Router) -> None:
        router.register(_file(SCRIPT, "text/javascript"))
        router.register(_file(STYLE, "text/css"))


class Description(JsonRenderPlugin):
    """Serves the whole document at `/schema/openapi.json`."""

    def __init__(self) -> None:
        super().__init__()
        self._content: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        if self._content is None:
            self._content = super().render(request, complete(openapi_schema))
        return self._content


def openapi_config() -> OpenAPIConfig:
    """The configuration of the app's description."""
    return OpenAPIConfig(
        title="litet",
        version=_version(),
        description="Predictions of small neural networks on tabular rows.",
        use_handler_docstrings=True,
        components=Components(
            security_schemes={"key": SecurityScheme(type="http", scheme="bearer", description="An admin key.")}
        ),
        render_plugins=[SwaggerPage(), Description()],
        openapi_router=Router(
            PATH,
            route_handlers=[],
            include_in_schema=False,
            response_headers=[ResponseHeader(name="Content-Security-Policy", value=SECURITY_POLICY)],
            after_request=_refuse_unknown,
        ),
    )


def _file(name: str, media_type: str) -> Any:
    @get(f"/{name}", sync_to_thread=True, name=name)
    def send_file() -> Response[bytes]:
        return Response(
            (FOLDER / f"{name}.gz").read_bytes(),
            media_type=media_type,
            headers={"Content-Encoding": "gzip", "Cache-Control": "public, max-age=86400"},
        )

    return send_file


def _refuse_unknown(response: Response[Any]) -> Response[Any]:
    """Litestar answers unknown paths below `/schema` with a page of its own; here they are problems as elsewhere."""
    if response.status_code == 404:
        raise NotFoundException
    return response


def _version() -> str:
    try:
        return metadata.version("litet")
    except metadata.PackageNotFoundError:  # run from a checkout
        return "0"
