from django.urls import include, path

from tests import views

urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("api/note/", views.note),
    path("api/logout-and-fail/", views.logout_and_fail),
    path("api/guess-and-fail/", views.guess_and_fail),
    path("page/untouched/", views.untouched),
]
