"""Start and end of every XML element with its line; a document type, and so any entity, is refused."""

from __future__ import annotations

from collections.abc import Callable
from xml.parsers import expat

from mecsim.config.table_file.problems import Problems
from mecsim.messages import shortened

Attributes = dict[str, str]
# Traces nest four deep; each open element takes memory.
MOST_DEEP = 100
# What the parser reads by itself; about all others it asks Python, and takes those of single bytes.
_OWN_ENCODINGS = ("utf-8", "utf-16", "utf-16le", "utf-16be", "iso-8859-1", "us-ascii")


class XmlEvents:
    """A pass through an XML text.

    Parameters
    ----------
    problems : Problems
        Where to note that it is no XML.
    on_start : callable
        Called with the name of an element, without a prefix, and its attributes.
    on_end : callable, optional
        Called with the name of an element and the text directly in it.
    on_comment : callable, optional
        Called with the text of a comment.
    """

    def __init__(
        self,
        problems: Problems,
        on_start: Callable[[str, Attributes], None],
        on_end: Callable[[str, str], None] | None = None,
        on_comment: Callable[[str], None] | None = None,
    ) -> None:
        self._problems, self._on_start, self._on_end = problems, on_start, on_end
        self._texts: list[list[str]] = []
        self._parser = expat.ParserCreate()
        self._parser.XmlDeclHandler = self._declared
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        if on_comment is not None:
            self._parser.CommentHandler = on_comment
        if on_end is not None:
            self._parser.CharacterDataHandler = self._text

    @property
    def line(self) -> int:
        """Line of the element that starts or ends."""
        return self._parser.CurrentLineNumber

    def run(self, content: bytes) -> None:
        """Go through the text; what is no XML, or has a document type, raises a TraceError."""
        if not content.strip():
            self._problems.add(0, "is empty, must be an XML document")
            self._problems.raise_any()
        try:
            self._parser.Parse(content, True)
        except expat.ExpatError as error:
            self._problems.add(error.lineno, f"not well-formed XML: {expat.ErrorString(error.code)}")
            self._problems.raise_any()

    def _declared(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and not _is_known(encoding):
            what = f"encoding = {shortened(encoding)}: must be utf-8, utf-16 or one of single bytes"
            self._problems.add(self.line, what)
            self._problems.raise_any()

    def _refuse(self, name: str, *_: object) -> None:
        self._problems.add(self.line, "has a document type (DTD), which is refused: it may define entities")
        self._problems.raise_any()

    def _start(self, name: str, attributes: Attributes) -> None:
        self._texts.append([])
        if len(self._texts) > MOST_DEEP:
            self._problems.add(self.line, f"elements are nested more than {MOST_DEEP} deep")
            self._problems.raise_any()
        self._on_start(name.rpartition(":")[2], attributes)

    def _text(self, text: str) -> None:
        self._texts[-1].append(text)

    def _end(self, name: str) -> None:
        text = self._texts.pop()
        if self._on_end is not None:
            self._on_end(name.rpartition(":")[2], "".join(text).strip())


def _is_known(encoding: str) -> bool:
    if encoding.lower() in _OWN_ENCODINGS:
        return True
    try:
        return len(bytes(range(256)).decode(encoding, "replace")) == 256
    except (LookupError, ValueError):
        return False
