# What the scripts share. Sourced, from the top of the repository, after env.sh.
# shellcheck shell=sh

script=${0##*/}

say() { echo "$script: $*"; }

die() {
  say "$*" >&2
  exit 1
}

# on_exit COMMAND: runs it when this shell ends, by a signal too: a shell that a signal ends skips its EXIT trap,
# unless the signal's own trap exits.
on_exit() {
  # shellcheck disable=SC2064 # what is quoted is to be expanded now
  trap "$1" EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 141' PIPE
  trap 'exit 143' TERM
}
