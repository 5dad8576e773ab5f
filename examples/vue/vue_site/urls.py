from articles.views import articles
from django.contrib import admin
from django.urls import include, path

from vue_site.views import index

urlpatterns = [
    path("", index),
    path("api/auth/", include("session_auth.urls")),
    path("api/articles/", articles),
    path("admin/", admin.site.urls),
]
