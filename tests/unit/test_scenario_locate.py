"""The line of each key and list item, against a text whose lines were counted by hand."""

import pytest

from mecsim.config.locate import Lines

TEXT = '''# comment with [brackets] = and "quotes
top = 1
"quoted \\u0041" = 2
'single' = 3
dotted.key . deep = 4

[table] # comment
plain = "a # no comment ] } , = here"
items = [1, 2,
  # comment, with comma ] and bracket
  3, [4,
      5],
]
inline = { a = 1, b = { c = [1,
  2] }, d = "x, y", e = {} }
many = """
text ] = } ,
\\"""
ends with two quotes"""""
raw = \'\'\'
it's ]\'\'\'
after = 1979-05-27T07:32:00

[table.sub]
x = 1.5e-3
pairs = [[0, 1], [2, 3],
         [4, 5]]
cards = ["A", { peak = 1,
  power = 2 }]

[ spaced . "name" ]
y = 1
'''

LINES = {
    ("top",): 2,
    ("quoted A",): 3,
    ("single",): 4,
    ("dotted",): 5,
    ("dotted", "key"): 5,
    ("dotted", "key", "deep"): 5,
    ("table",): 7,
    ("table", "plain"): 8,
    ("table", "items"): 9,
    ("table", "items", 0): 9,
    ("table", "items", 1): 9,
    ("table", "items", 2): 11,
    ("table", "items", 3): 11,
    ("table", "items", 3, 0): 11,
    ("table", "items", 3, 1): 12,
    ("table", "inline"): 14,
    ("table", "inline", "a"): 14,
    ("table", "inline", "b", "c", 0): 14,
    ("table", "inline", "b", "c", 1): 15,
    ("table", "inline", "d"): 15,
    ("table", "inline", "e"): 15,
    ("table", "many"): 16,
    ("table", "raw"): 20,
    ("table", "after"): 22,
    ("table", "sub"): 24,
    ("table", "sub", "x"): 25,
    ("table", "sub", "pairs", 1): 26,
    ("table", "sub", "pairs", 1, 1): 26,
    ("table", "sub", "pairs", 2): 27,
    ("table", "sub", "pairs", 2, 1): 27,
    ("table", "sub", "cards", 0): 28,
    ("table", "sub", "cards", 1): 28,
    ("table", "sub", "cards", 1, "peak"): 28,
    ("table", "sub", "cards", 1, "power"): 29,
    ("spaced",): 31,
    ("spaced", "name"): 31,
    ("spaced", "name", "y"): 32,
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("path", LINES, ids=str)
def test_lines(path, newline):
    assert Lines(TEXT.replace("\n", newline)).of(path) == LINES[path]


def test_what_is_not_there_has_the_line_of_what_is_around_it():
    lines = Lines(TEXT)
    assert lines.of(("table", "missing")) == 7
    assert lines.of(("table", "inline", "b", "missing")) == 14
    assert lines.of(("table", "items", 3, 7)) == 11
    assert lines.of(("missing", "x")) == 1
    assert lines.of(()) == 1
