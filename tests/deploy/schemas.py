"""Objects against Kubernetes' own OpenAPI model, as its client carries it: unknown fields, wrong types and missing ones are told."""

import datetime as dt
import re

from kubernetes import client
from kubernetes.utils.quantity import parse_quantity

PLAIN = {"str": str, "int": int, "float": (int, float), "bool": bool, "bytes": str}


def problems(value, kind, where="", *, style="json"):
    """What is wrong with `value` as a `kind` (`V1Deployment`, `list[V1Container]`); `style` json has camelCase names, python its own."""
    if value is None:
        return []
    if found := re.fullmatch(r"list\[(.+)\]", kind):
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no list"]
        return [p for i, one in enumerate(value) for p in problems(one, found[1], f"{where}[{i}]", style=style)]
    if found := re.fullmatch(r"dict[\[(]str, ?(.+)[\])]", kind):
        if not isinstance(value, dict):
            return [f"{where}: {value!r} is no mapping"]
        return [p for key, one in value.items() for p in problems(one, found[1], f"{where}.{key}", style=style)] + [
            p for key, one in value.items() for p in _quantity(f"{where}.{key}", one)
        ]
    if kind in PLAIN:
        wrong = not isinstance(value, PLAIN[kind]) or (kind != "bool" and isinstance(value, bool))
        return [f"{where}: {value!r} is no {kind}"] if wrong else []
    if kind in ("object", "datetime"):
        fitting = kind == "object" or isinstance(value, (str, dt.datetime))
        return [] if fitting else [f"{where}: {value!r} is no {kind}"]
    return _object(value, getattr(client, kind), where, style)


def _object(value, model, where, style):
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no {model.__name__}"]
    names = {spelled if style == "json" else own: own for own, spelled in model.attribute_map.items()}
    unknown = [f"{where}.{key}: {model.__name__} has no such field" for key in value if key not in names]
    known = {names[key]: one for key, one in value.items() if key in names}
    inner = [
        p for own, one in known.items() for p in problems(one, model.openapi_types[own], f"{where}.{own}", style=style)
    ]
    return unknown + inner + _missing(known, model, where)


def _missing(known, model, where):
    """The client's models refuse None for what must be there."""
    unchecked = client.Configuration()
    unchecked.client_side_validation = True
    try:
        model(**known, local_vars_configuration=unchecked)
    except ValueError as error:
        return [f"{where}: {error}"]
    return []


def _quantity(where, value):
    if not re.search(r"\.(requests|limits)\.", where):
        return []
    try:
        parse_quantity(value)
    except ValueError as error:
        return [f"{where}: {error}"]
    return []
