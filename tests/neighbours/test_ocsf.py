"""Each event is valid by the published schema of OCSF 1.8."""

import functools
import json
from typing import Any

import jsonschema
import pytest
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from session_auth.events import Event
from session_auth.formatters import KINDS, OCSFFormatter
from tests.test_formatters import CALL, record_of

NAMES = {0: "base_event", 3001: "account_change", 3002: "authentication"}


@functools.cache
def schema() -> Any:
    return get_ocsf_schema(version="1.8.0")


@functools.cache
def validator(name: str) -> Any:
    described = OcsfJsonSchemaEmbedded(schema()).get_class_schema(name)
    return jsonschema.validators.validator_for(described)(described)


@pytest.mark.parametrize("fields", [{}, {**CALL, "user_id": 7, "session_id": "s", "code": "x"}])
@pytest.mark.parametrize("event", Event)
def test_it_is_valid(event: Event, fields: dict[str, Any]) -> None:
    line = json.loads(OCSFFormatter().format(record_of(event, **fields)))
    name = NAMES[line["class_uid"]]
    described = schema()["classes"][name]

    validator(name).validate(line)
    assert str(line["activity_id"]) in described["attributes"]["activity_id"]["enum"]
    assert set(line) <= set(described["attributes"])
    assert line["type_uid"] == line["class_uid"] * 100 + line["activity_id"]
    assert KINDS[event].ocsf.category_uid == described["category_uid"]


def test_the_schema_finds_what_is_wrong() -> None:
    line = json.loads(OCSFFormatter().format(record_of(Event.LOGIN)))

    del line["metadata"]
    with pytest.raises(jsonschema.ValidationError):
        validator("authentication").validate(line)
