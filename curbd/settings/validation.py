"""Checks of settings: for every mistake, where it is, what was found, what was expected and what to do."""

from __future__ import annotations

import json
import math
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from curbd.errors import UserError, did_you_mean, mistake
from curbd.settings.estimators import ESTIMATORS
from curbd.settings.models import RECOMMENDED

Path = tuple[str | int, ...]
S = TypeVar("S")

_QUOTES = "YAML reads on, yes, off and no as true and false, and 7 as a number: write a name of this kind in quotes"
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
    "less_than": "a number less than {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
    "too_short": "at least {min_length} entries",
    "string_pattern_mismatch": "letters, digits, `_`, `.`, `+` and `-`, beginning with a letter, a digit or `_`",
}


def parse_json(where: str, text: str, section: type[S]) -> S:
    """Read and check settings that are given as JSON in a file or on the command line.

    Parameters
    ----------
    where : the file, or the option of the command line, for messages.
    text : the JSON string.
    section : type of the settings: a section, or a dict of sections.

    Returns
    -------
    The settings.

    Raises
    ------
    UserError : the string is not JSON, or the settings have mistakes.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError.at(where, found=f"text that is not valid JSON ({error})", expected="settings as JSON") from None
    settings, mistakes = check(section, data, lambda path: ", ".join([where, *filter(None, [dotted(path)])]))
    if settings is None:
        raise UserError("\n".join(mistakes))
    return settings


def check(section: type[S], data: Any, where: Callable[[Path], str]) -> tuple[S | None, list[str]]:
    """Check settings given as plain data, as read from YAML or JSON.

    Parameters
    ----------
    section : type of the settings: a section, or a dict of sections.
    data : the plain data.
    where : function that turns the path of a key into its name in messages.

    Returns
    -------
    The settings, or None if there are mistakes; and every mistake, one line each.
    """
    try:
        return TypeAdapter(section).validate_python(data), []
    except ValidationError as error:
        return None, list(_mistakes(error, section, data, where))


def euler_step_mistakes(where: str, dt_s: float, tau_s: float | str | None, substeps: int | None) -> list[str]:
    """Report Euler steps that are longer than the time constant.

    With such steps, a state overshoots the value to which it decays. A time constant that is estimated is never shorter
    than a bin.

    Parameters
    ----------
    where : name of the model in the message.
    dt_s : bin width in seconds.
    tau_s : time constant in seconds; None or ``estimate`` if it is estimated.
    substeps : number of Euler steps per bin; None for 1.

    Returns
    -------
    A list with one mistake, or an empty list.
    """
    if not isinstance(tau_s, float):
        return []
    # A bin width that was computed from time stamps has rounding errors.
    needed, steps = math.ceil(dt_s / tau_s - 1e-6), substeps or 1
    if steps >= needed:
        return []
    return [
        mistake(
            where,
            found=f"tau_s: {tau_s:g} with substeps: {steps} in bins of {dt_s:g} s",
            expected="Euler steps no longer than the time constant",
            todo=f"set substeps: {needed} or more",
        )
    ]


def dotted(path: Path) -> str:
    """Convert the path of a key to a string, for example ``models.full_rank.seeds[0]``."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")


def _mistakes(error: ValidationError, section: Any, data: Any, where: Callable[[Path], str]) -> Iterator[str]:
    # A value that may have one of several types fails once for each type: one mistake, not several.
    grouped: dict[Path, list[Any]] = {}
    for detail in error.errors():
        grouped.setdefault(_within(detail["loc"], data, detail["type"]), []).append(detail)
    # The user meant the type whose check got furthest into the value.
    deepest = {path for path in grouped if not any(longer[: len(path)] == path for longer in grouped if longer != path)}
    for path, details in grouped.items():
        if path not in deepest:
            continue
        key, first = where(path), details[0]
        if first["type"] == "value_error":
            cause = str(first["ctx"]["error"])
            joint = "." if cause.split(":")[0] in _keys(section, path, data) else ": "
            yield f"{key}{joint}{cause}"
        elif first["type"] == "extra_forbidden":
            keys = _keys(section, path[:-1], data)
            homes = [home for home in keys if path[-1] in _keys(section, (*path[:-1], home), data)]
            yield mistake(
                key,
                found="an unknown key",
                expected=f"one of {', '.join(keys)}",
                todo=f"write it under {' or '.join(homes)}" if homes else did_you_mean(str(path[-1]), keys),
            )
        elif first["type"] == "missing":
            yield mistake(key, found="nothing", expected="a value", todo=f"write `{path[-1]}: ...`")
        elif first["type"] == "string_type" and first["loc"][-1:] == ("[key]",):
            found = f"the name {_shown(first['input'])}"
            yield mistake(where(path[:-1]), found=found, expected="a name that is text", todo=_QUOTES)
        else:
            expected = [_expected(detail) for detail in details if detail["type"] != "none_required"]
            found = _shown(first["input"])
            choices = [choice.strip("'") for text in expected for choice in text.split(" or ")]
            hint = did_you_mean(first["input"], choices) if isinstance(first["input"], str) else ""
            if first["type"] == "string_type" and isinstance(first["input"], bool | int | float):
                hint = _QUOTES
            yield mistake(key, found=found, expected=" or ".join(dict.fromkeys(expected)), todo=hint)


def _expected(detail: Any) -> str:
    if detail["type"] == "literal_error":
        return str(detail["ctx"]["expected"]).replace(", ", " or ")
    template = _EXPECTED.get(detail["type"])
    return template.format(**detail.get("ctx", {})) if template else str(detail["msg"])


def _within(location: Path, data: Any, kind: str) -> Path:
    """The keys of the data in the location that pydantic reports, which also names the alternatives of a type."""
    path: list[str | int] = []
    for key in location:
        if key in (data if isinstance(data, Mapping) else range(len(data)) if isinstance(data, list) else ()):
            data = data[key]
        elif kind != "missing" or key == "[key]":
            continue
        path.append(key)
    return tuple(path)


def _keys(section: Any, path: Path, data: Any) -> list[str]:
    """Names of the keys that the section at a path may have; none where there is no section at the path."""
    if path and path[-1] == "options":
        # The keys of `options` depend on the estimator, which is a key of the same model.
        for key in path[:-1]:
            data = data[key]
        estimators = ESTIMATORS[data["family"]]
        return list(estimators[data.get("estimator") or RECOMMENDED[data["family"]]].model_fields)
    annotation = annotation_at(section, path)
    return [key for choice in _choices(annotation) if _is_section(choice) for key in choice.model_fields]


def annotation_at(section: Any, path: Path) -> Any:
    """Return the type of the setting at a path; None if there is no such setting."""
    for key in path:
        for choice in _choices(section):
            if _is_section(choice) and key in choice.model_fields:
                section = choice.model_fields[str(key)].annotation
                break
            origin = typing.get_origin(choice)
            if origin is dict or (origin is list and isinstance(key, int)):
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
        return tuple(choice for alternative in typing.get_args(annotation) for choice in _choices(alternative))
    return (annotation,)


def takes_text(annotation: Any) -> bool:
    """Return True if every string is a valid value of this type."""
    return str in _choices(annotation)


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a section of keys" if value else "an empty section"
    if isinstance(value, list):
        return "an empty list" if not value else "a list"
    return json.dumps(value) if isinstance(value, str) else str(value)
