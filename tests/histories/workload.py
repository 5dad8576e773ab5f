"""Clients that log in, save, look, and end sessions, all at once, and write down what they did."""

import asyncio
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connections
from django.test import AsyncClient, Client

from session_auth.exceptions import StoreUnavailable
from session_auth.keys import digest
from session_auth.sessions import end_sessions
from tests.histories.history import History, Kind, Operation, Outcome, now

AUTH = "/api/auth/"
SETTINGS: dict[str, Any] = {
    "ROOT_URLCONF": "tests.histories.urls",
    "SESSION_AUTH_CSRF": "headers",
    "SESSION_AUTH_GUESSES_PER_ACCOUNT": 10**6,
    "SESSION_AUTH_GUESSES_PER_ADDRESS": 10**6,
}
OPENING = {Kind.LOGIN, Kind.PROVE, Kind.CHANGE_PASSWORD}
HEADERS = {"Sec-Fetch-Site": "same-origin"}
USERS = 3
PAUSE_SECONDS = 0.02
"""After a 503, so that a store that is down does not fill the history with them."""

YOUNGEST = 12
"""How many of a user's keys the clients use most of the time: some of them have ended."""


@dataclass(slots=True)
class Account:
    name: str
    user: User
    version: int = 0
    """Of the password: who logs in notes it, so that it is known what a change must end."""

    changing: threading.Lock = field(default_factory=threading.Lock)
    keys: list[str] = field(default_factory=list)

    def password(self, version: int) -> str:
        return f"correct horse {self.name} {version}"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any
    new_key: str

    @property
    def outcome(self) -> Outcome:
        if self.status in {200, 204}:
            return Outcome.DONE
        if self.status == 503:
            return Outcome.UNKNOWN
        return Outcome.REFUSED if self.status in {401, 404} else Outcome.BROKEN


