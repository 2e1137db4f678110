"""Run by path, with the serving interpreter: a service that keeps every version it ever loaded, for whoever looks for
leaks to find.
"""

from __future__ import annotations

import os

from service.predictor import Predictor
from service.registry import Registry
from service.server import serve
from service.settings import Settings

KEPT: list[Predictor] = []
PUT = Registry.put


def put_and_keep(self: Registry, predictor: Predictor) -> Predictor | None:
    """As `Registry.put`, but nothing is ever let go."""
    KEPT.append(predictor)
    return PUT(self, predictor)


Registry.put = put_and_keep  # type: ignore[method-assign] # in workers too: they import this file anew

if __name__ == "__main__":
    serve(Settings.from_env(os.environ))
