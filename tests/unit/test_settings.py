from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.settings import MASK, SettingsError, load, misspelt, parse_clock

KEY = "k" * 40


def test_it_starts_from_defaults() -> None:
    settings = load(environ={})
    assert settings.smtp_port == 25
    assert settings.in_doubt == "resend"


def test_it_takes_the_environment_over_the_defaults() -> None:
    settings = load(environ={"DIGEST_SMTP_PORT": "2525", "DIGEST_ARXIV_CATEGORIES": "cs.CL, hep-th"})
    assert settings.smtp_port == 2525
    assert settings.arxiv_categories == ("cs.CL", "hep-th")


def test_it_reads_a_secret_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    settings = load(environ={"DIGEST_SECRET_KEY_FILE": str(tmp_path / "key")})
    assert settings.secret_key.get_secret_value() == KEY


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("SMTP_PORT", "x", "DIGEST_SMTP_PORT=x"),
        ("DATABASE_URL", "mysql://a:hush@db/x", "use sqlite:///"),
        ("CLOCK", "yesterday", "use an instant"),
        ("WARM_UP_FROM", "soon", "use a day like 2026-06-09"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,proxy", "'proxy' is no network; use one like"),
        ("SECRET_KEY", "short", "32 characters"),
        ("SECRET_KEY", "demo-" + KEY, "demo secret"),
        ("MAIL_FROM", "a\r\nBcc: x@example.org", "Name <name@example.org>"),
        ("PUBLIC_URL", "digest.example.org", "https://digest.example.org"),
        ("PUBLIC_URL", 'https://example.org/"><script>', "https://digest.example.org"),
        ("PUBLIC_URL", "https://example.org:99999", "Port"),
        ("ARXIV_CATEGORIES", "cs.AI/../x", "no arXiv category"),
        ("MAIL_FROM", "", "Name <name@example.org>"),
        ("MAIL_FROM", "ann@ex\u00e4mple.org", "xn--"),
        ("SMTP_HOST", "mail example", "mail.example.org"),
        ("SMTP_HOST", "", "mail.example.org"),
        ("LIST_ID", "a\nb", "digest.example.org"),
        ("SEND_RATE", "inf", "finite"),
        ("CLOCK", "2026-06-09T00:00:00Z@inf", "rate of 1,000,000"),
        ("CLOCK", "0001-01-01T00:00:00+14:00", "a year from 1990"),
        ("CONFIG", "/", "cannot be read"),
    ],
)
def test_it_says_what_is_wrong_and_what_to_do(variable: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(environ={"DIGEST_" + variable: value})
    assert says in str(caught.value)
    assert "hush" not in str(caught.value)
    assert KEY not in str(caught.value)


def test_it_refuses_a_simulated_clock_on_a_real_mail_server() -> None:
    with pytest.raises(SettingsError, match="would send real mail"):
        load(environ={"DIGEST_CLOCK": "2026-06-09T00:00:00Z", "DIGEST_SMTP_HOST": "mail.example.org"})


def test_it_masks_secrets_when_shown() -> None:
    shown = load(environ={"DIGEST_SECRET_KEY": KEY, "DIGEST_DATABASE_URL": "postgresql+psycopg://d:hush@db/d"}).masked()
    assert shown["DIGEST_SECRET_KEY"] == MASK
    assert "hush" not in shown["DIGEST_DATABASE_URL"]


def test_it_reads_a_clock_with_a_rate() -> None:
    assert parse_clock("2026-06-09T00:00:00Z@600") == (datetime(2026, 6, 9, tzinfo=UTC), 600.0)


def test_it_explains_files_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="UTF-8"):
        load(environ={"DIGEST_SECRET_KEY_FILE": str(tmp_path / "key")})


def test_it_notices_a_slip_in_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("DIGEST_SMPT_HOST=mail.example.org\nDIGEST_TEST_DATABASE_URL=x\n")
    monkeypatch.setenv("DIGEST_PUBLIC_ULR", "https://example.org")
    assert misspelt() == {"DIGEST_PUBLIC_ULR": "DIGEST_PUBLIC_URL", "DIGEST_SMPT_HOST": "DIGEST_SMTP_HOST"}
