#!/bin/sh
# A host machine for one test: its own network, mounts, processes, cgroups and host name, joined to an internet of its own.
#
#   host.sh hold     prints the pid of the host's first process once all is ready, and holds the host until standard input
#                    ends. That is also what happens when the test process is killed, so nothing can stay behind.
#   host.sh enter COMMAND...   inside the host: joins its cgroups, then becomes the command
set -eu

# Folders of this process's cgroups, one for each hierarchy that is mounted (cgroups(7)).
own_cgroups() {
  awk '
    FNR == NR {
      split($0, field, ":")
      sub(/^name=/, "", field[2])
      own[field[2]] = substr($0, length(field[1] field[2]) + ($0 ~ /:name=/ ? 8 : 3))
      next
    }
    / - cgroup2? / && $4 == "/" {
      hierarchy = $5
      sub(/.*\//, "", hierarchy)
      if (/ - cgroup2 /) hierarchy = ""
      if (hierarchy in own) print $5 (own[hierarchy] == "/" ? "" : own[hierarchy])
    }
  ' /proc/self/cgroup /proc/self/mountinfo | sort -u
}

hold() {
  trap '' HUP INT TERM PIPE # the end of standard input is what ends this, and then it cleans up
  cgroups=$(own_cgroups | sed "s|$|/dhow-test-$$|")
  # shellcheck disable=SC2086 # a list
  mkdir $cgroups
  for cgroup in $cgroups; do
    for file in cpuset.cpus cpuset.mems; do
      [ ! -e "$cgroup/../cgroup.clone_children" ] || [ ! -e "$cgroup/$file" ] || cat "$cgroup/../$file" >"$cgroup/$file"
    done
  done
  (
    trap - HUP INT TERM PIPE
    for cgroup in $cgroups; do echo 0 >"$cgroup/cgroup.procs"; done
    exec setpriv --pdeathsig KILL unshare --mount --net --uts --ipc --cgroup --pid --fork --kill-child sh "$0" boot
  ) &
  machine=$!
  cat >/dev/null
  kill -KILL "$machine" 2>/dev/null || true
  wait "$machine" || true
  for cgroup in $cgroups; do remove_cgroup "$cgroup"; done
}

# A killed process leaves its cgroup a moment after it is gone from its parent's sight.
remove_cgroup() {
  tries=100
  until find "$1" -depth -type d -exec rmdir {} + 2>/dev/null || [ ! -d "$1" ]; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 0
    sleep 0.05
  done
}

# private DIR: from here on, changes below DIR stay in the host.
private() {
  key=$(echo "$1" | tr / _)
  mkdir "/run/host/upper$key" "/run/host/work$key"
  mount -t overlay -o "lowerdir=$1,upperdir=/run/host/upper$key,workdir=/run/host/work$key" overlay "$1"
}

# The hierarchies that the machine has, seen from the host's cgroup namespace.
mount_cgroups() {
  points=$(sed -nE 's/^([^ ]+ ){4}(\/sys\/fs\/cgroup[^ ]*) .* - (cgroup2?) [^ ]+ (.*)$/\3 \4 \2/p' /proc/self/mountinfo)
  mount -t sysfs sysfs /sys
  case "$points" in *" /sys/fs/cgroup/"*) mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup ;; esac
  echo "$points" | while read -r type options point; do
    # what names the hierarchy: the controllers, or name=...
    options=$(echo "$options" | tr , '\n' | grep -vE '^(rw|ro|xattr|clone_children|release_agent=.*)$' | paste -sd ,)
    mkdir -p "$point"
    if [ "$type" = cgroup ]; then mount -t cgroup -o "$options" cgroup "$point"; else mount -t cgroup2 cgroup2 "$point"; fi
  done
  # With cgroup v2, only a cgroup without processes can hand controllers to its children.
  if [ -e /sys/fs/cgroup/cgroup.procs ]; then
    mkdir /sys/fs/cgroup/init.scope
    echo 0 >/sys/fs/cgroup/init.scope/cgroup.procs
  fi
}

# A /tmp of the host's own; if the repository lies in the machine's, it stays visible.
mount_tmp() {
  repository=$(cd "$(dirname "$0")/../.." && pwd -P)
  mkdir /run/host/repository
  mount --bind "$repository" /run/host/repository
  mount -t tmpfs -o mode=1777 tmpfs /tmp
  case "$repository" in
    /tmp/*)
      mkdir -p "$repository"
      mount --bind /run/host/repository "$repository"
      ;;
  esac
  umount /run/host/repository
  rmdir /run/host/repository
}

boot() {
  read -r pid _ </proc/self/stat # the pid outside: /proc is still the machine's
  mount -t proc proc /proc
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir /run/lock /run/host /run/host/files
  mount_tmp
  # The devices are the machine's. What is mounted on can be neither removed nor replaced.
  for device in null zero full random urandom tty; do mount --bind "/dev/$device" "/dev/$device"; done
  private /etc
  private /usr
  private /var/lib
  mkdir -p /var/lib/dhow
  mount -t tmpfs -o mode=755 tmpfs /var/lib/dhow # overlay takes no overlay as its upper layer
  mount_cgroups
  hostname testhost
  rm -f /etc/resolv.conf
  echo "nameserver 203.0.113.53" >/etc/resolv.conf
  printf '127.0.0.1 localhost\n127.0.1.1 testhost\n' >/etc/hosts

  ip link set lo up
  unshare --net sh "$0" internet
  echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6 # it would get addresses and routes by itself, at any time
  ip addr add 198.51.100.2/24 dev eth0
  ip link set eth0 up
  ip route add default via 198.51.100.1
  until [ "$(cat /sys/class/net/eth0/operstate)" = up ]; do sleep 0.01; done
  echo "$pid"
  # The first process gets the orphans; for one that ignores SIGCHLD the kernel reaps them.
  exec env --ignore-signal=CHLD --default-signal=INT,QUIT sleep infinity >/dev/null 2>&1
}

# Servers on 203.0.113.0/24. It has no route to the range of the containers: only what was masqueraded gets an answer.
internet() {
  # Of a pair whose ends have the same number, each in its namespace, the kernel tells up to a second late that it is up.
  ip link add uplink index 10 type veth peer name eth0 index 11 netns 1
  ip link set lo up
  ip addr add 203.0.113.53/32 dev lo
  ip addr add 203.0.113.80/32 dev lo
  ip addr add 198.51.100.1/24 dev uplink
  ip link set uplink up
  mkdir -p /run/host/www/cgi-bin
  echo "hello from the internet" >/run/host/www/index.html
  # shellcheck disable=SC2016 # expanded when the server runs it
  printf '#!/bin/sh\nprintf "\\r\\n%%s\\n" "$REMOTE_ADDR"\n' >/run/host/www/cgi-bin/address
  chmod +x /run/host/www/cgi-bin/address
  # Both return when they listen.
  busybox httpd -p 203.0.113.80:80 -h /run/host/www
  dnsmasq --conf-file=/dev/null --user=root --pid-file= --no-resolv --no-hosts --bind-interfaces \
    --listen-address=203.0.113.53 --local=/example.test/ --address=/web.example.test/203.0.113.80
}

enter() {
  if [ -e /sys/fs/cgroup/init.scope ]; then
    echo 0 >/sys/fs/cgroup/init.scope/cgroup.procs
  else
    for procs in /sys/fs/cgroup/*/cgroup.procs; do
      [ ! -e "$procs" ] || echo 0 >"$procs"
    done
  fi
  exec "$@"
}

"$@"
