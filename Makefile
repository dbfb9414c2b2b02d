# Needs make and a Python from 3.11 to 3.13; the first target that needs packages puts them into .venv, by exact version and hash.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
UV := $(shell command -v uv)
RUN := .venv/bin/python -m
COMPILE := UV_CUSTOM_COMPILE_COMMAND='make lock' uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links
DOCS := docs/operating.md
BENCHMARKS := ranking render mail delivery pipeline web

.DEFAULT_GOAL := help
.PHONY: help demo test check faults bench format docs translations lock secrets clean

help: ## say what each target does
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

demo: .venv/ready ## the whole product on this machine, with an inbox to look at; ONCE=1 for one morning without a person
	$(RUN) digest demo $(if $(ONCE),--once) $(if $(OUT),--out $(OUT))

test: .venv/ready ## every test this machine can run; REQUIRE_SERVICES=1 makes a missing service a failure
	$(RUN) pytest -n 2 --dist worksteal $(ARGS)

check: .venv/ready ## lint, format, types, layers, templates, and that the docs are up to date
	$(RUN) ruff check . && $(RUN) ruff format --check .
	$(RUN) mypy && .venv/bin/lint-imports --no-cache --no-logo
	$(RUN) djlint --lint --quiet --allow-empty-input templates && $(RUN) cogapp --check $(DOCS)

faults: .venv/ready ## the fault matrix: servers killed, connections cut, clocks moved (slow)
	$(RUN) pytest -m faults $(ARGS)

bench: .venv/ready ## the figures of the README; NAME=ranking for one of them
	@for name in $(or $(NAME),$(BENCHMARKS)); do $(RUN) digest bench $$name || exit 1; done

format: .venv/ready ## put the code into its usual form
	$(RUN) ruff check --fix-only -q . && $(RUN) ruff format .

docs: .venv/ready ## write the generated parts of docs/ anew
	$(RUN) cogapp -r $(DOCS)

translations: .venv/ready ## bring digest/locale/*/LC_MESSAGES/digest.po up to the sentences of code and templates
	.venv/bin/pybabel -q extract -F pyproject.toml -k count:1,2 -k AddressRefused -k PassportRefused -k Wrong --project digest --no-location --sort-output -o .venv/digest.pot .
	.venv/bin/pybabel -q update -D digest -d digest/locale -i .venv/digest.pot --no-fuzzy-matching --no-wrap --ignore-pot-creation-date

lock: ## choose the exact versions anew, with hashes, in constraints.txt and constraints-dev.txt (needs uv)
	$(COMPILE) $(ARGS) --extra build -o constraints.txt pyproject.toml
	$(COMPILE) $(ARGS) --extra build --extra dev -c constraints.txt -o constraints-dev.txt pyproject.toml

secrets: ## make the secrets that docker-compose.yml reads, where they are missing
	@umask 022; mkdir -p -m 700 secrets; for name in secret_key database_password admin_password webhook_secret; do test -s secrets/$$name || \
	  $(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(48), end="")' > secrets/$$name; done
	@test -s secrets/database_url || printf 'postgresql+psycopg://digest:%s@postgres/digest' "$$(cat secrets/database_password)" > secrets/database_url

clean: ## remove what the other targets made, but no data
	rm -rf .venv dist build htmlcov .coverage .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/ready: constraints-dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Digest needs Python 3.11 to 3.13 and found none. Install one, or name it: make PYTHON=/path/to/python3.12"; exit 1; }
ifdef UV
	uv venv -q --allow-existing --python $(PYTHON) .venv && VIRTUAL_ENV=.venv uv pip sync -q --require-hashes constraints-dev.txt
	VIRTUAL_ENV=.venv uv pip install -q --no-deps --no-build-isolation -e .
else
	$(PYTHON) -m venv .venv && $(RUN) pip install -q --disable-pip-version-check --no-deps --require-hashes -r constraints-dev.txt
	$(RUN) pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
endif
	@touch $@
