# A dockerd of our own, beside whatever else runs on the machine. Sourced after common.sh.
# shellcheck shell=sh

# Debian's docker and dockerd before others: a newer client does not speak to the older daemon.
docker=/usr/bin/docker
[ -x "$docker" ] || docker=docker

# start_dockerd DIR [OPTION...]: everything it keeps is below DIR. Afterwards "$docker" speaks to it, until stop_dockerd.
#
# It gets a network namespace (it would change the host's rules and bridges), a mount namespace (what it mounts
# goes with it, and it cannot write to /run and /etc/docker) and a pid namespace (it takes containerd along when it is killed).
start_dockerd() {
  dockerd_dir=$1
  shift
  mkdir -p "$dockerd_dir/client"
  echo '{}' >"$dockerd_dir/client/config.json" # podman reads DOCKER_CONFIG too, and wants the file
  export DOCKER_HOST="unix://$dockerd_dir/docker.sock" DOCKER_CONFIG="$dockerd_dir/client"
  # shellcheck disable=SC2016 # expanded by the inner sh
  PATH="/usr/bin:/usr/sbin:$PATH" unshare --mount --net --pid --fork --kill-child --mount-proc sh -euc '
    mount -n -t tmpfs tmpfs /run
    [ ! -d /etc/docker ] || mount -n -t tmpfs tmpfs /etc/docker
    ip link set lo up
    dir=$1
    shift
    exec dockerd --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" --host "$DOCKER_HOST" "$@"
  ' sh "$dockerd_dir" "$@" >"$dockerd_dir/log" 2>&1 &
  dockerd_pid=$!
  tries=300
  until "$docker" version >/dev/null 2>&1; do
    tries=$((tries - 1))
    if [ "$tries" = 0 ] || ! kill -0 "$dockerd_pid" 2>/dev/null; then
      tail -n 20 "$dockerd_dir/log" >&2
      die "dockerd did not start; above are the last lines of its log"
    fi
    sleep 0.1
  done
}

# Safe to call when none runs.
stop_dockerd() {
  [ -n "${dockerd_pid:-}" ] || return 0
  kill -KILL "$dockerd_pid" 2>/dev/null || true # unshare, and with it the pid namespace
  wait "$dockerd_pid" 2>/dev/null || true
  dockerd_pid=
}
