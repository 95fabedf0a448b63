"""A browser in words that its owner recognises."""

import pytest

from web.devices import device


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/150.0 Safari/537.36 Edg/150.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/150.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.9", "curl"), ("<script>alert(1)</script> and much more that nobody wants to read", "<script>alert(1)</script> and much more "),
        ("", "unknown browser"),
    ],
)  # fmt: skip
def test_a_device_has_a_name(agent: str, words: str):
    assert device(agent) == words
