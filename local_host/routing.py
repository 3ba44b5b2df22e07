"""Which function answers a request: ASP.NET Core route templates, tried in the order of the functions' names.

A template becomes one regular expression over the decoded path plus the checks of its constraints. As in Azure, the
first function whose template and methods match wins, whatever is more specific; a wrong method is no match.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes

from local_host.constraints import Check, constraint

Target = TypeVar("Target")
RESERVED = ("admin", "runtime")  # the host's own part of the address space
_DOT = re.escape(".")
_PARAMETER_NAME = re.compile(r"[^/{}?*]+")


class RouteError(ValueError):
    """A route template that cannot be served; the message is a sentence without the function's name."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One `{...}` of a template. `default` is None when there is none; catch-alls take slashes too."""

    name: str
    checks: tuple[Check, ...]
    optional: bool
    catch_all: bool
    default: str | None


@dataclass(frozen=True, slots=True)
class Template:
    """A route template ready to match decoded paths without their leading slash."""

    text: str
    pattern: re.Pattern[str]
    parameters: tuple[Parameter, ...]

    def match(self, path: str) -> dict[str, str] | None:
        """Route values by name, or None. An optional parameter that is absent has no entry."""
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        values: dict[str, str] = {}
        for parameter, value in zip(self.parameters, found.groups(), strict=True):
            given = value or parameter.default
            if not given:
                continue
            for check in parameter.checks:
                if not check(given):
                    return None
            values[parameter.name] = given
        return values


def parse_template(text: str) -> Template:
    """Read a route template, relative and without the route prefix. Raises RouteError."""
    parameters: list[Parameter] = []
    pattern = ""
    segments = _split_segments(text.strip("/"))
    for number, segment in enumerate(segments):
        parts = _split_parts(segment)
        found = [part for part in parts if isinstance(part, Parameter)]
        if any(part.catch_all for part in found) and (len(parts) > 1 or number < len(segments) - 1):
            raise RouteError("a catch-all parameter must be the whole last segment")
        if any(part.optional for part in found[:-1]) or (
            found and found[-1].optional and parts[-1] != found[-1]
        ):
            raise RouteError("an optional parameter must be the last part of its segment")
        parameters += found
        slash = "/" if number else ""
        pattern += _segment_pattern(parts, slash)
    names = [parameter.name.lower() for parameter in parameters]
    if len(set(names)) < len(names):
        raise RouteError("a parameter name occurs twice")
    # ASP.NET Core overlooks one slash at the end.
    return Template(text, re.compile(pattern + "/?", re.IGNORECASE | re.DOTALL), tuple(parameters))


def _segment_pattern(parts: Sequence[str | Parameter], slash: str) -> str:
    if len(parts) == 1 and isinstance(parts[0], Parameter):
        only = parts[0]
        if only.catch_all:
            return f"(?:{slash}(.*))?" if slash else "(.*)"
        bare = f"{slash}([^/]+)"
        return f"(?:{bare})?" if only.optional or only.default is not None else bare
    pattern = slash
    for part in parts:
        if isinstance(part, str):
            pattern += re.escape(part)
        elif part.optional:
            # `{name}.{kind?}`: without a kind the dot before it goes too, and the last dot is the one meant.
            bare = pattern.removesuffix(_DOT)
            if bare == pattern:
                raise RouteError("only a dot may stand before an optional parameter in its segment")
            pattern = re.sub(r"\(\[\^/\]\+\)$", "([^/]+?)", bare) + rf"(?:{_DOT}([^/.]+))?"
        else:
            # Greedy: ASP.NET Core looks for the literal after it from the right.
            pattern += "([^/]+)"
    return pattern


def _split_segments(text: str) -> list[str]:
    """Cut at the slashes outside braces: a regex constraint may contain some."""
    segments, depth, current = [], 0, ""
    for letter in text:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "/" and depth == 0:
            segments.append(current)
            current = ""
        else:
            current += letter
    if depth:
        raise RouteError("its braces do not match")
    if text:
        segments.append(current)
    if "" in segments:
        raise RouteError("it has an empty segment")
    return segments


