"""Cases for canonical JSON and the tagged hash."""

from typing import Any

from fl_node import canonical

Case = dict[str, Any]

REFUSED_TEXTS: list[tuple[str, bytes, str]] = [
    ("a duplicate key", b'{"a":1,"a":2}', "duplicate-key"),
    ("a duplicate key that is escaped once", b'{"a":1,"\\u0061":2}', "duplicate-key"),
    ("a duplicate key deep inside", b'{"x":[{"a":1,"a":1}]}', "duplicate-key"),
    ("a fraction", b'{"a":1.5}', "not-integer"),
    ("a fraction that is whole", b"[1.0]", "not-integer"),
    ("an exponent", b"[1e3]", "not-integer"),
    ("minus zero", b"[-0]", "not-integer"),
    ("an integer above 64 bits", b"[18446744073709551616]", "not-integer"),
    ("an integer below 64 bits", b"[-9223372036854775809]", "not-integer"),
    ("an integer of a thousand digits", b"[" + b"9" * 1000 + b"]", "not-integer"),
    ("a leading zero", b"[01]", "bad-syntax"),
    ("NaN", b"[NaN]", "bad-syntax"),
    ("trailing data", b"{} {}", "bad-syntax"),
    ("a trailing comma", b"[1,]", "bad-syntax"),
    ("nothing", b"", "bad-syntax"),
    ("a byte order mark", b"\xef\xbb\xbf{}", "bad-syntax"),
    ("a raw control character", b'["\x01"]', "bad-syntax"),
    ("a single quote", b"['a']", "bad-syntax"),
    ("invalid UTF-8", b'["\xff"]', "not-text"),
    ("an encoded surrogate", b'["\xed\xa0\x80"]', "not-text"),
    ("half a surrogate pair", b'["\\ud800"]', "not-text"),
    ("a low surrogate first", b'["\\udc00\\ud800"]', "not-text"),
    ("a high surrogate before a letter", b'["\\ud800\\u0041"]', "not-text"),
    ("seventeen levels", b"[" * 17 + b"]" * 17, "too-deep"),
    ("seventeen levels of both kinds", b'{"a":[' * 8 + b"[0]" + b"]}" * 8, "too-deep"),
]

ACCEPTED_TEXTS: list[tuple[str, bytes]] = [
    ("an empty object", b" { } "),
    ("keys out of order", b'{"b":1,"a":2,"B":3,"":4}'),
    ("keys in code point order, not UTF-16 order", '{"\U0001f600":1,"\uffee":2,"z":3,"é":4}'.encode()),
    ("every escape", rb'["\"\\\/\b\f\n\r\t\u0000\u001f\u007f\u2028<>&"]'),
    ("text outside ASCII, escaped and plain", '["\\u00e9é\\ud83d\\ude00\U0001f600"]'.encode()),
    ("escaped backslash before a letter u", rb'["\\ud800"]'),
    ("the largest and smallest integers", b"[18446744073709551615,-9223372036854775808,0]"),
    ("true, false and null", b"[true,false,null]"),
    ("nested values", b'{"o":{"y":[],"x":{}},"l":[[1],[{"k":"v"}]]}'),
    ("sixteen levels", b"[" * 16 + b"]" * 16),
    ("brackets inside text", b'["' + b"[" * 40 + b'\\"{"]'),
    ("a bare integer", b"7"),
]


def canonical_cases() -> list[Case]:
    accepted = [
        {
            "name": name,
            "expect": "success",
            "text": text.hex(),
            "canonical": canonical.canonical_json(canonical.decode_strict(text)).hex(),
        }
        for name, text in ACCEPTED_TEXTS
    ]
    return accepted + [{"name": name, "expect": kind, "text": text.hex()} for name, text, kind in REFUSED_TEXTS]


def tagged_hash_cases() -> list[Case]:
    inputs: list[tuple[str, str, list[bytes]]] = [
        ("no part", canonical.LABEL_BEACON, []),
        ("an empty part differs from no part", canonical.LABEL_BEACON, [b""]),
        ("two parts", canonical.LABEL_SESSION, [b"ab", b"c"]),
        ("the same bytes cut elsewhere", canonical.LABEL_SESSION, [b"a", b"bc"]),
        ("an integer as eight bytes", canonical.LABEL_SESSION, [(7).to_bytes(8, "big")]),
        ("a long part", canonical.LABEL_LAYOUT, [bytes(range(256)) * 5]),
    ]
    return [
        {
            "name": name,
            "expect": "success",
            "label": label,
            "parts": [part.hex() for part in parts],
            "hash": canonical.tagged_hash(label, *parts).hex(),
        }
        for name, label, parts in inputs
    ]
