"""Sections of a spec checked field by field."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast, get_args, get_type_hints

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    create_model,
)
from pydantic import Field as Rule
from pydantic_core import PydanticCustomError

from orchestrator.spec.strategies import FORMER_SCHEDULERS, scheduler_names, searcher_names
from search_spaces.faults import Fault, unknown_name
from search_spaces.resolution import Resolution
from trainables.data.class_colors import color_text

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from pydantic_core import ErrorDetails

T = TypeVar("T")


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("no_bool", "something other than true or false")
    return value


def _resolution(value: object) -> object:
    return None if value is None else str(Resolution.parse(value))


def _colors(value: object) -> object:
    """Return the colours of a mapping as ``#rrggbb``."""
    if not isinstance(value, dict):
        raise PydanticCustomError("colors", "a mapping of class names to colours")
    try:
        return {name: color_text(color) for name, color in value.items()}
    except ValueError as error:
        raise PydanticCustomError("colors", "{reason}", {"reason": str(error)}) from None


def _sweeps(value: object) -> object:
    """Return true, false or a tuple of names; one name may stand alone."""
    names = [value] if isinstance(value, str) else value
    if isinstance(names, list | tuple) and all(isinstance(n, str) and n for n in names):
        return tuple(names)
    if isinstance(value, bool):
        return value
    raise PydanticCustomError("sweeps", "true, false or a list of names of sweeps")


def _one_of(names: tuple[str, ...], former: Mapping[str, str] | None = None) -> BeforeValidator:
    """Return a validator of ``names``, which replaces the ``former`` ones."""

    def known(value: object) -> object:
        name = (former or {}).get(str(value), value)
        if name not in names:
            raise PydanticCustomError("name", f"one of {', '.join(names)}")
        return name

    return BeforeValidator(known)


_NO_BOOL = BeforeValidator(_no_bool)
_POSITIVE = Rule(gt=0)
_COUNT = Rule(ge=1)
_NOT_NEGATIVE = Rule(ge=0)
_TEXT = Rule(min_length=1)
RULES: Mapping[str, Any] = {
    "data.root": _TEXT,
    "data.train_split": _TEXT,
    "data.val_split": _TEXT,
    "data.test_split": _TEXT,
    "data.ignore_index": Rule(ge=0, le=255),
    "data.class_colors": BeforeValidator(_colors),
    "data.max_image_pixels": _COUNT,
    "data.max_train_images": _COUNT,
    "data.max_val_images": _COUNT,
    "data.max_test_images": _COUNT,
    "data.synthetic_train_images": _COUNT,
    "data.synthetic_val_images": _COUNT,
    "data.synthetic_test_images": _COUNT,
    "data.synthetic_seed": _NOT_NEGATIVE,
    "training.seed": Rule(ge=0, lt=2**32),
    "training.early_stopping_epochs": _COUNT,
    "training.gradient_clip": _POSITIVE,
    "training.weights": _TEXT,
    "training.loader_workers": _NOT_NEGATIVE,
    "training.threads": _COUNT,
    "training.sample_images": _NOT_NEGATIVE,
    "teacher.checkpoint": _TEXT,
    "teacher.resolution": BeforeValidator(_resolution),
    "teacher.epochs": _COUNT,
    "teacher.batch_size": _COUNT,
    "teacher.learning_rate": _POSITIVE,
    "target.threads": _COUNT,
    "target.warmup": _NOT_NEGATIVE,
    "target.repeats": _COUNT,
    "target.rounds": _COUNT,
    "target.seconds": _POSITIVE,
    "target.batch_size": _COUNT,
    "budget.trials": _COUNT,
    "budget.epochs": _COUNT,
    "budget.device_hours": _POSITIVE,
    "budget.stagnation_trials": _COUNT,
    "search.searcher": _one_of(searcher_names()),
    "search.scheduler": _one_of(scheduler_names(), FORMER_SCHEDULERS),
    "search.grace_period": _COUNT,
    "search.reduction_factor": Rule(gt=1),
    "search.seed": Rule(ge=0, lt=2**32),
    "search.warm_start": BeforeValidator(_sweeps),
    "resources.lanes": _COUNT,
    "resources.train_workers": _COUNT,
    "resources.cpus_per_worker": _POSITIVE,
    "resources.gpus_per_worker": _NOT_NEGATIVE,
    "resources.memory_gb_per_worker": _POSITIVE,
    "resources.gpu_type": _TEXT,
    "resources.address": _TEXT,
    "artifacts.images": _COUNT,
    "tracking.uri": _TEXT,
    "tracking.experiment": Rule(min_length=1, max_length=500),
    "storage.root": _TEXT,
    "storage.cache": _TEXT,
    "storage.mirror": _TEXT,
    "storage.mirror_seconds": _POSITIVE,
    "storage.disk_budget_gb": _POSITIVE,
}


def read_section(kind: type[T], value: object, path: str) -> T | list[Fault]:
    """Return ``value`` as the dataclass ``kind``, or everything that is wrong with it.

    Unknown keys, wrong types, values out of range and numbers that are not finite are faults; a key
    that is not given takes the dataclass's default, and so does a whole section of None.

    Args:
        kind: Frozen dataclass of the section.
        value: What the text has for it: a mapping, or None.
        path: Name of the section, the beginning of every fault's path.
    """
    if value is None:
        value = {}
    if not isinstance(value, dict):
        return [Fault(path, f"must be a mapping of settings, got {value!r}")]
    names = [name.name for name in fields(kind)]  # type: ignore[arg-type]
    unknown = [
        Fault(f"{path}.{key}", unknown_name(key, names, kind="key"))
        for key in value
        if key not in names
    ]
    known = {key: item for key, item in value.items() if key in names}
    try:
        model = _model(cast("Hashable", kind), path).model_validate(known)
    except ValidationError as error:
        return [*unknown, *(_fault(each, path) for each in error.errors(include_url=False))]
    if unknown:
        return unknown
    return kind(**{name: getattr(model, name) for name in model.model_fields_set})


@cache
def _model(kind: type[Any], path: str) -> type[BaseModel]:
    """Build the model of a dataclass once: its fields, types, defaults and the rules above."""
    hints = get_type_hints(kind)
    definitions: dict[str, Any] = {
        field.name: (_ruled(hints[field.name], f"{path}.{field.name}"), _default(field))
        for field in fields(kind)
    }
    return create_model(
        kind.__name__,
        __config__=ConfigDict(extra="forbid", allow_inf_nan=False),
        **definitions,
    )


def _ruled(hint: Any, place: str) -> Any:  # noqa: ANN401 - a type expression
    """Return the type with the place's rule, laid inside an optional type so that None passes."""
    options = get_args(hint)
    kinds = [option for option in options or (hint,) if option is not type(None)]
    if place in RULES and len(kinds) == 1:
        kinds[0] = Annotated[kinds[0], RULES[place]]
    elif place in RULES:
        return Annotated[hint, RULES[place]]
    else:
        return hint if bool in kinds else Annotated[hint, _NO_BOOL]
    ruled = kinds[0] | None if type(None) in options else kinds[0]
    return Annotated[ruled, _NO_BOOL]


def _default(field: Field[Any]) -> Any:  # noqa: ANN401 - the value of any field
    if field.default is not MISSING:
        return field.default
    if field.default_factory is not MISSING:
        return Rule(default_factory=field.default_factory)
    return ...


def _fault(error: ErrorDetails, path: str) -> Fault:
    place = ".".join([path, *(str(part) for part in error["loc"])])
    if error["type"] == "missing":
        return Fault(place, "must be given")
    message = error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return Fault(place, f"must be {message}, got {error['input']!r}")
