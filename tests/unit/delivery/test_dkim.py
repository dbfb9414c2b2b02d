"""Signatures, checked by a program that is not ours."""

from __future__ import annotations

from datetime import UTC, datetime

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dkim.canonicalization import Relaxed
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.delivery.dkim import Key, Signer, canonical_body, load_keys

AT = datetime(2026, 6, 9, 6, 0, tzinfo=UTC)
RSA = Key("digest.example", "rsa1", rsa.generate_private_key(65537, 2048))
ED = Key("digest.example", "ed1", ed25519.Ed25519PrivateKey.generate())
SIGNER = Signer([RSA, ED])  # which has signed other mails before
RECORDS = {f"{key.dns_name()}.".encode(): key.dns_record().encode() for key in (RSA, ED)}
HEAD = (
    b"From: Digest <daily@digest.example>\r\n"
    b"To: ann@example.org\r\n"
    b"Subject: =?utf-8?q?Three_papers_=E2=80=94?=\r\n =?utf-8?q?and_one_more?=\r\n"
    b"Date: Tue, 09 Jun 2026 06:00:00 +0000\r\n"
    b"Message-ID: <1@digest.example>\r\n"
    b"List-Id: Daily papers <daily.digest.example>\r\n"
    b"List-Unsubscribe: <https://digest.example/u/abc>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"Feedback-ID: daily:digest:mail:digest\r\n"
    b"Reply-To:reply@digest.example\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: text/plain;\r\n\tcharset=utf-8\r\n"
    b"X-Other: not  signed\r\n"
)
BODY = b"One paper.\r\nTwo  papers. \r\n\r\n\r\n"


def verifies(message: bytes) -> list[bool]:
    """Each signature of `message`, from the top."""
    count = message.partition(b"\r\n\r\n")[0].count(b"DKIM-Signature:")
    return [verifies_one(message, n) for n in range(count)]


def verifies_one(message: bytes, number: int) -> bool:
    try:
        return bool(dkimpy.DKIM(message).verify(number, dnsfunc=lambda name, timeout=5: RECORDS[name]))
    except dkimpy.ValidationError:
        return False


def tags(message: bytes) -> dict[str, str]:
    """The tags of the first signature, without blanks."""
    field = message.partition(b"\r\nFrom")[0].partition(b"DKIM-Signature:")[2].partition(b"\r\nDKIM-Signature")[0]
    return dict(part.split("=", 1) for part in "".join(field.decode().split()).split(";"))


@pytest.mark.parametrize("keys", [[RSA], [ED], [RSA, ED]])
def test_it_is_verified_by_another_program(keys: list[Key]) -> None:
    assert verifies(Signer(keys).sign(HEAD + b"\r\n" + BODY, AT)) == [True] * len(keys)


def test_it_signs_what_readers_and_inboxes_rely_on() -> None:
    signed = tags(Signer([RSA]).sign(HEAD + b"\r\n" + BODY, AT))
    names = signed["h"].split(":")
    assert {"list-unsubscribe", "list-unsubscribe-post", "to", "subject", "date", "message-id", "list-id"} < set(names)
    assert {"mime-version", "content-type", "reply-to", "feedback-id"} < set(names)
    assert names.count("from") == 2
    assert "x-other" not in names
    assert signed["c"] == "relaxed/relaxed"
    assert signed["t"] == str(int(AT.timestamp()))
    assert "l" not in signed


@pytest.mark.parametrize(
    "change",
    [
        (b"Three", b"Four"),
        (b"From: Digest", b"From: evil@example.net\r\nFrom: Digest"),
        (b"/u/abc", b"/u/abd"),
        (b"One-Click", b"Two-Click"),
        (b"One paper", b"No paper"),
        (b"Content-Type: text/plain", b"Content-Type: text/html"),
    ],
)
def test_it_does_not_verify_a_changed_mail(change: tuple[bytes, bytes]) -> None:
    assert verifies(Signer([RSA, ED]).sign(HEAD + b"\r\n" + BODY, AT).replace(*change)) == [False, False]


def test_it_gives_the_same_bytes_again() -> None:
    signer = Signer([RSA, ED])
    assert signer.sign(HEAD + b"\r\n" + BODY, AT) == signer.sign(HEAD + b"\r\n" + BODY, AT)


def test_it_writes_short_lines() -> None:
    many = Signer([Key("a.very.long.domain.of.a.digest.example", "selector-of-the-year-2026", RSA.private), ED])
    head = many.sign(HEAD + b"\r\n" + BODY, AT).partition(b"From:")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 76


def test_it_does_not_look_at_a_body_that_is_canonical() -> None:
    canonical = canonical_body(BODY)
    signer = Signer([ED])
    assert signer.sign(HEAD + b"\r\n" + canonical, AT, is_canonical=True) == signer.sign(HEAD + b"\r\n" + canonical, AT)


