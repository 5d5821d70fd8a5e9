"""Small words from which JSON Schemas are put together: a field that is not listed is an error."""

from typing import Any

__all__ = [
    "COUNT",
    "DAY",
    "FLAG",
    "INTEGER",
    "NULL",
    "NUMBER",
    "TEXT",
    "WORDS",
    "Schema",
    "document",
    "list_of",
    "one_of",
    "or_null",
]

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WORDS: Schema = {"type": "string", "minLength": 1}
NUMBER: Schema = {"type": "number"}
INTEGER: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
DAY: Schema = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
NULL: Schema = {"type": "null"}


def document(required: Schema, optional: Schema | None = None) -> Schema:
    """A table with these fields and no others."""
    return {
        "type": "object",
        "required": list(required),
        "properties": required | (optional or {}),
        "additionalProperties": False,
    }


def list_of(item: Schema, least: int = 0, most: int | None = None) -> Schema:
    """A list of things of one kind."""
    return {"type": "array", "items": item, "minItems": least} | ({} if most is None else {"maxItems": most})


def one_of(*words: str) -> Schema:
    """One of some words."""
    return {"enum": list(words)}


def or_null(schema: Schema) -> Schema:
    """What the schema says, or nothing."""
    return {"anyOf": [schema, NULL]}
