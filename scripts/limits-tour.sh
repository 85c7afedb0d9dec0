#!/bin/dash
# Limits and devices, the same on both versions of cgroups: scripts/vm-tour.sh has these functions called in its machine, which
# has version 2, and tests/system/limits_tour_test.ts calls this file on a host with version 1. There it is called with a PATH
# that has dhow, with an image called busybox in its store. Prints `ok NAME`, and `not ok NAME: WHY`.
# shellcheck disable=SC2086,SC2016 # $alone is a list of words; what is quoted is for the inner sh

# check NAME CODE PATTERN COMMAND...: the command exits with CODE, and a line of its output matches PATTERN.
check() {
  name=$1 want=$2 pattern=$3
  shift 3
  output=$(timeout 120 "$@" 2>&1 </dev/null)
  code=$?
  if [ "$code" != "$want" ]; then
    echo "not ok $name: exit code $code, not $want, and said: $(one_line "$output")"
  elif ! echo "$output" | grep -q -e "$pattern"; then
    echo "not ok $name: no \"$pattern\" in what it said: $(one_line "$output")"
  else
    echo "ok $name"
  fi
}

one_line() { echo "$1" | tr '\n' '|' | head -c 1000; }

# in_file NAME FILE1 PATTERN1 FILE2 PATTERN2: a file of the cgroup of the container $id, on either version.
# shellcheck disable=SC2254 # the patterns are to be patterns
in_file() {
  if [ "$version" = 1 ]; then
    file=$2 pattern=$3 value=$(cat /sys/fs/cgroup/*/dhow-$id/$2 2>&1)
  else
    file=$4 pattern=$5 value=$(cat /sys/fs/cgroup/dhow-$id/$4 2>&1)
  fi
  case "$value" in
    $pattern) echo "ok $1" ;;
    *) echo "not ok $1: $file is $(one_line "$value"), not $pattern" ;;
  esac
}

# Keeps more memory than it may: a shell's variable.
greedy='x=$(head -c 100000000 /dev/zero | tr "\0" x); echo ${#x}'

limits() {
  alone="--network none"
  for disk in /dev/vda /dev/nvme0n1 /dev/sda /dev/xvda; do [ ! -b "$disk" ] || break; done
  id=$(dhow run -d $alone --name lim -m 64m --memory-swap 96m --memory-reservation 32m --cpus 0.5 --cpu-shares 512 \
    --cpuset-cpus 0 --pids-limit 20 --device-read-bps $disk:1m --device-write-iops $disk:40 busybox sleep 600)
  in_file "limits: memory" memory.limit_in_bytes 67108864 memory.max 67108864
  # a kernel without swap has no file for it
  if [ "$version" = 1 ] || [ -e "/sys/fs/cgroup/dhow-$id/memory.swap.max" ]; then
    in_file "limits: swap is what is left of both" memory.memsw.limit_in_bytes 100663296 memory.swap.max 33554432
  fi
  in_file "limits: memory reservation" memory.soft_limit_in_bytes 33554432 memory.low 33554432
  in_file "limits: CPUs" cpu.cfs_quota_us 50000 cpu.max "50000 100000"
  in_file "limits: shares, or the weight that they become" cpu.shares 512 cpu.weight 20
  in_file "limits: the list of CPUs" cpuset.cpus 0 cpuset.cpus 0
  in_file "limits: processes" pids.max 20 pids.max 20
  in_file "limits: reads" blkio.throttle.read_bps_device "*:* 1048576" io.max "*rbps=1048576*"
  in_file "limits: writes" blkio.throttle.write_iops_device "*:* 40" io.max "*wiops=40*"
  check "limits: the container has the CPUs" 0 '	0$' dhow exec lim grep Cpus_allowed_list /proc/self/status
  check "limits: and sees what it has" 0 '^67108864$' dhow exec lim sh -c '
    if [ -e /sys/fs/cgroup/memory.max ]; then cat /sys/fs/cgroup/memory.max; else cat /sys/fs/cgroup/memory/memory.limit_in_bytes; fi'
  check "limits: but cannot change it" 0 '^refused$' dhow exec lim sh -c '
    for file in $(find /sys/fs/cgroup -name memory.max -o -name memory.limit_in_bytes) /sys/fs/cgroup/x; do
      ! echo 1 2>/dev/null >"$file" || exit 1
    done
    echo refused'
  check "limits: inspect" 0 '^67108864 500000000 20$' \
    dhow inspect -f '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}' lim
  check "limits: stats" 0 ' / 64MiB$' dhow stats --no-stream --format '{{.MemUsage}}' lim
  check "limits: update" 0 '^lim$' dhow update -m 32m --memory-swap 40m --cpus 0.25 --pids-limit -1 --cpuset-cpus 1 lim
  in_file "limits: memory was changed" memory.limit_in_bytes 33554432 memory.max 33554432
  in_file "limits: CPUs were changed" cpu.cfs_quota_us 25000 cpu.max "25000 100000"
  in_file "limits: processes were changed" pids.max max pids.max max
  in_file "limits: the list of CPUs was changed" cpuset.cpus 1 cpuset.cpus 1
  check "limits: update of swap alone" 0 '^lim$' dhow update --memory-swap 48m lim
  if [ "$version" = 1 ] || [ -e "/sys/fs/cgroup/dhow-$id/memory.swap.max" ]; then
    in_file "limits: swap alone was changed" memory.memsw.limit_in_bytes 50331648 memory.swap.max 16777216
  fi
  check "limits: update says what contradicts" 1 'CPU Quota cannot be updated as NanoCPUs' dhow update --cpu-quota 5000 lim
  check "limits: a limited container is paused" 0 '(Paused)' dash -c 'dhow pause lim && dhow ps'
  check "limits: and its limits are changed" 0 '^lim$' dhow update --cpus 0.75 lim
  in_file "limits: which it has at once" cpu.cfs_quota_us 75000 cpu.max "75000 100000"
  check "limits: it goes on" 0 '^lim$' dhow unpause lim
  check "limits: they are there again when it is started anew" 0 '^lim$' dhow restart -t 0 lim
  in_file "limits: memory, after that" memory.limit_in_bytes 33554432 memory.max 33554432
  check "limits: the container goes" 0 '^lim$' dhow rm -f lim

  check "limits: what takes too much memory is killed" 137 '' dhow run --rm $alone -m 24m busybox sh -c "$greedy"
  check "limits: detached as well" 0 . dhow run -d $alone -m 24m --name greedy busybox sh -c "$greedy"
  check "limits: its exit code" 0 '^137$' dhow wait greedy
  check "limits: inspect says why" 0 '^true 137$' dhow inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' greedy
  check "limits: an event says why" 0 '^oom$' \
    dhow events --since 1h --until 0s --filter container=greedy --format '{{.Action}}'
  dhow rm greedy >/dev/null
  check "limits: a fork bomb is stopped" 0 "can't fork" dhow run --rm $alone --pids-limit 10 busybox \
    sh -c 'sh -c "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 600 & done"; true'
  id=$(dhow run -d $alone --name busy --cpus 0.1 busybox sh -c 'while :; do :; done')
  check "limits: CPUs are throttled" 0 '^nr_throttled [1-9]' dash -c "
    until cat /sys/fs/cgroup/dhow-$id/cpu.stat /sys/fs/cgroup/*/dhow-$id/cpu.stat 2>/dev/null | grep '^nr_throttled [1-9]'; do
      sleep 0.2; done"
  check "limits: the busy one goes" 0 '^busy$' dhow rm -f busy
  id=$(dhow run -d $alone --name inner --cgroup-parent /outer/inner -m 64m busybox sleep 600)
  if [ "$version" = 1 ]; then outer=$(echo /sys/fs/cgroup/*/outer/inner/dhow-$id/memory.limit_in_bytes); else
    outer=/sys/fs/cgroup/outer/inner/dhow-$id/memory.max
  fi
  check "limits: in a cgroup of the user's" 0 '^67108864$' cat $outer
  check "limits: which goes with it" 0 '^inner$' dhow rm -f inner
}

devices() {
  alone="--network none --cap-add SYSLOG" # the kernel wants it of who reads this device
  open='mknod /tmp/kmsg c 1 11 && : </tmp/kmsg && echo opened'
  check "devices: others cannot be opened" 1 'not permitted' dhow run --rm $alone busybox sh -c "$open"
  check "devices: its own can" 0 '^opened$' dhow run --rm $alone busybox \
    sh -c 'for d in null zero full random urandom; do head -c 0 /dev/$d || exit 1; done; echo opened >/dev/null; echo opened'
  check "devices: terminals can" 0 '/dev/pts/0' dash -c "
    dhow run -d -t $alone --name term busybox sh -c 'tty; exec sleep 600' >/dev/null
    until dhow logs term | grep .; do sleep 0.2; done; dhow rm -f term"
  check "devices: a rule lets it" 0 '^opened$' dhow run --rm $alone --device-cgroup-rule 'c 1:11 r' busybox sh -c "$open"
  check "devices: for no more than it says" 1 'not permitted' dhow run --rm $alone --device-cgroup-rule 'c 1:11 r' busybox \
    sh -c 'mknod /tmp/kmsg c 1 11 && : >>/tmp/kmsg'
}

# Called by itself, with the version of the host's cgroups: both.
case "${1:-}" in
  1 | 2)
    version=$1
    limits
    devices
    ;;
esac
