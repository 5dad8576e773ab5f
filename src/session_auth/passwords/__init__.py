"""Change and reset passwords: what a project uses of this wing."""

from session_auth.passwords.flows import (
    change_password,
    reset_password,
    send_links,
    send_notice,
    user_of_link,
)
from session_auth.passwords.forms import PasswordChangeForm, PasswordResetForm

__all__ = [
    "PasswordChangeForm",
    "PasswordResetForm",
    "change_password",
    "reset_password",
    "send_links",
    "send_notice",
    "user_of_link",
]
