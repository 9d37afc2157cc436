"""Reading what --json wrote, each line checked against the schema of the documentation."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

_SCHEMA = Path(__file__).parents[2] / "docs" / "arsync-output.schema.json"


@cache
def validator() -> Draft202012Validator:
    """The schema, made strict: what it does not name is an error here, so that nothing is left out of it."""
    schema = json.loads(_SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    _close(schema["$defs"])
    return Draft202012Validator(schema)


def _close(part: Any) -> None:
    if isinstance(part, dict):
        if "properties" in part:
            part.setdefault("additionalProperties", False)
        for inner in part.values():
            _close(inner)
    elif isinstance(part, list):
        for inner in part:
            _close(inner)


def name_of(line: dict[str, Any], member: str = "path") -> bytes:
    """A name's bytes."""
    if member + "_base64" in line:
        return base64.b64decode(line[member + "_base64"], validate=True)
    name: str = line[member]
    return name.encode()


def read(out: bytes) -> list[dict[str, Any]]:
    """The objects of a run; the last one is a summary, and the first one tells of the start where there is one."""
    assert out.isascii()
    assert out.endswith(b"\n")
    lines = [json.loads(line) for line in out.splitlines()]
    for line in lines:
        if errors := list(validator().iter_errors(line)):
            deepest = errors[0].context or errors
            raise AssertionError(f"{line}: {[error.message for error in deepest][:20]}")
    assert [line["type"] for line in lines].count("summary") == 1
    assert lines[-1]["type"] == "summary"
    assert all(line["type"] != "start" for line in lines[1:])
    return lines
