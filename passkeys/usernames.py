"""User names as people type them: made one form, then a token that tells nothing, by which a person is found.

What is typed into the field for a name is often a password that went into the wrong one. So it is taken no further than
the request that brought it: a ceremony knows the name's *token*, a keyed digest, of known and unknown names alike.

    names/{token}.json   {"person"}   write-once, by registration
"""

from __future__ import annotations

import unicodedata
from contextlib import suppress

from passkeys import decoys, documents
from passkeys.errors import AlreadyExists
from passkeys.store import Store

# Longer than a person's id may be, shorter than what is worth hashing.
MAX_USERNAME = 128
# Read for a name that is nobody's, and not believed: it takes as long as one that is somebody's.
_NOBODYS = documents.dump({"person": "nobody"})


def normal_form(username: str) -> str:
    """The one form of a name: no spaces around it, case and compatibility forms folded away.

    `Ada`, ` ADA` and `ａｄａ` are `ada`; the form of a form is itself. Whoever looks a name up, and whoever makes decoys
    for it, does so by this form: else the difference between two spellings would tell who is known.
    """
    # Twice: folding can undo the normal form, and normalising can bring capitals to light (Unicode 16 §3.13, D146).
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", username).casefold()).casefold()
    return unicodedata.normalize("NFKC", folded).strip()


def token_of(key: bytes, username: str) -> str:
    """The token of a name, whichever way it is spelled. `key` is that of the decoys."""
    return decoys.derived(key, b"username", normal_form(username).encode(), 16).hex()


async def remember(store: Store, token: str, person: str) -> None:
    """Let the name of this token be the person's. It stays whose it was first."""
    with suppress(AlreadyExists):
        await store.create(_name(token), documents.dump({"person": person}))


async def find(store: Store, token: str) -> str | None:
    """The person whose name has this token, or None. Raises StoreDamaged."""
    document = await store.get(_name(token))
    person = documents.load(_name(token), _NOBODYS if document is None else document.data, _person)
    return None if document is None else person


def _person(members: dict[str, str]) -> str:
    return str(members["person"])


def _name(token: str) -> str:
    return f"names/{token}.json"
