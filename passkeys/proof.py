"""The proof key: who started a ceremony can prove it later, with a secret that never left their hand until then.

(RFC 7636's words, for a ceremony instead of an authorization request.) The start carries a `code_challenge`, the
SHA-256 of a `code_verifier` that its client made. Whoever shows the verifier afterwards is that client. Only S256:
a challenge that is its own verifier would put a secret into the task hub.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from passkeys.response import decode_base64url, encode_base64url

# RFC 7636 §4.1: 43 to 128 unreserved characters. The shortest is 32 random bytes in base64url.
CODE_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}\Z")
_DIGEST_BYTES = 32


def is_code_challenge(value: object) -> bool:
    """Whether `value` can be a challenge at all: a SHA-256 in base64url, without padding (RFC 7636 §4.2)."""
    try:
        return isinstance(value, str) and len(decode_base64url(value)) == _DIGEST_BYTES
    except ValueError:
        return False


def challenge_of(code_verifier: str) -> str:
    """The challenge that goes with a verifier. Raises ValueError if that is none."""
    if not CODE_VERIFIER.match(code_verifier):
        raise ValueError("a code_verifier is 43 to 128 letters, digits or . _ ~ -")
    return encode_base64url(hashlib.sha256(code_verifier.encode("ascii")).digest())


def proves(code_verifier: str, code_challenge: str | None) -> bool:
    """Whether the verifier is the one of this challenge (RFC 7636 §4.6). No verifier proves a start that had none."""
    try:
        shown = challenge_of(code_verifier)
    except ValueError:
        return False
    # In constant time, though a digest tells nothing of what it is of: nobody has to find out whether it matters.
    return hmac.compare_digest(shown, code_challenge or "")
