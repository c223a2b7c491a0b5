# The image that launches the Flex Template: the workers' image, with Google's launcher in it.
#   docker build --file docker/flex_template.Dockerfile --build-arg WORKER_IMAGE=IMAGE --tag LAUNCHER_IMAGE .
ARG WORKER_IMAGE
FROM images.example/dataflow-templates-base/python311-template-launcher-base AS launcher

FROM ${WORKER_IMAGE}
ARG WORKER_IMAGE

COPY --from=launcher /opt/google/dataflow/python_template_launcher /opt/google/dataflow/python_template_launcher
COPY docker/flex_main.py /template/main.py

# The launcher runs on a machine of Google Cloud, whose metadata server gives the credentials.
ENV FLEX_TEMPLATE_PYTHON_PY_FILE=/template/main.py \
    EARMARK_WORKER_IMAGE=${WORKER_IMAGE} \
    GCE_METADATA_HOST=metadata.google.internal

ENTRYPOINT ["/opt/google/dataflow/python_template_launcher"]
