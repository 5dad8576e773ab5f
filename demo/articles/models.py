from django.conf import settings
from django.db import models


class Article(models.Model):
    title = models.CharField(max_length=120)
    body = models.TextField(max_length=2_000)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at", "-pk")

    def __str__(self) -> str:
        return self.title

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.pk,
            "title": self.title,
            "body": self.body,
            "author": self.author.get_username(),
            "created_at": self.created_at,
        }
