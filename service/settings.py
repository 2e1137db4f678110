"""What a serving process can be told, in one frozen value, and the `LITET_*` variables that tell it.

Text, range and default of every setting stand in one place, the struct's fields: the command line makes its flags of
`settings()` and the error messages their rules.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta
from msgspec.structs import fields

from contract.errors import InvalidSettings

PREFIX = "LITET_"
CLIENT_VARIABLES = ("LITET_URL", "LITET_KEY")
"""What the command line's client reads; no settings of a service, and no mistakes either."""
MODEL_NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one serving process. Made by `from_env`, which checks every range."""

    models: Annotated[Path, Meta(description="Folder of the model repository.")] = Path("models")
    host: Annotated[str, Meta(min_length=1, description="Address to listen on; 0.0.0.0 for all of them.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 for any free one.")] = 8000
    grpc_port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)] | None,
        Meta(description="Port of gRPC, which needs litet[grpc]; 0 for any free one."),
    ] = None
    workers: Annotated[int, Meta(ge=1, le=1024, description="Processes that share the port.")] = 1
    default_model: Annotated[
        Annotated[str, Meta(pattern=MODEL_NAME)] | None,
        Meta(description="Model that answers POST /predict; needed only where there are several."),
    ] = None
    max_body_bytes: Annotated[int, Meta(ge=1, description="Largest request body, in bytes.")] = 10 * 2**20
    max_rows: Annotated[int, Meta(ge=1, description="Most rows in one request.")] = 10_000
    max_loaded_versions: Annotated[
        int, Meta(ge=1, description="Versions asked for by number that stay loaded beside the current ones.")
    ] = 8
    poll_interval_s: Annotated[
        float, Meta(gt=0, le=86_400, description="Seconds between two looks for newly promoted versions.")
    ] = 0.5
    # Zero, because a stop that nobody routes around gains nothing by waiting; whoever has a load balancer knows.
    drain_delay_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3_600,
            description="Seconds to go on serving after SIGTERM, not ready, until a load balancer has noticed; "
            "5 suits Kubernetes.",
        ),
    ] = 0.0
    shutdown_timeout_s: Annotated[
        int, Meta(ge=1, le=3_600, description="Seconds that requests under way get to finish when stopping.")
    ] = 30
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least severe level that is logged.")
    ] = "info"
    access_log: Annotated[bool, Meta(description="Log a line for each request.")] = False
    admin: Annotated[
        Literal["on", "off"],
        Meta(description="'off' removes /admin, as for read-only replicas; it is there only where keys are, too."),
    ] = "on"
    admin_keys: Annotated[
        str | None, Meta(description="Hashed admin keys, as `litet key` writes them, separated by commas.")
    ] = None
    admin_keys_file: Annotated[
        Path | None, Meta(description="File with a hashed admin key a line; read again when it changes.")
    ] = None
    state: Annotated[
        Path | None,
        Meta(description="Folder of datasets, jobs and the audit log, on a local disk; else .litet in LITET_MODELS."),
    ] = None
    trainer_python: Annotated[
        Path | None, Meta(description="Interpreter that trains, with litet[train] installed; else the service's own.")
    ] = None
    max_dataset_bytes: Annotated[int, Meta(ge=1, description="Largest table that can be uploaded, in bytes.")] = 2**30
    max_running_jobs: Annotated[int, Meta(ge=1, le=64, description="Jobs that train at once, each another model.")] = 1
    max_job_s: Annotated[float, Meta(gt=0, le=2_592_000, description="Seconds that a job may take.")] = 86_400.0
    max_queued_jobs: Annotated[int, Meta(ge=0, le=10_000, description="Jobs that may wait for their turn.")] = 16
    replay_requests: Annotated[
        int,
        Meta(ge=0, le=100_000, description="Last requests of each model that are kept to try a candidate on; 0: none."),
    ] = 1_000
    watch_window_s: Annotated[
        float,
        Meta(ge=0, le=86_400, description="Seconds after a promotion in which more errors roll it back; 0: never."),
    ] = 600.0
    log_loss_tolerance: Annotated[
        float, Meta(ge=0, le=10, description="How much more log loss than the champion the gate lets pass.")
    ] = 0.02
    balanced_accuracy_tolerance: Annotated[
        float, Meta(ge=0, le=1, description="How much less balanced accuracy than the champion the gate lets pass.")
    ] = 0.01
    max_label_flips: Annotated[
        float, Meta(ge=0, le=1, description="Share of replayed rows whose class may change at a promotion.")
    ] = 0.25

    @property
    def state_folder(self) -> Path:
        """Where datasets, jobs and the audit log lie. A model's name never begins with a dot."""
        return self.state or self.models / ".litet"

    @property
    def has_admin(self) -> bool:
        """Whether there is an admin plane: it was not turned off, and there can be a key."""
        return self.admin == "on" and bool(self.admin_keys or self.admin_keys_file)

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in self.__struct_fields__ if name != "admin_keys"}
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @classmethod
    def from_env(cls, environ: Mapping[str, str], **overrides: Any) -> Settings:
        """The settings in `environ`, each replaced by the override of its name unless that is None.

        A variable that is empty counts as absent. Names that are no setting are left alone: see `unknown_variables`.

        Raises:
            InvalidSettings: a value is outside its range; the message names the variable.
        """
        values: dict[str, Any] = {
            field.name: environ[field.variable] for field in settings() if environ.get(field.variable)
        }
        values |= {name: value for name, value in overrides.items() if value is not None}
        for field in settings():
            if field.name in values:
                values[field.name] = field.parse(values[field.name])
        return cls(**values)

    def to_env(self) -> dict[str, str]:
        """The variables that `from_env` makes these settings of."""
        values = {field.variable: getattr(self, field.name) for field in settings()}
        return {
            variable: str(value).lower() if isinstance(value, bool) else str(value)
            for variable, value in values.items()
            if value is not None
        }


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One field of `Settings`: its name, variable, annotation, default, what it means, and what its values are."""

    name: str
    variable: str
    type: Any
    default: Any
    description: str
    rule: str

    def parse(self, value: object) -> Any:
        """`value` in its type; texts are read.

        Raises:
            InvalidSettings: it is outside its range; the message names the variable.
        """
        try:
            return msgspec.convert(value, self.type, strict=False, dec_hook=lambda kind, raw: kind(raw))
        except (msgspec.ValidationError, TypeError):
            raise InvalidSettings(f"{self.variable} must be {self.rule}, got {str(value)[:80]!r}") from None


def settings() -> tuple[Setting, ...]:
    """Every setting, in the order of the fields."""
    hints = get_type_hints(Settings, include_extras=True)
    return tuple(
        Setting(
            name=field.name,
            variable=PREFIX + field.name.upper(),
            type=hints[field.name],
            default=field.default,
            description=_meta(hints[field.name]).description or "",
            rule=_rule(hints[field.name]),
        )
        for field in fields(Settings)
    )


def unknown_variables(environ: Mapping[str, str]) -> dict[str, str | None]:
    """The `LITET_*` names that are no setting, each with the setting that was probably meant."""
    known = [field.variable for field in settings()]
    unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in (*known, *CLIENT_VARIABLES))
    return {name: next(iter(difflib.get_close_matches(name, known, n=1)), None) for name in unknown}


def _meta(annotation: Any) -> Meta:
    *_, meta = get_args(annotation)
    assert isinstance(meta, Meta)  # noqa: S101 # every field above is Annotated with one
    return meta


def _rule(annotation: Any) -> str:
    kind, meta = annotation.__origin__, _meta(annotation)
    for inner in get_args(kind):
        if get_origin(inner) is Annotated and inner.__origin__ is int:  # or none
            kind, meta = int, _meta(inner)
    if kind is bool:
        return "true or false"
    if Path in (kind, *get_args(kind)):
        return "a path"
    if str in get_args(kind):
        return "text"
    if choices := [choice for choice in get_args(kind) if isinstance(choice, str)]:
        return f"one of {', '.join(choices)}"
    if kind not in (int, float):
        return "an address" if kind is str else f"a model name ({MODEL_NAME})"
    noun = "a whole number" if kind is int else "a number"
    least = f" above {meta.gt}" if meta.gt is not None else f" from {meta.ge}"
    return noun + least + (f" to {meta.le}" if meta.le is not None else " up")
