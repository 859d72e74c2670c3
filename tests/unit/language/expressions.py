"""Expressions and events for the comparison with the reference implementation of JSONata, the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

SEED = 2026
GENERATED = 8000


class Case(NamedTuple):
    """An expression, and the position of the event that it is evaluated on."""

    expression: str
    event: int


EVENTS: list[dict[str, Any]] = [
    {
        "id": 5890840712243076,
        "time": "2026-11-01T04:12:09Z",
        "detail": {
            "key": "raw/churn/dt=2026-11-01/Straße a%2Fb.csv",
            "size": 5368709121,
            "ratio": 0.30000000000000004,
            "empty": "",
            "none": None,
            "yes": True,
            "no": False,
            "items": [
                {"name": "b", "value": 2.5},
                {"name": "a", "value": -7},
                {"name": "c"},
                {"name": "a", "value": 3},
            ],
            "numbers": [3, 1, 2.5, -4, 0, 1e21, 1e-7],
            "names": ["b", "é", "a", "B", "", "10", "9"],
            "nested": [[1, 2], [3, [4]], []],
            "object": {"b": 1, "10": 2, "9": 3, "a b": {"c": [1]}},
        },
    },
    {
        "id": 1,
        "time": "2024-02-29T23:59:59.987+01:00",
        "detail": {
            "key": "ΑΣ İI ß 😀/x",
            "size": -0.0,
            "ratio": -2.5,
            "empty": [],
            "none": None,
            "yes": "false",
            "no": 0,
            "items": [{"name": "only", "value": None}],
            "numbers": [0.1, 0.2, 0.3],
            "names": ["😀", "\uffff", "Z"],
            "nested": [],
            "object": {},
        },
    },
    {"id": "x-1", "time": "1999-12-31", "detail": {"key": "a", "items": {"name": "one", "value": 1}, "numbers": 7}},
    {"id": None, "time": 1793506329987, "detail": None, "key": "no detail here"},
]
VARIABLES: dict[str, Any] = {
    "object": {"key": "raw/a+b/c.csv", "size": 12, "tags": {"team": "ml"}},
    "job": {"tags": {}},
}

# What was wrong once, and what users write.
WRITTEN = """
$split(detail.key, '/')[-1] ?? 'none'
$split(detail.key, '/')[-1] ?: 'none'
$substring(detail.key, -3) ?? 'd'
$substring(detail.key, -3) ?: 'd'
-1 ?? 2
-1 ?: 2
detail.missing ?: 'd'
detail.missing ?? 'd'
'run-' & id
$string(id)
1000000000000000 & ''
$string(123456789012345.67)
1e15 + 0.5 & ''
5.5 % 2
-5.5 % 2
5 % -3
7 % 0
$sort([3, 1, 2], function($l, $r) { $l >= $r })
$sort(detail.items, function($l, $r) { $l.name >= $r.name }).value
$sort(['b', 'a', 'a'], function($l, $r) { $l > $r })
detail.items^(name).value
detail.items^(>value).name
$lowercase('Straße')
$uppercase('Straße')
$lowercase('ΑΣ')
$replace('abca', 'a', '$0')
$replace('abca', 'a', '$$-')
$replace('abca', 'a', 'x', 1)
$decodeUrl('a%2Fb%20c')
$decodeUrlComponent('a%2Fb%20c')
$decodeUrl('%')
$decodeUrl('%C3%9F%E2%82%AC')
$encodeUrl('a b/ß?x=1&y=#')
$encodeUrlComponent('a b/ß?x=1&y=#')
$base64decode('YQ')
$base64decode('YWI')
$base64decode('w7w=')
$base64encode('ü')
$base64encode('€')
$formatNumber(2.5, '0')
$formatNumber(3.5, '0')
$formatNumber(-7.5, '000')
$formatNumber(1234567.891, '#,##0.00')
$formatNumber(0.126, '0.0%')
$formatNumber(-12, '0;(0)')
$string({'ß': 'é', 'n': [1, 2.50, null]})
$string([1, 2], true)
true in [1]
1 in [true]
$toMillis('2026-11-01 04:12:09')
$toMillis('2026-11-01')
$toMillis('2026-11-01T04:12:09')
$toMillis('2026-11-01T04:12:09.5+0530')
$toMillis('20261101', '[Y0001][M01][D01]')
$toMillis('01/11/2026 4:12 PM', '[D01]/[M01]/[Y0001] [h]:[m01] [P]')
$toMillis('04:12', '[H01]:[m01]')
$number('1_000')
$number(' 12 ')
$number('NaN')
$number('Infinity')
$number('١٢')
$number('0x1F')
$number('1e3')
$number('')
$fromMillis(0, '[Y0001]-[M01]-[D01]T[H01]:[m01][Z]', '+02:00')
$fromMillis(0, '[Y0001]-[M01]-[D01]T[H01]:[m01][Z]', '+0200')
$fromMillis(0, '[Y0001]-[M01]-[D01]T[H01]:[m01][Z]', '-0530')
$fromMillis(1793506329987, '[FNn], [D1o] [MNn] [Y] [h]:[m01]:[s01].[f001] [PN] week [W] of [X] day [d]')
$formatInteger(1999, 'I')
$formatInteger(12, '1;o')
$formatInteger(1234567, '#,##0')
$formatInteger(27, 'a')
$formatInteger(1001, 'w;o')
$parseInteger('1,234', '#,##0')
$parseInteger('XIV', 'I')
$parseInteger('twelve hundred and four', 'w')
$parseInteger('21st', '1;o')
$map(['a', 'b'], $uppercase)
$map([1.25, 2.35], $round)
$map([10, 20], $formatBase)
$map(['a', 'b'], $substring(?, 0, 1))
$filter(detail.names, $contains(?, 'a'))
($f := function($x) { $x * 2 }; $f(4))
($f := function($n) { $n < 2 ? 1 : $n * $f($n - 1) }; $f(6))
($loop := function($n, $sum) { $n = 0 ? $sum : $loop($n - 1, $sum + $n) }; $loop(50, 0))
($shout := $uppercase ~> $trim; ' a ' ~> $shout)
($add := function($a, $b) { $a + $b }; $inc := $add(?, 1); $inc(2))
(function($x) { $x & '!' })('hi')
(function($object) { $object })()
detail.items.value[true]
[]{name: value}.name
detail.nested{'k': 1}
$fromMillis(-0.5, '[f001]', '+0100')
$toMillis('2025620', '[Y0001][d001]')
$reduce([1..5], function($a, $b) { $a * $b })
$reduce(['a', 'b'], $append)
$distinct([1, '1', true, 1, {'a': [1]}, {'a': [1]}])
$spread({'b': 1, '1': 2})
$keys({'b': 1, '10': 2, '9': 3})
$string({'b': 1, '10': 2, '9': 3})
$merge([{'b': 1}, {'1': 2}])
detail.object.*
detail.**.name
detail.items{name: value}
detail.items{name: $count(value)}
detail.nested[0]
detail.nested.$sum($)
detail.items[value > 0].name
detail.items[-1].name
detail.items[0.7].name
detail.items[-1.5].name
detail.items[[0, 2]].name
detail.items[name = 'a'][1].value
detail.items.value[]
detail.none = null
detail.missing = 'x'
detail.missing != 'x'
$object.tags.team = 'ml'
$job.tags.project = 'sales'
$job.tags.project in ['sales']
'a' < 'b'
'😀' < '\uffff'
'\\ud83d\\ude00' = '😀'
$length('😀é')
$substring('😀éa', 1, 1)
$split('a😀', '')
$split('a,b,,c', ',', 2.5)
$join(['a', 'b'], ', ')
$pad('x', -3, '0#')
$trim('\\t a \\n b ')
$sum([0.1, 0.2, 0.3])
$average([0.1, 0.2, 0.3])
1 / 3
1 / 0
1e300 * 1e300
$round(2.5) & $round(3.5) & $round(-2.5)
$round(1.005, 2)
$round(123.456, -2)
$sqrt(2)
$abs(-3) & $floor(-1.5) & $ceil(1.2)
$formatBase(255, 16)
$not(detail.missing)
$boolean([0, '']) or $boolean({})
$exists(detail.none)
$type(detail.none) & $type([]) & $type($uppercase)
$zip([1, 2], ['a', 'b', 'c'])
$single(detail.items, function($i) { $i.name = 'c' })
$each(detail.object, function($v, $k) { $k & '=' & $string($v) })
$sift(detail.object, function($v, $k) { $k = '9' })
$lookup(detail, 'size')
$reverse(detail.numbers)
$append(detail.names, 'z')
$count(detail.missing)
$max(detail.numbers) - $min(detail.numbers)
$error('no')
$assert(detail.size > 1e12, 'small')
[1..4][$ > 2]
[detail.items.name, 'x']
[[1], 2]
{'a': detail.size, 'b': [detail.names]}
$$.detail.size
$.id
`detail`.`key`
/* a note */ 1 + 1
1 + 1 /* at the end */
""".strip().splitlines()


class Generator:
    """Writes expressions of a kind: most of the time one whose parts have the types that they need."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - the same expressions each time, no secret

    def pick(self, options: list[Any]) -> Any:
        """Return one of several; with nothing of Python's random but what never changes."""
        return options[int(self._random.random() * len(options))]

    def expression(self, kind: str, depth: int) -> str:
        """Return an expression that gives a value of a kind, or of another one now and then."""
        if self._random.random() < 0.04:
            kind = self.pick(_ANY)
        if kind in _LEAVES and (depth == 0 or self._random.random() < 0.15):
            return str(self.pick(_LEAVES[kind]))
        template = str(self.pick(_TEMPLATES[kind]))
        while (start := template.find("<")) >= 0:
            end = template.index(">", start)
            template = template[:start] + self._part(template[start + 1 : end], depth) + template[end + 1 :]
        return template.replace("≺", "<").replace("≻", ">")

    def _part(self, name: str, depth: int) -> str:
        if name in _WORDS:
            return str(self.pick(_WORDS[name]))
        match name:
            case "any number":
                return self._number()
            case "any text":
                return "'" + "".join(self.pick(_CHARACTERS) for _ in range(int(self._random.random() * 5))) + "'"
            case "any picture":
                parts = (
                    self.pick(_COMPONENTS) + self.pick(_BETWEEN) for _ in range(1 + int(self._random.random() * 4))
                )
                return "'" + "".join(parts) + "'"
        return self.expression(name, depth - 1).replace("<", "≺").replace(">", "≻")

    def _number(self) -> str:
        """Return any number: of few digits, of many, halves, very small and very large ones."""
        sign = self.pick(["", "", "-"])
        size = 10.0 ** int(self._random.random() * 18 - 6)
        number = self.pick([round(self._random.random() * size, 2), self._random.random() * size, 0.5, 2.5, 1.005])
        whole = int(self._random.random() * 10 ** (1 + int(self._random.random() * 17)))
        return f"{sign}{self.pick([number, number, whole])!r}"


