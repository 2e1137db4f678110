"""Has the trainer's interpreter look at a file: is it a table, and what is in it? The service cannot read tables."""

from __future__ import annotations

from pathlib import Path

import msgspec

from contract.errors import InvalidData
from service.admin.datasets import TableFacts
from service.admin.trainer import trainer_environment
from service.child import run_child
from service.errors import TrainerUnavailable

MODULE = "training.retrain.inspection"
MAX_S = 600


class Refusal(msgspec.Struct, frozen=True, tag=True):
    """Why a file is no table."""

    error: str


async def inspect_table(python: str, path: Path) -> TableFacts:
    """What a file holds. Once this is over, cancelled or not, nobody reads the file.

    Raises:
        InvalidData: it is no table, or takes too long to read.
        TrainerUnavailable: the interpreter cannot read tables.
    """
    command = [python, "-P", "-m", MODULE, str(path)]
    try:
        ended = await run_child(command, timeout_s=MAX_S, environment=trainer_environment())
    except TimeoutError:
        raise InvalidData(f"a dataset must be readable within {MAX_S} s") from None
    except OSError as error:
        raise TrainerUnavailable(f"the trainer's interpreter must start: {error}") from error
    try:
        found = msgspec.json.decode(ended.output, type=TableFacts | Refusal)
    except msgspec.DecodeError as error:
        words = ended.errors.decode("utf-8", "replace").strip().rpartition("\n")[2][:300]
        raise TrainerUnavailable(f"the trainer must be able to read tables (litet[train]), got: {words}") from error
    if isinstance(found, Refusal):
        raise InvalidData(found.error)
    return found
