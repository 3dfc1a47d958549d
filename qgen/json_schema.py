"""JSON schemas of files of settings, from their classes: what an editor checks while a YAML file is written.

Draft 7, which every editor knows. A schema allows whatever the settings accept, where they are written as YAML 1.2 and
JSON have them: a number that only `qgen.yaml_values` reads (`1_000`, `"3"`) and `yes` for `true` are text to an editor,
and are refused. Rules that join several settings are checked by the settings alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from qgen.settings import Settings
from qgen.yaml_values import coerce_any

DRAFT = "http://json-schema.org/draft-07/schema#"
Schema = dict[str, Any]
#: What holds schemas by name, rather than keywords.
_NAMED = ("properties", "definitions")


def json_schema(settings: type[Settings], title: str) -> Schema:
    """Return the schema of a file of settings.

    Args:
        settings: the class.
        title: what the file is.
    """
    given = settings.model_json_schema(ref_template="#/definitions/{model}", schema_generator=_Generator)
    definitions = {name: _plain_references(schema) for name, schema in given.pop("$defs", {}).items()}
    found = {"$schema": DRAFT, "title": title, **_plain_references(given)}
    return {**found, "definitions": definitions} if definitions else found


def partial(schema: Any) -> Any:
    """Return a schema with the same keys and values, none of them required: of a file that changes another one."""
    if isinstance(schema, list):
        return [partial(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {}
    for key, value in schema.items():
        if key in _NAMED:
            found[key] = {name: partial(part) for name, part in value.items()}
        elif key not in ("required", "default", "enum", "const"):
            found["anyOf" if key == "oneOf" else key] = partial(value)
        elif key != "required":
            found[key] = value
    return found


def describe_key(settings: type[BaseModel], name: str) -> str:
    """Return the description of a setting in its class or a base class, in one line, with YAML's `null` for `None`."""
    classes = [base for base in settings.__mro__ if issubclass(base, BaseModel) and name in base.model_fields]
    descriptions = (base.model_fields[name].description for base in classes)
    return re.sub(r"\bNone\b", "null", " ".join(next(filter(None, descriptions), "").split()))


class _Generator(GenerateJsonSchema):
    schema_dialect = DRAFT

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False  # an editor shows the key itself

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        found, settings = super().model_schema(schema), schema["cls"]
        found.pop("title", None)
        if "description" in found:
            found["description"] = " ".join(found["description"].partition("\n\n")[0].split())
        for name, own in found.get("properties", {}).items():
            about = describe_key(settings, name)
            if about:
                own["description"] = about
        return found

    def str_schema(self, schema: Any) -> JsonSchemaValue:
        """Unquoted words are text where text is asked for, whatever they look like."""
        return super().str_schema(schema) | {"type": ["string", "number", "boolean"]}

    def literal_schema(self, schema: Any) -> JsonSchemaValue:
        """A listed word may look like a number: `precision: 32`."""
        words: list[Any] = schema["expected"]
        read = [coerce_any(word) for word in words if isinstance(word, str)]
        others = [value for value in read if not isinstance(value, str)]
        return {"enum": [*words, *others]} if others or len(words) > 1 else super().literal_schema(schema)

    def tuple_schema(self, schema: Any) -> JsonSchemaValue:
        found = super().tuple_schema(schema)
        if "prefixItems" in found:  # in draft 7:
            found["items"] = found.pop("prefixItems")
            found["additionalItems"] = False
        return found


def _plain_references(schema: Any) -> Any:
    """Return the schema with references on their own, since draft 7 ignores what stands beside them."""
    if isinstance(schema, Sequence) and not isinstance(schema, str):
        return [_plain_references(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    found = {}
    for key, value in schema.items():
        if key in _NAMED:
            found[key] = {name: _plain_references(part) for name, part in value.items()}
        elif key in ("default", "enum", "const", "required"):
            found[key] = value
        elif key != "discriminator":  # OpenAPI's
            found[key] = _plain_references(value)
    if "$ref" in found and len(found) > 1:
        return {"allOf": [{"$ref": found.pop("$ref")}], **found}
    return found
