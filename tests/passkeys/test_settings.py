"""The settings: all mistakes at once, no setting undocumented, and with none at all the local profile runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from passkeys.attestation import TrustAnchors
from passkeys.errors import SettingsError
from passkeys.rate_limit import Limit
from passkeys.settings import SETTINGS, Settings, load
from tests.metadata_kit import INTERMEDIATE, ROOT, write_root
from tests.passkeys.attestation.statements import SOURCE

DOCUMENT = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
ROWS = {
    match[1]: match.groups()[1:]
    for match in re.finditer(r"^\| `(PASSKEYS_\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", DOCUMENT, re.MULTILINE)
}
# The defaults that are computed, as the page writes them: the surroundings, and what comes of them.
COMPUTED = {
    "PASSKEYS_ORIGINS": (
        "http://$WEBSITE_HOSTNAME",
        {"WEBSITE_HOSTNAME": "localhost:9"},
        "http://localhost:9",
    ),
    "PASSKEYS_STORE": ("$LOCAL_HOST_STATE/store", {"LOCAL_HOST_STATE": "/s"}, "/s/store"),
    "PASSKEYS_ISSUER": ("$PASSKEYS_ORIGINS", {"PASSKEYS_ORIGINS": "https://a.example"}, "https://a.example"),
    "PASSKEYS_KEYS": ("$LOCAL_HOST_STATE/keys", {"LOCAL_HOST_STATE": "/s"}, "/s/keys"),
}


# Their values are never printed.
SECRET = {"PASSKEYS_STORE_CONNECTION"}


def test_with_no_settings_the_local_profile_runs() -> None:
    """Nothing set: localhost, demo people, user verification required."""
    settings = load({})
    assert settings.origins == ("http://localhost:7071",)
    assert (settings.rp_id, settings.profile, settings.directory) == ("localhost", "local", None)
    assert settings.user_verification == "required"
    assert settings.store == ".local/store"
    assert settings.limit_network == Limit(30, 60)


def test_every_setting_is_documented_in_order_with_its_default() -> None:
    """docs/settings.md has one row for each setting, with the default that the code has, and what happens when it is wrong."""
    assert list(ROWS) == [setting.name for setting in SETTINGS]
    for setting in SETTINGS:
        default, does, wrong = ROWS[setting.name]
        if isinstance(setting.default, str):
            assert default == (f"`{setting.default}`" if setting.default else "none"), setting.name
        else:
            written, surroundings, computed = COMPUTED[setting.name]
            assert default == f"`{written}`"
            assert setting.default(surroundings) == computed
        assert len(does) > 20, setting.name
        assert wrong.endswith("."), setting.name


def test_every_field_is_set_by_one_setting() -> None:
    """No field without a setting, no setting without a field, and the names agree."""
    assert [setting.field for setting in SETTINGS] == list(Settings.__slots__)
    assert all(setting.name == f"PASSKEYS_{setting.field.upper()}" for setting in SETTINGS)


WRONG = {
    "PASSKEYS_PROFILE": ["azure", "LOCAL"],
    "PASSKEYS_RP_ID": ["https://a.example", "A.example", "127.0.0.1", "::1", "a..example", "-a.example", "a.example:443", "a_b.example"],
    "PASSKEYS_RP_NAME": [" ", "x" * 65, "a\nb", "é" * 33],
    "PASSKEYS_ORIGINS": [
        "localhost", "http://localhost/", "http://localhost:80", "https://localhost:443", "http://LOCALHOST", "ftp://localhost",
        "http://localhost,http://localhost", "http://user@localhost", "http://localhost:x", "http://localhost:0", "http://localhost?x", ",",
    ],
    "PASSKEYS_CEREMONY_SECONDS": ["0", "601", "5m", "-1", "1.5", " 300", "٣٠٠"],
    "PASSKEYS_ATTESTATION": ["enterprise", "None"],
    "PASSKEYS_ATTESTATION_TRUST": ["all"],
    "PASSKEYS_ATTESTATION_ROOTS": ["/nowhere", __file__],
    "PASSKEYS_ATTESTATION_FORMATS": ["android-safetynet", "none,none", ","],
    "PASSKEYS_ATTESTATION_LENIENCE": ["everything", "u2f-aaguid,u2f-aaguid"],
    "PASSKEYS_ATTESTATION_TPM_VENDORS": ["FFFFF1D0", "id:fffff1d0", "id:FFFFF1D0,id:FFFFF1D0"],
    "PASSKEYS_AAGUID_ALLOW": ["08987058cadc4b81b6e130de50dcbe96", "08987058-CADC-4b81-b6e1-30de50dcbe96", "yubikey"],
    "PASSKEYS_AAGUID_DENY": ["00000000-0000-0000-0000-000000000000,00000000-0000-0000-0000-000000000000"],
    "PASSKEYS_BACKUP_ELIGIBLE": ["deny"],
    "PASSKEYS_SIGN_COUNT": ["ignore"],
    "PASSKEYS_CROSS_ORIGIN": ["list"],
    "PASSKEYS_TOP_ORIGINS": ["example.com", "https://example.com/", "http://example.com", ","],
    "PASSKEYS_NATIVE_ORIGINS": ["https://example.com", "android:apk-key-hash:short", "android:apk-key-hash:" + "A" * 42 + "B"],
    "PASSKEYS_ATTACHMENT": ["internal"],
    "PASSKEYS_TRANSPORTS": ["cable", "usb,usb"],
    "PASSKEYS_EXTENSIONS": ["hmac-secret", "prf,prf"],
    "PASSKEYS_CREDENTIAL_PROTECTION": ["3"],
    "PASSKEYS_USER_VERIFICATION": ["discouraged"],
    "PASSKEYS_ALGORITHMS": ["RS1", "ES256,ES256", "-7", ","],
    "PASSKEYS_METADATA": [
        "http://mds.fidoalliance.org/", "https://", "https://user@mds.example/", "https://mds.example/#x", "https://mds.example:x/",
        "ftp://mds.example/", "/nowhere/blob.jwt", "https://mds.example/a b",
    ],
    "PASSKEYS_METADATA_ROOT": ["/nowhere/root.pem", __file__],
    "PASSKEYS_METADATA_SIGNER": ["https://mds.example", "MDS.example"],
    "PASSKEYS_METADATA_SCHEDULE": ["daily"],
    "PASSKEYS_METADATA_PROHIBITED": ["revoked", "REVOKED,REVOKED", "none,REVOKED"],
    "PASSKEYS_UNKNOWN_MODELS": ["deny"],
    "PASSKEYS_CERTIFICATION": ["FIDO_CERTIFIED_L4"],
    "PASSKEYS_REVOKED_CREDENTIALS": ["step_up", "ignore"],
    "PASSKEYS_HINTS": ["phone", "hybrid,hybrid"],
    "PASSKEYS_LIMIT_NETWORK": ["30", "0/60", "30/0", "-1/60", "30/60/1", "1000001/1", "x/y"],
    "PASSKEYS_LIMIT_PERSON": ["ten/600"],
    "PASSKEYS_DECOY_MODELS": ["yubikey,yubikey", "YubiKey 5"],
    "PASSKEYS_LIMIT_USERNAME": ["30/"],
    "PASSKEYS_LIMIT_ACTS": ["30"],
    "PASSKEYS_LIMIT_RECOVERIES": ["10"],
    "PASSKEYS_LIMIT_GLOBAL": ["600 / 60"],
    "PASSKEYS_LIMIT_GLOBAL_SHARDS": ["0", "65"],
    "PASSKEYS_AUDIT_SHARDS": ["0", "65"],
    "PASSKEYS_AUDIT_SEAL_SCHEDULE": ["* * * * *", "hourly"],
    "PASSKEYS_AUDIT_BACKLOG": ["99", "10001", "many"],
    "PASSKEYS_CEREMONY_DAYS": ["0", "3651", "for ever"],
    "PASSKEYS_AUDIT_FLUSH_SCHEDULE": ["* * * * *", "every 2 seconds", "* * * * * * *"],
    "PASSKEYS_TICKET_SECONDS": ["59", "2592001"],
    "PASSKEYS_SESSION_SECONDS": ["59", "3601", "1h"],
    "PASSKEYS_FRESH_SECONDS": ["0", "3601"],
    "PASSKEYS_RECOVERY_OPERATORS": ["0", "3", "two"],
    "PASSKEYS_RECOVERY_SECONDS": ["0", "3601"],
    "PASSKEYS_OPERATOR_ROLE": ["the operator", " ", "x" * 129, "op,erator", "-"],
    "PASSKEYS_RELATED_ORIGINS": ["example.com", "https://example.com/", "http://example.com", "https://a.example,https://a.example", ","],
    "PASSKEYS_CONDITIONAL_CREATE": ["yes", "ON", "true"],
    "PASSKEYS_DIRECTORY": ["/nowhere/people.json"],
    "PASSKEYS_ISSUERS": ["/nowhere/issuers.json"],
    "PASSKEYS_ISSUER": ["login.example.com", "https://login.example.com/", "http://login.example.com", "https://a.example,https://b.example"],
    "PASSKEYS_APPLICATIONS": ["/nowhere/applications.json"],
    "PASSKEYS_KEYS": [__file__, "https://acme.example.com", "http://acme.vault.azure.net", "https://acme.vault.azure.net/", " "],
    "PASSKEYS_KEY_DAYS": ["0", "366"],
    "PASSKEYS_KEY_PUBLISH_SECONDS": ["59", "604801", "2d"],
    "PASSKEYS_KEY_SCHEDULE": ["hourly"],
    "PASSKEYS_CODE_SECONDS": ["9", "601"],
    "PASSKEYS_REFRESH_GRACE_SECONDS": ["31", "-1"],
    "PASSKEYS_CLAIMS_SECONDS": ["301", "-1"],
    "PASSKEYS_DPOP_NONCES": ["required"],
    "PASSKEYS_FORWARDED_HOPS": ["9", "-1"],
    "PASSKEYS_CONFORMANCE": ["true", "ON"],
    "PASSKEYS_STORE": [
        __file__, "http://acme.blob.core.windows.net", "https://acme.blob.core.windows.net/", "https://acme.example.com",
        "https://acme.blob.core.windows.net.example.com", "https://Acme.blob.core.windows.net", " ",
    ],
    "PASSKEYS_STORE_CONNECTION": [
        "secret", "AccountName=acme", "AccountName=acme;AccountKey=secret;secret", "SharedAccessSignature=secret",
        "AccountName=acme;AccountKey=secret;BlobEndpoint=acme",
    ],
    "PASSKEYS_STORE_PREFIX": ["Acme-", "-acme", "a--b", "a" * 33, "a_b"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in WRONG.items() for text in texts])
def test_a_wrong_value_is_named_with_what_it_must_be(name: str, text: str) -> None:
    """One mistake, which names the setting and the value, and says what it must be."""
    with pytest.raises(SettingsError) as error:
        load({name: text})
    (mistake,) = error.value.mistakes
    value = "" if name in SECRET else f"={text!r}"
    assert mistake.startswith(f"{name}{value}: must be ")
    assert name not in SECRET or "secret" not in str(error.value)


def test_every_setting_can_be_wrong() -> None:
    """The table of mistakes leaves out no setting."""
    assert set(WRONG) == {setting.name for setting in SETTINGS}


def test_all_mistakes_are_told_at_once() -> None:
    """One wrong value for each setting gives one mistake for each, in the one message."""
    with pytest.raises(SettingsError) as error:
        load({name: texts[0] for name, texts in WRONG.items()})
    assert len(error.value.mistakes) == len(SETTINGS)
    assert all(name in str(error.value) for name in WRONG)


def test_a_misspelt_setting_is_a_mistake() -> None:
    """A setting that does not exist is refused, with the one that was probably meant."""
    with pytest.raises(
        SettingsError, match=r"PASSKEYS_ORIGIN: there is no such setting\. Is PASSKEYS_ORIGINS meant\?"
    ):
        load({"PASSKEYS_ORIGIN": "https://a.example"})


@pytest.mark.parametrize(
    "environ",
    [
        {"WEBSITE_INSTANCE_ID": "0123"},
        {"WEBSITE_INSTANCE_ID": "0123", "WEBSITE_HOSTNAME": "localhost:7071"},
        {"WEBSITE_POD_NAME": "p", "LEGION_SERVICE_HOST": "h"},
        {"WEBSITE_SKU": "FlexConsumption"},
        {"WEBSITE_HOSTNAME": "x.azurewebsites.net", "PASSKEYS_RP_ID": "x.azurewebsites.net"},
        {"WEBSITE_HOSTNAME": "localhost.example.org", "PASSKEYS_RP_ID": "example.org"},
    ],
    ids=str,
)
def test_the_local_profile_refuses_to_start_in_azure(environ: dict[str, str]) -> None:
    """Demo people and local files never run in Azure, on whichever plan, nor under a name that others can reach."""
    with pytest.raises(SettingsError, match="must never run in Azure"):
        load(environ)


@pytest.mark.parametrize("host", ["", "localhost:7071", "127.0.0.1:80", "[::1]:7071"])
def test_the_local_profile_starts_on_this_machine(host: str) -> None:
    """A host that calls itself localhost is one; a container's name of a developer's own says nothing."""
    origins = {"PASSKEYS_ORIGINS": "http://localhost:7071"}
    assert load({"WEBSITE_HOSTNAME": host, "CONTAINER_NAME": "mine"} | origins).profile == "local"


def test_the_conformance_door_opens_in_the_local_profile_alone() -> None:
    """Whoever knocks may enrol there; it is shut unless somebody opens it."""
    assert load({}).conformance is False
    assert load({"PASSKEYS_CONFORMANCE": "on"}).conformance is True
    with pytest.raises(SettingsError, match="only PASSKEYS_PROFILE='local' has it"):
        load({"PASSKEYS_CONFORMANCE": "on", "PASSKEYS_PROFILE": "azure"})
    with pytest.raises(SettingsError, match="must never run in Azure"):
        load({"PASSKEYS_CONFORMANCE": "on", "WEBSITE_INSTANCE_ID": "0123"})


CONNECTION = "AccountName=acme;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"


def test_a_connection_string_is_taken_on_this_machine_alone_and_never_printed() -> None:
    """It may hold the account's key: in Azure it is a mistake, in whatever profile, and no text shows it."""
    settings = load({"PASSKEYS_STORE_CONNECTION": CONNECTION})
    assert settings.store_connection == CONNECTION
    assert "c2VjcmV0" not in repr(settings)
    for profile in ("local", "azure"):
        with pytest.raises(SettingsError, match="PASSKEYS_STORE_CONNECTION: may hold a key") as error:
            load(
                {
                    "PASSKEYS_STORE_CONNECTION": CONNECTION,
                    "PASSKEYS_PROFILE": profile,
                    "WEBSITE_INSTANCE_ID": "0123",
                }
            )
        assert "c2VjcmV0" not in str(error.value)


