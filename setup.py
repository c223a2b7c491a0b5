"""Packaging: the three packages with the shipped model inside, the policies beside them, one console script per job."""

from setuptools import find_packages, setup

setup(
    name="earmark",
    version="0.1.0",
    description="Labels audio catalogs as music, functional content or speech with Apache Beam and TensorFlow",
    long_description="See README.md.",
    license="Apache-2.0",
    python_requires=">=3.11,<3.13",
    packages=[
        *find_packages(include=["models", "models.*", "transforms", "transforms.*", "pipelines", "pipelines.*"]),
        # No code: the views of a warehouse and the policies that ship, found beside models/ wherever that is installed.
        "sql",
        "configs.policies",
    ],
    package_data={
        "models": ["weights/**/*", "py.typed"],
        "transforms": ["templates/*", "py.typed"],
        "pipelines": ["py.typed"],
        "sql": ["*.sql", "examples/*.sql", "bigquery/*.sql"],
        "configs.policies": ["*.yaml"],
    },
    install_requires=[
        "apache-beam>=2.77,<2.80",
        "tensorflow>=2.20,<2.22",
        # The LiteRT form of a model, which CPU workers run without TensorFlow.
        "ai-edge-litert>=2.1,<3",
        "av>=16,<19",
        "soundfile>=0.13,<0.15",
        "numpy>=2.0,<3",
        "pyarrow>=20",
        "pydantic>=2.10,<3",
        "PyYAML>=6.0",
        "rich>=13",
        "duckdb>=1.2",
        # The pages: of a run and of an evaluation.
        "Jinja2>=3.1,<4",
        "MarkupSafe>=2.1",
        "Pillow>=11",
        "matplotlib>=3.9,<4",
    ],
    extras_require={
        # gs:// paths, Dataflow, and BigQuery as catalog or warehouse.
        # build: Beam makes the package of --setup_file with it.
        "gcp": ["apache-beam[gcp]>=2.77,<2.80", "build>=1.2"],
        # CUDA's libraries, for workers with a GPU.
        "gpu": ["tensorflow[and-cuda]>=2.20,<2.22"],
        # s3:// paths.
        "aws": ["apache-beam[aws]>=2.77,<2.80"],
        # pipelines.train_classifier: tensorflow-io's SpecAugment masks.
        "train": ["tensorflow-io==0.37.1"],
        # pipelines.build_warehouse --ann_index.
        "search": ["voyager>=2.1,<3"],
        # pipelines.build_corpus: Debian's copyright files.
        "corpus": ["debian-inspector>=31.1,<32"],
        "dev": [
            "pytest>=8",
            "pytest-xdist>=3.6",
            "hypothesis>=6",
            "librosa>=0.11,<0.12",
            # pipelines.build_evaluation_set: filters, and loudness by BS.1770.
            "scipy>=1.13,<2",
            "pyloudnorm>=0.2,<0.3",
            "ruff>=0.9",
            "mypy>=1.15",
            "types-PyYAML",
            "setuptools>=75",
            # make test-report and make screenshot, beside Chromium and its driver.
            "selenium>=4.30,<5",
        ],
        # make test-gcs and make test-dataflow, beside gcp.
        "emulator": ["gcp-storage-emulator>=2026.7.19", "dockerfile-parse>=2.0,<3"],
    },
    entry_points={
        "console_scripts": [
            "earmark-categorize-tracks = pipelines.categorize_tracks:main",
            "earmark-build-corpus = pipelines.build_corpus:main",
            "earmark-train-classifier = pipelines.train_classifier:main",
            "earmark-evaluate-classifier = pipelines.evaluate_classifier:main",
            "earmark-promote-model = pipelines.promote_model:main",
            "earmark-derive-decision = pipelines.derive_decision:main",
            "earmark-preview-payout = pipelines.preview_payout:main",
            "earmark-publish-tables = pipelines.publish_tables:main",
            "earmark-build-evaluation-set = pipelines.build_evaluation_set:main",
            "earmark-build-warehouse = pipelines.build_warehouse:main",
            "earmark-compare-runs = pipelines.compare_runs:main",
            "earmark-write-model-card = pipelines.write_model_card:main",
            "earmark-write-run-report = pipelines.write_run_report:main",
        ]
    },
)
