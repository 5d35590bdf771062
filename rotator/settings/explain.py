"""What pydantic found wrong, in the words of the file's author. Never with a value: pydantic would quote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from rotator.settings.model import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.settings.document import Document, Key

Shape = TypeVar("Shape", bound=BaseModel)

_TYPES = {
    "string_type": "text; put it in quotes",
    "int_type": "a whole number",
    "float_type": "a number; write it without quotes, such as `0.4`",
    "bool_type": "`true` or `false`",
    "list_type": "a list; begin each entry with `-`, or write `[…]`",
    "dict_type": "a mapping; write `key: value` lines under it",
    "model_type": "a mapping; write `key: value` lines under it",
    "model_attributes_type": "a mapping; write `key: value` lines under it",
}


def validated(document: Document, key: Key, shape: type[Shape]) -> Shape | None:
    """Return the section at `key` as a value; None, with every problem reported, if it does not fit."""
    given = document.get(key)
    if given is None:
        document.report(key, "is empty; fill it in or remove it")
        return None
    try:
        return shape.model_validate(given)
    except ValidationError as failure:
        found = failure.errors(include_input=False, include_url=False)
    for each in found:
        place = _place(document, key, each)
        document.report(place, _sentence(each, document.get(place), shape))
    return None


def _place(document: Document, key: Key, error: Mapping[str, Any]) -> Key:
    """Return the key of the file; in pydantic's the tags of the chosen alternatives stand between."""
    loc = error["loc"]
    place = key
    for index, step in enumerate(loc):
        above = document.get(place)
        absent = error["type"] == "missing" and index == len(loc) - 1
        if document.get((*place, step)) is not None or absent or (isinstance(above, dict) and step in above):
            place = (*place, step)
    return place


def _sentence(error: Mapping[str, Any], given: object, shape: type[BaseModel]) -> str:
    kind = error["type"]
    context: Mapping[str, Any] = error.get("ctx", {})
    if kind == "extra_forbidden":
        return f"is no key that belongs here; {nearest(str(error['loc'][-1]), _keys_at(shape, error['loc'][:-1]))}"
    if kind == "missing":
        return "is missing; add it"
    if kind in _TYPES and given is None:
        return f"is empty; it must be {_TYPES[kind]}, or be removed"
    if kind in _TYPES:
        return f"must be {_TYPES[kind]}"
    return _sentence_about_value(kind, context, given)


def _sentence_about_value(kind: str, context: Mapping[str, Any], given: object) -> str:
    match kind:
        case "value_error":
            return str(context["error"])
        case "literal_error":
            return f"must be {_or(context['expected'])}"
        case "union_tag_invalid":
            return f"has an unknown {_tag(context)}; it must be {_or(context['expected_tags'])}"
        case "union_tag_not_found":
            return f"has no {_tag(context)}; add it"
        case "too_short":
            return "is empty; it needs at least one entry"
        case "too_long":
            return f"has too many entries; at most {context['max_length']} make sense"
        case "greater_than_equal":
            return f"is too small; it must be at least {context['ge']}"
        case "greater_than":
            return f"is too small; it must be more than {context['gt']:g}"
        case "less_than_equal":
            return f"is too large; it must be at most {context['le']}"
    return "cannot be used like this; `rotator config schema` describes it" + (
        " (it is empty)" if given is None else ""
    )


def _tag(context: Mapping[str, Any]) -> str:
    return str(context["discriminator"]).replace("'", "`")


def _or(expected: str) -> str:
    return expected.replace("'", "`").replace(" or ", ", ").replace(", ", " or ")


# --- Which keys belong where ------------------------------------------------------------------------------


def _keys_at(shape: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """Return the keys that the section at `loc` may have."""
    section: Any = shape
    for step in loc:
        section = _inside(section, step)
    return [field.alias or name for name, field in section.model_fields.items()]


def _inside(section: Any, step: str | int) -> Any:
    """Return the shape one step further in: a key, an index, or the tag of an alternative."""
    if isinstance(step, int):
        return _models(get_args(section))[0]
    if get_origin(section) is dict:
        return _shape(get_args(section)[1])
    if isinstance(section, tuple):
        return next(model for model in section if step in _tags(model))
    fields = {field.alias or name: field for name, field in section.model_fields.items()}
    annotation = fields[step].annotation
    return annotation if get_origin(annotation) in {list, Literal, dict} else _shape(annotation)


def _shape(annotation: Any) -> Any:
    """Return the shape that an annotation means, or its alternatives."""
    outer = (annotation, *get_args(annotation))
    models = _models((*outer, *(inner for each in outer[1:] for inner in get_args(each))))
    return models[0] if len(models) == 1 else tuple(models)


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    """Return what marks an alternative: its `method`, or its `kind`."""
    field = model.model_fields.get("method") or model.model_fields["kind"]
    return get_args(field.annotation)


def _models(candidates: tuple[Any, ...]) -> list[type[BaseModel]]:
    return [each for each in candidates if isinstance(each, type) and issubclass(each, BaseModel)]
