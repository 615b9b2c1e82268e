"""The OpenAPI 3.1 document, made once from the list of routes and what each says it takes and gives (doc.py).

Litestar could make one, but from types it decodes its own way; bodies and queries are decoded by ours (decode.py).
"""

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler

from service import errors
from service.api.doc import Doc
from service.errors import Kind, Problem

REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+):str\}")
_OF_EVERY_ROUTE = (errors.UNEXPECTED, errors.UNAVAILABLE)
_OF_SIGNED_IN = (errors.NOT_SIGNED_IN, errors.NOT_FOR_YOU, errors.NOT_FOUND, errors.TOO_MANY)
_OF_BODIES = (errors.MALFORMED, errors.TOO_LARGE, errors.INVALID)

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Your own name for this request. Sent again with it, the same request gets the same reply, with "
    "`Idempotency-Replayed: true`, and is not done twice; another request with it is refused.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 100},
}
ABOUT = """\
What happens between visits to a clinic that does dry needling: check-ins, home programs, reminders, adherence.

Send your token as `Authorization: Bearer ...`. Clinicians reach `/clinics/{their clinic}`, patients reach `/me`.
Times are RFC 3339 with an offset; local dates and times are those of the patient's zone. Unknown fields are refused.
Every error is a problem of RFC 9457: `type` is stable, `detail` is for people, `errors` says where.

It is not for emergencies: nobody watches the answers at every hour."""


AT_THE_ROOT = ("/healthz", "/exercises/")


def document(prefix: str, routes: Iterable[HTTPRouteHandler]) -> dict[str, Any]:
    routes = list(routes)
    docs = [route.opt["doc"] for route in routes]
    types = dict.fromkeys(it for doc in docs for it in (doc.gives, doc.takes, doc.query) if it is not None)
    schemas, components = msgspec.json.schema_components([*types, Problem], ref_template=REF)
    found = dict(zip(types, schemas[:-1], strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        for path in route.paths:
            whole = path if path.startswith(AT_THE_ROOT) else prefix + path
            methods = paths.setdefault(_PARAMETER.sub(r"{\1}", whole), {})
            methods[_method(route).lower()] = _operation(route, path, found, components)
    for doc in docs:  # a query is documented where it is asked
        components.pop(getattr(doc.query, "__name__", ""), None)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Homestretch",
            "version": "1",
            "description": ABOUT,
            "license": {"name": "AGPL-3.0-or-later"},
        },
        "paths": paths,
        "components": {
            "schemas": {name: components[name] for name in sorted(components)},
            "responses": {_name(kind): _problem(kind) for kind in errors.KINDS},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _method(route: HTTPRouteHandler) -> str:
    return next(str(method) for method in route.http_methods)


def _operation(route: HTTPRouteHandler, path: str, found: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    doc: Doc = route.opt["doc"]
    text = inspect.getdoc(route.fn) or ""
    operation: dict[str, Any] = {
        "operationId": route.fn.__name__,
        "summary": route.fn.__name__.replace("_", " ").capitalize(),
        "description": text,
        "tags": [_tag(path)],
        "parameters": _parameters(route, doc, path, found, components),
        "responses": _responses(route, doc, found),
        "security": [{"token": []}] if doc.signed_in else [],
    }
    if doc.takes is not None:
        content = {"application/json": {"schema": found[doc.takes]}}
        operation["requestBody"] = {"required": not doc.optional_body, "content": content}
    return operation


def _tag(path: str) -> str:
    return "patient" if path.startswith("/me") else "clinic" if path.startswith("/clinics") else "service"


# parameters


def _parameters(
    route: HTTPRouteHandler, doc: Doc, path: str, found: dict[Any, Any], components: dict[str, Any]
) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "maxLength": 64}}
        for name in _PARAMETER.findall(path)
    ]
    if doc.query is not None:
        fields = components[found[doc.query]["$ref"].rpartition("/")[2]]["properties"]
        listed += [_query(name, schema) for name, schema in fields.items()]
    if _method(route) == "POST" and doc.signed_in and doc.idempotent:
        listed.append(IDEMPOTENCY_KEY)
    if doc.if_match:
        listed.append(_if_match(doc.if_match == "required"))
    return listed


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    it: dict[str, Any] = {"name": name, "in": "query", "required": False, "schema": schema}
    if "description" in schema:
        it["description"] = schema["description"]
    return it


def _if_match(required: bool) -> dict[str, Any]:
    return {
        "name": "If-Match",
        "in": "header",
        "required": required,
        "description": "The ETag of the version you are changing. If it is no longer the one that stands: 412.",
        "schema": {"type": "string", "pattern": '^"[0-9]{1,9}"$'},
    }


# responses


def _responses(route: HTTPRouteHandler, doc: Doc, found: dict[Any, Any]) -> dict[str, Any]:
    kinds = list(_OF_EVERY_ROUTE + (_OF_SIGNED_IN if doc.signed_in else ()))
    kinds += _OF_BODIES if doc.takes is not None else (errors.INVALID,) if doc.query else ()
    kinds += (errors.STALE,) if doc.if_match else ()
    kinds += (errors.VERSION_NEEDED,) if doc.if_match == "required" else ()
    kinds += [kind for kind in errors.KINDS if kind.status in doc.also]
    replies = {str(doc.status): _success(route, doc, found)}
    replies |= {str(kind.status): {"$ref": f"#/components/responses/{_name(kind)}"} for kind in kinds}
    if 503 in doc.also:
        replies["503"] = {**_success(route, doc, found), "description": "Something is not as it must be."}
    return dict(sorted(replies.items()))


def _success(route: HTTPRouteHandler, doc: Doc, found: dict[Any, Any]) -> dict[str, Any]:
    reply: dict[str, Any] = {"description": "Done.", "content": {doc.media_type: {"schema": found[doc.gives]}}}
    if headers := _headers(route, doc):
        reply["headers"] = {name: {"description": text, "schema": {"type": "string"}} for name, text in headers}
    return reply


def _headers(route: HTTPRouteHandler, doc: Doc) -> Sequence[tuple[str, str]]:
    fields = _fields(doc.gives)
    found = []
    if "version" in fields:
        found.append(("ETag", "The version, to be sent back as If-Match."))
    if "next" in fields:
        found.append(("Link", 'The page that follows, as rel="next".'))
    if doc.status == 201:
        found.append(("Location", "Where it is now."))
    if _method(route) == "POST" and doc.signed_in and doc.idempotent:
        found.append(("Idempotency-Replayed", "“true” when this is the reply to an earlier sending."))
    return found


def _fields(form: Any) -> Sequence[str]:
    return tuple(getattr(getattr(form, "__origin__", form), "__struct_fields__", ()))


def _name(kind: Kind) -> str:
    return kind.name.title().replace("-", "")


def _problem(kind: Kind) -> dict[str, Any]:
    reply: dict[str, Any] = {
        "description": f"{kind.title}: {kind.type}",
        "content": {errors.MEDIA_TYPE: {"schema": {"$ref": REF.format(name="Problem")}}},
    }
    if kind is errors.NOT_SIGNED_IN:
        reply["headers"] = {"WWW-Authenticate": {"description": "Bearer", "schema": {"type": "string"}}}
    if kind is errors.TOO_MANY:
        reply["headers"] = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string"}}}
    return reply
