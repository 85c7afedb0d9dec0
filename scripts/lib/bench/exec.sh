# One more command in a running container, from dhow's start to its end.
# shellcheck shell=sh

$dhow load -i busybox.tar >/dev/null
exec_container=$($dhow run -d --network none busybox sleep 1000)
contender "hello world, compiled by Deno" dist/hello
contender "dhow exec" "$dhow exec $exec_container true"
if has dockerd; then
  $docker load -q -i busybox.tar >/dev/null
  docker_container=$($docker run -d --network none busybox sleep 1000)
  contender "docker exec" "$docker exec $docker_container true"
fi
race exec --warmup 5 --runs 30
$dhow rm -f "$exec_container" >/dev/null
if has dockerd; then $docker rm -f "$docker_container" >/dev/null; fi
target exec "dhow exec" 1.3 "hello world, compiled by Deno"
target exec "dhow exec" 0.5 "docker exec"
