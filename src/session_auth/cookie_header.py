"""The raw Cookie header: whether there is but one cookie that can be meant."""


def is_ambiguous(header: str, *names: str) -> bool:
    """Say whether one of the cookies ``names`` stands twice in ``header``, or with a near name.

    Of two, Django takes the last, and it strips from names the spaces of all alphabets and control
    characters. So ``"\\u2000__Host-sessionid"``, which a subdomain may plant, would stand for the
    cookie that none can.
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
