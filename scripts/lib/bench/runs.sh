# 2,000 containers one after another: whether the last take longer than the first, and whether anything is left.
# shellcheck shell=sh

# What one run too many could leave. No dhow runs while it is asked.
traces() {
  sleep 1 # what a container has left to a process of its own is done by then
  wc -l </proc/self/mountinfo | sed 's/^/mounts /'
  ip -brief link | awk '{ print "link", $1 }'
  iptables-save | grep -c '^-' | sed 's/^/rules /'
  find /sys/fs/cgroup -type d -name 'dhow-*' ! -path '*/dhow-test-*' | sed 's/^/cgroup /'
  for process in /proc/[0-9]*; do # of this host: it has a network of its own
    [ "$(readlink "$process/ns/net")" != "$(readlink /proc/self/ns/net)" ] || sed 's/^/process /' "$process/comm"
  done 2>/dev/null | sed -n '/dhow/p'
  find "$tmp/dhow" ! -name 'dhow.db*' | sort
  python3 -c 'import sqlite3, sys
database = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
for name, in database.execute("SELECT name FROM sqlite_schema WHERE type = ?", ["table"]).fetchall():
    print("rows of", name, database.execute(f"SELECT count(*) FROM \"{name}\"").fetchone()[0])' "$(find "$tmp/dhow" -name dhow.db)"
}

database_size() { find "$tmp/dhow" -name 'dhow.db*' -exec cat {} + | wc -c; }

# compare NAME: the last hundred of a race beside its first.
compare() {
  jq -r --arg name "$1" '.results[0].times | (.[:100] | sort | .[50]) as $first | (.[-100:] | sort | .[50]) as $last
    | ($last / $first) as $ratio
    | "\($name), \(length) in a row: \($first * 10000 | round / 10) ms for the first hundred, "
      + "\($last * 10000 | round / 10) ms for the last: \($ratio * 100 | round / 100) times, target 1.2: "
      + (if $ratio <= 1.2 then "met" else "missed" end)' "$2"
}

$dhow load -q -i busybox.tar >/dev/null
cat >"$tmp/detached" <<END
id=\$($dhow run -d --network none busybox sh -c 'exit 9')
[ "\$($dhow wait \$id)" = 9 ]
exec $dhow rm \$id
END
# more than there is room for in the list of events, so that it is full
hyperfine -N --style none --runs 400 "$dhow run --rm --network none busybox true" >/dev/null
traces >"$tmp/before"
size=$(database_size)
hyperfine -N --style none --runs 2000 --export-json dist/bench-runs.json "$dhow run --rm --network none busybox true" >/dev/null
compare "dhow run" dist/bench-runs.json
hyperfine -N --style none --runs 300 --export-json dist/bench-runs-detached.json "sh -eu $tmp/detached" >/dev/null
compare "dhow run -d, wait, rm" dist/bench-runs-detached.json
traces >"$tmp/after"
if diff "$tmp/before" "$tmp/after"; then echo "what 2,300 containers have left: nothing"; else echo "what 2,300 containers have left is above"; fi
echo "bytes of the database: $size before, $(database_size) after"
