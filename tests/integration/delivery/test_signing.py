"""Mails leave signed by both algorithms, and an independent program agrees."""

from __future__ import annotations

from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from digest import outgoing
from digest.db.engine import make_engine
from digest.db.schema import migrate
from digest.delivery import ledger
from digest.delivery.dkim import load_keys
from digest.install import Install
from digest.settings import Settings, SettingsError
from digest.subscribers import lifecycle
from digest.subscribers.address import parse
from digest.subscribers.subscriber import Preferences
from tests.builders import NOW


def pem() -> str:
    keys = generate_private_key(65537, 2048), Ed25519PrivateKey.generate()
    return "".join(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode() for key in keys)


def install_with(tmp_path: Path, keys: str) -> Install:
    settings = Settings(
        database_url=f"sqlite:///{tmp_path}/digest.db",
        data_dir=tmp_path,
        secret_key=SecretStr("s" * 40),
        mail_from="Digest <digest@example.org>",
        dkim_selector="rsa,ed",
        dkim_key=SecretStr(keys),
    )
    return Install(settings, clock=lambda: NOW)


def test_it_signs_what_it_sends_with_both_keys(tmp_path: Path) -> None:
    keys = pem()
    install = install_with(tmp_path, keys)
    migrate(make_engine(install.settings.database_url))
    with install.engine.begin() as connection:
        lifecycle.subscribe(connection, parse("ann@example.org"), Preferences(), NOW, wording="form")
    claims = ledger.claim(install.engine, "w", NOW, 10, letters=True)
    mail = outgoing.prepare(install, claims)(claims[0]).data
    records = {key.dns_name() + ".": key.dns_record() for key in load_keys("example.org", ["rsa", "ed"], keys)}
    verifier = dkim.DKIM(mail)
    for index in range(2):
        assert verifier.verify(idx=index, dnsfunc=lambda name, timeout=5: records[name.decode()].encode())
    assert mail.count(b"DKIM-Signature:") == 2
    install.close()


def test_it_says_what_is_wrong_with_a_key(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="DIGEST_DKIM_KEY"):
        _ = install_with(tmp_path, "not a key").dkim
