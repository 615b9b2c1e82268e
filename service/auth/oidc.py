"""Sign-in at the clinic's own provider (OpenID Connect): code with PKCE, and the checks of what comes back.

It says whom the provider vouches for, and whether by a second factor that the operator named; whether we know them, and
our own second factor where none was named, is console/sign_in.py. Only signatures of an asymmetric key are taken,
whatever a token says of itself.
"""

import hmac
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256, sha384, sha512
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from programs.instants import HOUR, MINUTE, SECOND, Instant
from service.auth.tickets import State
from service.clock import Clock

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_HASHES = {"256": sha256, "384": sha384, "512": sha512}
LEEWAY = 60  # seconds that clocks may differ
PATIENCE = aiohttp.ClientTimeout(total=10)
LARGEST = 512 * 1024
RECENT = 10 * MINUTE  # as long as a sign-in is fresh here
BACK = "/sign-in/elsewhere/back"


class Denied(Exception):
    """Nobody is vouched for; the words are for the log and name no person."""


class Provider(msgspec.Struct, frozen=True):
    """`secret` is "" for a client that has none. `back` is our own page, as the provider knows it. `acr` and `amr` are
    what it says of a sign-in with a second factor; none where it may not have asked for one."""

    issuer: str
    client_id: str
    secret: str
    back: str
    acr: tuple[str, ...] = ()
    amr: tuple[str, ...] = ()

    @property
    def is_strong(self) -> bool:
        return bool(self.acr or self.amr)


class Vouched(msgspec.Struct, frozen=True):
    """`email` is "" unless the provider has verified it. Where it is not `strong`, one factor is all that was shown."""

    issuer: str
    subject: str
    email: str
    strong: bool = False


class Directory(msgspec.Struct, frozen=True):
    """What of a provider's description of itself is used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class Oidc:
    def __init__(self, provider: Provider, clock: Clock) -> None:
        self._it = provider
        self._clock = clock
        self._directory: tuple[Directory, Instant] | None = None

    async def begin(self, then: str) -> tuple[str, State]:
        """Where to send the browser, and what to find again when it comes back. Raises Denied."""
        found = await self._find()
        state = State(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            then=then,
            since=self._clock.now() - (0 if then else RECENT),
        )
        address = prepare_grant_uri(
            found.authorization_endpoint,
            client_id=self._it.client_id,
            response_type="code",
            redirect_uri=self._it.back,
            scope="openid email",
            state=state.state,
            nonce=state.nonce,
            code_challenge=create_s256_code_challenge(state.verifier),
            code_challenge_method="S256",
            prompt="login" if then else None,
            acr_values=" ".join(self._it.acr) or None,
            max_age=RECENT // SECOND if self._it.is_strong else None,
        )
        return address, state

    async def finish(self, state: State, came_back: Mapping[str, str]) -> Vouched:
        """`came_back` is the query of our page, `state` what `begin` gave to this browser. Raises Denied."""
        if not state.state or not hmac.compare_digest(state.state.encode(), came_back.get("state", "").encode()):
            raise Denied("the state is not this browser's")
        if came_back.get("iss", self._it.issuer) != self._it.issuer:
            raise Denied("another provider answered")
        if not came_back.get("code"):
            raise Denied("the provider gave no code")
        found = await self._find()
        tokens = await self._redeem(found, came_back["code"], state.verifier)
        keys = _signing(await _fetch("GET", found.jwks_uri))
        return vouched(self._it, tokens, keys, state, self._clock.now())

    async def _find(self) -> Directory:
        if self._directory is None or self._directory[1] <= self._clock.now():
            address = f"{self._it.issuer.rstrip('/')}/.well-known/openid-configuration"
            found = _as(Directory, await _fetch("GET", address))
            if found.issuer != self._it.issuer:
                raise Denied("the provider describes itself as another one")
            scheme = urlsplit(self._it.issuer).scheme
            places = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri)
            if any(urlsplit(place).scheme not in ("https", scheme) for place in places):
                raise Denied("the provider has places that are not https")
            self._directory = found, self._clock.now() + HOUR
        return self._directory[0]

    async def _redeem(self, found: Directory, code: str, verifier: str) -> dict[str, Any]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._it.back}
        form |= {"code_verifier": verifier, "client_id": self._it.client_id}
        headers = {}
        if self._it.secret and "client_secret_basic" in found.token_endpoint_auth_methods_supported:
            pair = f"{quote(self._it.client_id, safe='')}:{quote(self._it.secret, safe='')}"
            headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        elif self._it.secret:
            form["client_secret"] = self._it.secret
        return await _fetch("POST", found.token_endpoint, data=form, headers=headers)


def _signing(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Those of kinds we know and use; a provider may have others beside them."""
    listed = keys.get("keys")
    known = [it for it in listed if isinstance(it, dict)] if isinstance(listed, list) else []
    return {"keys": [it for it in known if it.get("kty") in ("RSA", "EC", "OKP") and it.get("use", "sig") == "sig"]}


