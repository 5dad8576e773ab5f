#!/bin/sh
# Checks the types of the JavaScript client and runs its tests; installs what they need when that
# has changed.
set -eu
cd "$(dirname "$0")/../js"

stamp=node_modules/.installed
if [ ! -e "$stamp" ] || [ -n "$(find . -maxdepth 1 -name 'package*.json' -newer "$stamp")" ]; then
    npm install --no-audit --no-fund
    touch "$stamp"
fi

npm run check

# Before Node 20.19, a .js file is CommonJS unless a package.json above it says otherwise, and there
# is none above the client.
case $(node --version) in
    v18.* | v20.?.* | v20.1[0-8].*) npm test --node-options=--experimental-default-type=module ;;
    *) npm test ;;
esac
