#!/bin/dash
# What happens inside the machine of scripts/vm-test, which copies this file there. busybox init calls it, first with
# `prepare`, then with `tour`, and takes what it prints to the second serial line: `ok NAME`, `not ok NAME: WHY`, at last `end`.
# Where it starts a shell on the host that is dash: busybox, which is the rest of this host, starts its own `ip` for `ip`, from its sh.
# shellcheck disable=SC2086,SC2046,SC2016 # $run and the like are lists of words; what is quoted is for the inner sh
set -u
export PATH=/root:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root

prepare() {
  mount -t proc proc /proc
  mount -t sysfs sys /sys
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  echo "+cpu +io +memory +pids" >/sys/fs/cgroup/cgroup.subtree_control # as systemd does
  mkdir -p /dev/pts /dev/shm
  mount -t devpts devpts /dev/pts
  mount -t tmpfs tmpfs /dev/shm
  mount -t tmpfs tmpfs /run
  mount -t tmpfs tmpfs /tmp
  hostname vm
  echo "up"
}

# check, one_line, limits, devices
export version=2
# shellcheck source=scripts/limits-tour.sh
. /root/limits-tour.sh

# What a container may not leave behind. `iptables-save` is called by its path: the second tour has none in PATH.
snapshot() {
  sort /proc/mounts
  ls /sys/class/net /run/netns
  $tools/xtables-nft-multi iptables-save | grep -e '^-' -e '^:.* - '
  find /var/lib/dhow/containers /run/dhow/containers -mindepth 1 2>/dev/null
  find /sys/fs/cgroup -type d | sort
}

# The bridge and the rules go a moment after the last container.
check_nothing_left() {
  tries=60
  until snapshot >/tmp/after && cmp -s /tmp/before /tmp/after; do
    tries=$((tries - 1))
    if [ "$tries" = 0 ]; then
      echo "not ok $1: $(one_line "$(diff /tmp/before /tmp/after | grep '^[-+]')")"
      return
    fi
    sleep 0.5
  done
  echo "ok $1"
}

# An internet: a network namespace with a web server, which has no route to any container.
make_internet() {
  ip link set lo up
  ip netns add internet
  ip link add up0 type veth peer name eth0 netns internet
  ip addr add 192.0.2.1/24 dev up0
  ip link set up0 up
  ip -n internet addr add 192.0.2.2/24 dev eth0
  ip -n internet link set lo up
  ip -n internet link set eth0 up
  ip route add default via 192.0.2.2
  mkdir /tmp/www
  echo "hello from the internet" >/tmp/www/index.html
  ip netns exec internet httpd -f -vv -p 80 -h /tmp/www 2>/tmp/www.log &
}

