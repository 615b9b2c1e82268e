"""The clinic's own sign-in: oidc-provider-mock, a real server on loopback, where anybody says who they are, and how."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx

with warnings.catch_warnings():  # of its own dependencies
    warnings.simplefilter("ignore")
    import oidc_provider_mock

EVERYBODY: Mapping[str, Mapping[str, object]] = {
    "ben-there": {"email": "Ben@Riverside.example", "email_verified": True},
    "not-verified": {"email": "ben@riverside.example", "email_verified": False},
    "verified-in-words": {"email": "ben@riverside.example", "email_verified": "true"},
    "no-mail": {},
    "stranger": {"email": "stranger@riverside.example", "email_verified": True},
    "another-ben": {"email": "ben@riverside.example", "email_verified": True},
}


@contextmanager
def provider() -> Iterator[str]:
    """The issuer."""
    people = [oidc_provider_mock.User(sub=sub, claims=dict(claims)) for sub, claims in EVERYBODY.items()]
    with oidc_provider_mock.run_server_in_thread(user_claims=people, require_nonce=True) as server:
        yield f"http://localhost:{server.server_port}"


def sign_in_there(address: str, sub: str, **how: object) -> httpx.URL:
    """Where the provider sends the browser of somebody who signed in as `sub`; `how` is said in the ID token too."""
    claims = {name: value for name, value in {**EVERYBODY[sub], **how}.items() if value is not None}
    assert httpx.put(str(httpx.URL(address).join(f"/users/{sub}")), json=claims).status_code == 204
    reply = httpx.post(address, data={"sub": sub}, follow_redirects=False)
    assert reply.status_code == 302, reply.text
    return httpx.URL(reply.headers["location"])