_LEAVES: dict[str, list[str]] = {
    "text": [
        *("detail.key", "time", "$object.key", "detail.names[0]", "detail.names[-1]", "'a'", "'/'", "''", "'Straße'"),
        *("'raw/2026-11-01'", "' x  y '", "'-12.50'", "'a%2Fb'", "'YWJj'", "'😀é'", "'10'", "detail.missing", "id"),
    ],
    "number": [
        *("detail.size", "detail.ratio", "id", "$object.size", "0", "1", "2", "-1", "-2.5", "0.1", "1e3", "1e15"),
        *("7", "100", "0.5", "1e-7", "1e21", "detail.numbers[1]", "detail.missing", "1793506329987"),
    ],
    "bool": ["true", "false", "detail.yes", "detail.no", "detail.missing", "detail.none"],
    "list": [
        *("detail.numbers", "detail.names", "detail.nested", "detail.items", "detail.items.name", "[]", "[1..4]"),
        *("['b', 'a', 'a']", "[3, 1, 2]", "detail.items.value", "detail.missing", "detail.empty", "detail.key"),
    ],
    "object": ["detail.object", "detail.items[0]", "{}", "{'b': 1, '2': 'x', 'a': null}", "$object", "detail", "$job"],
    "predicate": [
        "function($v) { $v = 'a' }",
        "function($v, $i) { $i > 0 }",
        "$boolean",
        "$exists",
        "$contains(?, 'a')",
    ],
    "mapper": [
        "function($v, $i, $l) { $v }",
        "$string",
        "$type",
        "function($v) { $v.name }",
        "$length",
        "$number",
        "$round",
    ],
}
_ANY = ["text", "number", "bool", "list", "object"]

