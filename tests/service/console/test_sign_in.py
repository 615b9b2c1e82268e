"""Staff sign in with a password and a second factor; who may not learns nothing, and who is out is out at once."""

from typing import Any

import pytest

from programs.instants import HOUR, MINUTE, SECOND
from programs.people import change_clinician
from service import audit
from service.auth import passwords, staff, tokens
from service.auth.limits import LOGIN_BY_ACCOUNT
from service.clock import SetClock
from service.console.cookies import COOKIE
from service.database import Database
from tests.service.console.conftest import Browser
from tests.service.console.staff import (
    EMAIL,
    PASSWORD,
    RECOVERY,
    WRONG_CODE,
    WRONG_PASSWORD,
    code_at,
    employ_ben,
    give_password,
    is_in,
    open_sessions,
    session_of,
    sign_in,
)
from tests.world import BEN, CLINIC, DOV, NOON


@pytest.fixture
async def clinic(world: Database) -> Database:
    """Ben can sign in; the session that other tests give him is not there."""
    await world.write(employ_ben)
    return world


async def test_a_password_and_a_code_sign_in(browser: Browser, clinic: Database, clock: SetClock) -> None:
    ben = browser(None)
    assert (await sign_in(ben, clock.now(), email=f"  {EMAIL.upper()} ")).url.path == "/clinic"
    assert len(session_of(ben)) >= 43
    kept = [it for it in ben.cookies.jar if it.name == COOKIE]
    assert [(it.path, it.has_nonstandard_attr("HttpOnly"), it.expires is not None) for it in kept] == [
        ("/", True, True)
    ]


async def test_a_password_alone_opens_nothing(browser: Browser, clinic: Database) -> None:
    ben = browser(None)
    assert (await give_password(ben)).url.path == "/sign-in/second"
    for path in ("/clinic", "/account", "/clinic/patients/ada"):
        assert (await ben.get(path)).url.path == "/sign-in"
    assert await clinic.read(open_sessions) == 0
    reply = await ben.post("/sign-in/second", data={"code": "000000"})
    assert reply.status_code == 403
    assert WRONG_CODE in reply.text


# who is not let in


