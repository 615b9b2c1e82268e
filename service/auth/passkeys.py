"""Passkeys (WebAuthn): what a browser is asked, and whether its answer is right. The database part is in staff.py.

The authenticator must verify its person (fingerprint, face, PIN), so that a passkey is two factors at once. Challenges
are random, kept on the server in a ticket and used once. Where the server is known by a bare IP address no browser
allows passkeys, and none are offered.
"""

import contextlib
import secrets
from collections.abc import Sequence
from hashlib import sha256
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from programs.errors import Invalid
from programs.ids import derived_id
from service.care import Who

LONGEST_ANSWER = 16_384
VERIFIED = UserVerificationRequirement.REQUIRED


class Site(NamedTuple):
    """Whom passkeys are for: the host's name, and where its pages come from."""

    id: str
    origin: str


class Passkey(msgspec.Struct, frozen=True):
    """`raw_id` and `public_key` are in base64url."""

    raw_id: str
    public_key: str
    sign_count: int

    @property
    def id(self) -> str:
        return key_id(self.raw_id)


def site_of(public_url: str) -> Site | None:
    url = urlsplit(public_url)
    with contextlib.suppress(ValueError):
        ip_address(url.hostname or "")
        return None
    return Site(url.hostname or "", f"{url.scheme}://{url.netloc}".lower())


def key_id(raw_id: str) -> str:
    """What an authenticator calls a key may be a thousand characters long; this is not."""
    return sha256(raw_id.encode()).hexdigest()


def new_challenge() -> str:
    return bytes_to_base64url(secrets.token_bytes(32))


def to_make(site: Site, who: Who, email: str, challenge: str, kept: Sequence[Passkey]) -> str:
    """The options for navigator.credentials.create, in JSON. `kept` are not made a second time."""
    options = generate_registration_options(
        rp_id=site.id,
        rp_name="Homestretch",
        user_id=bytes.fromhex(derived_id("passkey", who.clinic, who.id)),
        user_name=email,
        challenge=base64url_to_bytes(challenge),
        exclude_credentials=_described(kept),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=VERIFIED
        ),
    )
    return options_to_json(options)


def to_sign(site: Site, challenge: str, kept: Sequence[Passkey] = ()) -> str:
    """The options for navigator.credentials.get, in JSON. With none `kept` the browser offers those it has."""
    options = generate_authentication_options(
        rp_id=site.id,
        challenge=base64url_to_bytes(challenge),
        allow_credentials=_described(kept) or None,
        user_verification=VERIFIED,
    )
    return options_to_json(options)


def made(site: Site, challenge: str, answer: str) -> Passkey:
    """Raises Invalid for an answer that is not to this challenge, at this site, by a person who was verified."""
    try:
        it = verify_registration_response(
            credential=answer[:LONGEST_ANSWER],
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=site.id,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError):
        raise Invalid("passkey", "was not accepted", "Try again, and let the device check that it is you.") from None
    return Passkey(bytes_to_base64url(it.credential_id), bytes_to_base64url(it.credential_public_key), it.sign_count)


def claimed(answer: str) -> str:
    """The raw id that an answer says it is of; "" where it is no answer."""
    try:
        return msgspec.json.decode(answer[:LONGEST_ANSWER].encode(), type=_Answer).rawId
    except (msgspec.MsgspecError, UnicodeError):
        return ""


def signed(site: Site, challenge: str, kept: Passkey, answer: str) -> int | None:
    """The new sign count; None for an answer that is not by this key to this challenge, or by a copy of the key."""
    try:
        it = verify_authentication_response(
            credential=answer[:LONGEST_ANSWER],
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=site.id,
            expected_origin=site.origin,
            credential_public_key=base64url_to_bytes(kept.public_key),
            credential_current_sign_count=kept.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError):
        return None
    return it.new_sign_count


class _Answer(msgspec.Struct):
    rawId: str


def _described(kept: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(it.raw_id)) for it in kept]
