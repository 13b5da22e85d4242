"""Tables that scripts make and write into a page, between two marks."""


def written_into(page: str, made: str, begin: str, end: str) -> str:
    """Return the page with another text between the marks."""
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}{made}{end}{after}"