_WORDS = {
    "arithmetic": ["+", "-", "*", "/", "%"],
    "compare": ["=", "!=", "≺", "≺=", "≻", "≻="],
    "number picture": [
        "'0'",
        "'000'",
        "'#,##0.00'",
        "'0.###'",
        "'#.#'",
        "'0%'",
        "'0.0‰'",
        "'#0;(0)'",
        "'x0y'",
        "'0.0#'",
    ],
    "integer picture": ["'1'", "'001'", "'#,##0'", "'a'", "'A'", "'i'", "'I'", "'w'", "'Ww'", "'W'", "'1;o'", "'w;o'"],
    "time picture": [
        *(
            "'[Y0001]-[M01]-[D01]'",
            "'[H01]:[m01]:[s01].[f001]'",
            "'[FNn,3-3] [MNn] [D1o] [Y]'",
            "'[h]:[m] [PN]'",
            "'[d]/[W]/[X]'",
        ),
        *("'[Y,2]-[MN,*-3]'", "'[Z] [z] [Z0001]'", "'week [W01]'", "'[D] [[x]] [F1]'"),
    ],
    "zone": ["'+0200'", "'-0500'", "'0000'", "'+0530'"],
    "radix": ["2", "10", "16", "36"],
    "small": ["0", "1", "2", "3", "-1", "-2", "1.5"],
    "name": ["name", "value", "a", "b", "missing"],
    "text function": ["uppercase", "lowercase", "trim", "encodeUrl", "encodeUrlComponent", "decodeUrl"],
    "number function": ["abs", "floor", "ceil", "sqrt", "round"],
    "places": ["0", "1", "2", "5", "-1", "-3", "1.5"],
    "moment": [
        "0",
        "-1",
        "1793506329987",
        "951782400000",
        "-62135596800000",
        "253402300799999",
        "999.9",
        "1e15",
        "86399999",
    ],
    "iso": [
        *("'2026'", "'2026-11'", "'2026-11-01'", "'2026-11-01T04:12:09'", "'2026-11-01T04:12:09Z'", "'2026-02-29'"),
        *(
            "'2026-11-01T04:12:09.1234+01:00'",
            "'2026-11-01T04:12:09-0330'",
            "'2024-02-29'",
            "'2026-13-01'",
            "'20261101'",
        ),
        *("'2026-11-01T24:00:00Z'", "'2026-11-01T04:12Z'", "'2026-11-01Z'", "'0099-01-01'", "'1 November 2026'"),
    ],
    "whole picture": [
        *("'[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01].[f001][Z]'", "'[Y0001][M01][D01]'", "'[D1o] [MNn] [Y0001]'"),
        *("'[FNn] [D] [MNn,3-3] [Y] [h]:[m01] [P]'", "'[Y]-[d001]'", "'[M01]/[D01]/[Y,2-2]'", "'[Y0001][d001]'"),
        *(
            "'[Y0001]-[M01]-[D01] [H01]:[m01] [Z0001]'",
            "'[Y]-[M]-[D] [h]:[m]:[s] [PN] [z]'",
            "'[Y] [H]'",
            "'[X]-[W]-[F]'",
        ),
    ],
    "aggregate": ["sum", "max", "min", "average", "count"],
}