def vouched(it: Provider, tokens: Mapping[str, Any], keys: Mapping[str, Any], state: State, now: Instant) -> Vouched:
    """Whom this ID token is about, if it is the provider's, for us, of this sign-in, and of now. Raises Denied."""
    registry = jwt.JWTClaimsRegistry(
        now=now // SECOND,
        leeway=LEEWAY,
        iss={"essential": True, "value": it.issuer},
        aud={"essential": True, "value": it.client_id},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True, "value": state.nonce},
    )
    try:
        token = jwt.decode(tokens["id_token"], KeySet.import_key_set(dict(keys)), algorithms=list(ALGORITHMS))  # type: ignore[arg-type]
        registry.validate(token.claims)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise Denied(f"the ID token is not good: {type(error).__name__}") from None
    claims = token.claims
    _check_party(it, claims)
    _check_access_token(str(token.header["alg"]), claims, tokens)
    if it.is_strong:
        _check_strength(it, claims, state.since)
    subject, email = claims["sub"], claims.get("email")
    if not isinstance(subject, str) or not 1 <= len(subject) <= 255:
        raise Denied("the subject is none")
    verified = claims.get("email_verified") is True and isinstance(email, str)
    return Vouched(it.issuer, subject, str(email) if verified else "", it.is_strong)


def _check_party(it: Provider, claims: Mapping[str, Any]) -> None:
    """A token for several must name us as the one it was given to."""
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else it.client_id) != it.client_id:
        raise Denied("the ID token was given to another")


def _check_strength(it: Provider, claims: Mapping[str, Any], since: Instant) -> None:
    """What is not said counts as not done. The time as well: else whoever finds an open desk, at which our session has
    ended, were let in by the provider's."""
    if it.acr and claims.get("acr") not in it.acr:
        raise Denied("the provider did not say that a second factor was used (acr)")
    ways = claims.get("amr")
    if it.amr and not (isinstance(ways, list) and any(way in it.amr for way in ways)):
        raise Denied("the provider did not say that a second factor was used (amr)")
    at = claims.get("auth_time")
    if not isinstance(at, int | float) or isinstance(at, bool) or at + LEEWAY < since // SECOND:
        raise Denied("the provider did not say that somebody signed in just now (auth_time)")


def _check_access_token(alg: str, claims: Mapping[str, Any], tokens: Mapping[str, Any]) -> None:
    """Where the ID token names the access token it came with, that must be the one."""
    if "at_hash" not in claims:
        return
    digest = _HASHES.get(alg[2:], sha512)(str(tokens.get("access_token", "")).encode()).digest()
    half = urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
    if not hmac.compare_digest(half, str(claims["at_hash"]).encode()):
        raise Denied("the access token is another one")


async def _fetch(method: str, address: str, **sent: Any) -> dict[str, Any]:
    """A JSON object from the provider: in time, of a sensible size, from nowhere else. Raises Denied."""
    try:
        async with (
            aiohttp.ClientSession(timeout=PATIENCE) as http,
            http.request(method, address, allow_redirects=False, **sent) as reply,
        ):
            body = await reply.content.read(LARGEST)
            while more := await reply.content.read(LARGEST):
                body += more
                if len(body) > LARGEST:
                    raise Denied("the provider answered too much")
            if reply.status != 200:
                raise Denied(f"the provider answered {reply.status}")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Denied(f"the provider cannot be reached: {type(error).__name__}") from None
    found: dict[str, Any] = _as(dict, body)
    return found


def _as(form: Any, it: Any) -> Any:
    try:
        if isinstance(it, bytes):
            return msgspec.json.decode(it, type=form)
        return msgspec.convert(it, form)
    except (msgspec.MsgspecError, UnicodeError):
        raise Denied("the provider's answer cannot be read") from None
