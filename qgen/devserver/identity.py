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
    """Issues tokens for one API key, and knows which of them hold.

    Args:
        key: the API key.
        lifetime: seconds that a token holds.

    Attributes:
        issued: all tokens, the oldest first, those that hold no longer included.
    """

    def __init__(self, key: str, lifetime: float = 3600.0) -> None:
        self._key, self._secret = key, secrets.token_bytes(32)
        self.lifetime = lifetime
        self._tokens: dict[str, float] = {}
        self.issued: list[str] = []
        self._lock = Lock()

    def issue(self, key: str) -> dict[str, Any] | None:
        """The answer to an exchange; None: that is not the key."""
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
        about = {"token_type": "Bearer", "expires_in": seconds, "expiration": start + seconds, "scope": "ibm openid"}
        return {"access_token": token, "refresh_token": "not_supported"} | about

    def knows(self, authorization: str) -> bool:
        """Whether a request with this header may be answered."""
        kind, _, token = authorization.partition(" ")
        with self._lock:
            return kind == "Bearer" and self._tokens.get(token, 0.0) > time.monotonic()

    def revoke(self) -> None:
        """No token that was issued until now holds any more; clients do not know."""
        with self._lock:
            self._tokens.clear()

    def _sign(self, claims: dict[str, Any]) -> str:
        head = _pack(json.dumps({"typ": "JWT", "alg": "HS256"}).encode())
        body = f"{head}.{_pack(json.dumps(claims).encode())}"
        return f"{body}.{_pack(hmac.digest(self._secret, body.encode(), 'sha256'))}"


def _pack(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
