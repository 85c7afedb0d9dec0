# A known image's container, from dhow's start to its end.
# shellcheck shell=sh

# What runs a root file system and knows nothing of images gets an unpacked one.
mkdir "$tmp/archive" "$tmp/bundle" "$tmp/bundle/rootfs"
tar -C "$tmp/archive" -xf busybox.tar
jq -r '.[0].Layers[]' "$tmp/archive/manifest.json" | while read -r layer; do
  tar -C "$tmp/bundle/rootfs" -xf "$tmp/archive/$layer"
done
if has runc; then
  runc spec --bundle "$tmp/bundle"
  jq --arg cgroup "/$cgroup/bundle" '.process.args = ["true"] | .process.terminal = false | .linux.cgroupsPath = $cgroup' \
    "$tmp/bundle/config.json" >"$tmp/config.json"
  mv "$tmp/config.json" "$tmp/bundle/config.json"
fi

$dhow load -i busybox.tar >/dev/null
if has podman; then $podman load -q -i busybox.tar >/dev/null; fi
if has dockerd; then $docker load -q -i busybox.tar >/dev/null; fi

contender "hello world, compiled by Deno" dist/hello
contender "dhow, no network" "$dhow run --rm --network none busybox true"
contender "dhow, bridge" "$dhow run --rm busybox true"
contender "docker, no network" "$docker run --rm --network none busybox true"
contender "docker, bridge" "$docker run --rm busybox true"
contender "podman, no network" "$podman_run --network none busybox true"
contender "podman, bridge" "$podman_run busybox true"
contender "runc, unpacked, no network" "runc --root $tmp/runc run --bundle $tmp/bundle bench"
contender "crun, unpacked, no network" "crun --root $tmp/crun run --bundle $tmp/bundle bench"
contender "bubblewrap, unpacked, no network" \
  "bwrap --unshare-all --bind $tmp/bundle/rootfs / --proc /proc --dev /dev true"
race start --warmup 5 --runs 30
target start "dhow, no network" 1.25 "hello world, compiled by Deno"
target start "dhow, bridge" 1.6 "hello world, compiled by Deno"
