from django.contrib import admin
from django.urls import include, path

from tests import views

urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("admin/", admin.site.urls),
    path("api/note/", views.note),
    path("api/clear/", views.clear),
    path("api/flush/", views.flush),
    path("api/logout-and-fail/", views.logout_and_fail),
    path("api/ended-meanwhile/", views.ended_meanwhile),
    path("api/rotated-too-late/", views.rotated_too_late),
    path("api/broken/", views.broken),
    path("api/refused/", views.refused),
    path("api/interrupted/", views.interrupted),
    path("api/echo/", views.echo),
    path("api/private/", views.private),
    path("api/private-async/", views.private_async),
    path("api/private-class/", views.Private.as_view()),
    path("api/private-class-async/", views.PrivateAsync.as_view()),
    path("api/private-decorated/", views.PrivateDecorated.as_view()),
    path("api/private-handler/", views.PrivateHandler.as_view()),
    path("api/both-users/", views.both_users),
    path("api/passive/", views.passive_view),
    path("api/passive-async/", views.passive_async_view),
    path("api/recent/", views.recent),
    path("api/recent-async/", views.recent_async),
    path("api/recent-5/", views.recent_5),
    path("page/", views.page),
    path("page/untouched/", views.untouched),
    path("page/note/", views.note),
    path("page/refused/", views.refused),
    path("page/private-api/", views.private),
    path("page/logout-and-fail/", views.logout_and_fail),
    path("page/ended-meanwhile/", views.ended_meanwhile),
    path("page/interrupted/", views.interrupted),
]
