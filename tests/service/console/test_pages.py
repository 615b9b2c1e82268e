"""What holds for every page: no script, no style of its own, no other host, strict headers, and everything labelled."""

import re
from collections.abc import Mapping
from importlib.resources import files

import httpx
from litestar import Litestar
from sqlalchemy import text

from programs import people
from programs.instants import HOUR
from service import care, console, rights
from service.care import Who
from service.clock import SetClock
from service.database import Database
from tests.service.console.conftest import Browser
from tests.service.console.reader import Reader
from tests.service.console.staff import employ_ben
from tests.service.console.test_patient import PROGRAM, VISIT
from tests.world import ADA, BEN, CLINIC, NOON, assignment, let_in, session

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
FOR_SCRIPT = re.compile(
    re.escape(POLICY) + "; script-src 'nonce-([A-Za-z0-9_-]{22})'; connect-src 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
OUR_SCRIPTS = ("/console/enrol.js", "/console/join.js", "/console/passkeys.js")
ADAS = "/clinic/patients/ada"
ANA = Who(CLINIC, "admin", "ana", sees_all=True)
GETS: tuple[tuple[Who | None, str], ...] = (
    (None, "/sign-in"),
    (None, "/join"),
    (None, "/enrol"),
    (BEN, "/account"),
    (ADA, "/today"),
    (ADA, "/today/check-ins/s1-evening"),
    (BEN, "/clinic"),
    (BEN, ADAS),
    (BEN, f"{ADAS}/needling-sessions"),
    (BEN, f"{ADAS}/plans"),
    (BEN, "/clinic/adherence"),
    (BEN, "/clinic/patients/nobody"),
    (BEN, f"{ADAS}/phones"),
    (BEN, "/clinic/break-glass"),
    (ANA, f"{ADAS}/record"),
    (ANA, f"{ADAS}/record/access"),
    *((ANA, f"/clinic/{name}") for name in ("settings", "staff", "keys", "requests")),
    *((ADA, path) for path in ("/phones", "/record", "/record/access?whole=yes")),
)
POSTS: tuple[tuple[str, Mapping[str, object]], ...] = (
    (f"{ADAS}/needling-sessions", {**VISIT, "do": "preview"}),
    (f"{ADAS}/needling-sessions", {"do": "save"}),
    (f"{ADAS}/plans", {**PROGRAM, "do": "preview"}),
    (f"{ADAS}/plans", {"do": "save"}),
)
OWN = re.compile(r"(/(?!/)[^\s]*|#[\w-]+|tel:\+?\d+|data:,)")


async def every_page(browser: Browser, world: Database, clock: SetClock) -> list[httpx.Response]:
    await world.write(employ_ben)
    await world.write(people.add_clinician, CLINIC, ANA.id, "Ana", "admin")
    await world.write(let_in, ANA)
    await world.write(rights.ask_to_erase, ADA, "ada", NOON)
    await world.write(let_in, BEN)  # his session of before ended when he joined
    await world.write(care.record_session, BEN, "s1", session(), NOON)
    await world.write(care.record_session, BEN, "s2", session(muscles=("QL",)), NOON)
    await world.write(care.assign_plan, BEN, "p1", assignment(times=("13:00",)), NOON)
    clock.move_to(NOON + 5 * HOUR)
    await browser(ADA).post("/today/check-ins/s1-evening", data={"rf_belly": "yes"})
    return [await browser(who).get(path) for who, path in GETS] + [
        await browser(BEN).post(path, data=dict(form)) for path, form in POSTS
    ]


async def test_no_page_has_a_style_another_host_or_a_script_but_those_of_signing_in(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    nonces = []
    for reply in await every_page(browser, world, clock):
        [policy] = reply.headers.get_list("content-security-policy")
        with_script = FOR_SCRIPT.fullmatch(policy)
        assert with_script or policy == POLICY
        assert reply.headers.get_list("cache-control") == ["no-store"]
        assert reply.headers.get_list("referrer-policy") == ["same-origin"]
        assert reply.headers["content-type"] == "text/html; charset=utf-8"
        assert "://" not in reply.text
        page = Reader(reply.text)
        for tag, attributes in page.tags:
            assert tag not in ("style", "iframe", "object", "base")
            assert tag != "img" or "alt" in attributes
            if tag == "script":
                assert with_script
                assert attributes == {"type": "module", "src": attributes["src"], "nonce": with_script[1]}
                assert attributes["src"] in OUR_SCRIPTS
                nonces.append(with_script[1])
            assert not [name for name in attributes if name == "style" or name.startswith("on")]
            for name in ("href", "src", "srcset", "action", "formaction"):
                assert name not in attributes or OWN.fullmatch(attributes[name])

    assert len(nonces) == len(set(nonces)) >= 2


def test_our_scripts_ask_no_other_host_and_write_no_html() -> None:
    for path in OUR_SCRIPTS:
        text = (files("service.console") / "static" / path.rpartition("/")[2]).read_text("utf-8")
        for never in ("://", "innerHTML", "eval(", "document.write", "localStorage", "import"):
            assert never not in text


async def test_every_field_is_labelled_and_every_page_has_one_heading(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    for reply in await every_page(browser, world, clock):
        page = Reader(reply.text)
        assert [tag for tag, _ in page.tags].count("h1") == 1
        assert page.tags[1] == ("html", {"lang": "en"}) or page.tags[0] == ("html", {"lang": "en"})
        for tag, attributes in page.tags:
            if tag not in ("input", "select", "textarea") or attributes.get("type") in ("hidden", "radio", "checkbox"):
                continue
            assert attributes.get("id") in page.labels or attributes.get("aria-label"), attributes
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert len(ids) == len(set(ids))


async def test_the_style_sheet_is_our_own_and_asks_for_nothing_else(browser: Browser) -> None:
    reply = await browser(None).get("/console/style.css")
    assert reply.headers["content-type"].startswith("text/css")
    assert reply.text == (files("service.console") / "static" / "style.css").read_text("utf-8")
    assert "url(" not in reply.text
    assert "@import" not in reply.text


async def test_an_error_of_ours_is_a_page_without_its_details(browser: Browser, world: Database) -> None:
    await world.write(lambda db: db.execute(text("DROP TABLE flag")))
    reply = await browser(BEN).get("/clinic")
    assert reply.status_code == 500
    assert "<h1>That did not work</h1>" in reply.text
    assert "sql" not in reply.text.lower()


def test_no_page_is_part_of_the_documented_api() -> None:
    app = Litestar(console.ROUTES, logging_config=None)
    assert app.openapi_schema.to_schema()["paths"] == {}
