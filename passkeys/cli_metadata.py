"""`python -m passkeys metadata`: verify a BLOB offline and say what it holds; forget the one that counts.

To check takes no settings and no store: a BLOB can be looked at before anything is set up to rely on it.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from passkeys.errors import MetadataInvalid, StoreDamaged
from passkeys.metadata import PROHIBITED_BY_DEFAULT, Model, ModelPolicy, current_reports, prohibiting_status
from passkeys.metadata_blob import Blob, verify_blob
from passkeys.models import CURRENT, current_pointer
from passkeys.settings import Settings
from passkeys.store import Store
from passkeys.world import opened_store

FIDO = "mds.fidoalliance.org"
_DEFAULT_POLICY = ModelPolicy(
    prohibited=frozenset(PROHIBITED_BY_DEFAULT),
    allowed=frozenset(),
    denied=frozenset(),
    unknown_allowed=True,
    certification=None,
)


def add_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], state: argparse.ArgumentParser
) -> None:
    """Add `metadata` and its actions to the parser's commands."""
    actions = commands.add_parser("metadata", help="FIDO's metadata of authenticators").add_subparsers(
        dest="action", required=True
    )
    checking = actions.add_parser(
        "check", help="verify a BLOB offline, and say what it holds; exit 1 if it must not be used"
    )
    checking.add_argument("file", type=Path, metavar="FILE", help="the BLOB, as it is downloaded")
    checking.add_argument(
        "--root", type=Path, metavar="PEM", required=True, help="the root certificates to trust"
    )
    checking.add_argument(
        "--signer", default=FIDO, metavar="NAME", help=f"the signer's DNS name (default: {FIDO})"
    )
    actions.add_parser(
        "forget",
        parents=[state],
        help="let no metadata count, so that one with a lower number can: after a change of its source",
    )


def check(arguments: argparse.Namespace, *, now: datetime) -> int:
    """Verify the file; 0: it may be used, 1: it must not, 2: the files cannot be read."""
    try:
        data = arguments.file.read_bytes()
        roots = x509.load_pem_x509_certificates(arguments.root.read_bytes())
    except (OSError, ValueError) as error:
        print(f"{error}. Name the BLOB, and a PEM file of root certificates with --root.", file=sys.stderr)
        return 2
    try:
        blob = verify_blob(
            data,
            roots=[root.public_bytes(Encoding.DER) for root in roots],
            signer=arguments.signer,
            at=now,
        )
    except MetadataInvalid as invalid:
        print(f"INVALID  {invalid}", file=sys.stderr)
        return 1
    _tell(blob, now)
    return 0


async def forget(settings: Settings) -> int:
    """Remove the pointer, be it damaged. The models themselves go with the next refresh."""
    async with opened_store(settings) as store:
        forgotten = await _what_counts(store)
        await store.delete(CURRENT)
    if forgotten is None:
        print("There was no metadata.")
    else:
        print(f"{forgotten} is forgotten. The next refresh takes whatever its source has.")
    return 0


async def _what_counts(store: Store) -> str | None:
    try:
        pointer = await current_pointer(store)
    except StoreDamaged:
        return "Damaged metadata"
    return f"Metadata number {pointer.no}" if pointer else None


def _tell(blob: Blob, now: datetime) -> None:
    metadata = blob.metadata
    models = tuple(dict.fromkeys(metadata.models.values()))
    by_aaguid = sum(model.aaguid is not None for model in models)
    print(f"valid    number {metadata.no}, next update {metadata.next_update}")
    print(
        f"signed   by {blob.signer} ({blob.algorithm}), whose certificate expires {blob.signer_expires_at:%Y-%m-%d}"
    )
    print(
        f"holds    {by_aaguid} models with an AAGUID, {len(models) - by_aaguid} of U2F, "
        f"{blob.others} entries of other kinds, {len(blob.icons)} icons"
    )
    if blob.unreadable_roots:
        print(f"ignored  {blob.unreadable_roots} trust anchors that are no certificates")
    for status, count in sorted(_statuses(models, now).items()):
        print(f"  {count:5} {status}")
    for model in models:
        prohibiting = prohibiting_status(model, _DEFAULT_POLICY, at=now)
        if prohibiting is not None:
            print(
                f"prohibited by default: {model.aaguid or model.key_identifiers[0]}  {prohibiting}  {model.name}"
            )
    if blob.legal_header:
        print(f"terms    {blob.legal_header}")
    if metadata.is_stale(now):
        print(f"STALE    a newer one should have come by {metadata.next_update}.", file=sys.stderr)


def _statuses(models: tuple[Model, ...], now: datetime) -> Counter[str]:
    """How many models have each status in effect today."""
    return Counter(
        status for model in models for status in {report.status for report in current_reports(model, now)}
    )
