# Loading 200 MB, beside GNU tar: as the tutorial uses it, the archive and then the layer; and only the layer. Nobody but
# dhow hashes what it unpacks, so its hashing is measured by itself, with the same library.
# shellcheck shell=sh

debian_layer
cat >"$tmp/prepare" <<END
rm -rf $tmp/out
mkdir -p $tmp/out/archive $tmp/out/layer $tmp/out/copy
$docker rmi debian:bench || true
$podman rmi debian:bench || true
cat $debian_archive $tmp/layer >/dev/null
END
sh "$tmp/prepare" >/dev/null 2>&1
contender "docker load" "$docker load -q -i $debian_archive"
contender "podman load" "$podman load -q -i $debian_archive"
contender "dhow load" "dist/dhow --root $tmp/out/dhow load -i $debian_archive"
contender "dhow load, unpacked" "dist/dhow --root $tmp/out/unpacked --storage unpacked load -i $debian_archive"
contender "GNU tar, archive and layer" \
  "sh -c 'tar -C $tmp/out/archive -xf $debian_archive && tar -C $tmp/out/copy -xf $tmp/out/archive/*/layer.tar'"
contender "GNU tar, layer" "tar -C $tmp/out/layer -xf $tmp/layer"
contender "hashing" "openssl dgst -sha256 $tmp/layer"
race load --warmup 1 --runs 7 --prepare "sh $tmp/prepare"
target load "dhow load" 0.2 "docker load"
target load "dhow load, unpacked" 1 "GNU tar, layer" "hashing"
# for comparison: some of the hashing is done while files are written
target load "dhow load, unpacked" 1 "GNU tar, layer"
sh "$tmp/prepare" >/dev/null 2>&1
