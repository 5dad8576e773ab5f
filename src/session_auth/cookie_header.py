"""The raw Cookie header: does it have one of our cookies twice?"""


def is_ambiguous(header: str, *names: str) -> bool:
    """Say whether ``header`` has one of the cookies ``names`` twice, as Django reads names.

    Django strips spaces of all alphabets and control characters from a name, and of two cookies
    with the same name it takes the last. So a subdomain, which cannot plant ``__Host-sessionid``,
    could plant ``"\\u2000__Host-sessionid"``, and Django would take that.
    """
    seen = set()
    for cookie in header.split(";"):
        name = cookie.partition("=")[0].removeprefix(" ")
        if name in seen:
            return True
        if name in names:
            seen.add(name)
        elif _is_stripped(name) and any(ours in name for ours in names):
            return True
    return False


def _is_stripped(name: str) -> bool:
    return not (name.isascii() and name.isprintable()) or " " in name
