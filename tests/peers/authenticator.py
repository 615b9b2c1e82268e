"""A device with a passkey, as a browser would ask it; it can also be told to misbehave."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from soft_webauthn import SoftWebauthnDevice

VERIFIED = 0x04  # the flag by which an authenticator says that it checked who is there
FLAGS_AT = 32  # in what it signs, behind the hash of the site


class Authenticator:
    """`verifies` is whether it asks for a finger or a PIN."""

    def __init__(self, origin: str = "https://pages.test", verifies: bool = True) -> None:
        self.device = SoftWebauthnDevice()
        self.origin = origin
        self.verifies = verifies

    def make(self, options: str) -> str:
        """What navigator.credentials.create gives, as our script sends it."""
        asked = json.loads(options)
        asked["challenge"] = _bytes(asked["challenge"])
        asked["user"]["id"] = _bytes(asked["user"]["id"])
        made = self.device.create({"publicKey": asked}, self.origin)
        attested = cbor.decode(made["response"]["attestationObject"])
        attested["authData"] = self._flagged(attested["authData"])
        response = {"attestationObject": _text(cbor.encode(attested))}
        return self._said(made, response)

    def sign(self, options: str) -> str:
        """What navigator.credentials.get gives."""
        asked = json.loads(options)
        asked["challenge"] = _bytes(asked["challenge"])
        made = self.device.get({"publicKey": asked}, self.origin)
        data = self._flagged(made["response"]["authenticatorData"])
        digest = hashes.Hash(hashes.SHA256())
        digest.update(made["response"]["clientDataJSON"])
        signature = self.device.private_key.sign(data + digest.finalize(), ec.ECDSA(hashes.SHA256()))
        return self._said(made, {"authenticatorData": _text(data), "signature": _text(signature)})

    def _flagged(self, data: bytes) -> bytes:
        flags = data[FLAGS_AT] | VERIFIED if self.verifies else data[FLAGS_AT] & ~VERIFIED
        return data[:FLAGS_AT] + bytes([flags]) + data[FLAGS_AT + 1 :]

    def _said(self, made: dict[str, Any], response: dict[str, str]) -> str:
        response["clientDataJSON"] = _text(made["response"]["clientDataJSON"])
        id = _text(made["rawId"])
        return json.dumps({"id": id, "rawId": id, "type": "public-key", "response": response})


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
