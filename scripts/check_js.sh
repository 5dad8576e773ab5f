#!/bin/sh
# Checks the types and the size of the JavaScript client, that the files which Django serves are what
# js/src gives, builds its npm package and runs its tests; installs what they need when that has
# changed. BUILD_ONLY=1 builds the static files and the package, and is `make client`.
set -eu
cd "$(dirname "$0")/../js"

stamp=node_modules/.installed
if [ ! -e "$stamp" ] || [ -n "$(find . -maxdepth 1 -name 'package*.json' -newer "$stamp")" ]; then
    npm install --no-audit --no-fund --no-package-lock
    touch "$stamp"
fi

if [ -n "${BUILD_ONLY:-}" ]; then exec npm run build; fi

npm run check
npm run --silent build -- --check
npm run build
npm run size
npm run consumer

# The tests set the clock, which Node can from 20.11 on. Before 20.19, a .js file is CommonJS unless
# a package.json above it says otherwise, and there is none above the client.
case $(node --version) in
    v20.1[1-8].*) npm test --node-options=--experimental-default-type=module ;;
    *) npm test ;;
esac
