# The project's own toolchain on PATH, from the top of the repository:  . scripts/lib/env.sh
# shellcheck shell=sh

[ -f deno.json ] || echo "env.sh: source this from the top of the repository" >&2
export PATH="$PWD/.toolchain/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin"
# Deno's cache stays in the tree, so that neither HOME nor another project's Deno has a say in a build.
export DENO_DIR="$PWD/.toolchain/cache"
# Trust what the system trusts: behind a company's proxy that is where the proxy's certificate lies.
export DENO_TLS_CA_STORE=system
export DENO_NO_UPDATE_CHECK=1
[ -t 1 ] || export NO_COLOR=1
# `deno compile` downloads denort, unless it is told of a local one (see scripts/setup).
unset DENORT_BIN
if [ "${DHOW_OFFICIAL_DENORT:-}" != 1 ] && [ -x .toolchain/bin/denort ]; then
  export DENORT_BIN="$PWD/.toolchain/bin/denort"
fi