@pytest.mark.parametrize(
    "environ",
    [
        {"PASSKEYS_STORE": "https://acme.blob.core.windows.net", "PASSKEYS_STORE_PREFIX": "acme-1-"},
        {"PASSKEYS_STORE": "https://acme.z01.blob.storage.azure.net"},
        {"PASSKEYS_STORE_CONNECTION": "UseDevelopmentStorage=true"},
        {"PASSKEYS_STORE_CONNECTION": CONNECTION + ";"},
        {"PASSKEYS_STORE_CONNECTION": "BlobEndpoint=https://a.example/;SharedAccessSignature=sv=1&sig=a%3D"},
    ],
    ids=str,
)
def test_a_storage_account_is_taken(environ: dict[str, str]) -> None:
    """By its address, or by a connection string; neither is a folder that keys could be in."""
    assert load(environ | {"PASSKEYS_KEYS": "/keys"}).store_prefix in {"", "acme-1-"}


MODEL = "08987058-cadc-4b81-b6e1-30de50dcbe96"
CONTRADICTIONS = [
    (
        {"PASSKEYS_RP_ID": "example.org", "PASSKEYS_ORIGINS": "https://example.com"},
        "does not belong to PASSKEYS_RP_ID",
    ),
    (
        {"PASSKEYS_RP_ID": "example.org", "PASSKEYS_ORIGINS": "https://notexample.org"},
        "does not belong to PASSKEYS_RP_ID",
    ),
    ({"PASSKEYS_RP_ID": "example.org"}, "does not belong to PASSKEYS_RP_ID"),
    ({"PASSKEYS_LIMIT_GLOBAL": "3/60"}, "PASSKEYS_LIMIT_GLOBAL_SHARDS: must not be more"),
    (
        {"PASSKEYS_RELATED_ORIGINS": "http://app.localhost:7071"},
        "belongs to PASSKEYS_RP_ID='localhost' already",
    ),
    ({"PASSKEYS_RELATED_ORIGINS": "https://co.uk"}, "has no domain of its own"),
    (
        {
            "PASSKEYS_RELATED_ORIGINS": "https://a.com,https://b.com,https://c.com,https://d.com,https://e.com,https://f.com"
        },
        "has 6 domain labels \\(a, b, c, d, e, f\\)",
    ),
    ({"PASSKEYS_TOP_ORIGINS": "https://example.com"}, "PASSKEYS_TOP_ORIGINS: says nothing"),
    ({"PASSKEYS_ATTESTATION_TRUST": "trusted"}, "nobody could enrol while PASSKEYS_ATTESTATION='none'"),
    (
        {"PASSKEYS_ATTESTATION_TRUST": "trusted", "PASSKEYS_ATTESTATION": "direct"},
        "nobody could enrol without a trust anchor",
    ),
    ({"PASSKEYS_AAGUID_ALLOW": MODEL}, "PASSKEYS_AAGUID_ALLOW: anybody can claim any AAGUID"),
    ({"PASSKEYS_AAGUID_ALLOW": MODEL, "PASSKEYS_AAGUID_DENY": MODEL}, "PASSKEYS_AAGUID_DENY: must not name"),
    ({"PASSKEYS_CREDENTIAL_PROTECTION": "require"}, "nobody is asked for it; name credProtect"),
    ({"PASSKEYS_FRESH_SECONDS": "901"}, "PASSKEYS_FRESH_SECONDS: must not be more"),
    ({"PASSKEYS_SESSION_SECONDS": "299"}, "PASSKEYS_FRESH_SECONDS: must not be more"),
    (
        {"PASSKEYS_STORE": "/s", "PASSKEYS_STORE_CONNECTION": "UseDevelopmentStorage=true"},
        "and so does PASSKEYS_STORE",
    ),
    ({"PASSKEYS_STORE": "/s", "PASSKEYS_KEYS": "/s/x/../keys"}, "PASSKEYS_KEYS: must not be inside"),
]


