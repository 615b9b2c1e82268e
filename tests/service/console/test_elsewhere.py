"""Sign-in at the clinic's own provider: whom it vouches for comes in if we invited them, nobody by any trick or by a
password alone."""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey
from sqlalchemy import text

from programs.instants import MINUTE, SECOND
from service.auth import staff
from service.auth.oidc import BACK, Denied, Oidc, Provider, vouched
from service.auth.tickets import State
from service.clock import SetClock, SystemClock
from service.database import Database
from service.settings import Settings
from tests.peers.oidc_provider import provider, sign_in_there
from tests.service.console.conftest import ORIGIN, Browser
from tests.service.console.staff import (
    EMAIL,
    code_at,
    employ_ben,
    failures,
    give_password,
    invite_ben,
    is_in,
    session_of,
)
from tests.world import BEN, NOON

NOT_KNOWN = "That did not sign you in"
# What the provider of tests says of its own future, in its own thread.
pytestmark = pytest.mark.filterwarnings("ignore:get_jwt_config:DeprecationWarning")


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with provider() as running:
        yield running


@pytest.fixture
def named() -> tuple[str, ...]:
    """How the operator says that the provider calls a second factor."""
    return ("mfa", "hwk")


@pytest.fixture
def settings(issuer: str, named: tuple[str, ...]) -> Settings:
    known = Settings(public_url=ORIGIN, oidc_issuer=issuer, oidc_client_id="homestretch", oidc_client_secret="hush")
    return msgspec.structs.replace(known, oidc_amr=named)


@pytest.fixture
def clock() -> SetClock:
    """The provider's own, as what it says has an end."""
    return SetClock(SystemClock().now())


async def begin(one: httpx.AsyncClient, to: str = "") -> httpx.URL:
    reply = await one.get(f"/sign-in/elsewhere{to}", follow_redirects=False)
    return httpx.URL(reply.headers["location"])


