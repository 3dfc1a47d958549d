"""IBM Cloud's identity service: an API key is exchanged for a token that expires."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from threading import Lock
from typing import Any


class Identity:
    """Issues tokens for one API key.

    Args:
        key: the API key.
        lifetime: seconds for which a token is valid.

    Attributes:
        issued: all tokens, the oldest first, expired ones included.
    """

    def __init__(self, key: str, lifetime: float = 3600.0) -> None:
        self._key, self._secret = key, secrets.token_bytes(32)
        self.lifetime = lifetime
        self._tokens: dict[str, float] = {}
        self.issued: list[str] = []
        self._lock = Lock()

    def issue(self, key: str) -> dict[str, Any] | None:
        """Return the answer to an exchange; None: the key is wrong."""
        if not hmac.compare_digest(key.encode(), self._key.encode()):
            return None
        start = int(time.time())
        seconds = max(1, int(self.lifetime))
        token = self._sign(
            {"iam_id": "IBMid-devserver", "iat": start, "exp": start + seconds, "jti": secrets.token_hex()}
        )
        with self._lock:
            self.issued.append(token)
            self._tokens[token] = time.monotonic() + self.lifetime
        fields = {"token_type": "Bearer", "expires_in": seconds, "expiration": start + seconds, "scope": "ibm openid"}
        return {"access_token": token, "refresh_token": "not_supported"} | fields

    def accepts(self, authorization: str) -> bool:
        """Return whether a request with this header may be answered."""
        kind, _, token = authorization.partition(" ")
        with self._lock:
            return kind == "Bearer" and self._tokens.get(token, 0.0) > time.monotonic()

    def revoke(self) -> None:
        """Revoke all tokens issued so far; clients are not told."""
        with self._lock:
            self._tokens.clear()

    def _sign(self, claims: dict[str, Any]) -> str:
        head = _encode(json.dumps({"typ": "JWT", "alg": "HS256"}).encode())
        body = f"{head}.{_encode(json.dumps(claims).encode())}"
        return f"{body}.{_encode(hmac.digest(self._secret, body.encode(), 'sha256'))}"


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
