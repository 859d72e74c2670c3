"""JSONata's functions of lists, objects and functions, with the meaning of the reference (jsonata-js)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn

from jsonata.functions import Functions
from jsonata.jexception import JException

from pipeline_triggers.language.jsonata.data import NULL, Failure, is_number, less, list_of, ordered, sequence, symbol
from pipeline_triggers.language.jsonata.natives import Native, Natives, Partial, needed

FUNCTIONS = Natives()


@FUNCTIONS.add("boolean", "<x-:b>")
def boolean(value: Any) -> bool | None:
    """Return what a value counts as; nothing counts as nothing."""
    match value:
        case None:
            return None
        case list():
            return any(map(boolean, value))
        case _:
            return isinstance(value, str | int | float | dict) and bool(value)


@FUNCTIONS.add("not", "<x-:b>")
def _negation(value: Any) -> bool:
    return not boolean(value)


@FUNCTIONS.add("exists", "<x:b>", for_nothing=True)
def _exists(value: Any) -> bool:
    return value is not None


@FUNCTIONS.add("type", "<x:s>")
def _type_name(value: Any) -> str:
    names = {"l": "null", "n": "number", "s": "string", "b": "boolean", "a": "array", "f": "function", "o": "object"}
    return names[symbol(value)]


@FUNCTIONS.add("error", "<s?:x>", for_nothing=True)
def _error(message: str | None) -> NoReturn:
    raise Failure(f"says: {message or '$error() function evaluated'}")


@FUNCTIONS.add("assert", "<bs?:x>", for_nothing=True)
def _assertion(condition: bool | None, message: str | None) -> None:
    if not condition:
        raise Failure(f"says: {message or '$assert() statement failed'}")


@FUNCTIONS.add("append", "<xx:a>", for_nothing=True)
def _append(first: Any, second: Any) -> Any:
    if first is None or second is None:
        return second if first is None else first
    return appended([first, second])


def appended(values: list[Any]) -> Any:
    """Make one list of several values and lists; a single value stays as it is."""
    if len(values) == 1:
        return values[0]
    made = list_of(())
    for value in values:
        made.extend(value) if isinstance(value, list) else made.append(value)
    return made


@FUNCTIONS.add("reverse", "<a:a>")
def _reverse(items: list[Any]) -> Any:
    return items if len(items) < 2 else list_of(reversed(items))


@FUNCTIONS.add("zip", "<a+>", for_nothing=True, arity=0)
def _zipped(*lists: Any) -> Any:
    if any(each is None for each in lists):
        return list_of(())
    return list_of(list_of(items) for items in zip(*lists, strict=False))


@FUNCTIONS.add("distinct", "<x:x>", runs=True)
def _distinct(evaluator: Any, values: Any) -> Any:
    if not isinstance(values, list) or len(values) < 2:
        return values
    evaluator.budget.spend(evaluator.budget.size(values))
    first: dict[Any, Any] = {}
    for value in values:
        first.setdefault(_key(value), value)
    made = first.values()
    return sequence(*made) if getattr(values, "sequence", False) else list_of(made)


def _key(value: Any) -> Any:
    match value:
        case dict():
            return "object", frozenset((name, _key(item)) for name, item in value.items())
        case list():
            return "list", tuple(map(_key, value))
        case bool() | str():
            return type(value), value
        case int() | float():
            return "number", value
        case _:
            return id(value)


@FUNCTIONS.add("keys", "<x-:a<s>>", runs=True)
def _keys(evaluator: Any, value: Any) -> Any:
    evaluator.budget.spend(evaluator.budget.size(value) if isinstance(value, list) else 0)
    return sequence(*ordered(dict.fromkeys(_names(value))))


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _names(item)
    elif isinstance(value, dict):
        yield from value


@FUNCTIONS.add("lookup", "<x-s:x>", runs=True)
def _lookup(evaluator: Any, value: Any, name: str | None) -> Any:
    evaluator.budget.spend(evaluator.budget.size(value) if isinstance(value, list) else 0)
    return Functions.lookup(value, needed("lookup", name))


@FUNCTIONS.add("merge", "<a<o>:o>")
def _merge(objects: list[Mapping[str, Any]]) -> Any:
    return ordered({name: item for each in objects for name, item in each.items()})


@FUNCTIONS.add("spread", "<x-:a<o>>", runs=True)
def _spread(evaluator: Any, value: Any) -> Any:
    evaluator.budget.spend(evaluator.budget.size(value) if isinstance(value, list) else 0)
    return _spread_out(value)


def _spread_out(value: Any) -> Any:
    match value:
        case dict():
            return sequence(*({name: item} for name, item in value.items()))
        case list():
            parts = [each for each in map(_spread_out, value) if each is not None]
            return appended([sequence(), *parts])
        case _:
            return value


@FUNCTIONS.add("map", "<af>", runs=True)
def _mapped(evaluator: Any, items: list[Any], function: Any) -> Any:
    results = (evaluator.call(function, *arguments) for _, arguments in _calls(function, enumerate(items), items))
    return sequence(*(result for result in results if result is not None))


@FUNCTIONS.add("filter", "<af>", runs=True)
def _filtered(evaluator: Any, items: list[Any], function: Any) -> Any:
    calls = _calls(function, enumerate(items), items)
    return sequence(*(item for item, arguments in calls if boolean(evaluator.call(function, *arguments))))


@FUNCTIONS.add("single", "<af?>", runs=True)
def _single(evaluator: Any, items: list[Any], function: Any) -> Any:
    chosen = items if function is None else _filtered(evaluator, items, function)
    if len(chosen) != 1:
        raise JException("D3138" if chosen else "D3139", -1)
    return chosen[0]


@FUNCTIONS.add("each", "<o-f:a>", runs=True)
def _each_field(evaluator: Any, fields: dict[str, Any], function: Any) -> Any:
    results = (evaluator.call(function, *arguments) for _, arguments in _calls(function, fields.items(), fields))
    return sequence(*(result for result in results if result is not None))


@FUNCTIONS.add("sift", "<o-f?:o>", runs=True)
def _sift(evaluator: Any, fields: dict[str, Any], function: Any) -> Any:
    calls = zip(fields, _calls(function, fields.items(), fields), strict=True)
    kept = {
        name: value
        for name, (value, arguments) in calls
        if boolean(evaluator.call(needed("sift", function), *arguments))
    }
    return kept or None


@FUNCTIONS.add("reduce", "<afj?:j>", runs=True)
def _reduced(evaluator: Any, items: list[Any], function: Any, initial: Any) -> Any:
    arity = arity_of(function)
    if arity < 2:
        raise JException("D3050", 1)
    left = enumerate(items)
    result = initial
    if initial is None and items:
        _, result = next(left)
    for position, item in left:
        result = evaluator.call(function, *(result, item, position, items)[:arity])
    return result


@FUNCTIONS.add("sort", "<af?:a>", runs=True)
def _sorted(evaluator: Any, items: list[Any], function: Any) -> Any:
    if function is None and len(items) > 1:
        if not (all(map(is_number, items)) or all(isinstance(item, str) for item in items)):
            raise JException("D3070", 1)
        return merge_sorted(evaluator, items, lambda left, right: less(right, left))
    return merge_sorted(evaluator, items, lambda left, right: _is_truthy(evaluator.call(function, left, right)))


def _is_truthy(value: Any) -> bool:
    # JavaScript's meaning, in which an empty list is true.
    return value is not NULL and (isinstance(value, list | dict) or bool(value))


def merge_sorted(evaluator: Any, items: list[Any], comes_after: Callable[[Any, Any], bool]) -> Any:
    """Sort as the reference does, which matters where a function contradicts itself."""
    if len(items) < 2:
        return items
    evaluator.budget.spend(len(items))
    middle = len(items) // 2
    left = merge_sorted(evaluator, items[:middle], comes_after)
    right = merge_sorted(evaluator, items[middle:], comes_after)
    made, one, other = list_of(()), 0, 0
    while one < len(left) and other < len(right):
        if comes_after(left[one], right[other]):
            made.append(right[other])
            other += 1
        else:
            made.append(left[one])
            one += 1
    made.extend(left[one:] or right[other:])
    return made


def arity_of(function: Any) -> int:
    """Return how many arguments a function takes."""
    return function.arity if isinstance(function, Native | Partial) else len(function.arguments)


def _calls(function: Any, pairs: Iterable[tuple[Any, Any]], whole_: Any) -> Iterator[tuple[Any, list[Any]]]:
    # Of each item: itself, and the arguments that the function gets for it.
    arity = max(1, arity_of(function))
    for position, item in pairs:
        yield item, [item, position, whole_][:arity]
