from __future__ import annotations

import json
import logging
import pickle
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.io.redaction import (
    REDACTED,
    SecretError,
    expand,
    forget_secrets,
    has_plain_secret,
    names_in,
    redact,
    redact_logs,
    redact_ray_token,
    redact_values,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    forget_secrets()
    yield
    forget_secrets()


def test_values_are_redacted_in_one_text_alone() -> None:
    values = {"WORD": "hush hush", "LONG": "hush hush hush", "ON": "1"}
    text = 'hush hush hush, hush hush, hush%20hush, "1"'
    assert redact_values(text, values) == '${LONG}, ${WORD}, ${WORD}, "1"'
    assert redact_values(text, {}) == text
    assert redact(text) == text


TEMPLATE = 'postgresql://me:${DB_PASSWORD}@db/x {"said": ""}'
SECRETS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="$xyz"), min_size=4
).filter(lambda text: text not in TEMPLATE)


@given(secret=SECRETS, around=st.text("xyz"))
def test_a_secret_is_redacted_in_every_form(secret: str, around: str) -> None:
    forget_secrets()
    expanded = expand("postgresql://me:${DB_PASSWORD}@db/x", {"DB_PASSWORD": secret})
    assert expanded == f"postgresql://me:{secret}@db/x"
    assert redact(expanded) == "postgresql://me:${DB_PASSWORD}@db/x"
    assert redact(around + secret + around) == around + "${DB_PASSWORD}" + around
    assert redact(json.dumps({"said": secret})) == json.dumps({"said": "${DB_PASSWORD}"})


def test_unset_variables_are_named() -> None:
    assert names_in("${A}:${B_1} $C ${}") == ("A", "B_1")
    with pytest.raises(SecretError, match=r"\$\{A\}, \$\{B\}") as error:
        expand("${B} ${A}", {"B": ""})
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)  # noqa: S301 - our own bytes


def test_short_values_are_not_redacted() -> None:
    assert expand("${A}", {"A": "on"}) == "on"
    assert redact("once") == "once"


def test_logs_are_redacted(caplog: pytest.LogCaptureFixture) -> None:
    expand("${TOKEN}", {"TOKEN": "s3cret-value"})
    logging.getLogger("some.library").warning("no answer from %s", "http://s3cret-value@db")
    assert "s3cret-value" not in caplog.text
    assert "http://${TOKEN}@db" in caplog.text


def test_the_ray_token_is_redacted(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("file-token\n")
    redact_ray_token(
        {"RAY_AUTH_TOKEN": "env-token", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}
    )
    assert redact("file-token, env-token") == "${RAY_AUTH_TOKEN}, ${RAY_AUTH_TOKEN}"


PLAIN = st.text(
    st.characters(
        min_codepoint=33, exclude_categories=["Cs", "Z"], exclude_characters="@/?#&;\"'<>`$"
    ),
    min_size=1,
).filter(
    lambda text: text != REDACTED and text not in "no answer from postgresql://me:@db/x at all"
)


@given(password=PLAIN, scheme=st.sampled_from(["postgresql", "http", "https", "ray", "mysql+x"]))
def test_a_plain_password_of_any_length_is_redacted_in_an_address(
    password: str, scheme: str
) -> None:
    address = f"{scheme}://me:{password}@db/x"
    assert has_plain_secret(address)
    redacted = redact(f"no answer from {address} at all")
    assert redacted == f"no answer from {scheme}://me:{REDACTED}@db/x at all"
    assert redact(redacted) == redacted
    assert not has_plain_secret(redacted)
    assert REDACTED in redact(f"{scheme}://db/x?user=me&password={password}&ssl=1")


@given(text=st.text())
def test_redaction_never_fails_and_is_idempotent(text: str) -> None:
    assert redact(redact(text)) == redact(text)
    assert has_plain_secret(redact(text)) is False


def test_logs_redact_plain_passwords(caplog: pytest.LogCaptureFixture) -> None:
    redact_logs()
    logging.getLogger("some.library").warning("no answer from %s", "http://me:pw@db")
    assert f"http://me:{REDACTED}@db" in caplog.text
