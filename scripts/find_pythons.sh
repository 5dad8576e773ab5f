#!/bin/sh
# Prints the Pythons that can build a virtual environment for this project, one path a line, newest
# first. Looks along PATH and in pyenv's folder, whose shims often refuse to run.
set -eu

probe='
import sys
if sys.version_info < (3, 11) or sys.version_info.releaselevel != "final":
    sys.exit(2)
try:
    import ensurepip, venv
except ImportError:
    sys.exit(3)
print("%d.%d.%d" % sys.version_info[:3], sys._base_executable)
'

candidates() {
    (
        IFS=:
        for folder in $PATH; do
            for name in python3.15 python3.14 python3.13 python3.12 python3.11 python3; do
                printf '%s\n' "$folder/$name"
            done
        done
    )
    for path in "${PYENV_ROOT:-${HOME:-/root}/.pyenv}"/versions/*/bin/python3; do
        printf '%s\n' "$path"
    done
}

report=$(mktemp)
trap 'rm -f "$report"' EXIT

candidates | while read -r path; do
    [ -x "$path" ] || continue
    status=0
    line=$("$path" -c "$probe" 2>/dev/null </dev/null) || status=$?
    case $status in
        0) printf '%s\n' "$line" ;;
        3) printf '%s\n' "$path" >>"$report" ;;
    esac
done | sort -u -t. -k1,1nr -k2,2nr -k3,3nr | cut -d' ' -f2- | grep . && exit

if [ -s "$report" ]; then
    echo "$(head -n1 "$report") cannot make virtual environments: its venv module is incomplete." >&2
    echo "On Debian and Ubuntu: apt install python3-venv" >&2
else
    echo "No Python 3.11 or newer was found. Install one, from your system's packages or pyenv say." >&2
fi
exit 1
