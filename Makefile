# `make run` labels the sample shard, `make test` runs the tests; both install what they need into .venv first.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV   ?= .venv
OUT    ?= out
BIN    := $(VENV)/bin
# Byte-compiling TensorFlow at install time takes longer than compiling what is imported.
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile -c constraints.txt

# With it set, every start would compile TensorFlow and Beam anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test lanes lanes-installed test-kill test-gcs test-bigquery test-faults test-fuzz test-dataflow test-airflow test-portable test-report screenshot lint format types docs bench corpus train evaluation-set promote model figures warehouse clean

# What is missing is said before anything is installed.
ASKED = $(filter train evaluation-set model figures,$(MAKECMDGOALS))
ifneq ($(ASKED),)
ifeq ($(MANIFEST),)
$(error MANIFEST is missing; give the CSV of a labelled corpus, as in: make $(firstword $(ASKED)) MANIFEST=FILE (docs/operations.md#training-data tells how to get one))
else ifeq ($(wildcard $(MANIFEST)),)
$(error MANIFEST=$(MANIFEST) is not there; give the CSV of a labelled corpus (docs/operations.md#training-data tells how to get one))
endif
endif

run: $(VENV)/.run
	$(BIN)/python -m pipelines.categorize_tracks --catalog sample/catalog.jsonl --config configs/sample.yaml --policy spotify --policy deezer --output $(OUT)

test: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 --dist loadfile

# The real job under kill -9, a reader polling meanwhile, and with every bundle run twice: about two minutes.
test-kill: $(VENV)/.test
	$(BIN)/python -m pytest tests/kill

# The main job with catalog, audio, model and output on an emulated Cloud Storage on loopback: about a minute.
test-gcs: $(VENV)/.test-gcs
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/gcs

# Tests of `make test` that are skipped there where Google's libraries are not installed.
NEED_GOOGLE := tests/transforms/test_bigquery_errors_bad_input.py tests/transforms/test_catalog_checks_bad_input.py

# publish_tables and all SQL against an emulated BigQuery on loopback: about two minutes.
test-bigquery: $(VENV)/.test-gcs $(VENV)-bigquery/.emulator
	EARMARK_BQEMULATOR_VENV=$(VENV)-bigquery $(BIN)/python -m pytest -n 2 --dist loadfile tests/bigquery $(NEED_GOOGLE)

# Real runs disturbed: processes killed, disks full, inputs changed, clocks jumped, a store that fails: about three minutes.
test-faults: $(VENV)/.test-gcs
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/faults

# Mutated audio files and catalog rows through the main job: about two minutes. FUZZ_FILES, FUZZ_ROWS: how many;
# FUZZ_SEED: which; a failing case is kept in out/fuzz.
test-fuzz: $(VENV)/.test
	$(BIN)/python -m pytest tests/fuzz

# Jobs for Dataflow, written and submitted on loopback, and the package, images and template for it: under two minutes.
test-dataflow: $(VENV)/.test-gcs
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/dataflow

# The example DAG under a real Airflow, which has an environment of its own: its libraries are others than ours.
test-airflow: $(VENV)/.test $(VENV)/airflow/.installed
	EARMARK_PYTHON=$(abspath $(BIN)/python) $(VENV)/airflow/bin/python -m pytest tests/airflow

# The main job on Beam's Prism, its workers in processes of their own, which are killed at work: about two minutes.
test-portable: $(VENV)/.test-portable
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/portable

# A run's page in headless Chromium (apt-get install chromium chromium-driver): under a minute.
test-report: $(VENV)/.test
	$(BIN)/python -m pytest tests/report_page

# docs/images/report.png anew, from the page of `make run`.
screenshot: $(VENV)/.test run
	$(BIN)/python -m tests.report_page.screenshot --page "$$(ls -t $(OUT)/runs/*/report.html | head -n 1)" --output docs/images/report.png

# All of these, as CI runs them: make lanes-installed, then make -j2 --output-sync=target lanes. None goes by the clock or
# needs another, so they run beside each other, and each is printed when it is done. The longest come first.
lanes: test-faults test-portable test-bigquery test-dataflow test-kill test-fuzz test-gcs test-airflow test-report types lint

# Apart from them, since none may install into an environment that another runs in.
lanes-installed: $(VENV)/.test-gcs $(VENV)-bigquery/.emulator $(VENV)/airflow/.installed $(VENV)/.test-portable

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.run
	$(BIN)/python -m transforms.table_docs > docs/tables.md
	$(BIN)/python -m pipelines.flex_template_metadata > docker/flex_template.json

# What a run costs, quiet machine wanted: about 20 minutes on two cores, with 9 GB of generated audio in OUT/benchmarks.
# TEACHER: a folder with a teacher network; INA: inaSpeechSegmenter's wheel, unpacked. Both may be left out.
bench: $(VENV)/.test
	$(BIN)/python benchmarks/main_job.py --output $(OUT)/benchmarks
	$(BIN)/python benchmarks/serving_speed.py --output $(OUT)/benchmarks
	$(BIN)/python benchmarks/end_to_end.py --output $(OUT)/benchmarks $(if $(TEACHER),--teacher $(TEACHER)) $(if $(INA),--ina $(INA))
	$(BIN)/python benchmarks/scaling.py --output $(OUT)/benchmarks
	$(BIN)/python benchmarks/incremental.py --output $(OUT)/benchmarks --rows 100000 1000000

# What `make train` needs. Debian 12 only; 8.5 GB of downloads, with SMALL=1 less than half of that.
corpus: $(VENV)/.test
	$(BIN)/python -m pipelines.build_corpus --output $(OUT)/corpus $(if $(SMALL),--small)

# MANIFEST: the CSV of a labelled corpus; TEACHER: a folder with a teacher network (may be left out).
train: $(VENV)/.test
	$(BIN)/python -m pipelines.train_classifier --manifest $(MANIFEST) --output $(OUT)/model $(if $(TEACHER),--teacher $(TEACHER))

# MODEL: a model folder; EVALUATION: its evaluation.json, or several; AGAINST: the reference (may be left out).
promote: $(VENV)/.run
	$(BIN)/python -m pipelines.promote_model --model $(MODEL) $(EVALUATION:%=--evaluation %) $(if $(AGAINST),--against $(AGAINST))

# MANIFEST: the CSV of a labelled corpus. Harder audio out of its dev split, for pipelines.evaluate_classifier.
evaluation-set: $(OUT)/evaluation-set/manifest.csv

# From MANIFEST (and TEACHER) to the promoted folder OUT/model with its card. It is compared with the model that ships;
# with AGAINST=none it only has to meet the floors. What is there is not made again; a training goes on where it was.
# MODEL is for another model than the trained one, BASELINE for one to compare with, TRAINING for settings.
MODEL    ?= $(OUT)/model
BASELINE ?= $(if $(TEACHER),$(OUT)/baseline)
TRAINING ?= configs/training.yaml
MEASURED  = $(OUT)/dev/evaluation.json $(OUT)/hard/evaluation.json
AGAINST_MEASURED = $(if $(AGAINST),,$(OUT)/shipped-dev/evaluation.json $(OUT)/shipped-hard/evaluation.json)
EVALUATE  = $(BIN)/python -m pipelines.evaluate_classifier --output $(@D)
CARD      = $(BIN)/python -m pipelines.write_model_card --model $(MODEL) $(MEASURED:%=--evaluation %)

model: $(MODEL)/model_card.md

# MANIFEST, MODEL, and BASELINE where there is one: every figure of the model's card anew, and the card from them.
figures: $(MEASURED) $(OUT)/coverage/coverage.json $(OUT)/benchmarks/serving_speed.json
	$(CARD) --coverage $(OUT)/coverage/coverage.json --speed $(OUT)/benchmarks/serving_speed.json --output $(OUT)/model_card.md

$(OUT)/model/training_report.json: | $(VENV)/.test
	$(BIN)/python -m pipelines.train_classifier --manifest $(MANIFEST) --output $(@D) --config $(TRAINING) $(if $(TEACHER),--teacher $(TEACHER) --baseline $(BASELINE))

# A set that was cut off while it was built has no manifest yet.
$(OUT)/evaluation-set/manifest.csv: $(MANIFEST) | $(VENV)/.test
	rm -rf $(@D)
	$(BIN)/python -m pipelines.build_evaluation_set --manifest $(MANIFEST) --split dev --output $(@D)

$(OUT)/dev/evaluation.json: $(MANIFEST) $(MODEL)/training_report.json | $(VENV)/.test
	$(EVALUATE) --manifest $(MANIFEST) --split dev --model $(MODEL) $(if $(BASELINE),--baseline $(BASELINE))

$(OUT)/hard/evaluation.json: $(OUT)/evaluation-set/manifest.csv $(MODEL)/training_report.json
	$(EVALUATE) --manifest $< --model $(MODEL) $(if $(BASELINE),--baseline $(BASELINE))

$(OUT)/shipped-dev/evaluation.json: $(MANIFEST) | $(VENV)/.test
	$(EVALUATE) --manifest $(MANIFEST) --split dev

$(OUT)/shipped-hard/evaluation.json: $(OUT)/evaluation-set/manifest.csv
	$(EVALUATE) --manifest $<

$(MODEL)/promotion.json: $(MEASURED) $(AGAINST_MEASURED)
	$(BIN)/python -m pipelines.promote_model --model $(MODEL) $(MEASURED:%=--evaluation %) $(patsubst %,--against %,$(or $(AGAINST),$(AGAINST_MEASURED)))

$(MODEL)/model_card.md: $(MODEL)/promotion.json
	$(CARD)

$(OUT)/coverage/coverage.json: $(MANIFEST) $(MODEL)/training_report.json | $(VENV)/.test
	$(BIN)/python benchmarks/coverage.py --manifest $(MANIFEST) --split dev --model $(MODEL) --output $(@D)

$(OUT)/benchmarks/serving_speed.json: $(MODEL)/training_report.json | $(VENV)/.test
	$(BIN)/python benchmarks/serving_speed.py --model $(MODEL) --output $(@D)

# TABLES: the output folder of runs, by default that of `make run`; STREAMS: a glob of Parquet files (may be left out).
warehouse: $(VENV)/.run
	$(BIN)/python -m pipelines.build_warehouse --tables $(or $(TABLES),$(OUT)) --database $(OUT)/earmark.duckdb $(if $(STREAMS),--streams '$(STREAMS)')

clean:
	rm -rf $(OUT) .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 12) else f"Earmark needs Python 3.11 or 3.12, {sys.executable} is {sys.version.split()[0]}; run: make PYTHON=python3.11 ...")'
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.venv setup.py constraints.txt
	@echo 'Installing Apache Beam, TensorFlow and the audio libraries into $(VENV) (a few minutes the first time) ...'
	@$(PIP) -e .
	@touch $@

$(VENV)/.test: $(VENV)/.run
	@echo 'Installing the test tools ...'
	@$(PIP) -e '.[train,corpus,search,dev]'
	@touch $@

$(VENV)/airflow/.installed: $(VENV)/.venv tests/airflow/constraints.txt
	@echo 'Installing Airflow into $(VENV)/airflow ...'
	@$(BIN)/python -m venv $(VENV)/airflow
	@$(VENV)/airflow/bin/python -m pip --disable-pip-version-check install --quiet --no-compile -c tests/airflow/constraints.txt apache-airflow apache-airflow-providers-standard pytest
	@touch $@

$(VENV)/.test-gcs: $(VENV)/.test
	@echo 'Installing the Google Cloud libraries and the emulator of Cloud Storage ...'
	@$(PIP) -e '.[gcp,emulator]'
	@touch $@

# In a virtual environment of its own: it wants other versions of some packages than Earmark.
$(VENV)-bigquery/.emulator: $(VENV)/.venv tests/bigquery/emulator_requirements.txt
	@echo 'Installing the emulator of BigQuery into $(VENV)-bigquery ...'
	@$(PYTHON) -m venv $(VENV)-bigquery
	@$(VENV)-bigquery/bin/python -m pip --disable-pip-version-check install --quiet --no-compile -r tests/bigquery/emulator_requirements.txt
	@touch $@

# Prism is built from the Go module of the Beam that is installed.
BEAM_VERSION = $(shell sed -n 's/^apache-beam==//p' constraints.txt)
$(VENV)/.test-portable: $(VENV)/.test
	@command -v go >/dev/null || { echo 'make test-portable builds the Prism of Apache Beam with Go, and there is no go on the PATH; install Go 1.26 or newer.' >&2; exit 1; }
	@echo 'Building Prism $(BEAM_VERSION) with Go (some minutes the first time) ...'
	@GOBIN=$(abspath $(BIN)) go install github.com/apache/beam/sdks/v2/go/cmd/prism@v$(BEAM_VERSION)
