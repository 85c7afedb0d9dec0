# What it costs to be an ordinary user: dhow starts once more, in a user namespace.
# shellcheck shell=sh

sailor=$tmp/sailor
mkdir "$sailor"
cp dist/dhow busybox.tar "$sailor/"
chown -R 12345:12345 "$sailor"
chmod 755 "$memory" "$tmp"
user="setpriv --reuid 12345 --regid 12345 --clear-groups env HOME=$sailor $sailor/dhow"
root="dist/dhow --root $tmp/unpacked --storage unpacked"

$root load -q -i busybox.tar >/dev/null
$user load -q -i "$sailor/busybox.tar" >/dev/null
contender "dhow of root, images unpacked" "$root run --rm --network none busybox true"
contender "dhow of an ordinary user" "$user run --rm --network none busybox true"
race rootless --warmup 5 --runs 30
target rootless "dhow of an ordinary user" 2.2 "dhow of root, images unpacked"
