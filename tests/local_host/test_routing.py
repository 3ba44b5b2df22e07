"""Route templates and their order (ASP.NET Core routing as the Functions host uses it)."""

from __future__ import annotations

import pytest

from local_host.routing import Route, RouteError, decode_path, find, in_order, lower_names, parse_template

GUID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
# template, path, values (None: no match)
MATCHES: list[tuple[str, str, dict[str, str] | None]] = [
    ("", "", {}),
    ("", "x", None),
    ("a/b", "a/b", {}),
    ("a/b", "A/B", {}),
    ("a/b", "a/b/", {}),
    ("a/b", "a//b", None),
    ("a/b", "a/b//", None),
    ("a/b", "a", None),
    ("a/{x}", "a/1", {"x": "1"}),
    ("a/{x}", "a/", None),
    ("a/{x}", "a/1/2", None),
    ("a/{x?}", "a", {}),
    ("a/{x?}", "a/1", {"x": "1"}),
    ("a/{x=seven}", "a", {"x": "seven"}),
    ("a/{x=seven}", "a/8", {"x": "8"}),
    ("a/{x:int=7}", "a", {"x": "7"}),
    ("a/{x:int=oops}", "a", None),
    ("a/{x:datetime=2026-01-01 10:00}", "a", {"x": "2026-01-01 10:00"}),
    ("{a?}/{b?}", "", {}),
    ("{a?}/{b?}", "1", {"a": "1"}),
    ("{a?}/{b?}", "1/2", {"a": "1", "b": "2"}),
    ("a/{*rest}", "a", {}),
    ("a/{*rest}", "a/", {}),
    ("a/{*rest}", "a/b/c", {"rest": "b/c"}),
    ("a/{**rest}", "a/b/c", {"rest": "b/c"}),
    ("{*rest}", "", {}),
    ("{*rest}", "a/b", {"rest": "a/b"}),
    ("{*rest:alpha}", "ab", {"rest": "ab"}),
    ("{*rest:alpha}", "a1", None),
    ("{*rest=all}", "", {"rest": "all"}),
    ("file-{name}.{kind}", "file-a.txt", {"name": "a", "kind": "txt"}),
    ("{name}.{kind}", "a.tar.gz", {"name": "a.tar", "kind": "gz"}),
    ("{name}.{kind?}", "a", {"name": "a"}),
    ("{name}.{kind?}", "a.txt", {"name": "a", "kind": "txt"}),
    ("{{a}}-{x}", "{a}-1", {"x": "1"}),
    ("{name}.{kind?}", "a.tar.gz", {"name": "a.tar", "kind": "gz"}),
    ("{name}.{kind?}", "a.", {"name": "a."}),
    ("a+b.c", "a+b.c", {}),
    ("a+b.c", "aab1c", None),
    ("{x:int}", "5", {"x": "5"}),
    ("{x:int}", "-5", {"x": "-5"}),
    ("{x:int}", " 5 ", {"x": " 5 "}),
    ("{x:int}", "2147483647", {"x": "2147483647"}),
    ("{x:int}", "2147483648", None),
    ("{x:int}", "5.0", None),
    ("{x:int}", "٥", None),
    ("{x:int}", "9" * 5000, None),
    ("{x:long}", "-9223372036854775808", {"x": "-9223372036854775808"}),
    ("{x:long}", "9223372036854775808", None),
    ("{x:bool}", "TRUE", {"x": "TRUE"}),
    ("{x:bool}", "1", None),
    ("{x:datetime}", "2026-01-01", {"x": "2026-01-01"}),
    ("{x:datetime}", "2026-01-01T10:00:00Z", {"x": "2026-01-01T10:00:00Z"}),
    ("{x:datetime}", "12-31-2026 7:32 pm", {"x": "12-31-2026 7:32 pm"}),
    ("{x:datetime}", "31 December 2026", {"x": "31 December 2026"}),
    ("{x:datetime}", "2026-02-30", None),
    ("{x:datetime}", "tomorrow", None),
    ("{x:decimal}", "1,000.5", {"x": "1,000.5"}),
    ("{x:decimal}", "5-", {"x": "5-"}),
    ("{x:decimal}", "1e3", None),
    ("{x:decimal}", "79228162514264337593543950336", None),
    ("{x:double}", "1e3", {"x": "1e3"}),
    ("{x:float}", "-.5", {"x": "-.5"}),
    ("{x:float}", "NaN", {"x": "NaN"}),
    ("{x:float}", "x", None),
    ("{x:guid}", GUID, {"x": GUID}),
    ("{x:guid}", GUID.replace("-", ""), {"x": GUID.replace("-", "")}),
    ("{x:guid}", "{" + GUID + "}", {"x": "{" + GUID + "}"}),
    ("{x:guid}", GUID[:-1], None),
    ("{x:alpha}", "abC", {"x": "abC"}),
    ("{x:alpha}", "é", None),
    ("{x:regex(^a+b$)}", "AAB", {"x": "AAB"}),
    ("{x:regex(^a+b$)}", "aabb", None),
    (r"{x:regex(^\d{{2}}$)}", "12", {"x": "12"}),
    (r"{x:regex(^\d{{2}}$)}", "123", None),
    ("{x:regex(b)}", "abc", {"x": "abc"}),
    ("{x:regex(^(a|b):c$)}", "a:c", {"x": "a:c"}),
    ("{x:min(5)}", "5", {"x": "5"}),
    ("{x:min(5)}", "4", None),
    ("{x:max(5)}", "6", None),
    ("{x:range(3,5)}", "5", {"x": "5"}),
    ("{x:range(3,5)}", "6", None),
    ("{x:range(3, 5)}", "4", {"x": "4"}),
    ("{x:length(3)}", "abc", {"x": "abc"}),
    ("{x:length(3)}", "ab", None),
    ("{x:length(2,3)}", "abcd", None),
    ("{x:minlength(3)}", "ab", None),
    ("{x:maxlength(3)}", "abcd", None),
    ("{x:required}", "a", {"x": "a"}),
    ("{x:int:min(2):max(4)}", "3", {"x": "3"}),
    ("{x:int:min(2):max(4)}", "5", None),
    ("{x:int?}", "", {}),
    ("{x:int?}", "five", None),
    ("{x:INT}", "5", {"x": "5"}),
]