# The tour's steps without a network, the same on both hosts.
without_network() {
  alone="dhow run --rm --network none"
  check "$1: V8 takes the compiled code in the executable on this CPU" 0 '^1$' \
    sh -c 'dhow --debug version 2>&1 | grep -c .'
  check "$1: an archive runs" 0 '^hello$' $alone ./busybox.tar echo hello
  check "$1: load" 0 busybox dhow load -i busybox.tar
  check "$1: images lists it" 0 '^busybox  *latest' dhow images
  check "$1: the exit code is the command's" 3 '' $alone busybox sh -c 'exit 3'
  check "$1: a command that is not there is 127" 127 nosuch $alone busybox nosuch
  check "$1: a file that is not executable is 126" 126 /etc/passwd $alone busybox /etc/passwd
  check "$1: the host name is chosen" 0 '^box$' $alone --hostname box busybox hostname
  check "$1: the command is process 1" 0 '^1$' $alone busybox sh -c 'echo $$'
  check "$1: /proc is the container's" 0 '^1$' $alone busybox sh -c 'set -- /proc/[0-9]*; echo $#'
  check "$1: lo is its only link" 0 '^lo$' $alone busybox ls /sys/class/net
  # this kernel mounts no EROFS from plain files (Linux 6.12), and none of several devices by loop devices (6.4)
  check "$1: images are unpacked here" 0 '^[0-9]*$' ls /var/lib/dhow/layers
  check "$1: another way cannot be forced, and why is said" 125 'cannot use --storage erofs' \
    dhow --storage erofs run --rm --network none busybox true
  check "$1: nor can the other" 125 'cannot use --storage loop' \
    dhow --storage loop run --rm --network none busybox true
  check "$1: an unpacked image is verified" 0 '' dhow image verify
  check "$1: and gives its archive back, which loads" 0 'busybox:latest' dash -c \
    'dhow save -q -o /tmp/saved.tar busybox && dhow rmi -f busybox && dhow load -q -i /tmp/saved.tar; code=$?; rm -f /tmp/saved.tar; exit $code'
  check "$1: what is written in the image stays out of it" 1 '' $alone busybox sh -c 'rm /bin/env && ls /bin/env 2>&1'
  check "$1: and is there for the next" 0 /bin/env $alone busybox ls /bin/env
  check "$1: a container runs by itself" 0 '^[0-9a-f]\{64\}$' dhow run -d --name alone --network none -v data:/data busybox \
    sh -c 'echo started; trap "exit 7" TERM; while :; do sleep 1; done'
  check "$1: ps lists it" 0 ' Up .* alone$' dhow ps
  check "$1: its output is kept" 0 '^started$' dash -c 'until dhow logs alone | grep started; do sleep 0.5; done'
  check "$1: another program joins it" 0 '^1 /dhow-' dhow exec alone sh -c 'echo $(cut -d " " -f 1 /proc/1/stat) $(cut -d : -f 3 /proc/self/cgroup | head -n 1 | sed s,^/$,/dhow-,)'
  check "$1: its memory is counted" 0 '^[1-9][0-9]* [1-9]' dhow stats --no-stream --format '{{.PIDs}} {{.MemUsage}}' alone
  check "$1: it is paused" 0 '(Paused)' dash -c 'dhow pause alone && dhow ps'
  check "$1: and goes on" 0 '^alone$' dhow unpause alone
  check "$1: it is asked to end, and says how" 0 '^7$' dash -c 'dhow stop -t 60 alone && dhow wait alone'
  check "$1: it and its volume are removed" 0 '^data$' dash -c 'dhow rm alone && dhow volume rm data'
  check "$1: in a cgroup of version 2; killed there, it is 128 and the signal" 137 cgroup.procs \
    dash /root/vm-tour.sh kill_in_cgroup
  check_nothing_left "$1: nothing is left"
}

# Containers that live, where cgroup v2, or an older kernel, might make a difference. Once: it takes two minutes by emulation.
living() {
  there="dhow run -d --network none --name"
  check "live: its health is checked, and told" 0 '(healthy)' dash -c "
    $there sick --health-cmd 'test -e /well' --health-interval 1s --health-retries 1 busybox sleep 600
    until dhow ps | grep '(unhealthy)'; do sleep 0.5; done
    dhow exec sick touch /well
    until dhow ps | grep '(healthy)'; do sleep 0.5; done"
  check "live: a paused one can be removed" 0 '^sick$' dash -c 'dhow pause sick && dhow rm -f sick'
  check "live: one that has frozen itself can be stopped" 0 '^137$' dash /root/vm-tour.sh stop_frozen
  check "live: with an init, which hands the signal on" 0 '^dhow-init -- .*|143$' dash -c "
    $there init --init busybox sleep 600
    echo \"\$(dhow exec init cat /proc/1/cmdline | tr '\\0' ' ')|\$(dhow stop init >/dev/null; dhow wait init)\"; dhow rm init"
  check "live: it is started again by its policy" 0 '^2 exited 3$' dash -c "
    $there again --restart on-failure:2 busybox sh -c 'echo run; exit 3'
    until dhow inspect -f '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}' again | grep '^2 exited'; do sleep 0.5; done"
  check "live: its log has all of its runs, with their times" 0 '^3$' dash -c \
    'dhow logs -t again | grep -c "^20.*Z run$"; dhow rm again'
  check "live: attach gives it input, and shows what it says" 0 '^it: typed$' dash -c "
    $there reader -i busybox sh -c 'read line; echo it: \$line'
    echo typed | dhow attach reader"
  check "live: logs -f ends with it" 0 '^it: typed$' dhow logs -f reader
  check "live: it is started anew, and joined in a terminal" 0 '^/dev/pts/' dash -c \
    'dhow start reader && dhow exec -t reader tty'
  check "live: files are copied in and out" 0 '^copied$' dash -c \
    'echo copied >/tmp/in && dhow cp /tmp/in reader:/out && dhow cp reader:/out /tmp/back && cat /tmp/back'
  check "live: what was changed is listed" 0 '^A /out$' dhow diff reader
  check "live: its processes are listed" 0 'read line' dhow top reader
  check "live: all of them end" 0 '^reader$' dash -c 'dhow stop -t 0 reader && dhow rm reader'
  check_nothing_left "live: nothing is left"
}

