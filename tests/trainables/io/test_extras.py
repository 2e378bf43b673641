from __future__ import annotations

import pickle

import pytest

from trainables.io.extras import MissingExtraError, need


def test_an_installed_module_is_returned() -> None:
    assert need("json", "a test").dumps([1]) == "[1]"


def test_missing_extras_are_reported_with_a_remedy() -> None:
    with pytest.raises(MissingExtraError) as error:
        need("no_such_library.part", "int8 quantization")
    text = str(error.value)
    assert text.startswith("int8 quantization needs no_such_library, which cannot be imported")
    assert "pip install 'segsweep[compression]'" in text
    assert str(pickle.loads(pickle.dumps(error.value))) == text  # noqa: S301 - our own bytes
