#!/usr/bin/env bash
# Older wheels of upstream, for tests/test_upstream_versions.py: one of each set of Unicode tables.
#   tests/install_wheels.sh FOLDER && DSTOK_WHEELS=FOLDER pytest tests/test_upstream_versions.py
set -euo pipefail
folder=${1:?expected a folder to install to}
for version in ${2:-0.15.2 0.21.0 0.21.1 0.21.4}; do
  [ -d "$folder/$version" ] || python -m pip install -q --no-deps --only-binary :all: \
    --target "$folder/$version" "tokenizers==$version"
done
