"""JSON Schema, as much of it as rpc.discover uses; a keyword that is not known here is an error, never passed over."""
import re

TYPES = {"string": str, "object": dict, "array": list, "boolean": bool, "null": type(None)}
KNOWN = {"type", "properties", "required", "items", "anyOf", "enum", "$ref", "minimum", "maximum", "pattern",
         "additionalProperties", "description"}


def resolve(reference, document):
    out = document
    for part in reference.removeprefix("#/").split("/"):
        out = out[part]
    return out


def has_type(value, name):
    if name in ("integer", "number"):
        return isinstance(value, int if name == "integer" else (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def faults(value, schema, document, at="$"):
    """What is wrong with the value, a sentence each."""
    if unknown := set(schema) - KNOWN:
        raise ValueError(f"{at}: keywords {unknown} are not known")
    if "$ref" in schema:
        yield from faults(value, resolve(schema["$ref"], document), document, at)
    if "anyOf" in schema and all(list(faults(value, one, document, at)) for one in schema["anyOf"]):
        yield f"{at}: {value!r} is none of {schema['anyOf']}"
    if "type" in schema and not has_type(value, schema["type"]):
        yield f"{at}: {value!r} is no {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is not one of {schema['enum']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{at}: {value!r} is not like {schema['pattern']}"
    if value < schema.get("minimum", value) if has_type(value, "number") else False:
        yield f"{at}: {value} is less than {schema['minimum']}"
    if value > schema.get("maximum", value) if has_type(value, "number") else False:
        yield f"{at}: {value} is more than {schema['maximum']}"
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            yield from faults(item, schema["items"], document, f"{at}[{number}]")
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for name in schema.get("required", []):
            if name not in value:
                yield f"{at}: {name} is missing"
        for name, item in value.items():
            if name in properties:
                yield from faults(item, properties[name], document, f"{at}.{name}")
            elif "additionalProperties" in schema:
                yield from faults(item, schema["additionalProperties"], document, f"{at}.{name}")