@pytest.mark.parametrize(
    ("template", "path", "values"), MATCHES, ids=[f"{t} ~ {p[:20]}" for t, p, _ in MATCHES]
)
def test_a_template_gives_the_values_of_a_path(
    template: str, path: str, values: dict[str, str] | None
) -> None:
    """Literals ignore case, parameters take one segment, constraints decide, absent optional ones are missing."""
    assert parse_template(template).match(path) == values


REFUSED: list[tuple[str, str]] = [
    ("{x", "braces"),
    ("x}", "braces"),
    ("x?", "outside"),
    ("{}", "not a parameter"),
    ("{x}{y}", "text between"),
    ("{x}/{X}", "twice"),
    ("{*rest}/a", "catch-all"),
    ("a-{*rest}", "catch-all"),
    ("{x?}-a", "optional"),
    ("a-{x?}", "dot"),
    ("a//b", "empty segment"),
    ("{x:no}", "'no'"),
    ("{x:int(3)}", "'int'"),
    ("{x:min}", "'min'"),
    ("{x:min(a)}", "whole numbers"),
    ("{x:range(5,3)}", "in order"),
    ("{x:regex(()}", "regular expression"),
    ("{x:min(3}", "parenthesis"),
    ("{***x}", "not a parameter"),
]


@pytest.mark.parametrize(("template", "word"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_template_that_cannot_be_is_refused(template: str, word: str) -> None:
    """A broken template is a RouteError whose text says what is wrong."""
    with pytest.raises(RouteError, match=word):
        parse_template(template)


def route(name: str, template: str, *methods: str) -> Route[str]:
    return Route(name, parse_template(template), frozenset(methods), name)


def test_functions_are_tried_by_name_not_by_how_specific_they_are() -> None:
    """The first name (ignoring case) whose route matches wins."""
    routes = in_order([route("c", "a/special"), route("B", "a/{any}"), route("d", "a/special")])
    found = find(routes, "GET", "a/special")
    assert found is not None
    assert found[0].name == "B"


def test_methods_are_part_of_the_match() -> None:
    """A route with another method is passed over; without methods every verb matches."""
    routes = in_order([route("a", "x", "POST"), route("b", "x", "GET", "PUT"), route("c", "y")])
    names = {
        (method, path): found[0].name if (found := find(routes, method, path)) else None
        for method in ("GET", "POST", "DELETE")
        for path in ("x", "y")
    }
    assert names == {
        ("GET", "x"): "b",
        ("POST", "x"): "a",
        ("DELETE", "x"): None,
        ("GET", "y"): "c",
        ("POST", "y"): "c",
        ("DELETE", "y"): "c",
    }


CONFLICTS = [
    (("x/{a}", ()), ("X/{a}", ()), True),
    (("x/{a}", ()), ("x/{b}", ()), False),
    (("x", ("GET",)), ("x", ("POST",)), False),
    (("x", ("GET", "PUT")), ("x", ("PUT",)), True),
    (("x", ("GET",)), ("x", ()), True),
    (("x", ()), ("y", ()), False),
]


@pytest.mark.parametrize(("one", "two", "conflict"), CONFLICTS)
def test_equal_routes_conflict_when_a_method_is_common(
    one: tuple[str, tuple[str, ...]], two: tuple[str, tuple[str, ...]], conflict: bool
) -> None:
    """Equal text, ignoring case, and a common method; no methods means all."""
    assert route("a", one[0], *one[1]).conflicts(route("b", two[0], *two[1])) is conflict


DECODED = [
    ("a%20b", "a b"),
    ("%C3%A9", "é"),
    ("a%2Fb", "a%2Fb"),
    ("a%2fb%20c", "a%2fb c"),
    ("%ff", "%ff"),
    ("%zz", "%zz"),
    ("100%", "100%"),
    ("a+b", "a+b"),
    ("%25", "%"),
]


@pytest.mark.parametrize(("raw", "decoded"), DECODED)
def test_a_path_is_decoded_once_and_slashes_stay_escaped(raw: str, decoded: str) -> None:
    """Percent-escapes are decoded except slashes; what makes no UTF-8 stays as sent."""
    assert decode_path(raw) == decoded


def test_query_names_ignore_case() -> None:
    """The last of several counts; empty values are absent."""
    assert lower_names("A=1&a=2&b=&C%20d=%zz+x") == {"a": "2", "c d": "%zz x"}
