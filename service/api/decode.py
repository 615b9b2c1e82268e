"""A body or a query -> the Struct it must be, or what is wrong with it: where, what, and what would be right.

msgspec says it for programmers and quotes what was sent. Here it is said for whoever wrote the request; the
`description` of a field's type, which is also its documentation, says what would do. Pure.
"""

import re
from collections.abc import Hashable, Sequence
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from msgspec import inspect

from programs.errors import did_you_mean
from service.errors import MALFORMED, Refused, Wrong, invalid

T = TypeVar("T")

_PATH = re.compile(r" - at `\$(.*)`$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_FIELD = re.compile(r"(missing required|contains unknown) field `(.*)`$", re.DOTALL)
_LENGTH = re.compile(r"Expected `(str|array|object)` of length (>=|<=) (\d+)")
_BOUND = re.compile(r"Expected `(int|float)` (>=|<=) (-?\d+)")
_TYPE = re.compile(r"Expected `(.+)`, got `(.+)`")
_NAMES = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
    "datetime": "a time with its offset",
    "date": "a date",
}
_SIMPLE = {
    "Invalid RFC3339 encoded datetime": ("is not a time", "For example 2026-06-01T12:00:00-04:00."),
    "Expected `datetime` with a timezone component": (
        "does not say its offset from UTC",
        "For example 2026-06-01T12:00:00-04:00, or Z at the end for UTC.",
    ),
    "Invalid RFC3339 encoded date": ("is not a date", "For example 2026-06-01."),
    "Number out of range": ("is too large a number", ""),
    "Integer value out of range": ("is too large a number", ""),
}


@cache
def _decoder(form: Hashable) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(form)


def body(raw: bytes, form: type[T]) -> T:
    """Raises Refused: 400 for what is no JSON at all (NaN included), 422 for JSON that is not `form`."""
    try:
        return cast(T, _decoder(cast(Hashable, form)).decode(raw or b"{}"))
    except msgspec.ValidationError as error:
        raise invalid(wrong(str(error), form)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Refused(MALFORMED, f"The body is not JSON that can be read: {_where(error)}.") from None


def _where(error: Exception) -> str:
    """msgspec names the byte, never what stands there."""
    if isinstance(error, msgspec.DecodeError):
        return str(error).removeprefix("JSON is malformed: ").lower()
    return (
        "not UTF-8" if isinstance(error, UnicodeDecodeError) else "it is nested too deeply or holds too long a number"
    )


def query(pairs: Sequence[tuple[str, str]], form: type[T]) -> T:
    """Every parameter is a field of `form`; one given twice or unknown is refused, as a typo would be a default."""
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given:
            raise invalid(Wrong("is given twice", parameter=name[:80]))
        given[name] = value
    try:
        return msgspec.convert(given, form, strict=False)
    except msgspec.ValidationError as error:
        it = wrong(str(error), form)
        raise invalid(Wrong(it.problem, parameter=it.pointer.strip("/"), hint=it.hint)) from None


def wrong(text: str, form: Any) -> Wrong:
    """msgspec's words about `form` -> pointer, problem and hint."""
    found = _PATH.search(text)
    steps = [name or index for name, index in _STEP.findall(found[1])] if found else []
    text = _PATH.sub("", text)
    node = _walk(inspect.type_info(form), [step for step in steps if step != "..."])
    if field := _FIELD.search(text):
        return _about_field(field, steps, node)
    problem, hint = _say(text, node)
    return Wrong(problem, _pointer(steps), hint=hint)


def _pointer(steps: Sequence[str]) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps if step != "...")


def _about_field(found: "re.Match[str]", steps: Sequence[str], node: Any) -> Wrong:
    name = found[2][:80]
    pointer = _pointer([*steps, name])
    if found[1] == "missing required":
        return Wrong("is missing", pointer, hint=_description(_walk(node, [name])))
    known = [it.encode_name for struct in _structs(node) for it in struct.fields]
    return Wrong("is not a field of this request", pointer, hint=did_you_mean(name, known))


def _say(text: str, node: Any) -> tuple[str, str]:
    if text in _SIMPLE:
        return _SIMPLE[text]
    if bound := _LENGTH.search(text) or _BOUND.search(text):
        return _bounded(*bound.groups()), ""
    if text.startswith(("Invalid enum value", "Invalid value")):
        return "is not one of the values allowed", _description(node) or f"Allowed: {', '.join(_values(node))}."
    if "matching regex" in text:
        return "is not written as it must be", _description(node)
    if kind := _TYPE.search(text):
        return f"must be {_name(kind[1])}, not {_name(kind[2])}", _description(node)
    return "is not as it must be", _description(node)


def _bounded(kind: str, relation: str, bound: str) -> str:
    side = "least" if relation == ">=" else "most"
    if kind in ("int", "float"):
        return f"must be at {side} {bound}"
    return f"must have at {side} {bound} {'characters' if kind == 'str' else 'items'}"


def _name(kinds: str) -> str:
    return " or ".join(_NAMES.get(kind, kind) for kind in kinds.split(" | "))


# the type at a place


def _members(node: Any) -> list[Any]:
    """The types it may be, without what is said about them: `A | None`, each of which may be a choice again."""
    if isinstance(node, inspect.Metadata):
        return _members(node.type)
    if isinstance(node, inspect.UnionType):
        return [found for one in node.types for found in _members(one)]
    return [node]


def _structs(node: Any) -> list[inspect.StructType]:
    return [it for it in _members(node) if isinstance(it, inspect.StructType)]


def _walk(node: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        if any(it.tag_field == step for it in _structs(node)):
            return node
        node = next((found for it in _members(node) if (found := _child(it, step)) is not None), None)
    return node


def _child(node: Any, step: str) -> Any:
    if isinstance(node, inspect.StructType):
        return next((it.type for it in node.fields if it.encode_name == step), None)
    return getattr(node, "item_type", None) if step.isdigit() else getattr(node, "value_type", None)


def _description(node: Any) -> str:
    """What is said of it, or of the first of what it may be that anything is said of."""
    if isinstance(node, inspect.Metadata):
        return str((node.extra_json_schema or {}).get("description", "")) or _description(node.type)
    members = node.types if isinstance(node, inspect.UnionType) else ()
    return next((text for one in members if (text := _description(one))), "")


def _values(node: Any) -> list[str]:
    """What a Literal, an enumeration or a tag allows."""
    found: list[str] = []
    for it in _members(node):
        if isinstance(it, inspect.LiteralType):
            found += [str(value) for value in it.values]
        elif isinstance(it, inspect.StructType) and it.tag is not None:
            found.append(str(it.tag))
    return found