@pytest.mark.parametrize(("environ", "mistake"), CONTRADICTIONS)
def test_values_that_contradict_each_other_are_a_mistake(environ: dict[str, str], mistake: str) -> None:
    """Each value may be right alone and wrong beside another."""
    with pytest.raises(SettingsError, match=mistake):
        load(environ)


def test_good_values_are_taken() -> None:
    """What the page allows is what the code takes."""
    settings = load(
        {
            "PASSKEYS_RP_ID": "example.org",
            "PASSKEYS_ORIGINS": "https://example.org, https://login.example.org:8443",
            "PASSKEYS_HINTS": "security-key,client-device",
            "PASSKEYS_LIMIT_PERSON": "1000000/86400",
            "PASSKEYS_RP_NAME": "Müller & Söhne",
            "PATH": "unrelated",
        }
    )
    assert settings.origins == ("https://example.org", "https://login.example.org:8443")
    assert settings.hints == ("security-key", "client-device")
    assert settings.limit_person == Limit(1_000_000, 86_400)


def test_a_whole_policy_is_taken(tmp_path: Path) -> None:
    """Everything strict, and nothing of it contradicts another."""
    (tmp_path / "packed.pem").write_text(SOURCE["attestation_trust_root"]["certificate_pem"])
    (tmp_path / ".hidden").write_text("is passed over")
    app = "android:apk-key-hash:" + "A" * 42 + "E"
    settings = load(
        {
            "PASSKEYS_ATTESTATION": "direct",
            "PASSKEYS_ATTESTATION_TRUST": "trusted",
            "PASSKEYS_ATTESTATION_ROOTS": str(tmp_path),
            "PASSKEYS_ATTESTATION_FORMATS": "packed,tpm",
            "PASSKEYS_AAGUID_ALLOW": MODEL,
            "PASSKEYS_CROSS_ORIGIN": "allow",
            "PASSKEYS_TOP_ORIGINS": "https://example.com, http://localhost",
            "PASSKEYS_NATIVE_ORIGINS": app,
            "PASSKEYS_EXTENSIONS": "credProps,credProtect",
            "PASSKEYS_CREDENTIAL_PROTECTION": "require",
        }
    )
    root = bytes.fromhex(SOURCE["attestation_trust_root"]["certificate_der"]["hex"])
    assert settings.attestation_roots == TrustAnchors(by_format={"packed": (root,)})
    assert settings.top_origins == ("https://example.com", "http://localhost")
    assert (settings.native_origins, settings.aaguid_allow) == ((app,), (MODEL,))