# Ends with the exit code of a container whose process was frozen in a cgroup below the container's own.
stop_frozen() {
  id=$(dhow run -d --network none busybox sleep 600)
  mkdir "/sys/fs/cgroup/dhow-$id/own"
  cat "/sys/fs/cgroup/dhow-$id/cgroup.procs" >"/sys/fs/cgroup/dhow-$id/own/cgroup.procs"
  echo 1 >"/sys/fs/cgroup/dhow-$id/own/cgroup.freeze"
  dhow stop -t 1 "$id"
  dhow inspect -f '{{.State.ExitCode}}' "$id"
  dhow rm "$id"
}

# Finds the cgroup of a running container, kills what is in it, and ends with dhow's exit code.
kill_in_cgroup() {
  dhow run --rm --network none busybox sleep 600 &
  dhow=$!
  tries=60
  until procs=$(find /sys/fs/cgroup -path '*dhow*' -name cgroup.procs -exec grep -l . {} + | grep .) &&
    grep -qx sleep "/proc/$(cat "$procs")/comm"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || break
    sleep 0.5
  done
  echo "$procs"
  kill -KILL $(cat $procs)
  wait "$dhow"
}

# What is of version 2 only.
limits_of_version_2() {
  alone="--network none"
  check "limits: what cgroup v2 lacks is told, and left out" 0 'memory swappiness capabilities or the cgroup is not mounted' \
    dhow run --rm $alone -m 64m --memory-swappiness 10 busybox true
  check "limits: real-time scheduling cannot be had" 125 'Your kernel does not support CPU real-time runtime' \
    dhow run --rm $alone --cpu-rt-runtime 1000 busybox true
  check "limits: a container sees its own" 0 '^67108864$' dhow run --rm $alone -m 64m busybox cat /sys/fs/cgroup/memory.max
  check_nothing_left "limits: nothing is left"
  nested
}

# Containers with ids of their own: by mounts on this kernel's ext4, by a copy of the image on its tmpfs, which has none of those.
own_ids() {
  auto="--network none --userns auto"
  show='set -- $(cat /proc/self/uid_map); echo $(stat -c %u:%g /bin/busybox) $2'
  check "ids: files of the image are its root's" 0 '^0:0 1879048192$' dhow run --rm $auto busybox sh -c "$show"
  check "ids: it starts by itself" 0 . dhow run -d --name ids $auto -v ids:/v busybox \
    sh -c 'echo x >/f; chown 5:6 /f; echo v >/v/f; chown 7:8 /v/f; echo up; sleep 600'
  check "ids: it owns what it has made" 0 '^5:6 7:8$' dash -c \
    'until dhow logs ids | grep -q up; do sleep 0.5; done; dhow exec ids sh -c "echo \$(stat -c %u:%g /f /v/f)"'
  check "ids: on the disk its ids are those that it sees" 0 '^5:6 7:8$' dash -c \
    'echo $(stat -c %u:%g /var/lib/dhow/containers/*/diff/f /var/lib/dhow/volumes/ids/_data/f)'
  check "ids: a terminal is opened in it" 0 '^/dev/pts/' dhow exec -t ids tty
  check "ids: files are copied in and out" 0 '^9:9$' dash -c \
    'echo x >/tmp/in; chown 9:9 /tmp/in; dhow cp /tmp/in ids:/in && dhow cp -a ids:/in /tmp/out && stat -c %u:%g /tmp/out'
  check "ids: what it has made is exported" 0 '^5:6$' dash -c \
    'mkdir /tmp/exported && dhow export ids | tar -x -C /tmp/exported f && stat -c %u:%g /tmp/exported/f; rm -r /tmp/exported'
  check "ids: a second one has others" 0 '^0:0 1879113728$' dhow run --rm $auto busybox sh -c "$show"
  check "ids: it goes" 0 '^ids$' dash -c 'dhow rm -f ids && dhow volume rm ids'
  there="dhow --root /tmp/copied"
  check "ids: where mounts cannot show other owners the image is copied" 0 '^0:0 1879048192$' dash -c \
    "$there load -q -i busybox.tar >/dev/null && $there run --rm $auto busybox sh -c '$show'"
  check "ids: the copy is its root's on the host" 0 '^1879048192$' dash -c \
    "$there create --name ids $auto busybox true && $there start -a ids && stat -c %u /tmp/copied/containers/*/copy/image/bin/busybox"
  check "ids: it goes with the container" 0 '^0$' dash -c \
    "$there rm ids >/dev/null; ls /tmp/copied/containers | wc -l"
  rm -rf /tmp/copied
  check_nothing_left "ids: nothing is left"
}

