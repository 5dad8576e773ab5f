"""How mails look: a subject, plain text, and the same text as HTML. See docs/mails.md.

``later`` says when they are sent.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.module_loading import import_string

from session_auth.conf import get_conf

FRAME = "session_auth/email.html"
"""The template of the HTML, for each mail that has none of its own."""

samples: dict[str, Mapping[str, Mapping[str, Any]]] = {}
"""For each kind of mail, what ``manage.py preview_mails`` fills its templates with.

More than one where a mail says different things: each has a name.
"""

SAMPLE = {
    "changed_at": datetime(2027, 1, 31, 18, 5, tzinfo=UTC),
    "ip": "203.0.113.5",
    "browser": "Firefox",
}


def language_of(user: Any) -> str | None:
    """Return the language of ``user``, if the project knows it; else that which is active."""
    path = get_conf().USER_LANGUAGE
    known: str | None = import_string(path)(user) if path else None
    return known or translation.get_language()


def compose(
    kind: str, user: Any, context: Mapping[str, Any], *, to: str, from_email: str | None = None
) -> EmailMultiAlternatives:
    """Return the mail of this kind to ``user``, in their language, from the templates of its name.

    The context has ``user``, beside what ``context`` says.
    """
    return compose_from(
        user,
        context,
        subject=f"session_auth/{kind}_subject.txt",
        text=f"session_auth/{kind}_email.txt",
        html=(f"session_auth/{kind}_email.html", FRAME),
        to=to,
        from_email=from_email,
    )


def compose_from(
    user: Any,
    context: Mapping[str, Any],
    *,
    subject: str,
    text: str,
    html: Sequence[str] = (FRAME,),
    to: str,
    from_email: str | None,
) -> EmailMultiAlternatives:
    """Return a mail made of these templates; of those for HTML, the first that there is."""
    with translation.override(language_of(user)):
        context = {**context, "user": user}
        subject = " ".join(render_to_string(subject, context).split())
        text = render_to_string(text, context).strip()
        # The HTML shows what the text says, so that it is enough to change one template of both.
        shown = {"subject": subject, "paragraphs": re.split(r"\n\s*\n", text)}
        message = EmailMultiAlternatives(subject, f"{text}\n", from_email, [to])
        message.attach_alternative(render_to_string(html, context | shown), "text/html")
    return message


def preview() -> dict[str, EmailMultiAlternatives]:
    """Return each mail that there is, in the language that is active, as it goes to an "alice"."""
    users = get_user_model()
    alice = users(**{users.USERNAME_FIELD: "alice"})
    return {
        kind + (name and f".{name}"): compose(kind, alice, context, to="alice@example.org")
        for kind, contexts in samples.items()
        for name, context in contexts.items()
    }
