"""What a body names is looked for as strictly as what a path names; and it says nothing that is not its own to say."""

from typing import Any

import msgspec
import pytest

from tests.service.matrix.door import Reply, ask
from tests.service.matrix.expected import API, DONE, NEEDLED, ROWS, TERMS
from tests.service.matrix.test_matrix import Stage, _filled, stage
from tests.service.matrix.world import CALLERS, Caller

__all__ = ["stage"]

HERE = API.format(clinic="riverside")
BEN, ADA = (next(it for it in CALLERS if it.token == token) for token in ("ben", "ada"))
# Every field of a body that names a record: who sends it, where, and the body with $-words for the record's ids.
NAMING: tuple[tuple[str, Caller, str, Any], ...] = (
    ("patient_id", BEN, f"POST {HERE}/needling-sessions", NEEDLED),
    (
        "clinician_id",
        BEN,
        f"POST {HERE}/needling-sessions",
        {**NEEDLED, "patient_id": "ada", "clinician_id": "$clinician"},
    ),
    ("clinician_id", BEN, f"POST {HERE}/patients/ada/plans", {**TERMS, "title": "Hip", "clinician_id": "$clinician"}),
    ("clinician_id", BEN, f"PATCH {HERE}/patients/ada", {"clinician_id": "$clinician"}),
    (
        "clinician_id",
        BEN,
        f"POST {HERE}/patients",
        {"name": "Zoë", "zone": "Europe/Madrid", "clinician_id": "$clinician", "consent": True},
    ),
    (
        "plan.clinician_id",
        BEN,
        f"POST {HERE}/patients/ada/agenda",
        {"plan": {**TERMS, "title": "H", "clinician_id": "$clinician"}},
    ),
    (
        "message_id",
        ADA,
        "POST /api/v1/me/receipts",
        {"message_id": "$message", "kind": "opened", "at": DONE["done_at"]},
    ),
)
# What a request may never say of itself.
FORBIDDEN = {"clinic_id": "harbour", "role": "admin", "id": "mine", "created_by": "admin:ana", "is_admin": True}


async def send(stage: Stage, caller: Caller, where: str, body: bytes, *headers: tuple[bytes, bytes]) -> Reply:
    method, path = where.split(" ")
    given = [(b"authorization", f"Bearer {caller.token}".encode()), (b"content-type", b"application/json"), *headers]
    return await ask(stage.app, method, path, "", given, body)


async def test_a_foreign_id_in_a_body_is_answered_like_one_that_never_was(stage: Stage) -> None:
    known = {it.name: it.ids for it in stage.targets}
    missing = {kind: f"zed-{kind}" for kind in known["missing"]}
    for field, caller, where, body in NAMING:
        version = (b"if-match", b'"2"')
        text = msgspec.json.encode(body).decode()
        own = await send(stage, caller, where, _filled(text, known["own"]).encode(), version)
        assert own.status in (200, 201), (field, where, own.body)
        nobody = await send(stage, caller, where, _filled(text, missing).encode(), version)
        foreign = await send(stage, caller, where, _filled(text, known["foreign"]).encode(), version)
        assert nobody.status == 404, (field, where, nobody.body)
        assert foreign == nobody, (field, where)


async def test_a_completion_for_somebody_elses_plan_is_rejected_as_for_none(stage: Stage) -> None:
    said = []
    for target in stage.targets[1:5]:
        body = _filled(msgspec.json.encode({"items": [DONE]}).decode(), target.ids).encode()
        [verdict] = msgspec.json.decode((await send(stage, ADA, "POST /api/v1/me/completions", body)).body)["items"]
        said.append((verdict["verdict"], verdict["problem"]))
    assert len(set(said)) == 1
    assert said[0][0] == "rejected"


async def test_a_plan_of_one_patient_is_not_there_under_another(stage: Stage) -> None:
    """Ana sees both patients; a path that mixes them names nothing."""
    admin = next(it for it in CALLERS if it.token == "ana")
    for row, body in (
        (f"PUT {HERE}/patients/ada/plans/p-fay", TERMS),
        (f"POST {HERE}/patients/fay/plans/p-ada/end", {}),
    ):
        mixed = await send(stage, admin, row, msgspec.json.encode(body), (b"if-match", b'"1"'))
        nowhere = await send(
            stage,
            admin,
            row[: row.rindex("p-")] + "nowhere" + row[row.rindex("p-") + 5 :],
            msgspec.json.encode(body),
            (b"if-match", b'"1"'),
        )
        assert mixed.status == 404
        assert mixed == nowhere


@pytest.mark.parametrize("field", FORBIDDEN)
async def test_no_body_says_which_clinic_role_id_or_author_it_is_of(stage: Stage, field: str) -> None:
    """Every route of the API that takes a body, but for completions, whose ids are the phone's own to make."""
    tried = 0
    own = stage.targets[0].ids
    for key, row in ROWS.items():
        if not isinstance(row.body, dict) or "/api/" not in key or field in row.body or "completions" in key:
            continue
        token = {"staff": "ben", "admin": "ana", "patient": "ada", "anybody": "ben"}[row.whom]
        caller = next(it for it in CALLERS if it.token == token)
        names = {"clinic": "riverside", **row.fixed, **{name: own[kind] for name, kind in row.names.items()}}
        text = msgspec.json.encode({**row.body, field: FORBIDDEN[field]}).decode()
        headers = [(b"if-match", row.if_match.encode())] if row.if_match else []
        reply = await send(stage, caller, key.format(**names), _filled(text, own).encode(), *headers)
        assert reply.status == 422, (key, reply.status, reply.body[:200])
        assert field.encode() in reply.body, key
        tried += 1
    assert tried >= 20