def test_a_folder_of_roots_says_what_is_wrong_in_it(tmp_path: Path) -> None:
    """Each file that is none of ours, or holds no certificate, by its name."""
    (tmp_path / "packed.pem").write_text("no certificate")
    (tmp_path / "yubico.pem").write_text(SOURCE["attestation_trust_root"]["certificate_pem"])
    with pytest.raises(
        SettingsError, match=r"packed\.pem does not hold certificates.*yubico\.pem is no file of"
    ):
        load({"PASSKEYS_ATTESTATION_ROOTS": str(tmp_path)})


def test_an_empty_value_is_not_set() -> None:
    """As Azure and local.settings.json write "not set"."""
    assert load({setting.name: "" for setting in SETTINGS}) == load({})


def test_metadata_needs_its_root_and_the_root_its_metadata(tmp_path: Path) -> None:
    """One without the other is a mistake; both together are read: the file's certificates, in DER."""
    root = str(write_root(tmp_path / "root.pem", ROOT, INTERMEDIATE))
    source = "https://mds.fidoalliance.org/"
    settings = load({"PASSKEYS_METADATA": source, "PASSKEYS_METADATA_ROOT": root})
    assert (settings.metadata, settings.metadata_root) == (source, (ROOT.der, INTERMEDIATE.der))
    for environ in ({"PASSKEYS_METADATA": source}, {"PASSKEYS_METADATA_ROOT": root}):
        with pytest.raises(SettingsError, match="must be set with"):
            load(environ)


