# The same files in one layer and in 200.
# shellcheck shell=sh

debian_layer
mkdir "$tmp/tree" "$tmp/parts"
tar -C "$tmp/tree" -xf "$tmp/layer"
(cd "$tmp/tree" && find . -print0 | sort -z) >"$tmp/names"
split -t '\0' -n l/200 -a 3 -d "$tmp/names" "$tmp/parts/"
for piece in "$tmp"/parts/*; do
  tar -C "$tmp/tree" --numeric-owner --no-recursion --null -T "$piece" -cf "$piece.tar"
done
rm -rf "$tmp/tree" "$tmp/names"
write_archive "$tmp/200.tar" debian:200 "$tmp"/parts/*.tar
rm -r "$tmp/parts"
cp "$debian_archive" "$tmp/1.tar"
$dhow load -q -i "$tmp/1.tar" >/dev/null
$dhow load -q -i "$tmp/200.tar" >/dev/null

contender "1 layer, loaded" "$dhow run --rm --network none debian:bench true"
contender "200 layers, loaded" "$dhow run --rm --network none debian:200 true"
contender "1 layer, archive in place" "$dhow run --rm --network none $tmp/1.tar true"
contender "200 layers, archive in place" "$dhow run --rm --network none $tmp/200.tar true"
race layers --warmup 3 --runs 25
target layers "200 layers, loaded" 1.2 "1 layer, loaded"
target layers "200 layers, archive in place" 1.2 "1 layer, archive in place"
$dhow rmi debian:bench debian:200 >/dev/null
rm "$tmp/1.tar" "$tmp/200.tar"
