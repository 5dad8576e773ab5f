"""An authenticator in software, which does what the test says: also what none should do."""

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from cbor2 import dumps
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

ORIGIN = "https://example.org"
PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40


@dataclass
class Authenticator:
    """Holds one passkey. ``verifies`` says whether it asks its user for a finger or a PIN."""

    verifies: bool = True
    origin: str = ORIGIN
    rp_id: str = "example.org"
    step: int = 1
    """What each use adds to the sign count."""

    algorithm: int = -7
    """What it says that its key signs by (COSE): ES256."""

    count: int = 0
    more: dict[str, Any] = field(default_factory=dict)
    """What it adds to the client data."""

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = secrets.token_bytes(16)
        self.handle = ""

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """Do what ``navigator.credentials.create()`` and ``toJSON()`` do."""
        self.handle = options["user"]["id"]
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + self.public_key()
        return self._credential(
            {
                "clientDataJSON": self._client_data("webauthn.create", options["challenge"]),
                "attestationObject": self.attest(attested),
                "transports": ["internal", "telepathy"],
            }
        )

    def attest(self, attested: bytes, flags: int = ATTESTED) -> str:
        data = self._data(flags) + attested
        return bytes_to_base64url(dumps({"fmt": "none", "attStmt": {}, "authData": data}))

    def public_key(self) -> bytes:
        """Return the public key in COSE."""
        numbers = self.key.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        return dumps({1: 2, 3: self.algorithm, -1: 1, -2: x, -3: y})

    def get(self, options: dict[str, Any]) -> dict[str, Any]:
        """Do what ``navigator.credentials.get()`` and ``toJSON()`` do."""
        data = self._data()
        client_data = self._client_data("webauthn.get", options["challenge"])
        signed = data + hashlib.sha256(base64url_to_bytes(client_data)).digest()
        return self._credential(
            {
                "clientDataJSON": client_data,
                "authenticatorData": bytes_to_base64url(data),
                "signature": bytes_to_base64url(self.key.sign(signed, ec.ECDSA(SHA256()))),
                "userHandle": self.handle,
            }
        )

    def _credential(self, response: dict[str, Any]) -> dict[str, Any]:
        name = bytes_to_base64url(self.id)
        return {
            "id": name,
            "rawId": name,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }

    def _data(self, flags: int = 0) -> bytes:
        flags |= PRESENT | (VERIFIED if self.verifies else 0) | ELIGIBLE | BACKED_UP
        self.count += self.step
        rp_id_hash = hashlib.sha256(self.rp_id.encode()).digest()
        return rp_id_hash + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str) -> str:
        data = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return bytes_to_base64url(json.dumps(data | self.more).encode())
