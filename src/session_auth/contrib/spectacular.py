"""drf-spectacular: what ``SessionAuthentication`` protects needs the session cookie in the schema.

Where ``drf_spectacular`` is in ``INSTALLED_APPS``, this is imported, which is all that it takes.
"""

from drf_spectacular.authentication import SessionScheme


class SessionAuthenticationScheme(SessionScheme):
    """drf-spectacular's for REST framework's class, for ours and those that a project makes of it.

    A scheme of the project's own for such a class comes first.
    """

    target_class = "session_auth.contrib.rest_framework.SessionAuthentication"
    match_subclasses = True
    priority = SessionScheme.priority - 1