_CHARACTERS = [
    *(
        "a",
        "B",
        "ß",
        "é",
        "İ",
        "ς",
        "ΑΣ",
        "😀",
        "ﬁ",
        "%",
        "%41",
        "%2F",
        "%2f",
        "%C3%9F",
        "%ED%A0%80",
        "+",
        " ",
        "/",
        "=",
    ),
    *("YQ==", "w7w", "-", "_", "$0", "&", "?", "#", "10", "1e5", "0x1F", "1.5", "٣", ",", "\uffff"),
]
_COMPONENTS = [
    *(
        "[Y]",
        "[Y0001]",
        "[Y,2-2]",
        "[Y,*-3]",
        "[YI]",
        "[M01]",
        "[MNn]",
        "[MN,3-3]",
        "[M]",
        "[D01]",
        "[D1o]",
        "[Dwo]",
        "[D]",
    ),
    *(
        "[d]",
        "[d001]",
        "[FNn]",
        "[F]",
        "[F1]",
        "[W]",
        "[X]",
        "[H01]",
        "[H]",
        "[h]",
        "[h#1]",
        "[P]",
        "[PN]",
        "[m]",
        "[m1]",
    ),
    *("[s]", "[s01]", "[f001]", "[f]", "[Z]", "[Z0001]", "[Z01:01t]", "[z]", "[ Y ]", "[Da]", "[w]", "[E]"),
]
_BETWEEN = ["-", "/", " ", "T", ":", "", "[[", "]]", "x", "é"]

