"""Graphene cannot be installed beside strawberry: they want different versions of graphql-core."""
