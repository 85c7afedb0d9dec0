# 200 containers at once: what a list of them takes, and what each keeps in memory. Of the peers 10 are enough.
# shellcheck shell=sh

# start_many COUNT RUN...: their ids go to $tmp/ids.
start_many() {
  count=$1
  shift
  for _ in $(seq "$count"); do "$@" --network none busybox sleep 1000; done >"$tmp/ids" 2>"$tmp/log"
}

# kept NAME PATTERN: the proportional memory (PSS) of the processes that stay with the containers in $tmp/ids, for each of them.
# The pattern finds their command lines, where ID is.
kept() {
  while read -r id; do
    pgrep -f "$(echo "$2" | sed "s/ID/$id/")"
  done <"$tmp/ids" | sort -u | while read -r pid; do
    awk '$1 == "Pss:" { print $2 }' "/proc/$pid/smaps_rollup"
  done | awk -v name="$1" -v containers="$(wc -l <"$tmp/ids")" '
    { sum += $1 }
    END { printf "memory kept for each container, %s: %d KiB, in %.1f processes\n", name, sum / containers, NR / containers }'
}

$dhow load -q -i busybox.tar >/dev/null
# shellcheck disable=SC2086 # lists of words
start_many 200 $dhow run -d
kept "dhow" "^dhow-monitor ID" | tee "$tmp/kept"
awk '{ print "memory kept, target 410 KiB:", ($7 > 0 && $7 <= 410 ? "met" : "missed") }' "$tmp/kept"
contender "hello world, compiled by Deno" dist/hello
contender "dhow ps, 200 containers" "$dhow ps"
contender "dhow version" "$dhow version"
race many --warmup 5 --runs 30
target many "dhow ps, 200 containers" 1.3 "hello world, compiled by Deno"
xargs $dhow rm -f <"$tmp/ids" >/dev/null

if has dockerd; then
  $docker load -q -i busybox.tar >/dev/null
  # shellcheck disable=SC2086
  start_many 10 $docker run -d
  kept "docker" "containerd-shim.* -id ID"
  xargs $docker rm -f <"$tmp/ids" >/dev/null
fi
if has podman; then
  $podman load -q -i busybox.tar >/dev/null
  # shellcheck disable=SC2046,SC2086
  start_many 10 $(echo "$podman_run" | sed 's/ --rm / -d /')
  kept "podman" "conmon.* -c ID"
  xargs $podman rm -f -t 0 <"$tmp/ids" >/dev/null 2>&1
fi