# dhow in a cgroup that is not the topmost, in a cgroup namespace, as in a container of another runtime's.
nested() {
  cat >/root/nested.sh <<'END'
set -e
mount -t proc proc /proc
# the topmost is mounted there already, and the kernel refuses the same file system once more
mkdir /tmp/own
mount -t cgroup2 cgroup2 /tmp/own
mount --bind /tmp/own /sys/fs/cgroup
umount /tmp/own
rmdir /tmp/own
run="/root/dhow --root /tmp/nested run --rm --network none"
$run ./busybox.tar echo unlimited
$run -m 64m ./busybox.tar true 2>&1 || true
mkdir /sys/fs/cgroup/init
for pid in $(cat /sys/fs/cgroup/cgroup.procs); do
  echo "$pid" >/sys/fs/cgroup/init/cgroup.procs || true # cat has ended
done
$run -m 64m --pids-limit 9 ./busybox.tar cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max
END
  check "nested: one line says why limits cannot be handed down, then they are" 0 \
    '^unlimited|dhow: cannot hand limits to the container.s cgroup: .*(EBUSY).*mkdir /sys/fs/cgroup/init.*|67108864|9$' \
    dash -c 'dhow run --rm --privileged --network none -v /:/host -w /host/root busybox chroot /host dash -c "cd /root && dash nested.sh" 2>&1 | paste -s -d "|"'
  mkdir /sys/fs/cgroup/session
  check "nested: a session below the topmost cgroup has limits" 0 '^67108864$' \
    dash -c 'echo $$ >/sys/fs/cgroup/session/cgroup.procs && dhow run --rm --network none -m 64m busybox cat /sys/fs/cgroup/memory.max'
  rmdir /sys/fs/cgroup/session
  check_nothing_left "nested: nothing is left"
}

with_network() {
  run="dhow run --rm"
  # As on a host with ufw or docker: what nobody lets through is dropped.
  iptables -P FORWARD DROP
  check "doctor: containers can run here, on version 2 of cgroups" 0 'works *cgroup.version *version 2' dhow doctor
  check "doctor: what this kernel cannot mount is unpacked" 0 'limited *storage.images .*unpacked' dhow doctor
  check "doctor: controllers are handed on" 0 'works *cgroup.controllers .*memory' dhow doctor
  check "doctor: NAT can be made" 0 'works *network.nat' dhow doctor
  check "doctor: what was taken away is told, with what gives it back" 0 'limited *cgroup.controllers .*echo "+memory"' dash -c \
    'cd /sys/fs/cgroup && echo -memory >cgroup.subtree_control && dhow doctor; code=$?; echo +memory >cgroup.subtree_control; exit $code'
  check "bridge: the container has an address" 0 'inet 100\.100\.1\.' $run busybox ip addr show eth0
  check "bridge: the gateway answers" 0 ' 0% packet loss' $run busybox ping -c 1 -W 10 100.100.1.1
  check "bridge: the internet answers" 0 'hello from the internet' $run busybox wget -q -O - http://192.0.2.2/
  check "bridge: it saw the host's address" 0 '192\.0\.2\.1\]*:' cat /tmp/www.log
  check "bridge: two at once" 0 '^both$' dash -c '
    dhow run --rm busybox ping -c 3 -W 10 192.0.2.2 & first=$!
    dhow run --rm busybox ping -c 3 -W 10 192.0.2.2 && wait $first && echo both'
  check "host: the container has the host's links" 0 up0 $run --network host busybox ls /sys/class/net
  check_nothing_left "bridge: nothing is left"
  check "bridge: dhow killed in the middle" 137 '' dash -c 'dhow run busybox sleep 600 & sleep 8; kill -9 $!; wait $!'
  check "bridge: the next command cleans up" 0 '' dhow images
  check_nothing_left "bridge: nothing is left of that either"
}

