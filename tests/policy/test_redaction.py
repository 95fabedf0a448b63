"""No secret in any usual spelling, and ordinary text as it was."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policy.redaction import MASK, LineRedactor, redactor

plain = redactor()
# Made-up secrets in two parts, so that no scanner takes this file for a leak.
KEY = "sk-ant-" + "api03-abcDEF_123-xyz"


def secrets() -> st.SearchStrategy[str]:
    text = st.text(
        st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["Cs", "Cc"]), min_size=6, max_size=60
    )
    return text.filter(lambda s: s not in MASK)


def wrapped(secret: str, before: bytes, after: bytes) -> list[str]:
    raw = secret.encode()
    both = (base64.b64encode, base64.urlsafe_b64encode)
    return [
        f"a {secret} b",
        json.dumps({"k": secret}),
        json.dumps({"k": secret}, ensure_ascii=False),
        json.dumps(json.dumps({"k": secret})),
        f"https://h.example/?q={quote(secret, safe='')}&r=1",
        f"https://h.example/{quote(secret)}",
        f"q={quote_plus(secret)}",
        raw.hex(),
        raw.hex().upper(),
        *(encode(before + raw + after).decode() for encode in both),
        *(encode(before + raw + after).decode().rstrip("=") for encode in both),
    ]


def core(secret: str, before: int) -> str:
    """What of a base64 text depends on nothing but the secret."""
    encoded = base64.b64encode(b"\xff" * before + secret.encode()).decode()
    start = -(-8 * before // 6)
    return encoded[start : 8 * (before + len(secret.encode())) // 6]


@given(secrets(), st.binary(max_size=9), st.binary(max_size=9))
@example("hunter22", b"user:", b"")  # basic authentication
@example("hunter22", b"x", b"yz")
@settings(max_examples=300, deadline=None)
def test_a_known_secret_is_gone_in_every_spelling_and_at_every_place(secret: str, before: bytes, after: bytes) -> None:
    redact = redactor([secret])
    pieces = [
        secret,
        json.dumps(secret)[1:-1],
        quote(secret, safe=""),
        secret.encode().hex(),
        core(secret, len(before)),
    ]
    pieces += [pieces[-1].replace("+", "-").replace("/", "_")]
    for text in wrapped(secret, before, after):
        cleaned = redact(text)
        assert MASK in cleaned
        assert not [p for p in pieces if len(p) >= 6 and p in cleaned.replace(MASK, "\x00")]


@given(st.lists(st.text(min_size=1, max_size=20), max_size=4), st.lists(st.sampled_from([
    "token=", "password: ", "https://u:p@h/", " ", '"', MASK, "Bearer ", "abcdefghijklmn", "Authorization: Basic ", KEY,
    "-----BEGIN PRIVATE KEY-----", "\n", "@", "://", ":",
]), max_size=12), st.text(max_size=60))  # fmt: skip
@settings(max_examples=400, deadline=None)
def test_what_is_clean_stays_as_it_is(known: list[str], parts: list[str], text: str) -> None:
    redact = redactor(known)
    once = redact("".join(parts) + text)
    assert redact(once) == once


@pytest.mark.parametrize(
    ("text", "leak"),
    [
        (f"key {KEY} used", KEY),
        ("Authorization: Bearer abcdefghijklmnop", "abcdefghijklmnop"),
        ("Authorization: Basic dXNlcjpodW50ZXIyMg==", "dXNlcjpodW50ZXIyMg"),
        ('{"authorization": "Basic dXNlcjpodW50ZXIyMg=="}', "dXNlcjpodW50ZXIyMg"),
        ("ghp_" + "a" * 36, "a" * 36),
        ("github_pat_" + "a" * 40, "a" * 40),
        ("glpat-" + "a" * 20, "a" * 20),
        ("xoxb-" + "1234567890-abc", "1234567890-abc"),
        ("open /a/tal_" + "a" * 43, "a" * 43),
        ("curl with tcl_0123456789_" + "a" * 43, "a" * 43),
        ("s.tds_" + "a" * 43, "a" * 43),
        ("AKIA" + "ABCDEFGHIJKLMNOP", "ABCDEFGHIJKLMNOP"),
        ("eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----\n", "MIIEow"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEow cut off", "MIIEow"),
        ("DB_PASSWORD=hunter2000", "hunter2000"),
        ("password: 'hunter2000'", "hunter2000"),
        ('{"password": "hunter2000"}', "hunter2000"),
        ('"{\\"api_key\\": \\"hunter2000\\"}"', "hunter2000"),
        ("https://h/?access_token=hunter2000&x=1", "hunter2000"),
        ("postgres://app:hunter2000@db/app", "hunter2000"),
        ("postgres://app:hun@ter@db/app", "ter@"),
        ("redis://:hunter2000@cache:6379/0", "hunter2000"),
        ("API-KEY = hunter2000", "hunter2000"),
    ],
)
def test_what_looks_like_a_secret_is_removed_though_nobody_told_us(text: str, leak: str) -> None:
    cleaned = plain(text)
    assert leak not in cleaned
    assert MASK in cleaned


@pytest.mark.parametrize(
    "text",
    [
        "GET /healthz 200 in 12 ms, 3 retries; see https://example.org:8443/a@b?page=2",
        '{"usage": {"input_tokens": 123456, "max_tokens": 128000}, "request_id": "req_0123456789"}',
        "max_tokens=128000",
        "the token expired; ask for a new one and keep the secret safe",
        "commit 3f786850e387550fdab836ed7e6dc881de23001b by anna@example.org",
        "2026-03-01T12:00:00Z local/web: down since 4 min (pid 4711), restarted 2 of 2 times",
        "postgres://app@db.example:5432/app?sslmode=require",
        "session 6f1d3b1e-6a55-4c1c-9c0e-7469657263e1 ended: report",
        "key tcl_0123456789 of anna was used",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert redactor([KEY])(text) == text


def test_neighbours_of_a_secret_stay() -> None:
    assert redactor(["hunter2000"])("before hunter2000, after") == f"before {MASK}, after"
    assert plain("postgres://app:hunter2000@db/app") == f"postgres://app:{MASK}@db/app"
    assert plain("a=1&token=hunter2000&b=2") == f"a=1&token={MASK}&b=2"


def test_the_longest_of_several_secrets_goes_first() -> None:
    assert redactor(["hunter2", "hunter2000"])("x hunter2000 y") == f"x {MASK} y"


def test_percent_signs_in_lower_case_are_found_too() -> None:
    assert redactor(["pass/wörd:1"])("q=pass%2fw%c3%b6rd%3a1&r") == f"q={MASK}&r"


def test_a_secret_that_is_a_part_of_the_mask_does_not_make_it_grow() -> None:
    redact = redactor(["redacted"])
    assert redact(redact("x")) == "x"
    assert redact(MASK) == MASK


def test_very_short_secrets_are_not_looked_for_and_none_is_no_error() -> None:
    assert redactor(["abc", ""])("abc abc") == "abc abc"
    assert redactor([])("abc") == "abc"


def test_a_secret_that_is_no_valid_text_is_removed_too() -> None:
    odd = b"pass\xffword1".decode("utf-8", "surrogateescape")
    assert MASK in redactor([odd])(f"x {odd} y")


def test_hostile_text_does_not_make_it_slow() -> None:
    for bad in ("a.", "a-", "eyJ-", "x://", "x://a:", "token", "-----BEGIN ", "bearer "):
        assert plain(bad * 40_000)


# ---------------------------------------------------------------- line by line


def test_a_private_key_that_comes_line_by_line_is_masked_to_its_end() -> None:
    lines = ["before", "-----BEGIN RSA PRIVATE KEY-----", "MIIEow", "AQAB", "-----END RSA PRIVATE KEY-----", "after"]
    by_line = LineRedactor(redactor())
    assert [by_line.line(x) for x in lines] == ["before", MASK, MASK, MASK, MASK, "after"]


def test_text_that_only_pretends_to_begin_a_key_hides_no_whole_log() -> None:
    by_line = LineRedactor(redactor())
    by_line.line("-----BEGIN PRIVATE KEY-----")
    shown = [by_line.line(f"line {n}") for n in range(1000)]
    assert shown[-1] == "line 999"


_LEAKS = (
    "sk-ant-api03-abcdefgh", "Bearer abcdefghijklmnop", "ghp_" + "a" * 24, "github_pat_" + "b" * 24, "glpat-" + "c" * 20, "AKIA" + "A" * 16,
    "tal_" + "d" * 24, "tcl_0123456789_" + "e" * 24, "tds_" + "f" * 24, "xoxb-1234567890a", "eyJhbGciOiJI.eyJzdWIiOiIx.abcdefghijk", "-----BEGIN RSA PRIVATE KEY-----", "PASSWORD=hunter22", "passwd: hunter22",
    "my_Secret='abcdef'", "token=abcdef", "API-KEY: abcdef", "apikey=abcdef", "x_api_key=abcdef", "Authorization: Basic abcdefg",
    "postgres://u:pass@h/x", "tokens=123456", "sk-ant", "://", "=", "\n", " ",
)  # fmt: skip


@given(
    st.lists(st.sampled_from(_LEAKS) | st.text(st.characters(max_codepoint=126), max_size=10), max_size=6).map("".join)
)
def test_looking_for_hints_first_finds_the_same(text: str) -> None:
    redact = redactor()
    assert redact("\u00e9 " + text) == "\u00e9 " + redact(text), "letters beyond ASCII take the way without hints"


# ---------------------------------------------------------------- torn over lines

LONG = "Zx81-" + "quite-Unlikely/Words+And=Signs"


def lines_of(text: str) -> list[str]:
    by_line = LineRedactor(redactor([LONG]))
    return [by_line.line(line) for line in text.split("\n")]


def parts_left(shown: list[str], spelled: str) -> list[str]:
    """Parts of a secret, 6 characters and longer, that can still be read."""
    return [p for p in (spelled[n : n + 6] for n in range(len(spelled) - 5)) if any(p in line for line in shown)]


@given(st.integers(6, len(LONG) - 6), st.sampled_from(["", "● ", "← ", "  ", "> "]), st.sampled_from(["", " ", "…"]))
def test_a_secret_torn_over_two_lines_is_gone_from_both(at: int, head: str, tail: str) -> None:
    shown = lines_of(f"before {LONG[:at]}{tail}\n{head}{LONG[at:]} after")
    assert parts_left(shown, LONG) == []
    assert shown[0].startswith("before ")
    assert shown[1].endswith(" after")


@given(st.integers(0, 80), st.integers(12, 76), st.binary(max_size=2))
def test_wrapped_base64_shows_nothing_of_it(before: int, width: int, shift: bytes) -> None:
    encoded = base64.b64encode(b"#" * before + shift + LONG.encode() + b"#" * 30).decode()
    start = -(-8 * (before + len(shift)) // 6)
    spelled = encoded[start : 8 * (before + len(shift) + len(LONG)) // 6]
    wrapped_ = [encoded[n : n + width] for n in range(0, len(encoded), width)]
    shown = lines_of("\n".join(wrapped_))
    at = {start // width, (start + len(spelled) - 1) // width}
    # A part of fewer than 6 characters at an edge, or of fewer than 12 in a line of its own, cannot be told from words.
    ends = [min((n + 1) * width, start + len(spelled)) - max(n * width, start) for n in at]
    if all(size >= 12 for size in ends):
        assert parts_left(shown, spelled) == []


def test_a_line_that_was_cut_in_the_middle_of_a_secret_shows_no_half_of_it() -> None:
    assert lines_of("→ run " + LONG[:20] + "…") == [f"→ run {MASK}…"]


@given(st.text(max_size=80))
@example(" ")
@example("● …")
def test_other_lines_stay_as_they_are(text: str) -> None:
    by_line, plainly = LineRedactor(redactor([LONG])), redactor([LONG])
    if not any(LONG[n : n + 6] in text for n in range(len(LONG))):
        assert by_line.line(text) == plainly(text)


def test_a_line_that_ends_in_the_scheme_of_an_address_stays() -> None:
    by_line = LineRedactor(redactor(["postgresql://app:hunter2000@db/app"]))
    assert by_line.line("it runs on postgresql") == "it runs on postgresql"
    assert by_line.line("postgres") == "postgres"
