#!/usr/bin/env bash
# Installs the project unpinned into a throw-away environment and writes down what came:
# names and versions only. Usage: scripts/freeze-constraints.sh [PYTHON]
set -euo pipefail
cd "$(dirname "$0")/.."

python=${1:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$python" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet -e '.[test,bench]'
# What the readers of a release need beside it; they are installed apart (`make readers`).
"$folder/venv/bin/python" -m pip install --quiet -e '.[readers]'
"$folder/venv/bin/python" -c 'import prefect' # bounds that let Prefect go are caught here
{
  echo "# One complete set that the tests ran with. Written by scripts/freeze-constraints.sh."
  "$folder/venv/bin/python" -m pip freeze --exclude-editable | grep -E '^[A-Za-z0-9_.-]+==[^ ]+$'
} > "$folder/constraints.txt"
mv "$folder/constraints.txt" constraints.txt