# sailor COMMAND: what a shell of an ordinary user's is to do.
sailor() {
  echo "export PATH=/home/sailor:/usr/sbin:/usr/bin:/sbin:/bin HOME=/home/sailor XDG_RUNTIME_DIR=/run/user/1000; cd; $1"
}

# An ordinary user, whose dhow is the same file: at first with no ids but its own, then with ranges.
rootless() {
  echo sailor:x:1000:1000::/home/sailor:/bin/dash >>/etc/passwd
  echo sailor:x:1000: >>/etc/group
  mkdir -p /home/sailor /run/user/1000
  cp dhow busybox.tar /home/sailor/
  chown -R 1000:1000 /home/sailor /run/user/1000
  chmod 700 /run/user/1000
  modprobe tun
  chmod 666 /dev/net/tun
  check "rootless: doctor says that containers can run" 0 'works *rootless.userns' su sailor -c "$(sailor 'dhow doctor')"
  ordinary single
  for file in subuid subgid; do echo sailor:100000:65536 >/etc/$file; done
  ordinary ranges
  check "rootless: a file of another of the user's ids" 0 '^33$' su sailor -c "$(sailor "
    dhow run -d --name own --network none -v own:/own busybox sleep 600 >/dev/null
    dhow exec own sh -c 'echo x >/own/x; chown 33:33 /own/x; stat -c %u /own/x'
    dhow rm -f own >/dev/null; dhow volume rm own >/dev/null")"
  check "rootless: without user namespaces, the sysctl is named" 1 'sysctl -w kernel.unprivileged_userns_clone=1' \
    dash -c "echo 0 >/proc/sys/kernel/unprivileged_userns_clone; su sailor -c '$(sailor 'dhow images')'; code=\$?
      echo 1 >/proc/sys/kernel/unprivileged_userns_clone; exit \$code"
  check "rootless: limits without a cgroup are told, and left out" 0 'warning: cannot limit.*systemd-run --user' \
    su sailor -c "$(sailor 'dhow run --rm --network none -m 64m busybox true')"
  for network in pasta slirp4netns; do
    check "rootless: $network leads to the internet" 0 'hello from the internet' \
      su sailor -c "$(sailor "dhow run --rm --network $network busybox wget -q -O - http://192.0.2.2/")"
    check "rootless: and a port of the host into the container" 0 '^inside$' su sailor -c "$(sailor "
      dhow run -d --name web --network $network -p 8080:80 busybox sh -c 'mkdir /w; echo inside >/w/index.html; httpd -f -p 80 -h /w' >/dev/null
      for i in 1 2 3 4 5 6 7 8 9 10; do wget -q -O - http://127.0.0.1:8080/ && break; sleep 1; done
      dhow rm -f web >/dev/null")"
  done
  delegated
  check_nothing_left "rootless: nothing is left"
  check "rootless: nor in the user's folders" 0 '^0$' dash -c \
    'find /home/sailor/.local/share/dhow/containers /home/sailor/.local/share/dhow/volumes /run/user/1000/dhow/containers -mindepth 1 | wc -l'
}

