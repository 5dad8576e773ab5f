"""The example in React with sessions that soon need attention."""

from react_site.settings import *  # noqa: F403  # a variant of the example

from tests.browser.settings_soon_over import *  # noqa: F403  # its times
