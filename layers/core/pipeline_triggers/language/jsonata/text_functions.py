"""JSONata's functions of text and time, with the meaning of the reference implementation (jsonata-js).

Where the reference cuts off what it can't hold, they refuse.
"""

from __future__ import annotations

import base64
import math
import re
from typing import Any
from urllib.parse import quote

from jsonata.jexception import JException

from pipeline_triggers.language.jsonata import dates
from pipeline_triggers.language.jsonata.data import Failure, has_half, joined, list_of, string
from pipeline_triggers.language.jsonata.natives import Natives, needed

FUNCTIONS = Natives()


@FUNCTIONS.add("string", "<x-b?:s>", runs=True, arity=1)
def _to_string(evaluator: Any, value: Any, pretty: bool | None) -> str:
    evaluator.budget.spend(evaluator.budget.size(value))
    return string(value, pretty=bool(pretty))


@FUNCTIONS.add("length", "<s-:n>")
def _length(text: str) -> int:
    return len(text)


@FUNCTIONS.add("substring", "<s-nn?:s>")
def _substring(text: str, start: float | None, length: float | None) -> str:
    if start is None:
        return text if length is None else ""
    if len(text) + start < 0:
        start = 0
    if length is None:
        return text[math.trunc(start) :]
    if length <= 0:
        return ""
    end = start + length if start >= 0 else len(text) + start + length
    return text[math.trunc(start) : math.trunc(end)]


@FUNCTIONS.add("substringBefore", "<s-s:s>")
def _substring_before(text: str, separator: str | None) -> str:
    return text.partition(between)[0] if (between := _part("substringBefore", separator)) else ""


@FUNCTIONS.add("substringAfter", "<s-s:s>")
def _substring_after(text: str, separator: str | None) -> str:
    if not (between := _part("substringAfter", separator)):
        return text
    _, is_there, rest = text.partition(between)
    return rest if is_there else text


def _part(name: str, argument: Any) -> str:
    """Return a text to look for."""
    if not isinstance(needed(name, argument), str):
        raise Failure(f"calls ${name} with a function, which is not supported; use a text")
    if has_half(argument):
        raise Failure(f"calls ${name} with half a character")
    return str(argument)


@FUNCTIONS.add("lowercase", "<s-:s>")
def _lowercase(text: str) -> str:
    return text.lower()


@FUNCTIONS.add("uppercase", "<s-:s>")
def _uppercase(text: str) -> str:
    return text.upper()


@FUNCTIONS.add("trim", "<s-:s>")
def _trim(text: str) -> str:
    return re.sub("[ \t\n\r]+", " ", text).strip(" ")


@FUNCTIONS.add("pad", "<s-ns?:s>", runs=True)
def _pad(evaluator: Any, text: str, width: float | None, character: str | None) -> str:
    if width is None:
        return text
    evaluator.budget.allow(abs(width))
    missing = abs(math.trunc(width)) - len(text)
    padding = ((character or " ") * max(missing, 0))[: max(missing, 0)]
    return joined(text, padding) if width > 0 else joined(padding, text)


@FUNCTIONS.add("contains", "<s-(sf):b>")
def _contains(text: str, part: Any) -> bool | None:
    return None if part is None else _part("contains", part) in text


@FUNCTIONS.add("split", "<s-(sf)n?:a<s>>", runs=True)
def _split(evaluator: Any, text: str, separator: Any, limit: float | None) -> Any:
    if limit is not None and limit < 0:
        raise JException("D3020", -1, text)
    if not (between := _part("split", separator)):
        if any(character > "\uffff" for character in text):
            raise Failure("splits characters that JSONata would cut in two")
        evaluator.budget.spend(len(text))
    parts = text.split(between) if between else list(text)
    return list_of(parts if limit is None else parts[: math.trunc(limit)])


@FUNCTIONS.add("join", "<a<s>s?:s>", runs=True)
def _join(evaluator: Any, texts: list[str], separator: str | None) -> str:
    between = separator or ""
    evaluator.budget.allow(sum(map(len, texts)) + len(between) * len(texts))
    return joined(between.join(texts))


@FUNCTIONS.add("replace", "<s-(sf)(sf)n?:s>", runs=True)
def _replace(evaluator: Any, text: str, pattern: Any, replacement: Any, limit: float | None) -> str:
    old, new = _part("replace", pattern), _part("replace", replacement)
    if not old:
        raise JException("D3010", -1, old)
    if limit is not None and limit < 0:
        raise JException("D3011", -1, limit)
    times = text.count(old) if limit is None else min(text.count(old), math.ceil(limit))
    evaluator.budget.allow(len(text) + times * (len(new) - len(old)))
    return joined(text.replace(old, new, times))


@FUNCTIONS.add("base64encode", "<s-:s>")
def _base64_encode(text: str) -> str:
    try:
        return base64.b64encode(text.encode("latin-1")).decode("ascii")
    except UnicodeEncodeError as error:
        raise Failure("calls $base64encode with a character that JSONata would cut off") from error


_BASE64 = re.compile("[A-Za-z0-9+/_-]*={0,2}")


@FUNCTIONS.add("base64decode", "<s-:s>")
def _base64_decode(text: str) -> str:
    digits = text.rstrip("=")
    if not _BASE64.fullmatch(text) or len(digits) % 4 == 1:
        raise Failure("calls $base64decode with a text that is not base64")
    digits = digits.replace("-", "+").replace("_", "/")
    return base64.b64decode(digits + "=" * (-len(digits) % 4)).decode("latin-1")


_ESCAPES = re.compile("(?:%[0-9A-Fa-f]{2})+")
_UNRESERVED = "-_.!~*'()"
_RESERVED = ";/?:@&=+$,#"


@FUNCTIONS.add("encodeUrlComponent", "<s-:s>")
def _encode_url_component(text: str) -> str:
    return _encoded(text, _UNRESERVED)


@FUNCTIONS.add("encodeUrl", "<s-:s>")
def _encode_url(text: str) -> str:
    return _encoded(text, _UNRESERVED + _RESERVED)


def _encoded(text: str, safe: str) -> str:
    try:
        return quote(text, safe=safe)
    except UnicodeEncodeError as error:
        raise JException("D3140", -1, text) from error


@FUNCTIONS.add("decodeUrlComponent", "<s-:s>")
def _decode_url_component(text: str) -> str:
    return _decoded(text, "")


@FUNCTIONS.add("decodeUrl", "<s-:s>")
def _decode_url(text: str) -> str:
    return _decoded(text, _RESERVED)


def _decoded(text: str, kept: str) -> str:
    def characters(escapes: re.Match[str]) -> str:
        at, made = 0, []
        for character in bytes.fromhex(escapes[0].replace("%", "")).decode():
            end = at + 3 * len(character.encode())
            made.append(escapes[0][at:end] if character in kept else character)
            at = end
        return "".join(made)

    try:
        if "%" in _ESCAPES.sub("", text):
            raise JException("D3140", -1, text)
        return _ESCAPES.sub(characters, text)
    except UnicodeDecodeError as error:
        raise JException("D3140", -1, text) from error


@FUNCTIONS.add("fromMillis", "<n-s?s?:s>")
def _from_millis(millis: float, picture: str | None, zone: str | None) -> str:
    return dates.format_millis(millis, picture, zone)


@FUNCTIONS.add("toMillis", "<s-s?:n>")
def _to_millis(text: str, picture: str | None) -> float | None:
    return dates.parse_iso(text) if picture is None else dates.parse(text, picture)
