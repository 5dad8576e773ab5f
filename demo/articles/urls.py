from django.urls import path

from articles import views

app_name = "articles"
urlpatterns = [
    path("api/articles/", views.articles, name="api"),
    path("api/articles/stream/", views.stream, name="stream"),
    path("", views.home, name="home"),
    path("articles/", views.ajax, name="ajax"),
    path("app/", views.app, name="app"),
    path("sessions/", views.app, name="sessions"),
    path("methods/", views.app, name="methods"),
    path("password/", views.app, name="password"),
    path("mixed/", views.mixed, name="mixed"),
]