def there(address: httpx.URL, sub: str, **how: object) -> httpx.URL:
    said = {"amr": ["pwd", "mfa"], "auth_time": SystemClock().now() // SECOND}
    return sign_in_there(str(address), sub, **{**said, **how})


async def sign_in_as(one: httpx.AsyncClient, sub: str, to: str = "", **how: object) -> httpx.Response:
    return await one.get(there(await begin(one, to), sub, **how).raw_path.decode())


async def test_who_was_invited_comes_in_and_is_bound_to_that_person(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    await world.write(invite_ben)
    ben = browser(None)
    assert "Sign in with your organisation" in (await ben.get("/sign-in")).text
    assert (await sign_in_as(ben, "ben-there")).url.path == "/clinic"
    it = await world.read(staff.staff_of, BEN)
    assert it.subject == "ben-there"
    again = browser(None)
    assert (await sign_in_as(again, "ben-there", "?to=account")).url.path == "/account"
    assert session_of(again) != session_of(ben)
    assert "organisation's own sign-in" in (await again.get("/account")).text
    await world.write(staff.disable, BEN, "operator", clock.now())
    assert not await is_in(again)
    assert NOT_KNOWN in (await sign_in_as(browser(None), "ben-there")).text
    assert await failures(world) == [("sign in by provider", "ben", "127.0.0.1")]


async def test_what_is_asked_of_the_provider(browser: Browser, issuer: str) -> None:
    asked = await begin(browser(None))
    assert str(asked).startswith(f"{issuer}/oauth2/authorize?")
    named = dict(asked.params)
    assert (named["response_type"], named["scope"], named["code_challenge_method"]) == ("code", "openid email", "S256")
    assert named["redirect_uri"] == ORIGIN + BACK
    assert min(len(named[name]) for name in ("state", "nonce", "code_challenge")) >= 43
    other = dict((await begin(browser(None))).params)
    assert all(named[name] != other[name] for name in ("state", "nonce", "code_challenge"))
    assert (named["max_age"], "prompt" in named) == ("600", False)
    assert (await begin(browser(None), "?to=account")).params["prompt"] == "login"


async def test_a_strength_that_is_named_is_asked_for(issuer: str, clock: SetClock) -> None:
    oidc = Oidc(Provider(issuer, "homestretch", "hush", ORIGIN, acr=("two", "urn:three")), clock)
    asked = httpx.URL((await oidc.begin(""))[0]).params
    assert (asked["acr_values"], asked["max_age"]) == ("two urn:three", "600")
    oidc = Oidc(Provider(issuer, "homestretch", "hush", ORIGIN), clock)
    assert not {"acr_values", "max_age"} & {*httpx.URL((await oidc.begin(""))[0]).params}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_who_did_not_show_a_second_factor_there_or_not_just_now_stays_out(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    await world.write(employ_ben)
    now = clock.now() // SECOND
    for how, to in (
        ({"amr": ["pwd"]}, ""),
        ({"amr": None}, ""),
        ({"auth_time": now - 11 * 60 - 30}, ""),
        ({"auth_time": now - 5 * 60}, "?to=account"),
    ):
        one = browser(None)
        reply = await sign_in_as(one, "ben-there", to, **how)
        assert (reply.status_code, NOT_KNOWN in reply.text, await is_in(one)) == (403, True, False), how
    assert (await sign_in_as(browser(None), "ben-there", auth_time=now - 5 * 60)).url.path == "/clinic"


# where none is named, a password may be all that the provider asked for

unnamed = pytest.mark.parametrize("named", [()])


@unnamed
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_our_own_second_factor_follows_whatever_the_provider_says(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    await world.write(employ_ben)
    ben = browser(None)
    reply = await sign_in_as(ben, "ben-there", "?to=account")
    assert (reply.url.path, "Code from your app" in reply.text) == ("/sign-in/second", True)
    assert not await is_in(ben)
    assert "does not fit" in (await ben.post("/sign-in/second", data={"code": "000000"})).text
    assert not await is_in(ben)
    assert (await ben.post("/sign-in/second", data={"code": code_at(clock.now())})).url.path == "/account"
    assert await is_in(ben)
    assert await failures(world) == [("sign in by second factor", "ben", "127.0.0.1")]


@unnamed
async def test_who_has_none_sets_it_up_once_and_is_asked_for_it_from_then_on(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    await world.write(invite_ben)
    ben, other = browser(None), browser(None)
    shown = await sign_in_as(ben, "ben-there")
    secret = shown.text.partition('class="secret">')[2].partition("<")[0].replace(" ", "")
    await sign_in_as(other, "ben-there")
    for wrong in ({"one_time_code": "000000"}, {"code": code_at(clock.now(), secret)}, {"passkey": "{}"}):
        reply = await ben.post("/sign-in/second", data=wrong)
        assert (reply.status_code, "Does not fit" in reply.text, await is_in(ben)) == (422, True, False)
    reply = await ben.post("/sign-in/second", data={"one_time_code": code_at(clock.now(), secret)})
    assert reply.text.count("<code>") == 10
    assert await is_in(ben)
    assert "Set up with an authenticator app" in (await ben.get("/account")).text
    # The other tab, and whoever knows the provider's password alone, can set up none in its place.
    late = (await other.get("/sign-in/second")).text.partition('class="secret">')[2].partition("<")[0].replace(" ", "")
    assert late not in ("", secret)
    reply = await other.post("/sign-in/second", data={"one_time_code": code_at(clock.now(), late)})
    assert ("took too long" in reply.text, await is_in(other)) == (True, False)
    clock.move_to(clock.now() + MINUTE)
    assert "Code from your app" in (await sign_in_as(other, "ben-there")).text
    assert (await other.post("/sign-in/second", data={"code": code_at(clock.now(), secret)})).url.path == "/clinic"
    # A passkey opens alone: somebody whom the provider has put out would still come in by it.
    assert "Add a passkey" not in (await ben.get("/account")).text
    assert "not for who signs in at their provider" in (await ben.post("/account/passkeys")).text
    await world.write(staff.reset, BEN, "operator", clock.now())
    again = browser(None)
    assert 'class="secret"' in (await sign_in_as(again, "ben-there")).text, "who lost phone and codes sets up another"
    assert not await is_in(again)


@unnamed
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_password_alone_never_leads_to_a_new_second_factor(browser: Browser, world: Database) -> None:
    """Whatever became of the one there was."""
    await world.write(employ_ben)
    await world.write(lambda db: db.execute(text("UPDATE credential SET totp = NULL")).rowcount)
    reply = await give_password(browser(None))
    assert (reply.url.path, 'class="secret"' in reply.text) == ("/sign-in/second", False)


@pytest.mark.parametrize("sub", ["not-verified", "verified-in-words", "no-mail", "stranger"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_who_is_not_invited_or_not_verified_stays_out(browser: Browser, world: Database, sub: str) -> None:
    await world.write(employ_ben)
    one = browser(None)
    assert NOT_KNOWN in (await sign_in_as(one, sub)).text
    assert not await is_in(one)


async def test_somebody_else_with_the_same_e_mail_is_not_ben(browser: Browser, world: Database) -> None:
    """An address that was given to somebody new, or a provider that lets people choose."""
    await world.write(employ_ben)
    assert (await sign_in_as(browser(None), "ben-there")).url.path == "/clinic"
    other = browser(None)
    assert NOT_KNOWN in (await sign_in_as(other, "another-ben")).text
    assert not await is_in(other)


async def test_an_answer_is_good_once_and_for_the_browser_that_asked(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    await world.write(employ_ben)
    ben, victim = browser(None), browser(None)
    back = there(await begin(ben), "ben-there").raw_path.decode()
    assert "took too long" in (await victim.get(back)).text, "who asked for nothing"
    await begin(victim)
    assert NOT_KNOWN in (await victim.get(back)).text, "the state is another browser's"
    entering = {it.name: it.value or "" for it in ben.cookies.jar}
    assert (await ben.get(back)).url.path == "/clinic"
    again = browser(None)
    again.cookies.update(entering)
    assert "took too long" in (await again.get(back)).text
    late = browser(None)
    back = there(await begin(late), "ben-there").raw_path.decode()
    clock.move_to(clock.now() + 10 * MINUTE)
    assert "took too long" in (await late.get(back)).text
    for one in (victim, again, late):
        assert not await is_in(one)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_answer_without_a_code_or_of_another_provider_is_none(browser: Browser, world: Database) -> None:
    await world.write(employ_ben)
    for changed in ({"code": ""}, {"code": "invented"}, {"iss": "https://other.example"}, {"state": "other"}):
        one = browser(None)
        back = there(await begin(one), "ben-there")
        reply = await one.get(back.copy_merge_params(changed).raw_path.decode())
        assert (reply.status_code, NOT_KNOWN in reply.text) == (403, True), changed


async def test_a_provider_that_describes_itself_as_another_is_refused(issuer: str, clock: SetClock) -> None:
    """A slash more is another one."""
    oidc = Oidc(Provider(f"{issuer}/", "homestretch", "hush", ORIGIN), clock)
    with pytest.raises(Denied, match="describes itself as another"):
        await oidc.begin("")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_without_a_provider_there_is_no_such_sign_in(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    one = browser(None)
    monkeypatch.setattr("service.console.sign_in._oidc", lambda request: Oidc(NOBODYS, SystemClock()))
    reply = await one.get("/sign-in/elsewhere")
    assert (reply.status_code, "does not answer" in reply.text) == (503, True)


# what an ID token must say

NOBODYS = Provider("http://127.0.0.1:9", "homestretch", "", "")
US = Provider("https://login.example", "homestretch", "", "")
RSA, OTHER_RSA, EC = (
    RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}),
    RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}),
    ECKey.generate_key("P-256", {"kid": "two", "use": "sig"}),
)
KEYS = KeySet([RSA, EC]).as_dict(private=False)
SECONDS = NOON // SECOND
GOOD: Mapping[str, Any] = {
    "iss": US.issuer,
    "aud": US.client_id,
    "sub": "ben",
    "nonce": "once",
    "iat": SECONDS - 5,
    "exp": SECONDS + 300,
    "email": EMAIL,
    "email_verified": True,
}


def signed(claims: Mapping[str, Any], key: Any = RSA, **header: str) -> str:
    said = {"alg": "RS256", "kid": "one", **header}
    return jwt.encode(said, dict(claims), key, algorithms=[said["alg"]])


def check(token: str, access_token: str = "", it: Provider = US) -> Any:
    state = State(nonce="once", since=NOON - 10 * MINUTE)
    return vouched(it, {"id_token": token, "access_token": access_token}, KEYS, state, NOON)


def test_a_good_one_is_taken() -> None:
    assert check(signed(GOOD)).email == EMAIL
    assert check(signed(GOOD, EC, alg="ES256", kid="two")).subject == "ben"
    assert check(signed({**GOOD, "aud": [US.client_id, "other"], "azp": US.client_id})).subject == "ben"
    # RFC of OpenID Connect core, A.3: the left half of the hash of the access token
    assert check(signed({**GOOD, "at_hash": "77QmUPtjPfzWtF2AnpK9RQ"}), "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y")


CHANGED: tuple[Mapping[str, Any], ...] = (
    {"iss": "https://login.example.evil"},
    {"iss": None},
    {"aud": "another"},
    {"aud": ["another"]},
    {"aud": None},
    {"aud": ["homestretch", "another"]},
    {"aud": ["homestretch", "another"], "azp": "another"},
    {"azp": "another"},
    {"nonce": "another"},
    {"nonce": None},
    {"nonce": ""},
    {"exp": SECONDS - 61},
    {"exp": None},
    {"exp": "tomorrow"},
    {"iat": SECONDS + 61},
    {"iat": None},
    {"nbf": SECONDS + 61},
    {"sub": None},
    {"sub": ""},
    {"sub": 7},
    {"sub": "x" * 256},
    {"at_hash": "77QmUPtjPfzWtF2AnpK9RA"},
    {"at_hash": ""},
)


@pytest.mark.parametrize("changed", CHANGED, ids=str)
def test_one_that_says_anything_else_is_refused(changed: Mapping[str, Any]) -> None:
    claims = {name: value for name, value in {**GOOD, **changed}.items() if value is not None}
    with pytest.raises(Denied):
        check(signed(claims))


STRENGTHS: tuple[tuple[Mapping[str, Any], bool], ...] = (
    ({"acr": "two", "amr": ["pwd", "otp"], "auth_time": SECONDS}, True),
    ({"acr": "three", "amr": ["otp"], "auth_time": SECONDS - 600.5}, True),
    ({"acr": "two", "amr": ["otp"], "auth_time": SECONDS - 660}, True),
    ({"acr": "two", "amr": ["otp"], "auth_time": SECONDS - 661}, False),
    ({"acr": "one", "amr": ["otp"], "auth_time": SECONDS}, False),
    ({"acr": "two three", "amr": ["otp"], "auth_time": SECONDS}, False),
    ({"acr": ["two"], "amr": ["otp"], "auth_time": SECONDS}, False),
    ({"acr": 2, "amr": ["otp"], "auth_time": SECONDS}, False),
    ({"amr": ["otp"], "auth_time": SECONDS}, False),
    ({"acr": "two", "amr": ["pwd"], "auth_time": SECONDS}, False),
    ({"acr": "two", "amr": [], "auth_time": SECONDS}, False),
    ({"acr": "two", "amr": "otp", "auth_time": SECONDS}, False),
    ({"acr": "two", "amr": [["otp"], {"otp": 1}], "auth_time": SECONDS}, False),
    ({"acr": "two", "auth_time": SECONDS}, False),
    ({"acr": "two", "amr": ["otp"]}, False),
    ({"acr": "two", "amr": ["otp"], "auth_time": str(SECONDS)}, False),
    ({"acr": "two", "amr": ["otp"], "auth_time": True}, False),
)


@pytest.mark.parametrize(("said", "enough"), STRENGTHS, ids=str)
def test_what_is_not_said_of_a_second_factor_counts_as_not_done(said: Mapping[str, Any], enough: bool) -> None:
    demanding = Provider(US.issuer, US.client_id, "", "", acr=("two", "three"), amr=("otp", "hwk"))
    assert not check(signed({**GOOD, **said})).strong, "nobody said what these words mean"
    if enough:
        assert check(signed({**GOOD, **said}), it=demanding).strong
    else:
        with pytest.raises(Denied, match=r"acr|amr|auth_time"):
            check(signed({**GOOD, **said}), it=demanding)


def unsigned() -> str:
    head, body, _ = signed(GOOD).split(".")
    return f"eyJhbGciOiJub25lIn0.{body}." if head else ""


def by_public_key() -> str:
    """What everybody knows, taken for a shared secret."""
    body = signed(GOOD).split(".")[1]
    head = urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').decode().rstrip("=")
    digest = hmac.digest(RSA.as_pem(private=False), f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{urlsafe_b64encode(digest).decode().rstrip('=')}"


FORGED: tuple[Callable[[], str], ...] = (
    unsigned,
    by_public_key,
    lambda: signed(GOOD, OctKey.import_key("homestretch" * 4), alg="HS256"),
    lambda: signed(GOOD, OTHER_RSA),
    lambda: signed(GOOD, RSA, kid="three"),
    lambda: signed(GOOD, RSA, kid="two"),
    lambda: signed(GOOD)[:-4] + "AAAA",
    lambda: "not.a.token",
    lambda: "",
)


@pytest.mark.parametrize("forge", FORGED)
def test_one_the_provider_did_not_sign_is_refused(forge: Callable[[], str]) -> None:
    with pytest.raises(Denied):
        check(forge())
