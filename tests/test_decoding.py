"""Text is read in the encodings that files really have."""

import pytest

from ap_masters import decoding


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_users_text_is_read_as_windows_writes_it(encoding: str) -> None:
    """Editors write UTF-8, with or without a mark; PowerShell's > writes UTF-16."""
    assert decoding.text_of("Nächte\r\n".encode(encoding)) == "Nächte\r\n"


def test_a_text_of_another_code_page_is_told_by_line() -> None:
    """Guessing a code page would open the wrong file, or none."""
    with pytest.raises(ValueError, match="not UTF-8 in line 2: open it in an editor and save it as UTF-8"):
        decoding.text_of("a\nNächte\n".encode("cp1252"))
