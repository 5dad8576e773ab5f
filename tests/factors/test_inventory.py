"""What docs/inventory.md says of the tables of the factors is what they are."""

from django.apps import apps

from tests.test_inventory_docs import table


def test_each_column_is_in_the_inventory() -> None:
    """ASVS 14.1.1"""
    told = {(name, column) for name, column, *_ in table("factors \\| column")}

    assert told == {
        (str(model._meta.model_name), field.name)
        for model in apps.get_app_config("session_auth_factors").get_models()
        for field in model._meta.concrete_fields
    }
