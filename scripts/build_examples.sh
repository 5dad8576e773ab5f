#!/bin/sh
# Builds the examples, for Django to serve; installs what they need when that has changed. A warning
# is an error.
set -eu
cd "$(dirname "$0")/../examples"

build() {
    cd "$1"
    stamp=node_modules/.installed
    if [ ! -e "$stamp" ] || [ package.json -nt "$stamp" ]; then
        npm install --no-package-lock --ignore-scripts --no-audit --no-fund
        touch "$stamp"
    fi
    said=$(npm run --silent build -- --logLevel warn 2>&1) && [ -z "$said" ] && return
    printf 'examples/%s does not build, or not without a warning:\n%s\n' "$1" "$said" >&2
    return 1
}

for example in react vue; do
    (build "$example")
done
