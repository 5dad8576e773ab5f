import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from session_auth.openapi import document


class Command(BaseCommand):
    help = "Print the OpenAPI document of the endpoints, as this project has them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--indent", type=int, default=2, help="spaces for each level; 2")

    def handle(self, *args: Any, **options: Any) -> None:
        text = json.dumps(document(), indent=options["indent"], ensure_ascii=False)
        self.stdout.write(text)
