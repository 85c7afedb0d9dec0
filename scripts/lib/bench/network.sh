# What a network adds to a start, by turns; and how much a container sends through its network, to the host and to another
# container, beside docker's bridge: iperf3, by turns, and the median of the faster half. Both ends are on this machine.
# shellcheck shell=sh

network_rounds=11
programs="-v /usr:/usr:ro -v /lib:/lib:ro -v /lib64:/lib64:ro"
$dhow load -q -i busybox.tar >/dev/null
if has dockerd; then $docker load -q -i busybox.tar >/dev/null; fi

# Until a container runs, where other containers are in its network: the bridge and its rules are there. Of each the median of the
# quieter half of its times, which are otherwise further apart than what is looked for.
$dhow network create mine >/dev/null
for network in bridge mine; do $dhow run -d --name "stays-$network" --network "$network" busybox sleep 1000 >/dev/null; done
run="$dhow run -d --name timed"
round=0
while [ "$round" -lt 30 ]; do
  round=$((round + 1))
  hyperfine -N --style none --runs 1 --export-json "$tmp/setup-$round.json" \
    --prepare "sh -c '$dhow rm -f timed >/dev/null 2>&1 || true'" \
    --command-name "no network" "$run --network none busybox sleep 1000" \
    --command-name "the bridge" "$run busybox sleep 1000" \
    --command-name "a network that was made, with names" "$run --network mine busybox sleep 1000" \
    --command-name "a published port" "$run -p 8000:80 busybox sleep 1000" >/dev/null
done
$dhow rm -f timed stays-bridge stays-mine >/dev/null
$dhow network rm mine >/dev/null
jq -r -s '[.[].results[]] | group_by(.command)
  | map({ key: .[0].command, value: (map(.times[]) | sort | .[length / 4 | floor] * 1000) }) | from_entries
  | .["no network"] as $none | to_entries[] | select(.key != "no network")
  | (.value - $none) as $more
  | "\(.key): \($more * 10 | round / 10) ms more than no network (\($none * 10 | round / 10) ms), target 8: \(
      if $more <= 8 then "met" else "MISSED" end)"' "$tmp"/setup-*.json

# throughput ADDRESS COMMAND...: prints Mbit/s from a client, which the command runs, to a server at the address
throughput() {
  address=$1
  shift
  "$@" /usr/bin/iperf3 -c "$address" -t 2 -f m | awk '/receiver/ { print $7 }'
}

# ends NAME TOOL HOST-COMMAND...: a server on the host and one in a container, and a container for the client
ends() {
  name=$1
  tool=$2
  shift 2
  # shellcheck disable=SC2086 # lists of words
  $tool run -d --name "$name-server" $programs busybox /usr/bin/iperf3 -s >/dev/null
  # shellcheck disable=SC2086
  $tool run -d --name "$name-client" $programs busybox sleep 1000 >/dev/null
  "$@" /usr/bin/iperf3 -s -D --pidfile "$tmp/$name-iperf3"
  eval "${name}_gateway=$($tool inspect -f '{{.NetworkSettings.Gateway}}' "$name-client")"
  server=$($tool inspect -f '{{.NetworkSettings.IPAddress}}' "$name-server")
  eval "${name}_server=$server"
  # shellcheck disable=SC2086
  until $tool exec "$name-client" /usr/bin/iperf3 -c "$server" -n 1 >/dev/null 2>&1; do :; done
}

: >"$tmp/throughput"
ends dhow "$dhow" env
if has dockerd; then ends docker "$docker" nsenter --net --target "$dockerd_pid"; fi
round=0
while [ "$round" -lt "$network_rounds" ]; do
  round=$((round + 1))
  for name in dhow docker; do
    [ "$name" = dhow ] || has dockerd || continue
    tool=$dhow
    [ "$name" = dhow ] || tool=$docker
    eval "gateway=\$${name}_gateway server=\$${name}_server"
    # shellcheck disable=SC2086 # a list of words
    echo "host $name $(throughput "$gateway" $tool exec "$name-client")" >>"$tmp/throughput"
    # shellcheck disable=SC2086
    echo "container $name $(throughput "$server" $tool exec "$name-client")" >>"$tmp/throughput"
  done
done
for name in dhow docker; do
  [ "$name" = dhow ] || has dockerd || continue
  kill "$(tr -d '\0' <"$tmp/$name-iperf3")"
done
$dhow rm -f dhow-server dhow-client >/dev/null
if has dockerd; then $docker rm -f docker-server docker-client >/dev/null; fi

for to in host container; do
  sort -k 3n "$tmp/throughput" | awk -v where=$to '
    $1 == where { values[$2, ++count[$2]] = $3 }
    function median(name) { return values[name, int((3 * count[name] + 1) / 4)] }
    END {
      printf "to the %s: dhow %d Mbit/s", where, median("dhow")
      if (count["docker"]) {
        ratio = median("dhow") / median("docker")
        printf ", docker %d: %.2f x (target: at least 0.98) %s", median("docker"), ratio, (ratio >= 0.98 ? "met" : "MISSED")
      }
      print ""
    }'
done
