"""Documents that are generated from the code: JSON schemas, the key tables of config/README.md, the data dictionary.

``python -m curbd.documents`` in the root of the repository writes these documents; a test fails if one is out of date.
"""

from __future__ import annotations

import json
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from curbd.settings.config import Config, Hardware
from curbd.settings.contrasts import Change, Contrast
from curbd.settings.estimators import ESTIMATORS, FitSettings
from curbd.settings.experiments import ExperimentSettings, Inactivation
from curbd.settings.models import RECOMMENDED, Model
from curbd.settings.recording import RecordingSettings
from curbd.settings.report import ReportSettings
from curbd.settings.shared import Shared
from curbd.storage.whole_files import whole_file
from curbd.tables import TABLES, UNIT_SCORES, Column, Table
from curbd.tables.column import ABOUT, SESSION_COLUMNS

GENERATED_START = ", from here -->"
GENERATED_END = "<!-- to here -->"
SCHEMA_DRAFT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_TYPES = {"text": "string", "integer": "integer", "number": "number", "flag": "boolean"}


def documents(root: Path) -> dict[str, str]:
    """Generate the text of every document that is generated, wholly or in part.

    Parameters
    ----------
    root : root of the repository, from which the parts of files that are not generated are read.

    Returns
    -------
    Path relative to ``root`` -> text.
    """
    schemas = {"config": config_schema()} | {name: table_schema(table) for name, table in TABLES.items()}
    files = {
        f"workflow/schemas/{name}.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in schemas.items()
    }
    for name, lines in (("config/README.md", config_keys()), ("results/README.md", data_dictionary())):
        before, _, generated_and_after = (root / name).read_text(encoding="utf-8").partition(GENERATED_START)
        after = generated_and_after.partition(GENERATED_END)[2]
        files[name] = "\n".join([before + GENERATED_START, "", *lines, "", GENERATED_END + after])
    return files


def config_schema() -> dict[str, Any]:
    """Return the JSON schema of the config, with which editors complete and check keys."""
    return {"$schema": SCHEMA_DRAFT, **Config.model_json_schema()}


def table_schema(table: Table) -> dict[str, Any]:
    """Return the JSON schema of one row of a table."""
    return {
        "$schema": SCHEMA_DRAFT,
        "title": table.file,
        "description": table.meaning,
        "type": "object",
        "properties": {
            column.name: _column_schema(column)
            for column in (*table.columns, *(SESSION_COLUMNS if table.names_sessions else ()))
        },
        "required": [column.name for column in table.columns if not column.optional],
    }


def _column_schema(column: Column) -> dict[str, Any]:
    kind = SCHEMA_TYPES[column.kind]
    schema: dict[str, Any] = {"type": [kind, "null"] if column.empty else kind, "description": column.meaning}
    if column.values:
        schema["enum"] = list(column.values)
    limits = {"minimum": column.low, "maximum": column.high}
    return schema | {key: limit for key, limit in limits.items() if abs(limit) != float("inf")}


def data_dictionary() -> list[str]:
    """Return the lines of results/README.md: every column of every table of a run."""
    lines: list[str] = []
    for table in TABLES.values():
        lines += [f"## {table.file}", "", table.meaning, ""]
        lines += ["| column | type | meaning | empty when |", "|---|---|---|---|"]
        for column in table.columns:
            name = f"**{column.name}**" if column.name in table.key else column.name
            kind = ", ".join(column.values) if column.values else column.kind
            lines.append(_row(f"*{name}*" if column.optional else name, kind, column.meaning, column.empty or "never"))
        if table.names_sessions:
            lines += [_row(column.name, column.kind, column.meaning, "never") for column in SESSION_COLUMNS]
            meaning = "what the key `about` of the config, or a column of recordings.tsv, says about the recording"
            lines.append(_row(f"{ABOUT}&lt;key&gt;", "text", meaning, "nothing is said about the recording"))
        if table is TABLES["units"]:
            empty = "the unit is not fitted, or its activity is constant"
            lines += [_row(f"{name}:&lt;model&gt;", "number", text, empty) for name, text in UNIT_SCORES.items()]
        lines.append("")
    return lines[:-1]


