from __future__ import annotations

import json
import logging
import pickle
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.io.masking import (
    HIDDEN,
    SecretError,
    expand,
    forget,
    hide,
    holds_password,
    mask,
    mask_logs,
    mask_ray_token,
    names_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    forget()
    yield
    forget()


def test_values_of_variables_are_hidden_in_one_text_alone() -> None:
    values = {"WORD": "hush hush", "LONG": "hush hush hush", "ON": "1"}
    text = 'hush hush hush, hush hush, hush%20hush, "1"'
    assert hide(text, values) == '${LONG}, ${WORD}, ${WORD}, "1"'
    assert hide(text, {}) == text
    assert mask(text) == text


TEMPLATE = 'postgresql://me:${DB_PASSWORD}@db/x {"said": ""}'
SECRETS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="$xyz"), min_size=4
).filter(lambda text: text not in TEMPLATE)


@given(secret=SECRETS, around=st.text("xyz"))
def test_a_secret_is_masked_in_every_form(secret: str, around: str) -> None:
    forget()
    expanded = expand("postgresql://me:${DB_PASSWORD}@db/x", {"DB_PASSWORD": secret})
    assert expanded == f"postgresql://me:{secret}@db/x"
    assert mask(expanded) == "postgresql://me:${DB_PASSWORD}@db/x"
    assert mask(around + secret + around) == around + "${DB_PASSWORD}" + around
    assert mask(json.dumps({"said": secret})) == json.dumps({"said": "${DB_PASSWORD}"})


def test_what_is_not_set_is_named() -> None:
    assert names_in("${A}:${B_1} $C ${}") == ("A", "B_1")
    with pytest.raises(SecretError, match=r"\$\{A\}, \$\{B\}") as error:
        expand("${B} ${A}", {"B": ""})
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)  # noqa: S301 - our own bytes


def test_short_values_are_not_looked_for() -> None:
    assert expand("${A}", {"A": "on"}) == "on"
    assert mask("once") == "once"


def test_logs_are_masked(caplog: pytest.LogCaptureFixture) -> None:
    expand("${TOKEN}", {"TOKEN": "s3cret-value"})
    logging.getLogger("some.library").warning("no answer from %s", "http://s3cret-value@db")
    assert "s3cret-value" not in caplog.text
    assert "http://${TOKEN}@db" in caplog.text


def test_the_ray_token_is_masked(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("file-token\n")
    mask_ray_token({"RAY_AUTH_TOKEN": "env-token", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")})
    assert mask("file-token, env-token") == "${RAY_AUTH_TOKEN}, ${RAY_AUTH_TOKEN}"


PLAIN = st.text(
    st.characters(
        min_codepoint=33, exclude_categories=["Cs", "Z"], exclude_characters="@/?#&;\"'<>`$"
    ),
    min_size=1,
).filter(lambda text: text != HIDDEN and text not in "no answer from postgresql://me:@db/x at all")


@given(password=PLAIN, scheme=st.sampled_from(["postgresql", "http", "https", "ray", "mysql+x"]))
def test_a_plain_password_in_an_address_is_hidden_whatever_its_length(
    password: str, scheme: str
) -> None:
    address = f"{scheme}://me:{password}@db/x"
    assert holds_password(address)
    told = mask(f"no answer from {address} at all")
    assert told == f"no answer from {scheme}://me:{HIDDEN}@db/x at all"
    assert mask(told) == told
    assert not holds_password(told)
    assert HIDDEN in mask(f"{scheme}://db/x?user=me&password={password}&ssl=1")


@given(text=st.text())
def test_masking_never_fails_and_is_done_at_once(text: str) -> None:
    assert mask(mask(text)) == mask(text)
    assert holds_password(mask(text)) is False


def test_logs_hide_plain_passwords(caplog: pytest.LogCaptureFixture) -> None:
    mask_logs()
    logging.getLogger("some.library").warning("no answer from %s", "http://me:pw@db")
    assert f"http://me:{HIDDEN}@db" in caplog.text