def test_it_signs_no_mail_without_a_sender() -> None:
    with pytest.raises(ValueError, match="From"):
        Signer([ED]).sign(b"To: ann@example.org\r\n\r\nHello\r\n", AT)


@pytest.mark.parametrize(
    "value",
    [b"Three papers", b"", b" ", b"a", b" a ", b"  two  blanks\t", b"Two:", b"a\r\n b", b"\r\n\tb", b"a\rb", b"50% \xe2\x80\x94"],
)  # fmt: skip
def test_it_signs_a_mail_like_the_one_before_as_if_it_were_the_first(value: bytes) -> None:
    mail = HEAD.replace(b"=?utf-8?q?Three_papers_=E2=80=94?=\r\n =?utf-8?q?and_one_more?=", value) + b"\r\n" + BODY
    signer = Signer([ED])
    signer.sign(HEAD + b"\r\n" + BODY, AT)
    assert signer.sign(mail, AT) == Signer([ED]).sign(mail, AT)
    assert verifies(Signer([ED]).sign(mail, AT)) == [True]


@pytest.mark.parametrize("line", [b"To\r\n", b"To: ann\nBcc: eve\r\n"])
def test_it_signs_no_head_of_other_things_than_fields(line: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be signed"):
        Signer([ED]).sign(b"From: daily@digest.example\r\n" + line + b"\r\nHello\r\n", AT)


line = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"], include_characters=" \t"), max_size=90)
words = st.text(st.sampled_from("ab:; \t=,<>"), min_size=1, max_size=60)
folds = st.sampled_from(["", "\r\n ", "\r\n\t", "\r\n  "])


@settings(max_examples=60, deadline=None)
@given(
    fields=st.lists(
        st.tuples(st.sampled_from(["To", "subject", "X-A", "LIST-ID", "Date", "Content-Type"]), words, folds, words)
    ),
    body=st.lists(line),
    end=st.sampled_from(["", "\r\n", "\r\n\r\n\r\n", " \r\n", "\t"]),
)
def test_it_signs_every_mail_so_that_it_verifies(
    fields: list[tuple[str, str, str, str]], body: list[str], end: str
) -> None:
    head = "".join(f"{name}:{first}x{fold}y{last}\r\n" for name, first, fold, last in fields)
    message = f"From: daily@digest.example\r\n{head}\r\n{chr(13) + chr(10)}".encode()[:-2]
    message += ("\r\n".join(body) + end).encode()
    signed = SIGNER.sign(message, AT)
    arrived = signed if signed.endswith(b"\r\n") else signed + b"\r\n"  # SMTP knows no line without an end
    assert verifies(arrived) == [True, True]


@settings(max_examples=60)
@given(body=st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b"  ", b"."])).map(b"".join))
def test_it_is_never_wrong_by_the_short_cut(body: bytes) -> None:
    assert canonical_body(canonical_body(body)) == canonical_body(body)
    assert canonical_body(body + b"\r\n") == Relaxed.canonicalize_body(body + b"\r\n")


# -- keys --------------------------------------------------------------------------------------------------------------


def pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_it_loads_keys_in_the_order_of_the_selectors() -> None:
    keys = load_keys("digest.example", ["rsa1", "ed1"], pem(RSA.private) + "\n" + pem(ED.private))
    assert [key.algorithm for key in keys] == ["rsa-sha256", "ed25519-sha256"]
    assert [key.dns_record() for key in keys] == [RSA.dns_record(), ED.dns_record()]
    assert "PRIVATE" not in repr(keys)


@pytest.mark.parametrize("key", [RSA, ED])
def test_it_knows_its_public_half_however_it_is_published(key: Key) -> None:
    ours, other = key.dns_record(), (ED if key is RSA else RSA).dns_record()
    cut = ours.replace("p=", "p = ").replace("; ", ";")[:-9] + " " + ours[-9:] + " ; t=s"
    assert all(key.is_published_in(record) for record in (ours, cut, ours.replace("v=DKIM1; ", "")))
    assert not any(key.is_published_in(record) for record in (other, "v=DKIM1; p=", "v=spf1 -all", "", ours[:-1]))


@pytest.mark.parametrize(
    ("selectors", "text", "why"),
    [
        (["a", "b"], pem(ED.private), "2 DKIM selectors"),
        (["a"], "", "found 0"),
        (["a"], "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "cannot be read"),
        (["a"], pem(rsa.generate_private_key(65537, 1024)), "at least 2048"),
        (["a"], pem(ec.generate_private_key(ec.SECP256R1())), "RSA"),
    ],
)
def test_it_says_what_is_wrong_with_a_key(selectors: list[str], text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        load_keys("digest.example", selectors, text)
    assert "AAAA" not in str(caught.value)