class Site:
    """The site in this process, by both of its doors: WSGI, and ASGI in one event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)

    def call(self, method: str, path: str, key: str, body: object, *, asgi: bool) -> Answer:
        client: Any = (AsyncClient if asgi else Client)(raise_request_exception=False)
        if key:
            client.cookies["sessionid"] = key
        data = b"" if body is None else json.dumps(body).encode()
        extra = {"content_type": "application/json", "headers": HEADERS}

        async def send() -> Any:
            return await client.generic(method, path, data, **extra)

        if asgi:
            response = asyncio.run_coroutine_threadsafe(send(), self.loop).result()
        else:
            response = client.generic(method, path, data, **extra)
        cookie = response.cookies.get("sessionid")
        is_json = response.headers.get("Content-Type", "") == "application/json"
        return Answer(
            status=response.status_code,
            body=response.json() if is_json else None,
            new_key=cookie.value if cookie else "",
        )

    @contextmanager
    def running(self) -> Iterator["Site"]:
        self.thread.start()
        try:
            yield self
        finally:
            # Those of the thread that asks the database for the loop.
            closing = sync_to_async(connections.close_all)()
            asyncio.run_coroutine_threadsafe(closing, self.loop).result()
            ending = self.loop.shutdown_asyncgens()  # as servers do: some wait for that
            asyncio.run_coroutine_threadsafe(ending, self.loop).result()
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join()
            self.loop.close()


class Workload:
    def __init__(self, site: Site, *, seed: int) -> None:
        self.site = site
        self.seed = seed
        self.history = History()
        self.accounts = [_new_account(f"user-{seed}-{number}") for number in range(USERS)]
        self.values = count(1)
        self.steps: dict[Callable[[random.Random, Account], None], int] = {
            self.log_in: 16,
            self.probe: 45,
            self.save: 25,
            self.list: 6,
            self.log_out: 5,
            self.end_one: 6,
            self.end_others: 2,
            self.end_all: 1,
            self.prove: 6,
            self.change_password: 1,
        }

    def run(self, *, operations: int, clients: int, meanwhile: Callable[[], None]) -> None:
        """Let the clients work while ``meanwhile`` runs, and do ``operations`` at least."""
        stop = threading.Event()
        with ThreadPoolExecutor(clients) as threads:
            running = [threads.submit(self._work, number, stop) for number in range(clients)]
            try:
                meanwhile()
                while len(self.history.operations) < operations:
                    time.sleep(0.01)
            finally:
                stop.set()
            for each in running:
                each.result()

    def look_at_all(self, *, asgi: bool = False) -> None:
        """Look at every key that was ever given, while the clients go on or after they have."""
        for account in self.accounts:
            for key in list(account.keys):
                self._look(account, key, asgi=asgi)

    def conclude(self) -> None:
        """Look at all by both doors, and list what there is."""
        self.look_at_all(asgi=False)
        self.look_at_all(asgi=True)
        for account in self.accounts:
            key = self._open(account, "", asgi=False)
            self._list(account, key, asgi=False)

    def is_served(self) -> bool:
        """Say whether a login and a look are answered."""
        account = self.accounts[0]
        key = self._open(account, "", asgi=False)
        return bool(key) and self._look(account, key, asgi=False).outcome is Outcome.DONE

    def _work(self, number: int, stop: threading.Event) -> None:
        chance = random.Random(self.seed * 1000 + number)  # noqa: S311  # to be run again
        steps, weights = list(self.steps), list(self.steps.values())
        try:
            while not stop.is_set():
                [step] = chance.choices(steps, weights)
                before = len(self.history.operations)
                step(chance, chance.choice(self.accounts))
                done = self.history.operations[before:]
                if any(each.outcome is Outcome.UNKNOWN for each in done):
                    stop.wait(PAUSE_SECONDS)
        finally:
            connections.close_all()

    # What clients do, one method each

    def log_in(self, chance: random.Random, account: Account) -> None:
        # Some log in where they are logged in, which ends the session that they have.
        key = _any_key(chance, account) if chance.random() < 0.2 else ""
        self._open(account, key, asgi=chance.random() < 0.3)

    def probe(self, chance: random.Random, account: Account) -> None:
        key, asgi = _any_key(chance, account), chance.random() < 0.5
        if chance.random() < 0.5:
            self._look(account, key, asgi=asgi)
        else:
            self._values(account, key, {}, asgi=asgi)

    def save(self, chance: random.Random, account: Account) -> None:
        name = chance.choice("abc")
        wrote = {name: next(self.values)}
        self._values(account, _any_key(chance, account), wrote, asgi=chance.random() < 0.4)

    def list(self, chance: random.Random, account: Account) -> None:
        self._list(account, _any_key(chance, account), asgi=chance.random() < 0.3)

    def log_out(self, chance: random.Random, account: Account) -> None:
        key = _any_key(chance, account)
        self._call(Kind.LOGOUT, account, "POST", "logout/", key, asgi=chance.random() < 0.3)

    def end_one(self, chance: random.Random, account: Account) -> None:
        key, target = _any_key(chance, account), digest(_any_key(chance, account))
        path = f"sessions/{target}/"
        self._call(
            Kind.END_ONE, account, "DELETE", path, key, asgi=chance.random() < 0.3, target=target
        )

    def end_others(self, chance: random.Random, account: Account) -> None:
        key = _any_key(chance, account)
        self._call(Kind.END_OTHERS, account, "DELETE", "sessions/", key, asgi=chance.random() < 0.3)

    def end_all(self, chance: random.Random, account: Account) -> None:
        start, outcome = now(), Outcome.UNKNOWN
        with suppress(StoreUnavailable):
            end_sessions(account.user)
            outcome = Outcome.DONE
        self._note(
            Operation(kind=Kind.END_ALL, user=account.name, outcome=outcome, start=start, end=now())
        )

    def prove(self, chance: random.Random, account: Account) -> None:
        key, version = _any_key(chance, account), account.version
        body = {"password": account.password(version)}
        self._call(
            Kind.PROVE,
            account,
            "POST",
            "reauthenticate/",
            key,
            body=body,
            version=version,
            asgi=chance.random() < 0.3,
        )

    def change_password(self, chance: random.Random, account: Account) -> None:
        with account.changing:
            old, new = account.version, account.version + 1
            body = {
                "old_password": account.password(old),
                "new_password": account.password(new),
            }
            start = now()
            key, asgi = _any_key(chance, account), chance.random() < 0.3
            answer = self.site.call("POST", f"{AUTH}password/change/", key, body, asgi=asgi)
            end = now()
            account.user.refresh_from_db()
            is_committed = account.user.check_password(account.password(new))
            account.version = new if is_committed else old
        self._note(
            Operation(
                kind=Kind.CHANGE_PASSWORD,
                user=account.name,
                outcome=answer.outcome,
                start=start,
                end=end,
                key=key,
                new_key=answer.new_key,
                is_alive=_says_alive(answer),
                version=new,
                is_committed=is_committed,
                note=str(answer.status),
            )
        )
        if answer.outcome is Outcome.DONE:
            account.keys.append(answer.new_key)

    def _open(self, account: Account, key: str, *, asgi: bool) -> str:
        version = account.version
        body = {"username": account.name, "password": account.password(version)}
        opened = self._call(
            Kind.LOGIN, account, "POST", "login/", key, body=body, version=version, asgi=asgi
        )
        return opened.new_key

    def _look(self, account: Account, key: str, *, asgi: bool) -> Operation:
        return self._call(Kind.PROBE, account, "GET", "user/", key, asgi=asgi)

    def _list(self, account: Account, key: str, *, asgi: bool) -> None:
        self._call(Kind.LIST, account, "GET", "sessions/", key, asgi=asgi)

    def _values(self, account: Account, key: str, wrote: dict[str, int], *, asgi: bool) -> None:
        path = "/api/async-values/" if asgi else "/api/values/"
        query = "&".join(f"{name}={value}" for name, value in wrote.items())
        kind = Kind.SAVE if wrote else Kind.PROBE
        self._call(kind, account, "GET", f"{path}?{query}", key, asgi=asgi, wrote=wrote)

    def _call(
        self,
        kind: Kind,
        account: Account,
        method: str,
        path: str,
        key: str,
        *,
        asgi: bool,
        body: object = None,
        version: int = 0,
        target: str = "",
        wrote: dict[str, int] | None = None,
    ) -> Operation:
        path = path if path[0] == "/" else AUTH + path
        start = now()
        answer = self.site.call(method, path, key, body, asgi=asgi)
        end = now()
        found = answer.body if isinstance(answer.body, dict) else {}
        user = found.get("user")
        is_mixed_up = user is not None and user["username"] != account.name
        outcome = Outcome.BROKEN if is_mixed_up else answer.outcome
        operation = Operation(
            kind=kind,
            user=account.name,
            outcome=outcome,
            start=start,
            end=end,
            key=key,
            new_key=answer.new_key if kind in OPENING else "",
            target=target,
            is_alive=None if kind in {Kind.LOGIN, Kind.LOGOUT} else _says_alive(answer),
            version=version,
            wrote=wrote or {},
            saw=found.get("data") if outcome is Outcome.DONE else None,
            listed=frozenset(each["id"] for each in found.get("sessions", ())),
            note=f"{answer.status} {'ASGI' if asgi else 'WSGI'}",
        )
        self._note(operation)
        if outcome is Outcome.DONE and operation.new_key:
            account.keys.append(operation.new_key)
        return operation

    def _note(self, operation: Operation) -> None:
        self.history.operations.append(operation)


def _new_account(name: str) -> Account:
    account = Account(name=name, user=User(username=name))
    account.user.set_password(account.password(0))
    account.user.save()
    return account


def _any_key(chance: random.Random, account: Account) -> str:
    """Return a key that the user was given, rather a young one; it may have ended."""
    keys = account.keys[-YOUNGEST:] if chance.random() < 0.8 else account.keys
    return chance.choice(keys) if keys else "no-session-yet"


def _says_alive(answer: Answer) -> bool | None:
    """Return what the answer says of the session that the key was sent for."""
    if answer.outcome is Outcome.DONE:
        return answer.body is None or answer.body.get("user", True) is not None
    code = answer.body.get("code") if isinstance(answer.body, dict) else None
    if answer.status == 401 and code != "invalid_credentials":
        return False
    return None
