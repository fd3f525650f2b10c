#!/usr/bin/env bash
# Installs the Debian packages that tests need beside what pip brings: the servers that no wheel
# holds. The tests start them by themselves, on loopback; Debian's own services aren't needed.
set -euo pipefail

packages=(mariadb-server)

missing=()
for name in ${packages[@]+"${packages[@]}"}; do
  dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'install ok installed' || missing+=("$name")
done
if [ ${#missing[@]} -gt 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
