# What the filter costs a system call: one that is allowed whatever its argument, and one that is decided by it. The CPU
# time of the calling thread, the least of several rounds in turn.
# shellcheck shell=sh

if [ "$(uname -m)" != x86_64 ]; then
  say "syscalls: the loop is machine code of x86-64"
else
  calls=2000000
  rounds=9
  loops=$tmp/loops
  mkdir "$loops"
  deno run --quiet --no-config --allow-write="$loops" scripts/lib/system_call_loop.ts "$loops/getppid" 110 0 $calls
  deno run --quiet --no-config --allow-write="$loops" scripts/lib/system_call_loop.ts "$loops/personality" 135 4294967295 $calls
  $dhow load -q -i busybox.tar >/dev/null
  if has dockerd; then $docker load -q -i busybox.tar >/dev/null; fi

  # loop NAME COMMAND...: adds a line `NAME nanoseconds-a-call` to its results
  loop() {
    name=$1
    shift
    "$@" | od -A n -t d8 -v -w32 |
      awk -v calls=$calls -v name="$name" '{ printf "%s\t%.1f\n", name, (($3 - $1) * 1e9 + $4 - $2) / calls }' >>"$loops/results"
  }

  for call in getppid personality; do
    : >"$loops/results"
    round=0
    while [ "$round" -lt "$rounds" ]; do
      round=$((round + 1))
      loop "no container" "$loops/$call"
      for filter in default unconfined; do
        option=--security-opt=seccomp=$filter
        [ "$filter" != default ] || option=--rm
        # shellcheck disable=SC2086 # lists of words
        loop "dhow, $filter" $dhow run --rm --network none "$option" -v "$loops:/loops:ro" busybox "/loops/$call"
        # shellcheck disable=SC2086
        ! has dockerd || loop "docker, $filter" $docker run --rm --network none "$option" -v "$loops:/loops:ro" busybox "/loops/$call"
      done
    done
    echo "$call, nanoseconds a call, and times a container without a filter:"
    awk -F '\t' '
      !($1 in least) || $2 < least[$1] { least[$1] = $2 }
      END { for (name in least) printf "  %-20s %6.1f  %.2f\n", name, least[name], least[name] / least["dhow, unconfined"] }
    ' "$loops/results" | sort
  done
fi