def config_keys() -> list[str]:
    """Return the lines of config/README.md: every key of the config, section by section."""
    lines = _section("The config", Config, level=2)
    lines += _section("defaults: how a file becomes a recording", RecordingSettings, level=2)
    for name, nested in _sections(RecordingSettings):
        lines += _section(f"defaults.{name}", nested)
    lines += _section("defaults: how a network is fitted", FitSettings, level=2)
    lines += _section("defaults: where computations run", Hardware, level=2)
    lines += _section("models.&lt;name&gt;", Model, level=2)
    for family, estimators in ESTIMATORS.items():
        for name, options in estimators.items():
            recommended = ", recommended" if RECOMMENDED[family] == name else ""
            lines += _section(f"options of `{name}` ({family}{recommended})", options)
    lines += _section("inactivations.&lt;name&gt;", Inactivation, level=2)
    lines += _section("bench: how experiments are run and tested", ExperimentSettings, level=2)
    lines += _section("contrasts.&lt;name&gt;", Contrast, level=2)
    lines += _section("changes.&lt;name&gt;", Change, level=2)
    lines += _section("shared: one network for several animals", Shared, level=2)
    lines += _section("report: how the figures show the regions", ReportSettings, level=2)
    return lines[:-1]


def _section(title: str, section: type[BaseModel], level: int = 3) -> list[str]:
    return [f"{'#' * level} {title}", "", _summary(section), "", *_keys(section), ""]


def _summary(section: type[BaseModel]) -> str:
    """First paragraph of the docstring of a section."""
    return " ".join((section.__doc__ or "").strip().split("\n\n")[0].split())


def _keys(section: type[BaseModel]) -> Iterator[str]:
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    schema = section.model_json_schema()
    nested = {name.removesuffix("[]"): entry for name, entry in _sections(section)}
    for name, field in section.model_fields.items():
        is_section = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        kind = "section" if is_section else _type(schema["properties"][name])
        if field.is_required():
            default = "required"
        else:
            default = "see below" if is_section else _as_yaml(to_jsonable_python(field.default))
        meaning = field.description or (_summary(nested[name]) if name in nested else "")
        yield _row(f"`{name}`", kind, default, " ".join(meaning.split()))


def _type(schema: dict[str, Any]) -> str:
    """Type of a key in words, from its JSON schema."""
    if "$ref" in schema:
        return "section"
    if "anyOf" in schema:
        return " or ".join(_type(choice) for choice in schema["anyOf"] if choice.get("type") != "null")
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{choice}`" for choice in schema.get("enum", [schema.get("const")]))
    if "prefixItems" in schema:
        return "pair of " + _plural(_type(schema["prefixItems"][0]))
    if schema.get("type") == "array":
        return "list of " + _plural(_type(schema["items"]))
    if schema.get("type") == "object":
        return "section"
    limits = {"exclusiveMinimum": "above", "minimum": "from", "exclusiveMaximum": "below", "maximum": "to"}
    ranges = [f"{word} {schema[key]:.10g}" for key, word in limits.items() if key in schema]
    names = {"number": "number", "integer": "whole number", "string": "text", "boolean": "true or false"}
    return " ".join([names.get(schema.get("type", ""), "any value"), *ranges])


def _plural(kind: str) -> str:
    """``numbers above 0`` from ``number above 0``; texts and choices stay as they are."""
    return re.sub(r"^(section|number|whole number|pair)", r"\1s", kind)


def _sections(section: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Name and class of every nested section; the name of a list of sections ends with ``[]``."""
    for name, field in section.model_fields.items():
        nested = field.annotation
        if typing.get_origin(nested) is list and isinstance(typing.get_args(nested)[0], type):
            nested, name = typing.get_args(nested)[0], f"{name}[]"
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            yield name, nested


def _as_yaml(value: Any) -> str:
    if isinstance(value, dict) and value:
        entries = {name: {key: item for key, item in entry.items() if item} for name, entry in value.items()}
        return "; ".join(f"`{name}: {json.dumps(entry)}`" for name, entry in entries.items())
    return f"`{json.dumps(value)}`" if not isinstance(value, str) else f"`{value}`"


def _row(*cells: str) -> str:
    return "| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in cells) + " |"


def main() -> None:
    """Write every generated file that is out of date."""
    root = Path.cwd()
    for name, text in documents(root).items():
        path = root / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            with whole_file(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
            print(f"wrote {name}", file=sys.stderr)


if __name__ == "__main__":
    main()