ordinary() {
  check "rootless, $1: an archive runs" 0 '^0$' su sailor -c "$(sailor 'dhow run --rm --network none ./busybox.tar id -u')"
  check "rootless, $1: load" 0 busybox su sailor -c "$(sailor 'dhow load -i busybox.tar')"
  check "rootless, $1: a container stays, is joined, stopped and removed" 0 '^7$' su sailor -c "$(sailor "
    dhow run -d --name box --network none busybox sh -c 'echo up; trap \"exit 7\" TERM; while :; do sleep 1; done' >/dev/null
    until dhow logs box | grep up; do sleep 0.5; done
    dhow exec box sh -c 'rm /bin/env; mkdir /new'
    dhow diff box; dhow stop -t 60 box; dhow wait box; dhow rm box")"
  check "rootless, $1: what was killed is cleaned up" 0 '^Exited (255)' su sailor -c "$(sailor "
    dhow run -d --name killed --network none busybox sleep 600 >/dev/null
    kill -9 \$(grep -l ^dhow-monitor /proc/[0-9]*/cmdline | cut -d / -f 3)
    for i in 1 2 3 4 5 6 7 8 9 10; do dhow ps -a --format '{{.Status}}' | grep Exited && break; sleep 1; done
    dhow rm killed")"
}

# With a cgroup of the user's own, as systemd's user manager has one.
delegated() {
  own=/sys/fs/cgroup/sailor
  mkdir -p $own/shell
  chown 1000:1000 $own $own/cgroup.procs $own/cgroup.subtree_control $own/shell $own/shell/cgroup.procs
  inside() { echo "echo \$\$ >$own/shell/cgroup.procs; exec su sailor -c '$(sailor "$1")'"; }
  check "delegated: memory is limited" 0 '^67108864$' dash -c "$(inside '
    dhow run --rm --network none -m 64m busybox cat /sys/fs/cgroup/memory.max')"
  check "delegated: what takes too much is killed" 137 '' dash -c "$(inside '
    dhow run --rm --network none -m 24m busybox dd if=/dev/zero of=/dev/null bs=100M count=1')"
  check "delegated: a container is measured, paused and goes on" 0 '^(Paused)$' dash -c "$(inside '
    dhow run -d --name box --network none --pids-limit 20 busybox sleep 600 >/dev/null
    dhow stats --no-stream box; dhow update --pids-limit 30 box
    dhow pause box; dhow ps | grep -o "(Paused)"; dhow unpause box; dhow exec box true && dhow rm -f box')"
  check "delegated: its limit" 0 '^30 ' dash -c "$(inside '
    dhow run -d --name box --network none --pids-limit 30 busybox sleep 600 >/dev/null
    echo "$(cat /sys/fs/cgroup/sailor/dhow-*/pids.max) $(dhow top box | wc -l)"; dhow rm -f box')"
  check "delegated: doctor says so" 0 'works *cgroup.writable .*/sys/fs/cgroup/sailor' dash -c "$(inside 'dhow doctor')"
  rmdir $own/shell $own
}

without_tools() {
  run="dhow run --rm"
  check "no tools: there is no ip, no iptables" 0 '^none$' dash -c \
    'command -v ip || command -v iptables || command -v iptables-restore || echo none'
  without_network "no tools"
  check "no tools: doctor says so, and that containers run" 0 'limited *network.ip .*apt-get install iproute2' dhow doctor
  check "no tools: --network host" 0 'hello from the internet' $run --network host busybox wget -q -O - http://192.0.2.2/
  check "no tools: the bridge says what is missing" 125 'ip.*--network' $run busybox true
  check "no tools: it says so on one line" 0 '^1$' dash -c 'dhow run --rm busybox true 2>&1 | wc -l'
  check_nothing_left "no tools: nothing is left after that"
}

tour() {
  cd /root || return
  echo "# Linux $(uname -r), cgroup v2"
  make_internet
  tools=/usr/sbin
  snapshot >/tmp/before
  without_network none
  living
  limits
  limits_of_version_2
  devices
  check_nothing_left "devices: nothing is left"
  own_ids
  with_network
  rootless

  # The same machine, as if it had been set up without these.
  tools=/away
  mkdir "$tools"
  mv /usr/sbin/iptables* /usr/sbin/ip6tables* /usr/sbin/xtables* /usr/sbin/nft* "$tools/" 2>/dev/null
  rm -f /bin/ip /sbin/ip /usr/sbin/ip /usr/bin/ip
  rm -rf /var/lib/dhow /run/dhow
  without_tools
  echo end
}

"$1"
