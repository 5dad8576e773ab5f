from django.http import HttpRequest, HttpResponse

from session_auth import middleware


class SessionMiddleware(middleware.SessionMiddleware):
    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response.headers["Server-Timing"] = "session"
        return super().process_response(request, response)


class CsrfViewMiddleware(middleware.CsrfViewMiddleware):
    pass


class AuthenticationMiddleware(middleware.AuthenticationMiddleware):
    pass
