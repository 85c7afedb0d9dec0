# `run ARCHIVE` of 200 MB that dhow has never seen: a new time makes another archive of it. Its pages are in memory.
# shellcheck shell=sh

cp "$debian_archive" "$tmp/unseen.tar"
cp "$debian_archive" "$tmp/seen.tar"
cat >"$tmp/prepare" <<END
touch $tmp/unseen.tar
cat $tmp/unseen.tar $tmp/seen.tar dist/hello dist/dhow >/dev/null
END
contender "hello world, compiled by Deno" dist/hello
contender "dhow, never seen, no network" "$dhow run --rm --network none $tmp/unseen.tar true"
contender "dhow, never seen, bridge" "$dhow run --rm $tmp/unseen.tar true"
contender "dhow, known, no network" "$dhow run --rm --network none $tmp/seen.tar true"
race archive --warmup 3 --runs 20 --prepare "sh $tmp/prepare"
target archive "dhow, never seen, no network" 4 "hello world, compiled by Deno"
target archive "dhow, never seen, bridge" 4 "hello world, compiled by Deno"
rm "$tmp/unseen.tar" "$tmp/seen.tar"
