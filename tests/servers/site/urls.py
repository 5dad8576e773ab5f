from django.urls import include, path

from tests import views
from tests.servers.site.streams import stream

urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("api/note/", views.note),
    path("api/logout-and-fail/", views.logout_and_fail),
    path("api/guess-and-fail/", views.guess_and_fail),
    path("api/stream/", stream),
    path("page/untouched/", views.untouched),
]
