"""What is wrong with settings, said in the house form: where, found, expected, what to do."""

from __future__ import annotations

import json
import math
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from curbd.errors import UserError, did_you_mean, mistake
from curbd.settings.models import ESTIMATORS, RECOMMENDED

Path = tuple[str | int, ...]
S = TypeVar("S")

_EXPECTED = {
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "a section of keys",
    "model_type": "a section of keys",
    "model_attributes_type": "a section of keys",
    "greater_than": "a number greater than {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
    "too_short": "at least {min_length} of them",
    "string_pattern_mismatch": "letters, digits, `_`, `.`, `+` and `-`, the first no `.`, `+` or `-`",
}


def parse_json(flag: str, text: str, section: type[S]) -> S:
    """Settings given as JSON on the command line.

    Raises
    ------
    UserError : no JSON, or settings that are wrong; the text names the flag.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError.at(flag, found=f"no JSON ({error})", expected="settings as JSON") from None
    found, wrong = check(section, data, lambda path: ", ".join([flag, *filter(None, [dotted(path)])]))
    if found is None:
        raise UserError("\n".join(wrong))
    return found


def check(section: type[S], data: Any, place: Callable[[Path], str]) -> tuple[S | None, list[str]]:
    """Settings of a type (a section, or a dict of them) from plain data, or None and every mistake, one line each.

    ``place`` turns the path of a key into the text that names it for the user.
    """
    try:
        return TypeAdapter(section).validate_python(data), []
    except ValidationError as error:
        return None, list(_mistakes(error, section, data, place))


def long_steps(place: str, dt_s: float, tau_s: float | str | None, substeps: int | None) -> list[str]:
    """The mistake of Euler steps longer than the time constant, with which a state jumps past where it decays to.

    ``dt_s`` is the bin width; a time constant that is estimated is never shorter than a bin.
    """
    if not isinstance(tau_s, float):
        return []
    # The width may come from a clock that is not exact to the last bit.
    least, steps = math.ceil(dt_s / tau_s - 1e-6), substeps or 1
    if steps >= least:
        return []
    return [
        mistake(
            place,
            found=f"tau_s: {tau_s:g} with substeps: {steps} in bins of {dt_s:g} s",
            expected="Euler steps no longer than the time constant",
            todo=f"set substeps: {least} or more",
        )
    ]


def dotted(path: Path) -> str:
    """``models.full_rank.seeds[0]`` from the path of a key."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _mistakes(error: ValidationError, section: Any, data: Any, place: Callable[[Path], str]) -> Iterator[str]:
    # A value that may be one of several types fails once for each of them: those are one mistake.
    grouped: dict[Path, list[Any]] = {}
    for detail in error.errors():
        grouped.setdefault(_within(detail["loc"], data, detail["type"]), []).append(detail)
    # Of the types that a value may be, the one that got furthest into it is the one that was meant.
    meant = {path for path in grouped if not any(longer[: len(path)] == path for longer in grouped if longer != path)}
    for path, details in grouped.items():
        if path not in meant:
            continue
        where, first = place(path), details[0]
        if first["type"] == "value_error":
            cause = str(first["ctx"]["error"])
            joint = "." if cause.split(":")[0] in _keys(section, path, data) else ": "
            yield f"{where}{joint}{cause}"
        elif first["type"] == "extra_forbidden":
            known = _keys(section, path[:-1], data)
            yield mistake(
                where,
                found="a key that is not known",
                expected=f"one of {', '.join(known)}",
                todo=did_you_mean(str(path[-1]), known),
            )
        elif first["type"] == "missing":
            yield mistake(where, found="nothing", expected="a value", todo=f"write `{path[-1]}: ...`")
        else:
            expected = [_expected(detail) for detail in details if detail["type"] != "none_required"]
            found = _shown(first["input"])
            close = [choice.strip("'") for text in expected for choice in text.split(" or ")]
            hint = did_you_mean(first["input"], close) if isinstance(first["input"], str) else ""
            yield mistake(where, found=found, expected=" or ".join(dict.fromkeys(expected)), todo=hint)


def _expected(detail: Any) -> str:
    if detail["type"] == "literal_error":
        return str(detail["ctx"]["expected"]).replace(", ", " or ")
    template = _EXPECTED.get(detail["type"])
    return template.format(**detail.get("ctx", {})) if template else str(detail["msg"])


def _within(location: Path, data: Any, kind: str) -> Path:
    """The part of pydantic's location that stands in the data: without the names of alternatives of a type."""
    path: list[str | int] = []
    for part in location:
        if part in (data if isinstance(data, Mapping) else range(len(data)) if isinstance(data, list) else ()):
            data = data[part]
        elif kind != "missing" or part == "[key]":
            continue
        path.append(part)
    return tuple(path)


def _keys(section: Any, path: Path, data: Any) -> list[str]:
    """Names that may stand in the section at a path; none where the path leads to no section."""
    if path and path[-1] == "options":
        # The one section whose keys depend on the keys beside it.
        for part in path[:-1]:
            data = data[part]
        known = ESTIMATORS[data["family"]]
        return list(known[data.get("estimator") or RECOMMENDED[data["family"]]].model_fields)
    found = annotation_at(section, path)
    return [key for choice in _choices(found) if _is_section(choice) for key in choice.model_fields]


def annotation_at(section: Any, path: Path) -> Any:
    """Type of the setting at a path, None where there is no such setting."""
    for part in path:
        for choice in _choices(section):
            if _is_section(choice) and part in choice.model_fields:
                section = choice.model_fields[str(part)].annotation
                break
            origin = typing.get_origin(choice)
            if origin is dict or (origin is list and isinstance(part, int)):
                section = typing.get_args(choice)[-1]
                break
        else:
            return None
    return section


def _choices(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of a type: `int | None` -> (int, None)."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return tuple(choice for part in typing.get_args(annotation) for choice in _choices(part))
    return (annotation,)


def takes_text(annotation: Any) -> bool:
    """Whether any text is a value of this type."""
    return str in _choices(annotation)


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a section of keys"
    if isinstance(value, list):
        return "an empty list" if not value else "a list"
    return json.dumps(value) if isinstance(value, str) else str(value)