async def test_the_answer_and_the_work_are_the_same_whoever_is_asked_for(
    browser: Browser, clinic: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody, a wrong password, somebody who left, somebody who has not joined: counted, not timed."""
    await clinic.write(staff.add, "harbour", "dov@harbour.example", "Dov", "clinician", NOON)  # invited only
    tried: list[str] = []
    verify = passwords.Passwords.verify

    def counted(self: passwords.Passwords, kept: str, password: str) -> bool:
        tried.append(kept.rpartition("$")[0].rpartition("$")[0])
        return verify(self, kept, password)

    monkeypatch.setattr(passwords.Passwords, "verify", counted)
    replies: list[tuple[int, str, list[Any]]] = []

    async def try_one(email: str, password: str) -> None:
        one = browser(None)
        reply = await one.post("/sign-in", data={"email": email, "password": password})
        assert "set-cookie" not in reply.headers
        replies.append((reply.status_code, _less_nonce(reply.text, email), sorted(_headers(reply))))

    await try_one("nobody@nowhere.example", PASSWORD)
    await try_one(EMAIL, "wrong password entirely")
    await try_one("dov@harbour.example", PASSWORD)
    await clinic.write(change_clinician, CLINIC, BEN.id, {"ended_at": NOON})
    await try_one(EMAIL, PASSWORD)
    assert replies[0][0] == 403
    assert replies == [replies[0]] * 4
    assert WRONG_PASSWORD in replies[0][1]
    assert len(tried) == 4
    assert len(set(tried)) == 1, "with the same parameters each time"


def _headers(reply: Any) -> list[tuple[str, str]]:
    return [
        (name, value)
        for name, value in reply.headers.items()
        if name not in ("content-security-policy", "content-length")
    ]


def _less_nonce(text: str, email: str) -> str:
    head, _, rest = text.partition('nonce="')
    return (head + rest.partition('"')[2]).replace(email, "(e-mail)")


async def test_guessing_is_slowed_down_and_a_colleague_elsewhere_is_not(
    browser: Browser, clinic: Database, clock: SetClock
) -> None:
    at_home = browser(None)
    await sign_in(at_home, clock.now())
    await at_home.post("/sign-out")
    stranger = browser(None)
    stranger._transport.client = ("198.51.100.7", 4711)  # type: ignore[attr-defined]
    said = [(await give_password(stranger, "guess number one!")).status_code for _ in range(LOGIN_BY_ACCOUNT.tries + 5)]
    assert said.index(429) <= LOGIN_BY_ACCOUNT.tries
    assert set(said[said.index(429) :]) == {429}
    refused = await give_password(stranger)
    assert (refused.status_code, "tried too often" in refused.text) == (429, True), "the right one too"
    assert int(refused.headers["retry-after"]) > 0
    clock.move_to(NOON + MINUTE)
    assert (await sign_in(at_home, clock.now())).url.path == "/clinic"


async def test_codes_cannot_be_tried_out(browser: Browser, clinic: Database, clock: SetClock) -> None:
    ben = browser(None)
    await give_password(ben)
    said = [(await ben.post("/sign-in/second", data={"code": f"{n:06}"})).status_code for n in range(30)]
    assert said.index(429) <= LOGIN_BY_ACCOUNT.tries
    assert set(said[said.index(429) :]) == {429}
    assert (await ben.post("/sign-in/second", data={"code": code_at(clock.now())})).status_code == 429


# the second factor


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_code_is_good_for_a_step_early_or_late(browser: Browser, clinic: Database, clock: SetClock) -> None:
    table = ((-31, False), (-30, True), (0, True), (29, True), (30, True), (59, True), (60, False))
    for number, (late, fits) in enumerate(table, 1):
        at = NOON + 5 * number * MINUTE  # a step begins with each minute
        clock.move_to(at + late * SECOND)
        ben = browser(None)
        await give_password(ben)
        await ben.post("/sign-in/second", data={"code": code_at(at)})
        assert await is_in(ben) is fits, late


async def test_a_code_is_good_once(browser: Browser, clinic: Database, clock: SetClock) -> None:
    """Who looked over a shoulder, or sits between, is too late; an older one is not good after a newer one either."""
    older = code_at(clock.now() - 30 * SECOND)
    await sign_in(browser(None), clock.now())
    for code in (code_at(clock.now()), older):
        second = browser(None)
        await give_password(second)
        assert (await second.post("/sign-in/second", data={"code": code})).status_code == 403
        assert not await is_in(second)
    clock.move_to(NOON + 30 * SECOND)
    assert (await sign_in(browser(None), clock.now())).url.path == "/clinic"


async def test_a_recovery_code_is_good_once_however_it_is_written(browser: Browser, clinic: Database) -> None:
    for code, fits in ((RECOVERY[0].lower().replace("-", " "), True), (RECOVERY[0], False), (RECOVERY[1], True)):
        ben = browser(None)
        await give_password(ben)
        await ben.post("/sign-in/second", data={"code": code})
        assert await is_in(ben) is fits
    assert await clinic.read(staff.recovery_codes_left, BEN) == 0


async def test_the_first_step_is_good_for_ten_minutes_and_one_entry(
    browser: Browser, clinic: Database, clock: SetClock
) -> None:
    ben = browser(None)
    await give_password(ben)
    entering = {it.name: it.value or "" for it in ben.cookies.jar}
    clock.move_to(NOON + 9 * MINUTE)
    assert (await ben.post("/sign-in/second", data={"code": code_at(clock.now())})).url.path == "/clinic"
    again = browser(None)
    again.cookies.update(entering)
    assert (await again.get("/sign-in/second")).url.path == "/sign-in"
    late = browser(None)
    await give_password(late)
    clock.move_to(NOON + 20 * MINUTE)
    assert "took too long" in (await late.post("/sign-in/second", data={"code": code_at(clock.now())})).text


# sessions


async def test_a_cookie_an_attacker_chose_never_becomes_a_session(
    browser: Browser, clinic: Database, clock: SetClock
) -> None:
    """Nor does a real session of the attacker's become Ben's: each sign-in makes a new token, the one before ends."""
    victim, attacker = browser(None), browser(DOV)
    for chosen in ("attackerchosen", DOV.id):
        victim.cookies.clear()
        victim.cookies.set(COOKIE, chosen, domain="pages.test", path="/")
        await sign_in(victim, clock.now())
        assert session_of(victim) != chosen
        assert await is_in(victim)
        attacker.cookies.clear()
        attacker.cookies.set(COOKIE, chosen)
        assert not await is_in(attacker)
        clock.move_to(clock.now() + MINUTE)


async def test_each_sign_in_has_a_token_of_its_own_and_ends_the_one_before(
    browser: Browser, clinic: Database, clock: SetClock
) -> None:
    ben, seen = browser(None), []
    for _ in range(3):
        await sign_in(ben, clock.now())
        seen.append(session_of(ben))
        clock.move_to(clock.now() + MINUTE)
    assert len(set(seen)) == 3
    assert await clinic.read(open_sessions) == 1


async def test_signing_out_ends_the_session_for_whoever_copied_it(
    browser: Browser, clinic: Database, clock: SetClock
) -> None:
    ben, thief = browser(None), browser(None)
    await sign_in(ben, clock.now())
    thief.cookies.set(COOKIE, session_of(ben))
    assert await is_in(thief)
    reply = await ben.post("/sign-out")
    assert reply.history[0].headers["clear-site-data"] == '"cache"'
    assert session_of(ben) == ""
    assert not await is_in(thief)


async def test_who_is_disabled_is_out_at_once_wherever_they_were(
    browser: Browser, clinic: Database, clock: SetClock
) -> None:
    """As the command line, another process, does it: nobody tells this one."""
    ben, on_the_way = browser(None), browser(None)
    await sign_in(ben, clock.now())
    clock.move_to(NOON + MINUTE)
    await give_password(on_the_way)
    assert await is_in(ben)
    await clinic.write(staff.disable, BEN, "operator", clock.now())
    assert not await is_in(ben)
    reply = await on_the_way.post("/sign-in/second", data={"code": code_at(clock.now())})
    assert "took too long" in reply.text
    assert (await give_password(browser(None))).status_code == 403
    assert await clinic.read(open_sessions) == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_session_ends_when_it_is_idle_and_in_any_case_after_twelve_hours(
    browser: Browser, clinic: Database, clock: SetClock
) -> None:
    often = [14 * MINUTE] * 51  # until 11 h 54
    rest = 12 * HOUR - sum(often)
    for pauses, inside in (
        ([14 * MINUTE + 59 * SECOND], True),
        ([15 * MINUTE + SECOND], False),
        ([*often, rest - SECOND], True),
        ([*often, rest], False),
    ):
        clock.move_to(clock.now() + MINUTE)
        ben = browser(None)
        await sign_in(ben, clock.now())
        for pause in pauses[:-1]:
            clock.move_to(clock.now() + pause)
            assert await is_in(ben)
        clock.move_to(clock.now() + pauses[-1])
        assert await is_in(ben) is inside


async def test_a_page_left_open_goes_away_by_itself(browser: Browser, clinic: Database, clock: SetClock) -> None:
    ben = browser(None)
    reply = await sign_in(ben, clock.now())
    assert reply.headers["refresh"] == "905; url=/"
    clock.move_to(NOON + 905 * SECOND)
    assert (await ben.get("/")).url.path == "/sign-in"


async def test_a_key_is_no_cookie(browser: Browser, clinic: Database) -> None:
    key = await clinic.write(tokens.make_token, BEN, NOON, None, tokens.KEY)
    one = browser(None)
    one.cookies.set(COOKIE, key)
    assert not await is_in(one)


async def test_a_password_kept_with_less_work_is_kept_anew(
    browser: Browser, clinic: Database, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (await clinic.read(staff.staff_of, BEN)).password
    await sign_in(browser(None), clock.now())
    assert (await clinic.read(staff.staff_of, BEN)).password == before
    monkeypatch.setattr(passwords.Passwords, "is_old", lambda self, kept: kept == before)
    clock.move_to(NOON + MINUTE)
    await sign_in(browser(None), clock.now())
    assert (await clinic.read(staff.staff_of, BEN)).password not in (before, None)
    clock.move_to(NOON + 2 * MINUTE)
    assert (await sign_in(browser(None), clock.now())).url.path == "/clinic"


async def test_who_failed_to_sign_in_as_whom_from_where_is_noted_and_not_what_they_tried(
    clinic: Database, browser: Browser, clock: SetClock
) -> None:
    one = browser(None)
    await give_password(one, "let me in with this")
    await give_password(one)
    await one.post("/sign-in/second", data={"code": "123456"})
    await one.post("/sign-in", data={"email": "nobody@riverside.example", "password": "let me in with this"})
    await sign_in(browser(None), clock.now())
    for written in clinic.closing:
        await written()
    noted = [it.note for it in await clinic.read(audit.links, CLINIC, 0, 1_000)]
    ours = [(it.who, it.what, it.record, it.outcome, it.origin) for it in noted if it.what.startswith("sign in")]
    assert sorted(ours) == [
        ("clinician:ben", "sign in", "ben", "ok", "127.0.0.1"),
        ("nobody", "sign in by password", "ben", "refused", "127.0.0.1"),
        ("nobody", "sign in by second factor", "ben", "refused", "127.0.0.1"),
    ]
    strangers = [it.note for it in await clinic.read(audit.links, audit.SERVER, 0, 1_000)]
    assert "POST /sign-in" in [it.what for it in strangers]
    for tried in ("let me in", "123456", "nobody@"):
        assert tried not in str(noted) + str(strangers)
