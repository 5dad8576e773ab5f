import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import session_auth.models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Challenge",
            fields=[
                (
                    "id",
                    session_auth.models.DigestField(
                        max_length=43, primary_key=True, serialize=False
                    ),
                ),
                ("purpose", models.CharField(max_length=16)),
                ("user_id", models.CharField(blank=True, max_length=255)),
                ("material", models.TextField(blank=True)),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
            options={
                "verbose_name": "challenge",
                "verbose_name_plural": "challenges",
            },
        ),
        migrations.CreateModel(
            name="TakenOver",
            fields=[
                (
                    "id",
                    session_auth.models.DigestField(
                        max_length=43, primary_key=True, serialize=False
                    ),
                ),
            ],
            options={
                "verbose_name": "factor that was taken over",
                "verbose_name_plural": "factors that were taken over",
            },
        ),
        migrations.CreateModel(
            name="UserHandle",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("handle", session_auth.models.DigestField(max_length=43, unique=True)),
            ],
            options={
                "verbose_name": "handle of a user",
                "verbose_name_plural": "handles of users",
            },
        ),
        migrations.CreateModel(
            name="Factor",
            fields=[
                (
                    "id",
                    session_auth.models.DigestField(
                        max_length=43, primary_key=True, serialize=False, verbose_name="id"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("passkey", "passkey"),
                            ("totp", "authenticator app"),
                            ("recovery", "recovery code"),
                        ],
                        max_length=16,
                        verbose_name="kind",
                    ),
                ),
                ("name", models.CharField(blank=True, max_length=100, verbose_name="name")),
                ("material", models.TextField(blank=True)),
                ("counter", models.BigIntegerField(default=0)),
                ("details", models.TextField(default="{}")),
                ("created_at", models.DateTimeField(verbose_name="created at")),
                (
                    "last_used_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="last used at"),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "factor",
                "verbose_name_plural": "factors",
            },
        ),
    ]