_TEMPLATES: dict[str, list[str]] = {
    "numbers": [
        *("$string(<any number>)", "(<any number> & '')", "$round(<any number>, <places>)", "$round(<any number>)"),
        *(
            "(<any number> <arithmetic> <any number>)",
            "$formatNumber(<any number>, <number picture>)",
            "$floor(<any number>)",
        ),
        *(
            "$formatInteger(<any number>, <integer picture>)",
            "$formatBase(<any number>, <radix>)",
            "$ceil(<any number>)",
        ),
        *(
            "$sum([<any number>, <any number>, <any number>])",
            "$average([<any number>, <any number>])",
            "-<any number>",
        ),
        *("$number($string(<any number>))", "(<any number> <compare> <any number>)", "$fromMillis(<any number>)"),
        "$parseInteger($formatInteger(<any number>, <integer picture>), <integer picture>)",
    ],
    "texts": [
        *(
            "$<text function>(<any text>)",
            "$decodeUrlComponent(<any text>)",
            "$base64decode(<any text>)",
            "$number(<any text>)",
        ),
        *("$split(<any text>, <any text>)", "$substringBefore(<any text>, <any text>)", "$length(<any text>)"),
        *(
            "$substringAfter(<any text>, <any text>)",
            "$replace(<any text>, <any text>, <any text>)",
            "$string([<any text>])",
        ),
        *(
            "$substring(<any text>, <small>)",
            "$substring(<any text>, <small>, <small>)",
            "$pad(<any text>, <small>, <any text>)",
        ),
        *(
            "(<any text> <compare> <any text>)",
            "$sort([<any text>, <any text>, <any text>])",
            "$base64encode(<any text>)",
        ),
        *(
            "$contains(<any text>, <any text>)",
            "$string({<any text>: <any text>, <any text>: 1})",
            "$toMillis(<any text>)",
        ),
    ],
    "times": [
        *(
            "$fromMillis(<moment>, <any picture>)",
            "$fromMillis(<moment>, <any picture>, <zone>)",
            "$fromMillis(<moment>)",
        ),
        *("($p := <any picture>; $toMillis($fromMillis(<moment>, $p), $p))", "$toMillis(<iso>)"),
        *(
            "($p := <whole picture>; $toMillis($fromMillis(<moment>, $p, <zone>), $p))",
            "$toMillis(<iso>, <whole picture>)",
        ),
    ],
    "text": [
        *("(<text> & <text>)", "(<number> & <text>)", "$<text function>(<text>)", "<text>.$<text function>()"),
        *("$substring(<text>, <small>)", "$substring(<text>, <small>, <number>)", "$substringBefore(<text>, <text>)"),
        *(
            "$substringAfter(<text>, <text>)",
            "$replace(<text>, <text>, <text>)",
            "$replace(<text>, 'a', '$0', <small>)",
        ),
        *(
            "$pad(<text>, <small>, <text>)",
            "$join(<list>, <text>)",
            "$split(<text>, <text>)[<small>]",
            "$string(<number>)",
        ),
        *("$string(<list>)", "$string(<object>)", "$string(<bool>)", "$formatNumber(<number>, <number picture>)"),
        *("$formatInteger(<number>, <integer picture>)", "$formatBase(<number>, <radix>)", "$type(<object>)"),
        *("$fromMillis($toMillis(time), <time picture>)", "$fromMillis($toMillis(time), <time picture>, <zone>)"),
        *("$fromMillis(<number>)", "(<text> ~> $<text function>)", "(<bool> ? <text> : <text>)", "(<text> ?: <text>)"),
        *("(<text> ?? <text>)", "$base64encode(<text>)", "$base64decode(<text>)", "<list>[<small>]", "<object>.<name>"),
        *("$decodeUrlComponent($encodeUrlComponent(<text>))", "($t := <text>; $t & $t)", "$string(<object>, true)"),
    ],
    "number": [
        *("(<number> <arithmetic> <number>)", "(-<number>)", "$<number function>(<number>)", "$<aggregate>(<list>)"),
        *("$round(<number>, <small>)", "$length(<text>)", "$number(<text>)", "$number(<bool>)", "$toMillis(<text>)"),
        *(
            "$toMillis($fromMillis(<number>))",
            "$toMillis($fromMillis($toMillis(time), <time picture>), <time picture>)",
        ),
        *(
            "$parseInteger($formatInteger(<number>, <integer picture>), <integer picture>)",
            "$count(<list>)",
            "<list>[<small>]",
        ),
        *("$reduce(<list>, function($a, $b) { $a + $b })", "($n := <number>; $n * $n)", "(<number> ?? <number>)"),
        *(
            "(function($x, $y) { $x - $y })(<number>, <number>)",
            "(<bool> ? <number> : <number>)",
            "$lookup(<object>, 'value')",
        ),
    ],
    "bool": [
        *("(<number> <compare> <number>)", "(<text> <compare> <text>)", "(<list> = <list>)", "(<object> != <object>)"),
        *("(<bool> and <bool>)", "(<bool> or <bool>)", "$not(<bool>)", "$exists(<text>)", "$contains(<text>, <text>)"),
        *(
            "$boolean(<list>)",
            "$boolean(<object>)",
            "(<text> in <list>)",
            "(<number> in <list>)",
            "(<bool> in [true, 1])",
        ),
    ],
    "list": [
        *(
            "[<text>, <number>]",
            "[<list>, <list>]",
            "$split(<text>, <text>)",
            "$split(<text>, <text>, <small>)",
            "$keys(<object>)",
        ),
        *("$append(<list>, <list>)", "$reverse(<list>)", "$sort(<list>)", "$distinct(<list>)", "$zip(<list>, <list>)"),
        *("$map(<list>, <mapper>)", "$filter(<list>, <predicate>)", "<list>[<bool>]", "<list>^(<name>)", "<list>^(>$)"),
        *(
            "$sort(<list>, function($l, $r) { $l <compare> $r })",
            "<list>[name = <text>]",
            "<list>.<name>",
            "<object>.*",
        ),
        *(
            "$each(<object>, function($v, $k) { $k })",
            "$spread(<object>)",
            "<list>.(<text>)",
            "<object>.**",
            "<list>[]",
        ),
        *("$filter(<list>, function($v) { $v <compare> <number> })", "$map(<list>, function($v) { [$v, $v] })"),
        *("$reduce(<list>, $append)", "($l := <list>; $l[<small>])", "(<list> ~> $map(<mapper>))", "<list>.{'x': $}"),
    ],
    "object": [
        *(
            "{'a': <text>, 'b': <number>}",
            "$merge([<object>, <object>])",
            "<list>{$string($): $count($)}",
            "$single(<list>)",
        ),
        *(
            "$sift(<object>, function($v) { $exists($v) })",
            "{<text>: <list>}",
            "<list>{name: value}",
            "<list>[<small>]",
        ),
    ],
    "predicate": ["function($v) { $v <compare> <text> }", "function($v) { $exists($v.<name>) }"],
    "mapper": ["function($v) { $v & <text> }", "function($v, $i) { $i * <number> }", "$substring(?, <small>, 2)"],
}


def cases(seed: int = SEED, generated: int = GENERATED) -> Iterator[Case]:
    """Give every expression with its event: the written ones on two events, then the generated ones."""
    for expression in WRITTEN:
        for event in (0, 1):
            yield Case(expression, event)
    generator = Generator(seed)
    for _ in range(generated):
        kind = generator.pick([*_ANY, *_ANY, "text", "text", "numbers", "texts", "times"])
        depth = generator.pick([1, 1, 2, 2, 3])
        yield Case(generator.expression(kind, depth), generator.pick([0, 0, 0, 1, 1, 2, 3]))
