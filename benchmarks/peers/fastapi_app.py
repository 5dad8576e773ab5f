"""fastapi-users as its documentation sets it up: a cookie, and tokens in the database."""

import os
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin
from fastapi_users.authentication import AuthenticationBackend, CookieTransport
from fastapi_users.authentication.strategy.db import DatabaseStrategy
from fastapi_users_db_sqlalchemy import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from fastapi_users_db_sqlalchemy.access_token import (
    SQLAlchemyAccessTokenDatabase,
    SQLAlchemyBaseAccessTokenTableUUID,
)
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

COOKIE = "fastapiusersauth"
EMAIL = "alice@example.org"
SECONDS = 3600


class Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTableUUID, Base):
    pass


class AccessToken(SQLAlchemyBaseAccessTokenTableUUID, Base):
    pass


class Users(UUIDIDMixin, BaseUserManager[User, UUID]):
    pass


def url() -> Any:
    if os.environ.get("TEST_DATABASE") == "postgresql":
        return (
            f"postgresql+asyncpg://{os.environ['PGUSER']}@/{os.environ['PGDATABASE']}"
            f"?host={os.environ['PGHOST']}"
        )
    return f"sqlite+aiosqlite:///{os.environ['BENCHMARK_SQLITE']}"


async def make_app() -> tuple[FastAPI, str]:
    """Return the application and a cookie that opens it."""
    engine = create_async_engine(url())
    new_session = async_sessionmaker(engine, expire_on_commit=False)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)

    async def get_session() -> AsyncIterator[AsyncSession]:
        async with new_session() as session:
            yield session

    Session = Annotated[AsyncSession, Depends(get_session)]  # noqa: N806 # a type

    async def get_tokens(session: Session) -> Any:
        return SQLAlchemyAccessTokenDatabase(session, AccessToken)

    async def get_users(session: Session) -> Users:
        return Users(SQLAlchemyUserDatabase(session, User))

    def get_strategy(tokens: Annotated[Any, Depends(get_tokens)]) -> Any:
        return DatabaseStrategy(tokens, lifetime_seconds=SECONDS)

    backend = AuthenticationBackend(
        name="cookie",
        transport=CookieTransport(cookie_name=COOKIE, cookie_max_age=SECONDS),
        get_strategy=get_strategy,
    )
    current_user = FastAPIUsers[User, UUID](get_users, [backend]).current_user(active=True)
    app = FastAPI()

    @app.get("/open/")
    async def open_to_all() -> dict[str, str]:
        return {"username": EMAIL}

    @app.get("/private/")
    async def private(user: Annotated[User, Depends(current_user)]) -> dict[str, str]:
        return {"username": user.email}

    async with new_session() as session:
        user = User(id=uuid4(), email=EMAIL, hashed_password="", is_active=True)
        session.add(user)
        await session.flush()
        token = AccessToken(token=uuid4().hex, user_id=user.id)
        session.add(token)
        await session.commit()
        return app, f"{COOKIE}={token.token}"
