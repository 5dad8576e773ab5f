"""The example in Vue with sessions that soon need attention."""

from vue_site.settings import *  # noqa: F403  # a variant of the example

from tests.browser.settings_soon_over import *  # noqa: F403  # its times