def _split_parts(segment: str) -> list[str | Parameter]:
    parts: list[str | Parameter] = []
    literal, at = "", 0
    while at < len(segment):
        letter = segment[at]
        if segment[at : at + 2] in {"{{", "}}"}:  # an escaped brace stands for itself
            literal += letter
            at += 2
        elif letter == "{":
            end = _closing_brace(segment, at)
            if literal:
                parts.append(literal)
                literal = ""
            elif parts:
                raise RouteError("two parameters need a text between them")
            parts.append(_parse_parameter(segment[at + 1 : end].replace("{{", "{").replace("}}", "}")))
            at = end + 1
        elif letter in "}?*":
            raise RouteError(f"{letter!r} may not stand outside a parameter")
        else:
            literal += letter
            at += 1
    return [*parts, literal] if literal else parts


def _closing_brace(segment: str, start: int) -> int:
    at = start + 1
    while at < len(segment):
        if segment[at : at + 2] in {"{{", "}}"}:
            at += 2
        elif segment[at] == "}":
            return at
        else:
            at += 1
    raise RouteError("its braces do not match")


def _parse_parameter(text: str) -> Parameter:
    bare = text.lstrip("*")
    catch_all = bare != text
    name, *constraints = _split_constraints(bare)
    tail = constraints[-1] if constraints else name
    default: str | None = None
    optional = tail.endswith("?")
    if optional:
        tail = tail[:-1]
    elif "=" in _outside_parentheses(tail):
        cut = _outside_parentheses(tail).index("=")
        tail, default = tail[:cut], tail[cut + 1 :]
    if constraints:
        constraints[-1] = tail
    else:
        name = tail
    if not _PARAMETER_NAME.fullmatch(name) or len(text) - len(bare) > 2:
        raise RouteError(f"{{{text}}} is not a parameter")
    return Parameter(name, tuple(_parse_constraint(one) for one in constraints), optional, catch_all, default)


def _outside_parentheses(text: str) -> str:
    """The text with everything inside parentheses blanked: positions stay the same."""
    depth, kept = 0, ""
    for letter in text:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        kept += letter if depth == 0 else " "
    return kept


def _split_constraints(text: str) -> list[str]:
    # A default value ends the constraints: `{at:datetime=2026-01-01 10:00}` has one.
    visible = _outside_parentheses(text).split("=")[0]
    cuts = [at for at, letter in enumerate(visible) if letter == ":"]
    starts = [0, *(cut + 1 for cut in cuts)]
    return [text[start:end] for start, end in zip(starts, [*cuts, len(text)], strict=True)]


def _parse_constraint(text: str) -> Check:
    name, bracket, rest = text.partition("(")
    if bracket and not rest.endswith(")"):
        raise RouteError(f"the constraint {text!r} lacks its closing parenthesis")
    try:
        return constraint(name, rest[:-1] if bracket else None)
    except ValueError as error:
        raise RouteError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Route(Generic[Target]):
    """One function's place in the table. `methods` is empty when all are allowed."""

    name: str
    template: Template
    methods: frozenset[str]
    target: Target

    def conflicts(self, other: Route[Target]) -> bool:
        """Whether both claim an equal route for a common method."""
        same = self.template.text.strip("/").lower() == other.template.text.strip("/").lower()
        return same and (not self.methods or not other.methods or bool(self.methods & other.methods))


def in_order(routes: Iterable[Route[Target]]) -> tuple[Route[Target], ...]:
    """The routes in the order in which they are tried: by function name, ignoring case."""
    return tuple(sorted(routes, key=lambda route: route.name.lower()))


def find(
    routes: Sequence[Route[Target]], method: str, path: str
) -> tuple[Route[Target], Mapping[str, str]] | None:
    """The first route that matches, with its route values. `path` is decoded and without its leading slash."""
    for route in routes:
        if route.methods and method not in route.methods:
            continue
        values = route.template.match(path)
        if values is not None:
            return route, values
    return None


def decode_path(raw: str) -> str:
    """The path of a request target with its percent-escapes decoded, except those of slashes, as Kestrel does it.

    What is not UTF-8 after decoding stays as it was sent.
    """
    if "%" not in raw:
        return raw
    parts = re.split(r"(%2[fF])", raw)
    return "".join(part if number % 2 else decode_text(part) for number, part in enumerate(parts))


def decode_text(raw: str) -> str:
    """Percent-escapes decoded; the text itself when they make no UTF-8."""
    try:
        return unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        return raw


def lower_names(query: str) -> dict[str, str]:
    """The parameters of a query by lower-case name; the last of several counts, empty ones are absent."""
    return {name.lower(): value for name, value in parse_qsl(query, errors="replace")}