def test_metadata_may_be_a_file(tmp_path: Path) -> None:
    """One that is there: a path that is misspelt is found at the start."""
    blob = tmp_path / "blob.jwt"
    root = str(write_root(tmp_path / "root.pem"))
    blob.write_text("x")
    assert load({"PASSKEYS_METADATA": str(blob), "PASSKEYS_METADATA_ROOT": root}).metadata == str(blob)


@pytest.mark.parametrize(
    "environ", [{"PASSKEYS_UNKNOWN_MODELS": "refuse"}, {"PASSKEYS_CERTIFICATION": "FIDO_CERTIFIED_L1"}]
)
def test_what_metadata_alone_can_tell_needs_metadata(environ: dict[str, str]) -> None:
    """Else nobody could register, and the first to notice would be a person."""
    with pytest.raises(SettingsError, match="without PASSKEYS_METADATA"):
        load(environ)


def test_certification_needs_attestation(tmp_path: Path) -> None:
    """Without it the AAGUID is the client's word, and a certified one as easily said as any."""
    environ = {
        "PASSKEYS_CERTIFICATION": "FIDO_CERTIFIED_L1",
        "PASSKEYS_METADATA": "https://mds.fidoalliance.org/",
        "PASSKEYS_METADATA_ROOT": str(write_root(tmp_path / "root.pem")),
        "PASSKEYS_ATTESTATION": "direct",
    }
    with pytest.raises(SettingsError, match="anybody can claim"):
        load(environ)
    load({**environ, "PASSKEYS_ATTESTATION_TRUST": "trusted"})


def test_no_status_need_be_prohibited() -> None:
    """An empty value means the default, so there is a word for it."""
    assert load({"PASSKEYS_METADATA_PROHIBITED": "none"}).metadata_prohibited == ()
