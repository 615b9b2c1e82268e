"""The OpenAPI document is complete and whole, and the page made of it needs nothing from anywhere else."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from service.api import openapi
from service.api.routes import ARRIVING, OPEN, PREFIX, SIGNED_IN
from tests.service.api.conftest import Api

DOCUMENT = openapi.document(PREFIX, (*SIGNED_IN, *ARRIVING, *OPEN))

# Whoever adds or takes away a route says so here: others build on it.
PATHS = """
GET /api/v1/clinics/{clinic}
PUT /api/v1/clinics/{clinic}/addresses/{id}
GET /api/v1/clinics/{clinic}/adherence
GET /api/v1/clinics/{clinic}/flags
GET /api/v1/clinics/{clinic}/flags/{id}
POST /api/v1/clinics/{clinic}/flags/{id}/acknowledge
GET /api/v1/clinics/{clinic}/rules
POST /api/v1/clinics/{clinic}/rules/{id}/approve
POST /api/v1/clinics/{clinic}/rules/{id}/switch
GET /api/v1/clinics/{clinic}/triage
POST /api/v1/clinics/{clinic}/triage/on-call
POST /api/v1/clinics/{clinic}/triage/switch
POST /api/v1/clinics/{clinic}/triage/watch
GET /api/v1/clinics/{clinic}/unanswered
POST /api/v1/clinics/{clinic}/unanswered/{id}/follow-up
POST /api/v1/clinics/{clinic}/needling-sessions
DELETE /api/v1/clinics/{clinic}/needling-sessions/{id}
GET /api/v1/clinics/{clinic}/needling-sessions/{id}
PUT /api/v1/clinics/{clinic}/needling-sessions/{id}
GET /api/v1/clinics/{clinic}/programs
GET /api/v1/clinics/{clinic}/exercises
DELETE /api/v1/clinics/{clinic}/exercises/{id}
GET /api/v1/clinics/{clinic}/exercises/{id}
PUT /api/v1/clinics/{clinic}/exercises/{id}
PUT /api/v1/clinics/{clinic}/exercises/{id}/words
PATCH /api/v1/clinics/{clinic}/settings
GET /api/v1/clinics/{clinic}/break-glass
POST /api/v1/clinics/{clinic}/patients/{id}/break-glass
GET /api/v1/clinics/{clinic}/patients
POST /api/v1/clinics/{clinic}/patients
GET /api/v1/clinics/{clinic}/patients/{id}
PATCH /api/v1/clinics/{clinic}/patients/{id}
GET /api/v1/clinics/{clinic}/patients/{id}/adherence
GET /api/v1/clinics/{clinic}/patients/{id}/monitoring
POST /api/v1/clinics/{clinic}/patients/{id}/staff-time
PUT /api/v1/clinics/{clinic}/settings/monitoring-labels
GET /api/v1/clinics/{clinic}/patients/{id}/agenda
POST /api/v1/clinics/{clinic}/patients/{id}/agenda
GET /api/v1/clinics/{clinic}/messages/{id}
GET /api/v1/clinics/{clinic}/patients/{id}/messages
POST /api/v1/clinics/{clinic}/text-replies
GET /api/v1/clinics/{clinic}/patients/{patient}/plans
POST /api/v1/clinics/{clinic}/patients/{patient}/plans
PUT /api/v1/clinics/{clinic}/patients/{patient}/plans/{id}
POST /api/v1/clinics/{clinic}/patients/{patient}/plans/{id}/end
POST /api/v1/clinics/{clinic}/patients/{patient}/plans/{id}/hold
GET /api/v1/clinics/{clinic}/patients/{patient}/phases
POST /api/v1/clinics/{clinic}/programs
PUT /api/v1/clinics/{clinic}/programs/{id}
DELETE /api/v1/clinics/{clinic}/programs/{id}
GET /api/v1/clinics/{clinic}/patients/{patient}/suggestions
GET /api/v1/clinics/{clinic}/protocols
POST /api/v1/clinics/{clinic}/protocols
GET /api/v1/clinics/{clinic}/protocols/{id}
POST /api/v1/clinics/{clinic}/protocols/{id}/approve
POST /api/v1/clinics/{clinic}/needling-sessions/{id}/release
GET /api/v1/clinics/{clinic}/questions
GET /api/v1/clinics/{clinic}/check-in-form
DELETE /api/v1/clinics/{clinic}/patients/{patient}/devices/{id}
GET /api/v1/clinics/{clinic}/patients/{patient}/devices
GET /api/v1/clinics/{clinic}/patients/{patient}/enrolment
POST /api/v1/clinics/{clinic}/patients/{patient}/enrolment
POST /api/v1/enrolments/redeem
DELETE /api/v1/me/devices/{id}
GET /api/v1/me/devices
GET /api/v1/me/export
GET /api/v1/me/export/readable
GET /api/v1/clinics/{clinic}/patients/{id}/export/readable
GET /api/v1/me/consents
POST /api/v1/me/unenrol
GET /api/v1/me/erasure
POST /api/v1/me/erasure
GET /api/v1/clinics/{clinic}/patients/{id}/consents
POST /api/v1/clinics/{clinic}/patients/{id}/unenrol
GET /api/v1/clinics/{clinic}/erasures
GET /api/v1/clinics/{clinic}/patients/{id}/erasure
POST /api/v1/clinics/{clinic}/patients/{id}/erasure
POST /api/v1/clinics/{clinic}/patients/{id}/erasure/refuse
POST /api/v1/clinics/{clinic}/patients/{id}/erasure/approve
POST /api/v1/clinics/{clinic}/patients/{id}/legal-hold
POST /api/v1/clinics/{clinic}/patients/{id}/legal-hold/release
GET /api/v1/me/access
GET /api/v1/clinics/{clinic}/patients/{id}/export
GET /api/v1/clinics/{clinic}/patients/{id}/access
DELETE /api/v1/clinics/{clinic}/keys/{id}
GET /api/v1/clinics/{clinic}/keys
POST /api/v1/clinics/{clinic}/keys
GET /api/v1/clinics/{clinic}/patients/{id}/outcomes
POST /api/v1/clinics/{clinic}/patients/{id}/activities
GET /api/v1/me/outcomes
POST /api/v1/me/activities
POST /api/v1/me/activities/{id}/end
POST /api/v1/me/ratings
PUT /api/v1/me/addresses/{id}
GET /api/v1/me/addresses
GET /api/v1/me/preferences
PATCH /api/v1/me/preferences
POST /api/v1/me/messages/{id}/snooze
GET /api/v1/me/check-ins
POST /api/v1/me/check-ins/{id}/answers
POST /api/v1/me/completions
POST /api/v1/me/receipts
GET /api/v1/me/push-key
GET /api/v1/me/today
GET /api/v1/me/progress
GET /healthz
GET /exercises/{file}
"""

UNSIGNED = ("/healthz", "/exercises/{file}", "/api/v1/enrolments/redeem")


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from references(value)


def test_the_routes_are_those_we_said() -> None:
    assert sorted(f"{path} {method}" for method, path, _ in operations()) == sorted(
        " ".join(reversed(line.split())) for line in PATHS.split("\n") if line
    )


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert found
    for reference in found:
        node: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_every_operation_is_named_described_and_answered() -> None:
    seen = set()
    for method, path, it in operations():
        assert it["operationId"] not in seen
        seen.add(it["operationId"])
        assert len(it["description"]) > 20, path
        (success,) = [status for status in it["responses"] if status.startswith("2")]
        content = it["responses"][success]["content"]
        assert (
            path.startswith("/exercises/")
            or path.endswith("/readable")
            or content["application/json"]["schema"]["$ref"]
        ), path
        assert "500" in it["responses"]
        if path not in UNSIGNED:
            assert it["security"] == [{"token": []}]
            assert {"401", "403", "404"} <= set(it["responses"])
        names = [(one["in"], one["name"]) for one in it["parameters"]]
        assert len(set(names)) == len(names)
        assert {name for place, name in names if place == "path"} == set(re.findall(r"{(\w+)}", path))
        if method in ("POST", "PUT", "PATCH"):
            assert {"400", "413", "422"} <= set(it["responses"])
            assert "requestBody" in it


def test_changes_say_which_version_and_posts_may_be_sent_again() -> None:
    for method, path, it in operations():
        headers = {one["name"]: one["required"] for one in it["parameters"] if one["in"] == "header"}
        if method == "POST" and not path.endswith(
            ("/agenda", "/enrolment", "/redeem", "/keys", "/erasure/approve", "/text-replies")
        ):
            assert headers["Idempotency-Key"] is False
        unversioned = {"addresses", "devices", "keys", "settings", "preferences"}.intersection(path.split("/"))
        new_or_changed = method == "PUT" and "/exercises/" in path  # without If-Match it is a new one
        if method in ("PUT", "PATCH", "DELETE") and not unversioned and not new_or_changed:
            assert headers["If-Match"] is True
            assert {"412", "428"} <= set(it["responses"])
        assert ("If-Match" in headers) == ("412" in it["responses"])


def test_every_body_is_closed_to_unknown_fields() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for _, path, it in operations():
        if "requestBody" not in it:
            continue
        schema = it["requestBody"]["content"]["application/json"]["schema"]
        names = [ref.rpartition("/")[2] for ref in references(schema)]
        assert names, path
        for name in names:
            assert schemas[name]["additionalProperties"] is False, name


def test_the_document_says_which_openapi_it_is_and_how_to_sign_in() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    problem = DOCUMENT["components"]["schemas"]["Problem"]
    assert {"type", "title", "status", "detail"} <= set(problem["required"])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_both_are_served_to_anybody_and_the_page_loads_nothing(empty: Api) -> None:
    assert (await empty("GET", "/openapi.json", None)).json()["paths"].keys() == DOCUMENT["paths"].keys()
    reply = await empty("GET", "/docs", None)
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    for forbidden in ("<script", "http://", "https://", "src=", "@import", "url(", "<link"):
        assert forbidden not in reply.text, forbidden
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    for _, path, it in operations():
        assert f'id="{it["operationId"]}"' in reply.text
        assert path in reply.text
    anchors = set(re.findall(r'href="#([^"]+)"', reply.text))
    assert anchors <= set(re.findall(r'id="([^"]+)"', reply.text))
