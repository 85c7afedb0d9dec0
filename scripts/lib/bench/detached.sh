# run -d, from dhow's start to its end: the container goes on. And stop, of a program that obeys.
# shellcheck shell=sh

$dhow load -q -i busybox.tar >/dev/null
if has dockerd; then $docker load -q -i busybox.tar >/dev/null; fi
if has podman; then $podman load -q -i busybox.tar >/dev/null; fi

podman_detached=$(echo "$podman_run" | sed 's/ --rm / -d /')
cat >"$tmp/remove" <<END
$dhow rm -f bench
$docker rm -f bench
$podman rm -f -t 0 bench
true
END
# A program can be stopped once it says that it is ready.
cat >"$tmp/start" <<END
sh $tmp/remove
for command in "$dhow run -d" "$docker run -d" "$podman_detached"; do
  \$command --name bench --network none busybox sh -c \
    "trap 'exit 0' TERM; echo ready; while :; do sleep 1000 & wait; done"
done
for command in "$dhow" "$docker" "$podman"; do
  until [ "\$(\$command logs bench || echo ready)" = ready ]; do sleep 0.02; done
done
END

# Peers keep their bridges; dhow removes one that has not been used for two seconds.
$dhow run -d --name other busybox sleep 1000 >/dev/null
contender "hello world, compiled by Deno" dist/hello
for network in none bridge; do
  contender "dhow run -d, $network" "$dhow run -d --name bench --network $network busybox sleep 1000"
  sh "$tmp/remove" >/dev/null 2>&1
  contender "docker run -d, $network" "$docker run -d --name bench --network $network busybox sleep 1000"
  sh "$tmp/remove" >/dev/null 2>&1
  contender "podman run -d, $network" "$podman_detached --name bench --network $network busybox sleep 1000"
  sh "$tmp/remove" >/dev/null 2>&1
done
race detached --warmup 2 --runs 15 --prepare "sh $tmp/remove"
target detached "dhow run -d, none" 1.5 "hello world, compiled by Deno"
target detached "dhow run -d, bridge" 1.5 "hello world, compiled by Deno"
$dhow rm -f other >/dev/null

sh "$tmp/start" >/dev/null 2>&1
contender "hello world, compiled by Deno" dist/hello
contender "dhow stop" "$dhow stop bench"
contender "docker stop" "$docker stop bench"
contender "podman stop" "$podman stop bench"
race stop --warmup 1 --runs 10 --prepare "sh $tmp/start"
target stop "dhow stop" 1 "docker stop"
target stop "dhow stop" 3 "hello world, compiled by Deno"
sh "$tmp/remove" >/dev/null 2>&1
