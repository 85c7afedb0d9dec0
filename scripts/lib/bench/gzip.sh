# A layer that is compressed, as registries have them.
# shellcheck shell=sh

debian_layer
gzip -c "$tmp/layer" >"$tmp/layer.gz"
write_archive "$tmp/gzip.tar" debian:gzip "$tmp/layer.gz"
cat >"$tmp/prepare" <<END
rm -rf $tmp/out
mkdir $tmp/out
cat $tmp/layer.gz $tmp/gzip.tar >/dev/null
END
sh "$tmp/prepare"
contender "gunzip, to nowhere" "gunzip -c $tmp/layer.gz"
contender "dhow load" "dist/dhow --root $tmp/out/dhow load -i $tmp/gzip.tar"
contender "dhow load, unpacked" "dist/dhow --root $tmp/out/unpacked --storage unpacked load -i $tmp/gzip.tar"
race gzip --warmup 1 --runs 7 --prepare "sh $tmp/prepare"
target gzip "dhow load" 1.2 "gunzip, to nowhere"
target gzip "dhow load, unpacked" 1.2 "gunzip, to nowhere"
rm -r "$tmp/layer.gz" "$tmp/gzip.tar" "$tmp/out"
