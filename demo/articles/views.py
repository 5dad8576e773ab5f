"""The Articles API, and the pages that use it."""

import asyncio
import json
from collections.abc import AsyncIterator

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_safe

from articles.forms import ArticleForm
from articles.models import Article
from session_auth.decorators import login_required
from session_auth.exceptions import InvalidRequest
from session_auth.http import read_json

LATEST = 50


def latest_articles() -> list[dict[str, object]]:
    return [article.as_json() for article in Article.objects.select_related("author")[:LATEST]]


# The API


@require_http_methods(["GET", "POST"])
def articles(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return write_article(request)
    return JsonResponse({"articles": latest_articles()})


@login_required  # 401 in JSON, never a redirect
def write_article(request: HttpRequest) -> JsonResponse:
    form = ArticleForm(read_json(request, {"title": str, "body": str}))
    if not form.is_valid():
        raise InvalidRequest(fields=form.errors)  # which the middleware answers with
    form.instance.author = request.user
    return JsonResponse(form.save().as_json(), status=201)


@login_required
async def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Each article as it is written; its session ends, and so does the stream: see asgi.py."""
    seen = int(request.headers.get("Last-Event-ID", 0)) or await newest()
    response = StreamingHttpResponse(new_articles(seen), content_type="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"  # or nginx keeps events back
    return response


async def newest() -> int:
    last = await Article.objects.order_by("pk").alast()
    return last.pk if last else 0


async def new_articles(seen: int) -> AsyncIterator[str]:
    yield "\n"
    while True:
        async for article in (
            Article.objects.select_related("author").filter(pk__gt=seen).order_by("pk")
        ):
            seen = article.pk
            data = json.dumps(article.as_json(), cls=DjangoJSONEncoder)
            yield f"id: {seen}\nevent: article\ndata: {data}\n\n"
        await asyncio.sleep(1)


# The pages; those that show who is signed in are not kept by any cache, the back button's included


@require_safe
@never_cache
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "articles/home.html")


@require_safe
@never_cache
@ensure_csrf_cookie
def ajax(request: HttpRequest) -> HttpResponse:
    """A page that the server renders, with AJAX calls."""
    return render(request, "articles/ajax.html", {"articles": latest_articles()})


@require_safe
def app(request: HttpRequest) -> HttpResponse:
    """The shell of a single-page app: the same for everybody, and for each of its views."""
    return render(request, "articles/app.html")


@require_safe
@never_cache
def mixed(request: HttpRequest) -> HttpResponse:
    """A page that starts with what the server knows, and goes on with API calls."""
    return render(request, "articles/mixed.html", {"articles": latest_articles()})
